//! A standby's own view: what it receives, how far its replay is, and the lag that follows.
//!
//! The lag that a primary knows stands still while replay is paused, and so it is the standby's own that counts.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Error, Row};

use super::model::{InstanceLink, ReceiverSeries, WalReceiver};
use crate::queries::model::Reason;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::series::{self, Source, lsn};

/// The set that all comes from.
pub(crate) const SET: &str = "pg_stat_wal_receiver";

/// A standby whose last reading is older than this is not said to lag: nobody knows. Nor does a position of its primary
/// that is older tell that all is replayed.
const LAG_KNOWN_FOR: SignedDuration = SignedDuration::from_mins(3);

/// Readings of standbys with how far replay was behind at each: by what the receiver knows, or, where none runs, by the
/// position of the watched primary.
///
/// One clock decides, that of the readings: what was known to be written at `open_at` was not replayed, all that was
/// known at `done_at` was, so the lag lies between the times since. The age of the last replayed transaction is by the
/// primary's clock; within these bounds it is finer, beyond them it is the clocks that differ.
macro_rules! behind {
    ($points:literal, $position:literal, $of:literal, $all_replayed:literal, $which:expr) => {
        concat!(
            "select b.*,
                case when b.known_position > b.replayed_lsn then b.known_position - b.replayed_lsn
                    when ",
            $all_replayed,
            " then 0 end as behind_bytes,
                case when b.known_position > b.replayed_lsn
                    then case when b.age_us >= b.least_us - 2000000
                        then least(greatest(b.age_us, b.least_us), b.most_us) else coalesce(b.most_us, b.least_us) end
                    when ",
            $all_replayed,
            " then 0 end as lag_us
            from (select r.*, p.id as primary_id, p.name as primary_name, p.primaries,
                    newest.time as known_at, newest.position as known_position,
                    (extract(epoch from r.time - open.time) * 1e6)::int8 as least_us,
                    (extract(epoch from r.time - done.time) * 1e6)::int8 as most_us,
                    coalesce(nullif(r.replay_lag, 0), a.us) as age_us, a.us as last_replay_age_us
                from metrics.pg_stat_wal_receiver r
                left join (
                    select i.id as standby_id, count(m.id) as primaries, max(m.clock_offset_us) as offset_us,
                        case when count(m.id) = 1 then min(m.id) end as id,
                        case when count(m.id) = 1 then min(m.name) end as name
                    from metrics.instances i
                    join metrics.instances m on m.system_identifier = i.system_identifier
                        and m.id <> i.id and m.role = 'primary' and m.retired_at is null
                    where i.system_identifier <> '' group by i.id) p on p.standby_id = r.instance_id
                cross join lateral (select case when isfinite(r.last_replayed_at) then (extract(epoch from
                    r.time - r.last_replayed_at) * 1e6)::int8 + coalesce(p.offset_us, 0) end as us) a
                left join lateral (
                    select n.time, ", $position, " as position from ", $points, "
                    and n.time <= r.time and n.time > r.time - interval '1 hour' and ", $position, " is not null
                    order by n.time desc limit 1) newest on true
                left join lateral (
                    select n.time from ", $points, "
                    and n.time <= r.time and n.time > r.time - interval '1 hour' and ", $position, " <= r.replayed_lsn
                    order by n.time desc limit 1) done on true
                left join lateral (
                    select n.time from ", $points, "
                    and n.time <= r.time and n.time > coalesce(done.time, r.time - interval '1 hour')
                    and ", $position, " > r.replayed_lsn order by n.time limit 1) open on true
                where ", $of, " and ", $which, ") b"
        )
    };
}

/// The readings for which a condition on `r` holds.
macro_rules! of {
    ($which:expr) => {
        concat!(
            "(",
            behind!(
                "metrics.pg_stat_wal_receiver n where n.instance_id = r.instance_id",
                // What the sender told last may be more than what has arrived.
                "greatest(n.received_lsn, n.latest_end_lsn)",
                "(r.pid is not null or p.id is null)",
                "b.pid is not null and b.known_at = b.time",
                $which
            ),
            " union all ",
            behind!(
                "metrics.wal n where n.instance_id = p.id and not n.in_recovery",
                "n.position",
                "r.pid is null and p.id is not null",
                "b.known_at > b.time - interval '3 minutes'",
                $which
            ),
            ") r"
        )
    };
}

const RECEIVER: &str = concat!(
    "select status, sender_host, sender_port, slot_name, received_tli, written_lsn, flushed_lsn, latest_end_lsn,
        case when isfinite(latest_end_time) then latest_end_time end,
        case when isfinite(last_msg_send_time) then last_msg_send_time end,
        case when isfinite(last_msg_receipt_time) then last_msg_receipt_time end,
        received_lsn, replayed_lsn, not_replayed_bytes,
        case when isfinite(last_replayed_at) then last_replayed_at end,
        lag_us, replay_paused, pid is not null, behind_bytes, last_replay_age_us, primary_id, primary_name,
        coalesce(primaries, 0), known_at from ",
    of!("r.instance_id = $1 and r.time = $2")
);

