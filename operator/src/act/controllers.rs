//! What the active controller is asked to change.

use super::ActError;
use crate::http_client::HttpError;
use crate::observe::{add_voter, grant_generation, remove_voter};
use crate::plan::{Command, VoterChange};

/// Asks for the change of `command`, if it is one of a controller's. Controllers that know a secret
/// want to see its `token`.
pub async fn ask(command: &Command, token: Option<&str>) -> Result<(), ActError> {
    let (act, asked) = match command {
        Command::GrantGeneration {
            controller_ip,
            broker,
            generation,
        } => (
            format!("have generation {generation} of broker {broker} granted"),
            grant_generation(controller_ip, *broker, *generation, token).await,
        ),
        Command::RemoveVoter(change) => (
            format!("take controller {} from the quorum", change.controller),
            remove(change, token).await,
        ),
        Command::AddVoter(change) => (
            format!("let controller {} join the quorum", change.controller),
            add(change, token).await,
        ),
        _ => return Ok(()),
    };
    asked.map_err(|source| ActError::Controller { act, source })
}

async fn remove(change: &VoterChange, token: Option<&str>) -> Result<(), HttpError> {
    let ip = &change.controller_ip;
    remove_voter(ip, change.controller, change.directory, token).await
}

async fn add(change: &VoterChange, token: Option<&str>) -> Result<(), HttpError> {
    let ip = &change.controller_ip;
    add_voter(ip, change.controller, change.directory, token).await
}
