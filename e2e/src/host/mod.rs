//! What the host did to a measurement: stolen time, memory held, and what machine it is.

pub mod machine;
pub mod memory;
pub mod steal;
