//! The operator is killed again and again while a KafkaRebalance is carried out, and its status is wiped:
//! the next operator goes on with it, tells the truth of it, and leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::baseline;
use super::beside::Beside;
use super::disks::{self, Disks};
use super::environment::{Environment, HEAL_LIMIT};
use super::operator_killed::kill_operator;
use super::own_topic::some_brokers;
use super::rebalance::{PROPOSE_LIMIT, summary, wait_for_phase};
use super::under_load;
use crate::admin::copies::sizes_bytes;
use crate::admin::moves::moves;
use crate::admin::throttles::throttles;
use crate::admin::{Partition, cluster};
use crate::kubernetes::api::Kubernetes;

/// The KafkaRebalance.
const NAME: &str = "taken-over";
/// The topic of the load beside the moves, as its name begins.
const BESIDE: &str = "beside-moves";
/// What the operator notes of what it began.
const UNDERWAY: &str = "kintsugi.dev/rebalance-underway";
/// Brokers whose disks are filled.
const COPIES: i32 = 2;
/// Bytes a second: so slow that moves outlast a killed operator and the next one's first plan.
const RATE_BYTES: u64 = 640 * 1024;
/// How long the next operator may take to make the first move, or to plan the rest: kubelets wait up to
/// 40 s before the third restart, a lease stands 15 s, and loads may have to be measured for 15 s.
const TAKE_OVER_LIMIT: Duration = Duration::from_secs(120);
/// How long all moves may take, once the last operator was killed, beside the time that their bytes take at
/// that rate.
const MOVE_LIMIT: Duration = Duration::from_secs(180);
/// How long brokers may take to know of the last acts.
const KNOWN_LIMIT: Duration = Duration::from_secs(5);
/// The time between two looks at status and moves.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// The least number of looks that saw moves for the watch to mean anything.
const LOOKS_MIN: usize = 20;
/// What may be copied, of what was proposed, in percent: logs grow, and the rest is planned anew.
const BYTES_MAX_PERCENT: u64 = 110;
/// How far from each other what is told and what the copies hold may be, in percent.
const BYTES_APART_PERCENT: u64 = 10;

/// Fills two disks and has them evened out, with the operator killed once as moves are about to begin and
/// twice with moves in flight.
///
/// # Errors
/// If it does not come to its end, more is copied than was proposed, the status tells of no moves while
/// there are some, a move or a throttle is left behind, a send fails or a record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let heaped = some_brokers(environment, COPIES)?;
    let sent = disks::fill(environment, &heaped)?;
    let failed = sent.history.failed();
    ensure!(failed == 0, "{failed} sends to {} failed", sent.topic);
    under_load::run_planned(environment, BESIDE, |environment, _| rebalance(environment))?;
    sent.judge_and_delete(environment)
}

fn rebalance(environment: &Environment) -> anyhow::Result<()> {
    println!("  before: {}", Disks::look(environment)?);
    let proposed = propose(environment)?;
    let watch = watch(environment)?;
    let carried_out = carry_out(environment, &proposed);
    let seen = watch.end();
    let (completed, seen) = (carried_out?, seen?);
    seen.ensure_truth()?;
    ensure_bytes_as_planned(environment, [&proposed, &completed], &seen)?;
    ensure_goals_better(&proposed, &completed)?;
    ensure_nothing_left(environment)?;
    println!("  after: {}", Disks::look(environment)?);
    environment.kubernetes.delete_rebalance(NAME)
}

/// Asks for a plan, which nobody has approved yet.
fn propose(environment: &Environment) -> anyhow::Result<Value> {
    let spec = json!({
        "clusterName": environment.cluster,
        "scope": "Full",
        "goals": ["RackAware", "DiskUsageDistribution"],
        "throttleBytesPerSecond": RATE_BYTES,
    });
    environment.kubernetes.apply_rebalance(NAME, &spec)?;
    let proposed = wait_for_phase(environment, NAME, "ProposalReady", PROPOSE_LIMIT)?;
    println!("  proposed: {}", summary(&proposed));
    Ok(proposed)
}

/// Has it carried out by four operators, one after the other; gives the last status.
fn carry_out(environment: &Environment, proposed: &Value) -> anyhow::Result<Value> {
    let (kubernetes, operators) = (&environment.kubernetes, environment.operators());
    kubernetes.say_to_rebalance(NAME, "approve")?;
    kill_operator(environment, &operators)?;
    println!("  after the approval: {}", noted(kubernetes)?);

    let began = Instant::now();
    let (told, ended) = wait_for_moves(environment, 1)?;
    println!(
        "  the second operator: {told} after {:.1?}",
        began.elapsed()
    );
    kill_operator(environment, &operators)?;
    // What the next one tells it can have neither from here nor from memory.
    kubernetes.wipe_rebalance_status(NAME)?;

    let began = Instant::now();
    let (told, counted) = wait_for_moves(environment, 0)?;
    println!("  the third operator: {told} after {:.1?}", began.elapsed());
    ensure!(
        counted >= ended,
        "the third operator counts {counted} moves as made, and the second one told of {ended}"
    );
    kill_operator(environment, &operators)?;

    let began = Instant::now();
    // No broker sends or takes more than everything.
    let bytes = bytes(proposed, "bytesTotal")?;
    let limit = MOVE_LIMIT + Duration::from_secs(bytes / RATE_BYTES);
    let completed = wait_for_phase(environment, NAME, "Completed", limit)?;
    println!(
        "  the fourth operator, {:.1?} after the third was killed: {}",
        began.elapsed(),
        summary(&completed)
    );
    Ok(completed)
}

