//! A fixed number of threads that wait for the disk, so that no shard does.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::thread;

/// Something that blocks.
pub type Job = Box<dyn FnOnce() + Send>;

/// A handle of the threads. They end with the last handle. What waits for a thread is bounded by who
/// asks: a shard has at most one sync of each partition under way, and makes and removes few logs at a time.
#[derive(Clone)]
pub struct DiskPool {
    jobs: Sender<Job>,
}

impl DiskPool {
    /// Starts this many threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = Arc::clone(&waiting);
            thread::spawn(&format!("disk-{number}"), move || {
                while let Some(job) = next(&waiting) {
                    job();
                }
            })?;
        }
        Ok(Self { jobs })
    }

    /// Has a thread run this, when one is free.
    pub fn run(&self, job: Job) {
        // The threads end only with the last handle, and this is one.
        drop(self.jobs.send(job));
    }
}

/// The lock is held while waiting: whoever has it takes the next job, the others queue behind.
fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.recv().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_slow_disk_act_delays_no_other() {
        let pool = DiskPool::start(2).unwrap();
        let stuck = Arc::new(Barrier::new(2));
        let (done, is_done) = channel();
        let waits = Arc::clone(&stuck);
        pool.run(Box::new(move || {
            waits.wait();
        }));
        for number in 0..10 {
            let done = done.clone();
            pool.run(Box::new(move || done.send(number).unwrap()));
        }
        for number in 0..10 {
            let limit = Duration::from_secs(10);
            assert_eq!(is_done.recv_timeout(limit), Ok(number));
        }
        stuck.wait();
    }
}
