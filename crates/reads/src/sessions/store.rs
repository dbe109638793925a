//! Rows of `pg_stat_activity` and of `sessions`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::ActiveSession;
use crate::parts::Parts;
use crate::queries::names::{Names, shown};
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::readings::{self, step_of};

/// One row per session that is not idle.
pub(crate) const ACTIVITY: &str = "pg_stat_activity";
/// Numbers of sessions by what they do.
pub(crate) const SESSIONS: &str = "sessions";

/// What is summed where nothing waits.
pub(crate) const CPU: &str = "CPU";
/// Wait classes in the order in which they are stacked; what has another name is the last.
pub(crate) const CLASSES: [&str; 11] =
    [CPU, "IO", "Client", "BufferPin", "IPC", "Timeout", "LWLock", "Lock", "Activity", "Extension", "Other"];
/// States of connections in the order in which they are stacked; what has another name is the last.
pub(crate) const STATES: [&str; 5] =
    ["active", "idle in transaction", "idle in transaction (aborted)", "idle", "other"];

/// A session works when it runs a statement. Who sends WAL runs one for as long as it is connected, and is no load.
pub(crate) const WORKS: &str = "s.state in ('active', 'fastpath function call') and s.backend_type <> 'walsender'";
/// What counts against `max_connections`.
const CONNECTED: &str = "s.backend_type = 'client backend'";

const AT: &str =
    "select pid, leader_pid, backend_type, datid, userid, application_name, nullif(client_addr, ''), state,
        wait_event_type, wait_event,
        case when isfinite(backend_start) then backend_start end, case when isfinite(xact_start) then xact_start end,
        case when isfinite(query_start) then query_start end, case when isfinite(state_change) then state_change end,
        xid_age, xmin_age, query_id, query
    from metrics.pg_stat_activity
    where instance_id = $1 and time = $2 and pid is not null and backend_type is distinct from 'walsender'
        and ($3::int8[] is null or datid = any($3)) and ($4::int8[] is null or userid = any($4))
    order by xact_start nulls last, query_start nulls last, pid";

/// Which sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Of {
    pub(crate) databases: Option<Vec<i64>>,
    pub(crate) roles: Option<Vec<i64>>,
}

/// The sessions of a reading that are not idle.
pub(crate) async fn sessions(
    snapshot: &Snapshot,
    id: InstanceId,
    time: Timestamp,
    of: &Of,
    databases: &Names,
    roles: &Names,
) -> Result<Vec<ActiveSession>, Error> {
    let rows = snapshot.query(AT, &[&id, &time, &of.databases, &of.roles]).await?;
    let read = readings::by_instance(snapshot, id, ACTIVITY, time).await?;
    Ok(rows.iter().map(|row| session(row, read, databases, roles)).collect())
}

fn session(row: &Row, read: Timestamp, databases: &Names, roles: &Names) -> ActiveSession {
    let named = |oid: Option<i64>, names: &Names| oid.filter(|oid| *oid != 0).map(|oid| names.of(oid));
    let state: Option<String> = row.get(7);
    let wait_event_type: Option<String> = row.get(8);
    let works = state.as_deref() == Some("active") || state.as_deref() == Some("fastpath function call");
    let [backend_start, xact_start, query_start, state_change]: [Option<Timestamp>; 4] =
        std::array::from_fn(|nth| row.get(10 + nth));
    let (query, query_state) = match row.get(17) {
        Some(query) => shown(query),
        None => (None, None),
    };
    ActiveSession {
        pid: row.get(0),
        leader_pid: row.get(1),
        backend_type: row.get::<_, Option<String>>(2).unwrap_or_default(),
        database: named(row.get(3), databases),
        user: named(row.get(4), roles),
        application_name: row.get::<_, Option<String>>(5).unwrap_or_default(),
        client_addr: row.get(6),
        wait_class: works.then(|| class_of(wait_event_type.as_deref().unwrap_or_default()).to_owned()),
        wait_event: row.get(9),
        backend_start,
        xact_start,
        query_start,
        state_change,
        xact_age_ms: age_ms(xact_start, read),
        query_age_ms: age_ms(query_start, read).filter(|_| works),
        state_age_ms: age_ms(state_change, read),
        xid_age: row.get(14),
        xmin_age: row.get(15),
        queryid: row.get::<_, Option<i64>>(16).map(|queryid| queryid.to_string()),
        query,
        query_state,
        state,
    }
}

/// How long ago something was when it was read, both by the instance's clock ([`readings::by_instance`]). Between
/// that look at its clock and the reading little time may have gone by: it is never negative.
pub(crate) fn age_ms(since: Option<Timestamp>, read: Timestamp) -> Option<f64> {
    since.map(|since| ((read.as_microsecond() - since.as_microsecond()) as f64 / 1000.0).max(0.0))
}

