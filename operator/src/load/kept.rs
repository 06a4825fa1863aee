//! Rates that outlive the process that measured them.

use kintsugi_load::{Kept, PARTITIONS_KEPT_MAX};

use super::{Loads, lock};
use crate::learned::{LearnedError, PART_BYTES_MAX};
use crate::remembered::Key;

/// What the bytes around it take at most.
const ENVELOPE_BYTES_MAX: usize = 1_000;

impl Loads {
    /// The rates of a cluster as bytes; None where none are known. Of as many partitions as fit.
    pub fn keep(&self, key: &Key, uid: &str) -> Option<Result<Vec<u8>, LearnedError>> {
        let load = self.of(key)?;
        let load = lock(&load);
        if load.uid != uid || !load.model.is_useful() {
            return None;
        }
        let mut partitions = PARTITIONS_KEPT_MAX;
        loop {
            let kept = load.model.keep(partitions);
            match postcard::to_allocvec(&kept) {
                // Topics with long names: half of them are the busiest half.
                Ok(bytes)
                    if bytes.len() > PART_BYTES_MAX - ENVELOPE_BYTES_MAX && partitions > 0 =>
                {
                    partitions /= 2;
                }
                kept => return Some(kept.map_err(LearnedError::from)),
            }
        }
    }

    /// Goes on with rates that were kept `age_ms` ago; says what came of it.
    ///
    /// # Errors
    /// [`LearnedError`] for what cannot have been kept.
    pub fn take_up(&self, key: &Key, payload: &[u8], age_ms: u64) -> Result<String, LearnedError> {
        let kept: Kept = postcard::from_bytes(payload)?;
        let partitions = kept.partitions();
        let Some(load) = self.of(key) else {
            return Ok("the cluster is not watched".to_owned());
        };
        let taken_up = lock(&load).model.resume(kept, self.now(), age_ms);
        Ok(match taken_up {
            true => format!("the rates of {partitions} partitions, until brokers tell newer ones"),
            false => "rates of so long ago say nothing about now".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn key() -> Key {
        ("kafka".to_owned(), "demo".to_owned())
    }

    #[test]
    fn nothing_is_kept_before_rates_are_known_and_nonsense_is_refused() {
        let loads = Loads::default();
        let cluster = fixtures::cluster();
        assert!(loads.keep(&key(), &cluster.uid).is_none());
        loads.watch(&key(), &cluster, &fixtures::formed());
        assert!(loads.keep(&key(), &cluster.uid).is_none());
        assert!(loads.take_up(&key(), &[0xff; 40], 0).is_err());
        let nothing = postcard::to_allocvec(&Kept::default()).unwrap();
        let said = loads.take_up(&key(), &nothing, 400_000).unwrap();
        assert_eq!(said, "rates of so long ago say nothing about now");
    }
}
