//! Lags, loads and skews in Prometheus's text: what KEDA and dashboards read.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use kintsugi_load::skews;

use super::{ClusterLoad, lock};
use crate::remembered::Key;

/// Series of partitions of groups, of all clusters: 1 MB of text.
const PARTITION_SERIES_MAX: usize = 5_000;

/// Series of groups, of all clusters.
const GROUP_SERIES_MAX: usize = 5_000;

/// Series of skewed partitions, of all clusters.
const SKEW_SERIES_MAX: usize = 500;

/// A metric whose lines are gathered before they are written, because Prometheus wants all of one
/// metric together.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    lines: String,
}

impl Metric {
    const fn new(kind: &'static str, name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            lines: String::new(),
        }
    }

    fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(self.lines, "{}{{{}}} {value}", self.name, labels.join(","));
    }
}

/// A label's value: groups may be named anything.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

struct Export {
    lag_records: Metric,
    lag_seconds: Metric,
    lag_sum: Metric,
    lag_growth: Metric,
    left_out: Metric,
    cpu: Metric,
    network_in: Metric,
    network_out: Metric,
    disk: Metric,
    skew: Metric,
    failures: Metric,
    refused: Metric,
    partition_series: usize,
    group_series: usize,
    skew_series: usize,
}

/// The text of all clusters at `now`.
pub fn render(clusters: &[(Key, Arc<Mutex<ClusterLoad>>)], now: u64) -> String {
    let mut export = Export::new();
    for (key, load) in clusters {
        let load = lock(load);
        export.groups(key, &load, now);
        export.brokers(key, &load);
    }
    export.text()
}

impl Export {
    fn new() -> Self {
        let gauge = |name, help| Metric::new("gauge", name, help);
        let counter = |name, help| Metric::new("counter", name, help);
        Self {
            lag_records: gauge(
                "kintsugi_consumer_group_lag_records",
                "Records from a group's committed offset to the high watermark.",
            ),
            lag_seconds: gauge(
                "kintsugi_consumer_group_lag_seconds",
                "Age of the oldest record that a group has not committed; at least, where it is older than what was seen.",
            ),
            lag_sum: gauge(
                "kintsugi_consumer_group_lag_records_sum",
                "Records that a group has not committed, of all its partitions.",
            ),
            lag_growth: gauge(
                "kintsugi_consumer_group_lag_growth",
                "How fast a group falls behind, in records a second; below 0 it catches up.",
            ),
            left_out: gauge(
                "kintsugi_consumer_group_lag_left_out",
                "Series of groups and partitions that are not shown, for want of room.",
            ),
            cpu: gauge("kintsugi_broker_load_cpu", "Cores that a broker uses."),
            network_in: gauge(
                "kintsugi_broker_load_network_in_bytes_per_second",
                "What a broker receives from clients and leaders.",
            ),
            network_out: gauge(
                "kintsugi_broker_load_network_out_bytes_per_second",
                "What a broker sends to clients and followers.",
            ),
            disk: gauge(
                "kintsugi_broker_load_disk_bytes",
                "What of a broker's volume is used.",
            ),
            skew: gauge(
                "kintsugi_partition_skew",
                "How many times the mean of its topic a partition takes, where it is much more; an Event says what to do.",
            ),
            failures: counter(
                "kintsugi_operator_load_failures_total",
                "Answers about load that did not come or were refused.",
            ),
            refused: counter(
                "kintsugi_operator_load_refused_intervals_total",
                "Intervals whose counters or clocks were not believed.",
            ),
            partition_series: 0,
            group_series: 0,
            skew_series: 0,
        }
    }

    fn groups(&mut self, (namespace, cluster): &Key, load: &ClusterLoad, now: u64) {
        let mut left_out = load.left_out as f64 + load.groups.left_out() as f64;
        for lag in load.groups.lags(now, &load.model) {
            if self.group_series >= GROUP_SERIES_MAX {
                left_out += 1.0 + lag.partitions.len() as f64;
                continue;
            }
            self.group_series += 1;
            let labels = [
                ("namespace", namespace.as_str()),
                ("cluster", cluster.as_str()),
                ("group", lag.group.as_str()),
            ];
            self.lag_sum.add(&labels, lag.records);
            let age_ms = lag.age().map_or(0, |age| age.millis());
            self.lag_seconds.add(&labels, age_ms as f64 / 1_000.0);
            self.lag_growth.add(&labels, lag.growth_per_second);
            for partition in &lag.partitions {
                if self.partition_series >= PARTITION_SERIES_MAX {
                    left_out += 1.0;
                    continue;
                }
                self.partition_series += 1;
                let number = partition.partition.number.to_string();
                let topic = &*partition.partition.topic;
                let [namespace, cluster, group] = labels;
                let labels = [
                    namespace,
                    cluster,
                    group,
                    ("topic", topic),
                    ("partition", number.as_str()),
                ];
                self.lag_records.add(&labels, partition.records);
            }
        }
        let labels = [
            ("namespace", namespace.as_str()),
            ("cluster", cluster.as_str()),
        ];
        self.left_out.add(&labels, left_out);
    }

