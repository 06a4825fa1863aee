//! What the status and Events say.

use super::*;

#[test]
fn a_status_that_says_the_same_is_not_written_again() {
    let observed = whole();
    let first = status(&cluster(), &observed, &History::default());
    let second = decide(
        &cluster(),
        &observed,
        Some(&first),
        &History::default(),
        at(60),
    );
    assert_eq!(second.commands, []);
    assert_eq!(second.requeue, REQUEUE_SETTLED);
}

#[test]
fn a_paused_cluster_gets_a_status_and_nothing_else() {
    let mut cluster = cluster();
    cluster.paused = true;
    let planned = plan(&cluster, &Observed::default(), &History::default(), at(0));
    assert_eq!(planned, ["announce Pause/demo"]);
    let status = status(&cluster, &whole(), &History::default());
    assert_eq!(status.phase, Some(Phase::Paused));
    assert_eq!(condition(&status, "Ready").status, ConditionStatus::True);
}

#[test]
fn shrinking_is_refused_aloud() {
    let mut cluster = cluster();
    cluster.brokers.replicas = 2;
    let observed = with_objects(&cluster, formed());
    let history = evidence(&cluster, &observed);
    let status = status(&cluster, &observed, &history);
    assert_eq!(
        condition(&status, "ShrinkRefused").status,
        ConditionStatus::True
    );
    let planned = plan(&cluster, &observed, &history, at(0));
    assert!(
        !planned.iter().any(|command| command.starts_with("delete")),
        "{planned:?}"
    );
}

#[test]
fn a_cluster_that_is_long_not_ready_is_looked_at_less_often() {
    let mut observed = formed();
    observed.pods[4].ready = false;
    let observed = with_objects(&cluster(), observed);
    let first = status(&cluster(), &observed, &History::default());
    let requeue = |seconds| {
        decide(
            &cluster(),
            &observed,
            Some(&first),
            &History::default(),
            at(seconds),
        )
        .requeue
    };
    assert_eq!(requeue(60), REQUEUE_CHANGING);
    assert_eq!(requeue(180), REQUEUE_SETTLED);
}

#[test]
fn counts_of_partitions_reach_the_status() {
    let mut observed = whole();
    partitions(&mut observed).leaderless = 2;
    partitions(&mut observed).under_replicated = 3;
    let status = status(&cluster(), &observed, &History::default());
    assert_eq!(status.partitions.unwrap().leaderless, 2);
    assert_eq!(status.partitions.unwrap().under_replicated, 3);
    assert_eq!(condition(&status, "Ready").reason, "PartitionsLeaderless");
    assert_eq!(status.phase, Some(Phase::Degraded));
}

#[test]
fn a_transition_time_moves_only_with_its_status() {
    let observed = whole();
    let first = status(&cluster(), &observed, &History::default());
    let mut worse = observed.clone();
    worse.pods[4].ready = false;
    let plan = decide(
        &cluster(),
        &worse,
        Some(&first),
        &History::default(),
        at(60),
    );
    let Some(Command::WriteStatus(second)) = plan.commands.last() else {
        panic!("{plan:?}")
    };
    let time =
        |status: &KafkaClusterStatus, type_| condition(status, type_).last_transition_time.clone();
    assert_ne!(time(&first, "Ready"), time(second, "Ready"));
    assert_eq!(time(&first, "QuorumLost"), time(second, "QuorumLost"));
}
