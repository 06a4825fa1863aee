//! The load and the group's member as Java programs (`e2e/java`), run from their sources with the
//! jars of Apache Kafka's own clients, and read line by line.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::history::{Micros, Outcome};
use super::producer::{LoadSettings, Shared};

/// The heap of each program.
const HEAP: &str = "-Xmx512m";

/// A Java program whose standard output is read by a thread.
pub struct JavaProgram {
    child: Child,
    reader: JoinHandle<()>,
}

impl JavaProgram {
    /// Compiles and runs the source; `take` is given each line, and the time by which the
    /// program's clock is behind ours.
    ///
    /// # Errors
    /// If Java cannot be run.
    pub fn start(
        source: &str,
        name: &str,
        jars: &Path,
        arguments: &[String],
        now: impl Fn() -> Micros + Send + 'static,
        mut take: impl FnMut(&str, Clock) + Send + 'static,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(format!("{name}.java"));
        std::fs::write(&path, source)?;
        let mut command = Command::new("java");
        command
            .args([HEAP, "-cp"])
            .arg(jars.join("*"))
            .arg(&path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("failed to run java: {error}"))
        })?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| io::Error::other("java has no output"))?;
        let reader = std::thread::Builder::new()
            .name("java".to_owned())
            .spawn(move || {
                // The source is read when the program starts; the folder lives as long as it.
                let _folder = folder;
                read_lines(output, now, &mut take);
            })?;
        Ok(Self { child, reader })
    }

    /// Tells it to end and waits for that; it is killed after `limit`.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn stop(mut self, limit: Duration) -> io::Result<()> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + limit;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let died = |_| io::Error::other("the thread that reads from java panicked");
        self.reader.join().map_err(died)
    }
}

/// Turns the program's times into ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// The least time seen from a line's stamp to its arrival, and the two clocks' difference.
    offset: Option<i64>,
}

impl Clock {
    fn set(&mut self, now: Micros, stamp: i64) {
        let seen = now.cast_signed() - stamp;
        self.offset = Some(self.offset.map_or(seen, |least| least.min(seen)));
    }

    /// A stamp of the program on our clock; zero before the first clock line.
    #[must_use]
    pub fn ours(&self, stamp: i64) -> Micros {
        let ours = self.offset.map(|offset| stamp + offset).unwrap_or_default();
        u64::try_from(ours).unwrap_or_default()
    }
}

fn read_lines(output: ChildStdout, now: impl Fn() -> Micros, take: &mut impl FnMut(&str, Clock)) {
    let mut clock = Clock::default();
    // Lines wait until the clock is known; then they are taken in their order.
    let mut waiting: Vec<String> = Vec::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(stamp) = line.strip_prefix("T ").and_then(|text| text.parse().ok()) {
            clock.set(now(), stamp);
            waiting.drain(..).for_each(|line| take(&line, clock));
        } else {
            waiting.push(line);
        }
    }
    waiting.drain(..).for_each(|line| take(&line, clock));
}

/// The Java producer under load.
pub struct JavaLoad(JavaProgram);

impl JavaLoad {
    pub(super) fn start(
        settings: &LoadSettings,
        run: u64,
        jars: &Path,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let mut arguments = vec![
            settings.bootstrap.clone(),
            settings.topic.clone(),
            run.to_string(),
            settings.partitions.to_string(),
            settings.interval.as_millis().to_string(),
            settings.value_size_bytes.to_string(),
        ];
        let client = settings.client.iter();
        arguments.extend(client.map(|(key, value)| format!("{key}={value}")));
        let source = include_str!("../../java/Load.java");
        let clock = Arc::clone(&shared);
        let now = move || clock.now();
        let take = move |line: &str, clock: Clock| {
            if note(&shared, line, clock).is_none() {
                tracing::warn!(line, "the Java load wrote a line that is none of its own");
            }
        };
        JavaProgram::start(source, "Load", jars, &arguments, now, take).map(Self)
    }

    pub(super) fn stop(self, limit: Duration) -> io::Result<()> {
        self.0.stop(limit)
    }
}

fn note(shared: &Shared, line: &str, clock: Clock) -> Option<()> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let partition: i32 = words.next()?.parse().ok()?;
    let sequence: u64 = words.next()?.parse().ok()?;
    let mut history = shared.history();
    match kind {
        "S" => {
            let at = clock.ours(words.next()?.parse().ok()?);
            history.begin(partition, at);
        }
        "A" => {
            let offset = words.next()?.parse().ok()?;
            let at = clock.ours(words.next()?.parse().ok()?);
            history.finish(partition, sequence, Outcome::Acked { offset, at });
        }
        "F" => {
            eprintln!("  the Java producer gave up: {line}");
            history.finish(partition, sequence, Outcome::Unknown);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_difference_is_taken_from_the_line_that_was_under_way_least() {
        let mut clock = Clock::default();
        assert_eq!(clock.ours(5), 0);
        clock.set(1_000, 700);
        clock.set(2_010, 1_800);
        clock.set(3_500, 2_900);
        assert_eq!(clock.ours(2_000), 2_210);
    }
}
