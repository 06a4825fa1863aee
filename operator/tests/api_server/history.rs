//! A history of the load that people give in a ConfigMap of a real API server.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::KafkaCluster;
use kintsugi_operator::learned::HISTORY_EVERY;
use kintsugi_operator::reconcile::Context;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::learned::{operator, seen, wait_for_event};
use super::{NAME, create_cluster};

const NAMESPACE: &str = "history";
const MAP: &str = "load-history";

/// Refused with the reason while it is not there, lacks its key, or is no CSV; learned from once it is
/// mended; asked for no more once the load is known. Each is read at the operator's pace.
pub async fn a_history_is_learned_from_once_it_is_there_and_can_be_read(client: &Client) {
    create_cluster(client, NAMESPACE).await;
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), NAMESPACE);
    let scaled = json!({"spec": {"brokers": {"autoscaling": {
        "maxReplicas": 5,
        "history": {"configMap": MAP, "key": "load.csv"},
    }}}});
    let parameters = PatchParams::default();
    let scaled = Patch::Merge(scaled);
    let patched = clusters.patch(NAME, &parameters, &scaled).await;
    patched.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let operator = operator(client);
    let mut now = Timestamp::now();

    read(&operator, now).await;
    wait_for_event(client, NAMESPACE, "HistoryRefused", "it is not there").await;
    let mut map = ConfigMap::default();
    map.metadata.name = Some(MAP.to_owned());
    maps.create(&PostParams::default(), &map).await.unwrap();
    let give = async |content: Value| {
        let content = Patch::Merge(content);
        maps.patch(MAP, &parameters, &content).await.unwrap();
    };
    for (content, told) in [
        (json!({"data": {"other.csv": ""}}), "it has no key load.csv"),
        (
            json!({"data": {"load.csv": "time,bytes\n"}}),
            "line 1 is \"time,bytes\": begin with the header",
        ),
    ] {
        give(content).await;
        now += HISTORY_EVERY;
        read(&operator, now).await;
        wait_for_event(client, NAMESPACE, "HistoryRefused", told).await;
    }
    give(json!({"data": {"load.csv": three_weeks_until(now)}})).await;
    read(&operator, now).await;
    assert!(
        lacks_history(&operator, now).await,
        "it is not read again yet"
    );
    now += HISTORY_EVERY;
    read(&operator, now).await;
    wait_for_event(
        client,
        NAMESPACE,
        "HistoryLearned",
        "the load is known since",
    )
    .await;
    assert!(!lacks_history(&operator, now).await);

    maps.delete(MAP, &DeleteParams::default()).await.unwrap();
    now += HISTORY_EVERY;
    read(&operator, now).await;
    assert!(
        !lacks_history(&operator, now).await,
        "what was learned stays, and nothing asks for the file"
    );
}

/// Looks as the operator does at `now`.
async fn read(operator: &Context, now: Timestamp) {
    let (resource, cluster, _) = seen(&operator.client, NAMESPACE).await;
    operator.take_up(&resource, &cluster, now).await.unwrap();
}

async fn lacks_history(operator: &Context, now: Timestamp) -> bool {
    let (_, cluster, _) = seen(&operator.client, NAMESPACE).await;
    let key = (NAMESPACE.to_owned(), NAME.to_owned());
    operator.scales.lacks_history(&key, &cluster.uid, now)
}

/// A row each 15 minutes, of days whose second half carries twice the load.
fn three_weeks_until(now: Timestamp) -> String {
    let mut csv = "time,bytes_in,bytes_out\n".to_owned();
    let rows = 21 * 96;
    for row in (0..rows).rev() {
        let at = now - SignedDuration::from_mins(15 * row);
        let load = if row % 96 < 48 { 2_000_000 } else { 1_000_000 };
        csv += &format!("{at},{load},{load}\n");
    }
    csv
}
