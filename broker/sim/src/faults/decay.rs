//! Disks that change a bit of a batch while its broker runs.
//!
//! It lasts until the broker has mended it, or ends: then the bit is what it was, since a machine that
//! is down is judged by all that its disk holds. Of one partition one machine's copy is damaged at a
//! time, and of a batch that another machine holds too: what is readable nowhere is promised nowhere.

use std::path::{Path, PathBuf};

use kintsugi_storage::checkpoint::PartitionMetadata;
use kintsugi_storage::{FileSystem, MemoryFileSystem};
use kintsugi_types::{PartitionId, PartitionIndex};
use kintsugi_wire::batch::BatchHeader;

use crate::broker_process::DIRECTORY;
use crate::oracle::{Batch, Mirrors};
use crate::world::World;

/// The most bytes of one file that are looked at.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The bytes by which a place is known again: no two batches have all of them in common but for
/// one bit.
const CONTEXT_BYTES: usize = 24;

/// The leader epoch, which no checksum covers and which is not changed here.
const EPOCH: std::ops::Range<usize> = 12..16;

/// A bit that was changed.
pub(crate) struct Decay {
    machine: usize,
    partition: PartitionId,
    /// The batch, as it was.
    header: BatchHeader,
    path: PathBuf,
    position: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Decay {
    /// Whether another machine holds the very batch.
    fn has_copy(&self, mirrors: &Mirrors) -> bool {
        let is_it = |batch: &Batch| {
            batch.base == self.header.base_offset
                && batch.epoch == self.header.leader_epoch
                && batch.crc == self.header.crc
        };
        let mut copies = mirrors.copies(self.partition);
        copies.any(|(machine, log)| machine != self.machine && log.iter().any(is_it))
    }
}

impl World {
    /// Changes a bit of some batch on a machine.
    pub(super) fn flip_a_bit(&mut self, machine: usize) -> bool {
        if !self.brokers[machine].is_running() {
            return false;
        }
        let fs = self.brokers[machine].fs.clone();
        let Some(decay) = self.draw_decay(machine, &fs) else {
            return false;
        };
        let is_taken = |other: &Decay| other.partition == decay.partition;
        let mirrors = &self.fabric.oracles.mirrors;
        if self.decays.iter().any(is_taken) || !decay.has_copy(mirrors) {
            return false;
        }
        let is_done = fs.spoil(&decay.path, decay.position, &decay.before, &decay.after);
        if is_done {
            self.fabric.counts.bits_flipped += 1;
            self.decays.push(decay);
        }
        is_done
    }

    fn draw_decay(&mut self, machine: usize, fs: &MemoryFileSystem) -> Option<Decay> {
        let rng = &mut self.fabric.rng;
        let root = Path::new(DIRECTORY);
        let mut logs = Vec::new();
        for name in fs.read_dir(root).ok()? {
            let index = name.rsplit_once('-').and_then(|(_, i)| i.parse().ok());
            let directory = root.join(&name);
            let metadata = PartitionMetadata::read(fs, &directory).ok().flatten();
            if let (Some(index), Some(metadata)) = (index, metadata) {
                let partition = PartitionId {
                    topic: metadata.topic_id,
                    index: PartitionIndex(index),
                };
                let files = fs.read_dir(&directory).ok()?.into_iter();
                let files = files.filter(|file| file.ends_with(".log"));
                logs.extend(files.map(|file| (partition, directory.join(file))));
            }
        }
        let (partition, path) = logs.get(rng.usize(..logs.len().max(1)))?.clone();
        let content = fs.read_to_vec(&path, FILE_BYTES_MAX).ok()?;
        let mut batches = Vec::new();
        let mut at = 0;
        while let Some(Ok(header)) = content.get(at..).map(BatchHeader::parse) {
            batches.push((at, header));
            at += header.size_bytes();
        }
        let (start, header) = batches.get(rng.usize(..batches.len().max(1)))?;
        let size = header.size_bytes();
        let byte = rng.usize(..size);
        if EPOCH.contains(&byte) || start + size > content.len() || size < CONTEXT_BYTES {
            return None;
        }
        let from = byte
            .saturating_sub(CONTEXT_BYTES / 2)
            .min(size - CONTEXT_BYTES);
        let before = content[start + from..start + from + CONTEXT_BYTES].to_vec();
        let mut after = before.clone();
        after[byte - from] ^= 1 << rng.u8(..8);
        Some(Decay {
            machine,
            partition,
            header: *header,
            path,
            position: start + from,
            before,
            after,
        })
    }

    /// A machine's process ends: its disk holds what it held.
    pub(super) fn undo_decay(&mut self, machine: usize) {
        let fs = &self.brokers[machine].fs;
        self.decays.retain(|decay| {
            let is_its = decay.machine == machine;
            if is_its {
                // It is of no interest whether it was mended.
                let _was_there = fs.spoil(&decay.path, decay.position, &decay.after, &decay.before);
            }
            !is_its
        });
    }

    /// Whether every changed bit is what it was; those that only the damaged copy could tell of are
    /// made so here.
    pub(crate) fn is_decay_mended(&mut self) -> bool {
        let brokers = &self.brokers;
        let mirrors = &self.fabric.oracles.mirrors;
        self.decays.retain(|decay| {
            let fs = &brokers[decay.machine].fs;
            if decay.has_copy(mirrors) {
                fs.spoil(&decay.path, decay.position, &decay.after, &decay.after)
            } else {
                let _was_there = fs.spoil(&decay.path, decay.position, &decay.after, &decay.before);
                false
            }
        });
        self.decays.is_empty()
    }
}
