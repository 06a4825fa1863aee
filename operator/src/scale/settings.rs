//! The resource's words, as the scaler has them.

use kintsugi_crds::{
    Autoscaling, NetworkTarget, ScalingPolicy, ScalingPolicySelect, ScalingPolicyType,
};
use kintsugi_forecast::hpa::{Behavior, Policy, PolicyKind, ScalingRules, SelectPolicy};
use kintsugi_forecast::{Constraints, ResourceSettings, Settings};

/// What the scaler goes by.
pub fn settings(autoscaling: &Autoscaling) -> Settings {
    let targets = &autoscaling.targets;
    let [cpu, ..] = Settings::default().resources;
    // The work that a broker's processor does is learned; only where to begin is given.
    let cpu = cpu
        .filter(|_| targets.cpu_percent > 0)
        .map(|cpu| ResourceSettings {
            target: share(targets.cpu_percent),
            ..cpu
        });
    let network = |target: NetworkTarget| ResourceSettings {
        capacity_per_broker: target.bytes_per_second as f64,
        target: share(target.percent),
    };
    Settings {
        resources: [
            cpu,
            targets.network_in.map(network),
            targets.network_out.map(network),
        ],
        behavior: Behavior {
            scale_up: rules(&autoscaling.behavior.scale_up),
            scale_down: rules(&autoscaling.behavior.scale_down),
        },
        ..Settings::default()
    }
}

/// The limits of the size. In a dry run the scaler decides as if it were none, and nobody heeds it.
pub fn constraints(autoscaling: &Autoscaling) -> Constraints {
    Constraints {
        min_replicas: count(autoscaling.min_replicas),
        max_replicas: count(autoscaling.max_replicas),
        dry_run: false,
    }
}

fn rules(rules: &kintsugi_crds::ScalingRules) -> ScalingRules {
    ScalingRules {
        stabilization_window_seconds: count(rules.stabilization_window_seconds),
        select_policy: match rules.select_policy {
            ScalingPolicySelect::Max => SelectPolicy::Max,
            ScalingPolicySelect::Min => SelectPolicy::Min,
            ScalingPolicySelect::Disabled => SelectPolicy::Disabled,
        },
        policies: rules.policies.iter().map(policy).collect(),
        tolerance: ScalingRules::DEFAULT_TOLERANCE,
    }
}

fn policy(policy: &ScalingPolicy) -> Policy {
    Policy {
        kind: match policy.type_ {
            ScalingPolicyType::Pods => PolicyKind::Pods,
            ScalingPolicyType::Percent => PolicyKind::Percent,
        },
        value: count(policy.value),
        period_seconds: count(policy.period_seconds),
    }
}

fn share(percent: i32) -> f64 {
    f64::from(percent) / 100.0
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
