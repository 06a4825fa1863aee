//! What Events say of the steps by which a broker is removed.

use super::Command;

/// Reason, subject and note; None for any other command.
pub(super) fn told(command: &Command) -> Option<(&'static str, String, String)> {
    Some(match command {
        Command::Cordon(change) => (
            "BrokerCordoned",
            broker(change.broker),
            format!("Broker {} is given no new replicas", change.broker),
        ),
        Command::Uncordon(change) => (
            "BrokerUncordoned",
            broker(change.broker),
            format!("Broker {} may be given new replicas again", change.broker),
        ),
        Command::Unregister(change) => (
            "BrokerUnregistered",
            broker(change.broker),
            format!("The quorum has forgotten broker {}", change.broker),
        ),
        Command::CreateRebalance(rebalance) => {
            let name = rebalance.metadata.name.clone().unwrap_or_default();
            let note = format!("Created KafkaRebalance {name}");
            ("RebalanceCreated", name, note)
        }
        Command::StopRebalance(object) => (
            "RebalanceStopped",
            object.name.clone(),
            format!("Stopped KafkaRebalance {}: {}", object.name, object.why),
        ),
        Command::DeleteRebalance(object) => (
            "RebalanceDeleted",
            object.name.clone(),
            format!("Deleted KafkaRebalance {}: {}", object.name, object.why),
        ),
        Command::DeleteVolume(object) => (
            "VolumeDeleted",
            object.name.clone(),
            format!("Deleted volume claim {}: {}", object.name, object.why),
        ),
        _ => return None,
    })
}

fn broker(id: i32) -> String {
    format!("broker-{id}")
}
