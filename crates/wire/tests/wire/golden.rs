//! The layout of a batch, byte for byte. Collectors and servers of different ages meet: when this
//! test fails, the layout changed, and that needs another [`BATCH_FORMAT`], not another golden file.

use std::collections::BTreeSet;

use catalog::{Definition, Type};
use prost::Message as _;
use wire::{
    Attributes, BATCH_FORMAT, Batch, Cut, Discarded, Flag, FlagReason, Frame, Instance, Reading, SetState, State,
    StateCode, Status,
};

use crate::frames::{Value, column, definition};

const BATCH: &str = include_str!("golden/batch.hex");
const STATUS: &str = include_str!("golden/status.hex");
const ZSTD: &str = include_str!("golden/batch.zst.hex");

/// Bytes in a line of a golden file.
const LINE: usize = 32;

const ROWS: i32 = 12;

/// The value of a row.
type Make = fn(i64) -> Value;

fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(LINE).map(line).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A column for each encoding, most of them with NULLs.
fn rows() -> (Definition, Frame) {
    let columns: [(Type, Make); 13] = [
        // Sparse, and all the integers that are not plain ones.
        (Type::Int8, |n| if n % 5 == 0 { Value::Null } else { Value::Int(if n % 4 == 0 { -n * 1000 } else { 0 }) }),
        (Type::Int4, |n| Value::Int(if n == 7 { i32::MIN.into() } else { 0 })),
        (Type::Duration, |n| Value::Int(if n < 2 { 90_000_000 } else { 0 })),
        // Delta.
        (Type::Timestamptz, |n| Value::Int(1_800_000_000_000_000 + n * 60_000_000)),
        (Type::Oid, |n| if n == 3 { Value::Null } else { Value::Int(16_384) }),
        (Type::Lsn, |n| Value::Int(0x16_b374_d848 - n)),
        // Fixed.
        (Type::Int8, |n| if n == 4 { Value::Null } else { Value::Int((n + 1).wrapping_mul(0x5851_f42d_4c95_7f2d)) }),
        // Float, with a zero of each sign; short float; bits.
        (Type::Float8, |n| match n {
            0 => Value::Float(0.0),
            1 => Value::Float(-0.0),
            2 => Value::Null,
            _ => Value::Float(1.0 / n as f64),
        }),
        (Type::Float8, |n| if n % 3 == 0 { Value::Null } else { Value::Float(n as f64 / 4.0 - 1.0) }),
        (Type::Bool, |n| if n == 5 { Value::Null } else { Value::Bool(n % 2 == 0) }),
        // Dictionary; texts.
        (Type::Text, |n| match n % 3 {
            _ if n == 1 => Value::Null,
            0 => Value::Text("sync".into()),
            1 => Value::Text("async".into()),
            _ => Value::Text("".into()),
        }),
        (Type::Text, |n| if n == 2 { Value::Null } else { Value::Text(format!("select ${n} -- é")) }),
        // All NULL: left out.
        (Type::Text, |_| Value::Null),
    ];
    let types: Vec<Type> = columns.iter().map(|(column_type, _)| *column_type).collect();
    let values = |make: Make| (0..i64::from(ROWS)).map(make).collect::<Vec<_>>();
    let filled = columns.iter().map(|(column_type, make)| Some(column(*column_type, &values(*make)))).collect();
    (definition(&types), Frame { rows: ROWS as usize, columns: filled })
}

