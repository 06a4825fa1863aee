//! The loads that begin and end at the plan's minutes, whatever the operator does meanwhile; by a thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use jiff::Timestamp;

use super::loads::Running;
use super::plan::{MORE, MOST_LOAD, Plan};
use super::sampler::Marker;
use crate::scenario::sent_load::SentLoad;

/// The thread, and what it sends.
pub struct Timetable {
    running: Arc<Mutex<Vec<Running>>>,
    thread: JoinHandle<anyhow::Result<Vec<SentLoad>>>,
}

impl Timetable {
    /// Goes on with the base load, and begins and ends the others by the plan.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(
        plan: Plan,
        base: Running,
        bootstrap: String,
        marker: Marker,
    ) -> anyhow::Result<Self> {
        let running = Arc::new(Mutex::new(vec![base]));
        let for_thread = Arc::clone(&running);
        let thread = std::thread::Builder::new()
            .name("timetable".to_owned())
            .spawn(move || follow(plan, &bootstrap, &marker, &for_thread))
            .context("failed to start the thread that sends by the plan")?;
        Ok(Self { running, thread })
    }

    /// The topics that are sent to.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let running = lock(&self.running);
        running.iter().map(|load| load.topic().to_owned()).collect()
    }

    /// Stops what is left, and gives everything that was sent.
    ///
    /// # Errors
    /// If a load could not be begun or ended.
    pub fn stop(self) -> anyhow::Result<Vec<SentLoad>> {
        let over = self.thread.join();
        let mut sent = over.map_err(|_| anyhow!("the thread that sends by the plan died"))??;
        for load in lock(&self.running).drain(..) {
            sent.push(load.stop()?);
        }
        Ok(sent)
    }
}

/// Begins and ends loads; gives those that ended.
fn follow(
    plan: Plan,
    bootstrap: &str,
    marker: &Marker,
    running: &Mutex<Vec<Running>>,
) -> anyhow::Result<Vec<SentLoad>> {
    let [rise, second, fall] = plan.moments();
    for (stage, begin, what) in [
        (MORE, rise, "load rises"),
        (MOST_LOAD, second, "rises again"),
    ] {
        wait_until(begin);
        marker.mark(what);
        let load = stage.start(bootstrap)?;
        lock(running).push(load);
    }
    wait_until(fall);
    marker.mark("load falls");
    let over: Vec<Running> = lock(running).drain(1..).collect();
    over.into_iter().map(Running::stop).collect()
}

/// Waits until a moment of the wall clock.
pub fn wait_until(moment: Timestamp) {
    let left = moment.duration_since(Timestamp::now());
    std::thread::sleep(Duration::try_from(left).unwrap_or(Duration::ZERO));
}

fn lock(running: &Mutex<Vec<Running>>) -> MutexGuard<'_, Vec<Running>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
