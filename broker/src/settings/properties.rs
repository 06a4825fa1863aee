//! Kafka's properties format, which is Java's: `key=value` lines, `#` and `!` comments, a `\` at
//! the end of a line joins it with the next, and `\n`, `\t`, `\r`, `\f`, `\uXXXX` and `\\` stand
//! for what they stand for in Java.

use std::collections::BTreeMap;

/// The largest properties file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the text of a properties file. Later lines win over earlier ones; a line without `=`,
/// `:` or a blank is a key with an empty value.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        if joined.is_empty() && (line.starts_with('#') || line.starts_with('!')) {
            continue;
        }
        if goes_on(line) {
            joined.push_str(&line[..line.len() - 1]);
            continue;
        }
        joined.push_str(line);
        values.extend(parse_line(&std::mem::take(&mut joined)));
    }
    values.extend(parse_line(&joined));
    values
}

/// Whether a line ends with a `\` that is not itself escaped.
fn goes_on(line: &str) -> bool {
    let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
    backslashes % 2 == 1
}

fn parse_line(line: &str) -> Option<(String, String)> {
    if line.trim().is_empty() {
        return None;
    }
    let is_blank = |character: char| matches!(character, ' ' | '\t');
    let mut is_escaped = false;
    let end = line.find(|character| {
        let ends = !is_escaped && (matches!(character, '=' | ':') || is_blank(character));
        is_escaped = !is_escaped && character == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    let value = rest.trim_start_matches(is_blank);
    // Java keeps blanks at the end; nobody means them.
    Some((unescape(key), unescape(value.trim_end())))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok();
                plain.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

/// One `key=value` as `--override` takes it: nothing in it is escaped.
pub fn parse_override(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_joined_lines_and_escapes_are_read_as_java_reads_them() {
        let text = "# note\nnode.id=1\nlisteners = PLAINTEXT://0.0.0.0:9092\na=b,\\\n  c\n!x\n\
                    empty\npath=C\\:\\\\x\\\\\nlines=one\\ntwo\nblank=\\ x\nletter=\\u0041\ncolon: y\n";
        let values = parse(text);
        let expected = [
            ("node.id", "1"),
            ("listeners", "PLAINTEXT://0.0.0.0:9092"),
            ("a", "b,c"),
            ("empty", ""),
            ("path", "C:\\x\\"),
            ("lines", "one\ntwo"),
            ("blank", " x"),
            ("letter", "A"),
            ("colon", "y"),
        ];
        for (key, value) in expected {
            assert_eq!(values.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert_eq!(values.len(), expected.len());
    }
}
