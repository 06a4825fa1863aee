//! Replays a load through the scaler beside the HorizontalPodAutoscaler's whole grid: what each
//! would have cost, how long the load would have been above the capacity, and how often brokers
//! would have come and gone.

mod bench;
mod clairvoyant;
mod decision;
mod front;
mod path;
mod policies;
mod replay;
mod simulate;
mod suite;
mod trace;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Replays a load through the scaler beside the HorizontalPodAutoscaler's whole grid.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay one load: both fronts, and charts of the fronts and of a week's sizes.
    Trace {
        /// A CSV of `timestamp,load`: Unix seconds or 2026-01-31T12:00:00Z, and a number.
        trace: PathBuf,
        /// Load that one broker carries, in the file's unit.
        #[arg(long)]
        capacity: Option<f64>,
        /// The mean load in brokers, where no capacity is given.
        #[arg(long, default_value_t = 12)]
        brokers: u32,
        /// Seconds from a decision until it takes effect.
        #[arg(long, default_value_t = 300)]
        delay: i64,
        /// Broker-seconds that a second above the capacity is worth, for the chart of sizes.
        #[arg(long, default_value_t = 200.0)]
        price: f64,
        /// The folder to write the charts to.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Score the scaler on a folder of traces.
    Bench {
        /// The folder of `timestamp,load` CSVs.
        #[arg(long)]
        traces: PathBuf,
        /// Only traces whose name begins so.
        #[arg(long, default_value = "score-")]
        prefix: String,
        /// Mean loads in brokers; 4, 12 and 30 where none is given.
        #[arg(long)]
        brokers: Vec<u32>,
        /// Seconds from a decision until it takes effect; 60, 300 and 1800 where none is given.
        #[arg(long)]
        delay: Vec<i64>,
        /// Print the points of every front.
        #[arg(long)]
        fronts: bool,
    },
    /// Show how often loads were above the forecast's bounds.
    Coverage {
        /// The folder of `timestamp,load` CSVs.
        #[arg(long)]
        traces: PathBuf,
        /// Only traces whose name begins so.
        #[arg(long, default_value = "score-")]
        prefix: String,
    },
    /// Compare on loads without a pattern (synthetic).
    Controls {
        /// Mean loads in brokers; 4, 12 and 30 where none is given.
        #[arg(long)]
        brokers: Vec<u32>,
        /// Seconds from a decision until it takes effect; 60, 300 and 1800 where none is given.
        #[arg(long)]
        delay: Vec<i64>,
    },
    /// Measure one decision and the state (synthetic).
    Decision,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Trace {
            trace,
            capacity,
            brokers,
            delay,
            price,
            out,
        } => replay::run_trace(&replay::Options {
            trace,
            capacity,
            brokers,
            delay_seconds: delay,
            price,
            out,
        }),
        Command::Bench {
            traces,
            prefix,
            brokers,
            delay,
            fronts,
        } => bench::run(&bench::Options {
            traces,
            prefix,
            sizes: brokers,
            delays: delay,
            fronts,
        }),
        Command::Coverage { traces, prefix } => bench::coverage(&traces, &prefix),
        Command::Controls { brokers, delay } => bench::controls(&brokers, &delay),
        Command::Decision => decision::measure(),
    }
}
