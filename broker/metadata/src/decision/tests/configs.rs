use std::collections::BTreeMap;

use kintsugi_types::ErrorCode;

use super::fixture::{Cluster, SETTINGS, id, ids};
use crate::configs::{ConfigAlteration, ConfigChange, ConfigRefused, ConfigResource, alter};
use crate::record::MetadataRecord;
use crate::snapshot::{records_of, restore};

fn topic() -> ConfigResource {
    ConfigResource::Topic("t".parse().unwrap())
}

fn set(value: &str) -> ConfigChange {
    ConfigChange::Set(value.to_owned())
}

fn alteration(resource: ConfigResource, changes: &[(&str, ConfigChange)]) -> ConfigAlteration {
    let changes = changes.iter().cloned();
    ConfigAlteration {
        resource,
        changes: changes
            .map(|(name, change)| (name.to_owned(), change))
            .collect(),
        replaces_all: false,
    }
}

impl Cluster {
    fn configure(
        &mut self,
        resource: ConfigResource,
        changes: &[(&str, ConfigChange)],
    ) -> Result<(), ConfigRefused> {
        let records = alter(&self.image, &SETTINGS, &alteration(resource, changes))?;
        self.apply(&records);
        Ok(())
    }

    fn topic_configs(&self) -> BTreeMap<String, String> {
        self.image.topics.values().next().unwrap().configs.clone()
    }
}

#[test]
fn settings_of_a_topic_are_set_deleted_and_replaced() {
    let mut cluster = Cluster::with_partition();
    let changes = [("retention.ms", set("5")), ("segment.ms", set("6"))];
    cluster.configure(topic(), &changes).unwrap();
    let named = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    };
    assert_eq!(
        cluster.topic_configs(),
        named(&[("retention.ms", "5"), ("segment.ms", "6")])
    );
    cluster
        .configure(topic(), &[("segment.ms", ConfigChange::Delete)])
        .unwrap();
    assert_eq!(cluster.topic_configs(), named(&[("retention.ms", "5")]));
    let mut replacing = alteration(topic(), &[("max.message.bytes", set("9"))]);
    replacing.replaces_all = true;
    let records = alter(&cluster.image, &SETTINGS, &replacing).unwrap();
    cluster.apply(&records);
    assert_eq!(
        cluster.topic_configs(),
        named(&[("max.message.bytes", "9")])
    );
    let again = alter(&cluster.image, &SETTINGS, &replacing);
    assert_eq!(again, Ok(Vec::new()), "what is so already needs no record");
}

#[test]
fn lists_are_appended_to_and_subtracted_from_and_numbers_are_not() {
    let mut cluster = Cluster::with_partition();
    let name = "leader.replication.throttled.replicas";
    let append = |text: &str| ConfigChange::Append(text.to_owned());
    cluster
        .configure(topic(), &[(name, append("0:1,1:2"))])
        .unwrap();
    cluster
        .configure(topic(), &[(name, append("1:2,2:3"))])
        .unwrap();
    assert_eq!(cluster.topic_configs()[name], "0:1,1:2,2:3");
    let subtract = ConfigChange::Subtract("1:2".to_owned());
    cluster.configure(topic(), &[(name, subtract)]).unwrap();
    assert_eq!(cluster.topic_configs()[name], "0:1,2:3");
    let refused = cluster
        .configure(topic(), &[("retention.ms", append("5"))])
        .unwrap_err();
    assert_eq!(
        (refused.error, refused.message.as_str()),
        (
            ErrorCode::InvalidConfig,
            "Can't APPEND to key retention.ms because its type is not LIST."
        )
    );
}

#[test]
fn what_nobody_obeys_and_what_is_not_there_is_refused() {
    let mut cluster = Cluster::with_partition();
    let mut refused = |resource, name, value| {
        let refused = cluster
            .configure(resource, &[(name, set(value))])
            .unwrap_err();
        (refused.error, refused.message)
    };
    let invalid = |text: &str| (ErrorCode::InvalidConfig, text.to_owned());
    assert_eq!(
        refused(topic(), "nonsense", "1"),
        invalid("Unknown topic config name: nonsense")
    );
    assert_eq!(
        refused(topic(), "preallocate", "true"),
        invalid("Topic config preallocate cannot be set: no broker of this cluster obeys it.")
    );
    assert_eq!(
        refused(topic(), "min.insync.replicas", "0"),
        invalid("Invalid value 0 for configuration min.insync.replicas: Value must be at least 1")
    );
    assert_eq!(
        refused(ConfigResource::Broker(id(0)), "log.dirs", "/"),
        invalid(
            "Cannot update these configs dynamically: Set(log.dirs). Brokers obey them only from their start, or not at all."
        )
    );
    assert_eq!(
        refused(ConfigResource::Broker(id(0)), "min.insync.replicas", "1"),
        invalid(
            "Broker-level min.insync.replicas cannot be altered: set it for all brokers (--entity-default), since controllers decide by it."
        )
    );
    let unknown = ConfigResource::Topic("unknown".parse().unwrap());
    assert_eq!(
        refused(unknown, "retention.ms", "1").0,
        ErrorCode::UnknownTopicOrPartition
    );
    let unknown = ConfigResource::Broker(id(9));
    assert_eq!(
        refused(unknown, "log.retention.ms", "1").0,
        ErrorCode::BrokerIdNotRegistered
    );
}

