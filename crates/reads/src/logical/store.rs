//! Rows of the sets about subscriptions, publications and logical decoding.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::{Decoding, Publication};
use crate::infos;
use crate::queries::names::Names;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::Key;
use crate::relations::readings::{Times, lists};
use crate::series::lsn;
use crate::sums;

/// Which subscriptions there are.
pub(super) const SUBSCRIPTIONS: &str = "pg_subscription";
/// Their workers.
pub(super) const WORKERS: &str = "pg_stat_subscription";
/// Their errors and conflicts.
pub(super) const ERRORS: &str = "pg_stat_subscription_stats";
/// Their tables.
pub(super) const TABLES: &str = "pg_subscription_rel";
/// Publications.
pub(super) const PUBLICATIONS: &str = "pg_publication";
/// What decoding took.
pub(super) const DECODING: &str = "pg_stat_replication_slots";

/// A subscription as it was defined.
#[derive(Debug)]
pub(super) struct Defined {
    pub(super) datid: i64,
    pub(super) name: String,
    pub(super) subid: Option<i64>,
    pub(super) enabled: Option<bool>,
    pub(super) slot_name: Option<String>,
    pub(super) publications: Option<String>,
    pub(super) streaming: Option<String>,
    pub(super) disable_on_error: Option<bool>,
}

/// The subscriptions of a moment.
pub(super) async fn defined(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Vec<Defined>, Error> {
    let sql = format!(
        "select n.datid, n.subname, n.subid, n.enabled, n.slot_name, n.publications, n.streaming, n.disable_on_error
         from ({}) n where not n.removed",
        infos::valid(SUBSCRIPTIONS)
    );
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    let defined = |row: &Row| Defined {
        datid: row.get(0),
        name: row.get(1),
        subid: row.get(2),
        enabled: row.get(3),
        slot_name: row.get(4),
        publications: row.get(5),
        streaming: row.get(6),
        disable_on_error: row.get(7),
    };
    Ok(rows.iter().map(defined).collect())
}

/// A worker, or that a subscription has none.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) subid: i64,
    pub(super) name: Option<String>,
    pub(super) pid: Option<i32>,
    pub(super) kind: Option<String>,
    pub(super) received_lsn: Option<String>,
    pub(super) latest_end_lsn: Option<String>,
    pub(super) received_at: Option<Timestamp>,
}

/// The workers of one reading.
pub(super) async fn workers(snapshot: &Snapshot, id: InstanceId, time: Timestamp) -> Result<Vec<Worker>, Error> {
    let sql = "select subid, subname, nullif(pid, 0), worker_type, nullif(received_lsn, 0), nullif(latest_end_lsn, 0),
            case when isfinite(last_msg_receipt_time) then last_msg_receipt_time end
        from metrics.pg_stat_subscription where instance_id = $1 and time = $2 and subid is not null
        order by subid, pid";
    let rows = snapshot.query(sql, &[&id, &time]).await?;
    let worker = |row: &Row| Worker {
        subid: row.get(0),
        name: row.get(1),
        pid: row.get(2),
        kind: row.get(3),
        received_lsn: row.get::<_, Option<i64>>(4).map(lsn),
        latest_end_lsn: row.get::<_, Option<i64>>(5).map(lsn),
        received_at: row.get(6),
    };
    Ok(rows.iter().map(worker).collect())
}

/// Tables of each subscription, and how many of them do not follow yet, by database and subscription.
pub(super) async fn tables(
    snapshot: &Snapshot,
    id: InstanceId,
    times: &Times,
) -> Result<HashMap<Key, (Option<i64>, Option<i64>)>, Error> {
    let (datids, moments) = lists(times);
    let sql = "select t.datid_read, t.subid, t.tables, t.tables - t.ready
        from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
        join metrics.pg_subscription_rel t on t.instance_id = $1 and t.time = r.time and t.datid_read = r.datid
        where t.subid is not null";
    let rows = snapshot.query(sql, &[&id, &datids, &moments]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect())
}

