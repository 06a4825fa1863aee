//! Stabilization windows, scaling policies and limits, with the memory that they need.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::behavior::{Behavior, PolicyKind, ScalingRules, SelectPolicy};

/// Recommendations and events that are kept: an hour (the longest window) of one each second.
const MAX_REMEMBERED: usize = 3_600;

/// What kept a size from being what the metrics asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// A lower recommendation within the scale-up window.
    ScaleUpStabilized,
    /// A higher recommendation within the scale-down window.
    ScaleDownStabilized,
    /// The scale-up policies.
    ScaleUpLimit,
    /// The scale-down policies.
    ScaleDownLimit,
    /// maxReplicas.
    TooManyReplicas,
    /// minReplicas.
    TooFewReplicas,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stamped {
    at_ms: i64,
    replicas: u32,
}

/// The controller's memory of one target.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Controller {
    recommendations: VecDeque<Stamped>,
    ups: VecDeque<Stamped>,
    downs: VecDeque<Stamped>,
}

impl Controller {
    /// The size after windows, policies and limits. The recommendation is remembered; the change,
    /// if it is made, is told by [`Controller::scaled`].
    pub fn normalize(
        &mut self,
        now_ms: i64,
        current: u32,
        desired: u32,
        bounds: (u32, u32),
        behavior: &Behavior,
    ) -> (u32, Option<Limit>) {
        let (min, max) = bounds;
        if current > max {
            return (max, Some(Limit::TooManyReplicas));
        }
        if current < min {
            return (min, Some(Limit::TooFewReplicas));
        }
        let stabilized = self.stabilize(now_ms, current, desired, behavior);
        let (size, limit) = self.limit(now_ms, current, stabilized, bounds, behavior);
        let stabilization = match stabilized {
            _ if stabilized == desired => None,
            _ if desired >= current => Some(Limit::ScaleUpStabilized),
            _ => Some(Limit::ScaleDownStabilized),
        };
        (size, limit.or(stabilization))
    }

    /// Applies policies and limits alone, for sizes that were not chosen by recommendation.
    pub fn limit(
        &self,
        now_ms: i64,
        current: u32,
        desired: u32,
        (min, max): (u32, u32),
        behavior: &Behavior,
    ) -> (u32, Option<Limit>) {
        if desired > current {
            let allowed =
                scale_up_limit(now_ms, current, &self.ups, &self.downs, &behavior.scale_up)
                    .max(current);
            if desired > max.min(allowed) {
                return if max > allowed {
                    (allowed, Some(Limit::ScaleUpLimit))
                } else {
                    (max, Some(Limit::TooManyReplicas))
                };
            }
        } else if desired < current {
            let allowed = scale_down_limit(
                now_ms,
                current,
                &self.ups,
                &self.downs,
                &behavior.scale_down,
            )
            .min(current);
            if desired < min.max(allowed) {
                return if min < allowed {
                    (allowed, Some(Limit::ScaleDownLimit))
                } else {
                    (min, Some(Limit::TooFewReplicas))
                };
            }
        }
        (desired, None)
    }

    /// Remembers that the size was changed.
    pub fn scaled(&mut self, now_ms: i64, from: u32, to: u32, behavior: &Behavior) {
        let events = if to > from {
            &mut self.ups
        } else {
            &mut self.downs
        };
        // Policies of either direction look at events of both.
        let longest_seconds = (behavior.scale_up.longest_period_seconds())
            .max(behavior.scale_down.longest_period_seconds());
        let horizon_ms = i64::from(longest_seconds) * 1_000;
        forget(events, now_ms.saturating_sub(horizon_ms));
        events.push_back(Stamped {
            at_ms: now_ms,
            replicas: to.abs_diff(from),
        });
    }

    /// Whether what is restored is no more than this code remembers, and none of it of the future,
    /// where it would count for ever.
    pub fn is_sound(&self, newest_ms: Option<i64>) -> bool {
        let all = [&self.recommendations, &self.ups, &self.downs];
        all.into_iter().all(|events| {
            let past = |at_ms| newest_ms.is_some_and(|newest_ms| (0..=newest_ms).contains(&at_ms));
            events.len() <= MAX_REMEMBERED && events.iter().all(|event| past(event.at_ms))
        })
    }

