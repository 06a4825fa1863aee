//! Every version of every API that is served gives an answer that its schema accepts.

#![allow(clippy::unwrap_used)]

mod support;

use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;
use kintsugi_client::Connection;
use kintsugi_wire::api::{Api, ApiKey};
use support::records::{create_topic, produce};
use support::{single, text};

/// Asks in every version that is served. The protocol crate writes no request that names topics by
/// id; `offsets_by_id.rs` does.
async fn ask_all<R: Request>(connection: &Connection, request: impl Fn(i16) -> R) {
    let api = Api::find(R::KEY).unwrap();
    let is_by_id = matches!(api.key, ApiKey::OffsetCommit | ApiKey::OffsetFetch);
    let version_max = api.version_max - i16::from(is_by_id);
    for version in api.version_min..=version_max {
        let answer = connection.request(version, &request(version)).await;
        assert!(
            answer.is_ok(),
            "{} version {version}: {:?}",
            api.name,
            answer.err()
        );
    }
}

#[tokio::test]
async fn every_version_of_every_api_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 1).await, 0);
    assert_eq!(produce(&connection, "t", 0, "x").await, Some(Ok(0)));
    data_apis(&connection).await;
    admin_apis(&connection).await;
    cluster_apis(&connection).await;
    reassignment_apis(&connection).await;
    group_apis(&connection).await;
    offset_apis(&connection).await;
}

async fn data_apis(connection: &Connection) {
    ask_all(connection, |_| {
        InitProducerIdRequest::default().with_transactional_id(None)
    })
    .await;
    ask_all(connection, |_| {
        let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1000);
        let topic = fetch_request::FetchTopic::default()
            .with_topic(text("t").into())
            .with_partitions(vec![partition]);
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(1000)
            .with_topics(vec![topic])
    })
    .await;
    ask_all(connection, |_| {
        let partition = produce_request::PartitionProduceData::default();
        let topic = produce_request::TopicProduceData::default()
            .with_name(text("t").into())
            .with_partition_data(vec![partition]);
        ProduceRequest::default()
            .with_acks(-1)
            .with_topic_data(vec![topic])
    })
    .await;
    ask_all(connection, |_| {
        let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1);
        let topic = list_offsets_request::ListOffsetsTopic::default()
            .with_name(text("t").into())
            .with_partitions(vec![partition]);
        ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic])
    })
    .await;
    ask_all(connection, |_| {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(text("t").into())
            .with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
    })
    .await;
}

async fn admin_apis(connection: &Connection) {
    ask_all(connection, |_| ApiVersionsRequest::default()).await;
    ask_all(connection, |version| {
        let topic =
            metadata_request::MetadataRequestTopic::default().with_name(Some(text("t").into()));
        let topics = if version == 0 { vec![] } else { vec![topic] };
        MetadataRequest::default().with_topics(Some(topics))
    })
    .await;
    ask_all(connection, |version| {
        let topic = create_topics_request::CreatableTopic::default()
            .with_name(text(&format!("created-{version}")).into())
            .with_num_partitions(1)
            .with_replication_factor(1);
        CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5000)
    })
    .await;
    ask_all(connection, |version| {
        let name = text(&format!("created-{version}"));
        let request = DeleteTopicsRequest::default().with_timeout_ms(5000);
        if version >= 6 {
            let topic =
                delete_topics_request::DeleteTopicState::default().with_name(Some(name.into()));
            return request.with_topics(vec![topic]);
        }
        request.with_topic_names(vec![name.into()])
    })
    .await;
    ask_all(connection, |_| {
        let resource = |kind: i8, name: &str| {
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        };
        let resources = vec![
            resource(2, "t"),
            resource(4, "1"),
            resource(4, ""),
            resource(9, ""),
        ];
        DescribeConfigsRequest::default()
            .with_resources(resources)
            .with_include_synonyms(true)
    })
    .await;
    config_apis(connection).await;
    ask_all(connection, |_| {
        DescribeClusterRequest::default().with_endpoint_type(1)
    })
    .await;
}

async fn cluster_apis(connection: &Connection) {
    ask_all(connection, |version| {
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(text("t").into())
            .with_count(i32::from(version) + 2)
            .with_assignments(None);
        CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5000)
    })
    .await;
    ask_all(connection, |_| {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(text("t").into())
            .with_partitions(vec![partition]);
        DeleteRecordsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5000)
    })
    .await;
    ask_all(connection, |version| {
        ElectLeadersRequest::default()
            .with_election_type(i8::from(version == 2))
            .with_topic_partitions(None)
            .with_timeout_ms(500)
    })
    .await;
    ask_all(connection, |_| {
        DescribeLogDirsRequest::default().with_topics(None)
    })
    .await;
    ask_all(connection, |_| {
        let topic = describe_quorum_request::TopicData::default()
            .with_topic_name(text("__cluster_metadata").into())
            .with_partitions(vec![describe_quorum_request::PartitionData::default()]);
        DescribeQuorumRequest::default().with_topics(vec![topic])
    })
    .await;
    ask_all(connection, |_| {
        UnregisterBrokerRequest::default().with_broker_id(BrokerId(77))
    })
    .await;
    ask_all(connection, |_| {
        DescribeTopicPartitionsRequest::default()
            .with_response_partition_limit(2)
            .with_cursor(None)
    })
    .await;
}

