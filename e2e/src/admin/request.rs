//! One request to one broker, on a connection of its own.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use kafka_protocol::protocol::Request;
use kintsugi_wire::api::Api;
use kintsugi_wire::frame::ResponseFrame;
use kintsugi_wire::message::{decode_response, encode_request};

/// How long a broker may take to be dialled, and to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Who asks, by name.
const CLIENT_ID: &str = "e2e";

/// Asks the first broker of `bootstrap.servers` that answers.
///
/// # Errors
/// The last one's failure, if none does.
pub fn ask_any<R: Request>(
    bootstrap: &str,
    version: i16,
    request: &R,
) -> anyhow::Result<R::Response> {
    let mut last = anyhow::anyhow!("bootstrap.servers is empty");
    for address in bootstrap.split(',') {
        match ask(address, version, request) {
            Ok(answer) => return Ok(answer),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks the broker at `host:port`.
///
/// # Errors
/// If it does not answer in time, or not as the protocol says.
pub fn ask<R: Request>(address: &str, version: i16, request: &R) -> anyhow::Result<R::Response> {
    exchange(address, version, request)
        .with_context(|| format!("failed to ask the broker at {address}"))
}

fn exchange<R: Request>(address: &str, version: i16, request: &R) -> anyhow::Result<R::Response> {
    let api = Api::find(R::KEY).context("the protocol's table has no such request")?;
    let resolved = address.to_socket_addrs()?.next();
    let resolved = resolved.context("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&resolved, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(&encode_request(version, 0, CLIENT_ID, request)?)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(u32::from_be_bytes(size))?;
    ensure!(
        size <= ANSWER_BYTES_MAX,
        "its answer has {size} bytes, at most {ANSWER_BYTES_MAX} are read"
    );
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer)?;
    let frame = ResponseFrame::parse(api, version, &Bytes::from(answer))?;
    Ok(decode_response::<R>(version, &frame.body)?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use kafka_protocol::messages::ListPartitionReassignmentsRequest;

    use super::*;

    #[test]
    fn an_answer_that_is_too_long_is_refused_before_it_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let broker = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&u32::MAX.to_be_bytes()).unwrap();
            // Held open until the other side has made up its mind.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        });
        let request = ListPartitionReassignmentsRequest::default();
        let error = ask(&address, 0, &request).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains("its answer has 4294967295 bytes"), "{said}");
        broker.join().unwrap();
    }
}