#[test]
fn a_broker_goes_by_its_own_setting_then_by_that_of_all_and_snapshots_keep_both() {
    let mut cluster = Cluster::of(2);
    let name = "log.retention.ms";
    cluster
        .configure(ConfigResource::AllBrokers, &[(name, set("1"))])
        .unwrap();
    cluster
        .configure(ConfigResource::Broker(id(1)), &[(name, set("2"))])
        .unwrap();
    let value = |cluster: &Cluster, broker| {
        let found = cluster.image.dynamic_configs.get(id(broker), name);
        found.map(|(value, _)| value.to_owned())
    };
    assert_eq!(value(&cluster, 0).as_deref(), Some("1"));
    assert_eq!(value(&cluster, 1).as_deref(), Some("2"));
    let image = &cluster.image;
    assert_eq!(&restore(image.offset, &records_of(image)), image);
    cluster
        .configure(
            ConfigResource::Broker(id(1)),
            &[(name, ConfigChange::Delete)],
        )
        .unwrap();
    assert_eq!(value(&cluster, 1).as_deref(), Some("1"));
}

#[test]
fn lowering_the_minimum_clears_the_elr_where_somebody_leads() {
    for resource in [topic(), ConfigResource::AllBrokers] {
        let mut cluster = Cluster::with_partition();
        cluster.fence(0);
        cluster.fence(1);
        let before = cluster.state();
        assert_eq!((&before.isr, &before.elr), (&ids(&[2]), &ids(&[1])));
        cluster
            .configure(resource, &[("min.insync.replicas", set("1"))])
            .unwrap();
        let after = cluster.state();
        assert_eq!((&after.isr, &after.elr), (&ids(&[2]), &ids(&[])));
        assert_eq!(after.leader_epoch, before.leader_epoch);
        assert_eq!(after.partition_epoch, before.partition_epoch.next());
    }
}

#[test]
fn raising_the_minimum_or_setting_it_as_it_is_leaves_the_elr() {
    let mut cluster = Cluster::with_partition();
    cluster.fence(0);
    cluster.fence(1);
    let before = cluster.state();
    for value in ["2", "3"] {
        cluster
            .configure(topic(), &[("min.insync.replicas", set(value))])
            .unwrap();
        assert_eq!(cluster.state(), before);
    }
}

#[test]
fn a_partition_without_a_leader_keeps_its_elr_until_the_next_one_may_commit_alone() {
    let mut cluster = Cluster::with_partition();
    for broker in [0, 1, 2] {
        cluster.fence(broker);
    }
    cluster
        .configure(topic(), &[("min.insync.replicas", set("1"))])
        .unwrap();
    assert_eq!(cluster.state().elr, ids(&[1, 2]));
    cluster.unfence(2);
    let state = cluster.state();
    assert_eq!(
        (state.leader, &state.isr, &state.elr),
        (Some(id(2)), &ids(&[2]), &ids(&[]))
    );
}

#[test]
fn a_broker_is_cordoned_by_a_star_until_it_is_unregistered() {
    let mut cluster = Cluster::of(2);
    let name = "cordoned.log.dirs";
    let one = || ConfigResource::Broker(id(1));
    let refused = cluster.configure(one(), &[(name, set("/data"))]);
    assert_eq!(refused.unwrap_err().error, ErrorCode::InvalidConfig);
    let is_cordoned = |cluster: &Cluster, broker| {
        let configs = &cluster.image.dynamic_configs;
        configs.is_cordoned(id(broker))
    };
    cluster.configure(one(), &[(name, set("*"))]).unwrap();
    assert!(is_cordoned(&cluster, 1) && !is_cordoned(&cluster, 0));
    cluster.configure(one(), &[(name, set(""))]).unwrap();
    assert!(!is_cordoned(&cluster, 1));
    cluster.configure(one(), &[(name, set("*"))]).unwrap();
    cluster.fence(1);
    cluster.apply(&[MetadataRecord::BrokerUnregistered { broker: id(1) }]);
    assert!(!is_cordoned(&cluster, 1));
}
