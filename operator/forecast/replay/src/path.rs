//! The settings that the scaler's front is drawn by.

use std::fmt;

use crate::policies::GridPoint;

/// One setting of the scaler: the price of violations, the floor, and the rule that it falls back to.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Broker-seconds that a second in violation is worth.
    pub price: f64,
    /// The target of the rule that the size is never below; it is held for the fallback's window.
    pub emergency_target: f64,
    /// The rule without skill.
    pub fallback: GridPoint,
}

/// What decides with skill, and the targets of the rules that are fallen back to without it.
struct Choice {
    price: f64,
    emergency_target: f64,
    stabilization_seconds: u32,
    targets: &'static [f64],
}

const fn choice(
    price: f64,
    emergency_target: f64,
    stabilization_seconds: u32,
    targets: &'static [f64],
) -> Choice {
    Choice {
        price,
        emergency_target,
        stabilization_seconds,
        targets,
    }
}

/// What the scaler's front is drawn by, each with all of [`TOLERANCES`]. Whoever wants it cheap has
/// a low price and a floor that only follows a load which the brokers do not carry; whoever wants it
/// careful raises the price, and has a floor of 0.95 that is held. The rules that are fallen back to
/// go from cheap to careful alike.
const CHOICES: [Choice; 18] = [
    choice(12.0, 1.15, 0, &[0.95]),
    choice(4.0, 1.0, 0, &[0.95]),
    choice(12.0, 1.0, 0, &[0.95, 0.9]),
    choice(20.0, 1.0, 0, &[0.9]),
    choice(30.0, 1.0, 0, &[0.85]),
    choice(50.0, 1.0, 0, &[0.85]),
    choice(100.0, 1.0, 0, &[0.8]),
    choice(200.0, 1.0, 0, &[0.8]),
    choice(500.0, 1.0, 0, &[0.75]),
    choice(10.0, 0.95, 300, &[0.95]),
    choice(30.0, 0.95, 300, &[0.9]),
    choice(80.0, 0.95, 300, &[0.85]),
    choice(200.0, 0.95, 300, &[0.8]),
    choice(500.0, 0.95, 300, &[0.75]),
    choice(2_000.0, 0.95, 300, &[0.7]),
    choice(20_000.0, 0.95, 300, &[0.6]),
    choice(20.0, 1.0, 900, &[0.95, 0.9, 0.85, 0.8]),
    choice(60.0, 0.95, 3_600, &[0.95, 0.9, 0.85, 0.8, 0.7]),
];
const TOLERANCES: [f64; 4] = [0.0, 0.05, 0.1, 0.2];

/// The settings, the same for all traces.
pub fn path() -> Vec<Setting> {
    let mut settings = Vec::new();
    for choice in &CHOICES {
        for &target in choice.targets {
            for tolerance in TOLERANCES {
                settings.push(Setting {
                    price: choice.price,
                    emergency_target: choice.emergency_target,
                    fallback: GridPoint {
                        target,
                        tolerance,
                        stabilization_seconds: choice.stabilization_seconds,
                    },
                });
            }
        }
    }
    settings
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "price {}, emergency target {:.2}, else {}",
            self.price, self.emergency_target, self.fallback
        )
    }
}

impl Setting {
    /// Whether, as long as the forecast decides, both give the same sizes.
    pub fn decides_like(&self, other: &Setting) -> bool {
        self.price == other.price
            && self.emergency_target == other.emergency_target
            && self.fallback.stabilization_seconds == other.fallback.stabilization_seconds
    }
}
