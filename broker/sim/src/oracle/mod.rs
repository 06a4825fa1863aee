//! What must always hold, each in a file with where it is from. They watch from outside: commands,
//! logs and answers, never the state machines' own opinion of what is right.

mod committed;
mod groups;
mod high_watermark;
mod history;
mod idempotence;
mod images;
mod leaders;
mod log_matching;
mod mirror;
mod raft;
mod raft_promises;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kintsugi_metadata::Image;
use kintsugi_node::shard::Shard;
use kintsugi_storage::MemoryFileSystem;
use kintsugi_types::{
    Incarnation, LeaderEpoch, Offset, PartitionId, ProducerId, TopicId, TopicName,
};
use kintsugi_wire::batch::BatchHeader;

use crate::place::Node;
use committed::Committed;
pub(crate) use groups::Before;
use groups::Groups;
use high_watermark::HighWatermarks;
use history::History;
pub(crate) use history::Value;
use idempotence::Idempotence;
use images::Images;
use leaders::Leaders;
use log_matching::LogMatching;
pub(crate) use mirror::{Batch, Mirrors};
use raft::Raft;

/// All oracles, and what they found.
#[derive(Default)]
pub(crate) struct Oracles {
    violation: Option<String>,
    pub(crate) raft: Raft,
    pub(crate) images: Images,
    pub(crate) mirrors: Mirrors,
    leaders: Leaders,
    log_matching: LogMatching,
    high_watermarks: HighWatermarks,
    pub(crate) committed: Committed,
    idempotence: Idempotence,
    pub(crate) history: History,
    pub(crate) groups: Groups,
    /// The last incarnation that started on each machine, with all that its disk held.
    running: BTreeMap<usize, Incarnation>,
    /// The topic that brokers themselves append to.
    offsets_topic: Option<TopicId>,
    /// The partitions that each shard of each life of a broker had when it was last looked at.
    had: BTreeMap<(usize, u64, u16), BTreeSet<PartitionId>>,
    /// The checksums of all batches that clients sent.
    sent: BTreeSet<(PartitionId, u32)>,
}

impl Oracles {
    /// Notes a violation; the first one counts.
    pub(crate) fn fail(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    fn check(&mut self, result: Result<(), String>) {
        if let Err(what) = result {
            self.fail(what);
        }
    }

    /// What clients saw of a partition counts while nothing of it is excused.
    pub(crate) fn check_history(&mut self, partition: PartitionId, result: Result<(), String>) {
        if !self.committed.is_tainted(partition) {
            let result =
                result.map_err(|what| self.mirrors.with_logs(what, partition, Offset(i64::MAX)));
            self.check(result);
        }
    }

    /// What members of groups saw counts while nothing of any group is excused.
    pub(crate) fn check_group(&mut self, result: Result<(), String>) {
        let Some(image) = self.images.newest() else {
            return;
        };
        let name = kintsugi_coordinator::TOPIC_NAME.parse().ok();
        let topic = name.and_then(|name: TopicName| image.topic_named(&name));
        let is_tainted = topic.is_some_and(|topic| {
            let mut indexes = topic.partitions.keys();
            let topic = topic.id;
            indexes.any(|index| {
                self.committed.is_tainted(PartitionId {
                    topic,
                    index: *index,
                })
            })
        });
        if !is_tainted {
            self.check(result);
        }
    }

    /// The first violation, if there is one.
    pub(crate) fn violation(&self) -> Option<&str> {
        let found = self.violation.as_deref();
        found.or(self.raft.violation()).or(self.images.violation())
    }

    /// A client is about to send this.
    pub(crate) fn sent(&mut self, partition: PartitionId, batch: &Bytes) {
        if let Ok(header) = BatchHeader::parse(batch) {
            self.sent.insert((partition, header.crc));
            if header.producer_id.0 >= 0 {
                self.idempotence.sent(partition, header.crc);
            }
        }
    }

    /// A broker started on these logs: everything that was readable must be there.
    pub(crate) fn started<'a>(
        &mut self,
        broker: usize,
        life: u64,
        incarnation: Incarnation,
        shards: impl Iterator<Item = &'a Shard<MemoryFileSystem>>,
    ) {
        self.running.insert(broker, incarnation);
        let mut found = BTreeSet::new();
        for shard in shards {
            for view in shard.inspect() {
                found.insert(view.partition);
                let result = self.mirrors.reopened(broker, &view);
                self.check(result);
            }
            self.observe_shard(broker, life, incarnation, shard);
        }
        let result = self.mirrors.check_none_missing(broker, &found, |id| {
            let image = self.images.newest();
            image.is_some_and(|image| image.partition(id).is_some())
        });
        self.check(result);
    }

