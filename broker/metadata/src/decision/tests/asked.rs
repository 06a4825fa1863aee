use kintsugi_types::ErrorCode;

use super::fixture::{Cluster, SETTINGS, id, registration};
use crate::decision::asked_election::elect_preferred;
use crate::decision::unregistering::{UnregisterRefused, unregister};
use crate::record::MetadataRecord;

fn elect(cluster: &mut Cluster) -> Result<(), ErrorCode> {
    let (partition, _) = cluster.partition();
    let record = elect_preferred(&cluster.image, &SETTINGS, partition)?;
    cluster.apply(&[record]);
    Ok(())
}

#[test]
fn the_preferred_replica_leads_again_when_asked_if_it_is_in_sync() {
    let mut cluster = Cluster::with_partition();
    assert_eq!(elect(&mut cluster), Err(ErrorCode::ElectionNotNeeded));
    cluster.fence(0);
    assert_eq!(
        elect(&mut cluster),
        Err(ErrorCode::PreferredLeaderNotAvailable)
    );
    cluster.unfence(0);
    assert_eq!(
        elect(&mut cluster),
        Err(ErrorCode::PreferredLeaderNotAvailable),
        "it lives, but is not in sync"
    );
    super::cases::alter_to(&mut cluster, 1, &[0, 1, 2]).unwrap();
    assert_eq!(elect(&mut cluster), Ok(()));
    assert_eq!(cluster.state().leader, Some(id(0)));
}

#[test]
fn only_a_dead_broker_without_replicas_is_unregistered() {
    let mut cluster = Cluster::with_partition();
    cluster.register(&registration(3)).unwrap();
    cluster.unfence(3);
    let refused = |cluster: &Cluster, broker| unregister(&cluster.image, id(broker)).unwrap_err();
    assert_eq!(
        refused(&cluster, 9),
        UnregisterRefused::NotRegistered(id(9))
    );
    assert_eq!(refused(&cluster, 3), UnregisterRefused::IsLive(id(3)));
    cluster.fence(0);
    assert!(matches!(
        refused(&cluster, 0),
        UnregisterRefused::HoldsReplicas { partitions: 1, .. }
    ));
    cluster.fence(3);
    let record = unregister(&cluster.image, id(3)).unwrap();
    assert_eq!(record, MetadataRecord::BrokerUnregistered { broker: id(3) });
    cluster.apply(&[record]);
    assert!(!cluster.image.brokers.contains_key(&id(3)));
}
