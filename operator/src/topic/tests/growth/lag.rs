//! Partitions that are added because groups fall behind, and those that are not.

use super::*;
use crate::topic::growth::Lag;

/// A group that lags, and reads a hundred records a second of a hundred that come.
pub(super) fn behind(members: usize, seconds: f64, records: f64) -> Lag {
    Lag {
        group: "g".to_owned(),
        members,
        seconds,
        records,
        produced_per_second: 100.0,
        committed_per_second: 100.0,
    }
}

fn lags(lag: Lag) -> Sample {
    Sample {
        bytes_per_second: 0.0,
        lags: vec![lag],
    }
}

#[test]
fn a_group_with_a_member_a_partition_that_does_not_catch_up_adds_partitions() {
    let mut looks = Looks::of(asks(&json!({"targetBytesPerSecond": 0})));
    let mut records = 6_000.0;
    let mut slow = || {
        records += 750.0;
        let mut lag = behind(6, 90.0, records);
        lag.committed_per_second = 50.0;
        lags(lag)
    };
    for _ in 0..4 {
        assert_eq!(grown(&looks.look(Ok(slow()))), None);
    }
    let plan = looks.look(Ok(slow()));
    // It commits half of what comes: twice the partitions keep up, and a fifth more catches up, but a
    // step doubles at most.
    let grow = Command::Grow {
        topic: "orders".to_owned(),
        partitions: 12,
        why: Some(
            "12 partitions instead of 6: group g is 90 s behind with 6 members on 6 partitions and does \
             not catch up: it commits 50.0 records a second of 100.0 that come"
                .to_owned(),
        ),
    };
    assert_eq!(plan.commands, [grow]);
    // Six members have twelve partitions now: members are what would help.
    looks.calm(3_600, &slow());
    let (state, reason) = looks.reason();
    assert_eq!(state, PartitionGrowthState::Enough);
    let advice = "group g is 90 s behind with 6 members on 12 partitions: more members help, more partitions do not";
    assert!(reason.ends_with(advice), "{reason}");
    // With these, it begins anew.
    let mut more = slow();
    more.lags[0].members = 12;
    let (_, to) = looks.until_grown(&more);
    assert_eq!(to, 20);
}

#[test]
fn a_group_that_partitions_would_not_help_adds_none() {
    let cases = [
        (
            "few members",
            behind(5, 900.0, 1_000.0),
            "more members help",
        ),
        (
            "stuck",
            Lag {
                committed_per_second: 9.0,
                ..behind(6, 900.0, 1_000.0)
            },
            "commits next to nothing",
        ),
        (
            "stopped, on a topic to which nothing is written",
            Lag {
                produced_per_second: 0.0,
                committed_per_second: 0.0,
                ..behind(6, 900.0, 1_000.0)
            },
            "commits next to nothing",
        ),
        (
            "close",
            behind(6, 59.0, 1_000.0),
            "no group is more than 60 s behind",
        ),
    ];
    for (what, lag, told) in cases {
        let mut looks = Looks::of(asks(&json!({})));
        looks.calm(1_800, &lags(lag));
        let (state, reason) = looks.reason();
        assert_eq!(state, PartitionGrowthState::Enough, "{what}");
        assert!(reason.contains(told), "{what}: {reason}");
    }
}

#[test]
fn a_group_that_catches_up_adds_nothing_and_one_that_stops_to_does() {
    let mut looks = Looks::of(asks(&json!({})));
    let mut records = 100_000.0;
    for _ in 0..40 {
        records -= 100.0;
        let plan = looks.look(Ok(lags(behind(6, 600.0, records))));
        assert_eq!(grown(&plan), None, "{records}");
    }
    let (_, to) = looks.until_grown(&lags(behind(6, 600.0, records)));
    // It commits all that comes, and needs a quarter more to catch up.
    assert_eq!(to, 8);
}
