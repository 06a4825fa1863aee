//! What is told of uneven load.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{BalanceStatus, RebalanceScope};
use kintsugi_planner::Resource;

use super::band::Band;
use super::left::BACK_OFF;
use super::measure::Use;
use crate::cluster::Cluster;
use crate::names::balance_rebalance;
use crate::told::seconds;

/// That nothing is out of the band.
pub fn even(band: &Band) -> String {
    format!(
        "no broker is more than {:.0} % above the mean in its use of disk, network or CPU, where it \
         is enough to count",
        band.percent()
    )
}

/// What is out of the band, and when something is done about it.
pub fn expected(cluster: &Cluster, one: &Use, at: Option<Timestamp>) -> String {
    format!(
        "{}: if it stays so, KafkaRebalance {} begins at {}",
        told(one),
        balance_rebalance(&cluster.name),
        at.map_or_else(String::new, seconds)
    )
}

/// What is out of the band, and what was begun.
pub fn begun(cluster: &Cluster, one: &Use, scope: RebalanceScope, band: &Band) -> String {
    let moves = match scope {
        RebalanceScope::Leaders => "leaderships",
        _ => "replicas and leaderships",
    };
    format!(
        "{}, out of the band of {:.0} % for {} s: KafkaRebalance {} moves {moves}",
        told(one),
        band.percent(),
        band.hold.as_secs(),
        balance_rebalance(&cluster.name)
    )
}

/// What is out of the band and stays so.
pub fn left(one: &Use) -> String {
    format!(
        "{}: moves have not evened it out, and are tried again after {} h, or once it has changed by \
         half: spread its largest partitions over more, or add brokers to its rack",
        told(one),
        BACK_OFF.as_hours()
    )
}

/// Whether two statuses differ in the numbers of their reasons only.
pub fn says_the_same(known: &BalanceStatus, next: &BalanceStatus) -> bool {
    let words = |status: &BalanceStatus| -> String {
        let characters = status.reason.chars();
        characters.filter(|one| !one.is_ascii_digit()).collect()
    };
    (known.state, &known.since) == (next.state, &next.since) && words(known) == words(next)
}

/// Which broker uses how much of what, beside the mean.
fn told(one: &Use) -> String {
    let verb = match (one.place.resource, one.is_share) {
        (Resource::Disk, true) => "fills",
        (Resource::Disk, false) => "holds",
        (Resource::NetworkIn, _) => "receives",
        (Resource::NetworkOut, _) => "sends",
        (Resource::Cpu, _) => "uses",
    };
    format!(
        "broker {} {verb} {}, {:.0} % above the mean of {}",
        one.place.broker,
        amount(one, one.value),
        one.excess() * 100.0,
        amount(one, one.mean),
    )
}

fn amount(one: &Use, value: f64) -> String {
    let percent = value * 100.0;
    let megabytes = value / 1e6;
    match (one.place.resource, one.is_share) {
        (Resource::Disk, true) => format!("{percent:.0} % of its disk"),
        (Resource::Cpu, true) => format!("{percent:.0} % of its CPU limit"),
        (Resource::Cpu, false) => format!("{value:.2} cores"),
        (Resource::Disk, false) => format!("{megabytes:.0} MB"),
        (Resource::NetworkIn | Resource::NetworkOut, _) => format!("{megabytes:.2} MB/s"),
    }
}
