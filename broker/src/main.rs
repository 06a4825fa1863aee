//! `kintsugi-broker`: one process that is a broker, a controller, or both.
//!
//! It moves bytes, threads and time around the state machines of `kintsugi-node`. Exit status:
//! 0 after a clean stop, 1 when the time to hand over ran out or the settings are of no use,
//! 70 when the cluster refuses this process for good, 74 when its storage failed.

mod api;
mod arguments;
mod broker;
mod client;
mod clock;
mod controller;
mod exit;
mod http;
mod logging;
mod mailbox;
mod metrics;
mod process;
mod progress;
mod settings;
mod signals;
mod thread;
mod transport;
mod trust;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::arguments::Arguments;
use crate::clock::Clock;
use crate::settings::Settings;

fn main() -> ExitCode {
    let clock = Clock::start();
    match run(clock) {
        Ok(ending) => {
            // Threads hold sockets and logs until the very end; nothing is left to wait for.
            std::process::exit(i32::from(ending.code()))
        }
        Err(cause) => {
            tracing::error!(cause = format!("{cause:#}"), "failed to start");
            eprintln!("kintsugi-broker: {cause:#}");
            exit::Ending::of_failed_start(&cause).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

/// Lets the process open as many files as it may: each partition takes some, each client one.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(cause) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%cause, current = ?limit.current, "failed to raise the limit of open files");
    }
}

fn run(clock: Clock) -> anyhow::Result<exit::Ending> {
    let arguments = Arguments::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = Settings::new(arguments.given()?, cores)?;
    let level = settings.values.required("kintsugi.log.level")?;
    logging::start(level, arguments.dev)?;
    for name in &settings.values.unknown {
        tracing::warn!(name, "unknown setting: it has no effect here");
    }
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.network_threads)
        .max_blocking_threads(process::BLOCKING_THREADS_MAX)
        .thread_name("network")
        .enable_all()
        .build()
        .context("failed to start the threads that serve sockets")?;
    runtime.block_on(process::run(Arc::new(settings), clock))
}
