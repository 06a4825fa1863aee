//! What was read of a cluster, twice where rates are wanted.

use std::collections::BTreeMap;
use std::time::Duration;

pub use kintsugi_survey::{Cluster, Partition, PartitionKey};

/// What one broker's disks hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogDirectories {
    /// Bytes that its disks can hold together, where it told.
    pub total_bytes: Option<u64>,
    /// Bytes of each replica.
    pub replica_bytes: BTreeMap<PartitionKey, u64>,
}

/// The log directories of all brokers that live.
pub type Sizes = BTreeMap<i32, LogDirectories>;

/// How large a partition is and how fast it grows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Bytes of its largest replica: the others may be catching up.
    pub size_bytes: u64,
    /// Bytes that producers add each second; 0 where it was not measured or the log became
    /// shorter, since retention hides what came meanwhile.
    pub growth_bytes_per_second: f64,
}

/// Sizes from the later look; growth from both, `between` apart.
pub fn measure(
    earlier: Option<(&Sizes, Duration)>,
    later: &Sizes,
) -> BTreeMap<PartitionKey, Measured> {
    let sizes = largest(later);
    let before = earlier.map(|(sizes, between)| (largest(sizes), between.as_secs_f64()));
    let growth = |key: &PartitionKey, size_bytes: u64| {
        let (before, seconds) = before.as_ref()?;
        let grown = size_bytes.saturating_sub(*before.get(key)?);
        // Fewer than 2^53 bytes are exact in a float, and more need not be.
        #[expect(clippy::cast_precision_loss)]
        let grown = grown as f64;
        (*seconds > 0.0).then_some(grown / seconds)
    };
    sizes
        .into_iter()
        .map(|(key, size_bytes)| {
            let growth_bytes_per_second = growth(&key, size_bytes).unwrap_or(0.0);
            let measured = Measured {
                size_bytes,
                growth_bytes_per_second,
            };
            (key, measured)
        })
        .collect()
}

fn largest(sizes: &Sizes) -> BTreeMap<PartitionKey, u64> {
    let mut largest = BTreeMap::new();
    for (key, size_bytes) in sizes.values().flat_map(|broker| &broker.replica_bytes) {
        let entry = largest.entry(key.clone()).or_insert(0);
        *entry = (*entry).max(*size_bytes);
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: i32) -> PartitionKey {
        PartitionKey {
            topic: "orders".to_owned(),
            number,
        }
    }

    fn sizes(brokers: &[(i32, &[(i32, u64)])]) -> Sizes {
        let broker = |replicas: &[(i32, u64)]| LogDirectories {
            total_bytes: None,
            replica_bytes: replicas
                .iter()
                .map(|(n, bytes)| (key(*n), *bytes))
                .collect(),
        };
        brokers
            .iter()
            .map(|(id, replicas)| (*id, broker(replicas)))
            .collect()
    }

    #[test]
    fn a_partition_is_as_large_as_its_largest_replica_and_grows_by_its_growth() {
        let earlier = sizes(&[(0, &[(0, 1_000)]), (1, &[(0, 900)])]);
        let later = sizes(&[(0, &[(0, 3_000)]), (1, &[(0, 2_500)])]);
        let measured = measure(Some((&earlier, Duration::from_secs(10))), &later);
        let expected = Measured {
            size_bytes: 3_000,
            growth_bytes_per_second: 200.0,
        };
        assert_eq!(measured, BTreeMap::from([(key(0), expected)]));
    }

    #[test]
    fn a_log_that_became_shorter_or_is_new_has_no_known_growth() {
        let earlier = sizes(&[(0, &[(0, 1_000)])]);
        let later = sizes(&[(0, &[(0, 500), (1, 70)])]);
        let measured = measure(Some((&earlier, Duration::from_secs(10))), &later);
        let rates: Vec<f64> = measured
            .values()
            .map(|m| m.growth_bytes_per_second)
            .collect();
        assert_eq!(rates, [0.0, 0.0]);
    }

    #[test]
    fn two_looks_at_one_time_give_no_growth() {
        let look = sizes(&[(0, &[(0, 1_000)])]);
        let measured = measure(Some((&look, Duration::ZERO)), &look);
        assert_eq!(measured[&key(0)].growth_bytes_per_second, 0.0);
    }
}
