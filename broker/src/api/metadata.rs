//! Metadata: topics, their leaders, and where brokers listen.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId as WireBrokerId, MetadataRequest, MetadataResponse};
use kintsugi_metadata::{BrokerImage, Image, PartitionState, TopicImage};
use kintsugi_node::message::broker::MetadataView;
use kintsugi_types::{BrokerId, ErrorCode, PartitionIndex, TopicId, TopicName};
use uuid::Uuid;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::{self, OFFSETS_TOPIC, own};

/// The first version whose empty list means "no topics"; before it, all of them.
const EMPTY_MEANS_NONE_SINCE: i16 = 1;

/// The first version in which the client says whether unknown topics are created.
const AUTO_CREATE_FLAG_SINCE: i16 = 4;

/// "Not asked for", as Kafka writes it.
pub const OPERATIONS_UNKNOWN: i32 = i32::MIN;

/// Answers with the topics asked for, created first if that is wanted.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: MetadataRequest = call.decode()?;
    let wanted = match request.topics {
        Some(topics) if topics.is_empty() && call.version() < EMPTY_MEANS_NONE_SINCE => None,
        topics => topics,
    };
    let may_create = call.version() < AUTO_CREATE_FLAG_SINCE || request.allow_auto_topic_creation;
    let named: Option<Vec<Asked>> = wanted.map(|topics| topics.iter().map(Asked::of).collect());
    if let Some(named) = &named
        && may_create
        && call.broker().settings.is_on("auto.create.topics.enable")
    {
        create_missing(&call, named).await;
    }
    let view = call.broker().metadata(names(&call, named.as_deref())).await;
    let view = view.ok_or(ApiError::NoAnswer)?;
    let topics = match &named {
        None => {
            let all = view.image.names.values();
            let all = all.filter_map(|id| view.image.topics.get(id));
            all.map(|topic| describe(&view, topic)).collect()
        }
        Some(named) => named.iter().map(|asked| asked.answer(&view)).collect(),
    };
    let cluster = call.broker().settings.cluster.as_str();
    let response = MetadataResponse::default()
        .with_brokers(brokers(&view))
        .with_cluster_id(Some(own(cluster)))
        .with_controller_id(controller(&view.image, call.broker().id))
        .with_topics(topics)
        .with_cluster_authorized_operations(OPERATIONS_UNKNOWN);
    call.encode::<MetadataRequest>(&response)
}

/// How a client named a topic.
enum Asked {
    Name(TopicName),
    Illegal(String),
    Id(TopicId),
}

impl Asked {
    fn of(topic: &MetadataRequestTopic) -> Self {
        match &topic.name {
            None => Self::Id(TopicId(topic.topic_id)),
            Some(name) => match name.parse() {
                Ok(name) => Self::Name(name),
                Err(_) => Self::Illegal(name.to_string()),
            },
        }
    }

    fn answer(&self, view: &MetadataView) -> MetadataResponseTopic {
        let unknown = |error: ErrorCode, name: &str, id: Uuid| {
            MetadataResponseTopic::default()
                .with_error_code(error.code())
                .with_name(Some(own(name).into()))
                .with_topic_id(id)
                .with_topic_authorized_operations(OPERATIONS_UNKNOWN)
        };
        let (found, error, name, id) = match self {
            Self::Illegal(name) => (None, ErrorCode::InvalidTopic, name.as_str(), Uuid::nil()),
            Self::Name(name) => (
                view.image.topic_named(name),
                ErrorCode::UnknownTopicOrPartition,
                name.as_str(),
                Uuid::nil(),
            ),
            Self::Id(id) => (
                view.image.topics.get(id),
                ErrorCode::UnknownTopicId,
                "",
                id.0,
            ),
        };
        found.map_or_else(|| unknown(error, name, id), |topic| describe(view, topic))
    }
}

/// The names that the view is about; `None`: all.
fn names(call: &Call, asked: Option<&[Asked]>) -> Option<Vec<TopicName>> {
    let image = call.broker().image().image;
    let name = |asked: &Asked| match asked {
        Asked::Name(name) => Some(name.clone()),
        Asked::Id(id) => image.topics.get(id).map(|topic| topic.name.clone()),
        Asked::Illegal(_) => None,
    };
    asked.map(|asked| asked.iter().filter_map(name).collect())
}

