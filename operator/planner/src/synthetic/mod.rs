//! Clusters made from a seed, for tests and benchmarks: nothing here is measured anywhere.

mod random_cluster;
mod skewed;

pub use random_cluster::{Distribution, RandomCluster};
pub use skewed::Skewed;

/// From a normal distribution with mean 0 and deviation 1 (Box and Muller).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// From an exponential distribution.
fn exponential(random: &mut fastrand::Rng, mean: f64) -> f64 {
    -mean * (1.0 - random.f64()).ln()
}
