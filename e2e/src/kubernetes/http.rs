//! One GET of a controller's or broker's HTTP listener.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// The port of every node's HTTP listener.
pub const HTTP_PORT: u16 = 9404;
/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(2);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

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
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let host = address.to_string();
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no body")?;
    let status = head.split_whitespace().nth(1).unwrap_or("nothing");
    if status != "200" {
        bail!("GET {path} of {ip} answered {status}: {}", body.trim());
    }
    Ok(body.to_owned())
}
