//! Takes back what was begun: on a stop, a withdrawn approval, a refresh, and when the resource goes.
//!
//! Moves are taken back by the active controller's word, whatever the asked broker knows of them, so
//! that none that is on its way stays behind. What has come to its end stays where it is.

use std::collections::BTreeSet;
use std::time::Duration;

use super::decide::Look;
use super::execute::announce;
use super::observe::{ClusterView, KafkaView};
use super::plan::{Command, Intent, MarkChange, Marks, Plan, Underway};

/// When to look whether the cluster that holds a deletion answers again.
const REQUEUE_WAITING: Duration = Duration::from_secs(5);

/// Takes back what `marks` say was begun, and takes the notes of it away.
pub fn wind_down(marks: &Marks, clears_word: bool) -> Vec<Command> {
    let nothing = Underway::default();
    let underway = marks.underway.as_ref().unwrap_or(&nothing);
    let mut commands = Vec::new();
    if !underway.moves.is_empty() {
        let keys = underway.moves.iter().map(Intent::key);
        commands.push(Command::Cancel(keys.collect::<BTreeSet<_>>()));
        commands.push(Command::Unthrottle(underway.moves.clone()));
    }
    if !underway.throttled.is_empty() {
        commands.push(Command::ClearRates(underway.throttled.clone()));
    }
    commands.push(Command::Mark(MarkChange {
        marks: Marks {
            cluster: marks.cluster.clone(),
            is_held: false,
            underway: None,
            ended: false,
        },
        clears_word,
    }));
    commands
}

/// The resource is being deleted.
pub fn on_deletion(look: &Look<'_>) -> Plan {
    let marks = &look.rebalance.marks;
    if !marks.is_held {
        return Plan {
            commands: Vec::new(),
            requeue: None,
            held: None,
        };
    }
    let (requeue, held) = (None, None);
    let nothing_begun = Marks {
        underway: None,
        ..marks.clone()
    };
    let commands = match (&look.observed.cluster, &look.observed.kafka) {
        // With the cluster its moves and throttles are gone.
        (ClusterView::Gone, _) => wind_down(&nothing_begun, false),
        _ if marks.underway.is_none() => wind_down(&nothing_begun, false),
        (ClusterView::Present { paused: false, .. }, KafkaView::Answered(_)) => {
            wind_down(marks, false)
        }
        _ => {
            let (commands, requeue) = (Vec::new(), Some(REQUEUE_WAITING));
            return Plan {
                commands,
                requeue,
                held,
            };
        }
    };
    Plan {
        commands,
        requeue,
        held,
    }
}

/// People stopped it, or took their approval away.
pub fn on_stop(look: &Look<'_>) -> Plan {
    let marks = &look.rebalance.marks;
    let begun = marks.underway.as_ref().map_or(0, |own| own.moves.len());
    let mut commands = wind_down(marks, false);
    commands.push(announce(
        "RebalanceStopped",
        format!(
            "KafkaRebalance {} is not approved any more: took back {begun} moves in flight; what \
             was moved stays where it is",
            look.rebalance.name
        ),
    ));
    look.acting(commands, None)
}

/// People want another plan.
pub fn on_refresh(look: &Look<'_>) -> Plan {
    look.acting(wind_down(&look.rebalance.marks, true), None)
}
