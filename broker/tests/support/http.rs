//! One request over HTTP/1.1, as an operator's would be.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Asks a node; none if it does not answer. An empty body is null.
pub async fn request(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
    request_with(port, method, path, body, None).await
}

/// [`request`] with a token.
pub async fn request_with(
    port: u16,
    method: &str,
    path: &str,
    body: &str,
    token: Option<&str>,
) -> Option<(u16, Value)> {
    let (status, body) = exchange(port, method, path, body, token).await?;
    Some((status, serde_json::from_str(&body).unwrap_or(Value::Null)))
}

/// The body of a GET; none without a 200.
pub async fn text(port: u16, path: &str) -> Option<String> {
    let (status, body) = exchange(port, "GET", path, "", None).await?;
    (status == 200).then_some(body)
}

async fn exchange(
    port: u16,
    method: &str,
    path: &str,
    body: &str,
    token: Option<&str>,
) -> Option<(u16, String)> {
    let shown = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n{shown}content-length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    };
    timeout(Duration::from_secs(10), asked).await.ok()?
}
