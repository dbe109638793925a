//! How deliveries go: per collector what was lost and why, what waits, what failed, and how fresh each set is.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use reads::Snapshot;

use crate::http::ApiError;

/// What was discarded and rejected is counted over this long.
const LOSS_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// How deliveries go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deliveries {
    /// By collector.
    data: Vec<Delivery>,
    /// How many collectors there are.
    count: usize,
}

/// How a collector's deliveries go. What it never said is null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    collector_id: Uuid,
    /// Its registered name; null where it is no longer registered.
    name: Option<String>,
    hostname: Option<String>,
    version: Option<String>,
    /// When its last batch was stored.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    /// From the end of the cycle to the commit, of the batch that was stored last.
    lag_ms: Option<f64>,
    /// How far its machine's clock is ahead of the server's, negative where it is behind.
    clock_ahead_ms: Option<f64>,
    #[serde(skip)]
    ahead_us: Option<i64>,
    spool: SpoolUse,
    /// Why it does not follow its newest configuration; null while it does.
    config_error: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    config_error_since: Option<Timestamp>,
    #[serde(skip)]
    config_version: Option<i64>,
    #[serde(skip)]
    config_refused: Option<i64>,
    /// Rows that the collector lost within the last 24 hours.
    discarded: Vec<DiscardedRows>,
    /// Lost rows over lost and stored rows, within the last 24 hours; null where there were none.
    discarded_share: Option<f64>,
    /// Cycles skipped because they were late, since the collector started.
    late_cycles: Option<i64>,
    /// Batches that the server refused for good, since the collector started.
    refused_batches: Option<i64>,
    /// Rows that the server did not store, within the last 24 hours.
    rejected_rows: i64,
    /// Readings that failed and have not succeeded since.
    errors: Vec<ReadingError>,
    instances: Vec<InstanceDelivery>,
    /// Processor time since the collector started.
    cpu_ms: Option<f64>,
    peak_memory_bytes: Option<i64>,
}

/// What a collector says of the configuration that it is to follow.
#[derive(Debug)]
pub(crate) struct SaidOfConfig {
    /// The version that it follows.
    pub(crate) in_force: Option<i64>,
    /// The version that it cannot follow.
    pub(crate) refused: Option<i64>,
    /// Why not.
    pub(crate) error: Option<String>,
    /// Since when.
    pub(crate) error_since: Option<Timestamp>,
}

/// What waits in a collector's spool, after the batch that was stored last.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SpoolUse {
    records: Option<i64>,
    bytes: Option<i64>,
    max_bytes: Option<i64>,
    /// Why nothing can be written to it now; null while it can.
    error: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    error_since: Option<Timestamp>,
    /// Cycles that could not be written, since the collector started: the next one covered their time.
    unspooled_cycles: Option<i64>,
}

/// Rows that a collector lost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiscardedRows {
    set: String,
    reason: String,
    /// As far as that is known.
    rows: i64,
    /// How many readings, at least; of a damaged one nobody knows how many rows it had.
    readings: i64,
}

/// A reading that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadingError {
    instance: String,
    set: String,
    error: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// How fresh an instance is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InstanceDelivery {
    instance_id: i32,
    name: String,
    /// When the last reading of any set began.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_reading_started: Option<Timestamp>,
    /// The time of its rows.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_reading_time: Option<Timestamp>,
    /// Why it could not be reached, while it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    sets: Vec<SetDelivery>,
}

/// How fresh a set is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetDelivery {
    set: String,
    /// When its last reading that succeeded began.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_reading_started: Option<Timestamp>,
    /// The time of its rows.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_reading_time: Option<Timestamp>,
    /// Rows of that reading.
    rows: Option<i32>,
    /// Why the last one failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How deliveries go. `accounts` is the store of schema `pganalytics`: no statement spans the two.
