//! Whether brokers are spread over their zones as evenly as they can be.

use std::collections::BTreeMap;

use super::Finding;
use crate::cluster::Cluster;
use crate::decide::members::Members;

/// Brokers keep the zone that they were born in, so what zones have become since shows here only.
/// Judged by the zones on volumes alone: nodes come and go, and are not read in every look.
pub fn uneven(cluster: &Cluster, members: &Members<'_>) -> Finding {
    if cluster.topology_key.is_none() {
        return Finding::no("NoRacks");
    }
    let mut brokers: BTreeMap<&str, usize> = BTreeMap::new();
    let zones = members.brokers.values().flatten();
    for zone in zones.filter_map(|volume| volume.zone.as_deref()) {
        *brokers.entry(zone).or_default() += 1;
    }
    let fullest = brokers.iter().max_by_key(|(_, count)| **count);
    let emptiest = brokers.iter().min_by_key(|(_, count)| **count);
    let (Some((fullest, most)), Some((emptiest, least))) = (fullest, emptiest) else {
        return Finding::no("Even");
    };
    if brokers.len() == 1 && *most > 1 {
        let message = format!(
            "all {most} brokers are in zone {fullest}: losing it loses every copy; brokers stay \
             where they were born, new ones go to other zones once these have nodes for them"
        );
        return Finding::yes("OneZone", message);
    }
    if most - least > 1 {
        let message = format!(
            "zone {fullest} has {most} brokers and zone {emptiest} {least}: partitions with as many \
             copies as there are zones have more of them together than they must; brokers stay \
             where they were born, new ones go to the emptiest zone that has nodes for them"
        );
        return Finding::yes("Uneven", message);
    }
    Finding::no("Even")
}
