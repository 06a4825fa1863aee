//! Listeners, and what others are told of them.

use std::collections::BTreeMap;

use kintsugi_types::{ControllerId, Endpoint};

use super::SettingsError;
use super::values::Values;

/// Where the process listens, and where others are told to find it.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Clients.
    pub client: Endpoint,
    /// What clients are told.
    pub client_advertised: Endpoint,
    /// Other brokers.
    pub replication: Endpoint,
    /// What other brokers are told.
    pub replication_advertised: Endpoint,
    /// Controllers that look whether this broker lives.
    pub control: Endpoint,
    /// What controllers are told.
    pub control_advertised: Endpoint,
    /// Brokers and controllers, if this is a controller.
    pub controller: Endpoint,
    /// What they are told.
    pub controller_advertised: Endpoint,
    /// HTTP.
    pub http: Endpoint,
}

impl Endpoints {
    /// Reads them; `voter` is this controller's own entry among the voters.
    ///
    /// # Errors
    /// A [`SettingsError`] about the listener that is wrong.
    pub fn new(
        values: &Values,
        is_broker: bool,
        voter: Option<&Endpoint>,
    ) -> Result<Self, SettingsError> {
        let client = kafka_listener(values, "listeners")?;
        let client_advertised = match values.text("advertised.listeners") {
            Some(_) => kafka_listener(values, "advertised.listeners")?,
            None => client.clone(),
        };
        if is_broker && is_wildcard(&client_advertised.host) {
            return Err(SettingsError::Contradiction(format!(
                "clients would be told to connect to {client_advertised}, which is no address: set advertised.listeners=PLAINTEXT://host:{}",
                client_advertised.port
            )));
        }
        let host = &client_advertised.host;
        let (replication, replication_advertised) = pair(
            values,
            "kintsugi.replication.listener",
            "kintsugi.replication.advertised",
            host,
        )?;
        let (control, control_advertised) = pair(
            values,
            "kintsugi.control.listener",
            "kintsugi.control.advertised",
            host,
        )?;
        let (controller, mut controller_advertised) = pair(
            values,
            "kintsugi.controller.listener",
            "kintsugi.controller.advertised",
            host,
        )?;
        if let (None, Some(voter)) = (values.text("kintsugi.controller.advertised"), voter) {
            controller_advertised = voter.clone();
        }
        Ok(Self {
            client,
            client_advertised,
            replication,
            replication_advertised,
            control,
            control_advertised,
            controller,
            controller_advertised,
            http: values.parsed("kintsugi.http.listener")?,
        })
    }

    /// Checks that others can be told where a controller listens that is not among the voters.
    ///
    /// # Errors
    /// When its address is none.
    pub fn check_joining(&self, id: ControllerId) -> Result<(), SettingsError> {
        let advertised = &self.controller_advertised;
        if !is_wildcard(&advertised.host) {
            return Ok(());
        }
        Err(SettingsError::Contradiction(format!(
            "this controller's node.id {id} is not in controller.quorum.voters, and {advertised} is no address that others reach: set kintsugi.controller.advertised=host:{} if it joins a formed quorum, or add {id}@host:port to the voters of a new one",
            advertised.port
        )))
    }
}

/// The voters of `controller.quorum.voters`.
///
/// # Errors
/// A [`SettingsError`] about the entry that is wrong.
pub fn voters(values: &Values) -> Result<BTreeMap<ControllerId, Endpoint>, SettingsError> {
    values.required("controller.quorum.voters")?;
    let mut voters = BTreeMap::new();
    for entry in values.list("controller.quorum.voters") {
        let wrong = || SettingsError::Unparsable {
            name: "controller.quorum.voters",
            value: entry.to_owned(),
            expected: "entries such as 1000@controller-0.example:9093".to_owned(),
        };
        let (id, endpoint) = entry.split_once('@').ok_or_else(wrong)?;
        let id = ControllerId(id.parse().map_err(|_| wrong())?);
        let endpoint = endpoint.parse().map_err(|_| wrong())?;
        if voters.insert(id, endpoint).is_some() {
            return Err(SettingsError::Contradiction(format!(
                "controller.quorum.voters names controller {id} twice: give each its own id"
            )));
        }
    }
    Ok(voters)
}

fn pair(
    values: &Values,
    listener: &'static str,
    advertised: &'static str,
    host: &str,
) -> Result<(Endpoint, Endpoint), SettingsError> {
    let listener: Endpoint = values.parsed(listener)?;
    let advertised = match values.text(advertised) {
        Some(_) => values.parsed(advertised)?,
        None => Endpoint {
            host: host.to_owned(),
            port: listener.port,
        },
    };
    Ok((listener, advertised))
}

fn kafka_listener(values: &Values, name: &'static str) -> Result<Endpoint, SettingsError> {
    let wrong = |value: &str| SettingsError::Unparsable {
        name,
        value: value.to_owned(),
        expected: "one listener such as PLAINTEXT://0.0.0.0:9092".to_owned(),
    };
    let [listener] = values.list(name)[..] else {
        return Err(wrong(values.text(name).unwrap_or_default()));
    };
    let endpoint = listener
        .strip_prefix("PLAINTEXT://")
        .ok_or_else(|| wrong(listener))?;
    // Kafka takes an empty host for "every address".
    let endpoint = if endpoint.starts_with(':') {
        format!("0.0.0.0{endpoint}")
    } else {
        endpoint.to_owned()
    };
    endpoint.parse().map_err(|_| wrong(listener))
}

fn is_wildcard(host: &str) -> bool {
    matches!(host, "" | "0.0.0.0" | "::")
}
