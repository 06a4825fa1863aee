//! One bounded HTTP/1.1 request to a node. No pool: a request is rare and near.

use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Time for a whole read. A node that takes longer counts as not answering.
const READ_TIMEOUT: Duration = Duration::from_millis(800);
/// Time for a whole change: controllers give a decision five seconds.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(6);
/// The largest answer of a controller: 1,000 brokers at 200 bytes, five times over.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Characters of a refusal's body that go into the error's message.
const REASON_CHARACTERS_MAX: usize = 300;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes.
    Post,
    /// Takes away.
    Delete,
}

/// What an answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the call to the answer's last byte.
    pub time: Duration,
    /// The largest body, in bytes.
    pub answer_bytes_max: usize,
}

/// Why a request gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing came in time.
    #[error("failed to get an answer from {address} within {} ms", time.as_millis())]
    Timeout {
        /// `ip:port`.
        address: String,
        /// The time that it had.
        time: Duration,
    },
    /// The connection could not be made.
    #[error("failed to connect to {address}")]
    Connect {
        /// `ip:port`.
        address: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The exchange broke off.
    #[error("failed to exchange HTTP with {address}")]
    Exchange {
        /// `ip:port`.
        address: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is larger than it may be; the rest of it was not read.
    #[error("failed to read the answer of {address}: it is above {bytes_max} bytes")]
    TooLarge {
        /// `ip:port`.
        address: String,
        /// The most bytes.
        bytes_max: usize,
    },
    /// The other side refused.
    #[error("{address} answered {status}: {reason}")]
    Status {
        /// `ip:port`.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The start of the body.
        reason: String,
    },
    /// The answer was not what the path should give.
    #[error("failed to decode the answer of {path}")]
    Decode {
        /// The path.
        path: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

/// Sends one request and returns the body of a 200 or 202. Changes need the token of the cluster's
/// secret, if it has one.
///
/// # Errors
/// See [`HttpError`]; every other outcome within the method's time is one.
pub async fn request(
    method: Method,
    ip: &str,
    port: i32,
    path: &str,
    body: String,
    token: Option<&str>,
) -> Result<Bytes, HttpError> {
    let time = match method {
        Method::Get => READ_TIMEOUT,
        Method::Post | Method::Delete => CHANGE_TIMEOUT,
    };
    let bounds = Bounds {
        time,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    send(bounds, method, ip, port, path, body, token).await
}

/// [`request`] without a token, with bounds of one's own.
///
/// # Errors
/// See [`HttpError`]; every other outcome within the time is one.
pub async fn request_within(
    bounds: Bounds,
    method: Method,
    ip: &str,
    port: i32,
    path: &str,
    body: String,
) -> Result<Bytes, HttpError> {
    send(bounds, method, ip, port, path, body, None).await
}

async fn send(
    bounds: Bounds,
    method: Method,
    ip: &str,
    port: i32,
    path: &str,
    body: String,
    token: Option<&str>,
) -> Result<Bytes, HttpError> {
    // An IPv6 address needs brackets before a port.
    let address = if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    };
    let time = bounds.time;
    let exchange = exchange(method, &address, path, body, bounds.answer_bytes_max, token);
    match tokio::time::timeout(time, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(HttpError::Timeout { address, time }),
    }
}

async fn exchange(
    method: Method,
    address: &str,
    path: &str,
    body: String,
    answer_bytes_max: usize,
    token: Option<&str>,
) -> Result<Bytes, HttpError> {
    let unread = |source: Box<dyn std::error::Error + Send + Sync>| {
        if source.is::<LengthLimitError>() {
            return HttpError::TooLarge {
                address: address.to_owned(),
                bytes_max: answer_bytes_max,
            };
        }
        HttpError::Exchange {
            address: address.to_owned(),
            source,
        }
    };
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| HttpError::Exchange {
        address: address.to_owned(),
        source,
    };
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| HttpError::Connect {
            address: address.to_owned(),
            source,
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|source| broken(source.into()))?;
    let mut request = Request::builder();
    if let Some(token) = token {
        request = request.header(hyper::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request
        .method(match method {
            Method::Get => hyper::Method::GET,
            Method::Post => hyper::Method::POST,
            Method::Delete => hyper::Method::DELETE,
        })
        .uri(path)
        .header(hyper::header::HOST, address)
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|source| broken(source.into()))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|source| broken(source.into()))?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), answer_bytes_max)
            .collect()
            .await
            .map_err(unread)?
            .to_bytes();
        Ok((status, bytes))
    };
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    // The connection is driven here rather than in a task, so that giving up closes it.
    let (status, bytes) = tokio::select! {
        answer = &mut answer => answer?,
        ended = &mut connection => {
            ended.map_err(|source| broken(source.into()))?;
            answer.await?
        }
    };
    accepted(address, status, bytes)
}

/// The body of a 200 or 202.
fn accepted(address: &str, status: StatusCode, bytes: Bytes) -> Result<Bytes, HttpError> {
    if status == StatusCode::OK || status == StatusCode::ACCEPTED {
        return Ok(bytes);
    }
    let reason: String = String::from_utf8_lossy(&bytes)
        .chars()
        .take(REASON_CHARACTERS_MAX)
        .collect();
    Err(HttpError::Status {
        address: address.to_owned(),
        status: status.as_u16(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with so many bytes, as far as somebody reads them.
    async fn answer(bytes: usize) -> i32 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let piece = vec![b' '; 64 * 1_024];
            for _ in 0..bytes.div_ceil(piece.len()) {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
            }
        });
        i32::from(port)
    }

    #[tokio::test]
    async fn an_answer_of_a_hundred_megabytes_is_refused_without_being_read() {
        let bounds = Bounds {
            time: Duration::from_secs(30),
            answer_bytes_max: 1 << 20,
        };
        let port = answer(100 << 20).await;
        let get = request_within(bounds, Method::Get, "127.0.0.1", port, "/", String::new());
        let refused = get.await.unwrap_err().to_string();
        let expected =
            format!("failed to read the answer of 127.0.0.1:{port}: it is above 1048576 bytes");
        assert_eq!(refused, expected);
    }
}
