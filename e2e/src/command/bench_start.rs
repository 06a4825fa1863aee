//! `bench-start`: how fast one broker serves after its start, and what it takes when idle.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::bench::served::wait_until_served;
use crate::host::machine;
use crate::processes::Process;

/// How long one start may take.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a broker is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(3);
/// Where a broker of `--dev` listens.
const ADDRESS: &str = "127.0.0.1:9092";
/// Starts single brokers of `--dev` and measures them.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The binary of Kintsugi's broker.
    #[arg(long)]
    broker: PathBuf,
    /// How many starts.
    #[arg(long, default_value_t = 10)]
    runs: usize,
}

/// Runs it.
///
/// # Errors
/// If a broker does not start.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    println!("machine: {}", machine::describe());
    ensure!(
        TcpStream::connect(ADDRESS).is_err(),
        "something listens on {ADDRESS} already"
    );
    let (mut fresh, mut again, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.runs {
        let folder = tempfile::tempdir()?;
        let mut command = std::process::Command::new(&arguments.broker);
        let directory = format!("log.dirs={}", folder.path().join("data").display());
        command.args(["--dev", "--override", &directory]);
        for times in [&mut fresh, &mut again] {
            let started = Instant::now();
            let process = Process::start(&command, &folder.path().join("process.log"))?;
            wait_until_served(ADDRESS, START_LIMIT)?;
            times.push(started.elapsed());
            std::thread::sleep(IDLE);
            resident.push(process.resident_bytes()? >> 10);
            process.kill()?;
        }
    }
    for (what, times) in [
        ("a fresh directory", &mut fresh),
        ("after kill -9", &mut again),
    ] {
        times.sort_unstable();
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        println!(
            "start to the first answered Metadata, {what}: median {median:.0?}, max {most:.0?}"
        );
    }
    resident.sort_unstable();
    let (median, most) = (resident[resident.len() / 2], resident[resident.len() - 1]);
    println!("resident when idle: median {median} KiB, max {most} KiB");
    Ok(())
}
