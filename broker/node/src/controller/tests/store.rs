use std::path::Path;

use kintsugi_quorum as quorum;
use kintsugi_storage::fs::memory::FaultPlan;
use kintsugi_storage::{JournalLimits, MemoryFileSystem};
use kintsugi_types::{ControllerId, DirectoryId, Generation, MetadataOffset, Term};
use proptest::prelude::*;
use uuid::Uuid;

use super::harness::cluster;
use crate::controller::{ControllerStore, StoreError, VoterIdentity};

fn identity() -> VoterIdentity {
    VoterIdentity {
        cluster: cluster(),
        id: ControllerId(1_000),
        generation: Generation(1),
        is_founder: true,
        new_directory: DirectoryId(Uuid::from_u128(5)),
    }
}

fn limits() -> JournalLimits {
    JournalLimits {
        segment_bytes: 4_096,
        ..JournalLimits::default()
    }
}

fn open(
    fs: &MemoryFileSystem,
) -> Result<(ControllerStore<MemoryFileSystem>, quorum::Recovered), StoreError> {
    let directory = Path::new("/controller");
    let (store, opened) = ControllerStore::open(fs, directory, &identity(), limits())?;
    assert_eq!(opened.directory, identity().new_directory);
    Ok((store, opened.recovered))
}

fn entry(term: u64, index: u64) -> quorum::Entry {
    quorum::Entry {
        term: Term(term),
        index: MetadataOffset(index),
        payload: quorum::Payload::Command(vec![u8::try_from(index % 251).unwrap(); 40].into()),
    }
}

fn hard_state(term: u64) -> quorum::HardState {
    quorum::HardState {
        term: Term(term),
        ..quorum::HardState::default()
    }
}

/// What a store that was given these writes must hold.
fn model(writes: &[quorum::Persist]) -> quorum::Recovered {
    let mut model = quorum::Recovered::fresh(true);
    for write in writes {
        if let Some(hard_state) = &write.hard_state {
            model.hard_state = hard_state.clone();
        }
        if let Some(snapshot) = &write.snapshot {
            model.entries.retain(|e| e.index > snapshot.last.index);
            model.snapshot = Some(snapshot.clone());
        }
        if let Some(from) = write.truncate_from {
            model.entries.retain(|e| e.index < from);
        }
        model.entries.extend(write.entries.iter().cloned());
    }
    model
}

/// Draws writes as an engine would ask for them.
fn writes(choices: &[u8]) -> Vec<quorum::Persist> {
    let (mut last, mut base, mut term) = (0_u64, 0_u64, 1_u64);
    let mut writes = Vec::new();
    for choice in choices {
        let mut write = quorum::Persist::default();
        match choice % 4 {
            0 => {
                term += 1;
                write.hard_state = Some(hard_state(term));
            }
            1 if last > base => {
                let from = base + 1 + u64::from(*choice) % (last - base);
                write.truncate_from = Some(MetadataOffset(from));
                last = from - 1;
            }
            2 if last > base => {
                base += 1 + u64::from(*choice) % (last - base);
                write.snapshot = Some(quorum::Snapshot {
                    membership: quorum::Membership::default(),
                    last: entry(term, base).id(),
                    bytes: vec![*choice; 100].into(),
                });
            }
            _ => {}
        }
        for _ in 0..choice % 5 {
            last += 1;
            write.entries.push(entry(term, last));
        }
        writes.push(write);
    }
    writes
}

#[test]
fn a_fresh_directory_may_vote_and_one_that_replaces_another_may_not() {
    let fs = MemoryFileSystem::new(1);
    assert_eq!(open(&fs).unwrap().1, quorum::Recovered::fresh(true));
    let replacement = VoterIdentity {
        generation: Generation(2),
        ..identity()
    };
    let fs = MemoryFileSystem::new(1);
    let directory = Path::new("/controller");
    let (_, opened) = ControllerStore::open(&fs, directory, &replacement, limits()).unwrap();
    assert!(!opened.recovered.may_vote);
}

#[test]
fn a_directory_of_another_node_or_without_its_journal_is_refused() {
    let fs = MemoryFileSystem::new(1);
    drop(open(&fs).unwrap());
    let other = VoterIdentity {
        id: ControllerId(1_001),
        ..identity()
    };
    let directory = Path::new("/controller");
    let opened = ControllerStore::open(&fs, directory, &other, limits());
    assert!(matches!(opened, Err(StoreError::OtherOwner { .. })));
    let journal = directory.join("quorum");
    kintsugi_storage::FileSystem::remove_dir_all(&fs, &journal).unwrap();
    assert!(matches!(open(&fs), Err(StoreError::Lost { .. })));
}

proptest! {
    #[test]
    fn what_was_written_is_recovered_after_a_loss_of_power(
        choices in prop::collection::vec(any::<u8>(), 0..40),
        seed: u64,
    ) {
        let fs = MemoryFileSystem::new(seed);
        let writes = writes(&choices);
        let (mut store, _) = open(&fs).unwrap();
        for write in &writes {
            store.write(write).unwrap();
        }
        drop(store);
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        prop_assert_eq!(open(&fs).unwrap().1, model(&writes));
    }

    #[test]
    fn a_crash_in_the_middle_leaves_the_state_before_or_a_prefix_of_the_write(
        choices in prop::collection::vec(any::<u8>(), 1..30),
        stop_after in 0_u64..200,
        seed: u64,
    ) {
        let fs = MemoryFileSystem::new(seed);
        let writes = writes(&choices);
        fs.set_faults(FaultPlan { stop_after_mutations: Some(stop_after), ..FaultPlan::default() });
        let mut done = 0;
        if let Ok((mut store, _)) = open(&fs) {
            for write in &writes {
                if store.write(write).is_err() {
                    break;
                }
                done += 1;
            }
        }
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        let (_, recovered) = open(&fs).unwrap();
        let before = &writes[..done];
        let mut allowed = vec![model(before)];
        if let Some(next) = writes.get(done) {
            let steps = prefixes(next);
            allowed.extend(steps.into_iter().map(|step| {
                let mut writes = before.to_vec();
                writes.push(step);
                model(&writes)
            }));
        }
        prop_assert!(allowed.contains(&recovered), "recovered {recovered:?}");
    }
}

/// The prefixes of one write's steps and entries.
fn prefixes(write: &quorum::Persist) -> Vec<quorum::Persist> {
    let mut prefixes = Vec::new();
    let mut prefix = quorum::Persist {
        hard_state: write.hard_state.clone(),
        ..quorum::Persist::default()
    };
    prefixes.push(prefix.clone());
    prefix.snapshot = write.snapshot.clone();
    prefixes.push(prefix.clone());
    prefix.truncate_from = write.truncate_from;
    prefixes.push(prefix.clone());
    for entry in &write.entries {
        prefix.entries.push(entry.clone());
        prefixes.push(prefix.clone());
    }
    prefixes
}