/// What stands in the resource's metadata of how far the operator came.
fn noted(kubernetes: &Kubernetes) -> anyhow::Result<String> {
    let resource = kubernetes.rebalance(NAME)?;
    let Some(text) = resource.annotations().get(UNDERWAY) else {
        let held = match resource.finalizers().is_empty() {
            true => "the operator that died had done nothing of it",
            false => "the operator that died had said that it would begin",
        };
        return Ok(held.to_owned());
    };
    let noted: Value = serde_json::from_str(text).context("the notes cannot be read")?;
    let moves = noted["moves"].as_array().map_or(0, Vec::len);
    Ok(format!("the operator that died had noted {moves} moves"))
}

/// Waits until the status tells of moves in flight, brokers do too, and at least so many are made; gives
/// the status in words, and how many it says are made.
fn wait_for_moves(environment: &Environment, made_min: i64) -> anyhow::Result<(String, i64)> {
    let bootstrap = environment.bootstrap()?;
    let what = "the status to tell of moves in flight";
    environment
        .kubernetes
        .wait(what, TAKE_OVER_LIMIT, |kubernetes| {
            let status = kubernetes.rebalance_status(NAME)?;
            let live = moves(&bootstrap)?.len();
            let progress = &status["progress"];
            let count = |field: &str| progress[field].as_i64().unwrap_or(0);
            let in_flight = count("movesInFlight");
            let made = count("movesTotal") - count("movesLeft");
            let told = format!(
                "{}, {in_flight} of {} moves in flight, {} left, {} of {} bytes moved, {live} listed",
                status["phase"],
                progress["movesTotal"],
                progress["movesLeft"],
                progress["bytesMoved"],
                progress["bytesTotal"],
            );
            Ok(match in_flight > 0 && live > 0 && made >= made_min {
                true => Ok((told, made)),
                false => Err(told),
            })
        })
}

/// What was seen of status and moves, look by look.
#[derive(Debug, Default)]
struct Seen {
    looks: usize,
    looks_with_moves: usize,
    /// The brokers that got a copy of a partition.
    copies: BTreeSet<(Partition, i32)>,
    /// The most moves that were in flight at once.
    moves_max: usize,
    /// The gates that were told.
    gates: BTreeSet<String>,
    /// Statuses that told of nothing left though moves were in flight.
    lies: Vec<String>,
}

/// Looks at the status, then at the moves: what the status said to be over must be so.
fn watch(environment: &Environment) -> anyhow::Result<Beside<Seen>> {
    let bootstrap = environment.bootstrap()?;
    let namespace = &environment.kubernetes.namespace;
    let kubernetes = Kubernetes::connect(&environment.kubeconfig, namespace)?;
    Beside::begin("watch", LOOK_INTERVAL, Seen::default(), move |seen| {
        let status = kubernetes.rebalance_status(NAME)?;
        seen.add(&status, moves(&bootstrap)?);
        Ok(())
    })
}

impl Seen {
    fn add(&mut self, status: &Value, moves: BTreeMap<Partition, Vec<i32>>) {
        self.looks += 1;
        self.looks_with_moves += usize::from(!moves.is_empty());
        self.moves_max = self.moves_max.max(moves.len());
        self.gates
            .extend(status["gate"].as_str().map(str::to_owned));
        let left = status["progress"]["movesLeft"].as_i64();
        if left == Some(0) && !moves.is_empty() {
            self.lies.push(format!(
                "{}, {} and {} moves",
                status["phase"],
                status["progress"],
                moves.len()
            ));
        }
        for (partition, adding) in moves {
            let each = adding.into_iter().map(|id| (partition.clone(), id));
            self.copies.extend(each);
        }
    }

    /// Checks that there was something to see, and that no status denied it.
    fn ensure_truth(&self) -> anyhow::Result<()> {
        println!(
            "  {} looks at status and moves, {} with moves, at most {} at once, {} copies; gates told: {:?}",
            self.looks,
            self.looks_with_moves,
            self.moves_max,
            self.copies.len(),
            self.gates
        );
        ensure!(
            self.looks_with_moves >= LOOKS_MIN,
            "too few looks saw moves to mean anything"
        );
        if let Some(lie) = self.lies.first() {
            bail!("{} statuses told of no moves left: {lie}", self.lies.len());
        }
        Ok(())
    }
}

