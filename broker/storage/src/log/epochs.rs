//! The leader epochs of a log (KIP-101).

use kintsugi_types::{LeaderEpoch, Offset};

/// Each epoch's start offset; both ascend.
#[derive(Clone, Debug, Default)]
pub(super) struct EpochCache {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl EpochCache {
    pub(super) fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    pub(super) fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// Notes that `epoch` begins at `start`, unless it or a later one is known. Epochs that began
    /// there and got no batch are forgotten.
    pub(super) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.latest().is_some_and(|latest| latest >= epoch) {
            return;
        }
        self.truncate_from(start);
        self.entries.push((epoch, start));
    }

    /// Forgets the epochs that begin at `end` or later.
    pub(super) fn truncate_from(&mut self, end: Offset) {
        let kept = self.entries.partition_point(|(_, start)| *start < end);
        self.entries.truncate(kept);
    }

    /// Forgets the epochs that end at or before `log_start`.
    pub(super) fn advance_start(&mut self, log_start: Offset) {
        let after = self
            .entries
            .partition_point(|(_, start)| *start <= log_start);
        if let Some(gone) = after.checked_sub(1) {
            self.entries.drain(..gone);
            if let Some(first) = self.entries.first_mut() {
                first.1 = log_start;
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn end_offset(&self, epoch: LeaderEpoch, log_end: Offset) -> (LeaderEpoch, Offset) {
        let unknown = (LeaderEpoch::UNKNOWN, Offset(-1));
        if epoch < LeaderEpoch(0) {
            return unknown;
        }
        match self.latest() {
            Some(latest) if latest == epoch => return (epoch, log_end),
            Some(latest) if latest > epoch => {}
            _ => return unknown,
        }
        let higher = self.entries.partition_point(|(known, _)| *known <= epoch);
        let end = self.entries[higher].1;
        let floor = higher.checked_sub(1).map(|floor| self.entries[floor].0);
        (floor.unwrap_or(epoch), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start) in entries {
            cache.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        cache
    }

    fn end(cache: &EpochCache, epoch: i32) -> (i32, i64) {
        let (epoch, offset) = cache.end_offset(LeaderEpoch(epoch), Offset(100));
        (epoch.0, offset.0)
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next_known_one() {
        let cache = cache(&[(2, 10), (5, 30), (6, 50)]);
        assert_eq!(end(&cache, 6), (6, 100));
        assert_eq!(end(&cache, 5), (5, 50));
        assert_eq!(end(&cache, 4), (2, 30));
        assert_eq!(end(&cache, 2), (2, 30));
        assert_eq!(end(&cache, 1), (1, 10));
        assert_eq!(end(&cache, 7), (-1, -1));
        assert_eq!(end(&cache, -1), (-1, -1));
        assert_eq!(end(&EpochCache::default(), 0), (-1, -1));
    }

    #[test]
    fn an_epoch_without_batches_makes_room_for_the_next() {
        let cache = cache(&[(2, 10), (5, 30), (6, 30), (6, 40)]);
        assert_eq!(
            cache.entries(),
            [(LeaderEpoch(2), Offset(10)), (LeaderEpoch(6), Offset(30))]
        );
    }

    #[test]
    fn truncation_and_retention_forget_epochs() {
        let mut cache = cache(&[(2, 10), (5, 30), (6, 50)]);
        cache.truncate_from(Offset(50));
        assert_eq!(cache.latest(), Some(LeaderEpoch(5)));
        cache.advance_start(Offset(35));
        assert_eq!(cache.entries(), [(LeaderEpoch(5), Offset(35))]);
        cache.advance_start(Offset(20));
        assert_eq!(cache.entries(), [(LeaderEpoch(5), Offset(35))]);
    }
}
