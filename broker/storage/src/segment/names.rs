//! The names of a segment's files.

use kintsugi_types::Offset;

/// The name of the `.log` file of the segment that begins at `base`.
pub(crate) fn log_name(base: Offset) -> String {
    format!("{:020}.log", base.0)
}

pub(super) fn index_name(base: Offset) -> String {
    format!("{:020}.index", base.0)
}

pub(super) fn time_index_name(base: Offset) -> String {
    format!("{:020}.timeindex", base.0)
}

fn offset_before(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Offset)
}

/// The base offset that the name of a `.log` file tells.
pub(crate) fn base_offset_of(name: &str) -> Option<Offset> {
    offset_before(name, ".log")
}

/// The base offset that the name of an index file tells.
pub(crate) fn is_index_name(name: &str) -> Option<Offset> {
    offset_before(name, ".index").or_else(|| offset_before(name, ".timeindex"))
}
