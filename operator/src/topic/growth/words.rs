//! What is told of a topic's load.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{PartitionGrowth, PartitionGrowthStatus};

use super::pressure::{Standing, standing};
use super::sample::{Lag, Sample};
use crate::told::seconds;

/// Characters of a group's name that are told: Kafka takes thousands.
const GROUP_CHARACTERS_MAX: usize = 100;

/// That a topic takes too much.
pub fn throughput(partitions: i32, bytes_per_second: f64, target: f64) -> String {
    format!(
        "{}, above the target of {}",
        taken(partitions, bytes_per_second),
        rate(target)
    )
}

/// How far a group is behind, and with how many members.
pub fn lag(group: &str, members: usize, seconds: f64, partitions: i32) -> String {
    let noun = if members == 1 { "member" } else { "members" };
    let partitions = counted(partitions);
    let group: String = group.chars().take(GROUP_CHARACTERS_MAX).collect();
    format!("group {group} is {seconds:.0} s behind with {members} {noun} on {partitions}")
}

/// That it does not catch up.
pub fn commits(committed: f64, produced: f64) -> String {
    format!(
        " and does not catch up: it commits {committed:.1} records a second of {produced:.1} that come"
    )
}

/// That there are as many partitions as the load asks for.
pub fn enough(sample: &Sample, settings: &PartitionGrowth, partitions: i32) -> String {
    let mut words = taken(partitions, sample.bytes_per_second);
    if settings.target_bytes_per_second > 0 {
        let target = rate(settings.target_bytes_per_second as f64);
        words = format!("{words}; the target is {target}");
    }
    if settings.lag_seconds == 0 {
        return words;
    }
    let told = |lag: &Lag| lag_of(lag, partitions);
    // The first is furthest behind.
    let (worst, bound) = (sample.lags.first(), settings.lag_seconds);
    let standing = worst.map(|lag| (lag, standing(lag, settings, partitions)));
    let groups = match standing {
        None => "no group has committed any offset".to_owned(),
        Some((_, Standing::Close)) => format!("no group is more than {bound} s behind"),
        Some((lag, Standing::FewMembers)) => {
            format!("{}: more members help, more partitions do not", told(lag))
        }
        Some((lag, Standing::Stuck)) => format!(
            "{} and commits next to nothing: more partitions do not help",
            told(lag)
        ),
        Some((lag, Standing::Full)) => told(lag),
    };
    format!("{words}; {groups}")
}

/// What is done if nothing changes, and when.
pub fn expected(why: &str, partitions: i32, at: Timestamp) -> String {
    let at = seconds(at);
    format!("{why}: if it stays so, the topic grows to {partitions} partitions at {at}")
}

/// What a growth waits for that is due.
pub fn cooling(why: &str, grown: Timestamp, at: Timestamp) -> String {
    let (grown, at) = (seconds(grown), seconds(at));
    format!("{why}: partitions were added at {grown}, and more are not before {at}")
}

/// What would be done.
pub fn dry_run(why: &str, partitions: i32) -> String {
    format!("{why}: {partitions} partitions are wanted, and dryRun is set")
}

/// That there may be no more.
pub fn at_maximum(why: &str, max: i32) -> String {
    format!("{why}: there may be at most {max}; raise spec.partitionGrowth.maxPartitions")
}

/// What was done.
pub fn grown(from: i32, to: i32, why: &str) -> String {
    format!("{to} partitions instead of {from}: {why}")
}

/// That partitions were added for another reason.
pub fn grown_otherwise(from: i32, to: i32) -> String {
    format!(
        "{to} partitions instead of {from}: raised by spec.partitions or by hand, or by load just \
         before the operator was started anew; Events tell"
    )
}

/// That a compacted topic stays as it is.
pub fn compacted() -> String {
    "the topic has cleanup.policy=compact, and with more partitions records of one key would be \
     compacted in two, each with a last one: set it to delete, or take spec.partitionGrowth out"
        .to_owned()
}

/// That it is not watched.
pub fn too_many(max: usize) -> String {
    format!("{max} other topics grow by load already, and no more are watched")
}

/// Whether two statuses differ in the numbers of their reasons only.
pub fn says_the_same(known: &PartitionGrowthStatus, next: &PartitionGrowthStatus) -> bool {
    let words = |status: &PartitionGrowthStatus| -> String {
        let characters = status.reason.chars();
        characters.filter(|one| !one.is_ascii_digit()).collect()
    };
    let facts = |status: &PartitionGrowthStatus| {
        let is_wanted = status.wanted_partitions.is_some();
        let last = status.last_growth_time.clone();
        (status.state, is_wanted, status.since.clone(), last)
    };
    facts(known) == facts(next) && words(known) == words(next)
}

fn lag_of(one: &Lag, partitions: i32) -> String {
    lag(&one.group, one.members, one.seconds, partitions)
}

fn taken(partitions: i32, bytes_per_second: f64) -> String {
    let (total, each) = (
        rate(bytes_per_second),
        rate(bytes_per_second / f64::from(partitions.max(1))),
    );
    let verb = if partitions == 1 { "takes" } else { "take" };
    format!("{} {verb} {total}, {each} each", counted(partitions))
}

fn counted(partitions: i32) -> String {
    let noun = if partitions == 1 {
        "partition"
    } else {
        "partitions"
    };
    format!("{partitions} {noun}")
}

fn rate(bytes_per_second: f64) -> String {
    match bytes_per_second < 1e6 {
        true => format!("{:.0} kB/s", bytes_per_second / 1e3),
        false => format!("{:.2} MB/s", bytes_per_second / 1e6),
    }
}
