//! Why a size was decided, in words and numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{hpa::Limit, sample::Resource};

/// What was forecast for the time that a decision takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// From the decision until it takes effect.
    pub delay_ms: i64,
    /// Brokers that the expected load would fill then.
    pub expected_brokers: f64,
    /// Brokers that the load's bound would fill then.
    pub bound_brokers: f64,
    /// The probability with which the bound is exceeded.
    pub tail: f64,
    /// The part of the better naive forecast's error at that time that is avoided.
    pub skill: f64,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reason {
    /// No broker reported lately.
    NoMetrics {
        /// Since when.
        newest_ms: Option<i64>,
    },
    /// The size was outside the limits.
    OutsideLimits {
        /// minReplicas.
        min: u32,
        /// maxReplicas.
        max: u32,
    },
    /// The HPA's rule, for want of a forecast that is better than a naive one.
    Rule {
        /// The resource that asks for most.
        resource: Resource,
        /// The part of a broker's capacity that is used.
        utilization: f64,
        /// The part that is aimed for.
        target: f64,
        /// What the rule asked for.
        desired: u32,
        /// What kept it from that.
        limit: Option<Limit>,
    },
    /// The load is above the emergency target, and the forecast does not say that it falls.
    Emergency {
        /// The resource that asks for most.
        resource: Resource,
        /// The part of a broker's capacity that is used.
        utilization: f64,
        /// The emergency target.
        target: f64,
        /// The forecast whose bound the size was kept to; none where the load is so far above what
        /// the brokers carry that no forecast counts.
        bound: Option<Forecast>,
        /// What kept the size from what the rule asked for.
        limit: Option<Limit>,
    },
    /// The size that costs least by the forecast.
    Forecast {
        /// What was forecast.
        forecast: Forecast,
        /// Broker-hours that are saved against staying.
        saved_broker_hours: f64,
        /// What kept it from that size.
        limit: Option<Limit>,
    },
    /// The state is too young for shrinking.
    TooYoung {
        /// Observed so far.
        observed_ms: i64,
        /// What must have been observed.
        needed_ms: i64,
        /// The size that would have been decided.
        wanted: u32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoMetrics { newest_ms } => no_metrics(f, *newest_ms),
            Reason::OutsideLimits { min, max } => {
                write!(
                    f,
                    "the size is outside minReplicas {min} and maxReplicas {max}"
                )
            }
            Reason::Rule {
                resource,
                utilization,
                target,
                desired,
                limit,
            } => {
                write!(
                    f,
                    "{} is at {:.0} % of what the brokers carry, the target is {:.0} %, which asks for {desired}",
                    resource.name(),
                    100.0 * utilization,
                    100.0 * target
                )?;
                limited(f, *limit)
            }
            Reason::Emergency {
                resource,
                utilization,
                target,
                bound,
                limit,
            } => {
                write!(
                    f,
                    "{} is at {:.0} % of what the brokers carry, and ",
                    resource.name(),
                    100.0 * utilization,
                )?;
                emergency(f, *target, *bound)?;
                limited(f, *limit)
            }
            Reason::Forecast {
                forecast,
                saved_broker_hours,
                limit,
            } => {
                expected(f, forecast, *saved_broker_hours)?;
                limited(f, *limit)
            }
            Reason::TooYoung {
                observed_ms,
                needed_ms,
                wanted,
            } => write!(
                f,
                "{wanted} brokers would do, but only {} s of load were observed, and nothing shrinks before {} s",
                observed_ms / 1_000,
                needed_ms / 1_000
            ),
        }
    }
}

fn no_metrics(f: &mut fmt::Formatter<'_>, newest_ms: Option<i64>) -> fmt::Result {
    match newest_ms {
        None => f.write_str("no broker has reported its load yet, so the size stays"),
        Some(at) => write!(
            f,
            "no broker reported its load since {at} ms, so the size stays"
        ),
    }
}

fn expected(f: &mut fmt::Formatter<'_>, forecast: &Forecast, saved: f64) -> fmt::Result {
    write!(
        f,
        "in {} s, when a change takes effect, the load is expected to fill {:.1} brokers and with {:.1} % \
         probability more than {:.1}; over six hours this size costs {saved:.1} broker-hours less than staying \
         (forecast errors are {:.0} % below a naive forecast's)",
        forecast.delay_ms / 1_000,
        forecast.expected_brokers,
        100.0 * forecast.tail,
        forecast.bound_brokers,
        100.0 * forecast.skill
    )
}

fn emergency(f: &mut fmt::Formatter<'_>, target: f64, bound: Option<Forecast>) -> fmt::Result {
    let target = 100.0 * target;
    match bound {
        None => write!(
            f,
            "so far above it no forecast may go below the size for {target:.0} %"
        ),
        Some(forecast) => write!(
            f,
            "the size for {target:.0} % may only be left out where the load falls: in {} s, when a change takes effect, \
             it fills more than {:.1} brokers with {:.1} % probability",
            forecast.delay_ms / 1_000,
            forecast.bound_brokers,
            100.0 * forecast.tail
        ),
    }
}

fn limited(f: &mut fmt::Formatter<'_>, limit: Option<Limit>) -> fmt::Result {
    let Some(limit) = limit else {
        return Ok(());
    };
    f.write_str(match limit {
        Limit::ScaleUpStabilized => "; a lower size was right within the scale-up window",
        Limit::ScaleDownStabilized => "; a higher size was right within the scale-down window",
        Limit::ScaleUpLimit => "; the scale-up policies allow no more at once",
        Limit::ScaleDownLimit => "; the scale-down policies allow no more at once",
        Limit::TooManyReplicas => "; maxReplicas is reached",
        Limit::TooFewReplicas => "; minReplicas is reached",
    })
}
