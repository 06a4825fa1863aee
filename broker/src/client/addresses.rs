//! How many connections each address has.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections by address. Forgets addresses that have none.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// Counts a connection, unless its address has `max` of them.
    pub fn count_below(&self, max: usize, address: IpAddr) -> Option<Counted> {
        let address = address.to_canonical();
        let mut counts = self.lock();
        let count = counts.get(&address).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        counts.insert(address, count + 1);
        Some(Counted {
            addresses: self.clone(),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.addresses.lock();
        match counts.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count_and_none_is_kept_without_connections() {
        let addresses = Addresses::default();
        let one: IpAddr = [127, 0, 0, 1].into();
        let same: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let other: IpAddr = [127, 0, 0, 2].into();
        let first = addresses.count_below(2, one).unwrap();
        let second = addresses.count_below(2, same).unwrap();
        assert!(addresses.count_below(2, one).is_none());
        assert!(addresses.count_below(2, other).is_some());
        drop(first);
        let third = addresses.count_below(2, one).unwrap();
        drop((second, third));
        assert!(addresses.lock().is_empty());
    }
}