    /// A shard handled an event.
    pub(crate) fn observe_shard(
        &mut self,
        broker: usize,
        life: u64,
        incarnation: Incarnation,
        shard: &Shard<MemoryFileSystem>,
    ) {
        let has: BTreeSet<_> = shard.inspect().map(|view| view.partition).collect();
        let had = self.had.insert((broker, life, shard.number()), has.clone());
        for gone in had.unwrap_or_default().difference(&has) {
            self.mirrors.forget(broker, *gone);
        }
        for view in shard.inspect() {
            let (partition, epoch) = (view.partition, view.leader_epoch);
            let before = self.mirrors.of(broker, partition).len();
            let cut = match self.mirrors.follow(broker, &view) {
                Ok(cut) => cut,
                Err(what) => return self.fail(what),
            };
            let result = self.committed.check_cut(partition, epoch, broker, &cut);
            let result = result.map_err(|what| self.images.with_history(what, partition));
            self.check(result);
            let from = if cut.is_empty() { before } else { 0 };
            self.appended(broker, partition, from);
            let marks = &mut self.high_watermarks;
            let replica = ((broker, life), partition);
            let result = marks.observe(replica, epoch, view.high_watermark, !cut.is_empty());
            self.check(result);
            if view.role == kintsugi_replica::RoleName::Leader {
                let first = self.leaders.observe(partition, epoch, (incarnation, life));
                let mirrors = &self.mirrors;
                let result = first.and_then(|is_first| {
                    if is_first {
                        if let Some(live) = self.images.unclean_election(partition, epoch) {
                            let which = (partition, epoch);
                            self.committed
                                .elected_uncleanly(which, broker, &live, mirrors);
                        }
                        let check = self
                            .committed
                            .check_leader(partition, epoch, broker, mirrors);
                        check.map_err(|what| self.images.with_history(what, partition))?;
                    }
                    let mirror = mirrors.of(broker, partition);
                    let high_watermark = view.high_watermark;
                    let which = (partition, epoch);
                    let result = self
                        .committed
                        .advance(which, broker, mirror, high_watermark);
                    result.map_err(|what| self.images.with_history(what, partition))
                });
                self.check(result);
                self.mirrors.confirm(broker, partition);
            }
        }
    }

    /// Batches after `from` are new in a log.
    fn appended(&mut self, broker: usize, partition: PartitionId, from: usize) {
        let mirror = self.mirrors.of(broker, partition);
        for (index, batch) in mirror.iter().enumerate().skip(from) {
            let is_ours = self.offsets_topic == Some(partition.topic);
            if !is_ours && !self.sent.contains(&(partition, batch.crc)) {
                let what = format!(
                    "broker {broker} has a batch in {partition} that nobody sent: {batch:?}"
                );
                self.violation.get_or_insert(what);
            }
            let once = self.idempotence.appended(partition, broker, mirror, index);
            let matching = self.log_matching.observe(partition, broker, batch);
            if let Err(what) = once.and(matching) {
                let what = self.mirrors.with_logs(what, partition, batch.base);
                self.violation.get_or_insert(what);
            }
        }
    }

    /// A broker answers an acks=all produce.
    pub(crate) fn acknowledged(
        &mut self,
        broker: usize,
        partition: PartitionId,
        epoch: LeaderEpoch,
        base: Offset,
    ) {
        let mirror = self.mirrors.of(broker, partition);
        let result = self
            .committed
            .acknowledged((partition, epoch), base, mirror);
        self.check(result);
    }

    /// A broker gives an id to a producer.
    pub(crate) fn producer_id_given(&mut self, id: ProducerId) {
        let result = self.idempotence.given(id);
        self.check(result);
    }

    /// An idempotent producer was told that its batch is acknowledged at this offset.
    pub(crate) fn told_offset(&mut self, partition: PartitionId, base: Offset, batch: &Bytes) {
        if let Ok(header) = BatchHeader::parse(batch) {
            let result = self.committed.told_offset(partition, base, header.crc);
            self.check(result);
        }
    }

    /// An idempotent producer begins anew, since its sequence is refused again and again.
    pub(crate) fn out_of_sequence(&mut self, partition: PartitionId) {
        let result = self.committed.out_of_sequence(partition);
        self.check(result);
    }

    /// A broker answers a consumer's fetch.
    pub(crate) fn read(&mut self, broker: usize, partition: PartitionId, batches: &Bytes) {
        let result = self.committed.read(broker, partition, batches);
        self.check(result);
    }

