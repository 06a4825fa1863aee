use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// A topic's name of as many bytes as an id has, so that one can be put in place of the other.
const NAME: &str = "<a-topic's-name>";
const ID: Uuid = Uuid::from_bytes(*b"<a-topic's-name>");

/// What version 9 of the protocol crate writes, with the name's length taken out: version 10 has
/// nothing else changed.
fn by_id<M: Encodable>(message: &M) -> Bytes {
    let mut body = Vec::new();
    message.encode(&mut body, BY_ID_SINCE - 1).unwrap();
    let mut at = 0;
    while let Some(found) = body[at..].windows(16).position(|w| w == NAME.as_bytes()) {
        let length_at = at + found - 1;
        assert_eq!(usize::from(body.remove(length_at)), NAME.len() + 1);
        at = length_at + NAME.len();
    }
    body.into()
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str(NAME))
}

fn text() -> impl Strategy<Value = StrBytes> {
    "[a-z]{0,9}".prop_map(StrBytes::from_string)
}

fn commit_request() -> impl Strategy<Value = OffsetCommitRequest> {
    let partition = (
        any::<i32>(),
        any::<i64>(),
        any::<i32>(),
        prop::option::of(text()),
    );
    let partition = partition.prop_map(|(index, offset, epoch, metadata)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_committed_metadata(metadata)
    });
    let partitions = prop::collection::vec(partition, 0..4);
    let topic = partitions.prop_map(|partitions| {
        OffsetCommitRequestTopic::default()
            .with_name(name())
            .with_partitions(partitions)
    });
    let topics = prop::collection::vec(topic, 0..4);
    let head = (text(), any::<i32>(), text(), prop::option::of(text()));
    (head, topics).prop_map(|((group, generation, member, instance), topics)| {
        OffsetCommitRequest::default()
            .with_group_id(GroupId(group))
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(member)
            .with_group_instance_id(instance)
            .with_topics(topics)
    })
}

fn fetch_request() -> impl Strategy<Value = OffsetFetchRequest> {
    let topic = prop::collection::vec(any::<i32>(), 0..4).prop_map(|indexes| {
        OffsetFetchRequestTopics::default()
            .with_name(name())
            .with_partition_indexes(indexes)
    });
    let topics = prop::option::of(prop::collection::vec(topic, 0..4));
    let group = (text(), prop::option::of(text()), any::<i32>(), topics);
    let group = group.prop_map(|(group, member, epoch, topics)| {
        OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(group))
            .with_member_id(member)
            .with_member_epoch(epoch)
            .with_topics(topics)
    });
    let groups = prop::collection::vec(group, 0..4);
    (groups, any::<bool>()).prop_map(|(groups, require_stable)| {
        OffsetFetchRequest::default()
            .with_groups(groups)
            .with_require_stable(require_stable)
    })
}

proptest! {
    #[test]
    fn a_commit_by_id_is_the_one_by_name_with_ids_in_place_of_names(request in commit_request()) {
        let found = decode_commit(BY_ID_SINCE, &by_id(&request)).unwrap();
        let mut wanted = request;
        for topic in &mut wanted.topics {
            topic.name = TopicName::default();
            topic.topic_id = ID;
        }
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_fetch_by_id_is_the_one_by_name_with_ids_in_place_of_names(request in fetch_request()) {
        let found = decode_fetch(BY_ID_SINCE, &by_id(&request)).unwrap();
        let mut wanted = request;
        for topic in wanted.groups.iter_mut().filter_map(|g| g.topics.as_mut()).flatten() {
            topic.name = TopicName::default();
            topic.topic_id = ID;
        }
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_damaged_request_by_id_is_refused_or_decoded_without_harm(
        commit in commit_request(),
        fetch in fetch_request(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for body in [by_id(&commit), by_id(&fetch)] {
            let mut body = body.to_vec();
            for (place, byte) in &damage {
                let at = place.index(body.len());
                body[at] = *byte;
            }
            body.truncate(cut.index(body.len() + 1));
            let body = Bytes::from(body);
            // Decoding a forged count would end this process, so reaching the end is the test.
            let _ = decode_commit(BY_ID_SINCE, &body);
            let _ = decode_fetch(BY_ID_SINCE, &body);
        }
    }
}
