use proptest::prelude::*;

use super::*;
use crate::{Counters, RequestTimes};

const JSON: &str = r#"{"broker":1,"start_seconds":1700000000.5,"uptime_ms":5000,"cpu_seconds":1.5,
"network_in_bytes":10,"network_out_bytes":20,"replication_in_bytes":30,"replication_out_bytes":40,
"disk_total_bytes":1000,"disk_usable_bytes":null,"columns":["partition","leader","size_bytes",
"log_start","log_end","high_watermark","bytes_in","messages_in","produce_requests","bytes_out",
"fetch_requests","replication_bytes_in","replication_bytes_out"],
"topics":[{"name":"t","partitions":[[7,1,100,1,9,8,10,11,12,13,14,15,16]]}]}"#;

const COUNTERS: Counters = Counters {
    bytes_in: 10.0,
    messages_in: 11.0,
    produce_requests: 12.0,
    bytes_out: 13.0,
    fetch_requests: 14.0,
    replication_bytes_out: 16.0,
};

#[test]
fn a_brokers_answer_is_read_whole() {
    let sample = load(JSON.as_bytes()).unwrap();
    assert_eq!(sample.start_seconds, Some(1_700_000_000.5));
    assert_eq!(sample.disk_usable_bytes, None);
    let partition = sample.topics[0].partitions[0];
    assert_eq!((partition.number, partition.is_leader), (7, true));
    assert_eq!((partition.log_end, partition.high_watermark), (9.0, 8.0));
    assert_eq!(partition.counters, Some(COUNTERS));
}

/// With how long producers' requests took.
fn with_times(times: &str) -> String {
    JSON.replace(
        "\"columns\"",
        &format!("\"produce_times\":{times},\"columns\""),
    )
}

