//! How full the brokers are, and which resource asks for most.

use crate::{
    hpa::{self, Recommendation},
    sample::Resource,
};

/// How full the brokers are of one resource.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// The resource.
    pub resource: Resource,
    /// The part of what they carry that is used.
    pub utilization: f64,
    /// The part to aim for.
    pub target: f64,
    /// The size that it asks for.
    pub recommendation: Recommendation,
}

/// The fill that asks for most, and what all of them together ask for.
pub fn largest(current: u32, fills: &[Fill]) -> Option<(Fill, u32)> {
    let mut recommendations = [None; Resource::ALL.len()];
    for (recommendation, fill) in recommendations.iter_mut().zip(fills) {
        *recommendation = fill.recommendation;
    }
    let asked = recommendations.get(..fills.len())?;
    let desired = hpa::largest(current, asked)?;
    let fullest = fills.iter().max_by_key(|fill| fill.recommendation)?;
    Some((*fullest, desired))
}