pub(crate) async fn deliveries(snapshot: &Snapshot, accounts: &Client) -> Result<Deliveries, ApiError> {
    let mut all: BTreeMap<Uuid, Delivery> = BTreeMap::new();
    let registered = accounts
        .query("select id, name, hostname, version from pganalytics.collectors where revoked_at is null", &[])
        .await?;
    for row in registered {
        let delivery = entry(&mut all, row.get(0));
        delivery.name = row.get(1);
        delivery.hostname = row.get(2);
        delivery.version = row.get(3);
    }
    said(snapshot, &mut all).await?;
    freshness(snapshot, &mut all).await?;
    losses(snapshot, &mut all, snapshot.now() - LOSS_WINDOW).await?;
    let mut data: Vec<Delivery> = all.into_values().collect();
    data.sort_by(|a, b| (&a.name, a.collector_id).cmp(&(&b.name, b.collector_id)));
    Ok(Deliveries { count: data.len(), data })
}

impl Deliveries {
    /// How far a collector's clock is ahead; `None` where it is not known.
    pub(crate) fn ahead_us(&self, id: Uuid) -> Option<i64> {
        self.data.iter().find(|delivery| delivery.collector_id == id)?.ahead_us
    }

    /// What a collector says of the configuration that it is to follow; `None` where nothing is known of it.
    pub(crate) fn config(&self, id: Uuid) -> Option<SaidOfConfig> {
        let delivery = self.data.iter().find(|delivery| delivery.collector_id == id)?;
        Some(SaidOfConfig {
            in_force: delivery.config_version,
            refused: delivery.config_refused,
            error: delivery.config_error.clone(),
            error_since: delivery.config_error_since,
        })
    }

    /// How many instances a collector reads, the lag of its last batch, rows it lost within the last 24 hours, and
    /// its readings that fail; `None` where nothing is known of it.
    pub(crate) fn of(&self, id: Uuid) -> Option<(usize, Option<f64>, i64, usize)> {
        let delivery = self.data.iter().find(|delivery| delivery.collector_id == id)?;
        let discarded = delivery.discarded.iter().map(|one| one.rows).fold(0, i64::saturating_add);
        Some((delivery.instances.len(), delivery.lag_ms, discarded, delivery.errors.len()))
    }
}

fn entry(all: &mut BTreeMap<Uuid, Delivery>, id: Uuid) -> &mut Delivery {
    all.entry(id).or_insert_with(|| Delivery {
        collector_id: id,
        name: None,
        hostname: None,
        version: None,
        last_seen: None,
        lag_ms: None,
        clock_ahead_ms: None,
        ahead_us: None,
        spool: SpoolUse::default(),
        config_error: None,
        config_error_since: None,
        config_version: None,
        config_refused: None,
        discarded: Vec::new(),
        discarded_share: None,
        late_cycles: None,
        refused_batches: None,
        rejected_rows: 0,
        errors: Vec::new(),
        instances: Vec::new(),
        cpu_ms: None,
        peak_memory_bytes: None,
    })
}

async fn said(snapshot: &Snapshot, all: &mut BTreeMap<Uuid, Delivery>) -> Result<(), ApiError> {
    let rows = snapshot
        .query(
            "select collector_id, hostname, version, received_at, lag_us, spool_records, spool_bytes,
                 spool_max_bytes, late_cycles, refused_batches, cpu_us, peak_memory_bytes, clock_ahead_us,
                 spool_error, spool_error_since, unspooled_cycles, config_error, config_error_since,
                 config_version, config_refused
             from metrics.collectors",
            &[],
        )
        .await?;
    for row in rows {
        let delivery = entry(all, row.get(0));
        let word = |place: usize| Some(row.get::<_, String>(place)).filter(|word| !word.is_empty());
        delivery.hostname = word(1).or_else(|| delivery.hostname.take());
        delivery.version = word(2).or_else(|| delivery.version.take());
        delivery.last_seen = row.get(3);
        delivery.lag_ms = milliseconds(row.get(4));
        // The batch that brought the status was in the spool then, and left it with our answer.
        let records = row.get::<_, Option<i64>>(5).map(|records| (records - 1).max(0));
        let bytes = if records == Some(0) { Some(0) } else { row.get(6) };
        delivery.spool = SpoolUse {
            records,
            bytes,
            max_bytes: row.get(7),
            error: row.get(13),
            error_since: row.get(14),
            unspooled_cycles: row.get(15),
        };
        delivery.config_error = row.get(16);
        delivery.config_error_since = row.get(17);
        delivery.config_version = row.get(18);
        delivery.config_refused = row.get(19);
        delivery.late_cycles = row.get(8);
        delivery.refused_batches = row.get(9);
        delivery.cpu_ms = milliseconds(row.get(10));
        delivery.peak_memory_bytes = row.get(11);
        delivery.ahead_us = row.get(12);
        delivery.clock_ahead_ms = milliseconds(delivery.ahead_us);
    }
    Ok(())
}

