//! What the definition's CEL rules accept and refuse.

use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Client, Resource};
use serde_json::{Value, json};

use kintsugi_crds::KafkaCluster;

/// A spec, and what the refusal must say; an empty text means that it is accepted.
pub(super) type Case = (Value, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn births() -> Vec<Case> {
    vec![
        (json!({}), ""),
        (
            json!({"config": {"kintsugi.shards": "2", "log.retention.ms": "1"}}),
            "",
        ),
        (json!({"controllers": {"replicas": 2}}), "must be 1, 3 or 5"),
        (
            json!({"brokers": {"replicas": 0}}),
            "greater than or equal to 1",
        ),
        (
            json!({"brokers": {"replicas": 101}}),
            "less than or equal to 100",
        ),
        (
            json!({"config": {"node.id": "3"}}),
            "remove process.roles, node.id",
        ),
        (
            json!({"config": {"controller.quorum.voters": "x"}}),
            "remove process.roles",
        ),
        (
            json!({"config": {"kintsugi.generation": "3"}}),
            "only kintsugi.shards",
        ),
        (
            json!({"config": {"Log Retention": "3"}}),
            "must be a Kafka setting's name",
        ),
        (json!({"config": {"a": "x".repeat(1025)}}), "Too long"),
        (
            json!({"brokers": {"storage": {"size": "lots"}}}),
            "such as 10Gi",
        ),
        (json!({"brokers": {"storage": {"size": "0"}}}), "above zero"),
        (
            json!({"brokers": {"resources": {"limits": {"cpu": "fast"}}}}),
            "cpu: 500m",
        ),
        (
            json!({"brokers": {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}}),
            "lower the request or raise the limit",
        ),
        (
            json!({"brokers": {"pod": {
                "imagePullSecrets": [{"name": "registry"}],
                "priorityClassName": "high",
                "nodeSelector": {"disk": "fast"},
                "tolerations": [
                    {"key": "kafka"},
                    {"operator": "Exists"},
                    {"key": "gone", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
                ],
                "labels": {"team": "a"},
                "annotations": {"note": "b"},
            }}}),
            "",
        ),
        (
            json!({"brokers": {"pod": {"tolerations": [{"value": "a"}]}}}),
            "say so with operator: Exists",
        ),
        (
            json!({"brokers": {"pod": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}}),
            "takes no value",
        ),
        (
            json!({"controllers": {"pod": {"tolerations": [{"key": "a", "tolerationSeconds": 5}]}}}),
            "needs effect: NoExecute",
        ),
        (
            json!({"controllers": {"pod": {"labels": {"kintsugi.dev/role": "x"}}}}),
            "are the operator's own",
        ),
        (
            json!({"brokers": {"pod": {"annotations": {"kintsugi.dev/restart-for": "x"}}}}),
            "are the operator's own",
        ),
        (
            json!({"brokers": {"pod": {"nodeSelector": {"disk": "not a label value"}}}}),
            "should match",
        ),
        (
            json!({"listeners": [{"name": "plain", "port": 9093}]}),
            "take another such as 9092",
        ),
        (json!({"listeners": []}), "at least 1"),
        (
            json!({"listeners": [{"name": "a"}, {"name": "b", "port": 9095}]}),
            "at most 1",
        ),
        (json!({"networkPolicy": "Disabled"}), ""),
        (json!({"networkPolicy": "Off"}), "supported values"),
        (
            json!({"rebalance": {"mode": "Manual", "bandPercent": 30}}),
            "",
        ),
        (json!({"rebalance": {"mode": "Always"}}), "supported values"),
        (
            json!({"rebalance": {"bandPercent": 10}}),
            "should be greater than or equal to 15",
        ),
        (json!({"brokers": {"autoscaling": {"maxReplicas": 5}}}), ""),
        (
            json!({"brokers": {"autoscaling": {"minReplicas": 5, "maxReplicas": 4}}}),
            "minReplicas is above autoscaling.maxReplicas",
        ),
        (
            json!({"brokers": {"autoscaling": {"minReplicas": 2, "maxReplicas": 4}}}),
            "below the copies that new topics get",
        ),
        (
            json!({
                "config": {"default.replication.factor": "2"},
                "brokers": {"autoscaling": {"minReplicas": 2, "maxReplicas": 4}},
            }),
            "",
        ),
        (
            json!({"brokers": {"autoscaling": {"maxReplicas": 4, "targets": {"cpuPercent": 0}}}}),
            "nothing to scale by",
        ),
        (
            json!({"brokers": {"autoscaling": {"maxReplicas": 4, "behavior": {"scaleUp": {"policies": []}}}}}),
            "at least 1",
        ),
        (
            json!({"healing": {"crashLoopSeconds": 0}}),
            "greater than or equal to 1",
        ),
    ]
}

/// Changes to a cluster that was created with an empty spec.
fn changes() -> Vec<Case> {
    vec![
        (json!({"brokers": {"replicas": 5}}), ""),
        (json!({"brokers": {"storage": {"size": "20Gi"}}}), ""),
        (json!({"paused": true}), ""),
        (
            json!({"controllers": {"replicas": 5}}),
            "cannot change after creation",
        ),
        (
            json!({"brokers": {"storage": {"size": "5Gi"}}}),
            "cannot shrink",
        ),
        (
            json!({"brokers": {"storage": {"storageClassName": "fast"}}}),
            "cannot change class",
        ),
        (
            json!({"brokers": {"racks": {}}}),
            "racks cannot change after creation",
        ),
    ]
}

/// A kind, tried without keeping what is accepted but for the resource that is changed.
pub(super) struct Tried {
    pub(super) api: Api<DynamicObject>,
    pub(super) resource: ApiResource,
}

impl Tried {
    pub(super) fn new<K: Resource<DynamicType = ()>>(client: &Client) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let api = Api::namespaced_with(client.clone(), "default", &resource);
        Self { api, resource }
    }

    fn object(&self, name: &str, spec: &Value) -> DynamicObject {
        DynamicObject::new(name, &self.resource).data(json!({"spec": spec}))
    }

    /// Has a resource of this name created.
    pub(super) async fn birth(&self, name: &str, spec: &Value, expected: &str) {
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let created = self.api.create(&dry_run, &self.object(name, spec)).await;
        compare(spec, expected, created);
    }

    pub(super) async fn births(&self, cases: Vec<Case>) {
        for (spec, expected) in cases {
            self.birth("born", &spec, expected).await;
        }
    }

    /// Creates a resource and has it changed in each way.
    pub(super) async fn changes(&self, spec: &Value, cases: Vec<Case>) {
        self.changes_of("changed", spec, cases).await;
    }

    /// The same with a resource of this name.
    pub(super) async fn changes_of(&self, name: &str, spec: &Value, cases: Vec<Case>) {
        let object = self.object(name, spec);
        self.api
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let dry_run = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        for (spec, expected) in cases {
            let patch = Patch::Merge(json!({"spec": spec}));
            let changed = self.api.patch(name, &dry_run, &patch).await;
            compare(&spec, expected, changed);
        }
    }
}

/// Tries every case against `client`.
pub async fn check(client: &Client) {
    let tried = Tried::new::<KafkaCluster>(client);
    tried.births(births()).await;
    for name in ["a.b", "1a", &"a".repeat(37)] {
        let expected = "use at most 36 characters";
        tried.birth(name, &json!({}), expected).await;
    }
    tried.changes(&json!({}), changes()).await;
    let Tried { api, resource } = tried;
    a_scaled_cluster_is_not_scaled_by_hand(&api, &resource).await;
    let scale = api.get_scale("changed").await.unwrap();
    assert_eq!(scale.spec.and_then(|spec| spec.replicas), Some(3));
}

/// With autoscaling neither spec nor the scale subresource takes another number.
async fn a_scaled_cluster_is_not_scaled_by_hand(api: &Api<DynamicObject>, resource: &ApiResource) {
    let spec = json!({"brokers": {"autoscaling": {"maxReplicas": 5}}});
    let object = DynamicObject::new("scaled", resource).data(json!({"spec": spec}));
    api.create(&PostParams::default(), &object).await.unwrap();
    let dry_run = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let refused = "only the size to start with";
    for (brokers, expected) in [
        (json!({"replicas": 4}), refused),
        (json!({"autoscaling": {"minReplicas": 4}}), ""),
        (json!({"replicas": 4, "autoscaling": {"dryRun": true}}), ""),
        (json!({"replicas": 4, "autoscaling": null}), ""),
    ] {
        let spec = json!({"brokers": brokers});
        let patch = Patch::Merge(json!({"spec": spec}));
        let answer = api.patch("scaled", &dry_run, &patch).await;
        compare(&spec, expected, answer);
    }
    let patch = Patch::Merge(json!({"spec": {"replicas": 4}}));
    let parameters = PatchParams::default();
    let scaled = api.patch_scale("scaled", &parameters, &patch).await;
    let said = scaled.unwrap_err().to_string();
    assert!(said.contains(refused), "{said}");
}

fn compare(spec: &Value, expected: &str, answer: kube::Result<DynamicObject>) {
    match answer {
        Ok(_) => assert!(
            expected.is_empty(),
            "{spec} was accepted, not refused: {expected}"
        ),
        Err(error) => {
            let said = error.to_string();
            let right = !expected.is_empty() && said.contains(expected);
            assert!(
                right,
                "{spec} was refused with {said:?}, expected {expected:?}"
            );
        }
    }
}
