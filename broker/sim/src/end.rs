//! How a process comes to its end without being killed.

/// Why a process is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It stopped as it was asked to.
    Clean,
    /// Its machine's fault struck in the midst of a change of its files.
    Stopped,
    /// It ended itself, for this reason.
    Fatal(String),
}