/// A number of bytes that a status tells.
fn bytes(status: &Value, name: &str) -> anyhow::Result<u64> {
    let told = status["progress"][name].as_u64();
    told.with_context(|| format!("the status does not tell {name}"))
}

/// Checks that not more was copied than was proposed, and that it was told. What is written meanwhile also
/// makes copies larger, so copies are not counted of the topic of the load beside the moves, which holds
/// little.
fn ensure_bytes_as_planned(
    environment: &Environment,
    [proposed, completed]: [&Value; 2],
    seen: &Seen,
) -> anyhow::Result<()> {
    let (planned, told) = (
        bytes(proposed, "bytesTotal")?,
        bytes(completed, "bytesMoved")?,
    );
    let sizes = sizes_bytes(&environment.bootstrap()?)?;
    let copies = seen.copies.iter();
    let of_others = copies.filter(|((topic, _), _)| !topic.starts_with(BESIDE));
    let copied: u64 = of_others.filter_map(|copy| sizes.get(copy)).sum();
    println!(
        "  proposed {planned} bytes, told {told}, the copies of what was there before hold {copied}"
    );
    for (what, bytes) in [("told", told), ("copied", copied)] {
        ensure!(
            bytes * 100 <= planned * BYTES_MAX_PERCENT,
            "{bytes} bytes {what}, {planned} were proposed"
        );
    }
    ensure!(
        told.abs_diff(copied) * 100 <= told * BYTES_APART_PERCENT,
        "{told} bytes are told, and {copied} were copied of topics that were there before"
    );
    Ok(())
}

/// Checks that goals are broken in fewer places than before. Plans that are made in the middle are about
/// logs that have grown, so the first one's end is not theirs.
fn ensure_goals_better(proposed: &Value, completed: &Value) -> anyhow::Result<()> {
    let broken = |status: &Value, when: &str| -> BTreeMap<String, i64> {
        let goals = status["goals"].as_array().into_iter().flatten();
        let each = goals.filter_map(|goal| {
            let name = goal["goal"].as_str()?.to_owned();
            Some((name, goal[when].as_i64()?))
        });
        each.collect()
    };
    let before = broken(proposed, "violationsBefore");
    let after = broken(completed, "violationsAfter");
    ensure!(!before.is_empty(), "the proposal names no goal");
    for (goal, count) in &before {
        let now = after.get(goal);
        ensure!(
            now.is_some_and(|now| *now < (*count).max(1)),
            "goal {goal} was broken in {count} places, and is in {now:?}"
        );
    }
    Ok(())
}

/// Checks that nothing is in flight, throttled, noted or held.
fn ensure_nothing_left(environment: &Environment) -> anyhow::Result<()> {
    let (kubernetes, bootstrap) = (&environment.kubernetes, environment.bootstrap()?);
    kubernetes.wait("brokers to know of the end", KNOWN_LIMIT, |_| {
        let (moves, throttles) = (moves(&bootstrap)?, throttles(&bootstrap)?);
        let is_clean = moves.is_empty() && throttles.is_empty();
        let left = format!("{moves:?} are in flight; {}", throttles.join(", "));
        Ok(is_clean.then_some(()).ok_or(left))
    })?;
    let resource = kubernetes.rebalance(NAME)?;
    ensure!(
        resource.finalizers().is_empty() && !resource.annotations().contains_key(UNDERWAY),
        "notes are left behind: {:?}",
        resource.metadata
    );
    let cluster = cluster(&bootstrap)?;
    println!(
        "  no move and no throttle is left on {} brokers and {} topics, and nothing is noted",
        cluster.brokers.len(),
        cluster.topics.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moving() -> BTreeMap<Partition, Vec<i32>> {
        BTreeMap::from([(("orders".to_owned(), 1), vec![2])])
    }

    #[test]
    fn a_status_that_tells_of_nothing_left_while_a_partition_moves_is_found() {
        let mut seen = Seen::default();
        let status = |left: i64| json!({"phase": "Rebalancing", "progress": {"movesLeft": left}});
        for _ in 0..LOOKS_MIN {
            seen.add(&status(1), moving());
        }
        seen.add(&json!({}), moving());
        seen.add(&status(0), BTreeMap::new());
        assert!(seen.ensure_truth().is_ok());
        assert_eq!(seen.copies.len(), 1);
        seen.add(&status(0), moving());
        let error = seen.ensure_truth().unwrap_err().to_string();
        assert!(
            error.starts_with("1 statuses told of no moves left"),
            "{error}"
        );
    }

    #[test]
    fn a_watch_that_saw_no_moves_shows_nothing() {
        assert!(Seen::default().ensure_truth().is_err());
    }
}
