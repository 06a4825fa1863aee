//! What the partitions of topics that grow by load are decided by.

use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};

use super::set;
use crate::topic::growth::Growth;
use crate::topic::validate::Topic;

/// Which numbers of partitions are shown, in the order of [`Figures::partitions`].
///
/// [`Figures::partitions`]: crate::topic::growth::Figures::partitions
const SIZES: [&str; 3] = ["present", "wanted", "max"];

/// Metrics of each KafkaTopic with `spec.partitionGrowth`, by its name.
pub struct PartitionGrowths {
    partitions: IntGaugeVec,
    bytes_per_second: GaugeVec,
}

impl PartitionGrowths {
    /// Registers them.
    ///
    /// # Errors
    /// When two carry the same name.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let partitions = IntGaugeVec::new(
            Opts::new(
                "kintsugi_operator_topic_partitions",
                "Partitions of KafkaTopics that grow by load: that there are (present), as the load asks for (wanted), and at most (max).",
            ),
            &["namespace", "topic", "size"],
        )?;
        let bytes_per_second = GaugeVec::new(
            Opts::new(
                "kintsugi_operator_topic_bytes_per_second",
                "Bytes that producers append each second to KafkaTopics that grow by load; absent while that is not known.",
            ),
            &["namespace", "topic"],
        )?;
        registry.register(Box::new(partitions.clone()))?;
        registry.register(Box::new(bytes_per_second.clone()))?;
        Ok(Self {
            partitions,
            bytes_per_second,
        })
    }

    /// Shows what was found.
    pub fn show(&self, topic: &Topic, growth: &Growth) {
        let (namespace, name) = (topic.namespace.as_str(), topic.name.as_str());
        for (size, count) in SIZES
            .into_iter()
            .zip(growth.figures.partitions.into_iter().flatten())
        {
            let gauge = self.partitions.with_label_values(&[namespace, name, size]);
            gauge.set(count.into());
        }
        let bytes = growth.figures.bytes_per_second;
        set(&self.bytes_per_second, &[namespace, name], bytes);
    }

    /// Shows a topic no longer, so that labels do not pile up.
    pub fn forget(&self, namespace: &str, topic: &str) {
        for size in SIZES {
            // Absent is fine: people may choose the number.
            let _ = self
                .partitions
                .remove_label_values(&[namespace, topic, size]);
        }
        set(&self.bytes_per_second, &[namespace, topic], None);
    }
}
