//! Hands out producer ids, in blocks (KIP-98): an id is given once in a cluster's life.

use kintsugi_types::ProducerId;

use crate::image::Image;
use crate::record::MetadataRecord;

/// How many ids a block has: a broker asks once for so many producers.
pub const BLOCK_SIZE: i64 = 1_000;

/// The next block: its first id, and the record that keeps it from being handed out again. `None`
/// when there are no more ids.
#[must_use]
pub fn allocate(image: &Image) -> Option<(ProducerId, MetadataRecord)> {
    let first = image.next_producer_id;
    let next = ProducerId(first.0.checked_add(BLOCK_SIZE)?);
    Some((first, MetadataRecord::ProducerIdsAllocated { next }))
}

#[cfg(test)]
mod tests {
    use kintsugi_types::MetadataOffset;

    use super::*;
    use crate::image::Delta;
    use crate::snapshot::{records_of, restore};

    #[test]
    fn no_id_is_in_two_blocks_and_a_snapshot_remembers_that() {
        let mut image = Image::default();
        for number in 0..5 {
            let (first, record) = allocate(&image).unwrap();
            assert_eq!(first, ProducerId(number * BLOCK_SIZE));
            let offset = image.offset.next();
            image.apply(offset, &[record], &mut Delta::default());
            assert_eq!(restore(offset, &records_of(&image)), image);
        }
        // A record that comes twice, or late, takes nothing back.
        let next = ProducerId(7);
        let record = MetadataRecord::ProducerIdsAllocated { next };
        image.apply(MetadataOffset(9), &[record], &mut Delta::default());
        assert_eq!(image.next_producer_id, ProducerId(5 * BLOCK_SIZE));
    }

    #[test]
    fn after_the_last_block_there_is_none() {
        let image = Image {
            next_producer_id: ProducerId(i64::MAX - BLOCK_SIZE + 1),
            ..Image::default()
        };
        assert_eq!(allocate(&image), None);
    }
}
