//! How volumes filled, kept over restarts.

use k8s_openapi::jiff::Timestamp;
use kintsugi_forecast::storage::FillModel;
use serde::{Deserialize, Serialize};

use super::step::State;
use crate::learned::LearnedError;
use crate::names::{Member, Role};

/// Volumes that are remembered: as many as a cluster has brokers.
pub const VOLUMES_MAX: usize = 100;

/// How far the clock of another machine may be ahead.
const CLOCKS_APART_MS: i64 = 60_000;

/// One volume's use. Another layout takes another version of [`crate::learned::Part::Storage`].
#[derive(Serialize, Deserialize)]
struct Kept {
    broker: i32,
    generation: u64,
    fill: FillModel,
}

/// As bytes; None where nothing was seen.
pub fn keep(state: &State) -> Option<Result<Vec<u8>, LearnedError>> {
    let kept: Vec<Kept> = state
        .fills
        .iter()
        .map(|(member, fill)| Kept {
            broker: member.id,
            generation: member.generation,
            fill: fill.clone(),
        })
        .collect();
    (!kept.is_empty()).then(|| postcard::to_allocvec(&kept).map_err(LearnedError::from))
}

/// The state that goes on with `payload`, and what it knows, in words.
///
/// # Errors
/// [`LearnedError`] for what cannot have been kept.
pub fn take_up(payload: &[u8], now: Timestamp) -> Result<(State, String), LearnedError> {
    let kept: Vec<Kept> = postcard::from_bytes(payload)?;
    let latest_ms = now.as_millisecond() + CLOCKS_APART_MS;
    let is_sound = |one: &Kept| one.fill.is_sound() && one.fill.newest_ms() <= Some(latest_ms);
    if kept.len() > VOLUMES_MAX || !kept.iter().all(is_sound) {
        return Err(LearnedError::Numbers("how volumes filled"));
    }
    let hours = kept.iter().map(|one| one.fill.hours()).max().unwrap_or(0);
    let what = format!("how {} volumes filled, over {hours} h at most", kept.len());
    let fills = kept.into_iter().map(|one| {
        let member = Member {
            role: Role::Broker,
            id: one.broker,
            generation: one.generation,
        };
        (member, one.fill)
    });
    Ok((State::going_on(fills.collect()), what))
}
