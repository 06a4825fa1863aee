//! A Python that has kafka-python, made once and kept in the cache of build outputs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of kafka-python that the tests speak to.
const VERSION: &str = "3.0.12";

/// The interpreter of a virtual environment with kafka-python; made if it is not there yet.
pub fn with_kafka_python() -> PathBuf {
    let home = || Path::new(&std::env::var("HOME").unwrap()).join(".cache/kintsugi");
    let cache = std::env::var("KINTSUGI_CACHE").map_or_else(|_| home(), PathBuf::from);
    let folder = cache.join(format!("kafka-python-{VERSION}"));
    let python = folder.join("bin/python");
    let imports = |python: &Path| {
        let status = Command::new(python).args(["-c", "import kafka"]).status();
        status.is_ok_and(|status| status.success())
    };
    if !imports(&python) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let package = format!("kafka-python=={VERSION}");
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &package]));
        assert!(
            imports(&python),
            "kafka-python was installed, but cannot be imported"
        );
    }
    python
}

fn run(command: &mut Command) {
    let status = command.status();
    let succeeded = status.as_ref().is_ok_and(|status| status.success());
    assert!(succeeded, "failed to run {command:?}: {status:?}");
}
