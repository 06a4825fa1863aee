//! `demo`: the main job, shown on a real Kubernetes.

use super::scenarios::Place;
use crate::demo;
use crate::host::machine;

/// Shows the main job: two losses under load, and a verdict.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// Runs it.
///
/// # Errors
/// If the cluster does not form or heal, or a record was lost.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    println!("machine: {}", machine::describe());
    demo::run(&mut arguments.place.environment()?)
}
