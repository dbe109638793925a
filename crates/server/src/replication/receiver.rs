//! A standby's own view: what it receives, how far its replay is, and the lag that follows.
//!
//! The lag that a primary knows stands still while replay is paused, and so it is the standby's own that counts. The
//! age of the last replayed transaction may be hours on an idle instance the moment something arrives, so it is never
//! taken to be longer than the time since all that was received had been replayed.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Error;

use super::model::{ReceiverSeries, WalReceiver};
use crate::range::{Grid, Range};
use crate::readings;
use crate::series::{self, Source, lsn};

/// The set that all comes from.
pub(crate) const SET: &str = "pg_stat_wal_receiver";

/// A standby whose last reading is older than this is not said to lag: nobody knows.
const LAG_KNOWN_FOR: SignedDuration = SignedDuration::from_mins(3);

/// How long before a reading it is looked for when all was replayed.
macro_rules! caught_up_within {
    () => {
        "interval '1 hour'"
    };
}

const RECEIVER: &str = concat!(
    "select status, sender_host, sender_port, slot_name, received_tli, written_lsn, flushed_lsn, latest_end_lsn,
        case when isfinite(latest_end_time) then latest_end_time end,
        case when isfinite(last_msg_send_time) then last_msg_send_time end,
        case when isfinite(last_msg_receipt_time) then last_msg_receipt_time end,
        received_lsn, replayed_lsn, not_replayed_bytes,
        case when isfinite(last_replayed_at) then last_replayed_at end,
        least(r.replay_lag, (select (extract(epoch from r.time - max(c.time)) * 1e6)::int8
            from metrics.pg_stat_wal_receiver c
            where c.instance_id = r.instance_id and c.time < r.time and c.time > r.time - ",
    caught_up_within!(),
    " and c.replay_lag = 0)), replay_paused, pid is not null
    from metrics.pg_stat_wal_receiver r where r.instance_id = $1 and r.time = $2"
);

/// The receiver of a standby at a moment; `None` where nothing was read shortly before.
pub(crate) async fn at(transaction: &Transaction<'_>, id: i32, at: Timestamp) -> Result<Option<WalReceiver>, Error> {
    let Some(time) = readings::at(transaction, id, SET, at).await? else { return Ok(None) };
    let statement = transaction.prepare_cached(RECEIVER).await?;
    let row = transaction.query_opt(&statement, &[&id, &time]).await?;
    Ok(row.map(|row| {
        let position = |column: usize| row.get::<_, Option<i64>>(column).map(lsn);
        let lag_us: Option<i64> = row.get(15);
        WalReceiver {
            at: time,
            connected: row.get(17),
            status: row.get(0),
            sender_host: row.get(1),
            sender_port: row.get(2),
            slot_name: row.get(3),
            received_tli: row.get(4),
            written_lsn: position(5),
            flushed_lsn: position(6),
            latest_end_lsn: position(7),
            latest_end_at: row.get(8),
            last_message_sent_at: row.get(9),
            last_message_received_at: row.get(10),
            received_lsn: position(11),
            replayed_lsn: position(12),
            not_replayed_bytes: row.get(13),
            last_replayed_at: row.get(14),
            replay_lag_ms: lag_us.map(|us| us as f64 / 1000.0),
            replay_paused: row.get(16),
            idle: lag_us.map(|us| us == 0),
            upstream: None,
        }
    }))
}

const LAGS: &str = concat!(
    "(select r.instance_id, r.time, r.not_replayed_bytes,
        least(r.replay_lag, (extract(epoch from r.time - max(r.time) filter (where r.replay_lag = 0) over (
            order by r.time rows between unbounded preceding and 1 preceding)) * 1e6)::int8) as replay_lag
    from metrics.pg_stat_wal_receiver r
    where r.instance_id = $1 and r.time > $2::timestamptz - ",
    caught_up_within!(),
    " and r.time <= $3) lags"
);

/// A standby's lag over a range.
pub(crate) async fn series(
    transaction: &Transaction<'_>,
    id: i32,
    range: Range,
    grid: Grid,
) -> Result<ReceiverSeries, Error> {
    let values = ["replay_lag / 1000.0", "not_replayed_bytes"];
    let source = Source { from: LAGS, key: "''", values: &values };
    let series = series::gauges(transaction, source, id, range, grid).await?.into_values().next();
    let [replay_lag_ms, not_replayed_bytes] =
        series.and_then(|series| series.try_into().ok()).unwrap_or_else(|| [grid.empty(), grid.empty()]);
    Ok(ReceiverSeries { replay_lag_ms, not_replayed_bytes })
}

/// How far a standby's replay is behind, as it says itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnLag {
    pub(crate) lag_us: Option<i64>,
    pub(crate) bytes: Option<i64>,
}

const NEWEST: &str = concat!(
    "select r.instance_id, r.not_replayed_bytes, least(r.replay_lag, (
            select (extract(epoch from r.time - max(c.time)) * 1e6)::int8 from metrics.pg_stat_wal_receiver c
            where c.instance_id = r.instance_id and c.time < r.time and c.time > r.time - ",
    caught_up_within!(),
    " and c.replay_lag = 0))
    from metrics.latest l
    join metrics.pg_stat_wal_receiver r on r.instance_id = l.instance_id and r.time = l.last_reading_time
    where l.set_name = 'pg_stat_wal_receiver' and l.instance_id = any($1) and r.time > $2"
);

/// The own lag of standbys at their newest reading, unless that is too old to say anything.
pub(crate) async fn newest(
    transaction: &Transaction<'_>,
    ids: &[i32],
    now: Timestamp,
) -> Result<HashMap<i32, OwnLag>, Error> {
    let statement = transaction.prepare_cached(NEWEST).await?;
    let rows = transaction.query(&statement, &[&ids, &(now - LAG_KNOWN_FOR)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), OwnLag { bytes: row.get(1), lag_us: row.get(2) })).collect())
}
