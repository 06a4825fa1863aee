//! One child process, its log, and what it costs.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::cpu;
use crate::host::memory::resident_bytes;

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it with its output going to `log` (added to what is there).
    ///
    /// # Errors
    /// If the log cannot be opened or the command cannot be run.
    pub fn start(command: &Command, log: &Path) -> io::Result<Self> {
        let program = command.get_program().to_owned();
        // The kernel ends the child when this process dies, even by SIGKILL: setpriv asks for it.
        let mut wrapped = Command::new("setpriv");
        wrapped
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&program)
            .args(command.get_args());
        let log = File::options().create(true).append(true).open(log)?;
        wrapped
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let named = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("failed to start {}: {error}", program.display()),
            )
        };
        Ok(Self {
            child: wrapped.spawn().map_err(named)?,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        send(self.id(), signal)
    }

    /// SIGTERM, and wait until it ended by itself.
    ///
    /// # Errors
    /// If it cannot be signalled, or lives on after `limit`; it is killed then.
    pub fn stop(mut self, limit: Duration) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::other(format!("it did not stop in {limit:?}")))
    }

    /// SIGKILL, and wait until it is gone.
    ///
    /// # Errors
    /// If it cannot be signalled or waited for.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        resident_bytes(self.id())
    }

    /// The processor time that it used so far.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn cpu_used(&self) -> io::Result<Duration> {
        cpu::used(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already; either way nothing is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child by its id; the child must not have been waited for.
///
/// # Errors
/// If there is no such process.
pub fn send(id: u32, signal: Signal) -> io::Result<()> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| io::Error::other("it has no process id"))?;
    Ok(kill_process(id, signal)?)
}
