//! Consumer groups from the outside: a commit that was acknowledged is there, no member of an
//! earlier generation commits, and no partition has two owners in one generation.
//!
//! Source: Kafka's group protocol (Join, Sync, Heartbeat): a commit carries the generation, and the
//! coordinator fences all but the present one. What a coordinator answers must outlive it.
//!
//! Answers to two members are on their way for different times, so commits are ordered by what the
//! coordinator promises, not by when their answers came: every commit of a generation is before
//! every commit of a later one, and within a generation one owner commits, one after the other.

use std::collections::BTreeMap;

use kintsugi_types::{Offset, PartitionIndex};

/// Where a commit is in the order of its partition's commits: its generation, and how many commits
/// were acknowledged before it.
type Rank = (i32, usize);

/// Commits of one group for one partition.
#[derive(Default)]
struct Commits {
    /// What was acknowledged, in order.
    acknowledged: BTreeMap<Rank, Offset>,
    /// Sent in a generation and never answered, or answered with an error that does not tell: each
    /// may have been done, or be done yet while its generation lasts.
    maybe: BTreeMap<(i32, Offset), u32>,
}

/// What members of groups saw.
#[derive(Default)]
pub(crate) struct Groups {
    commits: BTreeMap<(String, PartitionIndex), Commits>,
    owners: BTreeMap<(String, i32, PartitionIndex), String>,
    /// The latest generation that any member has its assignment of.
    settled: BTreeMap<String, i32>,
    pub(crate) commits_acknowledged: u64,
    pub(crate) generations: u64,
}

/// What was known when a request was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    settled: i32,
    /// The latest of the acknowledged commits.
    latest: Option<Rank>,
}

impl Groups {
    /// What is known before a request about this partition's commits is sent.
    pub(crate) fn before(&self, group: &str, partition: PartitionIndex) -> Before {
        let key = (group.to_owned(), partition);
        let commits = self.commits.get(&key);
        Before {
            settled: self.settled.get(group).copied().unwrap_or(-1),
            latest: commits.and_then(|commits| {
                let latest = commits.acknowledged.last_key_value();
                latest.map(|(rank, _)| *rank)
            }),
        }
    }

    /// A member was given its part of a generation.
    pub(crate) fn assigned(
        &mut self,
        group: &str,
        generation: i32,
        member: &str,
        partitions: &[PartitionIndex],
    ) -> Result<(), String> {
        let settled = self.settled.entry(group.to_owned()).or_insert(-1);
        self.generations += u64::from(generation > *settled);
        *settled = generation.max(*settled);
        for partition in partitions {
            let key = (group.to_owned(), generation, *partition);
            let owner = self.owners.entry(key).or_insert_with(|| member.to_owned());
            if owner != member {
                return Err(format!(
                    "groups: partition {partition} belongs to {owner} and to {member} in generation {generation} of {group}"
                ));
            }
        }
        Ok(())
    }

    /// A commit is about to be sent.
    pub(crate) fn committing(
        &mut self,
        (group, partition): (&str, PartitionIndex),
        generation: i32,
        offset: Offset,
    ) {
        let key = (group.to_owned(), partition);
        let commits = self.commits.entry(key).or_default();
        *commits.maybe.entry((generation, offset)).or_default() += 1;
    }

    /// A commit was acknowledged.
    pub(crate) fn committed(
        &mut self,
        (group, partition): (&str, PartitionIndex),
        generation: i32,
        offset: Offset,
        before: Before,
    ) -> Result<(), String> {
        if generation < before.settled {
            return Err(format!(
                "groups: a commit of generation {generation} of {group} is accepted, though generation {} had begun",
                before.settled
            ));
        }
        self.commits_acknowledged += 1;
        let key = (group.to_owned(), partition);
        let commits = self.commits.entry(key).or_default();
        let rank = (generation, commits.acknowledged.len());
        commits.acknowledged.insert(rank, offset);
        let sent = (generation, offset);
        if let Some(count) = commits.maybe.get_mut(&sent) {
            *count -= 1;
            if *count == 0 {
                commits.maybe.remove(&sent);
            }
        }
        Ok(())
    }

