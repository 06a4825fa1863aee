//! Answers to Metadata requests, held back until every leader that they name is known to live.
//!
//! A client asks about a millisecond after a broker's connection was reset, before any election.
//! An answer that still names the dead leader ends librdkafka's quick search and costs a second,
//! so an answer waits for a sign of life of each leader ([`LifeSigns`]), and where there is
//! evidence against one, for the delta that names another; but not for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kintsugi_metadata::{Image, TopicImage};
use kintsugi_types::{BrokerId, MetadataOffset, Time, TopicName};

use super::config::METADATA_HOLDS_MAX;
use super::life_signs::{Asked, LifeSigns};
use crate::message::broker::{Command, MetadataView};

#[derive(Debug)]
struct Held {
    topics: Option<Vec<TopicName>>,
    until: Time,
    asked: Asked,
    /// Whom the answer would name, by this image.
    leaders: BTreeSet<BrokerId>,
    image: MetadataOffset,
}

impl Held {
    fn is_in_doubt(&self, now: Time, view: &MetadataView, signs: &LifeSigns) -> bool {
        !self.leaders.is_disjoint(&view.suspects)
            || self.unconfirmed(now, &view.image, signs).next().is_some()
    }

    fn unconfirmed<'a>(
        &'a self,
        now: Time,
        image: &'a Image,
        signs: &'a LifeSigns,
    ) -> impl Iterator<Item = BrokerId> + 'a {
        let is_confirmed =
            move |leader: &BrokerId| signs.is_confirmed(now, image, *leader, self.asked);
        let leaders = self.leaders.iter().copied();
        leaders.filter(move |leader| !is_confirmed(leader))
    }
}

/// Metadata requests that are held back.
#[derive(Debug)]
pub(super) struct MetadataAnswers {
    /// Whose answers these are: its own life needs no sign.
    this: BrokerId,
    held: BTreeMap<u64, Held>,
}

impl MetadataAnswers {
    pub const fn new(this: BrokerId) -> Self {
        Self {
            this,
            held: BTreeMap::new(),
        }
    }

    /// Takes a request, and answers it at once where nothing has to be waited for.
    pub fn ask(
        &mut self,
        now: Time,
        (token, topics): (u64, Option<Vec<TopicName>>),
        until: Time,
        view: &Arc<MetadataView>,
        signs: &mut LifeSigns,
        out: &mut Vec<Command>,
    ) {
        let leaders = leaders(&view.image, topics.as_deref(), self.this);
        let asked = signs.asked();
        for leader in &leaders {
            signs.want(&view.image, *leader, asked);
        }
        let held = Held {
            topics,
            until,
            asked,
            leaders,
            image: view.image.offset,
        };
        if self.held.len() < METADATA_HOLDS_MAX && held.is_in_doubt(now, view, signs) {
            self.held.insert(token, held);
        } else {
            out.push(answer(token, view));
        }
    }

    /// Answers those that are in no doubt any more, or that were held for long enough.
    pub fn release(
        &mut self,
        now: Time,
        view: &Arc<MetadataView>,
        signs: &mut LifeSigns,
        out: &mut Vec<Command>,
    ) {
        let image = &view.image;
        for held in self.held.values_mut() {
            if held.image != image.offset {
                held.image = image.offset;
                held.leaders = leaders(image, held.topics.as_deref(), self.this);
                for leader in &held.leaders {
                    signs.want(image, *leader, held.asked);
                }
            }
        }
        self.held.retain(|token, held| {
            if now < held.until && held.is_in_doubt(now, view, signs) {
                return true;
            }
            let unconfirmed: Vec<BrokerId> = held.unconfirmed(now, image, signs).collect();
            for leader in unconfirmed {
                signs.pass_over(now, image, leader);
            }
            out.push(answer(*token, view));
            false
        });
        if self.held.is_empty() {
            signs.rest();
        }
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

/// Whom an answer about these topics names as leaders, but for the broker that answers.
fn leaders(image: &Image, topics: Option<&[TopicName]>, this: BrokerId) -> BTreeSet<BrokerId> {
    let mut leaders = BTreeSet::new();
    let mut add = |topic: &Arc<TopicImage>| {
        let all = topic.partitions.values().filter_map(|state| state.leader);
        leaders.extend(all);
    };
    match topics {
        None => image.topics.values().for_each(&mut add),
        Some(names) => names
            .iter()
            .filter_map(|name| image.topic_named(name))
            .for_each(&mut add),
    }
    leaders.remove(&this);
    leaders
}
