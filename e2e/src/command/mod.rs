//! One file a subcommand of `kintsugi-e2e`.

pub mod bench_failover;
pub mod bench_joining;
pub mod bench_partitions;
pub mod bench_speed;
pub mod bench_start;
pub mod demo;
pub mod demo_scale;
pub mod faults;
pub mod plan_on_kafka;
pub mod scenarios;
