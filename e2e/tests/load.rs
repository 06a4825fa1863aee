//! The load and the verifier together, against librdkafka's own mock of a Kafka cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use kintsugi_e2e::load::consumer::read_topic;
use kintsugi_e2e::load::producer::{Load, LoadSettings};
use kintsugi_e2e::verify::{Duplicates, verify};
use rdkafka::mocking::MockCluster;

#[test]
fn what_the_load_wrote_is_read_back_and_found_clean() {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic("load", 6, 3).unwrap();
    let settings = LoadSettings {
        bootstrap: cluster.bootstrap_servers(),
        topic: "load".to_owned(),
        partitions: 6,
        interval: Duration::from_millis(20),
        value_size_bytes: 64,
        client: BTreeMap::new(),
    };
    let load = Load::start(settings, 99).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while load.history().totals().acked < 60 {
        assert!(
            std::time::Instant::now() < deadline,
            "{:?}",
            load.history().totals()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let history = load.stop(Duration::from_secs(10)).unwrap();
    let limit = Duration::from_secs(30);
    let read = read_topic(&cluster.bootstrap_servers(), "load", 6, limit).unwrap();
    let verdict = verify(99, &history, &read, Duplicates::Counted);
    assert!(verdict.is_clean(), "{verdict}");
    assert!(
        verdict.acked >= 60 && verdict.read >= verdict.acked,
        "{verdict}"
    );

    // The verifier must cry when an acknowledged record is missing from what was read.
    let mut cut = read;
    cut.get_mut(&3).unwrap().remove(2);
    assert_eq!(verify(99, &history, &cut, Duplicates::Counted).lost, 1);
}
