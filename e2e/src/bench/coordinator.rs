//! Which broker coordinates a group, asked on a connection of its own.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, FindCoordinatorRequest, FindCoordinatorResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

/// The version that both sides of every comparison speak.
const VERSION: i16 = 2;
/// How long a broker may take.
const LIMIT: Duration = Duration::from_secs(2);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 16;

/// The broker that coordinates a group.
///
/// # Errors
/// If nobody answers, or the answer is that there is none.
pub fn find(bootstrap: &str, group: &str) -> anyhow::Result<i32> {
    let mut last = anyhow::anyhow!("bootstrap.servers is empty");
    for address in bootstrap.split(',') {
        match ask(address, group) {
            Ok(id) => return Ok(id),
            Err(error) => last = error,
        }
    }
    Err(last.context(format!("failed to find the coordinator of group {group}")))
}

fn ask(address: &str, group: &str) -> anyhow::Result<i32> {
    let resolved = address.to_socket_addrs()?.next();
    let resolved = resolved.with_context(|| format!("{address} has no address"))?;
    let mut stream = TcpStream::connect_timeout(&resolved, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let key = ApiKey::FindCoordinator;
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(VERSION)
        .with_client_id(Some(StrBytes::from_static_str("probe")));
    let request =
        FindCoordinatorRequest::default().with_key(StrBytes::from_string(group.to_owned()));
    let mut frame = BytesMut::zeroed(4);
    header.encode(&mut frame, key.request_header_version(VERSION))?;
    request.encode(&mut frame, VERSION)?;
    let size = u32::try_from(frame.remaining() - 4)?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    stream.write_all(&frame)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(u32::from_be_bytes(size))?;
    ensure!(size <= ANSWER_BYTES_MAX, "the answer is too long");
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer)?;
    let mut answer = Bytes::from(answer);
    ResponseHeader::decode(&mut answer, key.response_header_version(VERSION))?;
    let response = FindCoordinatorResponse::decode(&mut answer, VERSION)?;
    ensure!(response.error_code == 0, "error {}", response.error_code);
    Ok(response.node_id.0)
}
