//! What the process itself uses, by the names that every Prometheus client gives.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, Gauge, IntGauge, Registry};

use super::gauge;

/// Ticks a second in `/proc`: fixed by the kernel's interface to 100 (`proc(5)`, USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process uses of its machine. Read from the system when it is asked for.
#[derive(Clone, Debug)]
pub struct Process {
    cpu_seconds: Counter,
    start_seconds: Gauge,
    volume_total: IntGauge,
    volume_usable: IntGauge,
    /// Two scrapes at once would both add the same processor time.
    observing: Arc<Mutex<()>>,
}

/// The size of a volume, and what of it may be used, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Volume {
    /// Its size.
    pub total_bytes: u64,
    /// What an ordinary process may still write.
    pub usable_bytes: u64,
}

impl Process {
    /// Of a process that starts now.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let cpu_seconds = Counter::new(
            "process_cpu_seconds_total",
            "Processor time used, the kernel's for this process included, in seconds.",
        )?;
        registry.register(Box::new(cpu_seconds.clone()))?;
        let start_seconds = Gauge::new(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
        )?;
        registry.register(Box::new(start_seconds.clone()))?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        start_seconds.set(since.map_or(0.0, |since| since.as_secs_f64()));
        Ok(Self {
            cpu_seconds,
            start_seconds,
            volume_total: gauge(
                registry,
                "kintsugi_log_directory_total_bytes",
                "Size of the volume that log.dirs lies on.",
            )?,
            volume_usable: gauge(
                registry,
                "kintsugi_log_directory_usable_bytes",
                "What may still be written to the volume that log.dirs lies on.",
            )?,
            observing: Arc::default(),
        })
    }

    /// Reads the system anew. What it does not tell keeps its value.
    pub fn observe(&self, log_directory: &Path) {
        let _alone = self
            .observing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Ok(seconds) = cpu_seconds() {
            self.cpu_seconds
                .inc_by((seconds - self.cpu_seconds.get()).max(0.0));
        }
        if let Some(volume) = volume(log_directory) {
            let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            self.volume_total.set(number(volume.total_bytes));
            self.volume_usable.set(number(volume.usable_bytes));
        }
    }

    /// Processor time used as of the last observation, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_seconds.get()
    }

    /// When the process started, in seconds since 1970. Tells one run from another.
    pub fn start_seconds(&self) -> f64 {
        self.start_seconds.get()
    }
}

/// The volume that a directory lies on, if the system tells.
pub fn volume(directory: &Path) -> Option<Volume> {
    let volume = rustix::fs::statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
    Some(Volume {
        total_bytes: bytes(volume.f_blocks),
        usable_bytes: bytes(volume.f_bavail),
    })
}

fn cpu_seconds() -> io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in parentheses that may hold spaces; utime and stime are the
    // 12th and 13th after it.
    let after = stat.rsplit_once(')').map(|(_, fields)| fields);
    let mut fields = after.unwrap_or_default().split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|text| text.parse::<f64>().ok());
    let total = ticks().zip(ticks()).map(|(user, system)| user + system);
    let total = total.ok_or_else(|| io::Error::other("/proc/self/stat has no processor times"))?;
    Ok(total / TICKS_PER_SECOND)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_process_that_works_uses_processor_time_and_has_a_volume() {
        let process = Process::new(&Registry::new()).unwrap();
        let started = Instant::now();
        process.observe(Path::new("."));
        let before = process.cpu_seconds();
        while process.cpu_seconds() <= before {
            assert!(started.elapsed() < Duration::from_secs(30));
            process.observe(Path::new("."));
        }
        assert!(process.volume_total.get() >= process.volume_usable.get());
        assert!(process.volume_total.get() > 0);
    }
}
