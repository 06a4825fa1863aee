//! Apache Kafka's console tools: the classes that its shell scripts run, in a JVM each.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one tool may take.
const TOOL_MAX: Duration = Duration::from_secs(90);

/// Where Apache Kafka's jars are (`e2e/kafka/fetch.sh` brings them).
pub const JARS: &str = "KINTSUGI_KAFKA_JARS";

/// What a tool printed, and how it ended.
pub struct Ran {
    pub command: String,
    pub is_success: bool,
    pub output: String,
}

impl Ran {
    /// Asserts that it succeeded and printed all of these.
    #[track_caller]
    pub fn prints(self, fragments: &[&str]) -> Self {
        assert!(self.is_success, "{} failed:\n{}", self.command, self.output);
        for fragment in fragments {
            let found = self.output.contains(fragment);
            assert!(
                found,
                "{}: no {fragment:?} in:\n{}",
                self.command, self.output
            );
        }
        self
    }

    /// Asserts that it printed none of these.
    #[track_caller]
    pub fn lacks(self, fragments: &[&str]) -> Self {
        for fragment in fragments {
            let found = self.output.contains(fragment);
            assert!(
                !found,
                "{}: {fragment:?} in:\n{}",
                self.command, self.output
            );
        }
        self
    }

    /// Asserts that this was refused, with this reason. Some tools tell errors and end well.
    #[track_caller]
    pub fn refuses(self, reason: &str) {
        let found = self.output.contains(reason);
        assert!(
            found,
            "{}: no {reason:?} in:\n{}",
            self.command, self.output
        );
    }
}

/// Runs a tool's class and waits for its end; `input` is what is typed.
pub fn run(class: &str, arguments: &[&str], input: &str) -> Ran {
    let jars = std::env::var(JARS)
        .map(PathBuf::from)
        .unwrap_or_else(|_| panic!("{JARS} names no folder with Apache Kafka's jars"));
    let name = class.rsplit('.').next().unwrap();
    let command = format!("{name} {}", arguments.join(" "));
    let output_file = tempfile::NamedTempFile::new().unwrap();
    let output = output_file.reopen().unwrap();
    let mut child = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"])
        .arg("-cp")
        .arg(jars.join("*"))
        .arg(class)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let deadline = Instant::now() + TOOL_MAX;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let output = std::fs::read_to_string(output_file.path()).unwrap();
    let output: String = output
        .lines()
        .filter(|line| !line.starts_with("SLF4J"))
        .map(|line| format!("{line}\n"))
        .collect();
    println!("$ {command}\n{output}");
    assert!(status.is_some(), "{command} did not end in {TOOL_MAX:?}");
    Ran {
        command,
        is_success: status.is_some_and(|status| status.success()),
        output,
    }
}
