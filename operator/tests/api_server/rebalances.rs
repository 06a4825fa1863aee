//! KafkaRebalances: what the definition's rules accept and refuse, and what the operator writes to
//! the resource, for no broker runs here.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{KafkaRebalance, KafkaRebalanceStatus, RebalancePhase};
use kintsugi_operator::act::ActError;
use kintsugi_operator::act::resource::Hands;
use kintsugi_operator::kafka::Pool;
use kintsugi_operator::load::Loads;
use kintsugi_operator::metrics::Metrics;
use kintsugi_operator::rebalance::act::{RebalanceActError, act};
use kintsugi_operator::rebalance::decide::{Look, decide};
use kintsugi_operator::rebalance::observe::{observe, read_rebalance};
use kintsugi_operator::rebalance::plan::{Command, Intent, MarkChange, Marks, Underway, Work};
use kintsugi_operator::rebalance::validate::validate;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::rules::{Case, Tried};
use super::{NAME, create_cluster, recorder};

fn births() -> Vec<Case> {
    vec![
        (json!({"clusterName": "demo"}), ""),
        (
            json!({"clusterName": "demo", "scope": "AddBrokers", "brokers": [3, 4],
                "profile": "CruiseControl", "approval": "Automatic", "paused": true,
                "throttleBytesPerSecond": 1_000_000_000_000_i64}),
            "",
        ),
        (
            json!({"clusterName": "demo", "goals": ["RackAware", "DiskUsageDistribution"]}),
            "",
        ),
        (json!({}), "spec.clusterName: Required value"),
        (
            json!({"clusterName": "demo", "scope": "RemoveBrokers"}),
            "must name the brokers",
        ),
        (
            json!({"clusterName": "demo", "brokers": [1]}),
            "goes with the scopes AddBrokers, RemoveBrokers and MoveOutOfDisk only",
        ),
        (
            json!({"clusterName": "demo", "scope": "AddBrokers", "brokers": [1, 1]}),
            "Duplicate value",
        ),
        (
            json!({"clusterName": "demo", "scope": "AddBrokers", "brokers": [1000]}),
            "less than or equal to 999",
        ),
        (
            json!({"clusterName": "demo", "scope": "MoveToMoon"}),
            "Unsupported value",
        ),
        (json!({"clusterName": "demo", "scope": "MoveOutOfDisk"}), ""),
        (
            json!({"clusterName": "demo", "scope": "MoveOutOfDisk", "brokers": [0],
                "maxDiskPercent": 70}),
            "",
        ),
        (
            json!({"clusterName": "demo", "scope": "MoveOutOfDisk", "maxDiskPercent": 96}),
            "less than or equal to 95",
        ),
        (
            json!({"clusterName": "demo", "maxDiskPercent": 70}),
            "goes with the scope MoveOutOfDisk only",
        ),
        (
            json!({"clusterName": "demo", "scope": "MoveOutOfDisk", "profile": "CruiseControl"}),
            "goes by disks and the hard goals alone",
        ),
        (
            json!({"clusterName": "demo", "scope": "MoveOutOfDisk", "goals": ["DiskCapacity"]}),
            "goes by disks and the hard goals alone",
        ),
        (
            json!({"clusterName": "demo", "goals": ["RackAware", "RackAware"]}),
            "names a goal twice",
        ),
        (
            json!({"clusterName": "demo", "profile": "CruiseControl", "goals": ["RackAware"]}),
            "takes the place of a profile",
        ),
        (
            json!({"clusterName": "demo", "throttleBytesPerSecond": 1}),
            "greater than or equal to 65536",
        ),
    ]
}

/// Changes to one that adds broker 3.
fn changes() -> Vec<Case> {
    vec![
        (json!({"paused": true, "approval": "Automatic"}), ""),
        (json!({"throttleBytesPerSecond": 70_000}), ""),
        (json!({"brokers": [3, 4]}), "create another KafkaRebalance"),
        (
            json!({"profile": "CruiseControl"}),
            "create another KafkaRebalance",
        ),
        (
            json!({"scope": "RemoveBrokers"}),
            "create another KafkaRebalance",
        ),
        (json!({"clusterName": "other"}), "clusterName cannot change"),
    ]
}

/// Tries every case against `client`.
pub async fn rules(client: &Client) {
    let tried = Tried::new::<KafkaRebalance>(client);
    tried.births(births()).await;
    let spec = json!({"clusterName": "demo", "scope": "AddBrokers", "brokers": [3]});
    tried.changes(&spec, changes()).await;
    let spec = json!({"clusterName": "demo", "scope": "MoveOutOfDisk"});
    let refused = "spec.maxDiskPercent, spec.profile";
    let case = |change, words: &'static str| (change, words);
    let cases = vec![
        case(json!({"paused": true}), ""),
        case(json!({"maxDiskPercent": 70}), refused),
        case(json!({"brokers": [1]}), refused),
    ];
    tried.changes_of("relieved", &spec, cases).await;
}

