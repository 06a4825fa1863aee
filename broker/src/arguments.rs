//! The command line.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use crate::settings::{FILE_BYTES_MAX, dev_values, parse_override, parse_properties};

/// A Kafka broker, controller, or both.
#[derive(Debug, Parser)]
#[command(name = "kintsugi-broker", version)]
pub struct Arguments {
    /// A properties file in Kafka's format.
    #[arg(long, value_name = "FILE", required_unless_present = "dev")]
    pub config: Option<PathBuf>,
    /// A setting that wins over the file; may be given more than once.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Run a broker and controller in one process on localhost:9092, with data in
    /// ./kintsugi-data.
    #[arg(long)]
    pub dev: bool,
}

impl Arguments {
    /// What was given: `--dev`, then the file, then `--override`; the later wins.
    ///
    /// # Errors
    /// When the file cannot be read, or an override is no `key=value`.
    pub fn given(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut given = match self.dev {
            true => dev_values(),
            false => BTreeMap::new(),
        };
        if let Some(path) = &self.config {
            let file = std::fs::File::open(path);
            let mut text = String::new();
            file.and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
                .with_context(|| format!("failed to read settings from {}", path.display()))?;
            given.extend(parse_properties(&text));
        }
        for text in &self.overrides {
            let (key, value) = parse_override(text).with_context(|| {
                format!("failed to read --override {text}: write it as key=value")
            })?;
            given.insert(key, value);
        }
        Ok(given)
    }
}
