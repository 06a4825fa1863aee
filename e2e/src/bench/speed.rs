//! Plain speed: how fast records go in and out, and what that costs the brokers.
//!
//! Guarantees: the same client with the same settings does the same work on every engine; only
//! acknowledged records and records read back count. Assumes that client and brokers share this
//! machine, so that a rate says how much both can do on its cores together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// The size of a record's value.
pub const VALUE_SIZE_BYTES: usize = 1_024;
/// How many values there are, of random bytes: made beforehand, they cost nothing while sending.
const VALUES: usize = 64;
/// How long the queue of a producer may take to empty.
const FLUSH_LIMIT: Duration = Duration::from_secs(120);
/// How long reading may take.
const READ_LIMIT: Duration = Duration::from_secs(300);

/// What a producer was told.
#[derive(Debug, Default)]
struct Told {
    acked: AtomicU64,
    failed: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
    keeps_latencies: bool,
}

impl Told {
    fn ensure_acked(&self, records: u64) -> anyhow::Result<()> {
        let acked = self.acked.load(Ordering::Relaxed);
        ensure!(
            acked == records,
            "only {acked} of {records} records were acknowledged"
        );
        Ok(())
    }
}

struct Deliveries(Arc<Told>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Self::DeliveryOpaque) {
        match result {
            Ok(_) => self.0.acked.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.0.failed.fetch_add(1, Ordering::Relaxed),
        };
        if self.0.keeps_latencies {
            let mut latencies = self
                .0
                .latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            latencies.push(sent.elapsed());
        }
    }
}

/// Where records go.
#[derive(Clone, Debug)]
pub struct Stream {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: i32,
}

impl Stream {
    fn producer(
        &self,
        linger_ms: u32,
        told: &Arc<Told>,
    ) -> anyhow::Result<ThreadedProducer<Deliveries>> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("acks", "all")
            .set("linger.ms", linger_ms.to_string())
            .create_with_context(Deliveries(Arc::clone(told)))
            .context("failed to make a producer")
    }

    /// Sends `records` as fast as they are taken. Gives how long it took until all were
    /// acknowledged.
    ///
    /// # Errors
    /// If one is not acknowledged.
    pub fn produce_flat_out(&self, records: u64) -> anyhow::Result<Duration> {
        let told = Arc::new(Told::default());
        let producer = self.producer(5, &told)?;
        let values = values();
        let started = Instant::now();
        for (number, value) in (0..records).zip(values.iter().cycle()) {
            self.send(&producer, self.partition_of(number)?, value, true)?;
        }
        producer.flush(FLUSH_LIMIT).context("failed to flush")?;
        let took = started.elapsed();
        told.ensure_acked(records)?;
        Ok(took)
    }

    /// Sends `records` to every partition, one partition after the other.
    ///
    /// # Errors
    /// If one is not acknowledged.
    pub fn fill(&self, records: u64) -> anyhow::Result<()> {
        let told = Arc::new(Told::default());
        let producer = self.producer(5, &told)?;
        let values = values();
        for partition in 0..self.partitions {
            for (_, value) in (0..records).zip(values.iter().cycle()) {
                self.send(&producer, partition, value, true)?;
            }
        }
        producer.flush(FLUSH_LIMIT).context("failed to flush")?;
        told.ensure_acked(records * u64::from(self.partitions.unsigned_abs()))
    }

    /// Which partition the record of this number goes to: each in turn.
    fn partition_of(&self, number: u64) -> anyhow::Result<i32> {
        let partitions = u64::from(self.partitions.unsigned_abs().max(1));
        Ok(i32::try_from(number % partitions)?)
    }

    /// Sends `rate` records a second for `time`, each at once. Gives the sorted times from send to
    /// acknowledgement.
    ///
    /// # Errors
    /// If one is not acknowledged.
    pub fn produce_paced(&self, rate: u32, time: Duration) -> anyhow::Result<Vec<Duration>> {
        let told = Arc::new(Told {
            keeps_latencies: true,
            ..Told::default()
        });
        let producer = self.producer(0, &told)?;
        let values = values();
        let (started, step) = (Instant::now(), Duration::from_secs(1) / rate.max(1));
        let mut due = started;
        let mut number = 0;
        while due < started + time {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.send(
                &producer,
                self.partition_of(number)?,
                &values[usize::try_from(number)? % VALUES],
                false,
            )?;
            number += 1;
            due += step;
        }
        producer.flush(FLUSH_LIMIT).context("failed to flush")?;
        let failed = told.failed.load(Ordering::Relaxed);
        ensure!(
            failed == 0,
            "{failed} of {number} records were not acknowledged"
        );
        let mut latencies = told
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        latencies.sort_unstable();
        Ok(std::mem::take(&mut latencies))
    }

    /// Hands a record to the library; with `waits`, until its queue has room.
    fn send(
        &self,
        producer: &ThreadedProducer<Deliveries>,
        partition: i32,
        value: &[u8],
        waits: bool,
    ) -> anyhow::Result<()> {
        let mut record: BaseRecord<'_, (), [u8], _> =
            BaseRecord::with_opaque_to(&self.topic, Box::new(Instant::now()))
                .partition(partition)
                .payload(value);
        let deadline = Instant::now() + FLUSH_LIMIT;
        loop {
            match producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if waits && Instant::now() < deadline =>
                {
                    record = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error).context("failed to send"),
            }
        }
    }

    /// Reads `records` from the start of every partition. Gives how long it took.
    ///
    /// # Errors
    /// If they do not come in time.
    pub fn consume(&self, records: u64) -> anyhow::Result<Duration> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("group.id", "kintsugi-speed")
            .set("enable.auto.commit", "false")
            .create()
            .context("failed to make a consumer")?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..self.partitions {
            assignment.add_partition_offset(&self.topic, partition, Offset::Beginning)?;
        }
        let started = Instant::now();
        consumer.assign(&assignment)?;
        let (mut read, mut wrong) = (0, 0);
        while read < records {
            ensure!(
                started.elapsed() < READ_LIMIT,
                "only {read} of {records} records came in {READ_LIMIT:?}"
            );
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                read += 1;
                wrong += u64::from(message.payload_len() != VALUE_SIZE_BYTES);
            }
        }
        ensure!(wrong == 0, "{wrong} records had another size than was sent");
        Ok(started.elapsed())
    }
}

fn values() -> Vec<Vec<u8>> {
    let value = |_| (0..VALUE_SIZE_BYTES).map(|_| fastrand::u8(..)).collect();
    (0..VALUES).map(value).collect()
}
