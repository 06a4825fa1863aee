//! Where two logs part: by leader epochs (KIP-101, KIP-279, KIP-595).

use kintsugi_types::{LeaderEpoch, Offset};

/// The largest epoch in a log that is not above the one asked for, and where that epoch ends
/// there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEnd {
    /// The epoch that was found.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end: Offset,
}

/// What a leader finds about a follower's position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PositionCheck {
    /// The follower's log is a prefix of the leader's: its fetch offset counts.
    Matches,
    /// It is not: the follower must truncate by this answer. Its fetch offset counts for nothing.
    Diverges(EpochEnd),
    /// The follower is behind the start of the leader's log.
    BeforeLogStart,
}

/// Compares a follower's position with the leader's log.
///
/// `found` is the leader's own [`EpochEnd`] for `last_fetched_epoch`; `None` if the leader's log
/// has no epoch that low.
#[must_use]
pub fn check_position(
    fetch_offset: Offset,
    last_fetched_epoch: LeaderEpoch,
    found: Option<EpochEnd>,
    log_start: Offset,
    log_end: Offset,
) -> PositionCheck {
    if fetch_offset < log_start {
        return PositionCheck::BeforeLogStart;
    }
    if last_fetched_epoch == LeaderEpoch::UNKNOWN || found.is_none() {
        // The follower's log is empty, or all of it is older than what the leader still has. What
        // lies before the leader's log start cannot differ any more; what lies after it does.
        let is_at_start = fetch_offset == log_start;
        let is_empty_follower = last_fetched_epoch == LeaderEpoch::UNKNOWN;
        if is_at_start || (is_empty_follower && fetch_offset <= log_end) {
            return PositionCheck::Matches;
        }
        return PositionCheck::Diverges(EpochEnd {
            epoch: LeaderEpoch::UNKNOWN,
            end: log_start,
        });
    }
    match found {
        Some(found) if found.epoch < last_fetched_epoch || found.end < fetch_offset => {
            PositionCheck::Diverges(found)
        }
        _ => PositionCheck::Matches,
    }
}

/// To where a follower cuts its log after a leader said that it diverges.
///
/// `own` is the follower's [`EpochEnd`] for the epoch that the leader named; `None` if its log has
/// no epoch that low. If the follower lacks that very epoch, the cut is at the end of its next
/// lower one, and its next fetch asks again; if it has only higher ones, none of its records is
/// the leader's.
#[must_use]
pub fn truncation_offset(
    leader: EpochEnd,
    own: Option<EpochEnd>,
    own_start: Offset,
    own_end: Offset,
) -> Offset {
    let cut = match own {
        None if leader.epoch == LeaderEpoch::UNKNOWN => leader.end,
        None => own_start,
        Some(own) if own.epoch == leader.epoch => own.end.min(leader.end),
        Some(own) => own.end,
    };
    cut.min(own_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(epoch: i32, end: i64) -> EpochEnd {
        EpochEnd {
            epoch: LeaderEpoch(epoch),
            end: Offset(end),
        }
    }

    fn check(fetch: i64, epoch: i32, found: Option<EpochEnd>) -> PositionCheck {
        check_position(
            Offset(fetch),
            LeaderEpoch(epoch),
            found,
            Offset(10),
            Offset(100),
        )
    }

    #[test]
    fn a_prefix_of_the_leaders_log_matches() {
        assert_eq!(check(50, 3, Some(end(3, 60))), PositionCheck::Matches);
        assert_eq!(check(60, 3, Some(end(3, 60))), PositionCheck::Matches);
        assert_eq!(check(10, -1, None), PositionCheck::Matches);
        assert_eq!(check(10, 2, None), PositionCheck::Matches);
    }

    #[test]
    fn an_epoch_that_the_leader_lacks_or_that_ends_earlier_there_diverges() {
        let lacks = end(2, 40);
        assert_eq!(check(50, 3, Some(lacks)), PositionCheck::Diverges(lacks));
        let shorter = end(3, 49);
        assert_eq!(
            check(50, 3, Some(shorter)),
            PositionCheck::Diverges(shorter)
        );
        assert_eq!(check(50, 1, None), PositionCheck::Diverges(end(-1, 10)));
    }

    #[test]
    fn a_follower_behind_the_leaders_log_start_is_told_so() {
        assert_eq!(check(9, 3, Some(end(3, 60))), PositionCheck::BeforeLogStart);
    }

    #[test]
    fn the_cut_is_at_the_earlier_end_of_the_same_epoch() {
        let cut = |leader, own, own_end| truncation_offset(leader, own, Offset(5), Offset(own_end));
        assert_eq!(cut(end(3, 40), Some(end(3, 50)), 50), Offset(40));
        assert_eq!(cut(end(3, 60), Some(end(3, 45)), 50), Offset(45));
        assert_eq!(cut(end(3, 40), Some(end(2, 30)), 50), Offset(30));
        assert_eq!(cut(end(1, 20), None, 50), Offset(5));
        assert_eq!(cut(end(-1, 10), None, 50), Offset(10));
        assert_eq!(cut(end(-1, 80), None, 50), Offset(50));
    }
}
