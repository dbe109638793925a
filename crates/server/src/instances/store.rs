//! What is stored of instances, in schema `metrics`; of their collectors, in schema `pganalytics`.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::{Client, Transaction};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::coverage::with_place;
use super::model::{DatabaseName, ReadingCollector};
use super::signs::Times;
use crate::collectors::model::Status;
use crate::http::Paging;
use crate::range::Range;
use crate::replication::senders;

/// How far back the usual interval of a set is looked for.
const INTERVAL_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// A snapshot to read from; a statement in it is given up after ten seconds, and compiling it is never worth it.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, Error> {
    let isolation = tokio_postgres::IsolationLevel::RepeatableRead;
    let transaction = client.build_transaction().isolation_level(isolation).read_only(true).start().await?;
    transaction.simple_query("set local statement_timeout = '10s'; set local jit = off").await?;
    Ok(transaction)
}

/// An instance as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredInstance {
    pub(crate) id: i32,
    pub(crate) collector_id: Uuid,
    pub(crate) name: String,
    pub(crate) system_identifier: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) version_num: Option<i32>,
    pub(crate) version: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<i32>,
    pub(crate) timeline: Option<i64>,
    pub(crate) postmaster_start: Option<Timestamp>,
    pub(crate) max_connections: Option<i32>,
    pub(crate) attributes_at: Option<Timestamp>,
    pub(crate) states_at: Option<Timestamp>,
    pub(crate) error: Option<String>,
    pub(crate) error_at: Option<Timestamp>,
    /// When something of it arrived last.
    pub(crate) last_seen: Option<Timestamp>,
    /// Its clock minus the times of its readings.
    pub(crate) clock_offset_us: Option<i64>,
    /// How far the clock of its collector is ahead of ours.
    pub(crate) collector_ahead_us: Option<i64>,
    /// Why its collector cannot write its spool, and since when it cannot.
    pub(crate) spool_error: Option<(String, Timestamp)>,
}

const INSTANCE: &str = "i.id, i.collector_id, i.name, nullif(i.system_identifier, ''), nullif(i.role, ''),
    i.version_num, nullif(i.version, ''), nullif(i.host, ''), i.port, i.timeline, i.postmaster_start,
    i.max_connections, i.attributes_at, i.states_at, i.error, i.error_at, i.last_seen, i.clock_offset_us,
    c.clock_ahead_us, c.spool_error, coalesce(c.spool_error_since, c.received_at)
    from metrics.instances i left join metrics.collectors c on c.collector_id = i.collector_id";

fn stored(row: &Row) -> StoredInstance {
    StoredInstance {
        id: row.get(0),
        collector_id: row.get(1),
        name: row.get(2),
        system_identifier: row.get(3),
        role: row.get(4),
        version_num: row.get(5),
        version: row.get(6),
        host: row.get(7),
        port: row.get(8),
        timeline: row.get(9),
        postmaster_start: row.get(10),
        max_connections: row.get(11),
        attributes_at: row.get(12),
        states_at: row.get(13),
        error: row.get(14),
        error_at: row.get(15),
        last_seen: row.get(16),
        clock_offset_us: row.get(17),
        collector_ahead_us: row.get(18),
        spool_error: row.get::<_, Option<String>>(19).zip(row.get(20)),
    }
}

/// One page of instances by name, and how many there are.
pub(crate) async fn page(transaction: &Transaction<'_>, paging: Paging) -> Result<(Vec<StoredInstance>, i64), Error> {
    let select = format!("select {INSTANCE} order by i.name, i.id limit $1 offset $2");
    let statement = transaction.prepare_cached(&select).await?;
    let rows = transaction.query(&statement, &[&paging.limit(), &paging.offset()]).await?;
    let count = transaction.prepare_cached("select count(*) from metrics.instances").await?;
    let total = transaction.query_one(&count, &[]).await?.get(0);
    Ok((rows.iter().map(stored).collect(), total))
}

