//! One GET of a node's, or the operator's, HTTP listener, bounded in time and bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// What one answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the dial to the last byte.
    pub time: Duration,
    /// The largest answer that is read, head and all.
    pub answer_bytes_max: u64,
}

/// The body of `GET http://address/path`, which must answer 200.
///
/// # Errors
/// If nobody answers in time, with another status, or with more than is read.
pub fn get(address: SocketAddr, path: &str, bounds: Bounds) -> anyhow::Result<String> {
    let began = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, bounds.time)?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let left = bounds.time.saturating_sub(began.elapsed());
        ensure!(
            !left.is_zero(),
            "GET {path} of {address} took longer than {:?}",
            bounds.time
        );
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
        ensure!(
            u64::try_from(answer.len())? <= bounds.answer_bytes_max,
            "GET {path} of {address} answered more than {} bytes",
            bounds.answer_bytes_max
        );
    }
    let answer = String::from_utf8(answer).context("the answer is no text")?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no body")?;
    let status = head.split_whitespace().nth(1).unwrap_or("nothing");
    if status != "200" {
        bail!("GET {path} of {address} answered {status}: {}", body.trim());
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        time: Duration::from_secs(5),
        answer_bytes_max: 100,
    };

    /// Answers one request with `text`, and closes.
    fn answers(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("has an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepts");
            let mut request = [0; 512];
            let _ = stream.read(&mut request).expect("reads the request");
            let _ = stream.write_all(text.as_bytes());
        });
        address
    }

    #[test]
    fn the_body_of_an_answer_is_given() {
        let address = answers("HTTP/1.0 200 OK\r\nx: y\r\n\r\nbody");
        assert_eq!(get(address, "/", BOUNDS).expect("answers"), "body");
    }

    #[test]
    fn another_status_is_an_error_that_tells_it() {
        let address = answers("HTTP/1.0 503 Busy\r\n\r\nnot yet\n");
        let error = get(address, "/x", BOUNDS).expect_err("refuses");
        let told = format!("GET /x of {address} answered 503: not yet");
        assert_eq!(error.to_string(), told);
    }

    #[test]
    fn an_answer_that_is_too_large_is_not_kept() {
        const LARGE: &str = "HTTP/1.0 200 OK\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
        let error = get(answers(LARGE), "/", BOUNDS).expect_err("refuses");
        assert!(
            error.to_string().ends_with("answered more than 100 bytes"),
            "{error}"
        );
    }
}
