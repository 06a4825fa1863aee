//! Random work on a log beside a model: the list of its batches.

use std::collections::BTreeMap;

use kintsugi_types::{ProducerEpoch, ProducerId};
use kintsugi_wire::records::{BatchOptions, build_with};
use proptest::prelude::*;

use super::*;
use crate::producer_state::{ProducedBatch, Producers};

#[derive(Clone, Debug)]
enum Step {
    Append {
        batches: usize,
        count: usize,
        size: usize,
        new_epoch: bool,
        producer: i64,
    },
    Replicate {
        count: usize,
    },
    Truncate {
        back: i64,
    },
    StartAt {
        ahead: i64,
    },
    Roll,
    Sync,
    /// A sync begins beside whatever follows...
    BeginSync {
        scope: SyncScope,
    },
    /// ...and is done.
    EndSync,
    /// The recovery point is written to the checkpoint that a crash will find.
    Checkpoint,
    Delete {
        keep: i64,
    },
    CloseAndOpen,
    Crash,
    LosePower {
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..4_usize, 1..4_usize, 0..120_usize, any::<bool>(), -1..3_i64).prop_map(
            |(batches, count, size, new_epoch, producer)| {
                Step::Append { batches, count, size, new_epoch, producer }
            }
        ),
        2 => (1..4_usize).prop_map(|count| Step::Replicate { count }),
        2 => (0..40_i64).prop_map(|back| Step::Truncate { back }),
        1 => (0..9_i64).prop_map(|ahead| Step::StartAt { ahead }),
        1 => Just(Step::Roll),
        2 => Just(Step::Sync),
        3 => prop_oneof![
            Just(SyncScope::All), Just(SyncScope::Batches), Just(SyncScope::Sealed)
        ].prop_map(|scope| Step::BeginSync { scope }),
        3 => Just(Step::EndSync),
        3 => Just(Step::Checkpoint),
        1 => (0..40_i64).prop_map(|keep| Step::Delete { keep }),
        1 => Just(Step::CloseAndOpen),
        1 => Just(Step::Crash),
        2 => any::<u64>().prop_map(|seed| Step::LosePower { seed }),
    ]
}

struct World {
    fs: MemoryFileSystem,
    log: Option<Log<MemoryFileSystem>>,
    job: Option<SyncJob<MemoryFileSystem>>,
    checkpoint: Offset,
    batches: Vec<Vec<u8>>,
    /// Every batch that was ever written, by base offset and leader epoch.
    history: BTreeMap<(Offset, LeaderEpoch), Vec<u8>>,
    log_start: Offset,
    log_end: Offset,
    /// What lies before this was synced since it last changed.
    synced: Offset,
    epoch: i32,
    sequence: i32,
}

fn base(batch: &[u8]) -> Offset {
    headers(batch)[0].base_offset
}

impl World {
    fn new() -> Self {
        let fs = MemoryFileSystem::new(5);
        let log = open(&fs, Self::config(), OpenHow::Clean).0;
        fs.sync_dir(Path::new("/")).unwrap();
        let mut world = Self {
            fs,
            log: Some(log),
            job: None,
            checkpoint: Offset(0),
            batches: Vec::new(),
            history: BTreeMap::new(),
            log_start: Offset(0),
            log_end: Offset(0),
            synced: Offset(0),
            epoch: 0,
            sequence: 0,
        };
        world.log().sync().unwrap();
        world
    }

    fn config() -> LogConfig {
        LogConfig {
            tail_cache_bytes: 600,
            ..small()
        }
    }

    fn log(&mut self) -> &mut Log<MemoryFileSystem> {
        self.log.as_mut().unwrap()
    }

    fn cut(&mut self, end: Offset) {
        self.batches.retain(|batch| base(batch) < end);
        self.log_end = end;
        self.synced = self.synced.min(end);
    }