/// One instance.
pub(crate) async fn one(transaction: &Transaction<'_>, id: i32) -> Result<Option<StoredInstance>, Error> {
    let select = format!("select {INSTANCE} where i.id = $1");
    let statement = transaction.prepare_cached(&select).await?;
    Ok(transaction.query_opt(&statement, &[&id]).await?.as_ref().map(stored))
}

/// The newest readings of a set.
#[derive(Clone, Debug)]
pub(crate) struct LatestReading {
    /// The time of the newest one that succeeded.
    pub(crate) time: Option<Timestamp>,
    /// When it began.
    pub(crate) started: Option<Timestamp>,
    /// The newest failure.
    pub(crate) error: Option<String>,
    /// When that was.
    pub(crate) error_at: Option<Timestamp>,
    /// The usual time between two.
    pub(crate) interval_us: Option<i64>,
}

/// The shortest of the last five: one after a pause is longer than what is configured.
const LATEST: &str = "select l.instance_id, l.set_name, l.last_reading_time, l.last_reading_started, l.error,
        l.error_at, (
            select min(last.interval_us) from (
                select r.interval_us from metrics.readings r
                where r.instance_id = l.instance_id and r.set_name = l.set_name and r.interval_us > 0
                    and r.time > $2
                order by r.time desc limit 5) last)
    from metrics.latest l where l.instance_id = any($1)";

/// The newest readings, by instance and set.
pub(crate) async fn latest(
    transaction: &Transaction<'_>,
    ids: &[i32],
    now: Timestamp,
) -> Result<HashMap<i32, BTreeMap<String, LatestReading>>, Error> {
    let statement = transaction.prepare_cached(LATEST).await?;
    let since = now - INTERVAL_WITHIN;
    let mut all: HashMap<i32, BTreeMap<String, LatestReading>> = HashMap::new();
    for row in transaction.query(&statement, &[&ids, &since]).await? {
        let reading = LatestReading {
            time: row.get(2),
            started: row.get(3),
            error: row.get(4),
            error_at: row.get(5),
            interval_us: row.get(6),
        };
        all.entry(row.get(0)).or_default().insert(row.get(1), reading);
    }
    Ok(all)
}

/// The same at a moment that is gone by: the table of the newest knows nothing of it. Only sets that were read at all
/// are looked for, each by its index.
const LATEST_AT: &str = "select l.instance_id, l.set_name, g.time, g.started, n.error, n.started, (
            select min(last.interval_us) from (
                select r.interval_us from metrics.readings r
                where r.instance_id = l.instance_id and r.set_name = l.set_name and r.interval_us > 0
                    and r.time > $2 and r.time <= $3
                order by r.time desc limit 5) last)
    from metrics.latest l
    join lateral (
        select r.started, r.error from metrics.readings r
        where r.instance_id = l.instance_id and r.set_name = l.set_name and r.time > $2 and r.time <= $3
        order by r.time desc limit 1) n on true
    left join lateral (
        select r.time, r.started from metrics.readings r
        where r.instance_id = l.instance_id and r.set_name = l.set_name and r.time > $2 and r.time <= $3
            and r.error is null
        order by r.time desc limit 1) g on true
    where l.instance_id = any($1)";

/// The newest readings at a moment that is gone by, by instance and set.
pub(crate) async fn latest_at(
    transaction: &Transaction<'_>,
    ids: &[i32],
    at: Timestamp,
) -> Result<HashMap<i32, BTreeMap<String, LatestReading>>, Error> {
    let statement = transaction.prepare_cached(LATEST_AT).await?;
    let since = at.saturating_sub(INTERVAL_WITHIN).unwrap_or(at);
    let mut all: HashMap<i32, BTreeMap<String, LatestReading>> = HashMap::new();
    for row in transaction.query(&statement, &[&ids, &since, &at]).await? {
        let error: Option<String> = row.get(4);
        let reading = LatestReading {
            time: row.get(2),
            started: row.get(3),
            error_at: row.get::<_, Option<Timestamp>>(5).filter(|_| error.is_some()),
            error,
            interval_us: row.get(6),
        };
        all.entry(row.get(0)).or_default().insert(row.get(1), reading);
    }
    Ok(all)
}

