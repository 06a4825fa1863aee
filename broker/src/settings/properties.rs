//! Kafka's properties format: `key=value` lines, `#` and `!` comments, `\` at the end of a line
//! joins it with the next.

use std::collections::BTreeMap;

/// The largest properties file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the text of a properties file. Later lines win over earlier ones; a line without `=` or
/// `:` is a key with an empty value, as in Java's format.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        if joined.is_empty() && (line.starts_with('#') || line.starts_with('!')) {
            continue;
        }
        if let Some(head) = line.strip_suffix('\\') {
            joined.push_str(head);
            continue;
        }
        joined.push_str(line);
        let whole = std::mem::take(&mut joined);
        if let Some((key, value)) = parse_line(&whole) {
            values.insert(key, value);
        }
    }
    if let Some((key, value)) = parse_line(&joined) {
        values.insert(key, value);
    }
    values
}

/// One `key=value`, as `--override` takes it.
pub fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
    Some((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_joined_lines_are_read_as_java_reads_them() {
        let values = parse("# note\nnode.id=1\nlisteners = PLAINTEXT://0.0.0.0:9092\na=b,\\\n  c\n!x\nempty");
        let expected = [
            ("node.id", "1"),
            ("listeners", "PLAINTEXT://0.0.0.0:9092"),
            ("a", "b,c"),
            ("empty", ""),
        ];
        for (key, value) in expected {
            assert_eq!(values.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert_eq!(values.len(), expected.len());
    }
}