    /// A consumer was told that its position lies outside the log.
    pub(crate) fn out_of_range(&mut self, partition: PartitionId, offset: Offset) {
        let result = self.committed.out_of_range(partition, offset);
        self.check(result);
    }

    /// A broker applies metadata: if it is in sync by that, and it is this incarnation that is, it
    /// holds all that it has.
    pub(crate) fn published(&mut self, who: Incarnation, broker: usize, image: &Arc<Image>) {
        self.observe_image(Node::Broker(broker), image);
        if self.offsets_topic.is_none() {
            let name = kintsugi_coordinator::TOPIC_NAME.parse().ok();
            let topic = name.and_then(|name: TopicName| image.topic_named(&name));
            self.offsets_topic = topic.map(|topic| topic.id);
        }
        let known = image.brokers.get(&who.broker);
        if known.is_none_or(|known| known.registration.incarnation != who) {
            return;
        }
        for (partition, state) in image.partitions() {
            if state.isr.contains(&who.broker) {
                self.mirrors.confirm(broker, partition);
            }
        }
    }

    /// Somebody has this metadata: what it says first of brokers must be true.
    pub(crate) fn observe_image(&mut self, node: Node, image: &Arc<Image>) {
        for claim in self.images.observe(node, image) {
            if self.running.get(&claim.machine) != Some(&claim.incarnation) {
                // What it was said of is not there any more.
                continue;
            }
            let (id, epoch) = (claim.partition, claim.leader_epoch);
            let log = self.mirrors.of(claim.machine, id);
            if let Err(what) = self.committed.check_holder(id, epoch, log) {
                let (who, set) = (claim.incarnation, claim.set);
                let what = format!("{who} is in the {set} of {id}, and {what}");
                let what = self.images.with_history(what, id);
                self.fail(self.mirrors.with_logs(what, id, Offset(i64::MAX)));
            }
        }
    }

    /// Machines lost power: what is readable now is what their disks hold.
    /// Gives how many of them had written something that was not synced.
    pub(crate) fn power_lost(&mut self, machines: &[(usize, MemoryFileSystem)]) -> u64 {
        let mut unsynced_tails = 0;
        for (broker, fs) in machines {
            unsynced_tails += u64::from(self.mirrors.has_unsynced_tail(*broker));
            self.mirrors.doubt(*broker);
            self.running.remove(broker);
            let result = self.mirrors.reread(*broker, fs);
            self.check(result);
        }
        let machines = machines.iter().map(|(broker, _)| *broker);
        if let Some(image) = self.images.newest() {
            self.committed.keep(|id| image.partition(id).is_some());
        }
        if let Err((id, what)) = self.committed.excuse(machines, &self.mirrors) {
            let what = self.images.with_history(what, id);
            self.fail(self.mirrors.with_logs(what, id, Offset(i64::MAX)));
        }
        unsynced_tails
    }

    /// A process died in the midst of a change of its files.
    pub(crate) fn stopped_midway(&mut self, broker: usize, fs: &MemoryFileSystem) {
        self.running.remove(&broker);
        let result = self.mirrors.reread(broker, fs);
        self.check(result);
    }

    /// A whole disk is lost. Nothing is excused by that: what was promised is elsewhere too.
    pub(crate) fn disk_lost(&mut self, broker: usize) {
        self.running.remove(&broker);
        self.mirrors.forget_machine(broker);
    }

    /// What a machine holds counts no more: its generation was given up, or it never was a
    /// replica's.
    pub(crate) fn given_up(&mut self, broker: usize) {
        self.running.remove(&broker);
        self.mirrors.give_up(broker);
    }

    /// At the end: every acknowledged record is in the leader's log, and all logs are the same.
    pub(crate) fn check_healed(&mut self, leaders: &[(PartitionId, usize, Vec<usize>)]) {
        for (partition, leader, replicas) in leaders {
            let log = self.mirrors.of(*leader, *partition);
            let result = self
                .committed
                .check_final(*partition, *leader, &self.mirrors);
            let seen = self.history.check_all_seen(*partition);
            let seen = seen.or_else(|what| {
                if self.committed.is_tainted(*partition) {
                    Ok(())
                } else {
                    Err(what)
                }
            });
            let result = result.and(seen);
            let same = replicas.iter().find(|replica| {
                let other = self.mirrors.of(**replica, *partition);
                other.last().map(|b| b.chain) != log.last().map(|b| b.chain)
            });
            let same = same.map(|replica| {
                format!(
                    "after healing the log of {partition} on broker {replica} is not the leader's"
                )
            });
            self.check(result);
            if let Some(what) = same {
                self.fail(what);
            }
        }
    }
}
