//! What is stored of instances.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::coverage::with_place;
use super::life::Retired;
use super::model::DatabaseName;
use super::signs::Times;
use crate::page::Paging;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::replication::senders;
use crate::sessions::store as sessions;

/// How far back the usual interval of a set is looked for.
const INTERVAL_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// An instance as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredInstance {
    pub(crate) id: InstanceId,
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
    /// Why its collector does not follow its newest configuration, and since when it does not.
    pub(crate) config_error: Option<(String, Timestamp)>,
    /// Since when it is out of the fleet.
    pub(crate) retired: Option<Retired>,
}

const INSTANCE: &str = "i.id, i.collector_id, i.name, nullif(i.system_identifier, ''), nullif(i.role, ''),
    i.version_num, nullif(i.version, ''), nullif(i.host, ''), i.port, i.timeline, i.postmaster_start,
    i.max_connections, i.attributes_at, i.states_at, i.error, i.error_at, i.last_seen, i.clock_offset_us,
    c.clock_ahead_us, c.spool_error, coalesce(c.spool_error_since, c.received_at),
    c.config_error, coalesce(c.config_error_since, c.received_at),
    i.retired_at, i.retired_by, i.retired_why, i.continued_as
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
        config_error: row.get::<_, Option<String>>(21).zip(row.get(22)),
        retired: Retired::from_row(row, 23),
    }
}

/// Of those that may be seen, those that were retired at a moment, or those that were not.
const LISTED: &str = "($1::int4[] is null or i.id = any($1)) and coalesce(i.retired_at <= $2, false) = $3";

/// One page of instances by name, as they were in the fleet at a moment or out of it, and how many there are.
pub(crate) async fn page(
    snapshot: &Snapshot,
    paging: Paging,
    (at, retired): (Timestamp, bool),
) -> Result<(Vec<StoredInstance>, i64), Error> {
    let select = format!("select {INSTANCE} where {LISTED} order by i.name, i.id limit $4 offset $5");
    let (visible, limit, offset) = (snapshot.visible(), paging.limit(), paging.offset());
    let rows = snapshot.query(&select, &[&visible, &at, &retired, &limit, &offset]).await?;
    let sql = format!("select count(*) from metrics.instances i where {LISTED}");
    let total = snapshot.query_one(&sql, &[&visible, &at, &retired]).await?.get(0);
    Ok((rows.iter().map(stored).collect(), total))
}

