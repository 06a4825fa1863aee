//! Answers to Metadata requests, held back while they would name a leader there is doubt about.
//!
//! A client asks about a millisecond after a broker's connection was reset, before any election.
//! An answer that still names the dead leader ends librdkafka's quick search and costs a second,
//! so such an answer waits for the delta that names another, but not for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kintsugi_metadata::{Image, TopicImage};
use kintsugi_types::{BrokerId, Time, TopicName};

use super::config::METADATA_HOLDS_MAX;
use crate::message::broker::{Command, MetadataView};

#[derive(Debug)]
struct Held {
    topics: Option<Vec<TopicName>>,
    until: Time,
}

/// Metadata requests that are held back.
#[derive(Debug, Default)]
pub(super) struct MetadataAnswers {
    held: BTreeMap<u64, Held>,
}

impl MetadataAnswers {
    pub fn ask(
        &mut self,
        until: Time,
        token: u64,
        topics: Option<Vec<TopicName>>,
        view: &Arc<MetadataView>,
        out: &mut Vec<Command>,
    ) {
        let is_full = self.held.len() >= METADATA_HOLDS_MAX;
        if is_full || !names_suspect(view, topics.as_deref()) {
            out.push(answer(token, view));
            return;
        }
        self.held.insert(token, Held { topics, until });
    }

    /// Answers those that are in no doubt any more, or that were held for long enough.
    pub fn release(&mut self, now: Time, view: &Arc<MetadataView>, out: &mut Vec<Command>) {
        self.held.retain(|token, held| {
            let is_held = now < held.until && names_suspect(view, held.topics.as_deref());
            if !is_held {
                out.push(answer(*token, view));
            }
            is_held
        });
    }

    pub fn next_wake(&self) -> Time {
        let ends = self.held.values().map(|held| held.until);
        ends.min().unwrap_or(Time::NEVER)
    }
}

fn answer(token: u64, view: &Arc<MetadataView>) -> Command {
    let view = Arc::clone(view);
    Command::AnswerMetadata { token, view }
}

/// Whether an answer about these topics would name a leader there is doubt about.
fn names_suspect(view: &MetadataView, topics: Option<&[TopicName]>) -> bool {
    let MetadataView { image, suspects } = view;
    if suspects.is_empty() {
        return false;
    }
    match topics {
        None => image
            .topics
            .values()
            .any(|topic| is_led_by(topic, suspects)),
        Some(names) => names_any(image, names, suspects),
    }
}

fn names_any(image: &Image, names: &[TopicName], suspects: &BTreeSet<BrokerId>) -> bool {
    let mut topics = names.iter().filter_map(|name| image.topic_named(name));
    topics.any(|topic| is_led_by(topic, suspects))
}

fn is_led_by(topic: &TopicImage, suspects: &BTreeSet<BrokerId>) -> bool {
    let mut leaders = topic.partitions.values().filter_map(|state| state.leader);
    leaders.any(|leader| suspects.contains(&leader))
}
