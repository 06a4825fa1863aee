//! Rolling restarts by two operators at once, one of them frozen between decide and act, against a
//! real API server. No kubelet runs, so the test writes what one would report.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{LimitRange, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{KafkaCluster, KafkaClusterStatus};
use kintsugi_operator::act::{ActError, act};
use kintsugi_operator::build::pod::template_hash;
use kintsugi_operator::decide::{decide, suspicions};
use kintsugi_operator::history::History;
use kintsugi_operator::names::{RESTART_ANNOTATION, Role};
use kintsugi_operator::observe::{
    BrokerView, Observed, Partitions, QuorumView, observe, read_cluster,
};
use kintsugi_operator::plan::{Command, Plan};
use kintsugi_operator::validate::validate;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::{NAME, create_cluster, recorder};

/// Looks in which a rollout of six pods ends, with some to spare.
const LOOKS_MAX: usize = 250;

/// One operator process.
#[derive(Default)]
struct Operator {
    history: History,
    now: Option<Timestamp>,
    status: Option<KafkaClusterStatus>,
}

impl Operator {
    async fn look(&mut self, client: &Client, namespace: &str) -> (KafkaCluster, Plan) {
        let resource = read(client, namespace).await;
        let mut observed = observe(client, &resource).await.unwrap();
        observed.quorum = Some(quorum(&observed));
        let cluster = validate(&resource, &observed, "kintsugi/broker:test").unwrap();
        // Its own clock: evidence asks for time between reads, and the test has none to lose.
        let now = self
            .now
            .map_or_else(Timestamp::now, |now| now + SignedDuration::from_secs(1));
        self.now = Some(now);
        self.history
            .record(&suspicions(&cluster, &observed, now), now);
        let mut plan = decide(
            &cluster,
            &observed,
            self.status.as_ref(),
            &self.history,
            now,
        );
        // Two operators on one status would only make each other look again.
        let is_status = |command: &Command| matches!(command, Command::WriteStatus(_));
        plan.commands.retain(|command| !is_status(command));
        (resource, plan)
    }

    async fn act(
        &self,
        client: &Client,
        decided: &(KafkaCluster, Plan),
    ) -> Result<usize, ActError> {
        let (resource, plan) = decided;
        act(client, &recorder(client), resource, None, &plan.commands).await
    }
}

async fn read(client: &Client, namespace: &str) -> KafkaCluster {
    read_cluster(client, namespace, NAME)
        .await
        .unwrap()
        .unwrap()
}

/// What controllers would say of the pods that are ready.
fn quorum(observed: &Observed) -> QuorumView {
    let ready = |role| {
        let of_role = observed
            .pods
            .iter()
            .filter(move |pod| pod.member.role == role && pod.ready);
        of_role.map(|pod| pod.member.id).collect::<BTreeSet<i32>>()
    };
    let (controllers, serving) = (ready(Role::Controller), ready(Role::Broker));
    let hurt = u32::from(serving.len() < 3);
    let view = |id: i32| BrokerView {
        id,
        generation: 1,
        fenced: !serving.contains(&id),
        lagging: Some(u32::from(!serving.contains(&id))),
        needed: Some(hurt),
        needed_always: Some(0),
        ..BrokerView::default()
    };
    QuorumView {
        leader: controllers.first().copied(),
        brokers: (controllers.len() >= 2).then(|| (0..3).map(|id| (id, view(id))).collect()),
        answering: controllers.into_iter().collect(),
        partitions: Some(Partitions {
            total: 1,
            under_replicated: hurt,
            at_min_isr: Some(hurt),
            ..Partitions::default()
        }),
        ..QuorumView::default()
    }
}

/// Reports every pod as ready, or only those that `picks` takes.
async fn report_ready(client: &Client, namespace: &str, mut picks: impl FnMut() -> bool) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        if is_ready(&pod) || !picks() {
            continue;
        }
        let status = json!({"status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "node", "image": "i", "imageID": "i", "ready": true, "restartCount": 0,
                "state": {"running": {}},
            }],
        }});
        let patch = Patch::Merge(status);
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

async fn configure(client: &Client, namespace: &str, spec: &serde_json::Value) {
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"spec": spec}));
    clusters
        .patch(NAME, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Ready pods by name, with their template's hash.
async fn serving(client: &Client, namespace: &str) -> BTreeMap<String, Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = pods.list(&ListParams::default()).await.unwrap().items;
    let ready = pods.into_iter().filter(is_ready);
    ready.map(|pod| (pod.name_any(), pod)).collect()
}

/// Forms a cluster and reports its pods as ready.
async fn form(client: &Client, namespace: &str) {
    create_cluster(client, namespace).await;
    let mut operator = Operator::default();
    let decided = operator.look(client, namespace).await;
    operator.act(client, &decided).await.unwrap();
    report_ready(client, namespace, || true).await;
}

