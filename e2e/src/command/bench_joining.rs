//! `bench-joining`: from a decision to a filled broker, on a real Kubernetes.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::scenarios::Place;
use crate::bench::joining;
use crate::host::{load, machine};
use crate::scenario::baseline;
use crate::scenario::own_topic::{OwnTopic, Placed};
use crate::scenario::under_load::{self, COPIES};

/// How long the cluster may take to form.
const FORM_LIMIT: Duration = Duration::from_secs(180);

/// Measures how long a broker that joins takes to carry its share.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How many partitions are written.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(10..=10_000))]
    partitions: u16,
    /// The time between two records of one partition, in milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=60_000))]
    interval_ms: u32,
    /// The bytes of each record's value.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(28..=10_000))]
    value_size_bytes: u16,
}

/// Runs it.
///
/// # Errors
/// If the cluster does not form, no broker joins and is filled, or a record is lost.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    println!(
        "machine: {}; load average {}",
        machine::describe(),
        load::averages()
    );
    let mut environment = arguments.place.environment()?;
    environment.manifest = without_zones(&environment.manifest)?;
    environment
        .kubernetes
        .apply_cluster(&environment.manifest)?;
    baseline::wait(&environment, FORM_LIMIT)?;
    let partitions = i32::from(arguments.partitions);
    let topic = OwnTopic {
        name: "joining",
        partitions,
        placed: Placed::Spread(COPIES),
        interval: Duration::from_millis(arguments.interval_ms.into()),
        value_size_bytes: arguments.value_size_bytes.into(),
    };
    let settings = topic.create(&environment)?;
    let records = f64::from(partitions) / settings.interval.as_secs_f64();
    let received = records * f64::from(arguments.value_size_bytes) * f64::from(COPIES);
    println!(
        "{partitions} partitions; brokers receive {:.0} kB of values a second, copies too",
        received / 1_000.0
    );
    let judged = under_load::judge_load(
        &mut environment,
        settings,
        COPIES,
        |environment, topology| {
            let joining = joining::watch(environment, topology, received)?;
            println!("  {joining}");
            Ok(())
        },
    )?;
    judged.no_send_failed()
}

/// The manifest for brokers of no zone: those of one zone can only take from each other.
fn without_zones(manifest: &str) -> anyhow::Result<String> {
    let mut object: Value = serde_yaml_ng::from_str(manifest)?;
    let brokers = object
        .pointer_mut("/spec/brokers")
        .and_then(Value::as_object_mut)
        .context("the manifest has no spec.brokers")?;
    brokers.remove("racks");
    Ok(serde_yaml_ng::to_string(&object)?)
}
