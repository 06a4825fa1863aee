//! Signals by a helper pod, for clusters that were handed over by a kubeconfig.
//!
//! Each signal is a pod of its own on the node of the pod that it is for. It sees the node's
//! processes (`hostPID`) and may signal them (CAP_KILL), and nothing else: no other capability, no
//! volume, no token. It lives in a namespace of its own, which is deleted with [`HelperPods`].

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::api::Kubernetes;
use super::signals::{Signal, sent_ago};

/// The namespace of helper pods; "privileged" is Pod Security's word for what sees the node.
const NAMESPACE: &str = "kintsugi-e2e-helper";
/// How long a helper pod may take, its image's pull included.
const HELPER_LIMIT: Duration = Duration::from_secs(120);

/// The means to run helper pods.
pub struct HelperPods {
    kubernetes: Kubernetes,
    image: String,
}

impl HelperPods {
    /// Makes their namespace.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn connect(kubeconfig: &Path, image: &str) -> anyhow::Result<Self> {
        let kubernetes = Kubernetes::connect(kubeconfig, NAMESPACE)?;
        kubernetes.apply_namespace(&[("pod-security.kubernetes.io/enforce", "privileged")])?;
        Ok(Self {
            kubernetes,
            image: image.to_owned(),
        })
    }

    /// Sends `signal`, see [`super::signals::Signals::send`].
    ///
    /// # Errors
    /// If the pod does not run, or the helper does not.
    pub fn signal(&self, namespace: &str, pod: &str, signal: Signal) -> anyhow::Result<Duration> {
        let target = self.kubernetes.in_namespace(namespace).pod(pod)?;
        let helper = helper_pod(&self.image, &target, signal)?;
        let asked = Instant::now();
        let name = self.kubernetes.create_pod(&helper)?;
        let limit = HELPER_LIMIT;
        let phase = self
            .kubernetes
            .wait("the helper pod to end", limit, |kubernetes| {
                let status = kubernetes.pod(&name)?.status.unwrap_or_default();
                let phase = status.phase.unwrap_or_default();
                let ended = ["Succeeded", "Failed"].contains(&phase.as_str());
                Ok(if ended {
                    Ok(phase)
                } else {
                    Err(format!("it is {phase}"))
                })
            })?;
        let seen = Instant::now();
        let said = self.kubernetes.logs(&name, false)?;
        self.kubernetes.delete_pod(&name, Some(0))?;
        ensure!(
            phase == "Succeeded",
            "the helper could not {signal} {pod}: {said}"
        );
        Ok(within(sent_ago(&said)?, seen.elapsed(), asked.elapsed()))
    }
}

impl Drop for HelperPods {
    fn drop(&mut self) {
        if let Err(error) = self.kubernetes.delete_namespace() {
            eprintln!("failed to delete namespace {NAMESPACE}: {error:#}");
        }
    }
}

/// The signal was sent after it was asked for and before its helper was seen to have ended,
/// whatever the node's clock says.
fn within(by_clock: Duration, least: Duration, most: Duration) -> Duration {
    let within = by_clock.clamp(least, most);
    if within != by_clock {
        let off = by_clock.abs_diff(within);
        println!(
            "  the node's clock is {off:.1?} or more off: times since the signal are that inexact"
        );
    }
    within
}

fn helper_pod(image: &str, target: &Pod, signal: Signal) -> anyhow::Result<Pod> {
    let spec = target.spec.as_ref().context("the pod has no spec")?;
    let status = target.status.as_ref().context("the pod has no status")?;
    let node = spec.node_name.as_ref().context("the pod is on no node")?;
    let container = status.container_statuses.iter().flatten().next();
    let Some(id) = container.and_then(|container| container.container_id.as_ref()) else {
        bail!("the pod has no container");
    };
    // `containerd://<id>`; control groups are named by the id.
    let id = id.rsplit('/').next().unwrap_or(id);
    let pod = json!({
        "metadata": {"generateName": format!("{signal}-")},
        "spec": {
            "nodeName": node,
            "hostPID": true,
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "helper",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "args": [signal.to_string(), id],
                "securityContext": {
                    "runAsUser": 0,
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"], "add": ["KILL"]},
                },
            }],
        },
    });
    Ok(serde_json::from_value(pod)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_runs_on_the_node_of_its_target_and_names_the_container() {
        let target = json!({
            "spec": {"nodeName": "node2", "containers": []},
            "status": {"containerStatuses": [{
                "name": "broker", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "containerID": "containerd://0a1b",
            }]},
        });
        let target: Pod = serde_json::from_value(target).unwrap();
        let spec = helper_pod("helper:1", &target, Signal::Freeze)
            .unwrap()
            .spec
            .unwrap();
        assert_eq!(spec.node_name.as_deref(), Some("node2"));
        let arguments = spec.containers[0].args.clone().unwrap();
        assert_eq!(arguments, ["freeze", "0a1b"]);
    }

    #[test]
    fn a_clock_that_is_off_never_moves_a_signal_out_of_the_time_in_which_it_was_sent() {
        let seconds = Duration::from_secs;
        assert_eq!(within(seconds(2), seconds(1), seconds(3)), seconds(2));
        assert_eq!(within(seconds(0), seconds(1), seconds(3)), seconds(1));
        assert_eq!(within(seconds(90), seconds(1), seconds(3)), seconds(3));
    }
}