    /// A member asked where its group stands, and was told.
    pub(crate) fn fetched(
        &self,
        (group, partition): (&str, PartitionIndex),
        offset: Offset,
        before: Before,
    ) -> Result<(), String> {
        let Some(commits) = self.commits.get(&(group.to_owned(), partition)) else {
            return Ok(());
        };
        // Nothing of a generation can be done once a later one has committed.
        let from = before.latest.unwrap_or((i32::MIN, 0));
        let mut recent = commits.acknowledged.range(from..).map(|(_, offset)| offset);
        let first = recent.clone().next();
        let maybe = commits.maybe.keys();
        let mut unfenced = maybe.filter(|(generation, _)| *generation >= from.0);
        let is_none = before.latest.is_none() && offset < Offset::ZERO;
        if is_none || recent.any(|is| *is == offset) || unfenced.any(|(_, may)| *may == offset) {
            return Ok(());
        }
        Err(format!(
            "groups: {group} stands at {offset} of partition {partition}, where {first:?} was committed last"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: PartitionIndex = PartitionIndex(0);

    #[test]
    fn a_lost_commit_a_late_one_and_two_owners_are_found() {
        let mut groups = Groups::default();
        groups.assigned("g", 1, "a", &[P]).unwrap();
        let before = groups.before("g", P);
        groups.committing(("g", P), 1, Offset(5));
        groups.committed(("g", P), 1, Offset(5), before).unwrap();
        let before = groups.before("g", P);
        assert_eq!(groups.fetched(("g", P), Offset(5), before), Ok(()));
        assert!(groups.fetched(("g", P), Offset(-1), before).is_err());
        assert!(groups.assigned("g", 1, "b", &[P]).is_err());
        groups.assigned("g", 2, "b", &[P]).unwrap();
        let before = groups.before("g", P);
        assert!(groups.committed(("g", P), 1, Offset(6), before).is_err());
    }

    #[test]
    fn a_commit_without_an_answer_may_be_done_or_not() {
        let mut groups = Groups::default();
        let before = groups.before("g", P);
        groups.committing(("g", P), 1, Offset(5));
        assert_eq!(groups.fetched(("g", P), Offset(5), before), Ok(()));
        assert_eq!(groups.fetched(("g", P), Offset(-1), before), Ok(()));
        assert!(groups.fetched(("g", P), Offset(4), before).is_err());
    }

    /// One member's answer is on its way while the next generation commits.
    #[test]
    fn an_answer_that_comes_late_does_not_make_its_commit_later() {
        let mut groups = Groups::default();
        groups.assigned("g", 1, "a", &[P]).unwrap();
        let slow = groups.before("g", P);
        groups.committing(("g", P), 1, Offset(5));
        groups.assigned("g", 2, "b", &[P]).unwrap();
        let before = groups.before("g", P);
        assert_eq!(groups.fetched(("g", P), Offset(5), before), Ok(()));
        groups.committing(("g", P), 2, Offset(6));
        groups.committed(("g", P), 2, Offset(6), before).unwrap();
        let between = groups.before("g", P);
        groups.committed(("g", P), 1, Offset(5), slow).unwrap();
        for before in [between, groups.before("g", P)] {
            assert_eq!(groups.fetched(("g", P), Offset(6), before), Ok(()));
            assert!(groups.fetched(("g", P), Offset(5), before).is_err());
        }
    }

    #[test]
    fn a_commit_without_an_answer_is_not_done_after_one_of_a_later_generation() {
        let mut groups = Groups::default();
        groups.committing(("g", P), 1, Offset(5));
        groups.assigned("g", 2, "b", &[P]).unwrap();
        let before = groups.before("g", P);
        groups.committing(("g", P), 2, Offset(6));
        groups.committed(("g", P), 2, Offset(6), before).unwrap();
        // Asked before the later commit was acknowledged, it may still be what stood.
        assert_eq!(groups.fetched(("g", P), Offset(5), before), Ok(()));
        let before = groups.before("g", P);
        assert!(groups.fetched(("g", P), Offset(5), before).is_err());
    }
}
