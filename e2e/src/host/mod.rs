//! What the host did to a measurement: stolen time, processor time and memory used, and what machine it is.

pub mod cpu;
pub mod descriptors;
pub mod load;
pub mod machine;
pub mod memory;
pub mod steal;
