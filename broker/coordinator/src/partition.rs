//! Which partition a group lives in.

use kintsugi_types::PartitionIndex;

/// The topic whose partitions hold groups and offsets.
pub const TOPIC_NAME: &str = "__consumer_offsets";

/// The partition of `__consumer_offsets`, of so many, that holds a group: Java's
/// `String.hashCode` with its sign bit cleared, modulo the count (Kafka's `Utils.abs`).
#[must_use]
pub fn partition_for(group_id: &str, partitions: u32) -> PartitionIndex {
    let hash = group_id.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    let index = (hash & i32::MAX).cast_unsigned() % partitions.max(1);
    PartitionIndex(index.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_where_kafka_would_look_for_it() {
        // "hello".hashCode() in Java is 99162322.
        assert_eq!(partition_for("hello", 50), PartitionIndex(99_162_322 % 50));
        assert_eq!(partition_for("", 50), PartitionIndex(0));
        // "polygenelubricants" hashes to i32::MIN, whose absolute value is no i32.
        assert_eq!(partition_for("polygenelubricants", 50), PartitionIndex(0));
        assert_eq!(partition_for("any", 1), PartitionIndex(0));
    }
}