const FIRST_READING: &str = "select i.id, (select min(r.time) from metrics.readings r where r.instance_id = i.id)
    from unnest($1::int4[]) i (id)";

/// The first reading that is kept, by instance.
pub(crate) async fn first_readings(
    transaction: &Transaction<'_>,
    ids: &[i32],
) -> Result<HashMap<i32, Timestamp>, Error> {
    let statement = transaction.prepare_cached(FIRST_READING).await?;
    let rows = transaction.query(&statement, &[&ids]).await?;
    Ok(rows.iter().filter_map(|row| Some((row.get(0), row.get::<_, Option<Timestamp>>(1)?))).collect())
}

const FAILING_SINCE: &str = "select f.id, min(f.started) from (
        select i.id, (
            select r.started from metrics.readings r
            where r.instance_id = i.id and r.set_name = l.set_name and r.error is not null
                and r.time > i.since and r.time <= $3
            order by r.time limit 1) as started
        from unnest($1::int4[], $2::timestamptz[]) i (id, since)
        join metrics.latest l on l.instance_id = i.id and l.set_name <> all($4)) f
    where f.started is not null group by f.id";

/// The first attempt that failed after a reading of PostgreSQL, by instance; `beside` are the sets that are read
/// beside it.
pub(crate) async fn failing_since(
    transaction: &Transaction<'_>,
    after: &[(i32, Timestamp)],
    at: Timestamp,
    beside: &[&str],
) -> Result<HashMap<i32, Timestamp>, Error> {
    let (ids, times): (Vec<i32>, Vec<Timestamp>) = after.iter().copied().unzip();
    let statement = transaction.prepare_cached(FAILING_SINCE).await?;
    let rows = transaction.query(&statement, &[&ids, &times, &at, &beside]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How a set or one of its columns can be read.
#[derive(Clone, Debug)]
pub(crate) struct SetState {
    pub(crate) set: String,
    /// Empty for the whole set.
    pub(crate) column: String,
    pub(crate) state: String,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) fix: Option<String>,
    pub(crate) since: Timestamp,
}

const STATES: &str = "select s.instance_id, s.set_name, s.column_name, s.state, s.code, s.message,
        nullif(s.fix, ''), s.since, i.role
    from metrics.set_states s join metrics.instances i on i.id = s.instance_id
    where s.instance_id = any($1) order by s.set_name, s.column_name";

/// What can be read and what cannot, by instance; a set before its columns.
pub(crate) async fn states(transaction: &Transaction<'_>, ids: &[i32]) -> Result<HashMap<i32, Vec<SetState>>, Error> {
    let statement = transaction.prepare_cached(STATES).await?;
    let mut all: HashMap<i32, Vec<SetState>> = HashMap::new();
    for row in transaction.query(&statement, &[&ids]).await? {
        let fix: Option<String> = row.get(6);
        all.entry(row.get(0)).or_default().push(SetState {
            set: row.get(1),
            column: row.get(2),
            state: row.get(3),
            code: row.get(4),
            message: with_place(row.get(5), fix.as_deref(), row.get(8)),
            fix,
            since: row.get(7),
        });
    }
    Ok(all)
}

/// What an instance did in one interval, all its databases together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    /// The interval's end.
    pub(crate) time: Timestamp,
    pub(crate) interval_us: i64,
    /// Time that sessions spent executing statements; `None` where it is not measured.
    pub(crate) active_us: Option<f64>,
    pub(crate) transactions: Option<f64>,
}

