//! A broker's log directory: whose it is, how often it was started on, and how it stopped.
//!
//! Guarantees: a directory of another cluster, broker or generation is refused before anything in
//! it is changed; the start counter is higher at each opening, durably, before it is given out; a
//! mark of a clean stop counts once. Assumes that this process alone uses the directory
//! (`kintsugi_storage::DirectoryLock`).

mod checkpoints;
mod open;
#[cfg(test)]
mod tests;

pub use checkpoints::Checkpoints;
pub use open::{
    Closed, DirectoryError, Expectation, LastRun, OpenedDirectory, mark_clean_stop, open_directory,
};
