//! What the host did to a measurement: stolen time, and what machine it is.

pub mod machine;
pub mod steal;
