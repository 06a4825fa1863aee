//! The cases of `TestScalingWithRules` in the controller's own `horizontal_test.go`: scaling
//! policies and limits.

use kintsugi_forecast::hpa::{
    Behavior, Controller, Limit, Policy, PolicyKind, ScalingRules, SelectPolicy,
};

const SECOND: i64 = 1_000;

fn rules(pods: (u32, u32), percent: (u32, u32), window: u32) -> ScalingRules {
    let mut policies = Vec::new();
    for (kind, (value, period_seconds)) in
        [(PolicyKind::Pods, pods), (PolicyKind::Percent, percent)]
    {
        if value > 0 {
            policies.push(Policy {
                kind,
                value,
                period_seconds,
            });
        }
    }
    ScalingRules {
        stabilization_window_seconds: window,
        select_policy: SelectPolicy::Max,
        policies,
        tolerance: 0.1,
    }
}

/// One case of `TestScalingWithRules`.
struct RuleCase {
    name: &'static str,
    events: &'static [u32],
    rules: ScalingRules,
    bounds: (u32, u32),
    current: u32,
    desired: u32,
    expected: (u32, Option<Limit>),
}

/// Events spread evenly over the period that ends now, as `generateEventsUniformDistribution`.
fn events_at(count: usize, period_seconds: i64, now_ms: i64) -> impl Iterator<Item = i64> {
    let every = period_seconds as f64 / (count as f64 + 1.0);
    (0..count).map(move |index| now_ms - (every * (index as f64 + 0.5) * 1_000.0) as i64)
}

fn check(case: RuleCase, up: bool) {
    let now_ms = 10_000 * SECOND;
    let mut behavior = Behavior::default();
    if up {
        behavior.scale_up = case.rules;
    } else {
        behavior.scale_down = case.rules;
    }
    let mut controller = Controller::default();
    let mut times: Vec<i64> = events_at(case.events.len(), 120, now_ms).collect();
    times.sort_unstable();
    for (at_ms, &change) in times.into_iter().zip(case.events) {
        let (from, to) = if up {
            (100, 100 + change)
        } else {
            (100 + change, 100)
        };
        controller.scaled(at_ms, from, to, &behavior);
    }
    let size = controller.limit(now_ms, case.current, case.desired, case.bounds, &behavior);
    assert_eq!(size, case.expected, "{}", case.name);
}

/// Name, events, rules, bounds, current and desired size, and what is expected.
type Row = (
    &'static str,
    &'static [u32],
    ScalingRules,
    (u32, u32),
    u32,
    u32,
    (u32, Option<Limit>),
);

fn check_all<const N: usize>(table: [Row; N], up: bool) {
    for (name, events, rules, bounds, current, desired, expected) in table {
        let case = RuleCase {
            name,
            events,
            rules,
            bounds,
            current,
            desired,
            expected,
        };
        check(case, up);
    }
}

#[test]
fn scale_up_policies_give_what_the_controllers_own_tests_expect() {
    let up = Some(Limit::ScaleUpLimit);
    let default = Behavior::default().scale_up;
    let free = (1, 1_000);
    let table: [Row; 6] = [
        ("default behavior", &[][..], default, free, 10, 50, (20, up)),
        (
            "pods policy larger",
            &[],
            rules((100, 60), (100, 60), 0),
            free,
            10,
            500,
            (110, up),
        ),
        (
            "percent policy larger",
            &[],
            rules((2, 60), (100, 60), 0),
            free,
            10,
            500,
            (20, up),
        ),
        (
            "large pod policy",
            &[],
            rules((100, 60), (0, 0), 0),
            free,
            10,
            50,
            (50, None),
        ),
        (
            "pod policy limitation",
            &[],
            rules((30, 60), (0, 0), 0),
            free,
            10,
            50,
            (40, up),
        ),
        (
            "percent policy limitation",
            &[],
            rules((0, 0), (200, 60), 0),
            free,
            10,
            50,
            (30, up),
        ),
    ];
    check_all(table, true);
}

