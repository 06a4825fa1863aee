//! What a cluster's owner decides.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{hpa::Behavior, sample::Resource};

/// How one resource is scaled by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceSettings {
    /// Load that one broker can carry, in the load's unit. For [`Resource::Cpu`] the prior of
    /// what is learned.
    pub capacity_per_broker: f64,
    /// The part of it that the HPA rule aims for.
    pub target: f64,
}

/// The settings of one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// By [`Resource`]; none where a resource is not scaled by.
    pub resources: [Option<ResourceSettings>; 3],
    /// The HPA's behaviour: windows, policies, tolerances.
    pub behavior: Behavior,
    /// The part of a broker's capacity at which the size is raised whatever the forecast says. Above
    /// 1 for who would rather have a load that brokers do not carry for a while than pay for more;
    /// the HPA's rule has its tolerance for that, this floor has none.
    pub emergency_target: f64,
    /// How many broker-seconds a second is worth in which the load is above the capacity. The
    /// larger, the more room is kept: with 100, a broker is added for one chance in a hundred.
    pub violation_price: f64,
    /// Broker-seconds that moving one broker's share of the data is worth, beyond the time that
    /// it takes.
    pub move_price: f64,
    /// How long scaling is taken to take before it was measured.
    pub delay_prior_ms: i64,
}

/// Limits that may change between decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraints {
    /// At least so many brokers, at least 1.
    pub min_replicas: u32,
    /// At most so many.
    pub max_replicas: u32,
    /// Decide and say why, but keep the size.
    pub dry_run: bool,
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SettingsError {
    /// A number out of its range.
    #[error("failed to read the autoscaling settings: {field} is {value}, it must be {allowed}")]
    OutOfRange {
        /// Which.
        field: String,
        /// What it was.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Nothing to scale by.
    #[error(
        "failed to read the autoscaling settings: targets names no resource; name at least one"
    )]
    NoResource,
    /// Rules that contradict themselves.
    #[error("failed to read the autoscaling settings: behavior.{direction}.{field}: {problem}")]
    Behavior {
        /// scaleUp or scaleDown.
        direction: &'static str,
        /// Which.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// More at least than at most.
    #[error(
        "failed to read the autoscaling settings: minReplicas is {min} and maxReplicas {max}; 1 <= minReplicas <= maxReplicas must hold"
    )]
    MinAboveMax {
        /// minReplicas.
        min: u32,
        /// maxReplicas.
        max: u32,
    },
}

impl Default for Settings {
    /// Scales by processor, with the HPA's behaviour.
    fn default() -> Self {
        Settings {
            resources: [
                Some(ResourceSettings {
                    // Half of a 1 Gbit/s link: what two cores of a small machine serve.
                    capacity_per_broker: 60e6,
                    // Kubernetes' own examples aim for 50 to 80 %.
                    target: 0.7,
                }),
                None,
                None,
            ],
            behavior: Behavior::default(),
            emergency_target: 0.95,
            violation_price: 200.0,
            move_price: 120.0,
            delay_prior_ms: 300_000,
        }
    }
}

impl Settings {
    /// The settings of one resource.
    pub fn resource(&self, resource: Resource) -> Option<ResourceSettings> {
        self.resources[resource as usize]
    }

    /// Whether every number is in its range.
    ///
    /// # Errors
    /// [`SettingsError`] names the field and what is allowed.
    pub fn check(&self) -> Result<(), SettingsError> {
        for resource in Resource::ALL {
            let Some(settings) = self.resource(resource) else {
                continue;
            };
            let name = resource.name();
            within(
                format!("the capacity of {name} a broker"),
                settings.capacity_per_broker,
                1e-6,
                1e18,
                "between 1e-6 and 1e18",
            )?;
            within(
                format!("the target of {name}"),
                settings.target,
                0.01,
                1.0,
                "between 0.01 and 1",
            )?;
        }
        if self.resources.iter().all(Option::is_none) {
            return Err(SettingsError::NoResource);
        }
        within(
            "the emergency target".into(),
            self.emergency_target,
            0.5,
            1.2,
            "between 0.5 and 1.2",
        )?;
        within(
            "the price of a violation".into(),
            self.violation_price,
            1.0,
            1e6,
            "between 1 and 1e6",
        )?;
        within(
            "the price of a move".into(),
            self.move_price,
            0.0,
            1e6,
            "between 0 and 1e6",
        )?;
        within(
            "the prior of the delay in ms".into(),
            self.delay_prior_ms as f64,
            0.0,
            14_400_000.0,
            "between 0 and 14400000 (4 h)",
        )?;
        self.check_behavior()
    }

    fn check_behavior(&self) -> Result<(), SettingsError> {
        let directions = [
            ("scaleUp", &self.behavior.scale_up),
            ("scaleDown", &self.behavior.scale_down),
        ];
        for (direction, rules) in directions {
            if let Some((field, problem)) = rules.problem() {
                return Err(SettingsError::Behavior {
                    direction,
                    field,
                    problem,
                });
            }
        }
        Ok(())
    }
}

fn within(
    field: String,
    value: f64,
    low: f64,
    high: f64,
    allowed: &'static str,
) -> Result<(), SettingsError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(SettingsError::OutOfRange {
        field,
        value,
        allowed,
    })
}

impl Constraints {
    /// Whether the limits leave a size.
    ///
    /// # Errors
    /// [`SettingsError::MinAboveMax`].
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.min_replicas == 0 || self.min_replicas > self.max_replicas {
            return Err(SettingsError::MinAboveMax {
                min: self.min_replicas,
                max: self.max_replicas,
            });
        }
        Ok(())
    }
}