async fn freshness(snapshot: &Snapshot, all: &mut BTreeMap<Uuid, Delivery>) -> Result<(), ApiError> {
    let rows = snapshot
        .query(
            "select i.collector_id, i.id, i.name, i.error, l.set_name, l.last_reading_started, l.last_reading_time,
                 l.rows, l.error, l.error_at
             from metrics.instances i left join metrics.latest l on l.instance_id = i.id
             where ($1::int4[] is null or i.id = any($1)) and i.retired_at is null
             order by i.name, i.id, l.set_name",
            &[&snapshot.visible()],
        )
        .await?;
    for row in rows {
        let delivery = entry(all, row.get(0));
        let (instance_id, name): (i32, String) = (row.get(1), row.get(2));
        if delivery.instances.last().is_none_or(|instance| instance.instance_id != instance_id) {
            delivery.instances.push(InstanceDelivery {
                instance_id,
                name: name.clone(),
                last_reading_started: None,
                last_reading_time: None,
                error: row.get(3),
                sets: Vec::new(),
            });
        }
        let Some(set) = row.get::<_, Option<String>>(4) else { continue };
        let started: Option<Timestamp> = row.get(5);
        let time: Option<Timestamp> = row.get(6);
        let failed: Option<(String, Timestamp)> = row.get::<_, Option<String>>(8).zip(row.get(9));
        let failed = failed.filter(|(_, at)| started.is_none_or(|success| *at > success));
        if let Some((error, at)) = &failed {
            let (set, error) = (set.clone(), error.clone());
            delivery.errors.push(ReadingError { instance: name, set, error, at: *at });
        }
        if let Some(instance) = delivery.instances.last_mut() {
            instance.last_reading_started = instance.last_reading_started.max(started);
            instance.last_reading_time = instance.last_reading_time.max(time);
            let error = failed.map(|(error, _)| error);
            let rows = row.get(7);
            instance.sets.push(SetDelivery {
                set,
                last_reading_started: started,
                last_reading_time: time,
                rows,
                error,
            });
        }
    }
    Ok(())
}

async fn losses(snapshot: &Snapshot, all: &mut BTreeMap<Uuid, Delivery>, since: Timestamp) -> Result<(), ApiError> {
    let discarded = snapshot
        .query(
            "select collector_id, set_name, reason, least(sum(rows), 9007199254740991)::int8,
                 least(sum(readings), 9007199254740991)::int8
             from metrics.discards where at > $1 group by 1, 2, 3 order by 1, 2, 3",
            &[&since],
        )
        .await?;
    for row in discarded {
        let rows = DiscardedRows { set: row.get(1), reason: row.get(2), rows: row.get(3), readings: row.get(4) };
        entry(all, row.get(0)).discarded.push(rows);
    }
    let rejected = snapshot
        .query(
            "select collector_id, least(sum(rows), 9007199254740991)::int8
             from metrics.rejected where at > $1 group by 1",
            &[&since],
        )
        .await?;
    for row in rejected {
        entry(all, row.get(0)).rejected_rows = row.get(1);
    }
    for delivery in all.values_mut() {
        let lost: i64 = delivery.discarded.iter().map(|one| one.rows).sum();
        if lost == 0 {
            // Nothing lost is a share of 0 whatever was stored; without anything stored there is no share.
            delivery.discarded_share = delivery.last_seen.map(|_| 0.0);
            continue;
        }
        let row = snapshot
            .query_one(
                "select coalesce(sum(r.rows), 0)::int8 from metrics.readings r
                 join metrics.instances i on i.id = r.instance_id where i.collector_id = $1 and r.time > $2",
                &[&delivery.collector_id, &since],
            )
            .await?;
        let stored: i64 = row.get(0);
        delivery.discarded_share = Some(lost as f64 / (lost as f64 + stored as f64));
    }
    Ok(())
}

fn milliseconds(micros: Option<i64>) -> Option<f64> {
    micros.map(|micros| micros as f64 / 1000.0)
}
