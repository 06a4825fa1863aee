//! When does a broker serve? When it answers a Metadata request, which it holds until it is ready.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// The time between two requests.
const ASK_INTERVAL: Duration = Duration::from_millis(2);
/// A Metadata request (version 1, no topics): length, key 3, version, correlation id, no client
/// id, an empty list.
const METADATA: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 255, 255, 0, 0, 0, 0];

/// Asks a broker again and again until it answers; gives when it did.
///
/// # Errors
/// If it does not within `limit`.
pub fn wait_until_served(
    address: impl ToSocketAddrs + Copy,
    limit: Duration,
) -> anyhow::Result<Instant> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if ask(address, limit).is_ok() {
            return Ok(Instant::now());
        }
        std::thread::sleep(ASK_INTERVAL);
    }
    anyhow::bail!("the broker did not serve within {limit:?}")
}

fn ask(address: impl ToSocketAddrs, limit: Duration) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(&METADATA)?;
    let mut head = [0; 8];
    stream.read_exact(&mut head).context("no answer")?;
    ensure!(head[7] == METADATA[11], "an answer to another request");
    Ok(())
}