async fn create_missing(call: &Call, asked: &[Asked]) {
    let image = call.broker().image().image;
    let missing: BTreeSet<TopicName> = asked
        .iter()
        .filter_map(|asked| match asked {
            Asked::Name(name) if image.topic_named(name).is_none() => Some(name.clone()),
            _ => None,
        })
        .collect();
    if missing.is_empty() {
        return;
    }
    let missing: Vec<TopicName> = missing.into_iter().collect();
    if let Err(error) = topics::auto_create(call.broker(), &missing).await {
        // The answer says that the topic is unknown, and the client asks again.
        tracing::debug!(%error, "a topic that a client named was not created");
    }
}

/// Every broker that is worth a connection, by id, and those that clients must not forget yet.
///
/// One that has handed everything over and is about to end is left out before it closes its
/// connections: a client that still knows it then dials its address again and again, with pauses
/// that grow to 10 s (librdkafka's `reconnect.backoff.max.ms`) and go on when the broker is back
/// at another address. What it forgot it dials at once. But it is not left out of the answer that
/// tells of the new leaders: see [`MetadataView::lingering`].
fn listed_brokers(view: &MetadataView) -> Vec<&BrokerImage> {
    let image = &view.image;
    let is_listed = |id: &BrokerId, broker: &BrokerImage| {
        let stays = !broker.fenced && !image.is_leaving(*id);
        stays || view.lingering.contains(id)
    };
    let all = || image.brokers.iter();
    let listed = all().filter(|(id, broker)| is_listed(id, broker));
    let listed: Vec<&BrokerImage> = listed.map(|(_, broker)| broker).collect();
    if listed.is_empty() {
        // Clients take an answer without brokers for an error.
        let live = all().filter(|(_, broker)| !broker.fenced);
        return live.map(|(_, broker)| broker).collect();
    }
    listed
}

fn brokers(view: &MetadataView) -> Vec<MetadataResponseBroker> {
    let listed = listed_brokers(view).into_iter().map(|broker| {
        let registration = &broker.registration;
        let endpoint = &registration.client_endpoint;
        MetadataResponseBroker::default()
            .with_node_id(WireBrokerId(registration.incarnation.broker.0))
            .with_host(own(&endpoint.host))
            .with_port(endpoint.port.into())
            .with_rack(registration.rack.as_ref().map(|rack| own(&rack.0)))
    });
    listed.collect()
}

/// Whom clients take for the controller: any live broker passes their requests on, so this one
/// if it is live.
pub fn controller(image: &Image, this: BrokerId) -> WireBrokerId {
    let is_live = image
        .brokers
        .get(&this)
        .is_some_and(|broker| !broker.fenced);
    WireBrokerId(if is_live { this.0 } else { -1 })
}

fn describe(view: &MetadataView, topic: &Arc<TopicImage>) -> MetadataResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .map(|(index, state)| describe_partition(view, *index, state));
    MetadataResponseTopic::default()
        .with_name(Some(own(topic.name.as_str()).into()))
        .with_topic_id(topic.id.0)
        .with_is_internal(topic.name.as_str() == OFFSETS_TOPIC)
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(OPERATIONS_UNKNOWN)
}

/// Whom clients are told as the leader. One that there is evidence against is never named: they
/// would stop asking.
pub fn leader_of(view: &MetadataView, state: &PartitionState) -> Option<BrokerId> {
    let leader = state.leader?;
    let may_be_named = view.image.is_unfenced(leader) && !view.suspects.contains(&leader);
    may_be_named.then_some(leader)
}