fn underway(moves: usize) -> Vec<Command> {
    let intent = |partition| Intent {
        topic: "t".repeat(249),
        partition,
        from: vec![0, 1, 2],
        to: vec![3, 1, 2],
        bytes: u64::MAX,
    };
    let moves = (0..i32::try_from(moves).unwrap()).map(intent);
    vec![Command::Mark(MarkChange {
        marks: Marks {
            cluster: Some(NAME.to_owned()),
            is_held: true,
            underway: Some(Underway {
                throttled: (0..100).collect(),
                produce_p99_ms: Some((0..100).map(|id| (id, 10_000)).collect()),
                moves: moves.collect(),
                done: Work {
                    moves: u64::MAX,
                    bytes: u64::MAX,
                },
            }),
            ended: false,
        },
        clears_word: true,
    })]
}

async fn create(client: &Client, namespace: &str) {
    create_cluster(client, namespace).await;
    let api: Api<KafkaRebalance> = Api::namespaced(client.clone(), namespace);
    let rebalance: KafkaRebalance = serde_json::from_value(json!({
        "apiVersion": "kintsugi.dev/v1alpha1",
        "kind": "KafkaRebalance",
        "metadata": {"name": "grow", "annotations": {"kintsugi.dev/rebalance": "approve"}},
        "spec": {"clusterName": NAME},
    }))
    .unwrap();
    api.create(&PostParams::default(), &rebalance)
        .await
        .unwrap();
}

/// What a look decides while no broker runs.
async fn decided(client: &Client, resource: &KafkaRebalance) -> Vec<Command> {
    let rebalance = validate(resource).unwrap();
    let (pool, loads) = (Pool::default(), Loads::default());
    let (observed, session) = observe(client, &pool, &loads, "image", &rebalance, true)
        .await
        .unwrap();
    assert!(session.is_none(), "no broker runs");
    let plan = decide(&Look {
        rebalance: &rebalance,
        observed: &observed,
        held: None,
        written: None,
        now: Timestamp::now(),
    });
    plan.commands
}

/// A mark and the status after it in one look; as many notes as there may ever be; and a write that
/// was decided on an older version.
pub async fn acts_on_the_resource_follow_each_other_and_a_stale_one_is_refused(client: &Client) {
    let namespace = "rebalances";
    create(client, namespace).await;
    let (recorder, metrics) = (recorder(client), Metrics::new().unwrap());
    let hands = Hands {
        client,
        recorder: &recorder,
        metrics: &metrics,
        session: None,
    };
    let read = async || {
        read_rebalance(client, namespace, "grow")
            .await
            .unwrap()
            .unwrap()
    };
    let stale = read().await;

    let mut commands = underway(200);
    commands.extend(decided(client, &stale).await);
    act(hands, &stale, &commands).await.unwrap();
    let now = read().await;
    let status = now.status.clone().unwrap();
    assert_eq!(status.phase, Some(RebalancePhase::Pending));
    assert_eq!(status.gate.as_deref(), Some("ClusterUnreachable"));
    assert_eq!(now.finalizers(), ["kintsugi.dev/rebalance"]);
    let valid = validate(&now).unwrap();
    assert_eq!(valid.word, None, "the word is used up");
    assert_eq!(valid.marks.underway.unwrap().moves.len(), 200);

    let refused = act(hands, &stale, &underway(0)).await.unwrap_err();
    let is_conflict = matches!(
        refused,
        RebalanceActError::Kubernetes(ActError::Conflict { .. })
    );
    assert!(is_conflict, "{refused}");
    let free = MarkChange {
        marks: Marks::default(),
        clears_word: false,
    };
    act(hands, &now, &[Command::Mark(free)]).await.unwrap();
    let freed = read().await;
    assert_eq!(freed.finalizers(), Vec::<String>::new());
    let open = KafkaRebalanceStatus {
        gate: None,
        ..status
    };
    let commands = [Command::WriteStatus(Box::new(open.clone()))];
    act(hands, &freed, &commands).await.unwrap();
    assert_eq!(
        read().await.status,
        Some(open),
        "a gate that opened is gone"
    );
    assert!(
        !freed
            .annotations()
            .contains_key("kintsugi.dev/rebalance-underway")
    );
}
