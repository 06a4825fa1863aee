//! How soon a connection whose peer is gone without a word is given up.

use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

use crate::settings::Settings;

/// How many questions of a keepalive go unanswered before the connection is reset, where no
/// time limit of unacknowledged bytes does it first.
const KEEPALIVE_COUNT: u32 = 3;

/// The limits of one connection between processes of a cluster.
///
/// A machine that loses power resets nothing: what is sent to it is repeated for a quarter of an
/// hour by default, and a controller that waits for that stands for election in vain. A frozen
/// process is not meant: its kernel acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vigilance {
    /// How long sent bytes (or a question) may stay unacknowledged (TCP_USER_TIMEOUT).
    pub unacknowledged: Duration,
    /// How long a connection is silent before its peer is asked whether it lives, and between two
    /// such questions. The kernel counts in whole seconds.
    pub keepalive: Duration,
}

impl Vigilance {
    /// What the settings ask for.
    pub fn of(settings: &Settings) -> Self {
        let seconds = settings.number("kintsugi.internal.keepalive.seconds");
        Self {
            unacknowledged: settings.millis("kintsugi.internal.unacknowledged.ms"),
            keepalive: Duration::from_secs(u64::try_from(seconds).unwrap_or(1)),
        }
    }

    /// Sets on a connection between processes of a cluster what every one of them has.
    pub fn prepare(self, stream: &TcpStream) {
        super::prepare(stream);
        // A socket that does not take an option is broken; its next read or write says so.
        if let Err(cause) = self.watch(stream) {
            tracing::debug!(%cause, "failed to set time limits on a connection");
        }
    }

    fn watch(self, stream: &TcpStream) -> rustix::io::Result<()> {
        let millis = u32::try_from(self.unacknowledged.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(stream, millis)?;
        sockopt::set_tcp_keepidle(stream, self.keepalive)?;
        sockopt::set_tcp_keepintvl(stream, self.keepalive)?;
        sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_prepared_connection_has_the_limits_of_the_settings() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let vigilance = Vigilance {
            unacknowledged: Duration::from_millis(1_500),
            keepalive: Duration::from_secs(1),
        };
        vigilance.prepare(&stream);
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 1_500);
        let second = Duration::from_secs(1);
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), second);
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), second);
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert!(stream.nodelay().unwrap());
    }
}