    fn stabilize(&mut self, now_ms: i64, current: u32, desired: u32, behavior: &Behavior) -> u32 {
        if self.recommendations.is_empty() {
            // As the controller does for a target that it sees first: its size is the first
            // recommendation, so that a restart does not shrink at once.
            self.recommendations.push_back(Stamped {
                at_ms: now_ms,
                replicas: current,
            });
        }
        let window = |rules: &ScalingRules| i64::from(rules.stabilization_window_seconds) * 1_000;
        let (up_ms, down_ms) = (window(&behavior.scale_up), window(&behavior.scale_down));
        let mut lowest = desired;
        let mut highest = desired;
        for recommendation in self.recommendations.iter().rev() {
            let age_ms = now_ms.saturating_sub(recommendation.at_ms);
            // From here on `lowest` can only fall and `highest` only rise.
            let is_settled = highest >= current.max(lowest) && (up_ms == 0 || lowest <= current);
            if age_ms >= up_ms.max(down_ms) || is_settled {
                break;
            }
            if age_ms < up_ms {
                lowest = lowest.min(recommendation.replicas);
            }
            if age_ms < down_ms {
                highest = highest.max(recommendation.replicas);
            }
        }
        // Not `clamp`: the lowest recent one may be above the highest of a shorter window.
        let stabilized = current.max(lowest).min(highest);
        forget(
            &mut self.recommendations,
            now_ms.saturating_sub(up_ms.max(down_ms)),
        );
        self.recommendations.push_back(Stamped {
            at_ms: now_ms,
            replicas: desired,
        });
        stabilized
    }
}

/// Drops what is older than `cutoff_ms`, and the oldest beyond the number that is kept.
fn forget(events: &mut VecDeque<Stamped>, cutoff_ms: i64) {
    while events.len() >= MAX_REMEMBERED
        || events.front().is_some_and(|event| event.at_ms < cutoff_ms)
    {
        events.pop_front();
    }
}

fn changed_within(now_ms: i64, period_seconds: u32, events: &VecDeque<Stamped>) -> u32 {
    let cutoff = now_ms.saturating_sub(i64::from(period_seconds) * 1_000);
    (events.iter().filter(|event| event.at_ms > cutoff))
        .map(|event| event.replicas)
        .fold(0, u32::saturating_add)
}

fn scale_up_limit(
    now_ms: i64,
    current: u32,
    ups: &VecDeque<Stamped>,
    downs: &VecDeque<Stamped>,
    rules: &ScalingRules,
) -> u32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = current
            .saturating_sub(changed_within(now_ms, policy.period_seconds, ups))
            .saturating_add(changed_within(now_ms, policy.period_seconds, downs));
        match policy.kind {
            PolicyKind::Pods => start.saturating_add(policy.value),
            PolicyKind::Percent => {
                (f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil() as u32
            }
        }
    });
    match rules.select_policy {
        SelectPolicy::Disabled => Some(current),
        SelectPolicy::Min => proposals.min(),
        SelectPolicy::Max => proposals.max(),
    }
    .unwrap_or(current)
}

fn scale_down_limit(
    now_ms: i64,
    current: u32,
    ups: &VecDeque<Stamped>,
    downs: &VecDeque<Stamped>,
    rules: &ScalingRules,
) -> u32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = current
            .saturating_add(changed_within(now_ms, policy.period_seconds, downs))
            .saturating_sub(changed_within(now_ms, policy.period_seconds, ups));
        match policy.kind {
            PolicyKind::Pods => start.saturating_sub(policy.value),
            PolicyKind::Percent => {
                (f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)).max(0.0) as u32
            }
        }
    });
    match rules.select_policy {
        SelectPolicy::Disabled => Some(current),
        SelectPolicy::Min => proposals.max(),
        SelectPolicy::Max => proposals.min(),
    }
    .unwrap_or(current)
}
