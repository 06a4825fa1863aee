//! What `kintsugi-plan` advises is done by a real cluster, and then there is nothing left to advise.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use kintsugi_advisor::look::look;
use kintsugi_advisor::model::{Capacities, Prepared};
use kintsugi_advisor::reassignment::{Side, json};
use kintsugi_planner::{Limits, Model, Plan, Profile, Scope, Thresholds, plan};
use kintsugi_types::Endpoint;
use support::reassign::{alter, list};
use support::records::{create_topic, produce};
use support::{Cluster, eventually, partition};

const PARTITIONS: i32 = 6;

async fn advise(cluster: &Cluster, scope: &Scope, leaving: &[i32]) -> (Prepared, Plan) {
    let bootstrap: Vec<Endpoint> = cluster.brokers.iter().map(|node| node.endpoint()).collect();
    let leaving: BTreeSet<i32> = leaving.iter().copied().collect();
    let capacities = Capacities::default();
    let prepared = look(&bootstrap, Duration::ZERO, &capacities, &leaving)
        .await
        .unwrap();
    let model = Model::build(prepared.input.clone()).unwrap();
    let profile = Profile::cruise_control(Thresholds::default()).unwrap();
    let plan = plan(&model, &profile, scope, &Limits::default()).unwrap();
    (prepared, plan)
}

/// Asks for what the file says, as Kafka's tool does, and waits for it.
async fn carry_out(cluster: &Cluster, prepared: &Prepared, plan: &Plan) {
    let text = json(&plan.changes, &prepared.keys, Side::After).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let connection = cluster.brokers[0].connect().await;
    for entry in file["partitions"].as_array().unwrap() {
        let topic = entry["topic"].as_str().unwrap();
        let index = i32::try_from(entry["partition"].as_i64().unwrap()).unwrap();
        let replicas: Vec<i32> = serde_json::from_value(entry["replicas"].clone()).unwrap();
        assert_eq!(
            alter(&connection, topic, &[(index, Some(&replicas))]).await,
            [0]
        );
    }
    eventually("the moves to end", async || {
        list(&connection).await?.is_empty().then_some(())
    })
    .await;
}

async fn holders(cluster: &Cluster) -> BTreeSet<i32> {
    let connection = cluster.brokers[0].connect().await;
    let mut holders = BTreeSet::new();
    for index in 0..PARTITIONS {
        let found = eventually("a partition to be told", async || {
            partition(&connection, "t", index).await
        })
        .await;
        holders.extend(found.replica_nodes.iter().map(|id| id.0));
    }
    holders
}

#[tokio::test]
async fn a_broker_that_leaves_is_emptied_by_the_plan_and_takes_its_share_when_it_joins_again() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), 4);
    cluster.await_brokers(4).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", PARTITIONS, 3).await, 0);
    for index in 0..PARTITIONS {
        eventually("a record to be written", async || {
            let leader = partition(&connection, "t", index).await?.leader_id.0;
            let leader = cluster.brokers.iter().find(|node| node.id == leader)?;
            produce(&leader.connect().await, "t", index, "x")
                .await?
                .ok()
        })
        .await;
    }
    assert_eq!(holders(&cluster).await, BTreeSet::from([0, 1, 2, 3]));

    let (prepared, away) = advise(&cluster, &Scope::RemoveBrokers(vec![3]), &[3]).await;
    assert!(away.moves.replicas > 0);
    carry_out(&cluster, &prepared, &away).await;
    assert_eq!(holders(&cluster).await, BTreeSet::from([0, 1, 2]));
    let (_, again) = advise(&cluster, &Scope::RemoveBrokers(vec![3]), &[3]).await;
    assert_eq!(again.changes, []);

    let (prepared, back) = advise(&cluster, &Scope::AddBrokers(vec![3]), &[]).await;
    assert!(
        back.changes
            .iter()
            .all(|change| change.replicas_after.contains(&3))
    );
    carry_out(&cluster, &prepared, &back).await;
    assert_eq!(holders(&cluster).await, BTreeSet::from([0, 1, 2, 3]));
}
