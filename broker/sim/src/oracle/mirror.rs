//! What each broker's machine holds of each partition: the readable bytes, followed from outside.
//!
//! Source: promise 1, "its bytes are readable": a killed process keeps what it gave to write(2), a
//! machine that loses power keeps only what was synced. After a loss of power the files are read
//! here without the code that recovers them, which must then find as much. What survived there
//! unsynced survived by luck: it counts as held again when the broker leads or is in sync.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kintsugi_node::shard::PartitionView;
use kintsugi_storage::checkpoint::PartitionMetadata;
use kintsugi_storage::{FileSystem, MemoryFileSystem};
use kintsugi_types::{LeaderEpoch, Offset, PartitionId, PartitionIndex};
use kintsugi_wire::batch::{BatchHeader, verify};

use crate::broker_process::DIRECTORY;
use crate::trace::mix_bytes;

/// The most bytes of one file that are read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// So many batches of a log are shown with what was violated.
const BATCHES_SHOWN: usize = 12;

/// Where in a batch begins what leaders leave as it came: behind base offset, length and leader epoch.
const CONTENT_START: usize = 16;

/// One batch in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Batch {
    pub(crate) base: Offset,
    pub(crate) end: Offset,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) crc: u32,
    /// A hash of what its producer wrote: of all that a leader does not stamp.
    pub(crate) content: u64,
    /// A hash of its bytes.
    pub(crate) hash: u64,
    /// A hash of all bytes from the log's start to its end.
    pub(crate) chain: u64,
}

/// All logs of all brokers.
#[derive(Default)]
pub(crate) struct Mirrors {
    logs: BTreeMap<(usize, PartitionId), Vec<Batch>>,
    /// Before this offset a log was synced.
    synced: BTreeMap<(usize, PartitionId), Offset>,
    /// From this offset on a log survived a loss of power by luck only.
    unsure: BTreeMap<(usize, PartitionId), Offset>,
    /// Machines that hold no replica's log any more, whatever is on their disks.
    given_up: BTreeSet<usize>,
    pub(crate) truncations: u64,
}

impl Mirrors {
    pub(crate) fn of(&self, broker: usize, partition: PartitionId) -> &[Batch] {
        self.logs
            .get(&(broker, partition))
            .map_or(&[], Vec::as_slice)
    }

    /// What surely holds of a partition's log on each machine.
    pub(crate) fn copies(&self, partition: PartitionId) -> impl Iterator<Item = (usize, &[Batch])> {
        let logs = self.logs.iter();
        let of_partition = logs
            .filter(move |((machine, id), _)| *id == partition && !self.given_up.contains(machine));
        of_partition.map(|(key, log)| {
            let sure = self.unsure.get(key).copied().unwrap_or(Offset(i64::MAX));
            let count = log.partition_point(|batch| batch.end <= sure);
            (key.0, &log[..count])
        })
    }

    /// A machine's logs count no more.
    pub(crate) fn give_up(&mut self, machine: usize) {
        self.given_up.insert(machine);
    }

    /// A machine's logs are gone.
    pub(crate) fn forget_machine(&mut self, machine: usize) {
        self.logs.retain(|(of, _), _| *of != machine);
        self.unsure.retain(|(of, _), _| *of != machine);
        self.synced.retain(|(of, _), _| *of != machine);
        self.give_up(machine);
    }

    /// Whether a machine has written batches that are not synced.
    pub(crate) fn has_unsynced_tail(&self, machine: usize) -> bool {
        let mut logs = self.logs.iter().filter(|((of, _), _)| *of == machine);
        logs.any(|(key, log)| {
            let synced = self.synced.get(key).copied().unwrap_or_default();
            log.last().is_some_and(|last| last.end > synced)
        })
    }

    /// Adds what each broker's log has just before an offset and at it.
    pub(super) fn with_logs(&self, mut what: String, id: PartitionId, until: Offset) -> String {
        for ((broker, partition), log) in &self.logs {
            if *partition == id {
                let count = log.partition_point(|batch| batch.base <= until);
                let shown = &log[count.saturating_sub(BATCHES_SHOWN)..count];
                what += &format!("\n    broker {broker}: {}", outline(shown));
            }
        }
        what
    }

    /// The broker leads the partition or is in sync: all that it has counts.
    pub(crate) fn confirm(&mut self, broker: usize, partition: PartitionId) {
        self.unsure.remove(&(broker, partition));
    }

    /// The broker was replaced by others: its log is deleted, or set aside.
    pub(crate) fn forget(&mut self, broker: usize, partition: PartitionId) {
        let key = (broker, partition);
        self.logs.remove(&key);
        self.synced.remove(&key);
        self.unsure.remove(&key);
    }

    /// Takes over what changed in a log; gives the batches that were cut off.
    pub(crate) fn follow(
        &mut self,
        broker: usize,
        view: &PartitionView<'_, MemoryFileSystem>,
    ) -> Result<Vec<Batch>, String> {
        let log = self.logs.entry((broker, view.partition)).or_default();
        let log_end = view.log.log_end();
        let end_of = |log: &Vec<Batch>| log.last().map_or(Offset::ZERO, |batch| batch.end);
        let mut cut = Vec::new();
        while end_of(log) > log_end {
            cut.extend(log.pop());
        }
        self.truncations += u64::from(!cut.is_empty());
        // What was synced once stays so, also where a start knows of less.
        let synced = self.synced.entry((broker, view.partition)).or_default();
        if !cut.is_empty() {
            *synced = end_of(log).min(*synced);
        }
        *synced = view.log.recovery_point().max(*synced).min(log_end);
        while end_of(log) < log_end {
            let from = end_of(log);
            let read = view.log.read(from, 1 << 20, log_end, true);
            let read = read.map_err(|error| {
                format!("broker {broker} failed to read {}: {error}", view.partition)
            })?;
            let before = log.len();
            extend(log, &read.bytes);
            if log.len() == before {
                let partition = view.partition;
                return Err(format!(
                    "broker {broker} has no batch at {from} in {partition}, which ends at {log_end}"
                ));
            }
        }
        if end_of(log) != log_end {
            let (partition, end) = (view.partition, end_of(log));
            return Err(format!(
                "broker {broker}: {partition} ends at {log_end} within a batch that ends at {end}"
            ));
        }
        Ok(cut)
    }