    fn brokers(&mut self, (namespace, cluster): &Key, load: &ClusterLoad) {
        let labels = [
            ("namespace", namespace.as_str()),
            ("cluster", cluster.as_str()),
        ];
        self.failures.add(&labels, load.failures as f64);
        let refused = load.model.refused_intervals();
        self.refused.add(&labels, refused as f64);
        if !load.model.is_useful() {
            return;
        }
        let [namespace, cluster] = labels;
        for broker in load.model.brokers() {
            let id = broker.id.to_string();
            let labels = [namespace, cluster, ("broker", id.as_str())];
            self.cpu.add(&labels, broker.load.cpu);
            let load = broker.load;
            self.network_in
                .add(&labels, load.network_in_bytes_per_second);
            self.network_out
                .add(&labels, load.network_out_bytes_per_second);
            self.disk.add(&labels, load.disk_bytes);
        }
        let room = SKEW_SERIES_MAX.saturating_sub(self.skew_series);
        for skew in skews(&load.model).into_iter().take(room) {
            self.skew_series += 1;
            let number = skew.partition.number.to_string();
            let topic = ("topic", &*skew.partition.topic);
            let labels = [namespace, cluster, topic, ("partition", number.as_str())];
            self.skew.add(&labels, skew.times_mean());
        }
    }

    fn text(self) -> String {
        let metrics = [
            self.lag_records,
            self.lag_seconds,
            self.lag_sum,
            self.lag_growth,
            self.left_out,
            self.cpu,
            self.network_in,
            self.network_out,
            self.disk,
            self.skew,
            self.failures,
            self.refused,
        ];
        let mut text = String::new();
        for Metric {
            name,
            kind,
            help,
            lines,
        } in metrics
        {
            if !lines.is_empty() {
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use kintsugi_load::{GroupOffsets, TopicPartition};

    use super::*;

    fn load(groups: usize, partitions: i32) -> ClusterLoad {
        let mut load = ClusterLoad::default();
        let rows: Vec<String> = (0..partitions)
            .map(|n| format!("[{n},1,100,0,50,40,0,0,0,0,0,0,0]"))
            .collect();
        let answer = format!(
            r#"{{"broker":0,"start_seconds":1,"uptime_ms":1,"cpu_seconds":0,"network_in_bytes":0,
            "network_out_bytes":0,"replication_in_bytes":0,"replication_out_bytes":0,
            "disk_total_bytes":null,"disk_usable_bytes":null,"columns":["partition","leader",
            "size_bytes","log_start","log_end","high_watermark","bytes_in","messages_in",
            "produce_requests","bytes_out","fetch_requests","replication_bytes_in",
            "replication_bytes_out"],"topics":[{{"name":"t","partitions":[{}]}}]}}"#,
            rows.join(",")
        );
        let sample = kintsugi_load::read::load(answer.as_bytes()).unwrap();
        load.model.take(0, 5_000, &sample);
        let told = (0..groups).map(|n| GroupOffsets {
            group: format!("g{n} \"x\""),
            members: 1,
            offsets: (0..partitions)
                .map(|number| {
                    let topic = "t".into();
                    (TopicPartition { topic, number }, 30.0)
                })
                .collect(),
        });
        load.groups.take(5_000, told.collect());
        load
    }

    fn text(load: ClusterLoad) -> String {
        let key = ("ns".to_owned(), "c".to_owned());
        render(&[(key, Arc::new(Mutex::new(load)))], 8_000)
    }

    #[test]
    fn a_groups_lag_is_shown_by_partition_in_sum_and_in_time() {
        let text = text(load(1, 2));
        let labels = r##"{namespace="ns",cluster="c",group="g0 \"x\"""##;
        for line in [
            format!("kintsugi_consumer_group_lag_records{labels},topic=\"t\",partition=\"1\"}} 10"),
            format!("kintsugi_consumer_group_lag_records_sum{labels}}} 20"),
            format!("kintsugi_consumer_group_lag_seconds{labels}}} 3"),
            "kintsugi_consumer_group_lag_left_out{namespace=\"ns\",cluster=\"c\"} 0".to_owned(),
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in {text}"
            );
        }
    }

    #[test]
    fn series_above_the_limit_are_left_out_and_counted() {
        let text = text(load(6, 1_000));
        let shown = text
            .lines()
            .filter(|line| line.starts_with("kintsugi_consumer_group_lag_records{"));
        assert_eq!(shown.count(), PARTITION_SERIES_MAX);
        assert!(text.contains(
            "kintsugi_consumer_group_lag_left_out{namespace=\"ns\",cluster=\"c\"} 1000\n"
        ));
    }
}
