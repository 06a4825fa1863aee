//! The launcher's commands: faults that no API can make.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::signals::{Signal, sent_ago};

/// One cluster of the launcher.
#[derive(Clone, Debug)]
pub struct Localkube {
    /// The launcher's binary.
    pub binary: PathBuf,
    /// The cluster's name.
    pub name: String,
}

impl Localkube {
    /// Runs one command of the launcher and returns what it printed.
    ///
    /// # Errors
    /// If it fails: the message holds what it said.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(["--name", &self.name]).args(arguments);
        let output = command
            .output()
            .with_context(|| format!("failed to run {}", self.binary.display()))?;
        ensure!(
            output.status.success(),
            "localkube {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sends `signal`, see [`super::signals::Signals::send`].
    ///
    /// # Errors
    /// If the pod does not run.
    pub fn signal(&self, namespace: &str, pod: &str, signal: Signal) -> anyhow::Result<Duration> {
        let target = format!("{namespace}/{pod}");
        sent_ago(&self.run(&[&signal.to_string(), &target])?)
    }

    /// The process id, on this host, of a pod's main process.
    ///
    /// # Errors
    /// If the pod does not run.
    pub fn process_id(&self, namespace: &str, pod: &str) -> anyhow::Result<u32> {
        let printed = self.run(&["pid", &format!("{namespace}/{pod}")])?;
        let target: serde_json::Value = serde_json::from_str(&printed)
            .context("failed to read what `localkube pid` printed")?;
        let id = target.get("pid").and_then(serde_json::Value::as_u64);
        let id = id.with_context(|| format!("`localkube pid` printed no pid: {printed}"))?;
        Ok(u32::try_from(id)?)
    }
}
