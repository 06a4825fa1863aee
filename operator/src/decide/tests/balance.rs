//! What the balance of load asks for, in the whole plan of a cluster that lacks nothing else.

use kintsugi_crds::{BalanceState, BalanceStatus, RebalanceApproval, RebalanceScope};

use super::*;
use crate::balance::{Act, Balancing};
use crate::plan::ObjectVersion;

const LOOK_IN: i64 = 2;

/// A cluster of which this was found, and what is observed of it.
fn found(act: Option<Act>) -> (Cluster, Observed) {
    let mut cluster = cluster();
    cluster.balancing = Some(Balancing {
        status: BalanceStatus {
            state: BalanceState::Uneven,
            since: None,
            reason: "broker 1 sends 40 % more than the mean".to_owned(),
        },
        act,
        news: Some(Announcement::of("load", "LoadUneven", "it is".to_owned())),
        look_at: Some(at(LOOK_IN)),
        excess: Default::default(),
    });
    let observed = with_objects(&cluster, formed());
    (cluster, observed)
}

#[test]
fn load_that_is_uneven_leads_to_one_rebalance_of_the_scope_that_was_found_and_nothing_else() {
    for scope in [RebalanceScope::Leaders, RebalanceScope::Full] {
        let (cluster, observed) = found(Some(Act::Create(scope)));
        let now = at(0);
        let plan = decide(&cluster, &observed, None, &History::default(), now);
        let words: Vec<String> = plan.commands.iter().filter_map(word).collect();
        assert_eq!(words, ["create demo-balance", "announce load"]);
        let Command::CreateRebalance(made) = &plan.commands[0] else {
            panic!("{:?}", plan.commands[0]);
        };
        assert_eq!(made.spec.scope, scope);
        assert_eq!(made.spec.approval, RebalanceApproval::Automatic);
        assert_eq!(made.spec.cluster_name, "demo");
        assert_eq!(plan.closed, []);
    }
}

#[test]
fn a_rebalance_that_is_over_is_deleted_in_the_version_that_was_seen() {
    let seen = ObjectVersion {
        name: "demo-balance".to_owned(),
        uid: "u".to_owned(),
        resource_version: "7".to_owned(),
        why: "it is over".to_owned(),
    };
    let (cluster, observed) = found(Some(Act::Delete(seen.clone())));
    let plan = decide(&cluster, &observed, None, &History::default(), at(0));
    let words: Vec<String> = plan.commands.iter().filter_map(word).collect();
    assert_eq!(words, ["delete demo-balance", "announce load"]);
    assert_eq!(plan.commands[0], Command::DeleteRebalance(seen));
}

#[test]
fn a_paused_cluster_is_told_of_its_load_and_nothing_is_made() {
    let (mut cluster, observed) = found(Some(Act::Create(RebalanceScope::Full)));
    cluster.paused = true;
    let done = plan(&cluster, &observed, &History::default(), at(0));
    assert_eq!(done, ["announce Pause/demo", "announce load"]);
}

#[test]
fn a_cluster_is_looked_at_when_the_hold_time_of_its_load_ends_and_its_status_says_why() {
    let (cluster, observed) = found(None);
    let plan = decide(&cluster, &observed, None, &History::default(), at(0));
    assert_eq!(plan.requeue, Duration::from_secs(LOOK_IN.unsigned_abs()));
    let late = decide(&cluster, &observed, None, &History::default(), at(LOOK_IN));
    assert!(!late.requeue.is_zero(), "a look must not follow at once");
    let told = status(&cluster, &observed, &History::default()).balance;
    let found = cluster.balancing.map(|balancing| balancing.status);
    assert_eq!(told, found);
}
