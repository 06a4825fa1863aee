//! The cases of the Kubernetes documentation's algorithm details, and those of the controller's
//! own tests (`replica_calculator_test.go`, `horizontal_test.go`), by their names there.

use kintsugi_forecast::hpa::{
    Behavior, Controller, Limit, Metric, Policy, PolicyKind, ScalingRules, SelectPolicy, Tolerance,
    desired_replicas, largest,
};

const DEFAULT: Tolerance = Tolerance { up: 0.1, down: 0.1 };
const SECOND: i64 = 1_000;

/// A utilisation metric of pods that all reported.
fn pods(utilizations: &[f64], target: f64) -> Metric {
    Metric {
        mean: utilizations.iter().sum::<f64>() / utilizations.len().max(1) as f64,
        reporting: utilizations.len() as u32,
        missing: 0,
        unready: 0,
        target,
        missing_value: target.max(1.0),
    }
}

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

#[test]
fn twice_the_desired_value_doubles_and_half_of_it_halves() {
    // "if the current metric value is 200m, and the desired value is 100m, the number of replicas
    // will be doubled … If the current value is instead 50m, you'll halve the number of replicas".
    assert_eq!(desired_replicas(4, &pods(&[0.2; 4], 0.1), DEFAULT), Some(8));
    assert_eq!(
        desired_replicas(4, &pods(&[0.05; 4], 0.1), DEFAULT),
        Some(2)
    );
}

#[test]
fn a_ratio_within_the_tolerance_changes_nothing() {
    assert_eq!(
        desired_replicas(10, &pods(&[1.1; 10], 1.0), DEFAULT),
        Some(10)
    );
    assert_eq!(
        desired_replicas(10, &pods(&[0.9; 10], 1.0), DEFAULT),
        Some(10)
    );
    assert_eq!(
        desired_replicas(10, &pods(&[1.11; 10], 1.0), DEFAULT),
        Some(12)
    );
    // KEP-4951: a tolerance for each direction.
    let eager = Tolerance { up: 0.0, down: 0.3 };
    assert_eq!(
        desired_replicas(10, &pods(&[1.01; 10], 1.0), eager),
        Some(11)
    );
    assert_eq!(
        desired_replicas(10, &pods(&[0.75; 10], 1.0), eager),
        Some(10)
    );
}

#[test]
fn the_calculators_own_cases_hold() {
    let case = |name: &str, current, metric: Metric, expected: u32| {
        assert_eq!(
            desired_replicas(current, &metric, DEFAULT),
            Some(expected),
            "{name}"
        );
    };
    case("ScaleUp", 3, pods(&[0.3, 0.5, 0.7], 0.3), 5);
    case("ScaleUpCM", 3, pods(&[20.0, 10.0, 30.0], 15.0), 4);
    case("ScaleDown", 5, pods(&[0.1, 0.3, 0.5, 0.25, 0.25], 0.5), 3);
    case("ScaleDownCM", 5, pods(&[12.0; 5], 20.0), 3);
    case("Tolerance", 3, pods(&[1.01, 1.03, 1.02], 1.0), 3);
    case("ToleranceCM", 3, pods(&[20.0, 21.0, 21.0], 20.0), 3);
    // Of six that reported two are of no known pod.
    case(
        "SuperfluousMetrics",
        4,
        pods(&[4.0, 9.5, 3.0, 7.0], 1.0),
        24,
    );
    let with = |metric: Metric, missing, unready| Metric {
        missing,
        unready,
        ..metric
    };
    case(
        "ScaleUpUnreadyLessScale",
        3,
        with(pods(&[0.5, 0.7], 0.3), 0, 1),
        4,
    );
    case("ScaleUpUnreadyNoScale", 3, with(pods(&[0.4], 0.3), 0, 2), 3);
    case("MissingMetrics", 4, with(pods(&[0.4, 0.095], 1.0), 2, 0), 3);
    case(
        "MissingMetricsNoChangeEq",
        2,
        with(pods(&[1.0], 1.0), 1, 0),
        2,
    );
    case(
        "PlainMetricMissingNoChangeEq",
        5,
        with(pods(&[20.0, 19.0, 21.0], 20.0), 2, 0),
        5,
    );
    case(
        "MissingMetricsNoChangeGt",
        2,
        with(pods(&[1.9], 1.0), 1, 0),
        2,
    );
    case(
        "MissingMetricsNoChangeLt",
        2,
        with(pods(&[0.6], 1.0), 1, 0),
        2,
    );
    case(
        "MissingMetricsUnreadyChange",
        3,
        with(pods(&[0.45], 0.5), 1, 1),
        3,
    );
    case(
        "MissingMetricsUnreadyScaleUp",
        3,
        with(pods(&[2.0], 0.5), 1, 1),
        4,
    );
    case(
        "MissingMetricsUnreadyScaleDown",
        4,
        with(pods(&[0.1, 0.1], 0.5), 1, 1),
        3,
    );
    case(
        "MissingMetricsScaleDownTargetOver100",
        4,
        with(pods(&[0.1, 0.033], 3.0), 1, 1),
        2,
    );
    case(
        "DuringRollingUpdateWithMaxSurge",
        2,
        with(pods(&[0.1, 0.1], 0.5), 1, 0),
        2,
    );
    let mut surge = with(pods(&[10.0, 10.0], 17.0), 1, 0);
    surge.missing_value = surge.target;
    case("DuringRollingUpdateWithMaxSurgeCM", 2, surge, 2);
    assert_eq!(
        desired_replicas(4, &pods(&[], 1.0), DEFAULT),
        None,
        "EmptyMetrics"
    );
}

