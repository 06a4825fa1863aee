//! Signals to the main process of a pod: what no Kubernetes API does.

use std::fmt;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::helper::HelperPods;
use super::localkube::Localkube;

/// A signal to a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Freeze,
    /// SIGCONT.
    Revive,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Kill => "kill",
            Signal::Freeze => "freeze",
            Signal::Revive => "revive",
        })
    }
}

/// Who sends them.
pub enum Signals {
    /// The launcher, whose processes are this host's.
    Launcher(Localkube),
    /// A pod on the same node that sees the node's processes.
    HelperPods(HelperPods),
}

impl Signals {
    /// Sends `signal` to the main process of a pod. Gives how long ago it was sent, to a
    /// millisecond: whoever sends it takes some time before and after it.
    ///
    /// # Errors
    /// If the pod does not run.
    pub fn send(&self, namespace: &str, pod: &str, signal: Signal) -> anyhow::Result<Duration> {
        match self {
            Signals::Launcher(localkube) => localkube.signal(namespace, pod, signal),
            Signals::HelperPods(helper) => helper.signal(namespace, pod, signal),
        }
    }
}

/// When a signal was sent, from the `sent_unix_ms` that its sender printed as JSON.
///
/// # Errors
/// If there is none.
pub fn sent_ago(printed: &str) -> anyhow::Result<Duration> {
    let signal: serde_json::Value =
        serde_json::from_str(printed).context("failed to read what the sender of a signal said")?;
    let sent = signal
        .get("sent_unix_ms")
        .and_then(serde_json::Value::as_u64);
    let sent = sent.context("the sender of a signal named no sent_unix_ms")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(now.saturating_sub(Duration::from_millis(sent)))
}
