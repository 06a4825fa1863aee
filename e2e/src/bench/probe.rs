//! Probes: when could each partition be written again, with no client library's back-off between?
//!
//! One thread for each living broker sends acks=all produce requests of one record for each
//! partition of interest, over one connection, again and again. A partition is served from the
//! moment that the first of these is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kintsugi_types::TimestampMs;
use kintsugi_wire::records::{Record, build};

use crate::load::record::{RecordId, probe_run};

/// The version of Produce that both sides of every comparison speak.
const PRODUCE_VERSION: i16 = 9;
/// How long a broker may hold one probe.
const ANSWER_LIMIT: Duration = Duration::from_millis(1_000);
/// The time between two probes of one broker: the resolution.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(5);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What to probe.
#[derive(Clone, Debug)]
pub struct ProbePlan {
    /// The topic.
    pub topic: String,
    /// The run whose probes these are.
    pub run: u64,
    /// The partitions.
    pub partitions: BTreeSet<i32>,
    /// The brokers to ask.
    pub brokers: Vec<(String, u16)>,
}

/// Probes until every partition was served or `limit` is over; returns when each was, counted
/// from `started`.
#[must_use]
pub fn probe(plan: &ProbePlan, started: Instant, limit: Duration) -> BTreeMap<i32, Duration> {
    let open = Mutex::new(plan.partitions.clone());
    let (served_to, served_from) = mpsc::channel();
    std::thread::scope(|scope| {
        for broker in &plan.brokers {
            let (open, served_to) = (&open, served_to.clone());
            scope.spawn(move || probe_broker(plan, broker, started, limit, open, &served_to));
        }
        drop(served_to);
        served_from.iter().collect()
    })
}

/// Probes one broker for the partitions that nobody has served yet.
fn probe_broker(
    plan: &ProbePlan,
    broker: &(String, u16),
    started: Instant,
    limit: Duration,
    open: &Mutex<BTreeSet<i32>>,
    served: &mpsc::Sender<(i32, Duration)>,
) {
    let lock = || open.lock().unwrap_or_else(PoisonError::into_inner);
    let mut connection: Option<TcpStream> = None;
    let (mut sequence, mut due) = (0_u64, started);
    while started.elapsed() < limit {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due = Instant::now() + PROBE_INTERVAL;
        sequence += 1;
        let asked = lock().clone();
        if asked.is_empty() {
            return;
        }
        let Ok(stream) = connection.take().map_or_else(|| connect(broker), Ok) else {
            continue;
        };
        if let Ok(accepted) = probe_once(&stream, plan, &asked, sequence) {
            let at = started.elapsed();
            let mut open = lock();
            for partition in accepted
                .into_iter()
                .filter(|partition| open.remove(partition))
            {
                // The receiver lives as long as this scope.
                let _ = served.send((partition, at));
            }
            connection = Some(stream);
        }
    }
}

fn connect((host, port): &(String, u16)) -> io::Result<TcpStream> {
    let address = (host.as_str(), *port).to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other("the broker's name has no address"))?;
    let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT * 2))?;
    Ok(stream)
}

/// Sends one probe; returns the partitions that accepted it.
fn probe_once(
    mut stream: &TcpStream,
    plan: &ProbePlan,
    partitions: &BTreeSet<i32>,
    sequence: u64,
) -> io::Result<Vec<i32>> {
    stream.write_all(&request(plan, partitions, sequence).map_err(io::Error::other)?)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if size > ANSWER_BYTES_MAX {
        return Err(io::Error::other("the answer is too long"));
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer)?;
    let mut answer = Bytes::from(answer);
    let version = ApiKey::Produce.response_header_version(PRODUCE_VERSION);
    ResponseHeader::decode(&mut answer, version).map_err(io::Error::other)?;
    let response =
        ProduceResponse::decode(&mut answer, PRODUCE_VERSION).map_err(io::Error::other)?;
    let answers = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    Ok(answers
        .filter(|answer| answer.error_code == 0)
        .map(|answer| answer.index)
        .collect())
}

fn request(
    plan: &ProbePlan,
    partitions: &BTreeSet<i32>,
    sequence: u64,
) -> anyhow::Result<BytesMut> {
    let mut data = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let id = RecordId {
            run: probe_run(plan.run),
            partition: *partition,
            sequence,
        };
        let record = Record {
            timestamp: TimestampMs(0),
            key: None,
            value: Some(Bytes::from(id.encode(0))),
            headers: Vec::new(),
        };
        data.push(
            PartitionProduceData::default()
                .with_index(*partition)
                .with_records(Some(build(&[record])?)),
        );
    }
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(plan.topic.clone())))
        .with_partition_data(data);
    let limit_ms = i32::try_from(ANSWER_LIMIT.as_millis())?;
    let body = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(limit_ms)
        .with_topic_data(vec![topic]);
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Produce as i16)
        .with_request_api_version(PRODUCE_VERSION)
        .with_client_id(Some(StrBytes::from_static_str("probe")));
    let mut frame = BytesMut::zeroed(4);
    header.encode(
        &mut frame,
        ApiKey::Produce.request_header_version(PRODUCE_VERSION),
    )?;
    body.encode(&mut frame, PRODUCE_VERSION)?;
    let size = u32::try_from(frame.remaining() - 4)?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame)
}
