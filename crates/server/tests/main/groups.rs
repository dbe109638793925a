//! Batches of many collectors at once, at two servers over one store: each is stored once, and nobody waits in a circle.

use ::store::CustomSets;
use bytes::Bytes;
use futures_util::future::join_all;
use ingest::{Compression, Encoding, Ingest, Push, PushAnswer, PushError};
use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;
use wire::{Attributes, Batch, ClockReading, Frame, Status};

use super::fixture::{BUFFER, Fixture, open_store, reading};

/// How many collectors there are, and batches of each.
const COLLECTORS: u64 = 12;
const BATCHES: u64 = 6;

/// A batch of one of several collectors, with rows, a text, and what each process tells.
fn batch(fixture: &Fixture, collector: Uuid, sequence: u64) -> Batch {
    let mut batch = fixture.sample_batch(sequence, &[1, 2], 1);
    batch.collector_id = collector.as_bytes().to_vec();
    let definition = fixture.definition("x_sample_texts");
    let mut texts = Frame::new(&definition);
    for queryid in [7, i64::try_from(sequence).unwrap()] {
        for (column, value) in texts.columns.iter_mut().zip([Some(5), Some(queryid), None]) {
            let column = column.as_mut().unwrap();
            match value {
                Some(value) => column.push_int(value),
                None => column.push_text("select $1"),
            }
        }
        texts.rows += 1;
    }
    batch.readings.push(reading(&definition, &texts));
    let system_identifier = collector.to_string();
    batch.instances[0].attributes =
        Some(Attributes { system_identifier, version_num: 150_006, ..Attributes::default() });
    let clock = ClockReading { id: collector.as_bytes().to_vec(), boot_id: vec![7; 16], boottime_us: 5 };
    batch.clock = Some(clock.clone());
    batch.status = Some(Status { clock: Some(clock), ..Status::default() });
    batch
}

async fn push(ingest: &Ingest, collector_id: Uuid, batch: &Batch) -> Result<PushAnswer, PushError> {
    let (body, now, since) = (Bytes::from(batch.encode_to_vec()), Timestamp::now(), std::time::Instant::now());
    let room = ingest.admit(collector_id, body.len() as u64)?;
    let (encoding, compression) = (Encoding::Protobuf, Compression::None);
    ingest.push(Push { collector_id, room, encoding, compression, body, now, since }).await
}

#[tokio::test]
async fn two_servers_take_the_same_batches_at_once() {
    let fixture = Fixture::new().await;
    let other = Ingest::start(open_store(&fixture.dsn).await, BUFFER, CustomSets::Accept);
    let collectors: Vec<Uuid> = (0..COLLECTORS).map(|_| Uuid::now_v7()).collect();
    let batches: Vec<(Uuid, Batch)> = collectors
        .iter()
        .flat_map(|collector| (1..=BATCHES).map(|nth| (*collector, batch(&fixture, *collector, nth))))
        .collect();
    let (here, there) = tokio::join!(
        join_all(batches.iter().map(|(collector, batch)| push(&fixture.ingest, *collector, batch))),
        join_all(batches.iter().rev().map(|(collector, batch)| push(&other, *collector, batch))),
    );
    for (here, there) in here.into_iter().zip(there.into_iter().rev()) {
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_ne!(here.duplicate, there.duplicate, "{:?}: one of two stored it", here.batch_id);
        assert_eq!(here.rows_inserted + there.rows_inserted, 4);
        assert!(!here.forgotten && here.last_process == there.last_process);
    }
    let (rows, all) = (COLLECTORS * BATCHES * 2, format!("{{[1,{})}}", BATCHES + 1));
    assert_eq!(fixture.count("metrics.x_sample").await, i64::try_from(rows).unwrap());
    let collectors = i64::try_from(COLLECTORS).unwrap();
    assert_eq!(fixture.count(&format!("metrics.ledger where seen = '{all}'")).await, collectors);
    assert_eq!(fixture.count("metrics.processes where cardinality(replaced) = 0").await, collectors);
    assert_eq!(fixture.count("metrics.clusters").await, collectors);
    assert_eq!(fixture.count("metrics.clocks").await, collectors, "one offset of each clock");
    assert_eq!(fixture.count("metrics.texts").await, collectors * i64::try_from(BATCHES + 1).unwrap());
    let told = "metrics.collectors c join metrics.instances i using (collector_id)
        where i.version_num = 150006 and i.system_identifier = c.collector_id::text";
    assert_eq!(fixture.count(told).await, collectors);
}
