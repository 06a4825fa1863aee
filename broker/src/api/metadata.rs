//! Metadata: topics, their leaders, and where brokers listen.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId as WireBrokerId, MetadataRequest, MetadataResponse};
use kintsugi_metadata::{Image, PartitionState, TopicImage};
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

fn brokers(view: &MetadataView) -> Vec<MetadataResponseBroker> {
    let listed = view
        .listed
        .iter()
        .filter_map(|id| view.image.brokers.get(id));
    let listed = listed.map(|broker| {
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
