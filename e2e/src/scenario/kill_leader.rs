//! Kill -9 of the broker that leads most.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::under_load::{ACKED_MIN, COPIES, INTERVAL, PARTITIONS, compare_replicas};
use crate::bench::failover::{FailoverSettings, Target, run};

/// Five kills, one after the other.
///
/// # Errors
/// If the cluster does not heal, or the verdict has findings.
pub fn run_five(environment: &mut Environment) -> anyhow::Result<()> {
    kill(environment, "kill-leader", 5)
}

/// One kill.
///
/// # Errors
/// If the cluster does not heal, or the verdict has findings.
pub fn run_once(environment: &mut Environment) -> anyhow::Result<()> {
    kill(environment, "kill-leader-once", 1)
}

fn kill(environment: &mut Environment, topic: &str, kills: usize) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let topic = &format!("{topic}-{:08x}", fastrand::u32(..));
    let settings = FailoverSettings {
        topic: topic.clone(),
        partitions: PARTITIONS,
        loaded: PARTITIONS,
        kills,
        interval: INTERVAL,
        probes: true,
        acked_min: ACKED_MIN,
        client: BTreeMap::new(),
        java: None,
        with_group: false,
        member: BTreeMap::new(),
    };
    let bootstrap = environment.bootstrap()?;
    let report = run(
        &mut OnKubernetes {
            environment,
            bootstrap,
        },
        &settings,
    )?;
    for line in report.to_string().lines() {
        println!("  {line}");
    }
    ensure!(
        report.verdict.is_clean(),
        "the log and what producers were told differ"
    );
    ensure!(
        report.led.never + report.followed.never == 0,
        "a partition was never written again"
    );
    ensure!(
        report.acked_in_outages > 0,
        "nothing was acknowledged during the outages"
    );
    compare_replicas(environment, topic, PARTITIONS, COPIES)
}

/// Brokers in pods, killed from the host; the kubelet brings them back.
pub struct OnKubernetes<'a> {
    /// Where they run.
    pub environment: &'a Environment,
    /// `bootstrap.servers`, as it was before the first kill.
    pub bootstrap: String,
}

impl Target for OnKubernetes<'_> {
    fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    fn strike(&mut self, broker: i32) -> anyhow::Result<Duration> {
        self.environment.kill(&self.environment.broker(broker)?)
    }

    fn revive(&mut self, _: i32) -> anyhow::Result<()> {
        Ok(())
    }
}
