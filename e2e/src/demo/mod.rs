//! The demo: two losses under load, a timeline of each, and a verdict on every record.
//!
//! Act one kills the broker that leads most with SIGKILL; its container comes back on its volume.
//! Act two deletes a broker's pod together with its volume; it is replaced and rebuilt from its
//! peers. Every figure is measured: moments of the controllers and the operator come from their
//! logs and the API server, those of clients from the load.

mod act;
pub mod scale;
mod timeline;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::bench::topology::{create_topic, wait_for};
use crate::load::consumer::read_topic;
use crate::load::producer::{Load, LoadSettings};
use crate::scenario::baseline;
use crate::scenario::environment::{Environment, HEAL_LIMIT};
use crate::scenario::under_load::{COPIES, INTERVAL, PARTITIONS, compare_replicas};
use crate::verify::{Duplicates, verify};

/// The topic of the demo.
const TOPIC: &str = "demo";
/// How long the cluster may take to form.
const FORM_LIMIT: Duration = Duration::from_secs(180);
/// How long the load runs before each act.
const CALM: Duration = Duration::from_secs(5);
/// How long reading everything back may take.
const READ_LIMIT: Duration = Duration::from_secs(180);

/// Runs the demo.
///
/// # Errors
/// If the cluster does not form or heal, or a record that was acknowledged is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let started = Instant::now();
    println!("applying the KafkaCluster {:?}", environment.cluster);
    environment
        .kubernetes
        .apply_cluster(&environment.manifest)?;
    baseline::wait(environment, FORM_LIMIT)?;
    println!("the cluster is Ready after {:.1?}\n", started.elapsed());

    let bootstrap = environment.bootstrap()?;
    create_topic(&bootstrap, TOPIC, PARTITIONS, COPIES, HEAL_LIMIT)?;
    let count = usize::try_from(PARTITIONS)?;
    let what = "the topic to be whole";
    wait_for(&bootstrap, TOPIC, what, HEAL_LIMIT, |topology| {
        topology.is_healthy(count)
    })?;
    let run = fastrand::u64(..);
    let client = BTreeMap::from([("retry.backoff.ms".to_owned(), "20".to_owned())]);
    println!(
        "writing to {PARTITIONS} partitions, a record every {INTERVAL:?} to each, acks=all, librdkafka with retry.backoff.ms=20\n"
    );
    let settings = LoadSettings {
        bootstrap: bootstrap.clone(),
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        interval: INTERVAL,
        value_size_bytes: 100,
        client,
    };
    let load = Load::start(settings, run)?;
    std::thread::sleep(CALM);
    let mut outages = vec![act::kill_process(environment, &load, TOPIC)?];
    baseline::wait(environment, HEAL_LIMIT)?;
    std::thread::sleep(CALM);
    outages.push(act::delete_volume(environment, &load, TOPIC)?);
    baseline::wait(environment, HEAL_LIMIT)?;
    std::thread::sleep(CALM);

    println!("reading everything back");
    let history = load.stop(Duration::from_secs(30))?;
    let bootstrap = environment.bootstrap()?;
    let read = read_topic(&bootstrap, TOPIC, PARTITIONS, READ_LIMIT)?;
    let verdict = verify(run, &history, &read, Duplicates::Forbidden);
    let in_outages: u64 = outages
        .iter()
        .map(|(from, to)| history.acked_between(*from, *to))
        .sum();
    compare_replicas(environment, TOPIC, PARTITIONS, COPIES)?;
    println!(
        "\nsent {}, acked {}, unknown {}, acked during the outages {in_outages}, read {}, duplicates {}, LOST {}",
        verdict.sent,
        verdict.acked,
        verdict.unknown,
        verdict.read,
        verdict.duplicates,
        verdict.lost
    );
    ensure!(
        verdict.is_clean(),
        "the log and what producers were told differ: {verdict}"
    );
    println!("VERDICT: no acknowledged record was lost\n");
    say_what_next(environment, &bootstrap);
    Ok(())
}

fn say_what_next(environment: &Environment, bootstrap: &str) {
    let kubectl = format!("kubectl --kubeconfig {}", environment.kubeconfig.display());
    let namespace = &environment.kubernetes.namespace;
    println!("The cluster is left up. To try next:");
    println!("  {kubectl} -n {namespace} get kafkaclusters,pods -o wide");
    println!("  {kubectl} -n {namespace} get events --sort-by=.lastTimestamp");
    println!(
        "  {kubectl} -n {namespace} scale kafkacluster {} --replicas=4",
        environment.cluster
    );
    println!("  kcat -b {bootstrap} -L");
    println!("  python3 examples/kafka-python.py {bootstrap} 30   (pip install kafka-python)");
    println!("  make demo-down");
}
