//! Who may speak on the ports between processes: whoever knows the cluster's secret.
//!
//! Guarantees: with `kintsugi.cluster.secret.file` set, nothing that a stranger sends on the
//! replication or controller listener is read but one bounded handshake, within a time limit, and
//! nothing is sent to a process that did not prove the secret. Who is refused is counted, and
//! named in the log at most once a second. A changed file is taken up while the process runs;
//! connections that are open stay. Without the setting everybody is let in.
//! Never does: encrypt. The seam for TLS is here: a connection that is trusted comes out of
//! [`Trust::prove`] and [`Trust::admit`].

mod file;
mod limited_log;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kintsugi_secret::Keys;
use kintsugi_secret::handshake::{
    Acceptor, Context, Dialer, FRAME_BYTES_MAX, NONCE_BYTES, Nonce, Port, Refusal,
};
use kintsugi_types::Endpoint;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::transport::{FrameReader, TransportError, frame_of};
use limited_log::LimitedLog;

use file::SETTING;

/// How long one who dials waits for the other side's proof. Made in well under a millisecond; a
/// second leaves room for a busy machine.
const PROVE_MAX: Duration = Duration::from_secs(1);

/// How long one who connects may take for the handshake. Short, because it holds a slot.
const ADMIT_MAX: Duration = Duration::from_secs(2);

/// The reason of a refusal, in metrics, where the time ran out.
const TIMED_OUT: &str = "timed-out";

/// The word for the HTTP listener in metrics.
const HTTP: &str = "http";

/// Every reason that a handshake is refused for, for metrics that show each from the start.
fn reasons() -> impl Iterator<Item = &'static str> {
    let refusals = Refusal::ALL.iter().map(|refusal| refusal.name());
    refusals.chain([TIMED_OUT])
}

/// What this process knows, and how it counts those who do not.
#[derive(Clone)]
pub struct Trust {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    keys: watch::Receiver<Keys>,
    cluster: String,
    random: SystemRandom,
    metrics: Metrics,
    refused: LimitedLog,
    distrusted: LimitedLog,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Trust").field(&self.inner.is_some()).finish()
    }
}

impl Trust {
    /// Everybody is let in, and nothing is proven.
    #[cfg(test)]
    pub const fn of_everybody() -> Self {
        Self { inner: None }
    }

    /// Reads the file that the settings name, and follows its changes from then on; warns where
    /// strangers can reach a port and there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no secrets.
    pub fn open(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Self> {
        let Some(path) = settings.values.text(SETTING) else {
            warn_if_exposed(settings);
            return Ok(Self { inner: None });
        };
        for port in [Port::Replication.name(), Port::Controller.name(), HTTP] {
            for reason in reasons() {
                let counter = &metrics.refused_handshakes;
                counter.with_label_values(&[port, reason]);
            }
        }
        Ok(Self {
            inner: Some(Arc::new(Inner {
                keys: file::follow(path.into())?,
                cluster: settings.cluster.as_str().to_owned(),
                random: SystemRandom::new(),
                metrics: metrics.clone(),
                refused: LimitedLog::default(),
                distrusted: LimitedLog::default(),
            })),
        })
    }

    /// Proves this process to the one that it has dialled, and has that one prove itself. The
    /// stream is then at the first byte of what they say.
    ///
    /// # Errors
    /// [`TransportError::Untrusted`], or those of an exchange.
    pub async fn prove(
        &self,
        port: Port,
        endpoint: &Endpoint,
        stream: &mut TcpStream,
    ) -> Result<(), TransportError> {
        let Some(inner) = &self.inner else {
            return Ok(());
        };
        let proven = timeout(PROVE_MAX, inner.prove(port, stream)).await;
        let proven = proven.unwrap_or(Err(TransportError::TimedOut {
            millis: PROVE_MAX.as_millis(),
        }));
        if let Err(cause) = &proven
            && let Some(skipped) = inner.distrusted.take()
        {
            let cause = crate::thread::chain(cause);
            tracing::warn!(%endpoint, port = port.name(), cause, skipped, "failed to prove the cluster's secret to another process, or that one its own: is {SETTING} set on both?");
        }
        proven
    }

    /// Has one who connected prove itself before anything else is read. What follows the proof
    /// stays in `frames`.
    ///
    /// # Errors
    /// [`TransportError::Untrusted`], or those of an exchange.
    pub async fn admit<R, W>(
        &self,
        port: Port,
        peer: SocketAddr,
        frames: &mut FrameReader<R>,
        writer: &mut W,
    ) -> Result<(), TransportError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let Some(inner) = &self.inner else {
            return Ok(());
        };
        let Ok(admitted) = timeout(ADMIT_MAX, inner.admit(port, frames, writer)).await else {
            inner.refuse(
                port.name(),
                TIMED_OUT,
                peer,
                &"the time for a proof ran out",
            );
            return Err(TransportError::TimedOut {
                millis: ADMIT_MAX.as_millis(),
            });
        };
        if let Err(cause) = &admitted {
            match cause {
                TransportError::Untrusted(refusal) => {
                    inner.refuse(port.name(), refusal.name(), peer, refusal);
                }
                TransportError::TooLong { .. } => {
                    inner.refuse(port.name(), Refusal::NoProof.name(), peer, cause);
                }
                // It went away: one that is killed, or only looked whether the port is open.
                _ => {}
            }
        }
        admitted
    }

