//! Deliberate faults. Only compiled for tests and with the feature `bugs`.

/// Which faults a replica has; none by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bugs {
    /// On becoming a follower, cut the log back to the high watermark, as Kafka did before KIP-101.
    pub truncate_to_high_watermark: bool,
    /// Acknowledge an acks=all produce as soon as the leader has it.
    pub acknowledge_before_isr: bool,
}
