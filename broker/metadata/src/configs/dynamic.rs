//! The settings of brokers that were changed while they run, as the image holds them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kintsugi_types::BrokerId;

use super::broker::CORDONED_LOG_DIRS;
use super::topic::TOPIC_CONFIGS;

/// Settings by Kafka's names.
pub type Configs = BTreeMap<String, String>;

/// Where the value of a setting comes from that was changed while brokers run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// It is this broker's own.
    Broker,
    /// It is every broker's that has none of its own.
    AllBrokers,
}

/// The changed settings of brokers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DynamicConfigs {
    /// Of every broker that has none of its own.
    pub all_brokers: Configs,
    /// Of single brokers.
    pub brokers: BTreeMap<BrokerId, Configs>,
}

impl DynamicConfigs {
    /// The value of a broker's setting, if it was changed: its own, or that of all brokers.
    #[must_use]
    pub fn get(&self, broker: BrokerId, name: &str) -> Option<(&str, Origin)> {
        let own = self.brokers.get(&broker).and_then(|own| own.get(name));
        let own = own.map(|value| (value.as_str(), Origin::Broker));
        own.or_else(|| {
            let shared = self.all_brokers.get(name)?;
            Some((shared.as_str(), Origin::AllBrokers))
        })
    }

    /// Whether a broker takes no new replicas (KIP-1066).
    #[must_use]
    pub fn is_cordoned(&self, broker: BrokerId) -> bool {
        let cordoned = self.get(broker, CORDONED_LOG_DIRS);
        cordoned.is_some_and(|(directories, _)| directories.contains('*'))
    }

    /// What a broker goes by for a topic that sets `own`: that, and under the topic's names the
    /// broker's settings that were changed, where the topic sets nothing.
    #[must_use]
    pub fn for_topic<'a>(&self, broker: BrokerId, own: &'a Configs) -> Cow<'a, Configs> {
        let mut in_force = Cow::Borrowed(own);
        if self.all_brokers.is_empty() && !self.brokers.contains_key(&broker) {
            return in_force;
        }
        for config in TOPIC_CONFIGS {
            let changed = config
                .broker_setting
                .and_then(|name| self.get(broker, name));
            if let Some((value, _)) = changed.filter(|_| !own.contains_key(config.name)) {
                let in_force = in_force.to_mut();
                in_force.insert(config.name.to_owned(), value.to_owned());
            }
        }
        in_force
    }

    /// The settings of one broker, or of all; `None` if nothing was changed.
    #[must_use]
    pub fn of(&self, broker: Option<BrokerId>) -> Option<&Configs> {
        match broker {
            Some(broker) => self.brokers.get(&broker),
            None => Some(&self.all_brokers),
        }
    }

    /// Changes one setting; `None` removes it.
    pub fn set(&mut self, broker: Option<BrokerId>, name: &str, value: Option<&str>) {
        let configs = match broker {
            Some(broker) => self.brokers.entry(broker).or_default(),
            None => &mut self.all_brokers,
        };
        match value {
            Some(value) => configs.insert(name.to_owned(), value.to_owned()),
            None => configs.remove(name),
        };
        self.brokers.retain(|_, configs| !configs.is_empty());
    }
}