    /// A start found this log: it must hold all that was readable before.
    pub(crate) fn reopened(
        &mut self,
        broker: usize,
        view: &PartitionView<'_, MemoryFileSystem>,
    ) -> Result<(), String> {
        let key = (broker, view.partition);
        let before = self.logs.insert(key, Vec::new()).unwrap_or_default();
        self.follow(broker, view)?;
        let now = self.of(broker, view.partition);
        if let Some(lost) = before.last()
            && now.get(before.len() - 1) != Some(lost)
        {
            return Err(format!(
                "broker {broker} started with {} of the {} readable batches of {}: of {}",
                now.len(),
                before.len(),
                view.partition,
                outline(&before)
            ));
        }
        Ok(())
    }

    /// Every log with a readable batch was found by a start.
    pub(crate) fn check_none_missing(
        &self,
        broker: usize,
        found: &BTreeSet<PartitionId>,
        exists: impl Fn(PartitionId) -> bool,
    ) -> Result<(), String> {
        let logs = self.logs.iter();
        let mut missing = logs.filter(|((of, id), log)| {
            *of == broker && !log.is_empty() && !found.contains(id) && exists(*id)
        });
        match missing.next() {
            None => Ok(()),
            Some(((_, partition), log)) => Err(format!(
                "broker {broker} started without its log of {partition}, which has {} readable batches",
                log.len()
            )),
        }
    }

    /// A machine loses power: what it has not synced survives by luck only.
    pub(crate) fn doubt(&mut self, machine: usize) {
        let keys = self.logs.keys().filter(|key| key.0 == machine);
        for key in keys {
            let synced = self.synced.get(key).copied().unwrap_or_default();
            let unsure = self.unsure.entry(*key).or_insert(synced);
            *unsure = synced.min(*unsure);
        }
    }

    /// Reads what a machine's disk holds.
    pub(crate) fn reread(&mut self, machine: usize, fs: &MemoryFileSystem) -> Result<(), String> {
        self.logs.retain(|(of, _), _| *of != machine);
        let root = Path::new(DIRECTORY);
        for name in fs.read_dir(root).unwrap_or_default() {
            let index = name.rsplit_once('-').and_then(|(_, i)| i.parse().ok());
            let path = root.join(&name);
            let metadata = PartitionMetadata::read(fs, &path).ok().flatten();
            if let (Some(index), Some(metadata)) = (index, metadata) {
                let partition = PartitionId {
                    topic: metadata.topic_id,
                    index: PartitionIndex(index),
                };
                let log = read_directory(fs, &path)?;
                self.logs.insert((machine, partition), log);
            }
        }
        Ok(())
    }
}

/// The intact batches of a partition's files, from the first on.
fn read_directory(fs: &MemoryFileSystem, path: &Path) -> Result<Vec<Batch>, String> {
    let failed = |error| format!("failed to read {}: {error}", path.display());
    let mut log = Vec::new();
    for name in fs.read_dir(path).map_err(failed)? {
        let base = name
            .strip_suffix(".log")
            .and_then(|b| b.parse::<i64>().ok());
        let Some(base) = base else {
            continue;
        };
        if base != log.last().map_or(0, |batch: &Batch| batch.end.0) {
            break;
        }
        let bytes = fs.read_to_vec(&path.join(&name), FILE_BYTES_MAX);
        let bytes = bytes.map_err(failed)?;
        if extend(&mut log, &bytes) < bytes.len() {
            break;
        }
    }
    Ok(log)
}

/// Appends the intact batches at the start of `bytes`; gives how many bytes they have.
fn extend(log: &mut Vec<Batch>, bytes: &[u8]) -> usize {
    let mut done = 0;
    while let Ok(header) = BatchHeader::parse(&bytes[done..]) {
        let Some(batch) = bytes.get(done..done + header.size_bytes()) else {
            break;
        };
        let (next, epoch) = log.last().map_or((Offset::ZERO, LeaderEpoch(0)), |batch| {
            (batch.end, batch.epoch)
        });
        // A lower epoch is what an unsynced cut left behind.
        let follows = header.base_offset == next && header.leader_epoch >= epoch;
        if !follows || verify(batch).is_err() {
            break;
        }
        let chain = log.last().map_or(0, |batch| batch.chain);
        log.push(Batch {
            base: header.base_offset,
            end: header.next_offset(),
            epoch: header.leader_epoch,
            crc: header.crc,
            content: mix_bytes(0, &batch[CONTENT_START..]),
            hash: mix_bytes(0, batch),
            chain: mix_bytes(chain, batch),
        });
        done += batch.len();
    }
    done
}

/// A log's batches in a few words each.
fn outline(log: &[Batch]) -> String {
    let batch = |batch: &Batch| {
        let (base, end, epoch) = (batch.base, batch.end, batch.epoch);
        format!("{base}..{end} (epoch {epoch}, {:08x})", batch.crc)
    };
    log.iter().map(batch).collect::<Vec<_>>().join(", ")
}
