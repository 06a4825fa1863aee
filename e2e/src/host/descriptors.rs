//! How many files and sockets a process has open.

use std::io;

/// The number of open descriptors of a process.
///
/// # Errors
/// If the process is gone.
pub fn open(process: u32) -> io::Result<usize> {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd"))?;
    Ok(entries.count())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::open;

    #[test]
    fn an_open_file_counts() {
        let before = open(std::process::id()).unwrap();
        let files: Vec<_> = (0..100).map(|_| tempfile::tempfile().unwrap()).collect();
        // Other tests of this process open and close some of their own.
        assert!(open(std::process::id()).unwrap() > before + files.len() / 2);
    }
}
