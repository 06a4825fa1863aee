//! What it costs brokers with many partitions to tell their load, and the operator to take it.
//!
//! Guarantees: asks what the operator asks, within its bounds, and reads and takes the answers with
//! its code; every partition is written between two answers, so that none counts as standing still.
//! Assumes that nothing else uses the cluster meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kintsugi_load::read::{self, ANSWER_BYTES_MAX};
use kintsugi_load::{HISTORY_MAX, LoadModel};

use super::partitions::ManyPartitions;
use crate::host::memory;
use crate::http::{self, Bounds};
use crate::processes::{BROKERS, Engine, HTTP};

/// How often each broker is asked to find out what one answer takes.
const ASKED: u32 = 20;
/// Rounds that the model takes: as many as fill what it keeps of a partition's past.
const ROUNDS: usize = HISTORY_MAX + 6;
/// How long the cluster is left alone between what is written and what is asked.
const CALM: Duration = Duration::from_secs(1);
/// What the operator allows one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What was asked of the brokers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Answers {
    /// The largest answer.
    pub size_bytes: usize,
    /// The longest from the dial to the last byte.
    pub slowest: Duration,
    /// Their mean.
    pub mean: Duration,
    /// The processor time of a broker for one, in the mean.
    pub broker_cpu: Duration,
}

/// What the operator does with them, for one broker's answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Taken {
    /// Partitions with useful rates, in the end.
    pub partitions: usize,
    /// The median of reading one answer.
    pub read: Duration,
    /// The median of taking it into the model.
    pub taken: Duration,
    /// The median of asking the model for the rates of every partition.
    pub reported: Duration,
    /// What the model holds in memory.
    pub model_bytes: u64,
}

/// Asks every broker for its load again and again.
///
/// # Errors
/// If one does not answer within the operator's bounds.
pub fn ask<E: Engine>(many: &ManyPartitions<E>) -> anyhow::Result<Answers> {
    std::thread::sleep(CALM);
    let (mut size_bytes, mut times, mut broker_cpu) = (0, Vec::new(), Duration::ZERO);
    for broker in 0..BROKERS {
        let process = many.process(broker)?;
        let before = process.cpu_used()?;
        for _ in 0..ASKED {
            let began = Instant::now();
            let answer = get(many, broker)?;
            times.push(began.elapsed());
            size_bytes = size_bytes.max(answer.len());
        }
        broker_cpu += process.cpu_used()? - before;
    }
    let asked = u32::try_from(times.len())?;
    Ok(Answers {
        size_bytes,
        slowest: times.iter().copied().max().unwrap_or_default(),
        mean: times.iter().sum::<Duration>() / asked,
        broker_cpu: broker_cpu / asked,
    })
}

/// Writes to every partition, asks every broker and takes what it tells, round after round.
///
/// # Errors
/// If a broker does not answer, or the model refuses what it tells.
pub fn take<E: Engine>(many: &ManyPartitions<E>) -> anyhow::Result<Taken> {
    let began = Instant::now();
    let resident_before = memory::resident_bytes(std::process::id())?;
    let mut model = LoadModel::default();
    let (mut read_times, mut taken_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        many.write(1)?;
        std::thread::sleep(CALM);
        for broker in 0..BROKERS {
            let answer = get(many, broker)?;
            let reading = Instant::now();
            let sample = read::load(answer.as_bytes()).context("a broker's load")?;
            read_times.push(reading.elapsed());
            let taking = Instant::now();
            let at = u64::try_from(began.elapsed().as_millis())?;
            model.take(broker, at, &sample);
            taken_times.push(taking.elapsed());
        }
    }
    let resident = memory::resident_bytes(std::process::id())?;
    let mut reported_times = Vec::new();
    for _ in 0..ASKED {
        let asking = Instant::now();
        std::hint::black_box(model.partitions());
        reported_times.push(asking.elapsed());
    }
    let useful = model.partitions();
    let written = useful.iter().filter(|load| load.rates.bytes_in > 0.0);
    let (wanted, found) = (usize::try_from(many.partitions)?, written.count());
    ensure!(
        found == wanted && model.refused_intervals() == 0 && model.left_out() == 0,
        "the model has rates of {found} of {wanted} partitions, refused {} intervals and left {} out",
        model.refused_intervals(),
        model.left_out()
    );
    Ok(Taken {
        partitions: found,
        read: median(&mut read_times),
        taken: median(&mut taken_times),
        reported: median(&mut reported_times),
        model_bytes: resident.saturating_sub(resident_before),
    })
}

fn get<E: Engine>(many: &ManyPartitions<E>, broker: i32) -> anyhow::Result<String> {
    let port = many.node(broker)?.ports[HTTP];
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    let bounds = Bounds {
        time: ANSWER_LIMIT,
        answer_bytes_max: u64::try_from(ANSWER_BYTES_MAX)?,
    };
    http::get(address, "/v1/load", bounds).with_context(|| format!("broker {broker}"))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
