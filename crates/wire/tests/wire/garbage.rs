//! Whatever the bytes are: an answer or an error, no panic, and no more memory than the bounds allow.

use catalog::{Definition, Type};
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message as _;
use wire::{Batch, DecodeError, EncodedColumn, MAX_ROWS, Reading};

use crate::frames::{TYPES, definition, frame};

/// Columns whose parts have nothing to do with each other.
fn any_column() -> impl Strategy<Value = EncodedColumn> {
    let bytes = || prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(1), Just(0xff)], 0..40);
    let dictionary = prop::collection::vec("[a-c]{0,3}", 0..3);
    (0..12_u32, 0..10_u32, prop_oneof![Just(Vec::new()), bytes().boxed()], bytes(), dictionary).prop_map(
        |(place, encoding, nulls, data, dictionary)| EncodedColumn { place, encoding, nulls, data, dictionary },
    )
}

fn assert_whole(reading: &Reading, definition: &Definition) {
    let Ok(frame) = reading.decode_rows(definition) else { return };
    assert_eq!(frame.rows, reading.rows as usize);
    assert_eq!(frame.columns.len(), definition.columns.len());
    for (column, meta) in frame.columns.iter().zip(&definition.columns) {
        let Some(column) = column else { continue };
        assert_eq!(column.len(), frame.rows);
        for row in (0..frame.rows).filter(|row| !column.is_null(*row)) {
            let fits = match meta.column_type {
                Type::Bool => column.bool(row).is_some(),
                Type::Float8 => column.float(row).is_some_and(f64::is_finite),
                Type::Text => column.text(row).is_some(),
                Type::Int4 => column.int(row).is_some_and(|value| i32::try_from(value).is_ok()),
                _ => column.int(row).is_some(),
            };
            assert!(fits, "{meta:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_columns_are_rows_or_an_error(
        rows in prop_oneof![0..40_u32, 0..2000_u32, any::<u32>()],
        columns in prop::collection::vec(any_column(), 0..4),
    ) {
        let reading = Reading { set: "set".into(), rows, columns, ..Reading::default() };
        assert_whole(&reading, &definition(&TYPES));
    }
}

proptest! {
    #[test]
    fn garbled_readings_are_rows_or_an_error(
        (definition, frame) in frame(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let mut reading = Reading { set: "set".into(), ..Reading::default() };
        reading.encode_rows(&frame);
        let mut bytes = Batch { readings: vec![reading], ..Batch::default() }.encode_to_vec();
        for (at, byte) in flips {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(batch) = Batch::decode(&*bytes) {
            batch.readings.iter().for_each(|reading| assert_whole(reading, &definition));
        }
    }

    #[test]
    fn a_column_with_data_cut_off_or_left_over_is_an_error((definition, frame) in frame(), more in any::<bool>()) {
        let mut reading = Reading { set: "set".into(), ..Reading::default() };
        reading.encode_rows(&frame);
        for nth in 0..reading.columns.len() {
            let mut wrong = reading.clone();
            if more {
                wrong.columns[nth].data.push(0);
            } else {
                wrong.columns[nth].data.pop();
            }
            let decoded = wrong.decode_rows(&definition);
            assert!(matches!(decoded, Err(DecodeError::Column { .. })), "{decoded:?}");
        }
    }
}

/// Bytes of memory that this process ever had resident.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

fn claim(rows: usize, encoding: u32, places: usize) -> Reading {
    let column = |place| EncodedColumn { place, encoding, ..EncodedColumn::default() };
    let columns = (0..u32::try_from(places).unwrap()).map(column).collect();
    Reading { set: "set".into(), rows: u32::try_from(rows).unwrap(), columns, ..Reading::default() }
}

#[test]
fn a_claim_of_rows_without_their_bytes_takes_no_memory() {
    let before = peak_bytes();
    for (column_type, encoding) in TYPES.iter().flat_map(|column_type| (0..10).map(move |nth| (*column_type, nth))) {
        let error = claim(MAX_ROWS, encoding, 16).decode_rows(&definition(&[column_type; 16])).unwrap_err();
        assert!(matches!(error, DecodeError::Column { .. }), "{error}");
    }
    let grown = peak_bytes() - before;
    assert!(grown < 4 << 20, "{grown} bytes for claims");
}

#[test]
fn a_claim_of_too_many_rows_or_values_is_refused() {
    let types = [Type::Bool; 17];
    let too_large = |reading: Reading| {
        assert!(matches!(reading.decode_rows(&definition(&types)), Err(DecodeError::TooLarge { .. })));
    };
    too_large(claim(MAX_ROWS + 1, 6, 0));
    too_large(claim(u32::MAX as usize, 6, 1));
    too_large(claim(MAX_ROWS, 6, 17));
}

#[test]
fn texts_that_unfold_too_far_are_refused() {
    let rows = 1000;
    let column = EncodedColumn {
        encoding: 7,
        data: vec![0; rows],
        dictionary: vec!["x".repeat(1 << 20)],
        ..EncodedColumn::default()
    };
    let reading = Reading { set: "set".into(), rows: 1000, columns: vec![column], ..Reading::default() };
    let error = reading.decode_rows(&definition(&[Type::Text])).unwrap_err();
    assert!(error.to_string().contains("too much text"), "{error}");
}

#[test]
fn a_column_that_is_unknown_or_stands_twice_is_refused() {
    let definition = definition(&[Type::Bool, Type::Bool]);
    let mut reading = claim(8, 6, 2);
    reading.columns.iter_mut().for_each(|column| column.data = vec![1]);
    assert!(reading.decode_rows(&definition).is_ok());
    for place in [0, 2, u32::MAX] {
        reading.columns[1].place = place;
        assert_eq!(reading.decode_rows(&definition), Err(DecodeError::Place { set: "set".into(), place }));
    }
}
