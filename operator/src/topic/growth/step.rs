//! One look at the load of one topic. Pure: time comes in as an argument.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{
    KafkaTopicStatus, PartitionGrowth, PartitionGrowthState, PartitionGrowthStatus,
};
use uuid::Uuid;

use super::pressure::{Demand, Pressure, hold};
use super::sample::Sample;
use super::words;
use crate::plan::Announcement;
use crate::told::{self, Told};
use crate::topic::observe::TopicView;

/// The setting that says what becomes of old records, and its word that keeps the last of each key.
const CLEANUP_POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";

/// What is remembered between looks.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The topic, and how many partitions it had at the last look.
    known: Option<(Uuid, i32)>,
    /// When partitions were last seen to have been added, and why they were.
    grown: Option<(Timestamp, Option<String>)>,
    /// What was last decided: how many partitions, and why.
    begun: Option<(i32, String)>,
    pressure: Pressure,
    /// Where it stood when people were last told, and the number that was told.
    announced: Option<(&'static str, i32)>,
    /// What the status was last given.
    told: Told<PartitionGrowthStatus>,
}

/// What there is to say and to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// For the status.
    pub status: PartitionGrowthStatus,
    /// To how many partitions the topic is to grow, and why.
    pub to: Option<(i32, String)>,
    /// Told once by an Event.
    pub news: Option<Announcement>,
    /// When a look is worth while at the latest.
    pub look_at: Option<Timestamp>,
    /// For metrics.
    pub figures: Figures,
}

/// What decisions go by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Partitions that there are, that the load asks for, and that there may be.
    pub partitions: Option<[i32; 3]>,
    /// Bytes that producers append to the topic each second, where that is known.
    pub bytes_per_second: Option<f64>,
}

impl Growth {
    /// Nothing is decided, and why.
    pub fn waiting(reason: String) -> Self {
        Found::just(PartitionGrowthState::Waiting, reason).told()
    }
}

/// A [`Growth`] in the making.
struct Found {
    state: PartitionGrowthState,
    reason: String,
    wanted: Option<i32>,
    since: Option<Timestamp>,
    to: Option<(i32, String)>,
    news: Option<Announcement>,
    look_at: Option<Timestamp>,
}

impl Found {
    fn just(state: PartitionGrowthState, reason: String) -> Self {
        Self {
            state,
            reason,
            wanted: None,
            since: None,
            to: None,
            news: None,
            look_at: None,
        }
    }

    fn told(self) -> Growth {
        Growth {
            status: PartitionGrowthStatus {
                state: self.state,
                wanted_partitions: self.wanted,
                since: self.since.map(told::seconds),
                reason: told::reason(&self.reason),
                last_growth_time: None,
                last_growth_reason: None,
            },
            to: self.to,
            news: self.news,
            look_at: self.look_at,
            figures: Figures::default(),
        }
    }
}

/// Decides what is to be done about the partitions of the topic that was seen as `view`, by what was
/// `measured`. `written` is the KafkaTopic's status as it stands.
pub fn step(
    state: &mut State,
    settings: &PartitionGrowth,
    view: &TopicView,
    written: Option<&KafkaTopicStatus>,
    measured: Result<Sample, String>,
    now: Timestamp,
) -> Growth {
    state.follow(view, written, now);
    let partitions = view.description.partitions;
    let bytes_per_second = measured.as_ref().ok().map(|sample| sample.bytes_per_second);
    let found = state.judge(settings, view, measured, now);
    let wanted = found.wanted.unwrap_or(partitions);
    let mut growth = found.told();
    growth.figures = Figures {
        partitions: Some([partitions, wanted, settings.max_partitions]),
        bytes_per_second,
    };
    if let Some((at, why)) = &state.grown {
        growth.status.last_growth_time = Some(told::seconds(*at));
        growth.status.last_growth_reason = why.as_deref().map(told::reason);
    }
    growth.status = state.told.tell(growth.status, words::says_the_same, now);
    growth
}

impl State {
    /// Something else is the matter: what was seen before says nothing of what comes after it.
    pub fn interrupt(&mut self) {
        self.pressure.clear();
    }

    /// Takes note of how many partitions there are. A number that rose, by whomever, begins the
    /// cooldown, and what was seen before is over.
    fn follow(&mut self, view: &TopicView, written: Option<&KafkaTopicStatus>, now: Timestamp) {
        let (id, partitions) = (view.description.id, view.description.partitions);
        if self.known.is_some_and(|(known, _)| known != id) {
            *self = Self::default();
        }
        let before = match self.known {
            Some((_, before)) => Some(before),
            None => self.take_back(id, written),
        };
        self.known = Some((id, partitions));
        let Some(before) = before.filter(|before| partitions > *before) else {
            return;
        };
        let begun = self.begun.take().filter(|(to, _)| *to == partitions);
        let why = begun.map_or_else(
            || words::grown_otherwise(before, partitions),
            |(_, why)| why,
        );
        self.grown = Some((now, Some(why)));
        self.announced = None;
        self.pressure.clear();
    }

