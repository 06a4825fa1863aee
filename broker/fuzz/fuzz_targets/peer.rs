//! Hands libFuzzer's inputs to the target `peer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kintsugi_fuzz_targets::peer(input));