/// Intervals that cover gaps are left out. `$5` in seconds sums what ended within steps of that length; 0 sums nothing.
const ACTIVITY: &str = "select t.instance_id, max(t.time), sum(t.interval_us)::int8, sum(t.active), sum(t.transactions)
    from (
        select d.instance_id, d.time, max(d.interval_us) as interval_us, sum(d.active_time)::float8 as active,
            (sum(d.xact_commit) + sum(d.xact_rollback))::float8 as transactions
        from metrics.pg_stat_database d
        where d.instance_id = any($1) and d.time > $3 and d.time <= $4 and d.interval_us > 0
        group by d.instance_id, d.time) t
    join unnest($1::int4[], $2::int8[]) i (id, longest) on i.id = t.instance_id and t.interval_us <= i.longest
    group by t.instance_id, case when $5::float8 > 0 then floor(extract(epoch from t.time)::float8 / $5::float8)
        else extract(epoch from t.time)::float8 end";

/// What instances did in a range, summed over steps of so many seconds; 0 is as it was read. `longest_us` is, in the
/// order of `ids`, the longest interval that covers no gap.
pub(crate) async fn activity(
    transaction: &Transaction<'_>,
    ids: &[i32],
    longest_us: &[i64],
    range: Range,
    step_s: f64,
) -> Result<HashMap<i32, Vec<Activity>>, Error> {
    let statement = transaction.prepare_cached(ACTIVITY).await?;
    let mut all: HashMap<i32, Vec<Activity>> = HashMap::new();
    for row in transaction.query(&statement, &[&ids, &longest_us, &range.start, &range.end, &step_s]).await? {
        all.entry(row.get(0)).or_default().push(Activity {
            time: row.get(1),
            interval_us: row.get(2),
            active_us: row.get(3),
            transactions: row.get(4),
        });
    }
    Ok(all)
}

const CONNECTIONS: &str = "select m.id, coalesce(sum(s.sessions), 0)::int8
    from unnest($1::int4[], $2::timestamptz[]) m (id, at)
    left join metrics.sessions s on s.instance_id = m.id and s.time = m.at and s.backend_type = 'client backend'
    group by m.id";