/// A session by its process id and what else tells whose it is.
pub(crate) fn named(pid: i32, application: Option<&str>, user: Option<&str>) -> String {
    if pid == 0 {
        return "a prepared transaction".to_owned();
    }
    let whose: Vec<&str> = [application, user].into_iter().flatten().filter(|word| !word.is_empty()).collect();
    if whose.is_empty() { format!("session {pid}") } else { format!("session {pid} of {}", whose.join(", role ")) }
}

/// The class that a wait belongs to, by its `wait_event_type`.
pub(crate) fn class_of(wait_event_type: &str) -> &str {
    if wait_event_type.is_empty() {
        return CPU;
    }
    CLASSES.into_iter().find(|class| *class == wait_event_type).unwrap_or("Other")
}

/// Numbers of sessions, summed over the readings of each step.
pub(crate) type Sums = BTreeMap<String, Vec<(i64, f64)>>;

/// Numbers of the sessions of a kind, by `what` tells them apart.
pub(super) async fn sums(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
    what: &str,
    of: &Of,
    condition: &str,
) -> Result<Sums, Error> {
    let (from, sessions) = match snapshot.tiered(SESSIONS).filter(|_| grid.has_buckets()) {
        None => ("metrics.sessions".to_owned(), "sessions"),
        Some(tiered) => {
            let parts = Parts::on(snapshot, id, tiered, range, grid).await?;
            let labels = ["datid", "userid", "backend_type", "state", "wait_event_type", "wait_event"];
            let columns: Vec<&str> = labels.into_iter().chain(["sessions_sum"]).collect();
            (format!("({})", parts.rows(&columns)), "sessions_sum")
        }
    };
    let sql = format!(
        "select {}, {what}, sum(s.{sessions})::float8 from {from} s
         where s.instance_id = $1 and s.time > $2 and s.time <= $3 and {condition}
             and ($6::int8[] is null or s.datid = any($6)) and ($7::int8[] is null or s.userid = any($7))
         group by 1, 2 order by 1",
        step_of("s.time")
    );
    let step_us = grid.step_us();
    let rows = snapshot
        .query_once(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us, &of.databases, &of.roles])
        .await?;
    Ok(by_name(&rows))
}

/// Sums by their name, of rows of a step, a name and a sum.
pub(super) fn by_name(rows: &[Row]) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        let name: Option<String> = row.get(1);
        if let (Some(name), Some(sum)) = (name, row.get(2)) {
            sums.entry(name).or_default().push((row.get(0), sum));
        }
    }
    sums
}

/// Whether a session waits for something of a class. Words of our own, so that no parameter is needed for what is one of
/// eleven.
pub(super) fn is_of_class(class: &str) -> String {
    match CLASSES.into_iter().find(|known| *known == class) {
        Some(CPU) => "s.wait_event_type = ''".to_owned(),
        Some("Other") | None => {
            let known = CLASSES.iter().filter(|known| !matches!(**known, CPU | "Other"));
            let known = known.map(|known| format!("'{known}'")).collect::<Vec<_>>().join(", ");
            format!("s.wait_event_type not in ('', {known})")
        }
        Some(class) => format!("s.wait_event_type = '{class}'"),
    }
}

/// Client connections by state.
pub(crate) async fn states(snapshot: &Snapshot, id: InstanceId, range: Range, grid: Grid) -> Result<Sums, Error> {
    sums(snapshot, id, range, grid, "s.state", &Of::default(), CONNECTED).await
}

/// Client connections of one kind.
pub(crate) struct Kind {
    pub(crate) datid: i64,
    pub(crate) userid: i64,
    pub(crate) state: String,
    pub(crate) sessions: i64,
}

/// Client connections of a reading.
pub(crate) async fn connected(snapshot: &Snapshot, id: InstanceId, time: Timestamp) -> Result<Vec<Kind>, Error> {
    let sql = format!(
        "select coalesce(s.datid, 0), coalesce(s.userid, 0), coalesce(s.state, ''), coalesce(sum(s.sessions), 0)::int8 from metrics.sessions s
         where s.instance_id = $1 and s.time = $2 and {CONNECTED} group by 1, 2, 3"
    );
    let rows = snapshot.query(&sql, &[&id, &time]).await?;
    let kind = |row: &Row| Kind { datid: row.get(0), userid: row.get(1), state: row.get(2), sessions: row.get(3) };
    Ok(rows.iter().map(kind).collect())
}

const OLDEST: &str = "select (max(s.xact_age) / 1000.0)::float8, max(s.xmin_age) from metrics.sessions s
    where s.instance_id = $1 and s.time = $2";

/// The age of the oldest transaction in milliseconds and of the oldest snapshot in transactions.
pub(crate) async fn oldest(
    snapshot: &Snapshot,
    id: InstanceId,
    time: Timestamp,
) -> Result<(Option<f64>, Option<i64>), Error> {
    let row = snapshot.query_one(OLDEST, &[&id, &time]).await?;
    Ok((row.get(0), row.get(1)))
}
