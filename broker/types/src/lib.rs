//! Identifiers, offsets, epochs, times and error codes.
