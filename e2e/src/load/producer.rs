//! The producing side: one record to each partition at a steady pace, until told to stop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::client_log;
use super::history::{History, Micros, Outcome};
use super::java::JavaLoad;
use super::record::RecordId;

/// The longest that a run may last: a forgotten load stops by itself.
const RUN_MAX: Duration = Duration::from_secs(3_600);

/// What to send, and how.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The topic; it exists already.
    pub topic: String,
    /// Its number of partitions, as the load begins.
    pub partitions: i32,
    /// The time between two records of one partition, as the load begins.
    pub interval: Duration,
    /// The size of a value.
    pub value_size_bytes: usize,
    /// Settings of librdkafka, beside those that the verdict rests on.
    pub client: BTreeMap<String, String>,
}

/// Failed to run the load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The client library refused its settings.
    #[error("failed to make producer: {0}")]
    Producer(#[source] KafkaError),
    /// The sending thread could not be started or died.
    #[error("failed to run the thread that sends")]
    Thread(#[source] std::io::Error),
    /// Records were still unanswered when the time to wait for them was over.
    #[error("failed to flush producer: {0}")]
    Flush(#[source] KafkaError),
}

/// A load that is running.
pub struct Load {
    /// Tells this run's records from an earlier run's.
    pub run: u64,
    shared: Arc<Shared>,
    driver: Driver,
}

enum Driver {
    Librdkafka {
        producer: Arc<ThreadedProducer<Deliveries>>,
        thread: JoinHandle<()>,
    },
    Java(JavaLoad),
}

pub(super) struct Shared {
    epoch: Instant,
    stop: AtomicBool,
    /// How many partitions are sent to.
    partitions: AtomicI32,
    history: Mutex<History>,
}

impl Shared {
    fn new(settings: &LoadSettings) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            stop: AtomicBool::new(false),
            partitions: AtomicI32::new(settings.partitions.max(1)),
            history: Mutex::default(),
        })
    }

    pub(super) fn now(&self) -> Micros {
        Micros::try_from(self.epoch.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Deliveries(Arc<Shared>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_log::log(level, facility, message);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<(i32, u64)>;

    fn delivery(&self, result: &DeliveryResult<'_>, id: Self::DeliveryOpaque) {
        let outcome = match result {
            Ok(message) => Outcome::Acked {
                offset: message.offset(),
                at: self.0.now(),
            },
            Err(_) => Outcome::Unknown,
        };
        self.0.history().finish(id.0, id.1, outcome);
    }
}

impl Load {
    /// Starts to send.
    ///
    /// # Errors
    /// If the client library refuses its settings, or no thread can be started.
    pub fn start(settings: LoadSettings, run: u64) -> Result<Self, LoadError> {
        let shared = Shared::new(&settings);
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &settings.bootstrap)
            .set("acks", "all")
            // Retries then neither repeat nor reorder records, so the verdict forbids both.
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set_log_level(client_log::level());
        for (key, value) in &settings.client {
            config.set(key, value);
        }
        let deliveries = Deliveries(Arc::clone(&shared));
        let producer = config
            .create_with_context(deliveries)
            .map_err(LoadError::Producer)?;
        let producer: Arc<ThreadedProducer<Deliveries>> = Arc::new(producer);
        let (for_thread, from_thread) = (Arc::clone(&shared), Arc::clone(&producer));
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || send_until_stopped(&settings, run, &for_thread, &from_thread))
            .map_err(LoadError::Thread)?;
        Ok(Self {
            run,
            shared,
            driver: Driver::Librdkafka { producer, thread },
        })
    }

    /// Starts to send with the Java producer, from a folder of Apache Kafka's jars.
    ///
    /// # Errors
    /// If Java cannot be run.
    pub fn start_java(settings: &LoadSettings, run: u64, jars: &Path) -> Result<Self, LoadError> {
        let shared = Shared::new(settings);
        let java = JavaLoad::start(settings, run, jars, Arc::clone(&shared));
        let driver = Driver::Java(java.map_err(LoadError::Thread)?);
        Ok(Self {
            run,
            shared,
            driver,
        })
    }

    /// The moment that is time zero of this load's history.
    #[must_use]
    pub fn epoch(&self) -> Instant {
        self.shared.epoch
    }

    /// The present moment on the clock of this load's history.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.shared.now()
    }

    /// Sends to so many partitions from now on, as many records as before all together. Only
    /// librdkafka's load does.
    pub fn widen(&self, partitions: i32) {
        self.shared.partitions.store(partitions, Ordering::Relaxed);
    }

    /// Looks at the history so far, without a copy; nothing is acknowledged meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.shared.history())
    }

    /// The history so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.shared.history().clone()
    }

    /// Stops sending, waits at most `limit` for what is unanswered, and returns the history.
    ///
    /// # Errors
    /// If the sending thread died. Records without an answer are no error: they stay pending.
    pub fn stop(self, limit: Duration) -> Result<History, LoadError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        match self.driver {
            Driver::Librdkafka { producer, thread } => {
                let died = |_| LoadError::Thread(std::io::Error::other("the thread panicked"));
                thread.join().map_err(died)?;
                match producer.flush(limit) {
                    Ok(()) | Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) => {}
                    Err(error) => return Err(LoadError::Flush(error)),
                }
            }
            Driver::Java(java) => java.stop(limit).map_err(LoadError::Thread)?,
        }
        Ok(self.shared.history().clone())
    }
}

fn send_until_stopped(
    settings: &LoadSettings,
    run: u64,
    shared: &Shared,
    producer: &ThreadedProducer<Deliveries>,
) {
    // The partitions take turns, evenly over the interval, so that a gap is seen to within it.
    let step = settings.interval / settings.partitions.max(1).unsigned_abs();
    let mut due = Instant::now();
    let end = due + RUN_MAX;
    'rounds: loop {
        for partition in 0..shared.partitions.load(Ordering::Relaxed) {
            if shared.stop.load(Ordering::Relaxed) || due > end {
                break 'rounds;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            send_one(settings, run, partition, shared, producer);
            due += step;
        }
        // After a stall the pace goes on from now: a burst would measure something else.
        due = due.max(Instant::now().checked_sub(settings.interval).unwrap_or(due));
    }
}

fn send_one(
    settings: &LoadSettings,
    run: u64,
    partition: i32,
    shared: &Shared,
    producer: &ThreadedProducer<Deliveries>,
) {
    let sequence = shared.history().begin(partition, shared.now());
    let value = RecordId {
        run,
        partition,
        sequence,
    }
    .encode(settings.value_size_bytes);
    let record: BaseRecord<'_, (), [u8], _> =
        BaseRecord::with_opaque_to(&settings.topic, Box::new((partition, sequence)))
            .partition(partition)
            .payload(&value);
    if producer.send(record).is_err() {
        // The library's queue is full, or it does not know the partition yet: the record was not taken,
        // so its number is free again.
        shared.history().retract(partition);
    }
}
