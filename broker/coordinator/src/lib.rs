//! Consumer groups over a log, as a pure state machine.