#[test]
fn scale_up_policies_count_what_happened_of_late_as_the_controllers_own_tests_expect() {
    let up = Some(Limit::ScaleUpLimit);
    let many = Some(Limit::TooManyReplicas);
    let free = (1, 1_000);
    let recent = &[1, 5, 9][..];
    let table: [Row; 5] = [
        (
            "maxReplicas and events",
            recent,
            rules((300, 60), (0, 0), 0),
            (1, 200),
            100,
            500,
            (200, many),
        ),
        (
            "maxReplicas, percent and events",
            recent,
            rules((0, 0), (10_000, 60), 0),
            (1, 200),
            100,
            500,
            (200, many),
        ),
        (
            "a lot of recent events",
            recent,
            rules((5, 120), (0, 0), 0),
            free,
            100,
            500,
            (100, up),
        ),
        (
            "pod policy and events",
            recent,
            rules((150, 120), (0, 0), 0),
            free,
            100,
            500,
            (235, up),
        ),
        (
            "percent policy and events",
            recent,
            rules((0, 0), (200, 120), 0),
            free,
            100,
            500,
            (255, up),
        ),
    ];
    check_all(table, true);
}

#[test]
fn scale_down_policies_give_what_the_controllers_own_tests_expect() {
    let down = Some(Limit::ScaleDownLimit);
    let few = Some(Limit::TooFewReplicas);
    let free = (1, 1_000);
    let table: [Row; 6] = [
        (
            "percent policy larger",
            &[][..],
            rules((20, 60), (1, 60), 300),
            free,
            100,
            2,
            (80, down),
        ),
        (
            "pod policy larger",
            &[],
            rules((2, 60), (1, 60), 300),
            free,
            100,
            2,
            (98, down),
        ),
        (
            "minReplicas, large pod policy",
            &[],
            rules((100, 60), (0, 0), 300),
            free,
            10,
            0,
            (1, few),
        ),
        (
            "minReplicas, large percent policy",
            &[],
            rules((0, 0), (100, 60), 300),
            (5, 1_000),
            10,
            2,
            (5, few),
        ),
        (
            "pod policy limitation",
            &[],
            rules((5, 60), (0, 0), 300),
            free,
            10,
            2,
            (5, down),
        ),
        (
            "percent policy limitation",
            &[],
            rules((0, 0), (50, 60), 300),
            free,
            10,
            5,
            (5, None),
        ),
    ];
    check_all(table, false);
}

#[test]
fn scale_down_policies_count_what_happened_of_late_as_the_controllers_own_tests_expect() {
    let down = Some(Limit::ScaleDownLimit);
    let few = Some(Limit::TooFewReplicas);
    let default = Behavior::default().scale_down;
    let free = (1, 1_000);
    let recent = &[1, 5, 9][..];
    let table: [Row; 6] = [
        (
            "default policy and events",
            recent,
            default,
            free,
            10,
            5,
            (5, None),
        ),
        (
            "large pod policy and events",
            recent,
            rules((115, 120), (0, 0), 300),
            free,
            100,
            0,
            (1, few),
        ),
        (
            "pod policy and events",
            recent,
            rules((5, 120), (0, 0), 300),
            free,
            100,
            2,
            (100, down),
        ),
        (
            "percent policy and events",
            &[2, 4, 6],
            rules((0, 0), (50, 120), 300),
            free,
            100,
            0,
            (56, down),
        ),
        (
            "events preventing more",
            &[10, 10, 10],
            rules((0, 0), (10, 120), 300),
            free,
            100,
            0,
            (100, down),
        ),
        (
            "events still allowing more",
            &[10, 10, 10],
            rules((0, 0), (1_000, 120), 300),
            free,
            10,
            5,
            (5, None),
        ),
    ];
    check_all(table, false);
}

#[test]
fn the_smallest_policy_counts_where_it_is_selected_and_none_where_disabled() {
    let mut behavior = Behavior::default();
    behavior.scale_up.select_policy = SelectPolicy::Min;
    let controller = Controller::default();
    // Of 4 pods and 100 %.
    assert_eq!(controller.limit(0, 10, 50, (1, 100), &behavior).0, 14);
    behavior.scale_down.select_policy = SelectPolicy::Disabled;
    assert_eq!(
        controller.limit(0, 10, 5, (1, 100), &behavior),
        (10, Some(Limit::ScaleDownLimit))
    );
}
