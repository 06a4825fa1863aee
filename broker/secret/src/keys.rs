//! The lines of a secret's file, as keys of HMAC-SHA256.

use std::fmt;
use std::sync::Arc;

use ring::hmac;

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 4_096;
/// The shortest secret, in bytes: 16 random bytes as hexadecimal digits. Whoever connects is given
/// a proof to try guesses on, so it must be out of reach of guessing.
pub const SECRET_BYTES_MIN: usize = 32;
/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 512;
/// The most secrets at a time: the present one and the next, and as many again for mishaps.
pub const SECRETS_MAX: usize = 4;

/// The size of a proof and of a token, in bytes.
pub const TAG_BYTES: usize = 32;

/// A label for each use of a key, so that nothing made for one use serves another.
const TOKEN_LABEL: &[u8] = b"kintsugi http token 1";

/// Why a file is of no use. The messages name lines, never what stands on them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The file is too large.
    #[error("failed to read secrets: {0} bytes, at most {FILE_BYTES_MAX} are taken")]
    TooLarge(usize),
    /// There is none.
    #[error("failed to read secrets: no line holds one; make one with `openssl rand -hex 32`")]
    Empty,
    /// There are too many.
    #[error("failed to read secrets: more than {SECRETS_MAX}: remove those that no process uses")]
    TooMany,
    /// One is too short or too long.
    #[error(
        "failed to read secrets: that of line {line} has {length} bytes, give {SECRET_BYTES_MIN} to \
         {SECRET_BYTES_MAX}; make one with `openssl rand -hex 32`"
    )]
    Length {
        /// Its line, from 1.
        line: usize,
        /// Its bytes.
        length: usize,
    },
    /// The file is no text.
    #[error("failed to read secrets: the file is no text; make one with `openssl rand -hex 32`")]
    NotText,
}

/// The secrets of a cluster, the first of which it uses where only one can be.
#[derive(Clone)]
pub struct Keys {
    keys: Arc<[Key]>,
}

struct Key {
    text: String,
    mac: hmac::Key,
}

impl Keys {
    /// Reads a file: a secret a line, without the blanks around it; empty lines and those that
    /// begin with `#` are passed over.
    ///
    /// # Errors
    /// [`ParseError`] says what to correct.
    pub fn parse(file: &[u8]) -> Result<Self, ParseError> {
        if file.len() > FILE_BYTES_MAX {
            return Err(ParseError::TooLarge(file.len()));
        }
        let text = std::str::from_utf8(file).map_err(|_| ParseError::NotText)?;
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let secret = line.trim();
            if secret.is_empty() || secret.starts_with('#') {
                continue;
            }
            let length = secret.len();
            if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&length) {
                let line = index + 1;
                return Err(ParseError::Length { line, length });
            }
            keys.push(Key {
                text: secret.to_owned(),
                mac: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            });
        }
        match keys.len() {
            0 => Err(ParseError::Empty),
            1..=SECRETS_MAX => Ok(Self { keys: keys.into() }),
            _ => Err(ParseError::TooMany),
        }
    }

    /// A file that holds them.
    pub fn to_file(&self) -> String {
        self.keys
            .iter()
            .map(|key| format!("{}\n", key.text))
            .collect()
    }

    /// The token by which one who knows the first secret may change things over HTTP, in
    /// hexadecimal digits. It does not tell the secret.
    pub fn token(&self, cluster: &str) -> String {
        let message = token_message(cluster);
        let tags = self.sign(&message);
        let first = tags.first().copied().unwrap_or_default();
        first.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `token` is that of any of the secrets.
    pub fn is_token(&self, cluster: &str, token: &str) -> bool {
        decode_hex(token).is_some_and(|tag| self.verify(&token_message(cluster), &tag).is_some())
    }

    /// The tag of `message` by each secret, in order.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<[u8; TAG_BYTES]> {
        let tags = self.keys.iter().map(|key| hmac::sign(&key.mac, message));
        tags.filter_map(|tag| tag.as_ref().try_into().ok())
            .collect()
    }

    /// Which secret made `tag` of `message`, if one did. The comparison takes the same time
    /// wherever the bytes differ.
    pub(crate) fn verify(&self, message: &[u8], tag: &[u8]) -> Option<usize> {
        self.keys
            .iter()
            .position(|key| hmac::verify(&key.mac, message, tag).is_ok())
    }
}

fn token_message(cluster: &str) -> Vec<u8> {
    [TOKEN_LABEL, &[0], cluster.as_bytes()].concat()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * TAG_BYTES || !text.is_ascii() {
        return None;
    }
    (0..TAG_BYTES)
        .map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok())
        .collect()
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len()
            && self
                .keys
                .iter()
                .zip(&*other.keys)
                .all(|(a, b)| a.text == b.text)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0123456789abcdef0123456789abcdef";
    const SECOND: &str = "fedcba9876543210fedcba9876543210";

    fn keys(text: &str) -> Result<Keys, ParseError> {
        Keys::parse(text.as_bytes())
    }

    #[test]
    fn blank_lines_and_comments_hold_no_secret() {
        let text = format!("# of today\n\n  {FIRST}\t\r\n# of tomorrow\n{SECOND}");
        assert_eq!(keys(&text), keys(&format!("{FIRST}\n{SECOND}\n")));
    }

    #[test]
    fn a_file_of_no_use_is_answered_by_what_to_correct() {
        assert_eq!(keys("# none\n"), Err(ParseError::Empty));
        let short = keys(&format!("{FIRST}\nhunter2\n")).unwrap_err();
        assert_eq!(short, ParseError::Length { line: 2, length: 7 });
        assert!(!short.to_string().contains("hunter2"));
        let many = [FIRST; SECRETS_MAX + 1].join("\n");
        assert_eq!(keys(&many), Err(ParseError::TooMany));
        let large = "#".repeat(FILE_BYTES_MAX + 1);
        assert_eq!(keys(&large), Err(ParseError::TooLarge(large.len())));
        assert_eq!(Keys::parse(&[0xff; 40]), Err(ParseError::NotText));
    }

    #[test]
    fn a_token_holds_for_its_cluster_and_for_whoever_knows_its_secret() {
        let (first, both) = (
            keys(FIRST).unwrap(),
            keys(&format!("{SECOND}\n{FIRST}")).unwrap(),
        );
        let token = first.token("a");
        assert!(first.is_token("a", &token) && both.is_token("a", &token));
        assert!(!first.is_token("b", &token));
        assert!(!first.is_token("a", &both.token("a")));
        for wrong in ["", "0", &token[1..], &format!("{token}0"), &"ä".repeat(32)] {
            assert!(!first.is_token("a", wrong), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_the_one_of_other_versions() {
        // HMAC-SHA256 of "kintsugi http token 1\0a", by
        // `printf 'kintsugi http token 1\0a' | openssl dgst -sha256 -hmac $FIRST`.
        assert_eq!(
            keys(FIRST).unwrap().token("a"),
            "f3cd9e8bb8f115fd3975d1a325c2e505c847d406c6bf9f04a89a34a53e35b340"
        );
    }

    #[test]
    fn nothing_prints_a_secret() {
        assert_eq!(format!("{:?}", keys(FIRST).unwrap()), "Keys(1)");
    }
}
