//! Small clusters for the tests of decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_types::{
    BootId, BrokerEpoch, BrokerId, DirectoryId, Endpoint, Generation, Incarnation, MetadataOffset,
    PartitionId, StartCounter,
};
use uuid::Uuid;

use crate::decision::registration::{Registration, RegistrationRefused, register};
use crate::decision::{fencing, stopping, unfencing};
use crate::image::{Delta, Image};
use crate::record::{BrokerRegistration, MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;
use crate::topics::{self, TopicRequest};

pub(super) const SETTINGS: ClusterSettings = ClusterSettings {
    num_partitions: 1,
    default_replication_factor: 3,
    min_insync_replicas: 2,
    unclean_leader_election: false,
};

pub(super) fn id(broker: i32) -> BrokerId {
    BrokerId(broker)
}

pub(super) fn ids(brokers: &[i32]) -> Vec<BrokerId> {
    brokers.iter().copied().map(BrokerId).collect()
}

/// A first registration: generation 1, start 1, directory and boot by the broker's number.
pub(super) fn registration(broker: i32) -> BrokerRegistration {
    let port = Endpoint {
        host: "10.0.0.1".to_owned(),
        port: 9_000,
    };
    let number = u128::try_from(broker).unwrap() + 1;
    BrokerRegistration {
        incarnation: Incarnation {
            broker: BrokerId(broker),
            generation: Generation(1),
            start: StartCounter(1),
        },
        directories: vec![DirectoryId(Uuid::from_u128(number))],
        boot: BootId(Uuid::from_u128(number)),
        rack: None,
        client_endpoint: port.clone(),
        replication_endpoint: port.clone(),
        control_endpoint: port,
        shards: 1,
        clean_stop_epoch: None,
        recovered_to_checkpoint: true,
    }
}

/// A cluster whose decisions are applied as soon as they are made.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    pub(super) image: Image,
}

impl Cluster {
    /// Brokers 0.. all unfenced.
    pub(super) fn of(brokers: i32) -> Self {
        let mut cluster = Self::default();
        for broker in 0..brokers {
            cluster.register(&registration(broker)).unwrap();
            cluster.unfence(broker);
        }
        cluster
    }

    /// The same with one topic of so many partitions.
    pub(super) fn with_topic(brokers: i32, partitions: i32, replication_factor: i16) -> Self {
        let mut cluster = Self::of(brokers);
        let request = TopicRequest {
            name: &"t".parse().unwrap(),
            partitions: Some(partitions),
            replication_factor: Some(replication_factor),
            assignments: &BTreeMap::new(),
            configs: &BTreeMap::new(),
        };
        let mut rng = fastrand::Rng::with_seed(0);
        let created = topics::create(&cluster.image, &SETTINGS, &request, &mut rng).unwrap();
        cluster.apply(&created.records);
        cluster
    }

    /// One partition with brokers 0, 1, 2 in this order.
    pub(super) fn with_partition() -> Self {
        let mut cluster = Self::of(3);
        let assignments = BTreeMap::from([(kintsugi_types::PartitionIndex(0), ids(&[0, 1, 2]))]);
        let request = TopicRequest {
            name: &"t".parse().unwrap(),
            partitions: None,
            replication_factor: None,
            assignments: &assignments,
            configs: &BTreeMap::new(),
        };
        let mut rng = fastrand::Rng::with_seed(0);
        let created = topics::create(&cluster.image, &SETTINGS, &request, &mut rng).unwrap();
        cluster.apply(&created.records);
        cluster
    }

    pub(super) fn apply(&mut self, records: &[MetadataRecord]) {
        let offset = MetadataOffset(self.image.offset.0 + 1);
        self.image.apply(offset, records, &mut Delta::default());
    }

    pub(super) fn epoch(&self, broker: i32) -> BrokerEpoch {
        self.image.brokers[&id(broker)].epoch
    }

    pub(super) fn register(
        &mut self,
        registration: &BrokerRegistration,
    ) -> Result<(), RegistrationRefused> {
        if let Registration::New(records) = register(&self.image, &SETTINGS, registration)? {
            self.apply(&records);
        }
        Ok(())
    }

    /// Starts a broker again on its volume; `change` says what else is different.
    pub(super) fn restart(&mut self, broker: i32, change: impl FnOnce(&mut BrokerRegistration)) {
        self.try_restart(broker, change).unwrap();
    }

    pub(super) fn try_restart(
        &mut self,
        broker: i32,
        change: impl FnOnce(&mut BrokerRegistration),
    ) -> Result<(), RegistrationRefused> {
        let known = &self.image.brokers[&id(broker)].registration;
        let mut registration = known.as_ref().clone();
        registration.incarnation.start.0 += 1;
        registration.clean_stop_epoch = None;
        change(&mut registration);
        self.register(&registration)
    }

    pub(super) fn fence(&mut self, broker: i32) -> Vec<MetadataRecord> {
        let epoch = self.epoch(broker);
        let records = fencing::fence(&self.image, &SETTINGS, id(broker), epoch);
        self.apply(&records);
        records
    }

    pub(super) fn unfence(&mut self, broker: i32) {
        let epoch = self.epoch(broker);
        let records = unfencing::unfence(&self.image, &SETTINGS, id(broker), epoch);
        self.apply(&records);
    }

    pub(super) fn stop(&mut self, broker: i32) {
        let epoch = self.epoch(broker);
        let records = stopping::stop(&self.image, &SETTINGS, id(broker), epoch);
        self.apply(&records);
    }

    /// The only partition of [`Cluster::with_partition`].
    pub(super) fn partition(&self) -> (PartitionId, Arc<PartitionState>) {
        let (partition, state) = self.image.partitions().next().unwrap();
        (partition, Arc::clone(state))
    }

    pub(super) fn state(&self) -> Arc<PartitionState> {
        self.partition().1
    }
}