/// One instance.
pub(crate) async fn one(snapshot: &Snapshot, id: InstanceId) -> Result<Option<StoredInstance>, Error> {
    let select = format!("select {INSTANCE} where i.id = $1");
    Ok(snapshot.query_opt(&select, &[&id]).await?.as_ref().map(stored))
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

/// The median of the last five: one after a pause is longer than what is configured, and two readings may follow each
/// other closely, after a restart or another configuration.
const LATEST: &str = "select l.instance_id, l.set_name, l.last_reading_time, l.last_reading_started, l.error,
        l.error_at, (
            select percentile_disc(0.5) within group (order by last.interval_us) from (
                select r.interval_us from metrics.readings r
                where r.instance_id = l.instance_id and r.set_name = l.set_name and r.interval_us > 0
                    and r.time > $2
                order by r.time desc limit 5) last)
    from metrics.latest l where l.instance_id = any($1)";

/// The newest readings, by instance and set.
pub(crate) async fn latest(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    now: Timestamp,
) -> Result<HashMap<InstanceId, BTreeMap<String, LatestReading>>, Error> {
    let since = now - INTERVAL_WITHIN;
    let mut all: HashMap<InstanceId, BTreeMap<String, LatestReading>> = HashMap::new();
    for row in snapshot.query(LATEST, &[&ids, &since]).await? {
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
            select percentile_disc(0.5) within group (order by last.interval_us) from (
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
    snapshot: &Snapshot,
    ids: &[InstanceId],
    at: Timestamp,
) -> Result<HashMap<InstanceId, BTreeMap<String, LatestReading>>, Error> {
    let since = at.saturating_sub(INTERVAL_WITHIN).unwrap_or(at);
    let mut all: HashMap<InstanceId, BTreeMap<String, LatestReading>> = HashMap::new();
    for row in snapshot.query(LATEST_AT, &[&ids, &since, &at]).await? {
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
    snapshot: &Snapshot,
    ids: &[InstanceId],
) -> Result<HashMap<InstanceId, Timestamp>, Error> {
    let rows = snapshot.query(FIRST_READING, &[&ids]).await?;
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
    snapshot: &Snapshot,
    after: &[(InstanceId, Timestamp)],
    at: Timestamp,
    beside: &[&str],
) -> Result<HashMap<InstanceId, Timestamp>, Error> {
    let (ids, times): (Vec<InstanceId>, Vec<Timestamp>) = after.iter().copied().unzip();
    let rows = snapshot.query(FAILING_SINCE, &[&ids, &times, &at, &beside]).await?;
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
pub(crate) async fn states(
    snapshot: &Snapshot,
    ids: &[InstanceId],
) -> Result<HashMap<InstanceId, Vec<SetState>>, Error> {
    let mut all: HashMap<InstanceId, Vec<SetState>> = HashMap::new();
    for row in snapshot.query(STATES, &[&ids]).await? {
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

/// The newest interval of each: a mean over more would hide that everything stands still.
const TPS: &str = "select distinct on (d.instance_id) d.instance_id,
        ((sum(d.xact_commit) + sum(d.xact_rollback)) * 1e6 / max(d.interval_us))::float8
    from metrics.pg_stat_database d
    join (
        select u.id, u.longest, metrics.cluster_since(u.id, $4) as since
        from unnest($1::int4[], $2::int8[]) u (id, longest)) i
        on i.id = d.instance_id and d.interval_us between 1 and i.longest and d.time >= i.since
    where d.instance_id = any($1) and d.time > $3 and d.time <= $4
    group by d.instance_id, d.time
    order by d.instance_id, d.time desc";

/// Transactions a second in the newest interval of a range, of all databases together, by instance. An interval that
/// covers a gap is left out: `longest_us` is, in the order of `ids`, the longest that covers none.
pub(crate) async fn tps(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    longest_us: &[i64],
    range: Range,
) -> Result<HashMap<InstanceId, f64>, Error> {
    let rows = snapshot.query(TPS, &[&ids, &longest_us, &range.start, &range.end]).await?;
    Ok(rows.iter().filter_map(|row| Some((row.get(0), row.get::<_, Option<f64>>(1)?))).collect())
}

/// Sessions that work, at readings `r` of an instance; those of no reading are looked for outside the range.
const LOADS: &str = "select r.id, (coalesce(sum(s.sessions), 0) / count(distinct r.time))::float8
    from (
        select i.id, r.time from (
            select u.id, metrics.cluster_since(u.id, $3) as since from unnest($1::int4[]) u (id)) i
        join metrics.readings r on r.instance_id = i.id and r.set_name = 'sessions' and r.error is null
            and r.time > $2 and r.time <= $3 and r.time >= i.since
            and r.time >= coalesce((select g.until from metrics.absent g where g.table_name = 'sessions'), '-infinity')
        ) r
    left join metrics.sessions s on s.instance_id = r.id and s.time = r.time and s.time > $2 and s.time <= $3 and {}
    group by r.id";

/// The mean number of sessions that worked at the readings of a range, by instance.
pub(crate) async fn loads(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    range: Range,
) -> Result<HashMap<InstanceId, f64>, Error> {
    let rows = snapshot.query(&LOADS.replace("{}", sessions::WORKS), &[&ids, &range.start, &range.end]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// One reading tells of a step: a fleet is looked at often, and all its readings of a day would be millions of rows.
const LOAD_TRENDS: &str = "select l.id, l.step, (
        select coalesce(sum(s.sessions), 0)::float8 from metrics.sessions s
        where s.instance_id = l.id and s.time = l.time and {})
    from (
        select g.id, n.step, (
            select max(r.time) from metrics.readings r
            where r.instance_id = g.id and r.set_name = 'sessions' and r.error is null
                and r.time > g.start + n.step * g.length and r.time <= g.start + (n.step + 1) * g.length) as time
        from (
            select u.id, u.start, u.step_us * interval '1 microsecond' as length, u.points
            from unnest($1::int4[], $2::timestamptz[], $3::float8[], $4::int8[]) u (id, start, step_us, points)) g
        cross join lateral generate_series(0, g.points - 1) n (step)) l
    where l.time >= coalesce((select g.until from metrics.absent g where g.table_name = 'sessions'), '-infinity')";

/// How many sessions worked at the newest reading of each step, by instance.
pub(crate) async fn load_trends(
    snapshot: &Snapshot,
    grids: &[(InstanceId, Grid)],
) -> Result<HashMap<InstanceId, Vec<Option<f64>>>, Error> {
    let ids: Vec<InstanceId> = grids.iter().map(|(id, _)| *id).collect();
    let starts: Vec<Timestamp> = grids.iter().map(|(_, grid)| grid.start).collect();
    let steps: Vec<f64> = grids.iter().map(|(_, grid)| grid.step_us()).collect();
    let points: Vec<i64> = grids.iter().map(|(_, grid)| grid.points).collect();
    let mut all: HashMap<InstanceId, Vec<Option<f64>>> = grids.iter().map(|(id, grid)| (*id, grid.empty())).collect();
    for row in snapshot.query(&LOAD_TRENDS.replace("{}", sessions::WORKS), &[&ids, &starts, &steps, &points]).await? {
        let step: i64 = row.get(1);
        let values = all.get_mut(&row.get(0)).zip(usize::try_from(step).ok());
        if let Some(value) = values.and_then(|(values, step)| values.get_mut(step)) {
            *value = Some(row.get(2));
        }
    }
    Ok(all)
}

const CONNECTIONS: &str = "select m.id, coalesce(sum(s.sessions), 0)::int8
    from unnest($1::int4[], $2::timestamptz[]) m (id, at)
    left join metrics.sessions s on s.instance_id = m.id and s.time = m.at and s.backend_type = 'client backend'
    where m.at >= coalesce((select g.until from metrics.absent g where g.table_name = 'sessions'), '-infinity')
    group by m.id";

/// Connections of clients at readings of `sessions`, by instance.
pub(crate) async fn connections(snapshot: &Snapshot, times: &Times) -> Result<HashMap<InstanceId, i64>, Error> {
    let (ids, moments): (Vec<InstanceId>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let rows = snapshot.query(CONNECTIONS, &[&ids, &moments]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

const LIMITS_AT: &str = "select distinct on (s.instance_id) s.instance_id, s.setting from metrics.pg_settings s
    where s.instance_id = any($1) and s.name = 'max_connections' and s.valid_from <= $2 and not s.removed
    order by s.instance_id, s.valid_from desc";

/// `max_connections` as it was at a moment, by instance.
pub(crate) async fn limits_at(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    at: Timestamp,
) -> Result<HashMap<InstanceId, i32>, Error> {
    let rows = snapshot.query(LIMITS_AT, &[&ids, &at]).await?;
    let limit = |row: &Row| Some((row.get(0), row.get::<_, Option<String>>(1)?.parse().ok()?));
    Ok(rows.iter().filter_map(limit).collect())
}

const RESERVED_AT: &str =
    "select s.instance_id, sum(case when s.setting ~ '^[0-9]{1,6}$' then s.setting::int8 end)::int8
    from (
        select p.instance_id, p.setting from metrics.pg_settings p
        where p.instance_id = any($1) and p.name in ('superuser_reserved_connections', 'reserved_connections')
            and p.valid_from <= $2 and p.valid_to > $2 and not p.removed
            and p.valid_from >= metrics.cluster_since(p.instance_id, $2)) s
    group by s.instance_id";

/// Connections that only superusers and `pg_use_reserved_connections` may take, by instance.
pub(crate) async fn reserved_at(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    at: Timestamp,
) -> Result<HashMap<InstanceId, i64>, Error> {
    let rows = snapshot.query(RESERVED_AT, &[&ids, &at]).await?;
    Ok(rows.iter().filter_map(|row| Some((row.get(0), row.get::<_, Option<i64>>(1)?))).collect())
}

const ROLES_AT: &str = "select m.id, case when w.in_recovery then 'standby' else 'primary' end
    from unnest($1::int4[], $2::timestamptz[]) m (id, at)
    join metrics.wal w on w.instance_id = m.id and w.time = m.at where w.in_recovery is not null";

/// `primary` or `standby` as it was at readings of `wal`, by instance.
pub(crate) async fn roles_at(snapshot: &Snapshot, times: &Times) -> Result<HashMap<InstanceId, String>, Error> {
    let (ids, moments): (Vec<InstanceId>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let rows = snapshot.query(ROLES_AT, &[&ids, &moments]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

const CPUS: &str = "select m.id, h.cpus from unnest($1::int4[], $2::timestamptz[]) m (id, at)
    join metrics.host_cpu h on h.instance_id = m.id and h.time = m.at";

/// Processors of the host at readings of `host_cpu`, by instance.
pub(crate) async fn cpus(snapshot: &Snapshot, times: &Times) -> Result<HashMap<InstanceId, i64>, Error> {
    let (ids, moments): (Vec<InstanceId>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let rows = snapshot.query(CPUS, &[&ids, &moments]).await?;
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
pub(crate) async fn behind(snapshot: &Snapshot, times: &Times) -> Result<HashMap<InstanceId, Vec<Behind>>, Error> {
    let (ids, moments): (Vec<InstanceId>, Vec<Timestamp>) = times.iter().map(|(id, time)| (*id, *time)).unzip();
    let mut all: HashMap<InstanceId, Vec<Behind>> = HashMap::new();
    for row in snapshot.query(&BEHIND.replace("{}", &senders::READINGS), &[&ids, &moments, &senders::STANDBY]).await? {
        all.entry(row.get(0)).or_default().push(Behind { standby: row.get(1), replay_lag_us: row.get(2) });
    }
    Ok(all)
}

const DATABASES: &str = "select d.datid, d.datname from metrics.pg_database d
    where d.instance_id = $1 and d.valid_to = 'infinity' and not d.removed and d.datname is not null
        and d.valid_from >= (select metrics.cluster_since($1, 'infinity'))
    order by d.datname";

/// The databases of an instance by name, as last read.
pub(crate) async fn databases(snapshot: &Snapshot, id: InstanceId) -> Result<Vec<DatabaseName>, Error> {
    let rows = snapshot.query(DATABASES, &[&id]).await?;
    Ok(rows.iter().map(|row| DatabaseName { datid: row.get(0), name: row.get(1) }).collect())
}
