//! Does something again and again, from a thread of its own, while a scenario does something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::bail;

/// The longest that anything goes on: a forgotten thread ends by itself.
const LASTS_MAX: Duration = Duration::from_secs(1_800);

/// What goes on, and what it has come to.
pub struct Beside<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<T>>,
}

impl<T: Send + 'static> Beside<T> {
    /// Takes a step, waits for `interval`, and so on until it is ended; the first failure ends it too. One
    /// step is taken in any case.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn begin(
        name: &str,
        interval: Duration,
        mut state: T,
        mut step: impl FnMut(&mut T) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let goes_on = move || {
            let began = Instant::now();
            loop {
                step(&mut state)?;
                if stopped.load(Ordering::Relaxed) || began.elapsed() > LASTS_MAX {
                    return Ok(state);
                }
                std::thread::sleep(interval);
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(goes_on)?;
        Ok(Self { stop, thread })
    }

    /// Ends it, and gives what it has come to.
    ///
    /// # Errors
    /// The failure of its last step.
    pub fn end(self) -> anyhow::Result<T> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(state) => state,
            Err(_) => bail!("a thread beside the scenario panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn steps_are_taken_until_the_end_and_a_failure_is_told_at_the_end() {
        let (taken, steps) = mpsc::channel();
        let counts = Beside::begin("counts", Duration::ZERO, 0_u32, move |count| {
            *count += 1;
            // Nobody may listen any more.
            let _ = taken.send(*count);
            Ok(())
        });
        let counts = counts.unwrap();
        steps.iter().find(|count| *count == 3);
        assert!(counts.end().unwrap() >= 3);

        let fails = Beside::begin("fails", Duration::ZERO, (), |()| bail!("it broke"));
        let error = fails.unwrap().end().unwrap_err();
        assert_eq!(error.to_string(), "it broke");
    }
}