    fn add(&mut self, bytes: &[u8]) {
        for (header, batch) in split(Bytes::copy_from_slice(bytes)).map(Result::unwrap) {
            self.log_end = header.next_offset();
            let place = (header.base_offset, header.leader_epoch);
            self.history.insert(place, batch.to_vec());
            self.batches.push(batch.to_vec());
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append {
                batches,
                count,
                size,
                new_epoch,
                producer,
            } => {
                self.epoch += i32::from(*new_epoch);
                let epoch = LeaderEpoch(self.epoch);
                let mut bytes = Vec::new();
                for _ in 0..*batches {
                    bytes.extend(self.numbered(*count, *size, *producer));
                }
                self.log().append_as_leader(&mut bytes, epoch, NOW).unwrap();
                self.add(&bytes);
            }
            Step::Replicate { count } => {
                let (end, epoch) = (self.log_end, LeaderEpoch(self.epoch));
                let mut bytes = produced(*count, 9, end.0);
                kintsugi_wire::batch::stamp(&mut bytes, end, epoch).unwrap();
                let bytes = Bytes::from(bytes);
                self.log().append_as_follower(&bytes, NOW).unwrap();
                self.add(&bytes);
            }
            Step::Truncate { back } => self.truncate(*back),
            Step::StartAt { ahead } => {
                let at = self.log_end.plus(*ahead);
                self.log().truncate_fully_and_start_at(at).unwrap();
                self.batches.clear();
                (self.log_start, self.log_end, self.synced) = (at, at, at);
            }
            Step::Roll => self.log().roll().unwrap(),
            Step::Sync => {
                self.log().sync().unwrap();
                self.synced = self.log_end;
                assert_eq!(self.log().recovery_point(), self.synced);
            }
            Step::BeginSync { scope } => self.begin_sync(*scope),
            Step::EndSync => self.end_sync(),
            Step::Checkpoint => self.checkpoint = self.log().checkpoint_recovery_point(),
            Step::Delete { keep } => {
                let start = Offset((self.log_end.0 - keep).max(self.log_start.0));
                let end = self.log_end;
                self.log().advance_log_start(start).unwrap();
                self.log().delete_old_segments(NOW, end).unwrap();
                self.log_start = start;
            }
            Step::CloseAndOpen => self.close_and_open(),
            Step::Crash => {
                let from = self.checkpoint;
                (self.log, self.job) = (None, None);
                self.fs.crash_process();
                self.reopen(OpenHow::Recover { from });
            }
            Step::LosePower { seed } => {
                let from = self.checkpoint;
                (self.log, self.job) = (None, None);
                self.fs.lose_power(&mut fastrand::Rng::with_seed(*seed));
                let (log, report) = open(&self.fs, Self::config(), OpenHow::Recover { from });
                assert!(!report.is_damaged, "{:?}", report.cause);
                self.follow(log);
            }
        }
    }

    fn close_and_open(&mut self) {
        let producers = self.log().producers().clone();
        let summary = self.log.take().unwrap().close().unwrap();
        self.job = None;
        (self.synced, self.checkpoint) = (self.log_end, self.log_end);
        let before = self.fs.mutations();
        let known = Log::open_closed(
            &context(&self.fs),
            Path::new(DIRECTORY),
            Self::config(),
            &summary,
        );
        let known = known.unwrap().unwrap();
        let mut expected = summary.clone();
        expected.bound = None;
        assert_eq!(known.summary(), expected);
        assert!(self.fs.mutations() < before + 2);
        self.reopen(OpenHow::Clean);
        let found = self.log().epoch_entries().to_vec();
        // Of what lies before the log's start less is known the longer a log lives.
        let log_start = self.log_start;
        let mut present = found.iter().filter(|(_, start)| *start > log_start);
        assert!(present.all(|entry| known.epoch_entries().contains(entry)));
        if found.len().is_multiple_of(2) {
            // Either goes on as well as the other.
            self.log = Some(known);
        }
        assert_eq!(*self.log().producers(), producers);
        assert_eq!(self.log().recovery_point(), self.synced);
    }

    fn begin_sync(&mut self, scope: SyncScope) {
        if self.job.is_none() {
            self.job = Some(self.log().begin_sync(scope).unwrap());
        }
    }

    fn end_sync(&mut self) {
        if let Some(job) = self.job.take() {
            let result = job.run();
            self.log().finish_sync(result).unwrap();
            self.synced = self.synced.max(self.log().recovery_point());
        }
    }

    /// A batch of a producer (none below zero), numbered on from its last one in this process.
    fn numbered(&mut self, count: usize, size: usize, producer: i64) -> Vec<u8> {
        let record = Record {
            timestamp: TimestampMs(self.log_end.0),
            value: Some(Bytes::from(vec![b'v'; size])),
            ..Record::default()
        };
        let mut options = BatchOptions::default();
        if producer >= 0 {
            // Sequence numbers need not be right: a log appends what it is given.
            self.sequence += 1;
            options.producer_id = ProducerId(producer);
            options.producer_epoch = ProducerEpoch((self.sequence / 20) as i16);
            options.base_sequence = self.sequence;
        }
        build_with(options, &vec![record; count]).unwrap().to_vec()
    }

