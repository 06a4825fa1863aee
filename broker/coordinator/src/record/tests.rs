use bytes::Bytes;
use kintsugi_types::{LeaderEpoch, Offset, PartitionIndex, TimestampMs};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::id::{GroupId, InstanceId, MemberId};

fn some_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..30).prop_map(Bytes::from)
}

fn a_member() -> impl Strategy<Value = MemberMetadata> {
    (
        ".{0,9}",
        option::of("[a-z]{1,5}"),
        any::<(i32, i32)>(),
        some_bytes(),
        some_bytes(),
    )
        .prop_map(
            |(name, instance, timeouts, subscription, assignment)| MemberMetadata {
                member: MemberId(name.clone()),
                instance: instance.map(InstanceId),
                client_id: name.clone(),
                client_host: name,
                rebalance_timeout_ms: timeouts.0,
                session_timeout_ms: timeouts.1,
                subscription,
                assignment,
            },
        )
}

proptest! {
    #[test]
    fn a_group_survives_a_round_trip(
        generation: i32,
        protocol in option::of("[a-z]{0,9}"),
        members in vec(a_member(), 0..4),
    ) {
        let metadata = GroupMetadata {
            protocol_type: "consumer".to_owned(),
            generation,
            leader: protocol.clone().map(MemberId),
            protocol,
            state_since: TimestampMs(5),
            members,
        };
        prop_assert_eq!(GroupMetadata::decode(&metadata.encode()), Ok(metadata));
    }

    #[test]
    fn an_offset_survives_a_round_trip(
        offset: i64,
        epoch: i32,
        metadata in ".{0,20}",
        at: i64,
        expires_at in option::of(0..i64::MAX),
    ) {
        let commit = OffsetCommit {
            offset: Offset(offset),
            // The version that has a time to expire at has no epoch.
            leader_epoch: expires_at.map_or(LeaderEpoch(epoch), |_| LeaderEpoch::UNKNOWN),
            metadata,
            committed_at: TimestampMs(at),
            expires_at: expires_at.map(TimestampMs),
        };
        prop_assert_eq!(OffsetCommit::decode(&commit.encode()), Ok(commit));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..80), version in 0_u8..5) {
        let mut bytes = bytes;
        if bytes.len() > 1 {
            bytes[0] = 0;
            bytes[1] = version;
        }
        let bytes = Bytes::from(bytes);
        let _ = parse_key(&bytes);
        let _ = GroupMetadata::decode(&bytes);
        let _ = OffsetCommit::decode(&bytes);
    }
}

#[test]
fn keys_survive_a_round_trip_in_the_bytes_that_kafka_writes() {
    let group = GroupId("g".to_owned());
    let key = offset_commit_key(&group, &"t".parse().unwrap(), PartitionIndex(7));
    assert_eq!(&key[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x07");
    let expected = Key::Offset {
        group: group.clone(),
        topic: "t".parse().unwrap(),
        partition: PartitionIndex(7),
    };
    assert_eq!(parse_key(&key), Ok(expected));
    let key = group_metadata_key(&group);
    assert_eq!(&key[..], b"\0\x02\0\x01g");
    assert_eq!(parse_key(&key), Ok(Key::Group(group)));
    assert_eq!(
        parse_key(&Bytes::from_static(b"\0\x03xyz")),
        Ok(Key::Unknown(3))
    );
}
