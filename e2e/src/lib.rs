//! The verifying load, the scenarios against a real Kubernetes, and the demo.

pub mod admin;
pub mod bench;
pub mod command;
pub mod demo;
pub mod host;
pub mod http;
pub mod kubernetes;
pub mod load;
pub mod processes;
pub mod scenario;
pub mod verify;