/// Kinds of conflicts, as the columns of their counters are called behind `confl_`.
const CONFLICTS: [&str; 7] = [
    "insert_exists",
    "update_origin_differs",
    "update_exists",
    "update_missing",
    "delete_origin_differs",
    "delete_missing",
    "multiple_unique_conflicts",
];

/// What a subscription got wrong in a range.
#[derive(Clone, Debug, Default)]
pub(super) struct Wrong {
    pub(super) apply_errors: Option<f64>,
    pub(super) sync_errors: Option<f64>,
    pub(super) conflicts: Vec<(&'static str, f64)>,
}

/// Errors and conflicts over a range, by subscription.
pub(super) async fn wrong(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<HashMap<i64, Wrong>, Error> {
    let conflicts: Vec<String> = CONFLICTS.iter().map(|kind| format!("confl_{kind}")).collect();
    let counters: Vec<&str> =
        ["apply_error_count", "sync_error_count"].into_iter().chain(conflicts.iter().map(String::as_str)).collect();
    let rows = sums::by_label(snapshot, id, ERRORS, (&["subid"], &counters), range).await?;
    let wrong = rows.into_iter().filter_map(|row| {
        let subid = row.labels.first()?.as_deref()?.parse().ok()?;
        let conflicts = CONFLICTS.iter().zip(row.sums.iter().skip(2));
        let wrong = Wrong {
            apply_errors: row.sums.first().copied().flatten(),
            sync_errors: row.sums.get(1).copied().flatten(),
            conflicts: conflicts.filter_map(|(kind, sum)| Some((*kind, (*sum)?))).collect(),
        };
        Some((subid, wrong))
    });
    Ok(wrong.collect())
}

/// The publications of a moment.
pub(super) async fn publications(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
    databases: &Names,
) -> Result<Vec<Publication>, Error> {
    let sql = format!(
        "select n.datid_read, n.pubname, n.ownerid, n.all_tables, n.tables, n.schemas, n.inserts, n.updates, n.deletes,
             n.truncates, n.via_root
         from ({}) n where not n.removed and n.pubname is not null",
        infos::valid(PUBLICATIONS)
    );
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    let roles = Names::roles(snapshot, id, at).await?;
    let publication = |row: &Row| {
        let operations = ["insert", "update", "delete", "truncate"].into_iter().zip(6..);
        Publication {
            database: databases.of(row.get(0)),
            name: row.get(1),
            owner: row.get::<_, Option<i64>>(2).map(|owner| roles.of(owner)),
            all_tables: row.get(3),
            tables: row.get(4),
            schemas: row.get(5),
            operations: operations
                .filter(|(_, place)| row.get::<_, Option<bool>>(*place).unwrap_or(false))
                .map(|(operation, _)| operation)
                .collect(),
            via_root: row.get(10),
        }
    };
    let mut all: Vec<Publication> = rows.iter().map(publication).collect();
    all.sort_by(|one, other| (&one.database, &one.name).cmp(&(&other.database, &other.name)));
    Ok(all)
}

/// What decoding took over a range, by slot, the most spilled bytes first.
pub(super) async fn decoding(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<Vec<Decoding>, Error> {
    let counters = [
        "total_txns",
        "total_bytes",
        "spill_txns",
        "spill_count",
        "spill_bytes",
        "stream_txns",
        "stream_count",
        "stream_bytes",
    ];
    let rows = sums::by_label(snapshot, id, DECODING, (&["slot_name"], &counters), range).await?;
    let decoding = rows.into_iter().filter_map(|row| {
        let sums: [Option<f64>; 8] = row.sums.try_into().ok()?;
        let [total_txns, total_bytes, spill_txns, spill_count, spill_bytes, stream_txns, stream_count, stream_bytes] =
            sums;
        Some(Decoding {
            slot_name: row.labels.into_iter().next()??,
            total_txns,
            total_bytes,
            spill_txns,
            spill_count,
            spill_bytes,
            stream_txns,
            stream_count,
            stream_bytes,
        })
    });
    let mut all: Vec<Decoding> = decoding.collect();
    all.sort_by(|one, other| other.spill_bytes.unwrap_or(0.0).total_cmp(&one.spill_bytes.unwrap_or(0.0)));
    Ok(all)
}
