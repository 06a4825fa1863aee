//! Replacing all records.

use super::header::{Kind, segment_name};
use super::{Journal, JournalError};
use crate::fs::FileSystem;

impl<F: FileSystem> Journal<F> {
    /// Replaces all records by these, durably: a new segment with them is written, synced and
    /// named, then the old ones are removed. Blocks.
    ///
    /// # Errors
    /// When a record is too large, and nothing is done; or when a step fails, and all later calls
    /// fail too.
    pub fn rewrite(&mut self, records: &[&[u8]]) -> Result<(), JournalError> {
        self.check_usable()?;
        self.check_sizes(records)?;
        let result = self.replace(records);
        result.inspect_err(|error| self.poison(error))
    }

    fn replace(&mut self, records: &[&[u8]]) -> Result<(), JournalError> {
        let sequence = self.sequence() + 1;
        let created = self.create_segment(sequence, Kind::Beginning, records, 0)?;
        self.use_segment(created);
        for old in std::mem::replace(&mut self.segments, vec![sequence]) {
            self.fs
                .remove_file(&self.directory.join(segment_name(old)))?;
        }
        Ok(self.fs.sync_dir(&self.directory)?)
    }
}
