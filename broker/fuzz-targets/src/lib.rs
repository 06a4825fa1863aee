//! Fuzz targets: what strangers, disks and peers may hand to a broker, as functions of arbitrary
//! bytes.
//!
//! Guarantees: a target goes through the same code as a broker does, and panics exactly when a
//! promise of that code is broken; the same bytes always do the same. Inputs over
//! [`INPUT_BYTES_MAX`] are left alone. Never touches sockets or a real disk.

mod batch;
pub mod corpus;
pub mod mutate;
mod peer;
mod request;
mod segment;

pub use batch::batch;
pub use peer::peer;
pub use request::request;
pub use segment::segment;

/// The largest input that a target looks at.
pub const INPUT_BYTES_MAX: usize = 256 * 1024;

/// A target: it returns, or a promise is broken.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also the folder of its corpus.
pub const TARGETS: [(&str, Target); 4] = [
    ("request", request),
    ("batch", batch),
    ("segment", segment),
    ("peer", peer),
];
