//! The reading of `pg_stat_replication` at one moment.

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::{Replication, Standby};

/// A reading without rows says that nobody streams.
const READING: &str = "select r.time from metrics.readings r
    where r.instance_id = $1 and r.set_name = 'pg_stat_replication' and r.error is null and r.time <= $2
    order by r.time desc limit 1";

const STANDBYS: &str = "select application_name, client_addr, pid, state, sync_state, sent_lsn, write_lsn, flush_lsn,
        replay_lsn, current_lsn, write_lag, flush_lag, replay_lag,
        case when isfinite(reply_time) then reply_time end
    from metrics.pg_stat_replication where instance_id = $1 and time = $2
    order by application_name, pid";

const ROLE: &str = "select nullif(role, ''), timeline from metrics.instances where id = $1";

/// Replication as it was last read at or before `at`.
pub(crate) async fn at(transaction: &Transaction<'_>, id: i32, at: Timestamp) -> Result<Replication, Error> {
    let role = transaction.prepare_cached(ROLE).await?;
    let said = transaction.query_opt(&role, &[&id]).await?;
    let reading = transaction.prepare_cached(READING).await?;
    let time: Option<Timestamp> = transaction.query_opt(&reading, &[&id, &at]).await?.map(|row| row.get(0));
    let rows = match time {
        Some(time) => {
            let standbys = transaction.prepare_cached(STANDBYS).await?;
            transaction.query(&standbys, &[&id, &time]).await?
        }
        None => Vec::new(),
    };
    let mut standbys: Vec<Standby> = rows.iter().map(standby).collect();
    standbys.sort_by_key(|standby| std::cmp::Reverse(standby.replay_behind_bytes));
    Ok(Replication {
        role: said.as_ref().and_then(|row| row.get(0)),
        timeline: said.as_ref().and_then(|row| row.get(1)),
        current_lsn: rows.iter().filter_map(|row| row.get::<_, Option<i64>>(9)).max().map(position),
        standbys,
        at: time,
    })
}

fn standby(row: &Row) -> Standby {
    let [sent, write, flush, replay, current]: [Option<i64>; 5] = std::array::from_fn(|nth| row.get(5 + nth));
    let [write_lag, flush_lag, replay_lag]: [Option<i64>; 3] = std::array::from_fn(|nth| row.get(10 + nth));
    let milliseconds = |lag: Option<i64>| lag.map(|us| us as f64 / 1000.0);
    // It may have got further between the two looks: then nothing is behind.
    let behind = |there: Option<i64>| Some(current?.saturating_sub(there?).max(0));
    Standby {
        application_name: row.get(0),
        client_addr: row.get(1),
        pid: row.get(2),
        state: row.get(3),
        sync_state: row.get(4),
        sent_lsn: sent.map(position),
        write_lsn: write.map(position),
        flush_lsn: flush.map(position),
        replay_lsn: replay.map(position),
        write_lag_ms: milliseconds(write_lag),
        flush_lag_ms: milliseconds(flush_lag),
        replay_lag_ms: milliseconds(replay_lag),
        sent_behind_bytes: behind(sent),
        write_behind_bytes: behind(write),
        flush_behind_bytes: behind(flush),
        replay_behind_bytes: behind(replay),
        idle: sent.zip(replay).map(|(sent, replay)| sent == replay),
        last_message_at: row.get(13),
    }
}

/// A WAL position as PostgreSQL writes it.
fn position(bytes: i64) -> String {
    let bytes = bytes.cast_unsigned();
    format!("{:X}/{:X}", bytes >> 32, bytes & 0xffff_ffff)
}
