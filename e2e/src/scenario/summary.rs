//! What became of each scenario. Pure.

use std::fmt;

/// What became of one scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// All that it checks held. Checks that could not be made, if any, are named.
    Passed {
        /// Which checks were left out, and what they need.
        unchecked: Vec<String>,
    },
    /// Something did not hold.
    Failed,
    /// It was not run.
    NotRun {
        /// What it needs, or what kept it.
        why: String,
    },
}

/// The outcomes of a run, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    outcomes: Vec<(&'static str, Outcome)>,
}

impl Summary {
    /// Adds one.
    pub fn add(&mut self, scenario: &'static str, outcome: Outcome) {
        self.outcomes.push((scenario, outcome));
    }

    fn count(&self, is: fn(&Outcome) -> bool) -> usize {
        self.outcomes
            .iter()
            .filter(|(_, outcome)| is(outcome))
            .count()
    }

    /// How many passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed { .. }))
    }

    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Failed)
    }

    /// How many were not run.
    #[must_use]
    pub fn not_run(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::NotRun { .. }))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (scenario, outcome) in &self.outcomes {
            match outcome {
                Outcome::Passed { unchecked } if unchecked.is_empty() => {
                    writeln!(f, "  {scenario}: passed")?;
                }
                Outcome::Passed { unchecked } => {
                    let unchecked = unchecked.join("; ");
                    writeln!(f, "  {scenario}: passed, but not checked: {unchecked}")?;
                }
                Outcome::Failed => writeln!(f, "  {scenario}: FAILED")?,
                Outcome::NotRun { why } => writeln!(f, "  {scenario}: not run: {why}")?,
            }
        }
        let (passed, failed, not_run) = (self.passed(), self.failed(), self.not_run());
        write!(f, "{passed} passed, {failed} failed, {not_run} not run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_run_or_not_checked_is_said_and_never_counts_as_passed() {
        let mut summary = Summary::default();
        summary.add(
            "form",
            Outcome::Passed {
                unchecked: Vec::new(),
            },
        );
        let unchecked = vec!["replicas' files: needs node access".to_owned()];
        summary.add("delete-pod", Outcome::Passed { unchecked });
        let why = "needs a helper pod".to_owned();
        summary.add("kill-leader", Outcome::NotRun { why });
        summary.add("grow", Outcome::Failed);
        assert_eq!(
            summary.to_string(),
            "  form: passed\n  \
             delete-pod: passed, but not checked: replicas' files: needs node access\n  \
             kill-leader: not run: needs a helper pod\n  \
             grow: FAILED\n\
             2 passed, 1 failed, 1 not run"
        );
        assert_eq!(
            (summary.passed(), summary.failed(), summary.not_run()),
            (2, 1, 1)
        );
    }
}
