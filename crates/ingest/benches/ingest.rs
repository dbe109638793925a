//! Rows a second from body to commit beside bare COPY into the same table, in turns: `cargo bench -p ingest --bench
//! ingest`. `BENCH_SIZE=small` takes a tenth of the rows.
#![expect(clippy::print_stdout, reason = "a measurement is data")]

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use ::store::{CustomSets, PoolSettings, Store, open};
use anyhow::{Context, Result};
use bytes::Bytes;
use catalog::{Catalog, Definition, Type};
use futures_util::future::try_join_all;
use futures_util::{SinkExt as _, TryStreamExt as _};
use ingest::{Compression, Encoding, Ingest, Push};
use jiff::Timestamp;
use prost::Message;
use testkit::{Ratios, StoreDatabase, median};
use tokio_postgres::Client;
use uuid::Uuid;
use wire::{BATCH_FORMAT, Batch, Frame, Instance, Reading, compress};

/// The set that is written: the widest, and the one with most rows.
const SET: &str = "pg_stat_statements";

/// Rows of a batch: as many as a collector sends of one busy instance.
const ROWS: i64 = 1000;

/// Rounds in which all take turns.
const ROUNDS: usize = 5;

/// Rows of a round, of all collectors or connections together.
const fn rows_of(is_small: bool) -> u64 {
    if is_small { 16_000 } else { 160_000 }
}

/// Collectors that push at the same time.
const COLLECTORS: [usize; 4] = [1, 2, 8, 32];

/// Bytes of bare COPY in one message.
const CHUNK: usize = 1 << 16;

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
        let is_small = std::env::var("BENCH_SIZE").is_ok_and(|size| size == "small");
        let total = rows_of(is_small);
        let mut ratios = Ratios::new("ingest", if is_small { "small" } else { "full" });
        let mut seen: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut per_row = 0.0;
        for round in 0..=ROUNDS {
            let mut ours = Vec::new();
            for collectors in COLLECTORS {
                let batches = total / ROWS.unsigned_abs() / collectors as u64;
                let sent = (0..collectors).map(|_| Sent::of(&definition, &frame, batches));
                let sent = sent.collect::<Result<Vec<Sent>>>()?;
                let bytes: usize = sent.iter().flat_map(|one| &one.bodies).map(Bytes::len).sum();
                per_row = bytes as f64 / total as f64;
                let began = Instant::now();
                try_join_all(sent.iter().map(|one| one.push(&ingest))).await?;
                ours.push((format!("{collectors} collectors"), total as f64 / began.elapsed().as_secs_f64()));
            }
            let copy = Copy::of(&database, &definition, total).await?;
            let [one, two] = [copy.rows_a_second(1).await?, copy.rows_a_second(2).await?];
            // The first is for the caches, and not counted.
            if round == 0 {
                continue;
            }
            for (name, rows_a_second) in &ours {
                ratios.add(&format!("COPY on 2 over {name}"), two / rows_a_second);
            }
            let bare = [("COPY on 1".to_owned(), one), ("COPY on 2".to_owned(), two)];
            for (name, rows_a_second) in ours.into_iter().chain(bare) {
                seen.entry(name).or_default().push(rows_a_second);
            }
        }
        println!("{SET} ({} columns), {ROWS} rows a batch, {per_row:.1} bytes a row", definition.columns.len());
        for (name, rows_a_second) in seen {
            println!("{name:<16} {:>8.0} rows/s", median(&rows_a_second));
        }
        print!("\nratios\n{}", ratios.finish()?);
        Ok(())
    })
}

/// Rows of the table as PostgreSQL copies them.
struct Copy {
    connections: Vec<Client>,
    statement: String,
    rows: u64,
    data: Bytes,
}

impl Copy {
    async fn of(database: &StoreDatabase, definition: &Definition, rows: u64) -> Result<Self> {
        let columns: Vec<&str> = ["instance_id", "time", "interval_us"]
            .into_iter()
            .chain(definition.columns.iter().map(|column| column.name.as_str()))
            .collect();
        let columns = columns.join(", ");
        let connections = vec![database.connect().await?, database.connect().await?];
        let out = format!("copy (select {columns} from metrics.{SET} limit {}) to stdout (format binary)", rows / 2);
        let parts: Vec<Bytes> = connections[0].copy_out(&out).await.context("copy out")?.try_collect().await?;
        let statement = format!("copy metrics.{SET} ({columns}) from stdin (format binary)");
        Ok(Self { connections, statement, rows: rows / 2, data: parts.concat().into() })
    }

    async fn rows_a_second(&self, connections: usize) -> Result<f64> {
        let began = Instant::now();
        try_join_all(self.connections.iter().take(connections).map(|client| self.copy(client))).await?;
        Ok((self.rows * connections as u64) as f64 / began.elapsed().as_secs_f64())
    }

    async fn copy(&self, client: &Client) -> Result<()> {
        let mut sink = pin!(client.copy_in(&self.statement).await.context("copy in")?);
        for part in 0..self.data.len().div_ceil(CHUNK) {
            let end = self.data.len().min((part + 1) * CHUNK);
            sink.send(self.data.slice(part * CHUNK..end)).await.context("send rows")?;
        }
        sink.finish().await.context("end the copy")?;
        Ok(())
    }
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

/// What one collector sends: made before the clock runs, as the rows of bare COPY are.
struct Sent {
    collector_id: Uuid,
    bodies: Vec<Bytes>,
}

impl Sent {
    fn of(definition: &Definition, frame: &Frame, batches: u64) -> Result<Self> {
        let (collector_id, epoch) = (Uuid::now_v7(), Uuid::now_v7());
        let body = |sequence| {
            let now_us = Timestamp::now().as_microsecond();
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
            Ok(Bytes::from(compress(&batch.encode_to_vec()).context("compress a batch")?))
        };
        Ok(Self { collector_id, bodies: (1..=batches).map(body).collect::<Result<_>>()? })
    }

    /// One after the other.
    async fn push(&self, ingest: &Ingest) -> Result<()> {
        for body in &self.bodies {
            let (collector_id, now, since) = (self.collector_id, Timestamp::now(), Instant::now());
            let room = ingest.admit(collector_id, body.len() as u64).context("find room")?;
            let (encoding, compression, body) = (Encoding::Protobuf, Compression::Zstd, body.clone());
            let push = Push { collector_id, room, encoding, compression, body, now, since };
            ingest.push(push).await.context("push a batch")?;
        }
        Ok(())
    }
}
