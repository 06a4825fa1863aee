//! The sizes that the emergency rule asked for of late.
//!
//! The load breathes: a size that is let go at a low moment would be forced back at the next high
//! one, and both ways move data. So, like the HorizontalPodAutoscaler's recommendations, floors
//! count for the whole scale-down window.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Floors that are kept: each is smaller than the one before, so more are never needed in practice.
const KEPT: usize = 256;

/// Floors that no newer one reaches, oldest and largest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Floors {
    kept: VecDeque<(i64, u32)>,
}

impl Floors {
    /// Takes in the floor of now.
    pub fn observe(&mut self, now_ms: i64, floor: u32) {
        while self.kept.back().is_some_and(|&(_, size)| size <= floor) {
            self.kept.pop_back();
        }
        self.kept.push_back((now_ms, floor));
        if self.kept.len() > KEPT {
            // The larger neighbour's size stands in for the older time: it is held longer, not less.
            self.kept.remove(1);
        }
    }

    /// The highest floor of the last `window_ms`; 0 where there was none.
    pub fn highest(&mut self, now_ms: i64, window_ms: i64) -> u32 {
        while (self.kept.front()).is_some_and(|&(at_ms, _)| now_ms - at_ms > window_ms) {
            self.kept.pop_front();
        }
        self.kept.front().map_or(0, |&(_, size)| size)
    }

    /// Whether restored floors are as many as this code keeps, and none is of the future, where it
    /// would count forever.
    pub fn is_sound(&self, newest_ms: Option<i64>) -> bool {
        let past = |at_ms| newest_ms.is_some_and(|newest_ms| (0..=newest_ms).contains(&at_ms));
        self.kept.len() <= KEPT && self.kept.iter().all(|&(at_ms, _)| past(at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_floor_of_the_window_counts() {
        let mut floors = Floors::default();
        for (at_ms, floor) in [(0, 5), (10, 7), (20, 6), (30, 6)] {
            floors.observe(at_ms, floor);
        }
        assert_eq!(floors.highest(30, 100), 7);
        assert_eq!(floors.highest(115, 100), 6);
        assert_eq!(floors.highest(131, 100), 0);
    }

    #[test]
    fn a_load_that_falls_forever_keeps_a_bounded_number() {
        let mut floors = Floors::default();
        for step in 0..10_000_u32 {
            floors.observe(i64::from(step), 20_000 - step);
        }
        assert!(floors.is_sound(Some(10_000)));
        assert!(!floors.is_sound(Some(9_000)));
        assert_eq!(floors.highest(10_000, 100_000), 20_000);
    }
}
