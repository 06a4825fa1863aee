//! The secret that every process of a cluster knows, and what is derived from it.
//!
//! Guarantees: two processes that share one line of their files prove it to each other in one
//! round trip, see [`handshake`]; a proof is of use for nothing but the connection that it was
//! made for: it covers both sides' nonces, the side, the port and the cluster. Proofs and tokens
//! are compared in constant time. Nothing here prints a secret.
//! Assumes: nonces never come again, and a secret cannot be guessed ([`SECRET_BYTES_MIN`]).
//! Never does: encrypt, or protect what follows on the connection; I/O, time and chance, which
//! come in as arguments.

pub mod handshake;
mod keys;

pub use keys::{FILE_BYTES_MAX, Keys, ParseError, SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRETS_MAX};