fn describe_partition(
    view: &MetadataView,
    index: PartitionIndex,
    state: &PartitionState,
) -> MetadataResponsePartition {
    let is_live = |id: &BrokerId| view.image.is_unfenced(*id);
    let wire = |ids: &[BrokerId]| ids.iter().map(|id| WireBrokerId(id.0)).collect();
    let leader = leader_of(view, state);
    let error = match leader {
        Some(_) => ErrorCode::None,
        None => ErrorCode::LeaderNotAvailable,
    };
    let offline = state.replicas.iter().filter(|id| !is_live(id));
    MetadataResponsePartition::default()
        .with_error_code(error.code())
        .with_partition_index(index.0)
        .with_leader_id(WireBrokerId(leader.map_or(-1, |leader| leader.0)))
        .with_leader_epoch(state.leader_epoch.0)
        .with_replica_nodes(wire(&state.replicas))
        .with_isr_nodes(wire(&state.isr))
        .with_offline_replicas(offline.map(|id| WireBrokerId(id.0)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kintsugi_metadata::{BrokerRegistration, Delta, MetadataRecord, RecoveryState};
    use kintsugi_types::{
        BootId, BrokerEpoch, Endpoint, Generation, Incarnation, LeaderEpoch, MetadataOffset,
        PartitionEpoch, PartitionId, StartCounter,
    };

    use super::*;

    const TOPIC: TopicId = TopicId(Uuid::from_u128(1));

    fn broker(id: i32, stopping: bool) -> MetadataRecord {
        let endpoint = Endpoint {
            host: "broker".to_owned(),
            port: 9092,
        };
        let registration = BrokerRegistration {
            incarnation: Incarnation {
                broker: BrokerId(id),
                generation: Generation(1),
                start: StartCounter(1),
            },
            directories: Vec::new(),
            boot: BootId(Uuid::nil()),
            rack: None,
            client_endpoint: endpoint.clone(),
            replication_endpoint: endpoint.clone(),
            control_endpoint: endpoint,
            shards: 1,
            clean_stop_epoch: None,
            recovered_to_checkpoint: true,
        };
        MetadataRecord::BrokerRestored {
            registration: Arc::new(registration),
            epoch: BrokerEpoch(1),
            fenced: false,
            stopping,
        }
    }

    fn led_by(id: i32) -> MetadataRecord {
        MetadataRecord::Partition {
            partition: PartitionId {
                topic: TOPIC,
                index: PartitionIndex(0),
            },
            state: Arc::new(PartitionState {
                replicas: vec![BrokerId(0), BrokerId(1)],
                isr: vec![BrokerId(0), BrokerId(1)],
                elr: Vec::new(),
                last_known_leader: None,
                leader: Some(BrokerId(id)),
                leader_epoch: LeaderEpoch(1),
                partition_epoch: PartitionEpoch(1),
                recovery: RecoveryState::Recovered,
                reassignment: None,
            }),
        }
    }

    /// Whom a client is told of, where broker 0 stops and this broker leads the only partition.
    fn listed(leader: i32, others: &[MetadataRecord], lingering: &[i32]) -> Vec<i32> {
        let created = MetadataRecord::TopicCreated {
            topic: TOPIC,
            name: "t".parse().unwrap(),
            configs: BTreeMap::new(),
        };
        let mut records = vec![broker(0, true), created, led_by(leader)];
        records.extend_from_slice(others);
        let mut image = Image::default();
        image.apply(MetadataOffset(1), &records, &mut Delta::default());
        let view = MetadataView {
            image: Arc::new(image),
            suspects: BTreeSet::new(),
            lingering: lingering.iter().copied().map(BrokerId).collect(),
        };
        let listed = brokers(&view);
        listed.iter().map(|broker| broker.node_id.0).collect()
    }

    #[test]
    fn a_broker_that_has_handed_over_before_it_stops_is_named_no_more() {
        assert_eq!(listed(1, &[broker(1, false)], &[]), [1]);
    }

    #[test]
    fn a_broker_that_lingers_is_listed_beside_the_others() {
        assert_eq!(listed(1, &[broker(1, false)], &[0]), [0, 1]);
    }

    #[test]
    fn a_stopping_broker_is_named_while_it_leads_and_while_there_is_no_other() {
        assert_eq!(listed(0, &[broker(1, false)], &[]), [0, 1]);
        assert_eq!(listed(1, &[], &[]), [0]);
    }
}
