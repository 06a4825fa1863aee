//! Whole clusters in one thread from one seed, with faults and oracles.
//!
//! Guarantees: the same options give the same run, to the last happening ([`Outcome::trace`]); the
//! controllers, brokers, shards, logs and journals are the real ones, on a file system in memory
//! that loses what a crash or a loss of power may lose. Assumes that each handler takes no time.
//! Never touches a socket, a clock, a thread or a disk.

mod broker_process;
mod client;
mod clock;
mod controller_process;
mod end;
mod fabric;
mod faults;
mod happening;
mod healing;
mod mover;
mod network;
mod oracle;
mod place;
mod queue;
mod report;
mod run;
mod scenario;
mod site;
mod stream;
mod timer;
mod trace;
mod world;

pub use report::{Counts, Outcome};
pub use run::run;
pub use scenario::{BUGS, Options, bug_named};