/// Connections of clients at readings of `sessions`, by instance.
pub(crate) async fn connections(transaction: &Transaction<'_>, times: &Times) -> Result<HashMap<i32, i64>, Error> {
    let (ids, moments): (Vec<i32>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let statement = transaction.prepare_cached(CONNECTIONS).await?;
    let rows = transaction.query(&statement, &[&ids, &moments]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

const LIMITS_AT: &str = "select distinct on (s.instance_id) s.instance_id, s.setting from metrics.pg_settings s
    where s.instance_id = any($1) and s.name = 'max_connections' and s.time <= $2 and not s.removed
    order by s.instance_id, s.time desc";

/// `max_connections` as it was at a moment, by instance.
pub(crate) async fn limits_at(
    transaction: &Transaction<'_>,
    ids: &[i32],
    at: Timestamp,
) -> Result<HashMap<i32, i32>, Error> {
    let statement = transaction.prepare_cached(LIMITS_AT).await?;
    let rows = transaction.query(&statement, &[&ids, &at]).await?;
    let limit = |row: &Row| Some((row.get(0), row.get::<_, Option<String>>(1)?.parse().ok()?));
    Ok(rows.iter().filter_map(limit).collect())
}

const ROLES_AT: &str = "select m.id, case when w.in_recovery then 'standby' else 'primary' end
    from unnest($1::int4[], $2::timestamptz[]) m (id, at)
    join metrics.wal w on w.instance_id = m.id and w.time = m.at where w.in_recovery is not null";

/// `primary` or `standby` as it was at readings of `wal`, by instance.
pub(crate) async fn roles_at(transaction: &Transaction<'_>, times: &Times) -> Result<HashMap<i32, String>, Error> {
    let (ids, moments): (Vec<i32>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let statement = transaction.prepare_cached(ROLES_AT).await?;
    let rows = transaction.query(&statement, &[&ids, &moments]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

const CPUS: &str = "select m.id, h.cpus from unnest($1::int4[], $2::timestamptz[]) m (id, at)
    join metrics.host_cpu h on h.instance_id = m.id and h.time = m.at";

/// Processors of the host at readings of `host_cpu`, by instance.
pub(crate) async fn cpus(transaction: &Transaction<'_>, times: &Times) -> Result<HashMap<i32, i64>, Error> {
    let (ids, moments): (Vec<i32>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let statement = transaction.prepare_cached(CPUS).await?;
    let rows = transaction.query(&statement, &[&ids, &moments]).await?;
    Ok(rows.iter().filter_map(|row| Some((row.get(0), row.get::<_, Option<i64>>(1)?))).collect())
}

/// How far a standby that streams from an instance is behind.
#[derive(Clone, Debug)]
pub(crate) struct Behind {
    pub(crate) standby: Option<String>,
    pub(crate) replay_lag_us: Option<i64>,
}

const BEHIND: &str = "select m.id, r.application_name, r.lag_us
    from unnest($1::int4[], $2::timestamptz[]) m (id, at)
    join {} on r.instance_id = m.id and r.time = m.at
    where r.kind = $3 order by r.lag_us desc nulls last, r.application_name, r.pid";

/// Standbys that stream from instances at readings of `pg_stat_replication`, by instance; the longest lag first.
pub(crate) async fn behind(transaction: &Transaction<'_>, times: &Times) -> Result<HashMap<i32, Vec<Behind>>, Error> {
    let (ids, moments): (Vec<i32>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let statement = transaction.prepare_cached(&BEHIND.replace("{}", senders::READINGS)).await?;
    let mut all: HashMap<i32, Vec<Behind>> = HashMap::new();
    for row in transaction.query(&statement, &[&ids, &moments, &senders::STANDBY]).await? {
        all.entry(row.get(0)).or_default().push(Behind { standby: row.get(1), replay_lag_us: row.get(2) });
    }
    Ok(all)
}

const DATABASES: &str = "select n.datid, n.datname from (
        select distinct on (d.datid) d.datid, d.datname, d.removed from metrics.pg_database d
        where d.instance_id = $1 order by d.datid, d.time desc) n
    where n.datname is not null and ($2 or not n.removed) order by n.datname";

/// The databases of an instance by name, as last read; on request also those that are gone.
pub(crate) async fn databases(
    transaction: &Transaction<'_>,
    id: i32,
    also_gone: bool,
) -> Result<Vec<DatabaseName>, Error> {
    let statement = transaction.prepare_cached(DATABASES).await?;
    let rows = transaction.query(&statement, &[&id, &also_gone]).await?;
    Ok(rows.iter().map(|row| DatabaseName { datid: row.get(0), name: row.get(1) }).collect())
}

const COLLECTORS: &str = "select id, name, hostname, version, registered_at, last_seen, last_error is not null,
        revoked_at is not null
    from pganalytics.collectors where id = any($1)";

/// Collectors by their id, also those that were deleted. `client` is of the store of schema `pganalytics`.
pub(crate) async fn collectors(
    client: &Client,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<HashMap<Uuid, ReadingCollector>, Error> {
    let statement = client.prepare_cached(COLLECTORS).await?;
    let rows = client.query(&statement, &[&ids]).await?;
    let collector = |row: &Row| {
        let (last_seen, failed, deleted): (Option<Timestamp>, bool, bool) = (row.get(5), row.get(6), row.get(7));
        let status = match Status::of(last_seen, failed, now) {
            _ if deleted => "deleted",
            Status::Registered => "registered",
            Status::Active => "active",
            Status::Offline => "offline",
            Status::Error => "error",
        };
        ReadingCollector {
            id: row.get(0),
            name: row.get(1),
            hostname: row.get(2),
            version: row.get(3),
            status,
            last_seen,
            registered_at: row.get(4),
        }
    };
    Ok(rows.iter().map(|row| (row.get(0), collector(row))).collect())
}
