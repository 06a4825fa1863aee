//! Stabilization windows, against the plain sum of what the documentation says.

use kintsugi_forecast::hpa::{Behavior, Controller, Policy, PolicyKind};
use proptest::prelude::*;

/// Windows of so many seconds, and policies that allow any change.
fn behavior(up_seconds: u32, down_seconds: u32) -> Behavior {
    let any = Policy {
        kind: PolicyKind::Pods,
        value: 1_000_000,
        period_seconds: 1,
    };
    let mut behavior = Behavior::default();
    for (rules, seconds) in [
        (&mut behavior.scale_up, up_seconds),
        (&mut behavior.scale_down, down_seconds),
    ] {
        rules.stabilization_window_seconds = seconds;
        rules.policies = vec![any];
    }
    behavior
}

/// The size within the lowest of the recommendations of the one window and the highest of those of
/// the other.
fn stabilized(
    seen: &[(i64, u32)],
    (now_ms, current, desired): (i64, u32, u32),
    (up_seconds, down_seconds): (u32, u32),
) -> u32 {
    let within = |seconds: u32| {
        (seen.iter())
            .filter(move |(at_ms, _)| now_ms - at_ms < i64::from(seconds) * 1_000)
            .map(|&(_, size)| size)
    };
    let lowest = within(up_seconds).fold(desired, u32::min);
    let highest = within(down_seconds).fold(desired, u32::max);
    current.max(lowest).min(highest)
}

proptest! {
    #[test]
    fn every_recommendation_of_both_windows_counts(
        windows in (0_u32..90, 0_u32..90),
        steps in proptest::collection::vec((1_i64..40, 1_u32..12, 1_u32..12), 1..60),
    ) {
        let behavior = behavior(windows.0, windows.1);
        let mut controller = Controller::default();
        let mut seen: Vec<(i64, u32)> = Vec::new();
        let mut now_ms = 1_700_000_000_000;
        for (seconds, current, desired) in steps {
            now_ms += seconds * 1_000;
            if seen.is_empty() {
                seen.push((now_ms, current));
            }
            let expected = stabilized(&seen, (now_ms, current, desired), windows);
            let (size, _) =
                controller.normalize(now_ms, current, desired, (1, 1_000_000), &behavior);
            prop_assert_eq!(size, expected);
            seen.push((now_ms, desired));
        }
    }
}
