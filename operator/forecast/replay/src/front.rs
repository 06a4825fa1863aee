//! Pareto fronts, and how two of them compare.

use crate::simulate::Outcome;

/// Shares of time below this are not told apart: a few steps in four weeks.
const LEAST_VIOLATION: f64 = 5e-5;

/// Outcomes of which none is both dearer and worse than another, cheapest first.
#[derive(Clone, Debug, Default)]
pub struct Front {
    points: Vec<Outcome>,
}

impl Front {
    /// The front of some outcomes.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut sorted = outcomes.to_vec();
        sorted.sort_by(|a, b| {
            (a.cost, a.violation)
                .partial_cmp(&(b.cost, b.violation))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut points: Vec<Outcome> = Vec::new();
        for outcome in sorted {
            if points
                .last()
                .is_none_or(|last| outcome.violation < last.violation)
            {
                points.push(outcome);
            }
        }
        Front { points }
    }

    /// Its points.
    pub fn points(&self) -> &[Outcome] {
        &self.points
    }

    /// What it reaches at a cost: between two points the violation's logarithm is a straight line;
    /// past the dearest point, that one. None where even the cheapest point costs more.
    pub fn at_cost(&self, cost: f64) -> Option<Outcome> {
        let after = self.points.partition_point(|point| point.cost <= cost);
        if after == 0 {
            return None;
        }
        let before = self.points[after - 1];
        let Some(next) = self.points.get(after) else {
            return Some(before);
        };
        let share = (cost - before.cost) / (next.cost - before.cost);
        Some(mix(&before, next, share))
    }

    /// The cost at which it reaches a violation; none where it never does, or always.
    pub fn cost_at(&self, violation: f64) -> Option<f64> {
        let after = self
            .points
            .partition_point(|point| point.violation > violation);
        if after == 0 || after == self.points.len() {
            return None;
        }
        let (before, next) = (self.points[after - 1], self.points[after]);
        let (high, low) = (log(before.violation), log(next.violation));
        if high <= low {
            return Some(next.cost);
        }
        let share = ((high - violation.ln()) / (high - low)).clamp(0.0, 1.0);
        Some(before.cost + share * (next.cost - before.cost))
    }
}

/// The points of the front of some outcomes, each with the first setting that gives it.
pub fn settings_of_front<'a, S>(
    settings: &'a [S],
    outcomes: &'a [Outcome],
) -> Vec<(&'a S, Outcome)> {
    let named = |point: &Outcome| {
        let mut pairs = settings.iter().zip(outcomes);
        let (setting, _) = pairs.find(|(_, outcome)| *outcome == point)?;
        Some((setting, *point))
    };
    Front::of(outcomes)
        .points()
        .iter()
        .filter_map(named)
        .collect()
}

fn mix(a: &Outcome, b: &Outcome, share: f64) -> Outcome {
    let line = |a: f64, b: f64| a + share * (b - a);
    Outcome {
        cost: line(a.cost, b.cost),
        violation: line(log(a.violation), log(b.violation)).exp(),
        actions: line(a.actions, b.actions),
        moved_shares: line(a.moved_shares, b.moved_shares),
    }
}

fn log(violation: f64) -> f64 {
    violation.max(LEAST_VIOLATION).ln()
}

/// How a front compares with the HorizontalPodAutoscaler's.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The logarithm of (its violations / ours) at each equal cost.
    pub log_ratios: Vec<f64>,
    /// Costs of the range that the front does not reach, though the other does.
    pub unreached: usize,
    /// The logarithm of (our actions / its) at each equal cost.
    pub log_actions: Vec<f64>,
    /// The part of the cost that is saved, at each of [`VIOLATIONS`].
    pub savings: [Option<f64>; 3],
}

/// Violations at which costs are compared.
pub const VIOLATIONS: [f64; 3] = [0.001, 0.005, 0.01];
/// Below this the HorizontalPodAutoscaler's violations are not compared.
const COMPARED_FROM: f64 = 0.0005;

/// Compares at equal cost, 1.08 to 1.40 of the oracle's, and at equal violation.
pub fn compare(ours: &Front, theirs: &Front) -> Comparison {
    let mut comparison = Comparison::default();
    for hundredths in (108..=140).step_by(2) {
        let cost = f64::from(hundredths) / 100.0;
        let Some(their) = theirs
            .at_cost(cost)
            .filter(|their| their.violation >= COMPARED_FROM)
        else {
            continue;
        };
        let Some(our) = ours.at_cost(cost) else {
            comparison.unreached += 1;
            continue;
        };
        comparison
            .log_ratios
            .push(log(their.violation) - log(our.violation));
        comparison
            .log_actions
            .push((our.actions.max(1.0) / their.actions.max(1.0)).ln());
    }
    for (saving, violation) in comparison.savings.iter_mut().zip(VIOLATIONS) {
        if let (Some(our), Some(their)) = (ours.cost_at(violation), theirs.cost_at(violation)) {
            *saving = Some(1.0 - our / their);
        }
    }
    comparison
}

/// The mean, 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(cost: f64, violation: f64) -> Outcome {
        Outcome {
            cost,
            violation,
            actions: 10.0,
            moved_shares: 10.0,
        }
    }

    #[test]
    fn a_front_keeps_what_nothing_beats_and_is_a_line_in_the_logarithm_between() {
        let front = Front::of(&[outcome(1.1, 0.01), outcome(1.2, 0.02), outcome(1.3, 0.0001)]);
        assert_eq!(front.points().len(), 2);
        assert!(front.at_cost(1.05).is_none());
        let middle = front.at_cost(1.2).expect("it lies between");
        assert!((middle.violation - 0.001).abs() < 1e-9);
        let cost = front.cost_at(0.001).expect("it lies between");
        assert!((cost - 1.2).abs() < 1e-9);
    }

    #[test]
    fn a_front_compared_with_itself_is_equal() {
        let front = Front::of(&[outcome(1.1, 0.01), outcome(1.3, 0.0001)]);
        let comparison = compare(&front, &front);
        assert!(!comparison.log_ratios.is_empty());
        assert!(
            comparison
                .log_ratios
                .iter()
                .all(|ratio| ratio.abs() < 1e-12)
        );
        assert_eq!(comparison.savings[0], Some(0.0));
    }
}