/// A batch in which every field of every message is filled.
fn batch() -> Batch {
    let (definition, frame) = rows();
    let mut reading = Reading {
        set: definition.name.clone(),
        definition: definition.hash().0.to_vec(),
        instance: 1,
        datid: Some(-1),
        started_us: 1_800_000_000_000_001,
        time_us: 1_800_000_000_250_000,
        interval_us: Some(60_000_123),
        duration_us: 249_999,
        flags: vec![Flag {
            reason: FlagReason::EntryReset as i32,
            start_us: 1_799_999_940_000_000,
            end_us: 1_800_000_000_250_000,
            entries: vec![r#"{"queryid":"-9000000000000000001"}"#.into()],
            entries_total: 2,
        }],
        removed: vec![3, 300],
        cuts: vec![Cut { per: 16_384, rows: 5, ids: vec![-1, 1, i64::MIN] }],
        late_cycles: 4,
        ..Reading::default()
    };
    reading.encode_rows(&frame);
    let failed = Reading { set: "other".into(), error: Some("no answer".into()), ..Reading::default() };
    let attributes = Attributes {
        system_identifier: "7300000000000000000".into(),
        version_num: 170_004,
        version: "17.4".into(),
        role: "primary".into(),
        host: "db.example".into(),
        port: 5432,
        timeline: Some(3),
        postmaster_start_us: 1_700_000_000_000_000,
        clock_offset_us: Some(-1500),
        max_connections: Some(100),
        track: Some("top".into()),
        statements_version: Some("1.11".into()),
    };
    let state = SetState {
        set: "set".into(),
        column: "c1".into(),
        state: State::Degraded as i32,
        code: StateCode::Privilege as i32,
        message: "Hidden from the collector's role.".into(),
        fix: "grant pg_monitor to monitor;".into(),
    };
    Batch {
        format: BATCH_FORMAT,
        collector_id: (0..16).collect(),
        epoch: (16..32).collect(),
        sequence: 1 << 53,
        created_us: 1_800_000_000_300_000,
        collector_version: "4.0.0".into(),
        hostname: "host.example".into(),
        instances: vec![
            Instance { name: "down".into(), error: Some("connection refused".into()), ..Instance::default() },
            Instance { name: "up".into(), attributes: Some(attributes), error: None, states: vec![state] },
        ],
        readings: vec![reading, failed],
        discarded: vec![Discarded {
            set: "set".into(),
            reason: "spool_full".into(),
            rows: 1200,
            ..Discarded::default()
        }],
        clock: None,
        status: None,
        ..Batch::default()
    }
}

/// What is appended when a batch is sent.
fn late() -> Batch {
    let status = Status {
        spool_records: 2,
        spool_bytes: 123_456,
        spool_max_bytes: 1 << 30,
        cpu_us: 5_000_000,
        peak_memory_bytes: 20 << 20,
        late_cycles: 6,
        refused_batches: 7,
        ..Status::default()
    };
    Batch { status: Some(status), ..Batch::default() }
}

fn assert_golden(actual: &[u8], golden: &str, name: &str) {
    let actual = to_hex(actual);
    assert!(actual == golden, "the layout of golden/{name} changed; it is now:\n{actual}");
}

#[test]
fn a_batch_is_written_as_it_always_was() {
    let batch = batch();
    let encodings: BTreeSet<u32> = batch.readings[0].columns.iter().map(|column| column.encoding).collect();
    assert_eq!(encodings, (1..=8).collect(), "the golden batch shows every encoding");
    assert_golden(&batch.encode_to_vec(), BATCH, "batch.hex");
    assert_golden(&late().encode_to_vec(), STATUS, "status.hex");
}

#[test]
fn a_batch_is_read_as_it_always_was() {
    let decoded = Batch::decode(&*from_hex(BATCH)).unwrap();
    assert_eq!(decoded, batch());
    let (definition, mut frame) = rows();
    frame.columns.iter_mut().for_each(|column| *column = column.take().filter(|column| !column.all_null()));
    assert_eq!(decoded.readings[0].decode_rows(&definition).unwrap(), frame);
    assert_eq!(Batch::decode(&*from_hex(STATUS)).unwrap(), late());
}

#[test]
fn a_compressed_batch_with_its_status_is_read_as_it_always_was() {
    let body = wire::decompress(&from_hex(ZSTD), 1 << 20).unwrap();
    assert_eq!(body, [from_hex(BATCH), from_hex(STATUS)].concat());
    assert_eq!(Batch::decode(&*body).unwrap(), Batch { status: late().status, ..batch() });
}