#[test]
fn producers_times_are_read_where_they_are_told() {
    let told = with_times(r#"{"bounds_ms":[1,2.5],"counts":[7,0,1]}"#);
    let times = load(told.as_bytes()).unwrap().produce_times;
    let expected = RequestTimes {
        bounds_ms: vec![1.0, 2.5],
        counts: vec![7.0, 0.0, 1.0],
    };
    assert_eq!(times, Some(expected));
    assert_eq!(load(JSON.as_bytes()).unwrap().produce_times, None);
}

#[test]
fn buckets_that_are_none_are_refused_in_words() {
    let refused = |times: &str| {
        let answer = with_times(times);
        load(answer.as_bytes()).unwrap_err().to_string()
    };
    let buckets = "failed to read the load: produce_times has not 1 to 64 ascending bounds with a \
        count each and one above them";
    let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
    let many = format!(
        r#"{{"bounds_ms":[{}],"counts":[{},1]}}"#,
        many.join(","),
        many.join(",")
    );
    for times in [
        r#"{"bounds_ms":[],"counts":[1]}"#,
        r#"{"bounds_ms":[2,1],"counts":[1,1,1]}"#,
        r#"{"bounds_ms":[1,2],"counts":[1,1]}"#,
        &many,
    ] {
        assert_eq!(refused(times), buckets);
    }
    assert_eq!(
        refused(r#"{"bounds_ms":[1],"counts":[1,-1]}"#),
        "failed to read the load: counts of produce_times is -1"
    );
}

#[test]
fn answers_that_cannot_be_are_refused_in_words() {
    let refused = |answer: &str| load(answer.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        refused(&JSON.replace("[7,1,100", "[7,1,-100")),
        "failed to read the load: size_bytes is -100"
    );
    assert_eq!(
        refused(&JSON.replace("[7,1,100", "[7.5,1,100")),
        "failed to read the load: partition is 7.5"
    );
    assert_eq!(
        refused(&JSON.replace("\"cpu_seconds\":1.5", "\"cpu_seconds\":1e300")),
        format!(
            "failed to read the load: cpu_seconds is 1{}",
            "0".repeat(300)
        )
    );
    assert_eq!(
        refused(&JSON.replace("\"leader\"", "\"led\"")),
        "failed to read the load: its columns are not those of this version"
    );
    assert_eq!(
        refused(&JSON.replace("\"t\"", "\"\"")),
        "failed to read the load: a topic's name has 0 bytes"
    );
    assert_eq!(
        refused(&JSON.replace(",14,15,16]", "]")),
        "failed to read the load: fetch_requests is NaN"
    );
    assert_eq!(refused("[]"), "failed to read the load as JSON");
    let huge = " ".repeat(100 << 20);
    assert_eq!(
        refused(&huge),
        "failed to read the load: 104857600 bytes, at most 16777216 are read"
    );
}

#[test]
fn apache_kafkas_exporter_is_read_with_traffic_by_topic_and_leaders_by_their_isr() {
    let text = "# HELP process_cpu_seconds_total x\n# TYPE process_cpu_seconds_total counter\n\
        process_cpu_seconds_total 12.5\nprocess_start_time_seconds 1.7E9\n\
        kafka_server_brokertopicmetrics_bytesin_total 900.0\n\
        kafka_server_brokertopicmetrics_bytesin_total{topic=\"t\",} 500.0\n\
        kafka_server_brokertopicmetrics_messagesin_total{topic=\"t\"} 5.0\n\
        kafka_log_log_size{topic=\"t\",partition=\"0\",} 77.0 1395066363000\n\
        kafka_log_log_logendoffset{partition=\"0\",topic=\"t\"} 9.0\n\
        kafka_log_log_logendoffset{partition=\"1\",topic=\"t\"} 4.0\n\
        kafka_cluster_partition_insyncreplicascount{topic=\"t\",partition=\"0\"} 3.0\n\
        kafka_cluster_partition_insyncreplicascount{topic=\"t\",partition=\"1\"} 0.0\n\
        java_info{version=\"a \\\"quoted\\\" }{ one\",vendor=\"x\"} 1\n\
        jvm_nan NaN\n";
    let sample = jmx_exporter(text).unwrap();
    assert_eq!(sample.cpu_seconds, Some(12.5));
    assert_eq!(sample.network_in_bytes, Some(900.0));
    let topic = &sample.topics[0];
    let counters = topic.counters.unwrap();
    assert_eq!((counters.bytes_in, counters.messages_in), (500.0, 5.0));
    let leaders: Vec<_> = topic.partitions.iter().map(|p| p.is_leader).collect();
    assert_eq!(leaders, [true, false]);
    assert_eq!(topic.partitions[0].size_bytes, 77.0);
    assert_eq!(topic.partitions[0].high_watermark, 9.0);
}

#[test]
fn groups_and_their_offsets_are_read() {
    let answer = r#"{"groups":[{"id":"a \"b\"","members":2,"topics":
        [{"name":"t","partitions":[[0,10],[3,11]]}]}],"left_out":4}"#;
    let (groups, left_out) = group_offsets(answer.as_bytes()).unwrap();
    assert_eq!(left_out, 4);
    assert_eq!(groups[0].group, "a \"b\"");
    let offsets: Vec<_> = groups[0]
        .offsets
        .iter()
        .map(|(p, o)| (p.number, *o))
        .collect();
    assert_eq!(offsets, [(0, 10.0), (3, 11.0)]);
    let negative = answer.replace("[3,11]", "[-3,11]");
    assert!(group_offsets(negative.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "[a-z_]{0,9}\\{?[ -~]{0,40}\\}? ?[0-9.eE+-]{0,9}\n.{0,40}") {
        let _ = jmx_exporter(&text);
        let _ = load(text.as_bytes());
        let _ = group_offsets(text.as_bytes());
    }

    #[test]
    fn a_damaged_answer_is_read_or_refused(place in 0..JSON.len(), byte in any::<u8>()) {
        let mut damaged = JSON.as_bytes().to_vec();
        damaged[place] = byte;
        if let Ok(sample) = load(&damaged) {
            for partition in sample.topics.iter().flat_map(|topic| &topic.partitions) {
                let values = partition.counters.unwrap().values();
                prop_assert!(values.iter().all(|value| (0.0..=VALUE_MAX).contains(value)));
            }
        }
    }
}
