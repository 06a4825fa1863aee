//! The Kafka protocol: bounded decoding and encoding, and the record batch header.