/// Why a standby's lag is not known.
fn why_unknown(connected: bool, primary: Option<&str>, primaries: i64, known_at: Option<Timestamp>) -> Reason {
    let message = match (connected, primary) {
        (true, _) => "The WAL receiver has told no position yet.".to_owned(),
        (false, Some(primary)) => match known_at {
            Some(at) => format!("No WAL receiver runs, and where the WAL of {primary} ends was read last at {at:.0}."),
            None => format!("No WAL receiver runs, and where the WAL of {primary} ends was not read within an hour."),
        },
        (false, None) if primaries > 1 => {
            format!("No WAL receiver runs, and {primaries} watched instances of its cluster are primaries.")
        }
        (false, None) => "No WAL receiver runs, and its primary is not watched.".to_owned(),
    };
    Reason { code: "not_enough_data".to_owned(), message, fix: None }
}

/// The receiver of a standby at a moment; `None` where nothing was read shortly before.
pub(crate) async fn at(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Option<WalReceiver>, Error> {
    let Some(time) = readings::at(snapshot, id, SET, at).await? else { return Ok(None) };
    let row = snapshot.query_opt(RECEIVER, &[&id, &time]).await?;
    Ok(row.map(|row| {
        let position = |column: usize| row.get::<_, Option<i64>>(column).map(lsn);
        let (lag_us, behind_bytes): (Option<i64>, Option<i64>) = (row.get(15), row.get(18));
        let milliseconds = |us: Option<i64>| us.map(|us| us as f64 / 1000.0);
        let primary_id = row.get::<_, Option<InstanceId>>(20).filter(|id| snapshot.sees(*id));
        let primary: Option<String> = row.get::<_, Option<String>>(21).filter(|_| primary_id.is_some());
        let why = lag_us.is_none().then(|| why_unknown(row.get(17), primary.as_deref(), row.get(22), row.get(23)));
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
            last_replay_age_ms: milliseconds(row.get(19)),
            behind_bytes,
            replay_lag_ms: milliseconds(lag_us),
            replay_paused: row.get(16),
            idle: behind_bytes.map(|bytes| bytes == 0),
            upstream: None,
            primary: primary_id.zip(primary).map(|(id, name)| InstanceLink { id, name }),
            unmeasured: why.into_iter().map(|why| ("replay_lag_ms".to_owned(), why)).collect(),
        }
    }))
}

const LAGS: &str = of!("r.instance_id = $1 and r.time > $2 and r.time <= $3");

/// A standby's lag over a range.
pub(crate) async fn series(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
) -> Result<ReceiverSeries, Error> {
    let values = ["lag_us / 1000.0", "behind_bytes"];
    let source = Source { set: SET, over: Some(LAGS), key: "''", values: &values, buckets: None };
    let series = series::gauges(snapshot, source, id, range, grid).await?.into_values().next();
    let [replay_lag_ms, behind_bytes] =
        series.and_then(|series| series.try_into().ok()).unwrap_or_else(|| [grid.empty(), grid.empty()]);
    Ok(ReceiverSeries { replay_lag_ms, behind_bytes })
}

/// How far a standby's replay is behind.
#[derive(Clone, Debug)]
pub(crate) struct OwnLag {
    pub(crate) lag_us: Option<i64>,
    pub(crate) bytes: Option<i64>,
    /// Why it is not known.
    pub(crate) why: Option<Reason>,
}

const NEWEST: &str = concat!(
    "select instance_id, behind_bytes, lag_us, pid is not null, primary_name, coalesce(primaries, 0), known_at,
        primary_id from ",
    of!("r.instance_id = any($1) and r.time > $2 and exists (select from metrics.latest l
        where l.instance_id = r.instance_id and l.set_name = 'pg_stat_wal_receiver' and l.last_reading_time = r.time)")
);

/// The own lag of standbys at their newest reading, unless that is too old to say anything.
pub(crate) async fn newest(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    now: Timestamp,
) -> Result<HashMap<InstanceId, OwnLag>, Error> {
    let rows = snapshot.query(NEWEST, &[&ids, &(now - LAG_KNOWN_FOR)]).await?;
    let lag = |row: &Row| {
        let lag_us: Option<i64> = row.get(2);
        let is_seen = row.get::<_, Option<InstanceId>>(7).is_some_and(|id| snapshot.sees(id));
        let primary: Option<&str> = row.get::<_, Option<&str>>(4).filter(|_| is_seen);
        let why = lag_us.is_none().then(|| why_unknown(row.get(3), primary, row.get(5), row.get(6)));
        OwnLag { bytes: row.get(1), lag_us, why }
    };
    Ok(rows.iter().map(|row| (row.get(0), lag(row))).collect())
}
