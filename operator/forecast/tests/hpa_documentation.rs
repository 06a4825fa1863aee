//! The cases of the Kubernetes documentation's algorithm details, and those of the controller's
//! own tests (`replica_calculator_test.go`, `horizontal_test.go`), by their names there.

use kintsugi_forecast::hpa::{
    Behavior, Controller, Limit, Metric, Tolerance, desired_replicas, largest,
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

/// A case of Kubernetes' replica_calculator_test.go, by its name there.
fn case(name: &str, current: u32, metric: Metric, expected: u32) {
    assert_eq!(
        desired_replicas(current, &metric, DEFAULT),
        Some(expected),
        "{name}"
    );
}

fn with(metric: Metric, missing: u32, unready: u32) -> Metric {
    Metric {
        missing,
        unready,
        ..metric
    }
}

#[test]
fn the_calculators_own_cases_hold_where_all_report() {
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
    assert_eq!(
        desired_replicas(4, &pods(&[], 1.0), DEFAULT),
        None,
        "EmptyMetrics"
    );
}

#[test]
fn the_calculators_own_cases_hold_where_pods_are_unready() {
    case(
        "ScaleUpUnreadyLessScale",
        3,
        with(pods(&[0.5, 0.7], 0.3), 0, 1),
        4,
    );
    case("ScaleUpUnreadyNoScale", 3, with(pods(&[0.4], 0.3), 0, 2), 3);
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
}

#[test]
fn the_calculators_own_cases_hold_where_metrics_are_missing() {
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
        "DuringRollingUpdateWithMaxSurge",
        2,
        with(pods(&[0.1, 0.1], 0.5), 1, 0),
        2,
    );
    let mut surge = with(pods(&[10.0, 10.0], 17.0), 1, 0);
    surge.missing_value = surge.target;
    case("DuringRollingUpdateWithMaxSurgeCM", 2, surge, 2);
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