    /// What is known of producers is what the batches tell that are there. (Of those that are gone
    /// by retention, something may be known still.)
    fn check_producers(&mut self, left: &[Vec<u8>]) {
        let mut expected = Producers::new(100);
        for batch in left {
            expected.update(&headers(batch)[0], None);
        }
        let log_start = self.log_start;
        let present = |producers: &Producers| -> Vec<(ProducerId, ProducerEpoch, Vec<_>)> {
            let is_left = |batch: &&ProducedBatch| batch.first_offset >= log_start;
            let entries = producers.iter().map(|(id, entry)| {
                let batches: Vec<_> = entry.batches().filter(is_left).copied().collect();
                (id, entry.epoch(), batches)
            });
            entries.filter(|(_, _, left)| !left.is_empty()).collect()
        };
        assert_eq!(present(self.log().producers()), present(&expected));
    }

    fn truncate(&mut self, back: i64) {
        let to = Offset((self.log_end.0 - back).max(self.log_start.0));
        let end = self.log().truncate_to(to).unwrap();
        let expected = self
            .batches
            .iter()
            .find(|b| headers(b)[0].next_offset() > to);
        let expected = expected.map_or(self.log_end, |batch| base(batch));
        assert_eq!(end, expected);
        self.log_start = self.log_start.min(end);
        self.cut(end);
        self.epoch += 1;
    }

    /// Opens the log again where nothing may have been lost.
    fn reopen(&mut self, how: OpenHow) {
        let (mut log, report) = open(&self.fs, Self::config(), how);
        assert_eq!((report.cut_bytes, report.cause), (0, None));
        log.advance_log_start(self.log_start).unwrap();
        self.log = Some(log);
        self.epoch += 1;
    }

    /// Takes over what a loss of power left: what was synced, and else only batches that were
    /// written once (a cut that was not synced may be undone).
    fn follow(&mut self, log: Log<MemoryFileSystem>) {
        let left = headers_with_bytes(&read_all(&log, 10_000));
        for batch in &left {
            let header = headers(batch)[0];
            let written = self.history.get(&(header.base_offset, header.leader_epoch));
            assert_eq!(written, Some(batch));
        }
        let is_kept = |batch: &&Vec<u8>| {
            let header = headers(batch)[0];
            header.base_offset < self.synced && header.next_offset() > self.log_start
        };
        for batch in self.batches.iter().filter(is_kept) {
            assert!(
                left.contains(batch),
                "lost what was synced at {}",
                base(batch)
            );
        }
        (self.log_start, self.log_end) = (log.log_start(), log.log_end());
        self.synced = self.synced.min(self.log_end);
        self.batches = left;
        self.log = Some(log);
        self.epoch += 1;
    }

    fn check(&mut self) {
        let expected: Vec<Vec<u8>> = self
            .batches
            .iter()
            .filter(|batch| headers(batch)[0].next_offset() > self.log_start)
            .cloned()
            .collect();
        let (log_start, log_end) = (self.log_start, self.log_end);
        let log = self.log();
        assert_eq!((log.log_start(), log.log_end()), (log_start, log_end));
        for max_bytes in [1, 300, 10_000] {
            assert_eq!(read_all(log, max_bytes), expected.concat());
        }
        self.check_producers(&expected);
        let log = self.log();
        let mut epochs: Vec<LeaderEpoch> = expected
            .iter()
            .map(|b| headers(b)[0].leader_epoch)
            .collect();
        epochs.dedup();
        let known: Vec<LeaderEpoch> = log.epoch_entries().iter().map(|e| e.0).collect();
        assert!(
            epochs.iter().all(|epoch| known.contains(epoch)),
            "{epochs:?} {known:?}"
        );
    }
}

fn headers_with_bytes(bytes: &[u8]) -> Vec<Vec<u8>> {
    split(Bytes::copy_from_slice(bytes))
        .map(|item| item.unwrap().1.to_vec())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn a_log_is_the_list_of_its_batches(steps in proptest::collection::vec(step(), 1..30)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
    }
}
