//! How many requests clients send, and how long they take, by API.
//!
//! Names and meanings are those that Prometheus's JMX exporter gives of Kafka's `RequestMetrics`,
//! with buckets in the place of percentiles: buckets of brokers and of moments can be added and
//! subtracted. A consumer's fetch waits for records on purpose, which `TotalTimeMs` has in it as
//! Kafka's does; `LocalTimeMs` leaves that out.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kintsugi_wire::api::{Api, ApiKey};
use prometheus::core::Metric as _;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Registry};

use super::labelled;

/// The bounds of request times, in milliseconds: each at most 2.5 times the one before, so that a
/// percentile that triples is seen to.
const BOUNDS_MS: [f64; 13] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
];

/// Places for APIs: one above the greatest key of the table.
const KEYS: usize = ApiKey::DescribeTopicPartitions as usize + 1;

/// What is counted of one API's requests.
#[derive(Debug)]
pub struct OfApi {
    /// How many came.
    pub requests: IntCounter,
    total_ms: Histogram,
    /// Without what was waited for on purpose; only fetches do that.
    local_ms: Option<Histogram>,
}

impl OfApi {
    /// One was answered, so long after it was read.
    pub fn took(&self, time: Duration) {
        self.total_ms.observe(milliseconds(time));
    }

    /// One was answered after so much of its time was spent at work.
    pub fn worked(&self, time: Duration) {
        if let Some(local_ms) = &self.local_ms {
            local_ms.observe(milliseconds(time));
        }
    }

    /// How many took how long.
    pub fn times(&self) -> Times {
        let metric = self.total_ms.metric();
        let histogram = metric.get_histogram();
        let (mut bounds_ms, mut counts, mut below) = (Vec::new(), Vec::new(), 0);
        for bucket in histogram.get_bucket() {
            // The last of all has no bound.
            if bucket.upper_bound().is_finite() {
                bounds_ms.push(bucket.upper_bound());
                counts.push(bucket.cumulative_count() - below);
                below = bucket.cumulative_count();
            }
        }
        counts.push(histogram.get_sample_count().saturating_sub(below));
        Times { bounds_ms, counts }
    }
}

/// How many requests took how long.
#[derive(Debug, PartialEq, serde::Serialize)]
pub struct Times {
    /// The upper bounds of the buckets, in milliseconds.
    pub bounds_ms: Vec<f64>,
    /// Requests in each, and in the end those above the last bound.
    pub counts: Vec<u64>,
}

/// All APIs. A request costs one look at an array: nothing is looked up by a label's text.
#[derive(Clone, Debug)]
pub struct Requests {
    families: Families,
    of_api: Arc<[OnceLock<OfApi>; KEYS]>,
}

#[derive(Clone, Debug)]
struct Families {
    requests: IntCounterVec,
    total_ms: HistogramVec,
    local_ms: HistogramVec,
}

impl Requests {
    /// Nothing yet: an API is shown from its first request on.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let histogram = |name: &str, help: &str| {
            let opts = HistogramOpts::new(name, help).buckets(BOUNDS_MS.to_vec());
            let histogram = HistogramVec::new(opts, &["request"])?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let families = Families {
            requests: labelled(
                registry,
                "kafka_network_requestmetrics_requests_total",
                "Requests by API.",
                "request",
            )?,
            total_ms: histogram(
                "kafka_network_requestmetrics_totaltimems",
                "Milliseconds from when a request was read until its answer was there, by API.",
            )?,
            local_ms: histogram(
                "kafka_network_requestmetrics_localtimems",
                "The same without the time that a fetch waited for records, as its client asked.",
            )?,
        };
        Ok(Self {
            families,
            of_api: Arc::new([const { OnceLock::new() }; KEYS]),
        })
    }

    /// What is counted of `api`.
    pub fn of(&self, api: &Api) -> &OfApi {
        self.of_api[api.key as usize].get_or_init(|| {
            let name = label(api);
            let (families, labels) = (&self.families, [name]);
            let is_fetch = api.key == ApiKey::Fetch;
            OfApi {
                requests: families.requests.with_label_values(&labels),
                total_ms: families.total_ms.with_label_values(&labels),
                local_ms: is_fetch.then(|| families.local_ms.with_label_values(&labels)),
            }
        })
    }

    /// How many Produce requests took how long: with acks=all until every in-sync replica had them.
    pub fn produce_times(&self) -> Option<Times> {
        Api::find(ApiKey::Produce as i16).map(|api| self.of(api).times())
    }
}

/// As Kafka's `RequestMetrics` has it: fetches are told apart by who sends them, and followers'
/// come on another listener.
const fn label(api: &Api) -> &'static str {
    match api.key {
        ApiKey::Fetch => "FetchConsumer",
        _ => api.name,
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn api(key: ApiKey) -> &'static Api {
        Api::find(key as i16).unwrap()
    }

    fn text(registry: &Registry) -> String {
        prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap()
    }

    #[test]
    fn every_api_of_the_table_has_its_place() {
        let requests = Requests::new(&Registry::new()).unwrap();
        for api in kintsugi_wire::api::TABLE {
            requests.of(api).requests.inc();
            assert_eq!(requests.of(api).requests.get(), 1, "{}", api.name);
        }
    }

    #[test]
    fn times_are_told_by_bucket_with_those_above_the_last_bound_in_the_end() {
        let requests = Requests::new(&Registry::new()).unwrap();
        for milliseconds in [0, 1, 2, 30, 11_000] {
            let of = requests.of(api(ApiKey::Produce));
            of.took(Duration::from_millis(milliseconds));
        }
        let times = requests.produce_times().unwrap();
        assert_eq!(times.bounds_ms, BOUNDS_MS);
        assert_eq!(times.counts, [2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn names_are_the_jmx_exporters_and_what_a_fetch_waited_is_in_its_total_time_only() {
        let registry = Registry::new();
        let requests = Requests::new(&registry).unwrap();
        let fetch = requests.of(api(ApiKey::Fetch));
        fetch.took(Duration::from_millis(500));
        fetch.worked(Duration::from_millis(1));
        requests
            .of(api(ApiKey::Produce))
            .took(Duration::from_millis(3));
        requests
            .of(api(ApiKey::Produce))
            .worked(Duration::from_millis(3));
        let text = text(&registry);
        for line in [
            "kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"} 1",
            "kafka_network_requestmetrics_totaltimems_sum{request=\"FetchConsumer\"} 500",
            "kafka_network_requestmetrics_localtimems_sum{request=\"FetchConsumer\"} 1",
            "kafka_network_requestmetrics_totaltimems_bucket{request=\"Produce\",le=\"5\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let local = "kafka_network_requestmetrics_localtimems_count{request=\"Produce\"}";
        assert!(!text.contains(local), "{text}");
    }
}
