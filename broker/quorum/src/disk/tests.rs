use super::*;
use crate::entry::{Entry, EntryId, Payload};

fn push(log: &mut Log, term: u64) {
    log.push(Entry {
        term: Term(term),
        index: log.last().index.next(),
        payload: Payload::Noop,
    });
}

fn write(disk: &mut Disk, log: &Log) -> PersistToken {
    let write = disk.next_write(log, &HardState::default(), 9);
    write.expect("something changed").token
}

fn truncate(disk: &mut Disk, log: &mut Log, index: u64) {
    log.truncate_from(MetadataOffset(index));
    disk.truncated_from(MetadataOffset(index));
}

#[test]
fn an_entry_that_a_later_write_takes_away_and_brings_back_counts_only_then() {
    let mut log = Log::after(EntryId::default());
    let mut disk = Disk::default();
    push(&mut log, 1);
    let first = write(&mut disk, &log);
    truncate(&mut disk, &mut log, 1);
    push(&mut log, 2);
    let second = write(&mut disk, &log);
    truncate(&mut disk, &mut log, 1);
    push(&mut log, 1);
    let third = write(&mut disk, &log);
    disk.persisted_to(first);
    assert_eq!(disk.persisted(), MetadataOffset(0));
    disk.persisted_to(second);
    assert_eq!(disk.persisted(), MetadataOffset(0));
    disk.persisted_to(third);
    assert_eq!(disk.persisted(), MetadataOffset(1));
}

#[test]
fn a_truncation_of_what_no_write_has_needs_none_on_disk() {
    let mut log = Log::after(EntryId::default());
    let mut disk = Disk::default();
    push(&mut log, 1);
    truncate(&mut disk, &mut log, 1);
    assert_eq!(disk.next_write(&log, &HardState::default(), 9), None);
}

#[test]
fn a_hung_disk_holds_one_promise_of_a_kind_for_each_peer() {
    let mut log = Log::after(EntryId::default());
    let mut disk = Disk::default();
    push(&mut log, 1);
    let token = write(&mut disk, &log);
    for matched in 0..1_000 {
        let message = Message {
            term: Term(1),
            directory: kintsugi_types::DirectoryId(uuid::Uuid::nil()),
            voting: true,
            body: Body::AppendAccepted {
                matched: MetadataOffset(matched),
            },
        };
        let to = ControllerId(2);
        disk.promise(Promise::Send { to, message });
        assert!(disk.settle(&log).is_empty());
    }
    let kept = disk.persisted_to(token);
    assert_eq!(kept.len(), 1);
}
