//! What a process of this host holds in memory.

use std::io;

/// The resident memory of a process in bytes.
///
/// # Errors
/// If the process is gone.
pub fn resident_bytes(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1_024)
        .ok_or_else(|| io::Error::other(format!("process {process} has no memory")))
}
