//! A catalogue of sets that hold every type and kind, a store for it, and batches.

use std::sync::Arc;

use ::store::{CustomSets, PoolSettings, Store, open};
use bytes::Bytes;
use catalog::{Catalog, Definition};
use ingest::{Compression, Encoding, Ingest, Push, PushAnswer, PushError};
use jiff::Timestamp;
use prost::Message;
use tokio_postgres::Client;
use uuid::Uuid;
use wire::{BATCH_FORMAT, Batch, Frame, Instance, Reading};

/// Figures with a column of every type.
const SAMPLE: &str = r#"
help = "Every type; it's a test."
scope = "instance"
group = "test"
interval = 60
columns = [
    { name = "key", type = "int8", kind = "label", help = "h" },
    { name = "dbid", type = "oid", kind = "label", help = "h" },
    { name = "word", type = "text", kind = "label", help = "h" },
    { name = "flag", type = "bool", kind = "gauge", help = "h" },
    { name = "small", type = "int4", kind = "gauge", help = "h" },
    { name = "calls", type = "int8", kind = "counter", unit = "count", help = "h" },
    { name = "ratio", type = "float8", kind = "gauge", help = "h" },
    { name = "at", type = "timestamptz", kind = "gauge", help = "h" },
    { name = "position", type = "lsn", kind = "gauge", unit = "bytes", help = "h" },
    { name = "spent", type = "duration", kind = "counter", unit = "microseconds", help = "h" },
]
"#;

const INFO: &str = r#"
help = "Rows on change."
scope = "instance"
group = "test"
interval = 60
columns = [
    { name = "word", type = "text", kind = "label", help = "h" },
    { name = "value", type = "text", kind = "info", help = "h" },
]
"#;

const TEXTS: &str = r#"
help = "Long texts."
scope = "instance"
group = "test"
interval = 60
columns = [
    { name = "dbid", type = "oid", kind = "label", help = "h" },
    { name = "queryid", type = "int8", kind = "label", help = "h" },
    { name = "query", type = "text", kind = "text", help = "h" },
]
"#;

/// Bytes in flight of a test's ingest.
pub(crate) const BUFFER: u64 = 50 << 20;

/// A catalogue of the sets above.
pub(crate) fn sample_catalog() -> Arc<Catalog> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("x_sample", SAMPLE), ("x_sample_info", INFO), ("x_sample_texts", TEXTS)] {
        let set = folder.path().join("instance").join(name);
        std::fs::create_dir_all(&set).unwrap();
        std::fs::write(set.join("set.toml"), content).unwrap();
        std::fs::write(set.join("12.sql"), "select 1").unwrap();
    }
    Arc::new(Catalog::default().with_dir(folder.path()).unwrap())
}

/// A store of a test's own, and an ingest into it.
pub(crate) struct Fixture {
    pub(crate) ingest: Ingest,
    pub(crate) client: Client,
    pub(crate) dsn: String,
    pub(crate) collector: Uuid,
    pub(crate) epoch: Uuid,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(CustomSets::Accept).await
    }

    pub(crate) async fn with(custom: CustomSets) -> Self {
        let database = testkit::store().await.unwrap();
        let store = open_store(&database.dsn).await;
        Self {
            ingest: Ingest::start(store, BUFFER, custom),
            client: database.connect().await.unwrap(),
            dsn: database.dsn,
            collector: Uuid::now_v7(),
            epoch: Uuid::now_v7(),
        }
    }

    pub(crate) fn definition(&self, set: &str) -> Definition {
        self.ingest.store().definitions().set(set).unwrap().definition.clone()
    }

    /// A batch of one instance, without readings.
    pub(crate) fn batch(&self, sequence: u64) -> Batch {
        Batch {
            format: BATCH_FORMAT,
            collector_id: self.collector.as_bytes().to_vec(),
            epoch: self.epoch.as_bytes().to_vec(),
            sequence,
            created_us: Timestamp::now().as_microsecond(),
            collector_version: "4.0.0".to_owned(),
            hostname: "host".to_owned(),
            instances: vec![Instance { name: "one".to_owned(), ..Instance::default() }],
            ..Batch::default()
        }
    }

    /// A batch with one reading of `sample`: one row per key, each with so many calls.
    pub(crate) fn sample_batch(&self, sequence: u64, keys: &[i64], calls: i64) -> Batch {
        let definition = self.definition("x_sample");
        let mut batch = self.batch(sequence);
        batch.readings.push(reading(&definition, &sample_frame(&definition, keys, calls)));
        batch
    }

    pub(crate) async fn push(&self, batch: &Batch) -> Result<PushAnswer, PushError> {
        self.push_bytes(batch.encode_to_vec()).await
    }

    pub(crate) async fn push_bytes(&self, body: Vec<u8>) -> Result<PushAnswer, PushError> {
        self.push_as(Encoding::Protobuf, Compression::None, body).await
    }

    pub(crate) async fn push_as(
        &self,
        encoding: Encoding,
        compression: Compression,
        body: Vec<u8>,
    ) -> Result<PushAnswer, PushError> {
        let (collector_id, body, now) = (self.collector, Bytes::from(body), Timestamp::now());
        let room = self.ingest.admit(collector_id, body.len() as u64)?;
        self.ingest
            .push(Push { collector_id, room, encoding, compression, body, now, since: std::time::Instant::now() })
            .await
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from {sql}"), &[]).await.unwrap().get(0)
    }
}

pub(crate) async fn open_store(dsn: &str) -> Arc<Store> {
    let pool = open(&PoolSettings { url: dsn.to_owned(), max_connections: 8 }).await.unwrap();
    Arc::new(Store::prepare(pool, sample_catalog()).await.unwrap())
}

/// A reading of these rows, now.
pub(crate) fn reading(definition: &Definition, frame: &Frame) -> Reading {
    let now = Timestamp::now().as_microsecond();
    let mut reading = Reading {
        set: definition.name.clone(),
        definition: definition.hash().0.to_vec(),
        started_us: now - 1000,
        time_us: now,
        interval_us: Some(60_000_000),
        duration_us: 500,
        ..Reading::default()
    };
    reading.encode_rows(frame);
    reading
}

/// Rows of `sample` with these keys.
pub(crate) fn sample_frame(definition: &Definition, keys: &[i64], calls: i64) -> Frame {
    let mut frame = Frame::new(definition);
    for key in keys {
        for (meaning, column) in definition.columns.iter().zip(&mut frame.columns) {
            let column = column.as_mut().unwrap();
            match meaning.name.as_str() {
                "key" => column.push_int(*key),
                "calls" => column.push_int(calls),
                "word" => column.push_text("word"),
                _ => column.push_null(),
            }
        }
        frame.rows += 1;
    }
    frame
}
