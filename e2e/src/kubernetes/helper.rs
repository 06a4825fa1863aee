//! Signals by a helper pod, for clusters that were handed over by a kubeconfig.
//!
//! Each signal is a pod of its own on the node of the pod that it is for. It sees the node's
//! processes (`hostPID`) and may signal them (CAP_KILL), and nothing else: no other capability, no
//! volume, no token. It lives in a namespace of its own, which is deleted with [`HelperPods`].

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::api::Kubernetes;
use super::signals::{Signal, sent_ago};

/// The namespace of helper pods; "privileged" is Pod Security's word for what sees the node.
const NAMESPACE: &str = "kintsugi-e2e-helper";
/// How long a helper pod may take, its image's pull included.
const HELPER_LIMIT: Duration = Duration::from_secs(120);
/// The helper's exit code where the container has no process any more.
const ENDED: i32 = 3;
/// Containers of one pod that may end before they are signalled.
const CONTAINERS_MAX: usize = 3;
/// How long a pod may take to run its next container: the kubelet waits up to 80 s after the third
/// end in a row.
const CONTAINER_LIMIT: Duration = Duration::from_secs(120);

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
        let targets = self.kubernetes.in_namespace(namespace);
        let mut ended = None;
        for _ in 0..CONTAINERS_MAX {
            // What was killed a moment ago is named as running until the kubelet has looked.
            let what = "a container of the pod that runs";
            let (target, container) = targets.wait(what, CONTAINER_LIMIT, |targets| {
                let target = targets.pod(pod)?;
                let running = running_container(&target).filter(|id| ended.as_ref() != Some(id));
                Ok(running
                    .map(|container| (target, container))
                    .ok_or_else(|| format!("{pod} runs none")))
            })?;
            match self.try_signal(&target, &container, signal)? {
                Some(sent_ago) => return Ok(sent_ago),
                None => ended = Some(container),
            }
        }
        bail!(
            "failed to {signal} {pod}: {CONTAINERS_MAX} containers ended before they were signalled"
        )
    }

    /// None: the container has no process any more.
    fn try_signal(
        &self,
        target: &Pod,
        container: &str,
        signal: Signal,
    ) -> anyhow::Result<Option<Duration>> {
        let helper = helper_pod(&self.image, target, container, signal)?;
        let asked = Instant::now();
        let name = self.kubernetes.create_pod(&helper)?;
        let limit = HELPER_LIMIT;
        let code = self
            .kubernetes
            .wait("the helper pod to end", limit, |kubernetes| {
                let helper = kubernetes.pod(&name)?;
                let code = exit_code(&helper);
                Ok(code.ok_or_else(|| {
                    let phase = helper.status.and_then(|status| status.phase);
                    format!("it is {}", phase.unwrap_or_default())
                }))
            })?;
        let seen = Instant::now();
        let said = self.kubernetes.logs(&name, false)?;
        self.kubernetes.delete_pod(&name, Some(0))?;
        match code {
            0 => Ok(Some(within(
                sent_ago(&said)?,
                seen.elapsed(),
                asked.elapsed(),
            ))),
            ENDED => Ok(None),
            _ => bail!("the helper could not {signal} container {container}: {said}"),
        }
    }
}

/// The id of the container that runs, as control groups are named by it.
fn running_container(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let running = statuses.first()?;
    running.state.as_ref()?.running.as_ref()?;
    // `containerd://<id>`
    let id = running.container_id.as_ref()?;
    Some(id.rsplit('/').next().unwrap_or(id).to_owned())
}

fn exit_code(helper: &Pod) -> Option<i32> {
    let statuses = helper.status.as_ref()?.container_statuses.as_ref()?;
    let terminated = statuses.first()?.state.as_ref()?.terminated.as_ref()?;
    Some(terminated.exit_code)
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

fn helper_pod(image: &str, target: &Pod, container: &str, signal: Signal) -> anyhow::Result<Pod> {
    let spec = target.spec.as_ref().context("the pod has no spec")?;
    let node = spec.node_name.as_ref().context("the pod is on no node")?;
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
                "args": [signal.to_string(), container],
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
                "containerID": "containerd://0a1b", "state": {"running": {}},
            }]},
        });
        let mut target: Pod = serde_json::from_value(target).unwrap();
        let container = running_container(&target).unwrap();
        let spec = helper_pod("helper:1", &target, &container, Signal::Freeze)
            .unwrap()
            .spec
            .unwrap();
        assert_eq!(spec.node_name.as_deref(), Some("node2"));
        let arguments = spec.containers[0].args.clone().unwrap();
        assert_eq!(arguments, ["freeze", "0a1b"]);
        let statuses = target.status.as_mut().unwrap().container_statuses.as_mut();
        statuses.unwrap()[0].state = None;
        assert_eq!(running_container(&target), None);
    }

    #[test]
    fn a_clock_that_is_off_never_moves_a_signal_out_of_the_time_in_which_it_was_sent() {
        let seconds = Duration::from_secs;
        assert_eq!(within(seconds(2), seconds(1), seconds(3)), seconds(2));
        assert_eq!(within(seconds(0), seconds(1), seconds(3)), seconds(1));
        assert_eq!(within(seconds(90), seconds(1), seconds(3)), seconds(3));
    }
}
