//! The reading of `pg_stat_replication` at one moment, and what came of it over a range.

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::cluster::Cluster;
use super::model::{Receiver, Replication, Standby, StandbySeries};
use super::receiver;
use super::senders::{READINGS, STANDBY};
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::series::{self, Buckets, Source, lsn};
use crate::wal::store as wal;

/// The set of those that stream.
pub(crate) const SET: &str = "pg_stat_replication";

const ROWS: &str = "select application_name, client_addr, pid, state, sync_state, sent_lsn, write_lsn, flush_lsn,
        replay_lsn, current_lsn, write_lag_us, flush_lag_us, lag_us,
        case when isfinite(reply_time) then reply_time end, kind
    from {} where instance_id = $1 and time = $2
    order by application_name, pid";

const ROLE: &str = "select nullif(role, ''), timeline from metrics.instances where id = $1";

/// What stands between the parts of a series' key.
const BETWEEN: char = '\u{1f}';

/// What is drawn of each standby and connection, from the rows of [`READINGS`].
const LAGS: [&str; 7] = [
    "write_lag_us / 1000.0",
    "flush_lag_us / 1000.0",
    "lag_us / 1000.0",
    "case when sent_lsn is not null then greatest(current_lsn - sent_lsn, 0) end",
    "case when write_lsn is not null then greatest(current_lsn - write_lsn, 0) end",
    "case when flush_lsn is not null then greatest(current_lsn - flush_lsn, 0) end",
    "case when replay_lsn is not null then greatest(current_lsn - replay_lsn, 0) end",
];

/// The same from buckets.
const LAGS_OF_BUCKETS: [&str; 7] = [
    "write_wait_max / 1000.0",
    "flush_wait_max / 1000.0",
    "replay_wait_max / 1000.0",
    "sent_behind_max",
    "write_behind_max",
    "flush_behind_max",
    "replay_behind_max",
];

/// The columns of buckets that those are made from, and the key.
const KEPT: [&str; 10] = [
    "application_name",
    "client_addr",
    "pid",
    "write_wait_max",
    "flush_wait_max",
    "replay_wait_max",
    "sent_behind_max",
    "write_behind_max",
    "flush_behind_max",
    "replay_behind_max",
];

fn lags() -> Source<'static> {
    Source {
        set: SET,
        over: Some(&READINGS),
        key: "concat(application_name, chr(31), client_addr, chr(31), pid)",
        values: &LAGS,
        buckets: Some(Buckets { columns: &KEPT, over: None, values: &LAGS_OF_BUCKETS, measured: &[] }),
    }
}

/// Replication as it was last read at or before `at`, and over the range.
pub(crate) async fn at(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
    range: Range,
    grid: Grid,
) -> Result<Replication, Error> {
    let said = snapshot.query_opt(ROLE, &[&id]).await?;
    let role: Option<String> = said.as_ref().and_then(|row| row.get(0));
    let time = readings::at(snapshot, id, SET, at).await?;
    let rows = match time {
        Some(time) => snapshot.query(&ROWS.replace("{}", &READINGS), &[&id, &time]).await?,
        None => Vec::new(),
    };
    let cluster = Cluster::at(snapshot, id, at).await?;
    let lags = series::gauges(snapshot, lags(), id, range, grid).await?;
    let (mut standbys, mut receivers) = (Vec::new(), Vec::new());
    for row in &rows {
        let pid: Option<i32> = row.get(2);
        if row.get::<_, &str>(14) != STANDBY {
            receivers.push(receives(row, cluster.slot(id, pid)));
            continue;
        }
        let mut one = standby(row, lags_of(row, &rows, &lags, grid));
        one.slot_name = cluster.slot(id, pid);
        one.instance = cluster.standby(id, pid);
        if let Some(instance) = &one.instance {
            one.receiver = receiver::at(snapshot, instance.id, at).await?;
            let own = receiver::series(snapshot, instance.id, range, grid).await?;
            one.series.own_replay_lag_ms = Some(own.replay_lag_ms);
        }
        standbys.push(one);
    }
    standbys.sort_by_key(|standby| std::cmp::Reverse(standby.replay_behind_bytes));
    // After a promotion what it received before is no news. What it is at the moment, it said with its position.
    let (_, _, in_recovery) = wal::position(snapshot, id, at).await?;
    let role = in_recovery.map(|follows| if follows { "standby" } else { "primary" }.to_owned()).or(role);
    let follows = role.as_deref() != Some("primary");
    let mut receiver = None;
    let mut receiver_series = None;
    if follows {
        receiver = receiver::at(snapshot, id, at).await?;
        if let Some(receiver) = &mut receiver {
            receiver.upstream = cluster.upstream(id);
            receiver_series = Some(receiver::series(snapshot, id, range, grid).await?);
        }
    }
    Ok(Replication {
        role,
        timeline: said.as_ref().and_then(|row| row.get(1)),
        current_lsn: rows.iter().filter_map(|row| row.get::<_, Option<i64>>(9)).max().map(lsn),
        standbys,
        receivers,
        at: time,
        receiver,
        receiver_series,
        cluster: cluster.members,
        grid,
        gaps: Vec::new(),
    })
}

