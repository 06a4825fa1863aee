//! What a person reads: brokers and goals, before and after.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kintsugi_planner::{BrokerInput, BrokerState, PartitionChange, PartitionInput, Plan};

use crate::model::Prepared;

/// Goals listed with words at most.
const UNMET_MAX: usize = 20;

/// What one broker carries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Carried {
    /// Replicas on it.
    pub replicas: u64,
    /// Partitions that it leads.
    pub leaders: u64,
    /// Bytes of them.
    pub disk_bytes: f64,
    /// Bytes that come in each second.
    pub in_bytes_per_second: f64,
    /// Bytes that go out each second.
    pub out_bytes_per_second: f64,
}

/// What every broker carries, with `changes` made or (an empty list) as it is.
pub fn carried(
    partitions: &[PartitionInput],
    changes: &[PartitionChange],
) -> BTreeMap<i32, Carried> {
    let changed: BTreeMap<usize, &PartitionChange> = changes
        .iter()
        .filter_map(|change| Some((usize::try_from(change.partition.0).ok()?, change)))
        .collect();
    let mut brokers: BTreeMap<i32, Carried> = BTreeMap::new();
    for (place, partition) in partitions.iter().enumerate() {
        let (replicas, leader) = match changed.get(&place) {
            Some(change) => (&change.replicas_after, change.leader_after),
            None => (&partition.replicas, partition.leader),
        };
        for id in replicas {
            let leads = leader == Some(*id);
            let load = if leads {
                &partition.leader_load
            } else {
                &partition.follower_load
            };
            let sum = brokers.entry(*id).or_default();
            sum.replicas += 1;
            sum.leaders += u64::from(leads);
            sum.disk_bytes += load.disk_bytes;
            sum.in_bytes_per_second += load.network_in_bytes_per_second;
            sum.out_bytes_per_second += load.network_out_bytes_per_second;
        }
    }
    brokers
}

/// The brokers, before -> after.
pub fn brokers(prepared: &Prepared, plan: &Plan) -> String {
    let before = carried(&prepared.input.partitions, &[]);
    let after = carried(&prepared.input.partitions, &plan.changes);
    let mut rows = vec![
        [
            "BROKER", "RACK", "STATE", "REPLICAS", "LEADERS", "DISK", "IN/S", "OUT/S",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for broker in &prepared.input.brokers {
        let of = |side: &BTreeMap<i32, Carried>| side.get(&broker.id).copied().unwrap_or_default();
        rows.push(row(broker, &of(&before), &of(&after)));
    }
    aligned(&rows)
}

fn row(broker: &BrokerInput, before: &Carried, after: &Carried) -> Vec<String> {
    let state = match broker.state {
        BrokerState::Alive | BrokerState::New => "alive",
        BrokerState::Dead => "dead",
        BrokerState::Draining => "leaving",
        BrokerState::Cordoned => "cordoned",
        BrokerState::Excluded => "excluded",
    };
    vec![
        broker.id.to_string(),
        broker.rack.clone().unwrap_or_else(|| "-".to_owned()),
        state.to_owned(),
        change(before.replicas.to_string(), after.replicas.to_string()),
        change(before.leaders.to_string(), after.leaders.to_string()),
        change(bytes(before.disk_bytes), bytes(after.disk_bytes)),
        change(
            bytes(before.in_bytes_per_second),
            bytes(after.in_bytes_per_second),
        ),
        change(
            bytes(before.out_bytes_per_second),
            bytes(after.out_bytes_per_second),
        ),
    ]
}

/// The goals, highest first, with how often each is broken before -> after.
pub fn goals(plan: &Plan) -> String {
    let mut rows = vec![["GOAL", "KIND", "VIOLATIONS"].map(str::to_owned).to_vec()];
    for outcome in &plan.goals {
        let kind = if outcome.goal.is_hard() {
            "hard"
        } else {
            "soft"
        };
        let (before, after) = (outcome.violations_before, outcome.violations_after);
        rows.push(vec![
            outcome.goal.name().to_owned(),
            kind.to_owned(),
            change(before.to_string(), after.to_string()),
        ]);
    }
    let mut text = aligned(&rows);
    for outcome in plan
        .goals
        .iter()
        .filter(|goal| goal.violations_after > 0)
        .take(UNMET_MAX)
    {
        if let Some(reason) = &outcome.unmet {
            let _ = writeln!(text, "{} is not met: {reason}", outcome.goal.name());
        }
    }
    text
}

/// What the plan costs, in one line.
pub fn cost(plan: &Plan) -> String {
    let bound = match plan.bound_bytes {
        #[expect(clippy::cast_precision_loss)]
        Some(bound) => format!(
            ", {:.3} times the least that any plan must copy ({})",
            plan.bytes as f64 / bound as f64,
            bytes(bound as f64)
        ),
        None => String::new(),
    };
    #[expect(clippy::cast_precision_loss)]
    let copied = bytes(plan.bytes as f64);
    format!(
        "{} replicas and {} leaderships move, {copied} are copied{bound}; that takes at least {:.0} s",
        plan.moves.replicas,
        plan.moves.leaderships,
        plan.estimated_time.as_secs_f64()
    )
}

fn change(before: String, after: String) -> String {
    if before == after {
        before
    } else {
        format!("{before} -> {after}")
    }
}

/// Bytes in a unit that leaves at most four digits before the point.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = value;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value:.0} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use kintsugi_planner::{Load, PartitionId};

    use super::*;

    fn partition() -> PartitionInput {
        let follower_load = Load {
            disk_bytes: 100.0,
            network_in_bytes_per_second: 5.0,
            ..Load::default()
        };
        PartitionInput {
            topic: 0,
            number: 0,
            replicas: vec![0, 1],
            leader: Some(0),
            leader_load: Load {
                network_out_bytes_per_second: 5.0,
                ..follower_load
            },
            follower_load,
        }
    }

    #[test]
    fn a_change_moves_what_its_replicas_carry() {
        let change = PartitionChange {
            partition: PartitionId(0),
            replicas_before: vec![0, 1],
            replicas_after: vec![2, 1],
            leader_before: Some(0),
            leader_after: Some(2),
            bytes: 100,
            online_replicas: 2,
        };
        let follower = Carried {
            replicas: 1,
            leaders: 0,
            disk_bytes: 100.0,
            in_bytes_per_second: 5.0,
            out_bytes_per_second: 0.0,
        };
        let leader = Carried {
            leaders: 1,
            out_bytes_per_second: 5.0,
            ..follower
        };
        let before = carried(&[partition()], &[]);
        assert_eq!(before, BTreeMap::from([(0, leader), (1, follower)]));
        let after = carried(&[partition()], &[change]);
        assert_eq!(after, BTreeMap::from([(1, follower), (2, leader)]));
    }

    #[test]
    fn bytes_are_told_in_a_readable_unit() {
        let told = [0.0, 1023.0, 1024.0, 1.5 * 1024.0 * 1024.0, 3e15].map(bytes);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "2728.5 TiB"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["A", "B"], ["long", "x"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "A     B\nlong  x\n");
    }
}
