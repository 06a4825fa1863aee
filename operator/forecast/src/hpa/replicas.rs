//! From metrics to a number of replicas, before stabilization and limits.

/// One metric of the pods that a size is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The mean over the ready pods that reported, in the target's unit (for a utilisation: 0.7
    /// of what a pod may use).
    pub mean: f64,
    /// Ready pods that reported.
    pub reporting: u32,
    /// Ready pods that did not report.
    pub missing: u32,
    /// Pods that are not ready yet.
    pub unready: u32,
    /// The value to hold, above 0.
    pub target: f64,
    /// What a missing pod counts on the way down: for a utilisation the larger of 1 and the target
    /// (all that the pod requested), else the target.
    pub missing_value: f64,
}

/// How close to 1 a ratio may be without any change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// Above 1.
    pub up: f64,
    /// Below 1.
    pub down: f64,
}

/// What one metric asks for; none where no pod reported it.
pub type Recommendation = Option<u32>;

/// The size that one metric asks for.
///
/// Follows `GetResourceReplicas` and `calcPlainMetricReplicas`: missing pods count fully on the
/// way down and nothing on the way up, unready ones nothing on the way up; where that reverses the
/// direction or brings the ratio within the tolerance, the size stays.
pub fn desired_replicas(current: u32, metric: &Metric, tolerance: Tolerance) -> Recommendation {
    if metric.reporting == 0 {
        return None;
    }
    let count = f64::from(metric.reporting);
    let ratio = metric.mean / metric.target;
    let rebalance_unready = metric.unready > 0 && ratio > 1.0;
    if !rebalance_unready && metric.missing == 0 {
        if tolerance.covers(ratio) {
            return Some(current);
        }
        return Some(ceil(ratio * count));
    }
    let mut adjusted_sum = metric.mean * count;
    let mut adjusted_count = count;
    // At exactly 1 there is no direction to be careful in: the missing pods stay out.
    if ratio != 1.0 {
        adjusted_count += f64::from(metric.missing);
    }
    if ratio < 1.0 {
        adjusted_sum += f64::from(metric.missing) * metric.missing_value;
    }
    if rebalance_unready {
        adjusted_count += f64::from(metric.unready);
    }
    let adjusted = adjusted_sum / adjusted_count / metric.target;
    let reversed = (ratio < 1.0 && adjusted > 1.0) || (ratio > 1.0 && adjusted < 1.0);
    if tolerance.covers(adjusted) || reversed {
        return Some(current);
    }
    let replicas = ceil(adjusted * adjusted_count);
    // The pods that reported may be more or fewer than the size: never against the direction.
    if (adjusted < 1.0 && replicas > current) || (adjusted > 1.0 && replicas < current) {
        return Some(current);
    }
    Some(replicas)
}

/// The largest of what the metrics ask for. Where one of them could not be computed, the size does
/// not shrink; where none could, there is no answer.
pub fn largest(current: u32, recommendations: &[Recommendation]) -> Recommendation {
    let largest = recommendations.iter().flatten().copied().max()?;
    let incomplete = recommendations.iter().any(Option::is_none);
    Some(if incomplete {
        largest.max(current)
    } else {
        largest
    })
}

impl Tolerance {
    fn covers(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

fn ceil(value: f64) -> u32 {
    // Saturates: a float that is too large becomes the largest number, NaN becomes 0.
    value.ceil() as u32
}