    /// Whether one who shows this token over HTTP may change things.
    pub fn may_change(&self, token: Option<&str>) -> bool {
        let Some(inner) = &self.inner else {
            return true;
        };
        let keys = inner.keys.borrow().clone();
        let known = token.is_some_and(|token| keys.is_token(&inner.cluster, token));
        if !known {
            let reason = match token {
                None => Refusal::NoProof,
                Some(_) => Refusal::WrongProof,
            };
            inner.count(HTTP, reason.name());
        }
        known
    }
}

impl Inner {
    async fn prove(&self, port: Port, stream: &mut TcpStream) -> Result<(), TransportError> {
        let (dialer, greeting) = Dialer::greet(self.context(port), self.nonce()?);
        let (reader, mut writer) = stream.split();
        writer.write_all(&frame_of(&greeting)?).await?;
        let mut frames = FrameReader::new(reader, FRAME_BYTES_MAX);
        let challenge = frames.next().await?.ok_or_else(closed)?;
        let proof = dialer.answer(&challenge)?;
        // The other side has nothing to say before it has the proof; what it said is lost here.
        if frames.buffered() > 0 {
            return Err(TransportError::Untrusted(Refusal::Malformed));
        }
        writer.write_all(&frame_of(&proof)?).await?;
        Ok(())
    }

    async fn admit<R, W>(
        &self,
        port: Port,
        frames: &mut FrameReader<R>,
        writer: &mut W,
    ) -> Result<(), TransportError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let greeting = frames.next().await?.ok_or_else(closed)?;
        let (context, nonce) = (self.context(port), self.nonce()?);
        let (acceptor, challenge) = Acceptor::challenge(context, nonce, &greeting)?;
        writer.write_all(&frame_of(&challenge)?).await?;
        let proof = frames.next().await?.ok_or_else(closed)?;
        Ok(acceptor.admit(&proof)?)
    }

    fn context(&self, port: Port) -> Context {
        Context {
            keys: self.keys.borrow().clone(),
            cluster: self.cluster.clone(),
            port,
        }
    }

    fn nonce(&self) -> Result<Nonce, TransportError> {
        let mut nonce = [0; NONCE_BYTES];
        let drawn = self.random.fill(&mut nonce);
        drawn.map_err(|_| std::io::Error::other("the system gave no random bytes"))?;
        Ok(nonce)
    }

    fn count(&self, port: &str, reason: &str) {
        let labels = [port, reason];
        let counter = &self.metrics.refused_handshakes;
        counter.with_label_values(&labels).inc();
    }

    fn refuse(&self, port: &str, reason: &str, peer: SocketAddr, why: &dyn std::fmt::Display) {
        self.count(port, reason);
        if let Some(skipped) = self.refused.take() {
            tracing::warn!(%peer, port, reason, skipped, "refused a connection: {why}");
        }
    }
}

fn closed() -> TransportError {
    TransportError::Io(std::io::ErrorKind::UnexpectedEof.into())
}

fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// Without a secret, whoever reaches these ports can pass for a broker or a controller.
fn warn_if_exposed(settings: &Settings) {
    let endpoints = &settings.endpoints;
    let controller = settings.controller.map(|_| &endpoints.controller);
    let replication = settings.broker.map(|_| &endpoints.replication);
    for listener in controller.into_iter().chain(replication) {
        if !is_loopback(&listener.host) {
            tracing::warn!(
                %listener,
                "whoever reaches this port can change the cluster's metadata and read its records: set {SETTING} on every process of the cluster"
            );
        }
    }
}
