//! What outlives the process that has learned it.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::Autoscaling;
use kintsugi_forecast::{Direction, Scaler};
use serde::{Deserialize, Serialize};

use super::settings::settings;
use super::step::State;
use crate::learned::LearnedError;
use crate::told::seconds;

/// What is kept of a cluster's sizes. Another layout takes another version of
/// [`crate::learned::Part::Autoscaling`].
#[derive(Serialize, Deserialize)]
struct Kept {
    scaler: Scaler,
    /// The change that is under way: which way, and since when, in milliseconds.
    begun: Option<(Direction, i64)>,
}

/// As bytes; None where nothing was learned.
pub fn keep(state: &State) -> Option<Result<Vec<u8>, LearnedError>> {
    let scaler = state.scaler()?.clone();
    let begun = state.begun();
    let kept = Kept {
        scaler,
        begun: begun.map(|(direction, since)| (direction, since.as_millisecond())),
    };
    Some(postcard::to_allocvec(&kept).map_err(LearnedError::from))
}

/// The state that goes on with `payload`, and what it knows, in words.
///
/// # Errors
/// [`LearnedError`] for what cannot have been kept.
pub fn take_up(
    payload: &[u8],
    autoscaling: &Autoscaling,
    now: Timestamp,
) -> Result<(State, String), LearnedError> {
    let kept: Kept = postcard::from_bytes(payload)?;
    let settings = settings(autoscaling);
    let scaler = Scaler::resume(kept.scaler, settings.clone(), now.as_millisecond())?;
    let time = |at_ms| Timestamp::from_millisecond(at_ms).ok();
    let words = |at_ms: Option<i64>| at_ms.and_then(time).map(seconds);
    let begun = kept.begun.and_then(|(direction, since_ms)| {
        let since = time(since_ms).filter(|since| *since <= now)?;
        Some((direction, since))
    });
    let learned = words(scaler.learned_since_ms());
    let mut what = match learned {
        Some(since) => format!("the load is known since {since}"),
        None => "less than a minute of load is known".to_owned(),
    };
    what += &match words(scaler.observed_since_ms()) {
        Some(since) => format!(", and observed without a pause since {since}"),
        None => "; it was not observed for a while, so nothing shrinks before a whole window was"
            .to_owned(),
    };
    Ok((State::going_on(settings, scaler, begun), what))
}

#[cfg(test)]
mod tests {
    use kintsugi_forecast::Settings;

    use super::*;

    /// A field more or less changes how many bytes a scaler has that has seen nothing.
    #[test]
    fn a_layout_that_changed_takes_another_version() {
        let kept = Kept {
            scaler: Scaler::new(Settings::default()).unwrap(),
            begun: None,
        };
        let bytes = postcard::to_allocvec(&kept).unwrap().len();
        assert_eq!(
            bytes, 200_248,
            "raise the version of Part::Autoscaling, then put this number here"
        );
    }
}
