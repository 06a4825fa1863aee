//! `kintsugi-e2e`: the verifying load, the scenarios, the demo and the failover benchmark.

use clap::Parser;
use kintsugi_e2e::command;

/// Runs Kintsugi as its users would, breaks it, and checks that nothing was lost.
#[derive(Debug, Parser)]
#[command(version, about)]
enum Command {
    /// Kill -9 under load on loopback: Kintsugi, Apache Kafka, or both in turn.
    BenchFailover(command::bench_failover::Arguments),
    /// From the decision for another broker until it carries what is meant for it of many partitions.
    BenchJoining(command::bench_joining::Arguments),
    /// Starts, idle processors, memory and descriptors of brokers with many partitions.
    BenchPartitions(command::bench_partitions::Arguments),
    /// Produce and consume at full speed: Kintsugi and Apache Kafka in turn.
    BenchSpeed(command::bench_speed::Arguments),
    /// Start to serving and idle memory of one broker.
    BenchStart(command::bench_start::Arguments),
    /// Two losses under load, a timeline of each, and a verdict.
    Demo(command::demo::Arguments),
    /// Brokers that come and go with real bytes, a chart of both, and a verdict.
    DemoScale(command::demo_scale::Arguments),
    /// Plans for Apache Kafka, carried out by Kafka's own tools.
    PlanOnKafka(command::plan_on_kafka::Arguments),
    /// Scenarios on a real Kubernetes.
    Scenarios(command::scenarios::Arguments),
}

fn main() -> anyhow::Result<()> {
    // Nothing but errors unless `RUST_LOG` asks for it: results go to standard output.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match Command::parse() {
        Command::BenchFailover(arguments) => command::bench_failover::main(&arguments),
        Command::BenchJoining(arguments) => command::bench_joining::main(&arguments),
        Command::BenchPartitions(arguments) => command::bench_partitions::main(&arguments),
        Command::BenchSpeed(arguments) => command::bench_speed::main(&arguments),
        Command::BenchStart(arguments) => command::bench_start::main(&arguments),
        Command::Demo(arguments) => command::demo::main(&arguments),
        Command::DemoScale(arguments) => command::demo_scale::main(&arguments),
        Command::PlanOnKafka(arguments) => command::plan_on_kafka::main(&arguments),
        Command::Scenarios(arguments) => command::scenarios::main(&arguments),
    }
}