    /// What an operator before has written of the same topic: how many partitions it saw.
    fn take_back(&mut self, id: Uuid, written: Option<&KafkaTopicStatus>) -> Option<i32> {
        let written = written.filter(|status| status.topic_id == Some(id.to_string()))?;
        if let Some(growth) = &written.partition_growth {
            let at = growth.last_growth_time.as_ref();
            let at = at.and_then(|at| at.parse().ok());
            self.grown = at.map(|at| (at, growth.last_growth_reason.clone()));
        }
        written.partitions
    }

    fn judge(
        &mut self,
        settings: &PartitionGrowth,
        view: &TopicView,
        measured: Result<Sample, String>,
        now: Timestamp,
    ) -> Found {
        let partitions = view.description.partitions;
        let policy = view.config.get(CLEANUP_POLICY);
        if policy.is_some_and(|policy| policy.contains(COMPACT)) {
            self.pressure.clear();
            return Found::just(PartitionGrowthState::Refused, words::compacted());
        }
        let sample = match measured {
            Ok(sample) => sample,
            Err(why) => {
                self.pressure.clear();
                return Found::just(PartitionGrowthState::Waiting, why);
            }
        };
        self.pressure.look(&sample, settings, partitions, now);
        let demands = self.pressure.demands(settings, partitions);
        let Some(largest) = largest(&demands) else {
            self.announced = None;
            let words = words::enough(&sample, settings, partitions);
            return Found::just(PartitionGrowthState::Enough, words);
        };
        let since = demands.iter().map(|demand| demand.since).min();
        let is_due = |demand: &&Demand| due_at(demand, settings) <= now;
        let due: Vec<Demand> = demands.iter().filter(is_due).cloned().collect();
        let found = match self::largest(&due) {
            _ if partitions >= settings.max_partitions => {
                self.at_maximum(settings, largest, !due.is_empty())
            }
            None => self.expect(settings, &demands, largest),
            Some(demand) => self.on_due(settings, partitions, demand, now),
        };
        Found { since, ..found }
    }

    /// The load asks for more than there may be.
    fn at_maximum(&mut self, settings: &PartitionGrowth, largest: &Demand, is_due: bool) -> Found {
        let reason = words::at_maximum(&largest.words, settings.max_partitions);
        let news = is_due.then_some(("PartitionsAtMaximum", settings.max_partitions));
        Found {
            wanted: Some(largest.partitions),
            news: news.and_then(|news| self.announce(news, &reason)),
            ..Found::just(PartitionGrowthState::AtMaximum, reason)
        }
    }

    /// It has not lasted for long enough yet.
    fn expect(&self, settings: &PartitionGrowth, demands: &[Demand], largest: &Demand) -> Found {
        let first = demands.iter().map(|demand| due_at(demand, settings)).min();
        let at = first.max(self.cooled_at(settings));
        let to = largest.partitions.min(settings.max_partitions);
        let reason = match at {
            Some(at) if !settings.dry_run => words::expected(&largest.words, to, at),
            _ => words::dry_run(&largest.words, to),
        };
        Found {
            wanted: Some(largest.partitions),
            look_at: at,
            ..Found::just(PartitionGrowthState::TooFew, reason)
        }
    }

    /// It has lasted for long enough.
    fn on_due(
        &mut self,
        settings: &PartitionGrowth,
        partitions: i32,
        demand: &Demand,
        now: Timestamp,
    ) -> Found {
        let to = demand.partitions.min(settings.max_partitions);
        let too_few = |reason| Found {
            wanted: Some(demand.partitions),
            ..Found::just(PartitionGrowthState::TooFew, reason)
        };
        let cooled = self.cooled_at(settings).filter(|at| *at > now);
        if let Some((at, (grown, _))) = cooled.zip(self.grown.as_ref()) {
            return Found {
                look_at: Some(at),
                ..too_few(words::cooling(&demand.words, *grown, at))
            };
        }
        if settings.dry_run {
            let reason = words::dry_run(&demand.words, to);
            let news = self.announce(("PartitionsWouldGrow", to), &reason);
            return Found {
                news,
                ..too_few(reason)
            };
        }
        let why = words::grown(partitions, to, &demand.words);
        self.begun = Some((to, why.clone()));
        Found {
            to: Some((to, why.clone())),
            ..too_few(why)
        }
    }

    fn cooled_at(&self, settings: &PartitionGrowth) -> Option<Timestamp> {
        let (grown, _) = self.grown.as_ref()?;
        let cooldown = SignedDuration::from_secs(settings.cooldown_seconds.into());
        grown.checked_add(cooldown).ok()
    }

    /// An Event of this reason, once for each number.
    fn announce(&mut self, news: (&'static str, i32), note: &str) -> Option<Announcement> {
        let is_news = self.announced != Some(news);
        self.announced = Some(news);
        is_news
            .then(|| Announcement::of(&format!("partitions {}", news.1), news.0, note.to_owned()))
    }
}

fn due_at(demand: &Demand, settings: &PartitionGrowth) -> Timestamp {
    let held = demand.since.checked_add(hold(settings));
    held.unwrap_or(Timestamp::MAX)
}

fn largest(demands: &[Demand]) -> Option<&Demand> {
    demands.iter().max_by_key(|demand| demand.partitions)
}