#[test]
fn of_several_metrics_the_largest_counts_and_a_missing_one_forbids_to_shrink() {
    assert_eq!(largest(5, &[Some(3), Some(7)]), Some(7));
    assert_eq!(largest(5, &[Some(3), Some(4)]), Some(4));
    assert_eq!(largest(5, &[Some(3), None]), Some(5));
    assert_eq!(largest(5, &[Some(8), None]), Some(8));
    assert_eq!(largest(5, &[None, None]), None);
}

#[test]
fn the_highest_recommendation_of_the_window_counts_on_the_way_down() {
    let behavior = Behavior::default();
    let mut controller = Controller::default();
    // The first recommendation is the size itself (TestScaleDownStabilizeInitialSize).
    assert_eq!(
        controller.normalize(0, 5, 3, (2, 6), &behavior),
        (5, Some(Limit::ScaleDownStabilized))
    );
    for at in (15..300).step_by(15) {
        assert_eq!(
            controller.normalize(at * SECOND, 5, 3, (2, 6), &behavior).0,
            5,
            "{at}"
        );
    }
    assert_eq!(
        controller.normalize(300 * SECOND, 5, 3, (2, 6), &behavior),
        (3, None)
    );
}

#[test]
fn the_lowest_recommendation_of_the_window_counts_on_the_way_up() {
    let mut behavior = Behavior::default();
    behavior.scale_up.stabilization_window_seconds = 120;
    let mut controller = Controller::default();
    assert_eq!(
        controller.normalize(0, 5, 9, (1, 20), &behavior),
        (5, Some(Limit::ScaleUpStabilized))
    );
    assert_eq!(
        controller
            .normalize(60 * SECOND, 5, 7, (1, 20), &behavior)
            .0,
        5
    );
    assert_eq!(
        controller
            .normalize(120 * SECOND, 5, 9, (1, 20), &behavior)
            .0,
        7
    );
}

#[test]
fn limits_hold_whatever_the_metrics_ask() {
    let behavior = Behavior::default();
    let mut controller = Controller::default();
    assert_eq!(
        controller.normalize(0, 10, 50, (1, 15), &behavior),
        (15, Some(Limit::TooManyReplicas))
    );
    assert_eq!(
        controller.normalize(0, 20, 5, (1, 15), &behavior),
        (15, Some(Limit::TooManyReplicas))
    );
    assert_eq!(
        controller.normalize(0, 2, 1, (4, 15), &behavior),
        (4, Some(Limit::TooFewReplicas))
    );
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

#[test]
fn scale_up_rules_give_what_the_controllers_own_tests_expect() {
    let up = Some(Limit::ScaleUpLimit);
    let many = Some(Limit::TooManyReplicas);
    let default = Behavior::default().scale_up;
    let free = (1, 1_000);
    let recent = &[1, 5, 9][..];
    let table = [
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
        check(case, true);
    }
}

#[test]
fn scale_down_rules_give_what_the_controllers_own_tests_expect() {
    let down = Some(Limit::ScaleDownLimit);
    let few = Some(Limit::TooFewReplicas);
    let default = Behavior::default().scale_down;
    let free = (1, 1_000);
    let recent = &[1, 5, 9][..];
    let table = [
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
        check(case, false);
    }
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
