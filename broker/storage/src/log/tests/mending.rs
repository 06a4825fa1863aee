//! Damaged batches are written over with what another replica has; nothing else changes.

use proptest::prelude::*;

use super::*;
use crate::fs::memory::FaultPlan;
use crate::fs::{File, FileSystem, OpenMode};

fn filled() -> (MemoryFileSystem, Log<MemoryFileSystem>) {
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        append(&mut log, 1 + number % 3, number as i32 / 7);
    }
    (fs, log)
}

fn files(fs: &MemoryFileSystem, suffix: &str) -> Vec<(String, Vec<u8>)> {
    let mut names = fs.read_dir(Path::new(DIRECTORY)).unwrap();
    names.retain(|name| name.ends_with(suffix));
    let content = |name: String| {
        let path = Path::new(DIRECTORY).join(&name);
        let content = fs.read_to_vec(&path, 1 << 20).unwrap();
        (name, content)
    };
    names.into_iter().map(content).collect()
}

/// The first error that reading everything meets.
fn first_error(log: &Log<MemoryFileSystem>) -> Option<LogError> {
    let mut next = log.log_start();
    while next < log.log_end() {
        match log.check(next, 300) {
            Ok((after, _)) => next = after,
            Err(error) => return Some(error),
        }
    }
    None
}

/// Mends all that is damaged from a whole copy, as a shard does; gives how often it took bytes.
fn mend_all(log: &mut Log<MemoryFileSystem>, peer: &Log<MemoryFileSystem>) -> usize {
    let mut takes = 0;
    while let Some(error) = first_error(log) {
        let mut damage = log.damage(&error).unwrap();
        loop {
            takes += 1;
            assert!(takes < 1_000, "it goes round in circles at {damage:?}");
            let read = peer
                .read(damage.offset(), 100, peer.log_end(), true)
                .unwrap();
            match log.mend(damage, &read.bytes).unwrap() {
                Mended::Whole => break,
                Mended::More(more) => damage = more,
            }
        }
    }
    takes
}

fn write(fs: &MemoryFileSystem, name: &str, at: u64, bytes: &[u8]) {
    let path = Path::new(DIRECTORY).join(name);
    fs.open(&path, OpenMode::Write)
        .unwrap()
        .write_at(bytes, at)
        .unwrap();
}

proptest! {
    #[test]
    fn whatever_the_disk_changed_or_lost_is_what_it_was_after_mending(
        places in proptest::collection::vec((0..9_usize, 0..1_000_u64), 1..4),
        bytes in proptest::collection::vec(any::<u8>(), 1..200),
        cut in proptest::option::of((0..9_usize, 0..1_000_u64)),
    ) {
        let (_, peer) = filled();
        let (fs, mut log) = filled();
        let before = files(&fs, "");
        let logs = files(&fs, ".log");
        for (file, position) in places {
            let (name, content) = &logs[file % logs.len()];
            let position = position % content.len() as u64;
            let room = content.len() - position as usize;
            // The leader epochs lie outside of every checksum: another one is not seen.
            let mut changed = bytes.clone();
            changed.truncate(room);
            write(&fs, name, position, &changed);
        }
        if let Some((file, size_bytes)) = cut {
            let (name, content) = &logs[file % logs.len()];
            let path = Path::new(DIRECTORY).join(name);
            let size_bytes = size_bytes % content.len() as u64;
            fs.open(&path, OpenMode::Write).unwrap().set_len(size_bytes).unwrap();
        }
        mend_all(&mut log, &peer);
        let ends = (log.log_end(), log.epoch_entries().to_vec());
        prop_assert_eq!(ends, (peer.log_end(), peer.epoch_entries().to_vec()));
        let mut after = files(&fs, "");
        after.retain(|(name, _)| !name.ends_with(".damaged"));
        let without_epochs = |files: Vec<(String, Vec<u8>)>| -> Vec<(String, Vec<u8>)> {
            let blank = |(name, mut content): (String, Vec<u8>)| {
                if name.ends_with(".log") {
                    let mut at = 0;
                    while let Ok(header) = BatchHeader::parse(&content[at..]) {
                        content[at + 12..at + 16].fill(0);
                        at += header.size_bytes();
                    }
                }
                (name, content)
            };
            files.into_iter().map(blank).collect()
        };
        prop_assert_eq!(without_epochs(after), without_epochs(before));
    }
}

/// The base offset and the length, which lie outside the CRC, and the number of offsets: by these a
/// walk by headers goes from one batch to the next.
#[test]
fn any_bit_that_leads_past_a_batch_is_laid_to_that_batch_wherever_reading_begins() {
    let (_, peer) = filled();
    let (fs, mut log) = filled();
    let before = files(&fs, ".log");
    for (name, content) in &before {
        let mut position = 0;
        while let Ok(header) = BatchHeader::parse(&content[position..]) {
            for (byte, bit) in (0..12)
                .chain(23..27)
                .flat_map(|byte| (0..8).map(move |b| (byte, b)))
            {
                let at = position + byte;
                write(&fs, name, at as u64, &[content[at] ^ (1 << bit)]);
                for offset in 0..log.log_end().0 {
                    let holds =
                        (header.base_offset..header.next_offset()).contains(&Offset(offset));
                    let Err(error) = log.check(Offset(offset), 1) else {
                        assert!(!holds, "{offset} is read, byte {byte} bit {bit}");
                        continue;
                    };
                    let damage = log.damage(&error).unwrap_or_else(|| panic!("{error}"));
                    assert_eq!(damage.offset(), header.base_offset, "{byte} {bit}: {error}");
                }
                mend_all(&mut log, &peer);
            }
            position += header.size_bytes();
        }
    }
    assert_eq!(files(&fs, ".log"), before);
}

