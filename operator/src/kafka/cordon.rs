//! Whether a broker is given new replicas: its setting `cordoned.log.dirs` (KIP-1066), by
//! IncrementalAlterConfigs.

use std::collections::BTreeMap;

use super::incremental_alter_configs::{ConfigResource, Operation, alter_configs};
use super::{KafkaError, Session};

const CORDONED: &str = "cordoned.log.dirs";
/// All of a broker's directories.
const EVERY_DIRECTORY: &str = "*";

/// Has the quorum give a broker no new replicas, or lets it again. Ok also if it is so already.
///
/// # Errors
/// [`KafkaError`].
pub async fn set_cordoned(
    session: &Session,
    broker: i32,
    is_cordoned: bool,
) -> Result<(), KafkaError> {
    let operation = match is_cordoned {
        true => Operation::Set(EVERY_DIRECTORY.to_owned()),
        false => Operation::Delete,
    };
    let changes = BTreeMap::from([(CORDONED.to_owned(), operation)]);
    let resource = ConfigResource::Broker(broker);
    alter_configs(session, &BTreeMap::from([(resource, changes)]), &[]).await
}
