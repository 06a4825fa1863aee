//! Reading the partition's log.

use bytes::Bytes;
use kintsugi_types::{Offset, Time, TimestampMs};
use kintsugi_wire::records::{RecordsError, read};

use super::Coordinator;
use crate::group::{Group, GroupState};
use crate::id::GroupId;
use crate::record::{GroupMetadata, Key, OffsetCommit, RecordError, parse_key};

/// Why a batch could not be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The batch is not readable.
    #[error("failed to load groups: a batch is not readable")]
    Batch(#[from] RecordsError),
    /// A record is not readable.
    #[error("failed to load groups: the record at offset {offset} is not readable")]
    Record {
        /// Where it is.
        offset: Offset,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
}

impl Coordinator {
    /// Takes over one whole batch of the log. Batches come in the order of the log. Records of a
    /// later Kafka, and records without a key, are passed over.
    ///
    /// # Errors
    /// [`LoadError`]; the records before the bad one have been taken over.
    pub fn load(&mut self, batch: &Bytes) -> Result<(), LoadError> {
        let records = read(batch)?;
        if records.header().attributes.is_control() {
            return Ok(());
        }
        for record in records {
            let at = record?;
            let Some(key) = at.record.key else {
                continue;
            };
            let loaded = self.load_record(&key, at.record.value.as_ref());
            loaded.map_err(|source| LoadError::Record {
                offset: at.offset,
                source,
            })?;
        }
        Ok(())
    }

    fn load_record(&mut self, key: &Bytes, value: Option<&Bytes>) -> Result<(), RecordError> {
        match parse_key(key)? {
            Key::Unknown(_) => {}
            Key::Group(id) => match value {
                Some(value) => {
                    let metadata = GroupMetadata::decode(value)?;
                    let wall = metadata.state_since;
                    let group = self.groups.entry(id.clone());
                    group
                        .or_insert_with(|| Group::new(id, wall))
                        .restore(metadata);
                }
                None => {
                    if let Some(group) = self.groups.get_mut(&id) {
                        *group = Group {
                            offsets: std::mem::take(&mut group.offsets),
                            ..Group::new(id, group.state_since)
                        };
                    }
                }
            },
            Key::Offset {
                group: id,
                topic,
                partition,
            } => match value {
                Some(value) => {
                    let commit = OffsetCommit::decode(value)?;
                    let wall = commit.committed_at;
                    let group = self.groups.entry(id.clone());
                    let group = group.or_insert_with(|| Group::new(id, wall));
                    group.store_offset((topic, partition), commit, 0);
                }
                None => {
                    if let Some(group) = self.groups.get_mut(&id) {
                        group.offsets.remove(&(topic, partition));
                    }
                }
            },
        }
        Ok(())
    }

    /// All of the log is taken over: forgets groups of which only tombstones were left, and gives
    /// every member a whole session from now on. A group that is larger than allowed by now
    /// rebalances.
    pub fn finish_load(&mut self, now: Time, wall: TimestampMs) {
        self.groups.retain(|_, group| !group.is_forgettable());
        self.sweep.at = now + self.config.offsets_check;
        self.deadlines.clear();
        for (id, group) in &mut self.groups {
            group.start_sessions(now);
            let deadline = group.next_deadline();
            if group.state != GroupState::Empty && deadline < Time::NEVER {
                self.deadlines.insert((deadline, id.clone()));
            }
        }
        let members_max = self.config.members_max;
        let groups = self.groups.iter();
        let too_large = groups.filter(|(_, group)| group.members.len() > members_max);
        let too_large: Vec<GroupId> = too_large.map(|(id, _)| id.clone()).collect();
        for id in too_large {
            // Nobody waits yet, so there is nothing to answer.
            let mut out = Vec::new();
            self.with_group(now, wall, &id, &mut out, Group::prepare_rebalance);
        }
    }
}
