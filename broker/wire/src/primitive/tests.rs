use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn integers_of_variable_length_survive_a_round_trip(a: u32, b: i32, c: i64) {
        let mut out = BytesMut::new();
        out.put_unsigned_varint(a);
        out.put_varint(b);
        out.put_varlong(c);
        let bytes = out.freeze();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.unsigned_varint(), Ok(a));
        prop_assert_eq!(reader.varint(), Ok(b));
        prop_assert_eq!(reader.varlong(), Ok(c));
        prop_assert_eq!(reader.finish(), Ok(()));
    }
}

#[test]
fn a_varint_above_its_width_is_refused() {
    let bytes = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x1f]);
    assert_eq!(
        Reader::new(&bytes).unsigned_varint(),
        Err(CodecError::VarintTooLong { at: 0 })
    );
    let bytes = Bytes::from_static(&[0xff; 11]);
    assert_eq!(
        Reader::new(&bytes).varlong(),
        Err(CodecError::VarintTooLong { at: 0 })
    );
}

#[test]
fn an_array_that_claims_more_than_its_frame_holds_is_refused() {
    let bytes = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0, 0]);
    assert_eq!(
        Reader::new(&bytes).array_length(LengthKind::Int32, 1),
        Err(CodecError::ArrayTooLong {
            at: 0,
            count: 0x7fff_ffff,
            left: 2
        })
    );
}
