//! What a process used of the processors.

use std::io;
use std::time::Duration;

/// Ticks a second in `/proc`: fixed by the kernel's interface to 100 (`proc(5)`, USER_HZ).
const TICKS_PER_SECOND: u32 = 100;

/// The processor time of a process so far, its own and the kernel's for it.
///
/// # Errors
/// If the process is gone.
pub fn used(process: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses that may hold spaces; utime and stime are the
    // 12th and 13th after it.
    let after = stat.rsplit_once(')').map(|(_, fields)| fields);
    let mut fields = after.unwrap_or_default().split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|text| text.parse::<u32>().ok());
    let (user, system) = (ticks(), ticks());
    let total = user.zip(system).map(|(user, system)| user + system);
    total
        .map(|ticks| Duration::from_secs(u64::from(ticks)) / TICKS_PER_SECOND)
        .ok_or_else(|| io::Error::other(format!("process {process} has no processor times")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use super::used;

    #[test]
    fn a_process_that_works_uses_processor_time() {
        let before = used(std::process::id()).unwrap();
        let started = Instant::now();
        while used(std::process::id()).unwrap() == before {
            assert!(started.elapsed() < Duration::from_secs(30));
        }
    }
}
