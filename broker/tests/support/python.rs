//! A Python that has kafka-python, made once and kept in the cache of build outputs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tokio::sync::mpsc;

use super::PATIENCE;

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

/// A script that runs beside the test; killed with it.
pub struct Script {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Script {
    /// Starts `script`, a path below the broker's folder, with `arguments`.
    pub fn start(script: &str, arguments: &[&str]) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut child = Command::new(with_kafka_python())
            .arg("-u")
            .arg(path)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                println!("client: {line}");
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// What it prints next; `None` when it has ended.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Waits for its end, which must be a success.
    pub async fn finish(mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(Instant::now() < deadline, "the client does not end");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