async fn reassignment_apis(connection: &Connection) {
    ask_all(connection, |_| {
        let partition = alter_partition_reassignments_request::ReassignablePartition::default()
            .with_replicas(Some(vec![BrokerId(1)]));
        let topic = alter_partition_reassignments_request::ReassignableTopic::default()
            .with_name(text("t").into())
            .with_partitions(vec![partition]);
        AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5000)
    })
    .await;
    ask_all(connection, |_| {
        ListPartitionReassignmentsRequest::default()
            .with_topics(None)
            .with_timeout_ms(5000)
    })
    .await;
}

async fn config_apis(connection: &Connection) {
    ask_all(connection, |_| {
        let config = alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("5")));
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        AlterConfigsRequest::default().with_resources(vec![resource])
    })
    .await;
    ask_all(connection, |_| {
        let config = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_config_operation(1)
            .with_value(None);
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    })
    .await;
}

async fn group_apis(connection: &Connection) {
    ask_all(connection, |version| {
        if version >= 4 {
            return FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
        }
        FindCoordinatorRequest::default().with_key(text("g"))
    })
    .await;
    let group = || GroupId(text("g"));
    ask_all(connection, |_| {
        let protocol =
            join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
        JoinGroupRequest::default()
            .with_group_id(GroupId(text("joined")))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(-1)
            .with_member_id(text("nobody"))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    })
    .await;
    ask_all(connection, |_| {
        SyncGroupRequest::default().with_group_id(group())
    })
    .await;
    ask_all(connection, |_| {
        HeartbeatRequest::default().with_group_id(group())
    })
    .await;
}

async fn offset_apis(connection: &Connection) {
    let group = || GroupId(text("g"));
    ask_all(connection, |version| {
        let request = LeaveGroupRequest::default().with_group_id(group());
        if version >= 3 {
            let member = leave_group_request::MemberIdentity::default();
            return request.with_members(vec![member]);
        }
        request.with_member_id(text("nobody"))
    })
    .await;
    ask_all(connection, |_| {
        let partition =
            offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(1);
        let topic = offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(text("t").into())
            .with_partitions(vec![partition]);
        OffsetCommitRequest::default()
            .with_group_id(group())
            .with_topics(vec![topic])
    })
    .await;
    ask_all(connection, |version| {
        if version >= 8 {
            let group = offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group())
                .with_topics(None);
            return OffsetFetchRequest::default().with_groups(vec![group]);
        }
        let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
            .with_name(text("t").into())
            .with_partition_indexes(vec![0]);
        OffsetFetchRequest::default()
            .with_group_id(group())
            .with_topics(Some(vec![topic]))
    })
    .await;
    ask_all(connection, |_| {
        let topic = |name: &str| {
            let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
            offset_delete_request::OffsetDeleteRequestTopic::default()
                .with_name(text(name).into())
                .with_partitions(vec![partition])
        };
        OffsetDeleteRequest::default()
            .with_group_id(group())
            .with_topics(vec![topic("t"), topic("nowhere")])
    })
    .await;
    ask_all(connection, |_| {
        DescribeGroupsRequest::default().with_groups(vec![group()])
    })
    .await;
    ask_all(connection, |_| ListGroupsRequest::default()).await;
    ask_all(connection, |_| {
        DeleteGroupsRequest::default().with_groups_names(vec![group()])
    })
    .await;
}

#[test]
fn the_test_asks_for_every_api_that_is_served() {
    let asked = [
        ApiKey::Produce,
        ApiKey::Fetch,
        ApiKey::ListOffsets,
        ApiKey::OffsetForLeaderEpoch,
        ApiKey::Metadata,
        ApiKey::OffsetCommit,
        ApiKey::OffsetFetch,
        ApiKey::FindCoordinator,
        ApiKey::JoinGroup,
        ApiKey::Heartbeat,
        ApiKey::LeaveGroup,
        ApiKey::SyncGroup,
        ApiKey::DescribeGroups,
        ApiKey::ListGroups,
        ApiKey::ApiVersions,
        ApiKey::CreateTopics,
        ApiKey::DeleteTopics,
        ApiKey::InitProducerId,
        ApiKey::DescribeConfigs,
        ApiKey::AlterConfigs,
        ApiKey::IncrementalAlterConfigs,
        ApiKey::CreatePartitions,
        ApiKey::DeleteRecords,
        ApiKey::DescribeLogDirs,
        ApiKey::ElectLeaders,
        ApiKey::DescribeQuorum,
        ApiKey::UnregisterBroker,
        ApiKey::DescribeTopicPartitions,
        ApiKey::AlterPartitionReassignments,
        ApiKey::ListPartitionReassignments,
        ApiKey::DeleteGroups,
        ApiKey::OffsetDelete,
        ApiKey::DescribeCluster,
    ];
    let advertised: Vec<ApiKey> = Api::advertised().map(|(key, ..)| key).collect();
    for key in &advertised {
        assert!(asked.contains(key), "{key:?}");
    }
    assert_eq!(advertised.len(), asked.len());
}
