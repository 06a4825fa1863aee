//! What can be seen of a cluster's brokers.

use bytes::Bytes;

use super::harness::{Cluster, PARTITION};
use crate::message::link::IsrChange;
use crate::message::shard::{Command, Fetched, Produced};

impl Cluster {
    /// Whether a broker leads in this epoch, as far as it knows.
    pub fn leads(&self, id: usize, epoch: i32) -> bool {
        let shard = self.brokers[id].shard.as_ref();
        let partition = shard.and_then(|shard| shard.partitions.get(&PARTITION));
        partition.is_some_and(|partition| {
            partition.replica.is_leader() && partition.replica.leader_epoch().0 == epoch
        })
    }

    /// What a broker answered a produce.
    pub fn produced(&self, id: usize, token: u64) -> Option<&Produced> {
        let commands = self.brokers[id].commands.iter();
        commands
            .filter_map(|command| match command {
                Command::AnswerProduce { token: to, results } if to.0 == token => results.first(),
                _ => None,
            })
            .next()
    }

    /// What a broker answered a client's fetch.
    pub fn fetched(&self, id: usize, token: u64) -> Option<&Fetched> {
        let mut commands = self.brokers[id].commands.iter();
        commands.find_map(|command| match command {
            Command::AnswerFetch {
                token: to, results, ..
            } if to.0 == token => results.first(),
            _ => None,
        })
    }

    /// The ISR changes that a broker asked for since the last call.
    pub fn isr_changes(&mut self, id: usize) -> Vec<IsrChange> {
        let commands = std::mem::take(&mut self.brokers[id].commands);
        let mut changes = Vec::new();
        for command in commands {
            match command {
                Command::AlterPartition { changes: new } => changes.extend(new),
                other => self.brokers[id].commands.push(other),
            }
        }
        changes
    }

    /// Everything in a broker's log.
    pub fn log(&self, id: usize) -> Bytes {
        let shard = self.brokers[id].shard.as_ref().unwrap();
        let log = &shard.partitions[&PARTITION].log;
        let read = log.read(log.log_start(), usize::MAX, log.log_end(), true);
        read.unwrap().bytes
    }

    pub fn high_watermark(&self, id: usize) -> i64 {
        let shard = self.brokers[id].shard.as_ref().unwrap();
        shard.partitions[&PARTITION].replica.high_watermark().0
    }

    pub fn end(&self, id: usize) -> i64 {
        let shard = self.brokers[id].shard.as_ref().unwrap();
        shard.partitions[&PARTITION].log.log_end().0
    }
}
