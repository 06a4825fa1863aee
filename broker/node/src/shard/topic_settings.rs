//! A topic's own settings over the cluster's defaults.

use std::collections::BTreeMap;

use kintsugi_storage::LogConfig;

use super::config::TopicDefaults;

/// The settings in force for a topic. A value that cannot be read leaves the default in force: the
/// controller refuses such values, so none is expected here.
pub(super) fn topic_settings(
    configs: &BTreeMap<String, String>,
    defaults: &TopicDefaults,
) -> TopicDefaults {
    let mut settings = defaults.clone();
    let log = &mut settings.log;
    set(configs, "segment.bytes", &mut log.segment_bytes);
    log.segment_bytes = log.segment_bytes.clamp(1, LogConfig::SEGMENT_BYTES_MAX);
    set(configs, "segment.ms", &mut log.segment_ms);
    set(
        configs,
        "index.interval.bytes",
        &mut log.index_interval_bytes,
    );
    set(configs, "max.message.bytes", &mut log.max_message_bytes);
    set(configs, "min.insync.replicas", &mut settings.min_isr);
    set(configs, "flush.messages", &mut log.flush_messages);
    if let Some(value) = number(configs, "flush.ms") {
        log.flush_ms = (value < i64::MAX).then(|| u64::try_from(value).unwrap_or(0));
    }
    if let Some(value) = number(configs, "retention.ms") {
        log.retention_ms = (value >= 0).then_some(value);
    }
    if let Some(value) = number(configs, "retention.bytes") {
        log.retention_bytes = u64::try_from(value).ok();
    }
    let policy = configs
        .get("cleanup.policy")
        .map_or("delete", String::as_str);
    if !policy.split(',').any(|policy| policy.trim() == "delete") {
        // Compacted topics keep everything until there is compaction.
        log.retention_ms = None;
        log.retention_bytes = None;
    }
    settings
}

fn number(configs: &BTreeMap<String, String>, key: &str) -> Option<i64> {
    configs.get(key)?.trim().parse().ok()
}

fn set<T: TryFrom<i64>>(configs: &BTreeMap<String, String>, key: &str, setting: &mut T) {
    if let Some(value) = number(configs, key).and_then(|value| T::try_from(value).ok()) {
        *setting = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_own_settings_go_before_the_defaults() {
        let configs = [
            ("segment.bytes", "1024"),
            ("retention.ms", "-1"),
            ("retention.bytes", "4096"),
            ("min.insync.replicas", "3"),
            ("segment.ms", "not a number"),
        ];
        let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings = topic_settings(&configs.into(), &TopicDefaults::default());
        assert_eq!(settings.log.segment_bytes, 1024);
        assert_eq!(settings.log.retention_ms, None);
        assert_eq!(settings.log.retention_bytes, Some(4096));
        assert_eq!(settings.min_isr, 3);
        assert_eq!(settings.log.segment_ms, LogConfig::default().segment_ms);
    }

    #[test]
    fn a_compacted_topic_keeps_everything() {
        let configs = [("cleanup.policy".to_owned(), "compact".to_owned())];
        let settings = topic_settings(&configs.into(), &TopicDefaults::default());
        assert_eq!(settings.log.retention_ms, None);
    }
}
