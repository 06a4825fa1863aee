//! What the quorum is asked to change about brokers, by Kafka's protocol through one of them.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::ActError;
use crate::kafka::{KafkaError, Session, cluster_id, set_cordoned, unregister_broker};
use crate::plan::{BrokerChange, Command};

/// What is asked later than this after its decision is not asked: such a change names no version
/// that it depends on, and less than the time that a lease is renewed before its end, so that no
/// other operator can have acted since.
const AGE_MAX: SignedDuration = SignedDuration::from_secs(4);

/// Asks for the change of `command`, if it is one about a broker.
pub async fn ask(command: &Command) -> Result<(), ActError> {
    let (Command::Cordon(change) | Command::Uncordon(change) | Command::Unregister(change)) =
        command
    else {
        return Ok(());
    };
    let age = Timestamp::now().duration_since(change.decided);
    if age.abs() > AGE_MAX {
        let act = format!("change broker {}", change.broker);
        return Err(ActError::Conflict { act });
    }
    let (act, asked) = match command {
        Command::Cordon(_) => (
            format!("cordon broker {}", change.broker),
            cordon(change, true).await,
        ),
        Command::Uncordon(_) => (
            format!("uncordon broker {}", change.broker),
            cordon(change, false).await,
        ),
        _ => (
            format!("unregister broker {}", change.broker),
            unregister(change).await,
        ),
    };
    asked.map_err(|source| ActError::Kafka {
        act,
        source: Box::new(source),
    })
}

async fn cordon(change: &BrokerChange, is_cordoned: bool) -> Result<(), KafkaError> {
    set_cordoned(&open(change).await?, change.broker, is_cordoned).await
}

async fn unregister(change: &BrokerChange) -> Result<(), KafkaError> {
    unregister_broker(&open(change).await?, change.broker).await
}

/// A session with the broker that passes the change on. An address may have been given to a pod of
/// another cluster since it was observed.
async fn open(change: &BrokerChange) -> Result<Session, KafkaError> {
    let session = Session::open(&change.through).await?;
    let found = cluster_id(&session).await?;
    if found != change.cluster_id {
        return Err(KafkaError::OtherCluster {
            endpoint: change.through.clone(),
            found,
            expected: change.cluster_id.clone(),
        });
    }
    Ok(session)
}
