//! Broker settings that follow from the resource's own fields, so `spec.config` may not set them.

/// Settings that the operator writes itself. The CEL rule on `spec.config` lists the same keys;
/// a test compares them.
pub const OPERATOR_OWNED_KEYS: [&str; 12] = [
    "process.roles",
    "node.id",
    "broker.id",
    "cluster.id",
    "log.dir",
    "log.dirs",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "broker.rack",
    "controller.quorum.voters",
];

/// Kintsugi's own settings start with this; all of them are the operator's but
/// [`USER_KINTSUGI_KEYS`].
pub const KINTSUGI_PREFIX: &str = "kintsugi.";

/// Settings under [`KINTSUGI_PREFIX`] that a user may set.
pub const USER_KINTSUGI_KEYS: [&str; 1] = ["kintsugi.shards"];

/// Whether only the operator may set `key`.
pub fn is_operator_owned(key: &str) -> bool {
    OPERATOR_OWNED_KEYS.contains(&key)
        || (key.starts_with(KINTSUGI_PREFIX) && !USER_KINTSUGI_KEYS.contains(&key))
}
