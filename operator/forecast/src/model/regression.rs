//! Ridge regression that forgets, learned a row at a time.

use serde::{Deserialize, Serialize};

/// How much of what was learned is left after one row: a half-life of about three weeks of minutes.
const FORGETTING: f64 = 1.0 - 1.0 / 43_000.0;

/// Weights of `N` features, by exponentially weighted least squares with a ridge around a prior.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Regression<const N: usize> {
    /// The upper triangle of a symmetric matrix over the features.
    covariance: Vec<f64>,
    correlation: Vec<f64>,
    weights: Vec<f64>,
    prior: Vec<f64>,
    /// Strength of the pull towards the prior: what is added to each feature's sum of squares.
    ridge: f64,
}

impl<const N: usize> Regression<N> {
    const TRIANGLE: usize = N * (N + 1) / 2;

    /// A regression that knows nothing but its prior, to which `ridge` (above 0) pulls.
    pub fn new(prior: [f64; N], ridge: f64) -> Self {
        Regression {
            covariance: vec![0.0; Self::TRIANGLE],
            correlation: vec![0.0; N],
            weights: prior.to_vec(),
            prior: prior.to_vec(),
            ridge,
        }
    }

    /// The value that the weights give for a row.
    pub fn predict(&self, row: &[f64; N]) -> f64 {
        row.iter().zip(&self.weights).map(|(x, w)| x * w).sum()
    }

    /// Adds a row and the value that was seen for it.
    pub fn learn(&mut self, row: &[f64; N], seen: f64) {
        let mut entry = 0;
        for i in 0..N {
            self.correlation[i] = self.correlation[i] * FORGETTING + row[i] * seen;
            for value in &row[i..] {
                self.covariance[entry] = self.covariance[entry] * FORGETTING + row[i] * value;
                entry += 1;
            }
        }
    }

    /// Solves for the weights anew (Cholesky). They stay as they were where that has no solution.
    pub fn solve(&mut self) {
        let ridge = self.ridge;
        let mut lower = [[0.0; N]; N];
        let mut entry = 0;
        for i in 0..N {
            for row in lower.iter_mut().skip(i) {
                row[i] = self.covariance[entry];
                entry += 1;
            }
            lower[i][i] += ridge;
        }
        for j in 0..N {
            let mut pivot = lower[j][j];
            for entry in &lower[j][..j] {
                pivot -= entry * entry;
            }
            if !(pivot.is_finite() && pivot > 0.0) {
                return;
            }
            let pivot = pivot.sqrt();
            lower[j][j] = pivot;
            for i in j + 1..N {
                let products = lower[i][..j].iter().zip(&lower[j][..j]);
                let sum: f64 = products.map(|(a, b)| a * b).sum();
                lower[i][j] = (lower[i][j] - sum) / pivot;
            }
        }
        let mut solution = [0.0; N];
        for i in 0..N {
            let mut sum = self.correlation[i] + ridge * self.prior[i];
            for k in 0..i {
                sum -= lower[i][k] * solution[k];
            }
            solution[i] = sum / lower[i][i];
        }
        for i in (0..N).rev() {
            let mut sum = solution[i];
            for k in i + 1..N {
                sum -= lower[k][i] * solution[k];
            }
            solution[i] = sum / lower[i][i];
        }
        if solution.iter().all(|weight| weight.is_finite()) {
            self.weights = solution.to_vec();
        }
    }

    /// Whether a restored regression has the size that this code relies on, and finite numbers.
    pub fn is_sound(&self) -> bool {
        self.covariance.len() == Self::TRIANGLE
            && [&self.correlation, &self.weights, &self.prior].map(Vec::len) == [N; 3]
            && self.ridge.is_finite()
            && self.ridge > 0.0
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

    const FEATURES: usize = 9;

    #[test]
    fn the_weights_of_a_linear_law_are_found() {
        let mut regression = Regression::new([0.0; FEATURES], 0.12);
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
        let mut regression = Regression::new(prior, 0.12);
        regression.solve();
        let mut probe = [0.0; FEATURES];
        probe[1] = 0.3;
        assert!((regression.predict(&probe) - 0.3).abs() < 1e-9);
    }
}
