//! One GET of a pod's HTTP listener.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;

use crate::http::{self, Bounds};

/// The port of every node's HTTP listener.
pub const HTTP_PORT: u16 = 9404;

const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(2),
    answer_bytes_max: 4 << 20,
};

/// The body of `GET http://ip:9404/path`, which must answer 200.
///
/// # Errors
/// If nobody answers in time, or with another status.
pub fn get(ip: &str, path: &str) -> anyhow::Result<String> {
    get_from(ip, HTTP_PORT, path)
}

/// The body of `GET http://ip:port/path`, which must answer 200.
///
/// # Errors
/// If nobody answers in time, or with another status.
pub fn get_from(ip: &str, port: u16, path: &str) -> anyhow::Result<String> {
    let address: SocketAddr = format!("{ip}:{port}").parse().context("a pod's address")?;
    http::get(address, path, BOUNDS)
}
