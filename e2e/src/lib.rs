//! The verifying load, the scenarios against a real Kubernetes, and the demo.

pub mod load;
pub mod verify;
