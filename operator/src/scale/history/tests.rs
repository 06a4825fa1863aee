//! What is read of a file, and what is said of one that cannot be read.

use proptest::prelude::*;

use super::*;

fn refused(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

fn row(at_ms: i64, bytes_in: f64, bytes_out: f64) -> Row {
    Row {
        at_ms,
        bytes_in,
        bytes_out,
        brokers: None,
    }
}

#[test]
fn times_are_rfc_3339_or_seconds_since_1970() {
    let text = "time,bytes_in,bytes_out\n60,1,2\n120.5,3.5,4e3\n1970-01-01T00:03:00Z,0,0\n";
    let expected = [
        row(60_000, 1.0, 2.0),
        row(120_500, 3.5, 4_000.0),
        row(180_000, 0.0, 0.0),
    ];
    assert_eq!(parse(text.as_bytes()).unwrap(), expected);
}

#[test]
fn a_spreadsheets_file_is_read_with_its_mark_its_line_ends_and_its_quotes() {
    let text = "\u{feff}\"time\",\"bytes_in\" ,\"bytes_out\"\r\n\"60\", \"1\",2\r\n\r\n120,3,4\r\n";
    let expected = [row(60_000, 1.0, 2.0), row(120_000, 3.0, 4.0)];
    assert_eq!(parse(text.as_bytes()).unwrap(), expected);
}

#[test]
fn columns_may_come_in_any_order_and_brokers_may_be_told() {
    let rows = parse(b"brokers,bytes_out,time,bytes_in\n5,2,60,1\n").unwrap();
    let expected = Row {
        brokers: Some(5),
        ..row(60_000, 1.0, 2.0)
    };
    assert_eq!(rows, [expected]);
}

#[test]
fn a_header_that_misses_a_column_or_has_one_twice_or_another_is_refused() {
    for header in [
        "60,1,2",
        "time,bytes_in",
        "time,bytes_in,bytes_out,bytes_in",
        "time,bytes_in,bytes_out,topic",
    ] {
        let said = refused(&format!("{header}\n60,1,2\n"));
        let begin = format!("line 1 is {header:?}: begin with the header time,bytes_in,bytes_out");
        assert!(said.starts_with(&begin), "{said}");
    }
    assert!(refused("").starts_with("line 1 is \"\""));
    assert!(refused("time,bytes_in,bytes_out\n\n").starts_with("it has no rows"));
}

#[test]
fn a_number_that_no_load_can_be_is_refused_with_its_place() {
    for value in ["-1", "NaN", "inf", "1e308", "", "1_000", "seven", "\"1\"2"] {
        let said = refused(&format!("time,bytes_in,bytes_out\n60,1,2\n120,1,{value}\n"));
        let expected = format!(
            "line 3, column bytes_out is {value:?}: give bytes a second, a number from 0 to 1e15"
        );
        assert_eq!(said, expected);
    }
    for value in ["0", "-3", "2.5", "", "4294967296"] {
        let said = refused(&format!(
            "time,bytes_in,bytes_out,brokers\n60,1,2,{value}\n"
        ));
        assert!(said.starts_with("line 2, column brokers"), "{said}");
    }
}

#[test]
fn a_time_that_is_none_or_in_milliseconds_is_refused() {
    for value in [
        "yesterday",
        "-60",
        "NaN",
        "1764532800000",
        "1960-01-01T00:00:00Z",
    ] {
        let said = refused(&format!("time,bytes_in,bytes_out\n{value},1,2\n"));
        assert!(said.contains("column time"), "{said}");
        assert!(said.contains("seconds (not milliseconds)"), "{said}");
    }
}

#[test]
fn times_that_go_back_or_come_twice_are_refused() {
    for value in ["60", "59", "1970-01-01T00:01:00Z"] {
        let said = refused(&format!("time,bytes_in,bytes_out\n60,1,2\n{value},1,2\n"));
        assert!(said.starts_with("line 3, column time"), "{said}");
        assert!(said.contains("not after the line before"), "{said}");
    }
}

#[test]
fn more_or_fewer_cells_than_the_header_are_refused() {
    for cells in ["60,1", "60,1,2,3", "60,1,2,", "60;1;2", "60,1,\"2,5\""] {
        let said = refused(&format!("time,bytes_in,bytes_out\n{cells}\n"));
        assert!(said.starts_with("line 2 has "), "{said}");
    }
}

#[test]
fn what_is_too_much_is_refused_before_it_is_kept() {
    let long = vec![b'1'; BYTES_MAX + 1];
    assert_eq!(parse(&long), Err(HistoryError::TooLong(BYTES_MAX + 1)));
    let bytes = LINE_BYTES_MAX + 1;
    let line = format!("time,bytes_in,bytes_out\n{}\n", "1".repeat(bytes));
    let expected = HistoryError::LineTooLong { line: 2, bytes };
    assert_eq!(parse(line.as_bytes()), Err(expected));
    let rows = |count: usize| {
        let rows = (0..count).map(|second| format!("{second},1,1\n"));
        let text = format!("time,bytes_in,bytes_out\n{}", rows.collect::<String>());
        parse(text.as_bytes()).map(|rows| rows.len())
    };
    assert_eq!(rows(ROWS_MAX), Ok(ROWS_MAX));
    assert_eq!(rows(ROWS_MAX + 1), Err(HistoryError::TooManyRows));
    let text = b"time,bytes_in,bytes_out\n60,\xff,1\n";
    assert_eq!(parse(text), Err(HistoryError::NotText(2)));
}

#[test]
fn a_message_repeats_the_begin_of_a_cell_only() {
    let said = refused(&format!(
        "time,bytes_in,bytes_out\n60,{},1\n",
        "x".repeat(200)
    ));
    assert!(said.len() < 200, "{said}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let mut whole = b"time,bytes_in,bytes_out\n".to_vec();
        whole.extend(&bytes);
        let _ = parse(&whole);
        let _ = parse(&bytes);
    }

    #[test]
    fn cells_of_any_text_give_rows_that_a_load_can_be_or_a_line_that_is_wrong(
        cells in proptest::collection::vec("[-+0-9eE.,:TZinfNaN\" \r\u{e9}]{0,20}", 1..20)
    ) {
        let text = format!("time,bytes_in,bytes_out\n{}", cells.join("\n"));
        match parse(text.as_bytes()) {
            Ok(rows) => for row in rows {
                prop_assert!((0.0..=RATE_MAX).contains(&row.bytes_in));
                prop_assert!((0.0..=RATE_MAX).contains(&row.bytes_out));
                prop_assert!(row.at_ms >= 0);
            },
            Err(error) => {
                let said = error.to_string();
                prop_assert!(said.contains("line ") || said.contains("no rows"), "{}", said);
            }
        }
    }

    #[test]
    fn rows_that_are_written_are_read(
        rows in proptest::collection::vec((1_i64..100_000_000, 0.0..1e15, 0.0..1e15), 1..50)
    ) {
        let mut at_ms = 0;
        let rows: Vec<Row> = rows.into_iter().map(|(step_ms, bytes_in, bytes_out)| {
            at_ms += step_ms;
            row(at_ms, bytes_in, bytes_out)
        }).collect();
        let lines = rows.iter().map(|row| {
            let at = Timestamp::from_millisecond(row.at_ms).unwrap();
            format!("{at},{},{}\n", row.bytes_in, row.bytes_out)
        });
        let text = format!("time,bytes_in,bytes_out\n{}", lines.collect::<String>());
        prop_assert_eq!(parse(text.as_bytes()).unwrap(), rows);
    }
}
