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
    let recommendations: Vec<_> = fills.iter().map(|fill| fill.recommendation).collect();
    let desired = hpa::largest(current, &recommendations)?;
    let fullest = fills.iter().max_by_key(|fill| fill.recommendation)?;
    Some((*fullest, desired))
}
