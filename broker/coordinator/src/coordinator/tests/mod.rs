//! Whole lists of commands of a coordinator.

mod encode;
mod generations;
mod harness;
mod offsets;
mod restart;
mod statics;
mod survives;
