//! Encoding and decoding again changes nothing.

use catalog::Type;
use proptest::prelude::*;
use prost::Message as _;
use wire::{Batch, Frame, Reading, Status};

use crate::frames::{Value, column, definition, frame};

/// What decoding gives: a column of nothing but NULL travels as one that was not read.
fn expected(frame: &Frame) -> Frame {
    let columns = frame.columns.iter().map(|column| column.clone().filter(|column| !column.all_null())).collect();
    Frame { rows: frame.rows, columns }
}

/// Bit by bit: `==` takes −0.0 for 0.0.
fn assert_same(decoded: &Frame, frame: &Frame) {
    assert_eq!(decoded, frame);
    for (decoded, column) in decoded.columns.iter().zip(&frame.columns) {
        let (Some(decoded), Some(column)) = (decoded, column) else { continue };
        assert!((0..frame.rows).all(|row| decoded.same(row, column, row)));
    }
}

fn encode(frame: &Frame) -> Reading {
    let mut reading = Reading { set: "set".into(), ..Reading::default() };
    reading.encode_rows(frame);
    reading
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_back_as_they_were((definition, frame) in frame()) {
        let reading = encode(&frame);
        prop_assert_eq!(reading.rows as usize, frame.rows);
        let decoded = reading.decode_rows(&definition).unwrap();
        assert_same(&decoded, &expected(&frame));
    }

    #[test]
    fn a_batch_comes_back_from_its_bytes((definition, frame) in frame(), sequence in any::<u64>()) {
        let batch = Batch { sequence, readings: vec![encode(&frame)], ..Batch::default() };
        let bytes = wire::compress(&batch.encode_to_vec()).unwrap();
        let decoded = Batch::decode(&*wire::decompress(&bytes, 64 << 20).unwrap()).unwrap();
        prop_assert_eq!(&decoded, &batch);
        assert_same(&decoded.readings[0].decode_rows(&definition).unwrap(), &expected(&frame));
    }

    #[test]
    fn a_status_that_is_appended_joins_the_batch((_, frame) in frame(), spool_records in any::<u64>()) {
        let batch = Batch { format: wire::BATCH_FORMAT, readings: vec![encode(&frame)], ..Batch::default() };
        let status = Status { spool_records, late_cycles: 3, ..Status::default() };
        let late = Batch { collector_id: vec![7; 16], status: Some(status.clone()), ..Batch::default() };
        let mut body = wire::compress(&batch.encode_to_vec()).unwrap();
        body.extend(wire::compress(&late.encode_to_vec()).unwrap());
        let whole = Batch::decode(&*wire::decompress(&body, 64 << 20).unwrap()).unwrap();
        prop_assert_eq!(whole, Batch { collector_id: vec![7; 16], status: Some(status), ..batch });
    }
}

#[test]
fn an_encoding_is_chosen_for_its_size() {
    let encoded = |column_type: Type, values: Vec<Value>| {
        let frame = Frame { rows: values.len(), columns: vec![Some(column(column_type, &values))] };
        let reading = encode(&frame);
        assert_same(&reading.decode_rows(&definition(&[column_type])).unwrap(), &frame);
        (reading.columns[0].encoding, reading.columns[0].data.len())
    };
    let ints = |make: fn(i64) -> i64| (0..800).map(make).map(Value::Int).collect::<Vec<_>>();
    let scattered = |n: i64| n.wrapping_mul(0x5851_f42d_4c95_7f2d);
    // A bit a row, and a byte for each of the few that are not zero.
    assert_eq!(encoded(Type::Int8, ints(|n| i64::from(n % 100 == 0))), (1, 108));
    assert_eq!(encoded(Type::Timestamptz, ints(|n| 1_800_000_000_000_000 + n)), (2, 807));
    assert_eq!(encoded(Type::Int8, (0..800).map(scattered).map(Value::Int).collect()), (3, 6400));
    let floats = |make: fn(f64) -> f64| (0..800).map(f64::from).map(make).map(Value::Float).collect::<Vec<_>>();
    assert_eq!(encoded(Type::Float8, floats(|n| n / 10.0)).0, 4);
    assert_eq!(encoded(Type::Float8, floats(|n| n / 8.0)), (5, 100 + 799 * 4));
    assert_eq!(encoded(Type::Bool, (0..800).map(|n| Value::Bool(n % 3 == 0)).collect()), (6, 100));
    let texts = |make: fn(i32) -> String| (0..800).map(make).map(Value::Text).collect::<Vec<_>>();
    assert_eq!(encoded(Type::Text, texts(|n| format!("state {}", n % 4))), (7, 800));
    assert_eq!(encoded(Type::Text, texts(|n| format!("{n:04}"))), (8, 4000));
}
