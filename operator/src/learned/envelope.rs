//! The bytes of a part: what it is, of which cluster and when, with a checksum over all of it.

use k8s_openapi::jiff::Timestamp;

use super::{LearnedError, Opened, PART_BYTES_MAX, Part};

/// How every part begins.
const MAGIC: [u8; 4] = *b"KLRN";
/// How far the clock of another machine may be ahead, in seconds.
const CLOCKS_APART_SECONDS: i64 = 60;
/// The longest uid.
const UID_BYTES_MAX: usize = 255;

/// A part of the cluster `uid`, written `now`.
///
/// # Errors
/// [`LearnedError::TooLarge`].
pub fn seal(
    part: Part,
    uid: &str,
    now: Timestamp,
    payload: &[u8],
) -> Result<Vec<u8>, LearnedError> {
    let uid = &uid.as_bytes()[..uid.len().min(UID_BYTES_MAX)];
    let mut body = vec![part.number()];
    body.extend(now.as_millisecond().to_be_bytes());
    body.push(uid.len() as u8);
    body.extend(uid);
    body.extend(payload);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(part.version().to_be_bytes());
    bytes.extend(crc32c::crc32c(&body).to_be_bytes());
    bytes.append(&mut body);
    if bytes.len() > PART_BYTES_MAX {
        return Err(LearnedError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// What [`seal`] made of a part of the cluster `uid`.
///
/// # Errors
/// [`LearnedError`] for anything else.
pub fn open<'a>(
    part: Part,
    uid: &str,
    now: Timestamp,
    bytes: &'a [u8],
) -> Result<Opened<'a>, LearnedError> {
    if bytes.len() > PART_BYTES_MAX {
        return Err(LearnedError::TooLarge { bytes: bytes.len() });
    }
    let (magic, rest) = take::<4>(bytes)?;
    if magic != MAGIC {
        return Err(LearnedError::NoState);
    }
    let (version, rest) = take::<2>(rest)?;
    let (found, known) = (u16::from_be_bytes(version), part.version());
    if found != known {
        return Err(LearnedError::Version { found, known });
    }
    let (checksum, body) = take::<4>(rest)?;
    if crc32c::crc32c(body) != u32::from_be_bytes(checksum) {
        return Err(LearnedError::Damaged);
    }
    let ([number], rest) = take::<1>(body)?;
    let (written, rest) = take::<8>(rest)?;
    let ([uid_bytes], rest) = take::<1>(rest)?;
    let of = rest.get(..usize::from(uid_bytes));
    let of = of.ok_or(LearnedError::NoState)?;
    if number != part.number() || of != uid.as_bytes() {
        return Err(LearnedError::Foreign);
    }
    let written = Timestamp::from_millisecond(i64::from_be_bytes(written));
    let written = written.map_err(|_| LearnedError::NoState)?;
    if written.as_second() - now.as_second() > CLOCKS_APART_SECONDS {
        return Err(LearnedError::Ahead(written));
    }
    Ok(Opened {
        written,
        payload: &rest[of.len()..],
    })
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), LearnedError> {
    let (taken, rest) = bytes
        .split_first_chunk::<N>()
        .ok_or(LearnedError::NoState)?;
    Ok((*taken, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::at;

    fn sealed() -> Vec<u8> {
        seal(Part::Load, "uid", at(10), b"what was learned").unwrap()
    }

    fn refused(part: Part, uid: &str, now: i64, bytes: &[u8]) -> String {
        open(part, uid, at(now), bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_was_sealed_is_opened() {
        let bytes = sealed();
        let opened = open(Part::Load, "uid", at(20), &bytes).unwrap();
        assert_eq!(opened.written, at(10));
        assert_eq!(opened.payload, b"what was learned");
    }

    #[test]
    fn anothers_and_what_is_of_another_version_or_time_is_refused_and_says_why() {
        let bytes = sealed();
        let foreign = "it is of another cluster or of another part";
        assert_eq!(refused(Part::Load, "other", 20, &bytes), foreign);
        assert_eq!(
            refused(Part::Load, "uid", -60, &bytes),
            "it was written at 2027-01-15T08:00:10Z, which has not come yet"
        );
        assert!(
            open(Part::Load, "uid", at(-50), &bytes).is_ok(),
            "clocks differ"
        );
        let mut newer = bytes.clone();
        newer[5] = 9;
        assert_eq!(
            refused(Part::Load, "uid", 20, &newer),
            "it is of version 9 and this operator knows version 1"
        );
        assert_eq!(
            refused(Part::Load, "uid", 20, b"hello world"),
            "it holds no such state"
        );
        assert_eq!(
            refused(Part::Load, "uid", 20, b""),
            "it holds no such state"
        );
        let long = vec![0; PART_BYTES_MAX];
        assert!(matches!(
            seal(Part::Load, "uid", at(0), &long),
            Err(LearnedError::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_byte_that_is_another_is_noticed(place in 0_usize..39, value in any::<u8>()) {
            let mut bytes = sealed();
            prop_assume!(bytes[place] != value);
            bytes[place] = value;
            prop_assert!(open(Part::Load, "uid", at(20), &bytes).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let whole = [MAGIC.as_slice(), &[0, 1], &bytes].concat();
            prop_assert!(open(Part::Load, "uid", at(20), &whole).is_err());
        }
    }
}
