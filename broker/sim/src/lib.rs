//! Whole clusters in one thread from one seed, with faults and oracles.
