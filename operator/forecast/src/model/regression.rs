//! Ridge regression that forgets, learned a row at a time.

use serde::{Deserialize, Serialize};

use super::FEATURES;

/// Entries of the upper triangle of a symmetric matrix over the features.
const TRIANGLE: usize = FEATURES * (FEATURES + 1) / 2;
/// How much of what was learned is left after one row: a half-life of about three weeks of minutes.
const FORGETTING: f64 = 1.0 - 1.0 / 43_000.0;
/// Strength of the pull towards the prior weights, as rows whose features have the variance
/// [`RIDGE_SCALE`].
const RIDGE_ROWS: f64 = 120.0;
/// The variance of a typical feature (a change of about 3 % on the log scale).
const RIDGE_SCALE: f64 = 1e-3;

/// Weights of the features, by exponentially weighted least squares with a ridge around a prior.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Regression {
    covariance: Vec<f64>,
    correlation: [f64; FEATURES],
    weights: [f64; FEATURES],
    prior: [f64; FEATURES],
}

impl Regression {
    /// A regression that knows nothing but its prior.
    pub fn new(prior: [f64; FEATURES]) -> Self {
        Regression {
            covariance: vec![0.0; TRIANGLE],
            correlation: [0.0; FEATURES],
            weights: prior,
            prior,
        }
    }

    /// The value that the weights give for a row.
    pub fn predict(&self, row: &[f64; FEATURES]) -> f64 {
        row.iter().zip(&self.weights).map(|(x, w)| x * w).sum()
    }

    /// Adds a row and the value that was seen for it.
    pub fn learn(&mut self, row: &[f64; FEATURES], seen: f64) {
        let mut entry = 0;
        for i in 0..FEATURES {
            self.correlation[i] = self.correlation[i] * FORGETTING + row[i] * seen;
            for value in &row[i..] {
                self.covariance[entry] = self.covariance[entry] * FORGETTING + row[i] * value;
                entry += 1;
            }
        }
    }

    /// Solves for the weights anew (Cholesky). They stay as they were where that has no solution.
    pub fn solve(&mut self) {
        let ridge = RIDGE_ROWS * RIDGE_SCALE;
        let mut lower = [[0.0; FEATURES]; FEATURES];
        let mut entry = 0;
        for i in 0..FEATURES {
            for row in lower.iter_mut().skip(i) {
                row[i] = self.covariance[entry];
                entry += 1;
            }
            lower[i][i] += ridge;
        }
        for j in 0..FEATURES {
            let mut pivot = lower[j][j];
            for entry in &lower[j][..j] {
                pivot -= entry * entry;
            }
            if !(pivot.is_finite() && pivot > 0.0) {
                return;
            }
            let pivot = pivot.sqrt();
            lower[j][j] = pivot;
            for i in j + 1..FEATURES {
                let products = lower[i][..j].iter().zip(&lower[j][..j]);
                let sum: f64 = products.map(|(a, b)| a * b).sum();
                lower[i][j] = (lower[i][j] - sum) / pivot;
            }
        }
        let mut solution = [0.0; FEATURES];
        for i in 0..FEATURES {
            let mut sum = self.correlation[i] + ridge * self.prior[i];
            for k in 0..i {
                sum -= lower[i][k] * solution[k];
            }
            solution[i] = sum / lower[i][i];
        }
        for i in (0..FEATURES).rev() {
            let mut sum = solution[i];
            for k in i + 1..FEATURES {
                sum -= lower[k][i] * solution[k];
            }
            solution[i] = sum / lower[i][i];
        }
        if solution.iter().all(|weight| weight.is_finite()) {
            self.weights = solution;
        }
    }

    /// Whether a restored regression has the size that this code relies on, and finite numbers.
    pub fn is_sound(&self) -> bool {
        self.covariance.len() == TRIANGLE
            && self
                .covariance
                .iter()
                .chain(&self.correlation)
                .chain(&self.weights)
                .chain(&self.prior)
                .all(|number| number.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_linear_law_are_found() {
        let mut regression = Regression::new([0.0; FEATURES]);
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1_u32 << 24) - 0.5
        };
        for _ in 0..5_000 {
            let row: [f64; FEATURES] = std::array::from_fn(|_| next());
            regression.learn(&row, 2.0 * row[1] - 0.5 * row[4]);
        }
        regression.solve();
        let mut probe = [0.0; FEATURES];
        probe[1] = 1.0;
        probe[4] = 1.0;
        assert!((regression.predict(&probe) - 1.5).abs() < 0.01);
    }

    #[test]
    fn without_rows_the_prior_decides() {
        let mut prior = [0.0; FEATURES];
        prior[1] = 1.0;
        let mut regression = Regression::new(prior);
        regression.solve();
        let mut probe = [0.0; FEATURES];
        probe[1] = 0.3;
        assert!((regression.predict(&probe) - 0.3).abs() < 1e-9);
    }
}
