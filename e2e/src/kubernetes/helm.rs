//! The chart, installed and removed as its users do.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};

/// How long helm waits for the operator to be ready or gone.
const WAIT: &str = "120s";

/// A release of the chart.
#[derive(Clone, Debug)]
pub struct Helm {
    /// Helm's binary.
    pub binary: PathBuf,
    /// The chart's folder.
    pub chart: PathBuf,
    /// The release's name.
    pub release: String,
    /// Its namespace.
    pub namespace: String,
    /// The kubeconfig of the cluster.
    pub kubeconfig: PathBuf,
}

impl Helm {
    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.binary);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
            .args(["--namespace", &self.namespace])
            .args(arguments);
        let output = command
            .output()
            .with_context(|| format!("failed to run {}", self.binary.display()))?;
        ensure!(
            output.status.success(),
            "helm {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn chart(&self) -> String {
        self.chart.display().to_string()
    }

    /// The values that the release was installed with, as JSON.
    ///
    /// # Errors
    /// If there is no such release.
    pub fn values(&self) -> anyhow::Result<String> {
        self.run(&["get", "values", &self.release, "--output", "json"])
    }

    /// Upgrades the release with one value changed (`key=value`), and waits for it.
    ///
    /// # Errors
    /// If helm fails, or the operator does not become ready.
    pub fn upgrade(&self, change: &str) -> anyhow::Result<()> {
        let (release, chart) = (&self.release, &self.chart());
        let arguments = ["upgrade", release, chart, "--reuse-values", "--set", change];
        let wait = ["--wait", "--timeout", WAIT];
        self.run(&[&arguments[..], &wait[..]].concat()).map(drop)
    }

    /// Uninstalls the release, and waits until its objects are gone.
    ///
    /// # Errors
    /// If helm fails.
    pub fn uninstall(&self) -> anyhow::Result<()> {
        let arguments = ["uninstall", &self.release, "--wait", "--timeout", WAIT];
        self.run(&arguments).map(drop)
    }

    /// Installs the release with these values (JSON), and waits for it.
    ///
    /// # Errors
    /// If helm fails, or the operator does not become ready.
    pub fn install(&self, values: &str) -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new().context("failed to make a file of values")?;
        std::fs::write(file.path(), values).context("failed to write the chart's values")?;
        let path = file.path().display().to_string();
        let (release, chart) = (&self.release, &self.chart());
        let arguments = ["install", release, chart, "--values", &path];
        let wait = ["--wait", "--timeout", WAIT];
        self.run(&[&arguments[..], &wait[..]].concat()).map(drop)
    }
}
