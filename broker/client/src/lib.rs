//! Asynchronous connections that speak the Kafka protocol.
