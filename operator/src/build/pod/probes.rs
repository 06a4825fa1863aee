//! The probes. None of them can kill a node that is busy coming back.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names::HTTP_PORT;

/// Waits for the process to answer at all: 10 minutes, for the recovery of a large log.
pub fn startup() -> Probe {
    Probe {
        period_seconds: Some(1),
        failure_threshold: Some(600),
        ..get("/livez", 1)
    }
}

/// Fails only when the process's own threads are stuck, for 30 s on end. It says nothing of the
/// quorum or of other brokers: their trouble must not restart this one.
pub fn liveness() -> Probe {
    Probe {
        period_seconds: Some(5),
        failure_threshold: Some(6),
        ..get("/livez", 3)
    }
}

/// Says whether clients should begin here. A second's period, because forming waits for it.
pub fn readiness() -> Probe {
    Probe {
        period_seconds: Some(1),
        failure_threshold: Some(2),
        ..get("/readyz", 1)
    }
}

fn get(path: &str, timeout_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(HTTP_PORT),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(timeout_seconds),
        ..Probe::default()
    }
}