/// The series of one that streams: over all its connections, where nobody else streams under its name and address.
fn lags_of(row: &Row, all: &[Row], lags: &series::Series, grid: Grid) -> Vec<Vec<Option<f64>>> {
    let who = |row: &Row| {
        let part = |column: usize| row.get::<_, Option<String>>(column).unwrap_or_default();
        format!("{}{BETWEEN}{}{BETWEEN}", part(0), part(1))
    };
    let name = who(row);
    let alone = all.iter().filter(|other| who(other) == name).count() == 1;
    let exact = row.get::<_, Option<i32>>(2).map_or_else(|| name.clone(), |pid| format!("{name}{pid}"));
    let mut merged = series::empty(LAGS.len(), grid);
    for (key, series) in lags {
        if *key != exact && !(alone && key.starts_with(&name)) {
            continue;
        }
        for (merged, one) in merged.iter_mut().zip(series) {
            for (place, value) in merged.iter_mut().zip(one) {
                *place = [*place, *value].into_iter().flatten().reduce(f64::max);
            }
        }
    }
    merged
}

/// It may have got further between the two looks: then nothing is behind.
fn behind(current: Option<i64>, there: Option<i64>) -> Option<i64> {
    Some(current?.saturating_sub(there?).max(0))
}

/// One that receives and replays nothing.
fn receives(row: &Row, slot_name: Option<String>) -> Receiver {
    let [sent, write, flush, _, current]: [Option<i64>; 5] = std::array::from_fn(|nth| row.get(5 + nth));
    Receiver {
        kind: row.get(14),
        application_name: row.get(0),
        client_addr: row.get(1),
        pid: row.get(2),
        state: row.get(3),
        sync_state: row.get(4),
        sent_lsn: sent.map(lsn),
        write_lsn: write.map(lsn),
        flush_lsn: flush.map(lsn),
        sent_behind_bytes: behind(current, sent),
        write_behind_bytes: behind(current, write),
        flush_behind_bytes: behind(current, flush),
        last_message_at: row.get(13),
        slot_name,
    }
}

fn standby(row: &Row, lags: Vec<Vec<Option<f64>>>) -> Standby {
    let [sent, write, flush, replay, current]: [Option<i64>; 5] = std::array::from_fn(|nth| row.get(5 + nth));
    let [write_lag, flush_lag, replay_lag]: [Option<i64>; 3] = std::array::from_fn(|nth| row.get(10 + nth));
    let milliseconds = |lag: Option<i64>| lag.map(|us| us as f64 / 1000.0);
    let behind = |there| behind(current, there);
    let mut lags = lags.into_iter();
    let mut next = || lags.next().unwrap_or_default();
    Standby {
        application_name: row.get(0),
        client_addr: row.get(1),
        pid: row.get(2),
        state: row.get(3),
        sync_state: row.get(4),
        sent_lsn: sent.map(lsn),
        write_lsn: write.map(lsn),
        flush_lsn: flush.map(lsn),
        replay_lsn: replay.map(lsn),
        write_lag_ms: milliseconds(write_lag),
        flush_lag_ms: milliseconds(flush_lag),
        replay_lag_ms: milliseconds(replay_lag),
        sent_behind_bytes: behind(sent),
        write_behind_bytes: behind(write),
        flush_behind_bytes: behind(flush),
        replay_behind_bytes: behind(replay),
        idle: current.zip(replay).map(|(current, replay)| current == replay),
        last_message_at: row.get(13),
        slot_name: None,
        instance: None,
        receiver: None,
        series: StandbySeries {
            write_lag_ms: next(),
            flush_lag_ms: next(),
            replay_lag_ms: next(),
            own_replay_lag_ms: None,
            sent_behind_bytes: next(),
            write_behind_bytes: next(),
            flush_behind_bytes: next(),
            replay_behind_bytes: next(),
        },
    }
}
