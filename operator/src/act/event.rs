//! Events: what people are told.
//!
//! Guarantees: one that cannot be published is logged and nothing waits for it longer than
//! [`EVENT_TIMEOUT`]; none is longer than the API accepts; what is said again in the same words is
//! counted in the first one's series, and other words are an Event of their own.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};

use crate::plan::Announcement;

/// Time for publishing one Event; Events are news, not acts, and never hold those up for longer.
const EVENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an Event's note that the API accepts.
const NOTE_BYTES_MAX: usize = 1024;
/// Bytes of an Event's action that the API accepts.
const ACTION_BYTES_MAX: usize = 128;

/// Publishes an Event about an object. One that cannot be published is logged: it must not stop
/// healing.
pub async fn announce(
    recorder: &Recorder,
    reference: &ObjectReference,
    announcement: &Announcement,
) {
    let reason = announcement.reason;
    let event = event(announcement);
    match tokio::time::timeout(EVENT_TIMEOUT, recorder.publish(&event, reference)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, reason, "failed to publish an Event"),
        Err(_) => tracing::warn!(reason, "publishing an Event timed out"),
    }
}

/// The Event that says it. The recorder folds Events of the same type, reason and action into one that
/// keeps the note of the first: so the action has the subject and a checksum of the note.
fn event(announcement: &Announcement) -> Event {
    let Announcement {
        reason,
        subject,
        note,
        warning,
    } = announcement;
    let checksum = crc32c::crc32c(note.as_bytes());
    Event {
        type_: if *warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: (*reason).to_owned(),
        note: Some(cut(note, NOTE_BYTES_MAX)),
        action: cut(
            &format!("{reason} {checksum:08x} {subject}"),
            ACTION_BYTES_MAX,
        ),
        secondary: None,
    }
}

/// As much of a text as has at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_other_words_are_not_folded_and_those_of_the_same_words_are() {
        let action = |note: &str| {
            let announcement = Announcement::of("brokers", "ScaledUp", note.to_owned());
            event(&announcement).action
        };
        assert_ne!(action("from 3 to 4"), action("from 4 to 5"));
        assert_eq!(action("from 3 to 4"), action("from 3 to 4"));
    }

    #[test]
    fn no_part_of_an_event_is_longer_than_the_api_accepts() {
        let subject = format!("{}-0", "t".repeat(249));
        let note = "\u{e9}".repeat(600);
        let event = event(&Announcement::of(&subject, "PartitionSkewed", note.clone()));
        assert_eq!(event.action.len(), ACTION_BYTES_MAX);
        assert_eq!(event.note.as_deref(), Some(&note[..NOTE_BYTES_MAX]));
        let checksum = crc32c::crc32c(note.as_bytes());
        let begin = format!("PartitionSkewed {checksum:08x} ttt");
        assert!(event.action.starts_with(&begin), "{}", event.action);
    }
}
