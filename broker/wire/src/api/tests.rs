use kafka_protocol::messages::ApiKey as CrateKey;

use super::*;

#[test]
fn every_row_agrees_with_the_protocol_crate_about_headers_and_versions() {
    for api in TABLE {
        let theirs = CrateKey::try_from(api.key as i16).unwrap();
        assert_eq!(format!("{theirs:?}"), api.name);
        let range = theirs.valid_versions();
        let own = i16::from(matches!(
            api.key,
            ApiKey::OffsetCommit | ApiKey::OffsetFetch
        ));
        assert!(range.min <= api.version_min && api.version_max <= range.max + own);
        for version in api.version_min..=api.version_max {
            assert_eq!(
                theirs.request_header_version(version) == 2,
                api.has_flexible_request_header(version),
                "{} v{version}",
                api.name
            );
            assert_eq!(
                theirs.response_header_version(version) == 1,
                api.has_flexible_response_header(version),
                "{} v{version}",
                api.name
            );
        }
    }
}

#[test]
fn rows_are_in_the_order_of_their_keys_and_found_by_them() {
    assert!(TABLE.windows(2).all(|pair| pair[0].key < pair[1].key));
    for api in TABLE {
        assert_eq!(
            Api::find(api.key as i16).map(|found| found.key),
            Some(api.key)
        );
    }
    assert!(Api::find(7).is_none());
}

#[test]
fn produce_is_advertised_from_zero_though_it_is_served_from_three() {
    let advertised: Vec<_> = Api::advertised().collect();
    assert_eq!(advertised[0], (ApiKey::Produce, 0, 11));
}
