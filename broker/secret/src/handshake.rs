//! Two processes prove to each other that they know a secret of the cluster.
//!
//! ```text
//! dialer                                             acceptor
//!   greeting: magic, version, nonce D   ------------->
//!                      <-------------   challenge: nonce A, a proof by each of its secrets
//!   proof by the secret that it shares  ------------->
//! ```
//!
//! A proof is HMAC-SHA256 over a label, the version, the side, the port, the cluster and both
//! nonces. So a proof that was overheard fits no other connection (the nonces differ), one that is
//! sent back to its maker fits no other side, and one from another port or cluster fits neither.
//! Each step gives the next one away, so that none happens twice.
//!
//! It proves that the other end of the connection *was* let in by one who knows the secret when it
//! began. Who can change bytes on the way can do so afterwards; that takes encryption.

use crate::keys::{Keys, SECRETS_MAX, TAG_BYTES};

/// The bytes of a nonce.
pub const NONCE_BYTES: usize = 32;
/// The largest frame of a handshake, in bytes.
pub const FRAME_BYTES_MAX: usize = MAGIC.len() + 1 + NONCE_BYTES + 1 + SECRETS_MAX * TAG_BYTES;

/// What a greeting begins with. No other first frame of a connection does.
const MAGIC: &[u8; 4] = b"KTSG";
/// The version of the handshake.
const VERSION: u8 = 1;
const LABEL: &[u8] = b"kintsugi handshake";

/// Random bytes that never come again.
pub type Nonce = [u8; NONCE_BYTES];

/// What a connection is for: a proof for one port is worth nothing on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Brokers fetch from brokers.
    Replication,
    /// Brokers and controllers talk to controllers.
    Controller,
}

impl Port {
    /// The word for it in metrics and log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replication => "replication",
            Self::Controller => "controller",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Replication => 1,
            Self::Controller => 2,
        }
    }
}

/// Why the other side is not let in, or not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The first frame is no greeting.
    #[error(
        "it offers no proof of the cluster's secret: is kintsugi.cluster.secret.file set there?"
    )]
    NoProof,
    /// The frame has another form.
    #[error("its handshake has an unknown form: are both of the same version?")]
    Malformed,
    /// The proof is wrong.
    #[error(
        "it does not know a secret that is known here, or belongs to another cluster: give both the \
         same kintsugi.cluster.secret.file and cluster.id"
    )]
    WrongProof,
}

impl Refusal {
    /// All of them, for metrics that show each from the start.
    pub const ALL: [Self; 3] = [Self::NoProof, Self::Malformed, Self::WrongProof];

    /// The word for it in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoProof => "no-proof",
            Self::Malformed => "malformed",
            Self::WrongProof => "wrong-proof",
        }
    }
}

/// What both sides know before they begin.
#[derive(Clone, Debug)]
pub struct Context {
    /// The cluster's secrets.
    pub keys: Keys,
    /// The cluster's id.
    pub cluster: String,
    /// What the connection is for.
    pub port: Port,
}

#[derive(Clone, Copy)]
enum Side {
    Dialer,
    Acceptor,
}

impl Context {
    /// What `side` has to sign.
    fn message(&self, side: Side, dialer: &Nonce, acceptor: &Nonce) -> Vec<u8> {
        let side = match side {
            Side::Dialer => 1,
            Side::Acceptor => 2,
        };
        // Everything has a fixed length but the cluster, which comes last.
        let head = [LABEL, &[VERSION, side, self.port.code()]].concat();
        [&head, &dialer[..], acceptor, self.cluster.as_bytes()].concat()
    }
}

/// The side that dialled, once it has greeted.
#[derive(Debug)]
pub struct Dialer {
    context: Context,
    nonce: Nonce,
}

impl Dialer {
    /// Begins; the second is the first frame to send.
    pub fn greet(context: Context, nonce: Nonce) -> (Self, Vec<u8>) {
        let greeting = [&MAGIC[..], &[VERSION], &nonce].concat();
        (Self { context, nonce }, greeting)
    }

    /// Takes the acceptor's challenge and gives the proof to send. The acceptor has proven itself
    /// then; whether it takes this proof, its next frame tells.
    ///
    /// # Errors
    /// [`Refusal`] when the acceptor is not to be trusted.
    pub fn answer(self, challenge: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (theirs, proofs) = challenge
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(Refusal::Malformed)?;
        let (proofs, rest) = proofs.as_chunks::<TAG_BYTES>();
        if !rest.is_empty() || proofs.is_empty() || proofs.len() > SECRETS_MAX {
            return Err(Refusal::Malformed);
        }
        let (context, mine) = (&self.context, &self.nonce);
        let expected = context.message(Side::Acceptor, mine, theirs);
        let shared = proofs
            .iter()
            .find_map(|proof| context.keys.verify(&expected, proof))
            .ok_or(Refusal::WrongProof)?;
        let message = context.message(Side::Dialer, mine, theirs);
        let proof = context.keys.sign(&message).get(shared).copied();
        proof.map(Vec::from).ok_or(Refusal::WrongProof)
    }
}

/// The side that was dialled, once it has sent its challenge.
#[derive(Debug)]
pub struct Acceptor {
    context: Context,
    theirs: Nonce,
    mine: Nonce,
}

impl Acceptor {
    /// Takes the dialer's greeting; the second is the challenge to send.
    ///
    /// # Errors
    /// [`Refusal`] when it is no greeting of this version.
    pub fn challenge(
        context: Context,
        mine: Nonce,
        greeting: &[u8],
    ) -> Result<(Self, Vec<u8>), Refusal> {
        let greeting = greeting.strip_prefix(MAGIC).ok_or(Refusal::NoProof)?;
        let nonce = greeting
            .strip_prefix(&[VERSION])
            .ok_or(Refusal::Malformed)?;
        let theirs: Nonce = nonce.try_into().map_err(|_| Refusal::Malformed)?;
        let message = context.message(Side::Acceptor, &theirs, &mine);
        let mut challenge = mine.to_vec();
        for proof in context.keys.sign(&message) {
            challenge.extend_from_slice(&proof);
        }
        let acceptor = Self {
            context,
            theirs,
            mine,
        };
        Ok((acceptor, challenge))
    }

    /// Takes the dialer's proof.
    ///
    /// # Errors
    /// [`Refusal`] when it is none.
    pub fn admit(self, proof: &[u8]) -> Result<(), Refusal> {
        if proof.len() != TAG_BYTES {
            return Err(Refusal::Malformed);
        }
        let expected = self.context.message(Side::Dialer, &self.theirs, &self.mine);
        let found = self.context.keys.verify(&expected, proof);
        found.map(|_| ()).ok_or(Refusal::WrongProof)
    }
}
