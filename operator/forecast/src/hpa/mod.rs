//! The HorizontalPodAutoscaler's rule, to the letter.
//!
//! Guarantees: the same size as the controller in kube-controller-manager gives for the same
//! metrics, rules and times (`pkg/controller/podautoscaler`: `replica_calculator.go` and
//! `horizontal.go`; <https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/>):
//! ratio, tolerance a direction (KEP-4951), missing and unready pods, stabilization windows,
//! scaling policies, limits. One thing differs: percentages are not cut to whole numbers before
//! the division, as for the controller's raw metrics.
//! Assumes finite, non-negative metrics and times that do not go back (the caller checks).

mod behavior;
mod controller;
mod replicas;

pub use behavior::{Behavior, Policy, PolicyKind, ScalingRules, SelectPolicy};
pub use controller::{Controller, Limit};
pub use replicas::{Metric, Recommendation, Tolerance, desired_replicas, largest};
