use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_types::{
    BootId, BrokerEpoch, BrokerId, DirectoryId, Endpoint, ErrorCode, Generation, Incarnation,
    MetadataOffset, PartitionIndex, StartCounter, TopicName,
};
use uuid::Uuid;

use super::{
    AddRequest, CreatedTopic, PARTITIONS_A_REQUEST_MAX, REPLICATION_FACTOR_MAX, TopicError,
    TopicRequest, add_partitions, create, delete,
};
use crate::image::{Delta, Image};
use crate::record::{BrokerRegistration, MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

fn image(fenced: &[bool]) -> Image {
    let endpoint = Endpoint {
        host: "10.0.0.1".to_owned(),
        port: 1,
    };
    let mut image = Image::default();
    for (broker, fenced) in (0_i32..).zip(fenced) {
        let registration = Arc::new(BrokerRegistration {
            incarnation: Incarnation {
                broker: BrokerId(broker),
                generation: Generation(1),
                start: StartCounter(1),
            },
            directories: vec![DirectoryId(Uuid::from_u128(1))],
            boot: BootId(Uuid::from_u128(1)),
            rack: None,
            client_endpoint: endpoint.clone(),
            replication_endpoint: endpoint.clone(),
            control_endpoint: endpoint.clone(),
            shards: 1,
            clean_stop_epoch: None,
            recovered_to_checkpoint: false,
        });
        let record = MetadataRecord::BrokerRestored {
            registration,
            epoch: BrokerEpoch(i64::from(broker)),
            fenced: *fenced,
            stopping: false,
        };
        image.apply(MetadataOffset(1), &[record], &mut Delta::default());
    }
    image
}

/// A topic "t" of the cluster's defaults, changed as asked.
#[derive(Clone)]
struct Wanted {
    name: TopicName,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    assignments: BTreeMap<PartitionIndex, Vec<BrokerId>>,
    configs: BTreeMap<String, String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            name: "t".parse().unwrap(),
            partitions: None,
            replication_factor: None,
            assignments: BTreeMap::new(),
            configs: BTreeMap::new(),
        }
    }
}

impl Wanted {
    fn named(name: &str) -> Self {
        Self {
            name: name.parse().unwrap(),
            ..Self::default()
        }
    }

    fn assigned(assignments: &[(i32, &[i32])]) -> Self {
        let each = assignments.iter().map(|(index, brokers)| {
            let brokers = brokers.iter().copied().map(BrokerId).collect();
            (PartitionIndex(*index), brokers)
        });
        Self {
            assignments: each.collect(),
            ..Self::default()
        }
    }

    fn create(&self, image: &Image) -> Result<CreatedTopic, TopicError> {
        let request = TopicRequest {
            name: &self.name,
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            assignments: &self.assignments,
            configs: &self.configs,
        };
        let mut rng = fastrand::Rng::with_seed(3);
        create(image, &ClusterSettings::default(), &request, &mut rng)
    }

    fn refused(&self, image: &Image) -> ErrorCode {
        self.create(image).unwrap_err().error
    }
}

fn states(created: &CreatedTopic) -> Vec<Arc<PartitionState>> {
    let state = |record: &MetadataRecord| match record {
        MetadataRecord::Partition { state, .. } => Some(Arc::clone(state)),
        _ => None,
    };
    created.records.iter().filter_map(state).collect()
}

#[test]
fn a_topic_without_numbers_gets_the_clusters_defaults() {
    let created = Wanted::default().create(&image(&[false; 3])).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (1, 3));
    let state = &states(&created)[0];
    assert_eq!(state.leader, Some(state.replicas[0]));
    assert_eq!(state.isr, state.replicas);
    assert_eq!(created.topic.0.get_version_num(), 4);
}

