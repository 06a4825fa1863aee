//! One look at the balance of one cluster. Pure: time comes in as an argument.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{BalanceState, BalanceStatus, RebalanceMode, RebalanceScope};
use kintsugi_planner::Resource;

use super::armed::Armed;
use super::band::Band;
use super::left::Leftovers;
use super::measure::{Measured, Place, Use};
use super::own::{self, Own, version_of};
use super::words;
use crate::cluster::Cluster;
use crate::observe::Observed;
use crate::plan::{Announcement, ObjectVersion};
use crate::told::{self, Told};

/// How long after the end of a KafkaRebalance it is looked at what it has left: four half-lives of
/// the load model.
const SETTLE: SignedDuration = SignedDuration::from_secs(120);

/// What is remembered between looks.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What is out of its band.
    armed: Armed,
    /// What the last KafkaRebalance has left.
    left: Leftovers,
    /// How far out of its band what the last one was made for was then.
    begun: BTreeMap<Place, f64>,
    /// The scope of the KafkaRebalance that ended last, until it is looked at what it left.
    tried: Option<RebalanceScope>,
    /// Whether that was looked at, of the one that is there.
    is_reviewed: bool,
    /// Whether there was one at the last look.
    is_there: bool,
    /// When the last one ended.
    ended: Option<Timestamp>,
    /// What the status was last given.
    told: Told<BalanceStatus>,
}

/// What there is to say and to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancing {
    /// For the status.
    pub status: BalanceStatus,
    /// What is to be done.
    pub act: Option<Act>,
    /// Told once by an Event.
    pub news: Option<Announcement>,
    /// When a look is worth while at the latest.
    pub look_at: Option<Timestamp>,
    /// How far above the mean the fullest broker is, of resources of which enough is used to count.
    pub excess: BTreeMap<Resource, f64>,
}

/// An act on the operator's own KafkaRebalance.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Makes one of this scope.
    Create(RebalanceScope),
    /// Deletes it.
    Delete(ObjectVersion),
}

/// Decides what is to be done about the balance of `cluster` by what was `measured`; None where
/// people do it.
pub fn step(
    state: &mut State,
    cluster: &Cluster,
    observed: &Observed,
    measured: Result<&Measured, &String>,
    now: Timestamp,
) -> Option<Balancing> {
    if cluster.rebalance.mode == RebalanceMode::Manual {
        *state = State::default();
        return None;
    }
    let uses = measured.map(Measured::uses);
    let excess = uses.as_ref().map(|uses| excesses(uses)).unwrap_or_default();
    let found = judge(state, cluster, observed, uses, now);
    let status = BalanceStatus {
        state: found.state,
        since: found.since.map(told::seconds),
        reason: told::reason(&found.reason),
    };
    Some(Balancing {
        status: state.told.tell(status, words::says_the_same, now),
        act: found.act,
        news: found.news,
        look_at: found.look_at,
        excess,
    })
}

/// A [`Balancing`] in the making.
struct Found {
    state: BalanceState,
    since: Option<Timestamp>,
    reason: String,
    act: Option<Act>,
    news: Option<Announcement>,
    look_at: Option<Timestamp>,
}

impl Found {
    fn just(state: BalanceState, reason: String, act: Option<Act>) -> Self {
        Self {
            state,
            since: None,
            reason,
            act,
            news: None,
            look_at: None,
        }
    }

    fn uneven(since: Timestamp, reason: String) -> Self {
        Self {
            since: Some(since),
            ..Self::just(BalanceState::Uneven, reason, None)
        }
    }
}

fn judge(
    state: &mut State,
    cluster: &Cluster,
    observed: &Observed,
    uses: Result<Vec<Use>, &String>,
    now: Timestamp,
) -> Found {
    let band = Band::of(&cluster.rebalance);
    let own = own::find(cluster, observed, now);
    state.follow(&own, now);
    // What is over goes before the next one comes, whatever is measured.
    let (is_free, act) = match own {
        Own::Busy(standing, reason, act) => {
            state.armed.clear();
            return Found::just(standing, reason, act);
        }
        Own::Absent => (true, None),
        Own::Failed(one) => (false, Some((one, "it failed: the next one plans anew"))),
        Own::Completed(one) => {
            let is_cooled = state.cooled_at(&band).is_none_or(|at| at <= now);
            let why = "it is complete, and the next may come";
            (false, is_cooled.then_some((one, why)))
        }
    };
    let act = act.map(|(one, why)| Act::Delete(version_of(one, why)));
    let waits = own::waits_for(cluster, observed, now).map_or(Ok(()), Err);
    let uses = match waits.and_then(|()| uses.map_err(Clone::clone)) {
        Ok(uses) => uses,
        Err(why) => {
            state.armed.clear();
            return Found::just(BalanceState::Waiting, why, act);
        }
    };
    let news = state.review(&uses, &band, now);
    state.armed.look(&uses, &band, now);
    let mut found = state.decide(&uses, &band, cluster, is_free, now);
    found.act = act.or(found.act);
    found.news = found.news.or(news);
    found
}

