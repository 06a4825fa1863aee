//! Threads of actors.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kintsugi_types::Time;

use crate::clock::Clock;

/// The longest that a thread waits for work before it shows that it lives.
pub const IDLE_MAX: Duration = Duration::from_millis(100);

/// The exit status of a process one of whose actors panicked, as Rust's own is.
const PANIC_STATUS: i32 = 101;

/// How long to wait for an event: until `wake`, at most [`IDLE_MAX`].
pub fn wait_until(wake: Time, clock: &Clock) -> Duration {
    wake.since(clock.now()).min(IDLE_MAX)
}

/// Starts a named thread of an actor. If it panics the process ends: without one of its actors it
/// would only pretend to work.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if catch_unwind(AssertUnwindSafe(body)).is_err() {
                // The panic hook has written what happened.
                std::process::exit(PANIC_STATUS);
            }
        })
        .map(|_| ())
}

/// An error with its causes, for a person.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