async fn is_settled(client: &Client, namespace: &str) -> bool {
    let resource = read(client, namespace).await;
    let observed = observe(client, &resource).await.unwrap();
    let cluster = validate(&resource, &observed, "kintsugi/broker:test").unwrap();
    observed.pods.len() == 6
        && observed.pods.iter().all(|pod| {
            let wanted = template_hash(&cluster, pod.member, None);
            pod.ready && pod.template_hash == wanted && pod.restart_for.is_none()
        })
}

/// Two operators; each plan may be carried out many looks after it was decided.
pub async fn two_operators_never_stop_two_pods(client: &Client) {
    for seed in 0..4 {
        let namespace = format!("roll-{seed}");
        form(client, &namespace).await;
        configure(
            client,
            &namespace,
            &json!({"config": {"log.retention.ms": "1"}}),
        )
        .await;
        roll(client, &namespace, seed).await;
    }
}

async fn roll(client: &Client, namespace: &str, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut operators = [Operator::default(), Operator::default()];
    let mut frozen = Vec::new();
    for look in 0..LOOKS_MAX {
        if look > LOOKS_MAX / 3 && frozen.is_empty() && is_settled(client, namespace).await {
            return;
        }
        if look < LOOKS_MAX / 3 && random.u32(..30) == 0 {
            let value = random.u32(1..3).to_string();
            configure(
                client,
                namespace,
                &json!({"config": {"log.retention.ms": value}}),
            )
            .await;
        }
        let index = random.usize(..2);
        let decided = operators[index].look(client, namespace).await;
        if look < LOOKS_MAX / 2 && random.u32(..3) == 0 {
            frozen.push((look + random.usize(1..20), index, decided));
        } else {
            // A conflict is what keeps two operators apart.
            let _ = operators[index].act(client, &decided).await;
        }
        while let Some(at) = frozen.iter().position(|(wakes, ..)| *wakes <= look) {
            let (_, index, decided) = frozen.remove(at);
            let _ = operators[index].act(client, &decided).await;
        }
        let ready = serving(client, namespace).await;
        assert!(
            ready.len() >= 5,
            "seed {seed}, look {look}: only {:?} serve",
            ready.keys()
        );
        report_ready(client, namespace, || random.bool()).await;
    }
    panic!("seed {seed}: not settled after {LOOKS_MAX} looks");
}

/// The pod that a deletion in hand was decided for is another one by the time it is carried out.
pub async fn a_deletion_decided_long_ago_hits_nothing(client: &Client) {
    let namespace = "thaw";
    form(client, namespace).await;
    configure(
        client,
        namespace,
        &json!({"config": {"log.retention.ms": "1"}}),
    )
    .await;
    let (mut first, mut second) = (Operator::default(), Operator::default());
    let deletes = |decided: &(KafkaCluster, Plan)| {
        let is_deletion = |command: &Command| matches!(command, Command::DeletePod(_));
        decided.1.commands.iter().any(is_deletion)
    };
    let held = loop {
        let decided = first.look(client, namespace).await;
        if deletes(&decided) {
            break decided;
        }
        first.act(client, &decided).await.unwrap();
    };
    let before = serving(client, namespace).await;
    let marked = before
        .values()
        .find(|pod| pod.annotations().contains_key(RESTART_ANNOTATION));
    let marked = marked.unwrap().name_any();
    // The other operator is told to go back, and takes the mark away.
    configure(client, namespace, &json!({"config": null})).await;
    let decided = second.look(client, namespace).await;
    second.act(client, &decided).await.unwrap();
    let refused = first.act(client, &held).await.unwrap_err();
    assert!(matches!(refused, ActError::Conflict { .. }), "{refused}");
    let after = serving(client, namespace).await;
    assert_eq!(after[&marked].uid(), before[&marked].uid());
    assert_eq!(after.len(), 6);
}

/// A LimitRange forbids what spec asks for: the old pod stays.
pub async fn a_replacement_that_admission_refuses_deletes_nothing(client: &Client) {
    let namespace = "refused";
    form(client, namespace).await;
    let limit: LimitRange = serde_json::from_value(json!({
        "metadata": {"name": "small"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "600Mi"}}]},
    }))
    .unwrap();
    let limits: Api<LimitRange> = Api::namespaced(client.clone(), namespace);
    limits.create(&PostParams::default(), &limit).await.unwrap();
    let resources = json!({"brokers": {"resources": {"limits": {"memory": "1Gi"}}}});
    configure(client, namespace, &resources).await;
    let before = serving(client, namespace).await;
    let mut operator = Operator::default();
    let refused = loop {
        let decided = operator.look(client, namespace).await;
        match operator.act(client, &decided).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let ActError::Refused { message, .. } = &refused else {
        panic!("{refused}")
    };
    assert!(message.contains("maximum memory usage"), "{message}");
    let after = serving(client, namespace).await;
    let uids = |pods: &BTreeMap<String, Pod>| pods.values().map(|p| p.uid()).collect::<Vec<_>>();
    assert_eq!(uids(&after), uids(&before));
}
