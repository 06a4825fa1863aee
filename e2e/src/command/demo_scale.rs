//! `demo-scale`: brokers that come and go with the load, on a real Kubernetes.

use std::path::PathBuf;

use anyhow::Context;

use super::scenarios::Place;
use crate::demo::scale;
use crate::host::{load, machine};

/// Shows autoscaling: load rises and falls, brokers join and leave, and a verdict.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Where to write the chart of load, capacity, forecast and brokers over time.
    #[arg(long, default_value = "demo-scale.svg")]
    svg: PathBuf,
}

/// Runs it.
///
/// # Errors
/// If the chart cannot be written, an act fails, or a record was lost.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let svg = &arguments.svg;
    // Minutes of acts are not begun for a chart that could not be kept.
    std::fs::write(svg, "").with_context(|| {
        format!(
            "failed to write {}: name a file in a folder that is there",
            svg.display()
        )
    })?;
    println!(
        "machine: {}; load average {}",
        machine::describe(),
        load::averages()
    );
    scale::run(&mut arguments.place.environment()?, svg)
}
