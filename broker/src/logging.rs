//! Log lines: JSON on standard output, one object a line; plain text with `--dev`.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Begins writing log lines at `level`: a word such as `info`, or filters by module.
///
/// # Errors
/// When `level` is no filter, or log lines are written already.
pub fn start(level: &str, is_dev: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("failed to read settings: kintsugi.log.level={level}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = if is_dev {
        builder
            .with_target(false)
            .with_ansi(std::io::stdout().is_terminal())
            .try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    started.map_err(|cause| anyhow::anyhow!("failed to start the log: {cause}"))
}