impl State {
    /// Takes note of the own KafkaRebalance's coming and going.
    fn follow(&mut self, own: &Own<'_>, now: Timestamp) {
        match own {
            Own::Absent => {
                self.is_reviewed = false;
                if self.is_there {
                    self.ended.get_or_insert(now);
                }
            }
            Own::Busy(..) => {
                // Given up on its way, it has not shown that moves do not help.
                (self.ended, self.tried, self.is_reviewed) = (None, None, false);
            }
            Own::Completed(one) => {
                let ended = one.completed_since.or(self.ended);
                self.ended = Some(ended.unwrap_or(now));
                self.tried = Some(one.scope).filter(|_| !self.is_reviewed);
            }
            Own::Failed(_) => {
                self.ended = Some(now);
                // There is no plan, and a wider one would not be found either.
                self.tried = Some(RebalanceScope::Full);
            }
        }
        self.is_there = !matches!(own, Own::Absent);
    }

    fn cooled_at(&self, band: &Band) -> Option<Timestamp> {
        self.ended?.checked_add(band.cooldown).ok()
    }

    /// Looks at what the last KafkaRebalance has left, once that shows; and at whether what was left
    /// before is still the same. People are told where everything might be moved: leaderships that
    /// did not help are followed by more.
    fn review(&mut self, uses: &[Use], band: &Band, now: Timestamp) -> Option<Announcement> {
        let settle = SETTLE.min(band.cooldown);
        let shows = self
            .ended
            .is_some_and(|at| now.duration_since(at) >= settle);
        let Some(scope) = self.tried.filter(|_| shows) else {
            self.left.forget(uses, band, now);
            return None;
        };
        (self.tried, self.is_reviewed) = (None, true);
        self.left.take_stock(uses, scope, &self.begun, band, now);
        let worst = worst(uses.iter().filter(|one| band.is_out(one)))?;
        (scope == RebalanceScope::Full).then(|| announcement("LoadLeftUneven", words::left(worst)))
    }

    /// What to do about what is out of the band. One that is due begins if it `is_free` to.
    fn decide(
        &mut self,
        uses: &[Use],
        band: &Band,
        cluster: &Cluster,
        is_free: bool,
        now: Timestamp,
    ) -> Found {
        let is_armed = |one: &&Use| self.armed.has(&one.place);
        let armed: Vec<&Use> = uses.iter().filter(is_armed).collect();
        let since = self.armed.first();
        let (Some(worst_armed), Some(since)) = (worst(armed.iter().copied()), since) else {
            return Found::just(BalanceState::Even, words::even(band), None);
        };
        let is_open = |one: &&Use| !self.left.is_hopeless(&one.place);
        let open: Vec<&Use> = armed.into_iter().filter(is_open).collect();
        let Some(worst_open) = worst(open.iter().copied()) else {
            return Found::uneven(since, words::left(worst_armed));
        };
        let due_at = |one: &Use| self.due_at(&one.place, band);
        let is_due = |one: &&Use| band.is_out(one) && due_at(one).is_some_and(|at| at <= now);
        let due = worst(open.iter().copied().filter(is_due)).filter(|_| is_free);
        let Some(due) = due else {
            let at = open.iter().filter_map(|one| due_at(one)).min();
            let reason = words::expected(cluster, worst_open, at);
            return Found {
                look_at: at.filter(|at| *at > now),
                ..Found::uneven(since, reason)
            };
        };
        let scope = self.scope(&open);
        self.begun = open.iter().map(|one| (one.place, one.excess())).collect();
        let note = words::begun(cluster, due, scope, band);
        Found {
            act: Some(Act::Create(scope)),
            news: Some(announcement("LoadUneven", note.clone())),
            ..Found::uneven(since, note)
        }
    }

    /// When it will have been out of its band for long enough, and the cooldown is over.
    fn due_at(&self, place: &Place, band: &Band) -> Option<Timestamp> {
        let held = self.armed.since(place)?.checked_add(band.hold).ok()?;
        Some(self.cooled_at(band).map_or(held, |cooled| cooled.max(held)))
    }

    /// Leaderships where these may be enough: they cost nothing.
    fn scope(&self, open: &[&Use]) -> RebalanceScope {
        let follows_leaders = |one: &&Use| {
            let resource = one.place.resource;
            let is_led = matches!(resource, Resource::NetworkOut | Resource::Cpu);
            is_led && !self.left.was_tried(&one.place)
        };
        match open.iter().all(follows_leaders) {
            true => RebalanceScope::Leaders,
            false => RebalanceScope::Full,
        }
    }
}

fn worst<'a>(uses: impl Iterator<Item = &'a Use>) -> Option<&'a Use> {
    uses.max_by(|a, b| a.excess().total_cmp(&b.excess()))
}

fn excesses(uses: &[Use]) -> BTreeMap<Resource, f64> {
    let mut excesses = BTreeMap::new();
    for one in uses.iter().filter(|one| one.counts) {
        let most = excesses.entry(one.place.resource).or_insert(one.excess());
        *most = one.excess().max(*most);
    }
    excesses
}

fn announcement(reason: &'static str, note: String) -> Announcement {
    Announcement::of("balance", reason, note)
}
