//! Rows a second from body to commit, on this machine: `cargo bench -p ingest --bench ingest`.
#![expect(clippy::print_stdout, reason = "a measurement is data")]

use std::sync::Arc;
use std::time::Instant;

use ::store::{CustomSets, PoolSettings, Store, open};
use anyhow::{Context, Result};
use bytes::Bytes;
use catalog::{Catalog, Definition, Type};
use futures_util::future::try_join_all;
use ingest::{Compression, Encoding, Ingest, Push};
use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;
use wire::{BATCH_FORMAT, Batch, Frame, Instance, Reading, compress};

/// The set that is written: the widest, and the one with most rows.
const SET: &str = "pg_stat_statements";

/// Rows of a batch: as many as a collector sends of one busy instance.
const ROWS: i64 = 1000;

/// Batches of each collector, one after the other.
const BATCHES: u64 = 40;

/// Collectors that push at the same time.
const COLLECTORS: [usize; 3] = [1, 2, 8];

/// Bytes in flight: more than is needed, so that nobody is asked to wait.
const BUFFER: u64 = 1 << 30;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(async {
        let database = testkit::store().await?;
        let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 16 }).await?;
        let catalog = Arc::new(Catalog::embedded().context("read the catalogue")?);
        let store = Arc::new(Store::prepare(pool, catalog).await?);
        let definition = store.definitions().set(SET).context("find the set")?.definition.clone();
        let ingest = Ingest::start(store, BUFFER, CustomSets::Refuse);
        let frame = rows(&definition);
        println!("ingest of {SET} ({} columns), {ROWS} rows a batch", definition.columns.len());
        for collectors in COLLECTORS {
            let began = Instant::now();
            let bytes: Vec<usize> = try_join_all((0..collectors).map(|_| push(&ingest, &definition, &frame))).await?;
            let rows = collectors as f64 * BATCHES as f64 * ROWS as f64;
            let seconds = began.elapsed().as_secs_f64();
            let per_row = bytes.iter().sum::<usize>() as f64 / rows;
            println!(
                "{collectors:>3} collectors: {:>8.0} rows/s, {per_row:.1} bytes a row on the wire",
                rows / seconds
            );
        }
        Ok(())
    })
}

/// Figures as a busy instance has them: most of a statement's counters are small or zero.
fn rows(definition: &Definition) -> Frame {
    let mut frame = Frame::new(definition);
    for row in 0..ROWS {
        for (place, (meaning, column)) in (0_i64..).zip(definition.columns.iter().zip(&mut frame.columns)) {
            let Some(column) = column else { continue };
            match (meaning.name.as_str(), meaning.column_type) {
                ("queryid", _) => column.push_int(row.wrapping_mul(0x5851_f42d_4c95_7f2d)),
                ("userid" | "dbid", _) => column.push_int(16_384 + row % 3),
                (_, Type::Bool) => column.push_bool(true),
                (_, Type::Float8) => column.push_float(row as f64),
                (_, Type::Timestamptz) => column.push_null(),
                _ => column.push_int(if place % 3 == 0 { row * place % 5000 } else { 0 }),
            }
        }
        frame.rows += 1;
    }
    frame
}

/// All batches of one collector; answers their bytes.
async fn push(ingest: &Ingest, definition: &Definition, frame: &Frame) -> Result<usize> {
    let (collector_id, epoch) = (Uuid::now_v7(), Uuid::now_v7());
    let mut bytes = 0;
    for sequence in 1..=BATCHES {
        let now = Timestamp::now();
        let now_us = now.as_microsecond();
        let mut reading = Reading {
            set: definition.name.clone(),
            definition: definition.hash().0.to_vec(),
            started_us: now_us - 1000,
            time_us: now_us,
            interval_us: Some(60_000_000),
            ..Reading::default()
        };
        reading.encode_rows(frame);
        let batch = Batch {
            format: BATCH_FORMAT,
            collector_id: collector_id.as_bytes().to_vec(),
            epoch: epoch.as_bytes().to_vec(),
            sequence,
            created_us: now_us,
            instances: vec![Instance { name: "one".to_owned(), ..Instance::default() }],
            readings: vec![reading],
            ..Batch::default()
        };
        let body = Bytes::from(compress(&batch.encode_to_vec()).context("compress a batch")?);
        bytes += body.len();
        let room = ingest.admit(collector_id, body.len() as u64).context("find room")?;
        let (encoding, compression) = (Encoding::Protobuf, Compression::Zstd);
        ingest.push(Push { collector_id, room, encoding, compression, body, now }).await.context("push a batch")?;
    }
    Ok(bytes)
}
