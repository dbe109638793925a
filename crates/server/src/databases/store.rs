//! Sums and series of `pg_stat_database`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use tokio_postgres::Error;

use super::model::{DatabaseFlag, Steps};

/// The set that all figures come from.
pub(crate) const SET: &str = "pg_stat_database";

/// A counter: its column, its name in the answer, and what divides its unit into the answer's.
pub(crate) struct Counter {
    pub(crate) column: &'static str,
    pub(crate) name: &'static str,
    divisor: f64,
}

const fn count(column: &'static str) -> Counter {
    Counter { column, name: column, divisor: 1.0 }
}

const fn time(column: &'static str, name: &'static str) -> Counter {
    Counter { column, name, divisor: 1000.0 }
}

/// Every counter of the set.
pub(crate) const COUNTERS: [Counter; 25] = [
    count("xact_commit"),
    count("xact_rollback"),
    count("blks_read"),
    count("blks_hit"),
    count("tup_returned"),
    count("tup_fetched"),
    count("tup_inserted"),
    count("tup_updated"),
    count("tup_deleted"),
    count("conflicts"),
    count("temp_files"),
    count("temp_bytes"),
    count("deadlocks"),
    count("checksum_failures"),
    time("blk_read_time", "blk_read_time_ms"),
    time("blk_write_time", "blk_write_time_ms"),
    time("session_time", "session_time_ms"),
    time("active_time", "active_time_ms"),
    time("idle_in_transaction_time", "idle_in_transaction_time_ms"),
    count("sessions"),
    count("sessions_abandoned"),
    count("sessions_fatal"),
    count("sessions_killed"),
    count("parallel_workers_to_launch"),
    count("parallel_workers_launched"),
];

static SUMS: LazyLock<String> = LazyLock::new(|| {
    let sums = COUNTERS.iter().fold(String::new(), |mut list, counter| {
        let _ = write!(list, ", sum(d.{})::float8", counter.column);
        list
    });
    format!(
        "select d.datid, max(d.numbackends) filter (where d.time = newest.time){sums}
         from metrics.pg_stat_database d
         cross join (
             select max(n.time) as time from metrics.pg_stat_database n
             where n.instance_id = $1 and n.time > $2 and n.time <= $3) newest
         where d.instance_id = $1 and d.time > $2 and d.time <= $3 and d.datid is not null
         group by d.datid"
    )
});

/// A database's figures over the range.
pub(crate) struct Sums {
    pub(crate) datid: i64,
    pub(crate) numbackends: Option<i32>,
    pub(crate) counters: BTreeMap<&'static str, Option<f64>>,
}

/// Sums over the range, by database.
pub(crate) async fn sums(transaction: &Transaction<'_>, id: i32, steps: &Steps) -> Result<Vec<Sums>, Error> {
    let statement = transaction.prepare_cached(&SUMS).await?;
    let rows = transaction.query(&statement, &[&id, &steps.start, &steps.end]).await?;
    let sums = rows.iter().map(|row| {
        let counters = COUNTERS.iter().enumerate().map(|(place, counter)| {
            let sum: Option<f64> = row.get(place + 2);
            (counter.name, sum.map(|sum| sum / counter.divisor))
        });
        Sums { datid: row.get(0), numbackends: row.get(1), counters: counters.collect() }
    });
    Ok(sums.collect())
}

/// An increment belongs to the step in which its interval ends.
const SERIES: &str = "select d.datid, s.nth,
        (sum(d.xact_commit + d.xact_rollback::numeric) * 1e6
            / nullif(sum(d.interval_us) filter (where d.xact_commit is not null and d.xact_rollback is not null), 0)
        )::float8,
        (sum(d.active_time) / nullif(sum(d.interval_us) filter (where d.active_time is not null), 0))::float8
    from metrics.pg_stat_database d
    cross join lateral (
        select ceil(extract(epoch from d.time - $2) * 1000 / $4::int8)::int8 - 1 as nth) s
    where d.instance_id = $1 and d.time > $2 and d.time <= $3 and d.interval_us > 0 and d.datid is not null
    group by d.datid, s.nth";

/// Per step transactions per second and active sessions.
pub(crate) type Rates = (Vec<Option<f64>>, Vec<Option<f64>>);

/// Rates on the grid, by database.
pub(crate) async fn series(
    transaction: &Transaction<'_>,
    id: i32,
    steps: &Steps,
) -> Result<HashMap<i64, Rates>, Error> {
    let statement = transaction.prepare_cached(SERIES).await?;
    let rows = transaction.query(&statement, &[&id, &steps.start, &steps.end, &steps.grid.step_ms]).await?;
    let empty = vec![None; steps.grid.points];
    let mut all: HashMap<i64, Rates> = HashMap::new();
    for row in rows {
        let (tps, active) = all.entry(row.get(0)).or_insert_with(|| (empty.clone(), empty.clone()));
        let Ok(nth) = usize::try_from(row.get::<_, i64>(1)) else { continue };
        if let (Some(tps), Some(active)) = (tps.get_mut(nth), active.get_mut(nth)) {
            (*tps, *active) = (row.get(2), row.get(3));
        }
    }
    Ok(all)
}

const FLAGS: &str = "select f.start, f.\"end\", f.reason, nullif(f.entries_total, 0) from metrics.flags f
    where f.instance_id = $1 and f.set_name = $4 and f.\"end\" > $2 and f.start < $3
    order by f.start, f.\"end\", f.reason";

/// What is known to be missing from the range.
pub(crate) async fn flags(transaction: &Transaction<'_>, id: i32, steps: &Steps) -> Result<Vec<DatabaseFlag>, Error> {
    let statement = transaction.prepare_cached(FLAGS).await?;
    let rows = transaction.query(&statement, &[&id, &steps.start, &steps.end, &SET]).await?;
    let flags = rows.iter().map(|row| {
        let reason: String = row.get(2);
        let message = message(&reason);
        DatabaseFlag { start: row.get(0), end: row.get(1), reason, message, entries_total: row.get(3) }
    });
    Ok(flags.collect())
}

fn message(reason: &str) -> &'static str {
    match reason {
        "reset" => "Statistics were reset: what was counted before the reset within this interval is missing.",
        "entry_reset" => "Counters of some databases were reset: what they counted before is missing.",
        "restart" => "PostgreSQL was restarted within this interval.",
        "crash_restart" => "PostgreSQL crashed and lost its statistics: this interval is missing.",
        "replaced" => "Another PostgreSQL answers under this name: nothing can be compared with before.",
        "gap" => "Nothing was read before this moment: the interval is missing.",
        "evicted" => "Some entries were evicted before they were read.",
        "late" => "Readings were skipped: the intervals are longer here.",
        _ => "Something is missing from this interval.",
    }
}
