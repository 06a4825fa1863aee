use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader as CrateHeader;
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::api::{Api, ApiKey, TABLE};
use crate::primitive::CodecError;

proptest! {
    #[test]
    fn a_frame_of_any_bytes_is_parsed_or_refused(
        bytes in vec(any::<u8>(), 0..40),
        key in 0_i16..70,
        version in 0_i16..14,
    ) {
        let _ = RequestHeader::parse(&Bytes::from(bytes.clone()));
        let mut frame = BytesMut::new();
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_slice(&bytes);
        let _ = RequestHeader::parse(&frame.freeze());
    }
}

#[test]
fn headers_of_the_protocol_crate_are_read_in_every_version() {
    for api in TABLE {
        for version in api.version_min..=api.version_max {
            for client_id in [None, Some(StrBytes::from_static_str("client"))] {
                let header = CrateHeader::default()
                    .with_request_api_key(api.key as i16)
                    .with_request_api_version(version)
                    .with_correlation_id(77)
                    .with_client_id(client_id.clone());
                let mut frame = BytesMut::new();
                let header_version = if api.has_flexible_request_header(version) {
                    2
                } else {
                    1
                };
                header.encode(&mut frame, header_version).unwrap();
                frame.put_slice(b"body");
                let found = RequestHeader::parse(&frame.freeze()).unwrap();
                assert_eq!(found.api.key, api.key);
                assert_eq!((found.version, found.correlation_id), (version, 77));
                assert_eq!(found.client_id, client_id);
                assert_eq!(&found.body[..], b"body");
            }
        }
    }
}

#[test]
fn our_own_request_header_is_read_back() {
    let api = Api::find(ApiKey::Metadata as i16).unwrap();
    let mut out = encode_request_header(api, 9, 5, "operator");
    finish_frame(&mut out, 0).unwrap();
    let mut field = [0; LENGTH_BYTES];
    field.copy_from_slice(&out[..LENGTH_BYTES]);
    assert_eq!(frame_length(field, 1 << 20), Ok(out.len() - LENGTH_BYTES));
    let found = RequestHeader::parse(&out.freeze().slice(LENGTH_BYTES..)).unwrap();
    assert_eq!(found.client_id.as_deref(), Some("operator"));
    assert!(found.body.is_empty());
}

fn header_of(key: i16, version: i16) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(9);
    out.put_i16(-1);
    out.freeze()
}

#[test]
fn only_api_versions_is_answered_when_its_version_is_unknown() {
    assert_eq!(
        RequestHeader::parse(&header_of(18, 99)).unwrap_err(),
        HeaderError::UnsupportedApiVersions {
            version: 99,
            correlation_id: 9
        }
    );
    assert!(matches!(
        RequestHeader::parse(&header_of(0, 2)).unwrap_err(),
        HeaderError::UnsupportedVersion { version: 2, .. }
    ));
    assert_eq!(
        RequestHeader::parse(&header_of(7, 0)).unwrap_err(),
        HeaderError::UnknownApi(7)
    );
    assert!(matches!(
        RequestHeader::parse(&Bytes::from_static(&[0, 3])).unwrap_err(),
        HeaderError::Malformed(CodecError::Short { .. })
    ));
}

#[test]
fn a_frame_length_above_the_limit_or_negative_is_refused() {
    assert_eq!(
        frame_length([0x7f, 0xff, 0xff, 0xff], 100),
        Err(FrameError::TooLarge {
            size_bytes: 0x7fff_ffff,
            max_bytes: 100
        })
    );
    assert_eq!(frame_length([0xff; 4], 100), Err(FrameError::Negative(-1)));
    assert_eq!(frame_length([0, 0, 0, 100], 100), Ok(100));
}
