//! Which disks are too full, and how much of each may hold logs. Pure.
//!
//! A volume counts as people see it: with all that is on it, whatever put it there. Only logs can
//! leave it.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_survey::Cluster;

use super::observe::LoadView;

/// The least capacity that a planner takes.
const LEAST_BYTES: f64 = 1.0;

/// One broker's volume.
#[derive(Clone, Copy, Debug)]
struct Volume {
    capacity_bytes: f64,
    other_bytes: f64,
    logs_bytes: f64,
}

impl Volume {
    /// What logs may use of it, so that all together use no more than this share.
    fn for_logs_bytes(&self, max_percent: u32) -> f64 {
        self.capacity_bytes * f64::from(max_percent) / 100.0 - self.other_bytes
    }
}

/// By broker the capacity of which logs may use `max_percent`, so that the whole volume is used no
/// more than that either.
///
/// # Errors
/// In words, where a live broker does not tell how large its volume is.
pub fn for_logs(
    cluster: &Cluster,
    load: &LoadView,
    max_percent: u32,
) -> Result<BTreeMap<i32, f64>, String> {
    let each = cluster.brokers.keys().map(|id| {
        let for_logs_bytes = volume(cluster, load, *id)?.for_logs_bytes(max_percent);
        let capacity_bytes = for_logs_bytes * 100.0 / f64::from(max_percent);
        Ok((*id, capacity_bytes.max(LEAST_BYTES)))
    });
    each.collect()
}

/// Of `brokers`, or of all live ones where none is named, those that use more than `max_percent`.
///
/// # Errors
/// In words, where logs are not what fills one of them, or it does not tell how large it is.
pub fn too_full(
    cluster: &Cluster,
    load: &LoadView,
    brokers: &BTreeSet<i32>,
    max_percent: u32,
) -> Result<Vec<i32>, String> {
    let mut too_full = Vec::new();
    for id in cluster.brokers.keys() {
        if !brokers.is_empty() && !brokers.contains(id) {
            continue;
        }
        let volume = volume(cluster, load, *id)?;
        let for_logs_bytes = volume.for_logs_bytes(max_percent);
        if for_logs_bytes < 0.0 {
            return Err(format!(
                "the volume of broker {id} has {:.0} of its {:.0} bytes in use by what is no log, \
                 more than {max_percent} %: no move can help; look what that is, or make the \
                 volume larger",
                volume.other_bytes, volume.capacity_bytes
            ));
        }
        if volume.logs_bytes > for_logs_bytes {
            too_full.push(*id);
        }
    }
    Ok(too_full)
}

fn volume(cluster: &Cluster, load: &LoadView, id: i32) -> Result<Volume, String> {
    let capacity_bytes = load.disk_bytes.get(&id).copied();
    let capacity_bytes = capacity_bytes.ok_or_else(|| {
        format!(
            "broker {id} does not tell how large its volume is: nothing is known to be too full or \
             to have room"
        )
    })?;
    // As the planner counts them: what moves is what a partition was measured to have.
    let here = cluster.partitions.iter();
    let here = here.filter(|(_, partition)| partition.replicas.contains(&id));
    let logs = here.filter_map(|(key, _)| load.partitions.get(key));
    Ok(Volume {
        capacity_bytes,
        other_bytes: load.other_bytes.get(&id).copied().unwrap_or(0.0),
        logs_bytes: logs.map(|loads| loads.follower.disk_bytes).sum(),
    })
}

#[cfg(test)]
mod tests {
    use kintsugi_planner::Load;
    use kintsugi_survey::{Partition, PartitionKey, PartitionLoads};

    use super::*;

    /// Three brokers with volumes of 1,000 bytes; broker 0 has logs of 700, broker 1 of 300.
    fn world(other: [f64; 3]) -> (Cluster, LoadView) {
        let (mut cluster, mut load) = (Cluster::default(), LoadView::default());
        for (id, other) in (0..3).zip(other) {
            cluster.brokers.insert(id, None);
            load.disk_bytes.insert(id, 1_000.0);
            load.other_bytes.insert(id, other);
        }
        for (number, (broker, disk_bytes)) in (0..).zip([(0, 400.0), (0, 300.0), (1, 300.0)]) {
            let key = PartitionKey {
                topic: "orders".to_owned(),
                number,
            };
            let partition = Partition {
                leader: Some(broker),
                replicas: vec![broker],
                in_sync: vec![broker],
            };
            let one = Load {
                disk_bytes,
                ..Load::default()
            };
            let loads = PartitionLoads {
                leader: one,
                follower: one,
            };
            cluster.partitions.insert(key.clone(), partition);
            load.partitions.insert(key, loads);
        }
        (cluster, load)
    }

    #[test]
    fn a_volume_counts_with_all_that_is_on_it() {
        let (cluster, load) = world([100.0, 500.0, 0.0]);
        let all = BTreeSet::new();
        let too_full = |percent| too_full(&cluster, &load, &all, percent);
        assert_eq!(too_full(80), Ok(Vec::new()));
        assert_eq!(too_full(79), Ok(vec![0, 1]));
        let of_one = BTreeSet::from([1, 2]);
        assert_eq!(super::too_full(&cluster, &load, &of_one, 79), Ok(vec![1]));
        let capacities = for_logs(&cluster, &load, 50).unwrap();
        let expected = [(0, 800.0), (1, LEAST_BYTES), (2, 1_000.0)];
        assert_eq!(capacities, BTreeMap::from(expected));
    }

    #[test]
    fn what_no_move_can_help_is_refused_in_numbers() {
        let (cluster, mut load) = world([0.0, 850.0, 0.0]);
        let refused = too_full(&cluster, &load, &BTreeSet::new(), 80).unwrap_err();
        assert_eq!(
            refused,
            "the volume of broker 1 has 850 of its 1000 bytes in use by what is no log, more than \
             80 %: no move can help; look what that is, or make the volume larger"
        );
        load.disk_bytes.remove(&2);
        let refused = for_logs(&cluster, &load, 80).unwrap_err();
        assert_eq!(
            refused,
            "broker 2 does not tell how large its volume is: nothing is known to be too full or to \
             have room"
        );
    }
}
