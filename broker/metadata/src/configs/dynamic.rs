//! The settings of brokers that were changed while they run, as the image holds them.

use std::collections::BTreeMap;

use kintsugi_types::BrokerId;

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
