//! Sizes of volumes, as claims ask for them.

use crate::names::Role;
use crate::observe::{Observed, ObservedVolume, Removal};
use crate::quantity::{bytes, is_less};

const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;

/// The claims of brokers that belong to the cluster and have a volume, or will.
pub fn claims(observed: &Observed) -> impl Iterator<Item = &ObservedVolume> {
    let volumes = observed.volumes.iter();
    volumes.filter(|volume| {
        volume.member.role == Role::Broker
            && !volume.terminating
            && !volume.lost
            && volume.removal != Some(Removal::Drained)
    })
}

/// The size that every broker's claim is to ask for: the largest that one does, or that of `spec`.
pub fn in_force(spec: &str, observed: &Observed) -> String {
    let mut largest = spec;
    for claim in claims(observed) {
        if is_less(largest, &claim.size) {
            largest = &claim.size;
        }
    }
    largest.to_owned()
}

/// A size of at least so many bytes: in whole gibibytes, as clouds have volumes, and small ones in
/// mebibytes.
pub fn rounded_up(bytes: u64) -> String {
    let (unit, suffix) = match bytes >= GIBIBYTE {
        true => (GIBIBYTE, "Gi"),
        false => (MEBIBYTE, "Mi"),
    };
    format!("{}{suffix}", bytes.div_ceil(unit).max(1))
}

/// The smaller of a size and the most that is allowed, which is written as people wrote it.
pub fn at_most(size: String, max: &str) -> String {
    match is_less(max, &size) {
        true => max.to_owned(),
        false => size,
    }
}

/// What a claim asks for, or has if that is more: a volume that was found rather than made may be
/// larger, and no request below its size makes it grow.
pub fn base_bytes(claim: &ObservedVolume) -> Option<u64> {
    let asked = bytes(&claim.size)?;
    let has = claim.capacity.as_deref().and_then(bytes);
    Some(asked.max(has.unwrap_or(0)))
}

/// Bytes for people.
pub fn told(bytes: f64) -> String {
    match bytes >= GIBIBYTE as f64 {
        true => format!("{:.1} GiB", bytes / GIBIBYTE as f64),
        false => format!("{:.0} MiB", bytes / MEBIBYTE as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_gibibytes_or_mebibytes_and_at_most_what_people_wrote() {
        assert_eq!(rounded_up(GIBIBYTE * 10 + 1), "11Gi");
        assert_eq!(rounded_up(GIBIBYTE * 10), "10Gi");
        assert_eq!(rounded_up(MEBIBYTE * 300 + 1), "301Mi");
        assert_eq!(rounded_up(0), "1Mi");
        assert_eq!(at_most("11Gi".to_owned(), "10737418240"), "10737418240");
        assert_eq!(at_most("11Gi".to_owned(), "12Gi"), "11Gi");
    }
}
