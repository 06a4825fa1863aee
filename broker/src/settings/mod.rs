//! The settings of the process: read once at the start, checked whole before anything else runs.
//!
//! Guarantees: a [`Settings`] is complete and consistent. Names are Kafka's where Kafka has one;
//! names that nobody knows are kept for a warning and otherwise ignored, as Kafka does.

mod definition;
mod dev;
mod endpoints;
mod limits;
mod properties;
mod table;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kintsugi_types::{
    BrokerId, ClusterId, ControllerId, Endpoint, Generation, ParseClusterIdError, Rack,
};

pub use dev::dev_values;
pub use endpoints::Endpoints;
pub use properties::{FILE_BYTES_MAX, parse as parse_properties, parse_override};
pub use table::{all as all_definitions, find as definition};
pub use values::{Source, Values};

/// Why the settings are of no use.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no start without this one.
    #[error("failed to read settings: {name} is missing. {doc}")]
    Missing {
        /// The setting.
        name: &'static str,
        /// What it is for.
        doc: &'static str,
    },
    /// A value that its type does not accept.
    #[error("failed to read settings: {name}={value} is not legal: give {expected}. {doc}")]
    Illegal {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is legal.
        expected: String,
        /// What it is for.
        doc: &'static str,
    },
    /// A value that could not be read.
    #[error("failed to read settings: {name}={value}: expected {expected}")]
    Unparsable {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is expected.
        expected: String,
    },
    /// The cluster id is not one.
    #[error("failed to read settings: cluster.id={value}")]
    ClusterId {
        /// What was given.
        value: String,
        /// What is wrong with it.
        #[source]
        source: ParseClusterIdError,
    },
    /// Two settings contradict each other.
    #[error("failed to read settings: {0}")]
    Contradiction(String),
}

/// Everything that the process is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The broker's id, if this process is one.
    pub broker: Option<BrokerId>,
    /// The controller's id, if this process is one.
    pub controller: Option<ControllerId>,
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// The broker's generation.
    pub generation: Generation,
    /// The broker's rack.
    pub rack: Option<Rack>,
    /// Where partitions lie.
    pub log_directory: PathBuf,
    /// Where the controller's journal lies.
    pub metadata_directory: PathBuf,
    /// Every voter of the quorum.
    pub voters: BTreeMap<ControllerId, Endpoint>,
    /// Where the process listens and what it advertises.
    pub endpoints: Endpoints,
    /// How many event loops own partitions.
    pub shards: u16,
    /// How many threads serve sockets.
    pub network_threads: usize,
    /// The rest, by name.
    pub values: Values,
}

/// The directory of the controller's journal within the metadata directory, as Kafka names it.
const METADATA_DIRECTORY: &str = "__cluster_metadata-0";

impl Settings {
    /// Checks what was given; `cores` is how many threads the machine runs at once.
    ///
    /// # Errors
    /// A [`SettingsError`] that says what to do.
    pub fn new(given: BTreeMap<String, String>, cores: usize) -> Result<Self, SettingsError> {
        let values = Values::check(given)?;
        let (is_broker, is_controller) = roles(&values)?;
        let node: i32 = values.parsed("node.id")?;
        let voters = endpoints::voters(&values)?;
        let controller = is_controller.then_some(ControllerId(node));
        let log_directory = log_directory(&values)?;
        let metadata_directory = values
            .text("metadata.log.dir")
            .map_or_else(|| log_directory.clone(), PathBuf::from)
            .join(METADATA_DIRECTORY);
        let cluster = values.required("cluster.id")?;
        let endpoints = Endpoints::new(
            &values,
            is_broker,
            controller.and_then(|id| voters.get(&id)),
        )?;
        // One that joins later: nobody knows its address from the settings.
        if let Some(id) = controller.filter(|id| !voters.contains_key(id)) {
            endpoints.check_joining(id)?;
        }
        Ok(Self {
            broker: is_broker.then_some(BrokerId(node)),
            controller,
            cluster: cluster.parse().map_err(|source| SettingsError::ClusterId {
                value: cluster.to_owned(),
                source,
            })?,
            generation: Generation(values.parsed("kintsugi.generation")?),
            rack: values.text("broker.rack").map(|rack| Rack(rack.into())),
            log_directory,
            metadata_directory,
            endpoints,
            voters,
            shards: count_or(values.parsed("kintsugi.shards")?, cores.min(64)),
            network_threads: count_or(values.parsed("num.network.threads")?, cores.min(4)).into(),
            values,
        })
    }

    /// A whole number that has a default; legality was checked before.
    pub fn number(&self, name: &'static str) -> i64 {
        self.values.parsed(name).unwrap_or_default()
    }

    /// A count of bytes or things that has a default.
    pub fn size(&self, name: &'static str) -> usize {
        usize::try_from(self.number(name)).unwrap_or_default()
    }

    /// A number of milliseconds that has a default.
    pub fn millis(&self, name: &'static str) -> Duration {
        Duration::from_millis(u64::try_from(self.number(name)).unwrap_or_default())
    }

    /// A switch that has a default.
    pub fn is_on(&self, name: &'static str) -> bool {
        self.values.text(name) == Some("true")
    }
}

fn roles(values: &Values) -> Result<(bool, bool), SettingsError> {
    values.required("process.roles")?;
    let (mut is_broker, mut is_controller) = (false, false);
    for role in values.list("process.roles") {
        match role {
            "broker" => is_broker = true,
            "controller" => is_controller = true,
            other => {
                return Err(SettingsError::Contradiction(format!(
                    "process.roles names {other:?}: give broker, controller, or broker,controller"
                )));
            }
        }
    }
    Ok((is_broker, is_controller))
}

fn log_directory(values: &Values) -> Result<PathBuf, SettingsError> {
    values.required("log.dirs")?;
    match values.list("log.dirs").as_slice() {
        [one] => Ok(PathBuf::from(one)),
        several => Err(SettingsError::Contradiction(format!(
            "log.dirs names {} directories: give one, and one volume to each broker",
            several.len()
        ))),
    }
}

fn count_or(given: usize, default: usize) -> u16 {
    let count = if given == 0 { default } else { given };
    u16::try_from(count).unwrap_or(u16::MAX).max(1)
}

#[cfg(test)]
mod tests;
