//! A member of a consumer group that reads the load and commits again and again: when was each
//! partition read again, and when did a commit succeed again?

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;

use super::client_log::{self, Logged};
use super::history::{History, Micros};
use super::java::{Clock, JavaProgram};
use super::record::RecordId;

/// The time between two commits: the resolution of their gap.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(50);

/// What to watch.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// The group.
    pub group: String,
    /// The load's run.
    pub run: u64,
    /// The moment that is time zero.
    pub epoch: Instant,
    /// How long the member takes for each record. Only librdkafka's does.
    pub work: Duration,
    /// Settings of the consumer, beside those that are set here.
    pub client: BTreeMap<String, String>,
}

/// What the member saw.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// For each partition: the records in the order of their arrival, and when they came.
    pub records: BTreeMap<i32, Vec<(u64, Micros)>>,
    /// Commits that succeeded: when they began, and when they were answered.
    pub commits: Vec<(Micros, Micros)>,
}

impl Seen {
    /// How long after `fault` the first record that was sent after it was read.
    #[must_use]
    pub fn read_gap(&self, history: &History, partition: i32, fault: Micros) -> Option<Micros> {
        let sent = history.partitions.get(&partition)?;
        let is_later = |sequence: u64| {
            let index = usize::try_from(sequence).unwrap_or(usize::MAX);
            sent.get(index).is_some_and(|sent| sent.at >= fault)
        };
        let records = self.records.get(&partition)?.iter();
        let read = records.filter(|(sequence, _)| is_later(*sequence));
        read.map(|(_, at)| at.saturating_sub(fault)).min()
    }

    /// How long after `fault` the first commit that began after it succeeded.
    #[must_use]
    pub fn commit_gap(&self, fault: Micros) -> Option<Micros> {
        let later = self.commits.iter().filter(|(began, _)| *began >= fault);
        later.map(|(_, ended)| ended.saturating_sub(fault)).min()
    }
}

/// A member that runs.
pub struct GroupMember {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    driver: Driver,
}

enum Driver {
    Librdkafka(Vec<JoinHandle<()>>),
    Java(JavaProgram),
}

impl GroupMember {
    /// Joins with librdkafka's consumer, its settings at their defaults but for commits by hand and
    /// those that `settings` name.
    ///
    /// # Errors
    /// If the library refuses, or no thread can be started.
    pub fn start(settings: &GroupSettings) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &settings.bootstrap)
            .set("group.id", &settings.group)
            .set("enable.auto.commit", "false")
            .set_log_level(client_log::level())
            .extend(settings.client.clone());
        let consumer: BaseConsumer<Logged> = config.create_with_context(Logged)?;
        consumer.subscribe(&[&settings.topic])?;
        let consumer = Arc::new(consumer);
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let mut threads = Vec::new();
        for (name, work) in [("read", read as Work), ("commit", commit as Work)] {
            let (consumer, seen) = (Arc::clone(&consumer), Arc::clone(&seen));
            let (stop, settings) = (Arc::clone(&stop), settings.clone());
            let builder = std::thread::Builder::new().name(name.to_owned());
            threads.push(builder.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    work(&settings, &consumer, &seen);
                }
            })?);
        }
        let driver = Driver::Librdkafka(threads);
        Ok(Self { seen, stop, driver })
    }

    /// Joins with the Java consumer, its settings at their defaults but for commits by hand.
    ///
    /// # Errors
    /// If Java cannot be run.
    pub fn start_java(settings: &GroupSettings, jars: &Path) -> io::Result<Self> {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut arguments = vec![
            settings.bootstrap.clone(),
            settings.topic.clone(),
            settings.group.clone(),
            settings.run.to_string(),
            COMMIT_INTERVAL.as_millis().to_string(),
        ];
        let own = settings.client.iter();
        arguments.extend(own.map(|(key, value)| format!("{key}={value}")));
        let epoch = settings.epoch;
        let now = move || micros(epoch);
        let noted = Arc::clone(&seen);
        let take = move |line: &str, clock: Clock| {
            let _ = note(&mut lock(&noted), line, clock);
        };
        let source = include_str!("../../java/Group.java");
        let java = JavaProgram::start(source, "Group", jars, &arguments, now, take)?;
        Ok(Self {
            seen,
            stop: Arc::default(),
            driver: Driver::Java(java),
        })
    }

    /// Looks at what it saw so far.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&lock(&self.seen))
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it does not end.
    pub fn stop(self, limit: Duration) -> io::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.driver {
            Driver::Librdkafka(threads) => {
                let died = |_| io::Error::other("a thread of the group's member panicked");
                let mut joined = threads.into_iter().map(JoinHandle::join);
                joined.try_for_each(|thread| thread.map_err(died))
            }
            Driver::Java(java) => java.stop(limit),
        }
    }
}

type Work = fn(&GroupSettings, &BaseConsumer<Logged>, &Mutex<Seen>);

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(epoch: Instant) -> Micros {
    Micros::try_from(epoch.elapsed().as_micros()).unwrap_or(Micros::MAX)
}

fn read(settings: &GroupSettings, consumer: &BaseConsumer<Logged>, seen: &Mutex<Seen>) {
    match consumer.poll(Duration::from_millis(20)) {
        Some(Ok(message)) => {
            let at = micros(settings.epoch);
            let id = RecordId::decode(message.payload().unwrap_or_default());
            if let Some(id) = id.ok().filter(|id| id.run == settings.run) {
                let mut seen = lock(seen);
                let records = seen.records.entry(id.partition).or_default();
                records.push((id.sequence, at));
            }
            std::thread::sleep(settings.work);
        }
        // The library goes on by itself; what does not pass shows as a gap.
        Some(Err(error)) => tracing::debug!(%error, "the consumer met an error"),
        None => {}
    }
}

fn commit(settings: &GroupSettings, consumer: &BaseConsumer<Logged>, seen: &Mutex<Seen>) {
    let began = micros(settings.epoch);
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Ok(()) => {
            let ended = micros(settings.epoch);
            lock(seen).commits.push((began, ended));
        }
        Err(error) => tracing::debug!(%error, "a commit failed"),
    }
    std::thread::sleep(COMMIT_INTERVAL);
}

fn note(seen: &mut Seen, line: &str, clock: Clock) -> Option<()> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let mut number = || words.next()?.parse::<i64>().ok();
    match kind {
        "R" => {
            let partition = i32::try_from(number()?).ok()?;
            let sequence = u64::try_from(number()?).ok()?;
            let at = clock.ours(number()?);
            seen.records
                .entry(partition)
                .or_default()
                .push((sequence, at));
        }
        "C" => {
            let (began, ended) = (clock.ours(number()?), clock.ours(number()?));
            seen.commits.push((began, ended));
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_sent_before_the_fault_ends_no_gap() {
        let mut history = History::default();
        history.begin(0, 100);
        history.begin(0, 200);
        let seen = Seen {
            records: BTreeMap::from([(0, vec![(0, 260), (1, 400)])]),
            commits: vec![(140, 500), (180, 190), (300, 350)],
        };
        assert_eq!(seen.read_gap(&history, 0, 150), Some(250));
        assert_eq!(seen.read_gap(&history, 0, 201), None);
        assert_eq!(seen.commit_gap(150), Some(40));
        assert_eq!(seen.commit_gap(200), Some(150));
    }
}