#[test]
fn a_cut_at_a_batch_whose_base_offset_is_damaged_leaves_nothing_of_it() {
    for end in 1..30 {
        let (fs, mut log) = filled();
        let (name, content) = files(&fs, ".log").remove(0);
        let mut position = 0;
        let mut header = BatchHeader::parse(&content).unwrap();
        while header.next_offset() < Offset(end) && position + header.size_bytes() < content.len() {
            position += header.size_bytes();
            header = BatchHeader::parse(&content[position..]).unwrap();
        }
        write(
            &fs,
            &name,
            position as u64 + 7,
            &[content[position + 7] ^ 1],
        );
        log.truncate_to(header.base_offset).unwrap();
        assert_eq!(log.log_end(), header.base_offset);
        assert_eq!(files(&fs, ".log")[0].1, content[..position]);
    }
}

#[test]
fn what_lay_there_is_kept_in_a_file_of_its_own() {
    let (_, peer) = filled();
    let (fs, mut log) = filled();
    let (name, content) = files(&fs, ".log").remove(1);
    let first = BatchHeader::parse(&content).unwrap();
    write(&fs, &name, 70, b"??");
    assert_eq!(mend_all(&mut log, &peer), 1);
    let kept = files(&fs, ".damaged");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, format!("{name}.0.damaged"));
    let mut damaged = content[..first.size_bytes()].to_vec();
    damaged[70..72].copy_from_slice(b"??");
    assert_eq!(kept[0].1, damaged);
    assert!(log.needs_sync());
}

#[test]
fn a_full_disk_keeps_no_copy_and_mends_all_the_same() {
    let (_, peer) = filled();
    let (fs, mut log) = filled();
    let (name, content) = files(&fs, ".log").remove(0);
    write(&fs, &name, 70, b"??");
    fs.set_faults(FaultPlan {
        capacity_bytes: Some(0),
        ..FaultPlan::default()
    });
    mend_all(&mut log, &peer);
    assert_eq!(files(&fs, ".log")[0].1, content);
}

#[test]
fn a_batch_of_another_epoch_or_offset_is_refused_and_changes_nothing() {
    let (fs, mut log) = filled();
    let (name, _) = files(&fs, ".log").remove(0);
    write(&fs, &name, 70, b"??");
    let before = files(&fs, ".log");
    let damage = log.damage(&first_error(&log).unwrap()).unwrap();
    assert_eq!(damage.offset(), Offset(0));
    let (_, mut other) = fresh(small());
    append(&mut other, 1, 9);
    let of_other_epoch = other
        .read(Offset(0), 1, other.log_end(), true)
        .unwrap()
        .bytes;
    let (_, peer) = filled();
    let of_other_offset = peer.read(Offset(1), 1, peer.log_end(), true).unwrap().bytes;
    for bytes in [of_other_epoch, of_other_offset, Bytes::new()] {
        let refused = log.mend(damage, &bytes);
        assert!(
            matches!(refused, Err(LogError::OtherBatch { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(files(&fs, ".log"), before);
}

#[test]
fn after_a_cut_nothing_is_written_where_the_damage_was() {
    let (_, peer) = filled();
    let (fs, mut log) = filled();
    let (name, _) = files(&fs, ".log").pop().unwrap();
    write(&fs, &name, 70, b"??");
    let damage = log.damage(&first_error(&log).unwrap()).unwrap();
    let read = peer
        .read(damage.offset(), 100, peer.log_end(), true)
        .unwrap();
    log.truncate_to(Offset(1)).unwrap();
    let before = files(&fs, ".log");
    assert_eq!(log.mend(damage, &read.bytes).unwrap(), Mended::Whole);
    assert_eq!(files(&fs, ".log"), before);
}

#[test]
fn a_start_leaves_a_damaged_batch_that_was_synced_in_its_place_to_be_mended() {
    let (_, peer) = filled();
    let (fs, mut log) = filled();
    log.sync().unwrap();
    let end = log.log_end();
    drop(log);
    let before = files(&fs, ".log");
    let (name, content) = before.last().unwrap();
    let first = BatchHeader::parse(content).unwrap();
    assert!(content.len() > first.size_bytes(), "another batch follows");
    write(&fs, name, 70, b"??");
    let (mut log, report) = open(&fs, small(), OpenHow::Recover { from: end });
    assert!(report.is_damaged);
    assert_eq!(report.to_mend, Some(first.base_offset));
    assert_eq!((report.cut_bytes, log.log_end()), (0, end));
    assert!(files(&fs, ".damaged").is_empty());
    assert_eq!(mend_all(&mut log, &peer), 1);
    assert_eq!(files(&fs, ".log"), before);
    // What was not synced may be torn: it is cut off there, as ever.
    drop(log);
    write(&fs, name, 70, b"??");
    let from = first.base_offset;
    let (log, report) = open(&fs, small(), OpenHow::Recover { from });
    assert_eq!((report.to_mend, log.log_end()), (None, from));
}