#[test]
fn names_that_exist_or_collide_in_metrics_are_refused() {
    let mut image = image(&[false; 3]);
    let created = Wanted::named("a.b").create(&image).unwrap();
    image.apply(MetadataOffset(2), &created.records, &mut Delta::default());
    let refused = |name| Wanted::named(name).refused(&image);
    assert_eq!(refused("a.b"), ErrorCode::TopicAlreadyExists);
    assert_eq!(refused("a_b"), ErrorCode::InvalidTopic);
    assert!(Wanted::named("ab").create(&image).is_ok());
    let (topic, record) = delete(&image, &"a.b".parse().unwrap()).unwrap();
    assert_eq!(topic, created.topic);
    image.apply(MetadataOffset(3), &[record], &mut Delta::default());
    assert!(Wanted::named("a_b").create(&image).is_ok());
    let gone = delete(&image, &"a.b".parse().unwrap()).unwrap_err();
    assert_eq!(gone.error, ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn numbers_out_of_range_are_refused_with_kafkas_errors() {
    let image = image(&[false; 3]);
    let partitions = |partitions| {
        let partitions = Some(partitions);
        Wanted {
            partitions,
            ..Wanted::default()
        }
    };
    let too_many = i32::try_from(PARTITIONS_A_REQUEST_MAX).unwrap() + 1;
    assert_eq!(partitions(0).refused(&image), ErrorCode::InvalidPartitions);
    assert_eq!(partitions(-5).refused(&image), ErrorCode::InvalidPartitions);
    assert_eq!(
        partitions(too_many).refused(&image),
        ErrorCode::PolicyViolation
    );
    let too_many = i16::try_from(REPLICATION_FACTOR_MAX).unwrap() + 1;
    for factor in [0, -1, 4, too_many] {
        let wanted = Wanted {
            replication_factor: Some(factor),
            ..Wanted::default()
        };
        let error = wanted.refused(&image);
        assert_eq!(error, ErrorCode::InvalidReplicationFactor, "{factor}");
    }
}

#[test]
fn settings_that_are_unknown_or_wrong_are_refused() {
    let image = image(&[false; 3]);
    for (name, value) in [("no.such", "1"), ("min.insync.replicas", "x")] {
        let wanted = Wanted {
            configs: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..Wanted::default()
        };
        assert_eq!(wanted.refused(&image), ErrorCode::InvalidConfig, "{name}");
    }
}

#[test]
fn explicit_assignments_are_taken_as_they_are_or_refused() {
    let image = image(&[false, true, false]);
    let good = Wanted::assigned(&[(0, &[1, 0]), (1, &[2, 1])]);
    let created = good.create(&image).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (2, 2));
    let first = &states(&created)[0];
    assert_eq!(first.replicas, [BrokerId(1), BrokerId(0)]);
    assert_eq!(first.isr, [BrokerId(0)], "a fenced replica is not in sync");
    assert_eq!(first.leader, Some(BrokerId(0)));
    let wrong: [&[(i32, &[i32])]; 6] = [
        &[(1, &[0, 2])],
        &[(0, &[0, 0])],
        &[(0, &[0, 9])],
        &[(0, &[])],
        &[(0, &[0, 2]), (1, &[0])],
        &[(0, &[1])],
    ];
    for assignments in wrong {
        let error = Wanted::assigned(assignments).refused(&image);
        assert_eq!(
            error,
            ErrorCode::InvalidReplicaAssignment,
            "{assignments:?}"
        );
    }
    let both = Wanted {
        partitions: Some(2),
        ..good
    };
    assert_eq!(both.refused(&image), ErrorCode::InvalidRequest);
}

#[test]
fn fencing_a_broker_with_ten_thousand_partitions_takes_less_than_a_megabyte() {
    let mut image = image(&[false; 3]);
    let wanted = Wanted {
        partitions: Some(10_000),
        ..Wanted::default()
    };
    let created = wanted.create(&image).unwrap();
    image.apply(MetadataOffset(2), &created.records, &mut Delta::default());
    let settings = ClusterSettings::default();
    let (broker, epoch) = (BrokerId(0), BrokerEpoch(0));
    let records = crate::decision::fencing::fence(&image, &settings, broker, epoch);
    assert_eq!(records.len(), 10_001);
    let size_bytes = postcard::to_stdvec(&records).unwrap().len();
    assert!(size_bytes < 1 << 20, "{size_bytes}");
}

fn grow(
    image: &Image,
    name: &str,
    count: i32,
    assignments: Option<&[Vec<BrokerId>]>,
) -> Result<Vec<MetadataRecord>, TopicError> {
    let request = AddRequest {
        name: &name.parse().unwrap(),
        count,
        assignments,
    };
    add_partitions(image, &request, &mut fastrand::Rng::with_seed(3))
}

#[test]
fn more_partitions_get_the_factor_of_the_first_and_the_next_numbers() {
    let mut image = image(&[false; 3]);
    let created = Wanted::assigned(&[(0, &[0, 1]), (1, &[1, 2])])
        .create(&image)
        .unwrap();
    image.apply(MetadataOffset(2), &created.records, &mut Delta::default());
    let records = grow(&image, "t", 5, None).unwrap();
    image.apply(MetadataOffset(3), &records, &mut Delta::default());
    let topic = image.topics.values().next().unwrap();
    let indexes: Vec<i32> = topic.partitions.keys().map(|index| index.0).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert!(
        topic
            .partitions
            .values()
            .all(|state| state.replicas.len() == 2)
    );
    let chosen = [vec![BrokerId(2), BrokerId(0)]];
    let records = grow(&image, "t", 6, Some(&chosen)).unwrap();
    let [MetadataRecord::Partition { partition, state }] = records.as_slice() else {
        panic!("{records:?}");
    };
    assert_eq!(
        (partition.index, &state.replicas),
        (PartitionIndex(5), &chosen[0])
    );
}

#[test]
fn fewer_partitions_and_wrong_assignments_are_refused_in_kafkas_words() {
    let mut image = image(&[false; 3]);
    let created = Wanted::assigned(&[(0, &[0, 1]), (1, &[1, 2])])
        .create(&image)
        .unwrap();
    image.apply(MetadataOffset(2), &created.records, &mut Delta::default());
    let refused = |name: &str, count, assignments: Option<&[Vec<BrokerId>]>| {
        let refused = grow(&image, name, count, assignments).unwrap_err();
        (refused.error, refused.message)
    };
    assert_eq!(
        refused("t", 1, None),
        (
            ErrorCode::InvalidPartitions,
            "The topic t currently has 2 partition(s); 1 would not be an increase.".to_owned()
        )
    );
    assert_eq!(
        refused("t", 2, None),
        (
            ErrorCode::InvalidPartitions,
            "Topic already has 2 partition(s).".to_owned()
        )
    );
    assert_eq!(refused("u", 9, None).0, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(refused("t", i32::MAX, None).0, ErrorCode::PolicyViolation);
    let three = [vec![BrokerId(0), BrokerId(1), BrokerId(2)]];
    for assignments in [&three[..], &[], &[vec![BrokerId(0), BrokerId(9)]]] {
        let (error, _) = refused("t", 3, Some(assignments));
        assert_eq!(
            error,
            ErrorCode::InvalidReplicaAssignment,
            "{assignments:?}"
        );
    }
}

#[test]
fn new_partitions_go_to_brokers_that_are_not_cordoned() {
    let mut image = image(&[false; 4]);
    let cordon = MetadataRecord::BrokerConfigChanged {
        broker: Some(BrokerId(1)),
        key: "cordoned.log.dirs".to_owned(),
        value: Some("*".to_owned()),
    };
    image.apply(MetadataOffset(2), &[cordon], &mut Delta::default());
    let wanted = Wanted {
        partitions: Some(12),
        ..Wanted::default()
    };
    let created = wanted.create(&image).unwrap();
    let placed = states(&created);
    let avoids = |state: &Arc<PartitionState>| !state.replicas.contains(&BrokerId(1));
    assert!(placed.iter().all(avoids));
    image.apply(MetadataOffset(3), &created.records, &mut Delta::default());
    let request = AddRequest {
        name: &wanted.name,
        count: 24,
        assignments: None,
    };
    let mut rng = fastrand::Rng::with_seed(3);
    let added = add_partitions(&image, &request, &mut rng).unwrap();
    assert_eq!(added.len(), 12);
    image.apply(MetadataOffset(4), &added, &mut Delta::default());
    assert!(image.partitions().all(|(_, state)| avoids(state)));
    let by_hand = Wanted {
        name: "u".parse().unwrap(),
        ..Wanted::assigned(&[(0, &[1])])
    };
    assert_eq!(by_hand.refused(&image), ErrorCode::InvalidReplicaAssignment);
    let four = Wanted {
        name: "v".parse().unwrap(),
        replication_factor: Some(4),
        ..Wanted::default()
    };
    assert_eq!(four.refused(&image), ErrorCode::InvalidReplicationFactor);
}
