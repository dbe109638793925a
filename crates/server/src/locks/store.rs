//! Rows of `lock_waits`.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::{LockSession, Peak};
use super::tree::{Place, tree};
use crate::queries::names::{Names, shown};
use crate::range::{Grid, Range};
use crate::readings::{self, step_of};
use crate::sessions::store::age_ms;

/// Who waits for whom.
pub(crate) const SET: &str = "lock_waits";

/// The set reads no more than so many that wait.
const WAITING_MOST: usize = 200;

const WAITS: &str = "select pid, blocker_pid, nullif(locktype, ''), nullif(mode, ''), nullif(lock_datid, 0),
        nullif(relid, 0), case when isfinite(waitstart) then waitstart end, datid, userid, application_name, state,
        case when isfinite(xact_start) then xact_start end, query,
        blocker_mode, blocker_datid, blocker_userid, blocker_application_name, blocker_state,
        case when isfinite(blocker_xact_start) then blocker_xact_start end, blocker_query,
        case when isfinite(blocker_state_change) then blocker_state_change end
    from metrics.lock_waits where instance_id = $1 and time = $2 and pid is not null and blocker_pid is not null
    order by pid, blocker_pid";

/// What is said of a session, as the one that waits or as the one that blocks.
#[derive(Clone, Debug, Default)]
struct Said {
    datid: Option<i64>,
    userid: Option<i64>,
    application_name: Option<String>,
    state: Option<String>,
    xact_start: Option<Timestamp>,
    state_change: Option<Timestamp>,
    query: Option<String>,
}

/// The lock that a session waits for.
#[derive(Clone, Debug)]
struct Lock {
    locktype: Option<String>,
    mode: Option<String>,
    datid: Option<i64>,
    relid: Option<i64>,
    since: Option<Timestamp>,
}

/// What a blocker holds, and the relation that others want of it.
#[derive(Clone, Debug, Default)]
struct Held {
    modes: Option<String>,
    datid: Option<i64>,
    relid: Option<i64>,
}

/// A reading of who waits for whom.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    pairs: Vec<(i32, i32)>,
    said: HashMap<i32, Said>,
    locks: BTreeMap<i32, Lock>,
    held: BTreeMap<i32, Held>,
    /// What the instance's clock showed.
    read: Timestamp,
}

impl Waits {
    /// Reads it.
    pub(crate) async fn read(transaction: &Transaction<'_>, id: i32, time: Timestamp) -> Result<Self, Error> {
        let statement = transaction.prepare_cached(WAITS).await?;
        let read = readings::by_instance(transaction, id, SET, time).await?;
        let mut waits = Self { read, ..Self::default() };
        for row in transaction.query(&statement, &[&id, &time]).await? {
            waits.add(&row);
        }
        Ok(waits)
    }

    fn add(&mut self, row: &Row) {
        let (pid, blocker): (i32, i32) = (row.get(0), row.get(1));
        let (datid, relid): (Option<i64>, Option<i64>) = (row.get(4), row.get(5));
        self.pairs.push((pid, blocker));
        let lock = Lock { locktype: row.get(2), mode: row.get(3), datid, relid, since: row.get(6) };
        self.locks.entry(pid).or_insert(lock);
        let held = self.held.entry(blocker).or_default();
        held.modes = held.modes.take().or_else(|| row.get(13));
        if held.relid.is_none() {
            (held.datid, held.relid) = (datid, relid);
        }
        self.said.entry(blocker).or_insert_with(|| Said {
            datid: row.get(14),
            userid: row.get(15),
            application_name: row.get(16),
            state: row.get(17),
            xact_start: row.get(18),
            query: row.get(19),
            state_change: row.get(20),
        });
        // What it says of itself as one that waits is as good, and there for sure.
        self.said.insert(
            pid,
            Said {
                datid: row.get(7),
                userid: row.get(8),
                application_name: row.get(9),
                state: row.get(10),
                xact_start: row.get(11),
                query: row.get(12),
                state_change: None,
            },
        );
    }

    /// How many wait.
    pub(crate) fn blocked(&self) -> usize {
        self.locks.len()
    }

    /// Whether more may have waited than were read.
    pub(crate) fn is_cut(&self) -> bool {
        self.locks.len() >= WAITING_MOST
    }

    /// The longest wait in milliseconds.
    pub(crate) fn oldest_ms(&self) -> Option<f64> {
        age_ms(self.locks.values().filter_map(|lock| lock.since).min(), self.read)
    }

    /// The relations that are waited for, as (database, relation).
    pub(crate) fn relations(&self) -> Vec<(i64, i64)> {
        self.locks.values().filter_map(|lock| Some((lock.datid?, lock.relid?))).collect()
    }

    /// The tree.
    pub(crate) fn tree(
        &self,
        databases: &Names,
        roles: &Names,
        relations: &HashMap<(i64, i64), String>,
    ) -> Vec<LockSession> {
        let since = |pid: i32| {
            let since = self.locks.get(&pid).and_then(|lock| lock.since);
            since.map_or(i64::MAX, Timestamp::as_microsecond)
        };
        let places = tree(&self.pairs, since);
        places.into_iter().map(|place| self.session(place, databases, roles, relations)).collect()
    }

    fn session(
        &self,
        place: Place,
        databases: &Names,
        roles: &Names,
        relations: &HashMap<(i64, i64), String>,
    ) -> LockSession {
        let said = self.said.get(&place.pid).cloned().unwrap_or_default();
        let lock = self.locks.get(&place.pid);
        let held = self.held.get(&place.pid);
        let wanted = match lock {
            Some(lock) => lock.datid.zip(lock.relid),
            None => held.and_then(|held| held.datid.zip(held.relid)),
        };
        let relid = match lock {
            Some(lock) => lock.relid,
            None => held.and_then(|held| held.relid),
        };
        let waiting_since = lock.and_then(|lock| lock.since);
        let (query, query_state) = match said.query {
            Some(query) if !query.is_empty() => shown(query),
            _ => (None, None),
        };
        LockSession {
            pid: place.pid,
            level: place.level,
            blocked_by: place.blocked_by,
            blocks: place.blocks,
            circular: place.circular,
            database: said.datid.map(|oid| databases.of(oid)),
            user: said.userid.map(|oid| roles.of(oid)),
            application_name: said.application_name.filter(|name| !name.is_empty()),
            state: said.state,
            mode: lock.and_then(|lock| lock.mode.clone()),
            locktype: lock.and_then(|lock| lock.locktype.clone()),
            holds: held.and_then(|held| held.modes.clone()),
            relation: wanted.and_then(|wanted| relations.get(&wanted).cloned()),
            relid,
            waiting_since,
            waiting_ms: age_ms(waiting_since, self.read),
            xact_start: said.xact_start,
            xact_age_ms: age_ms(said.xact_start, self.read),
            state_age_ms: age_ms(said.state_change, self.read),
            query,
            query_state,
        }
    }
}

/// Names of relations are read by a set of their own, which an older store has no table of.
const KNOWS_RELATIONS: &str = "select to_regclass('metrics.pg_class') is not null";

const RELATIONS: &str = "select distinct on (c.datid_read, c.relid) c.datid_read, c.relid,
        concat_ws('.', nullif(c.schema, 'public'), c.relname)
    from metrics.pg_class c
    join unnest($2::int8[], $3::int8[]) w (datid, relid) on w.datid = c.datid_read and w.relid = c.relid
    where c.instance_id = $1 and c.relname is not null
    order by c.datid_read, c.relid, c.time > $4, case when c.time > $4 then c.time end, c.time desc";

/// Names of relations as they were at a moment, with the schema where it is not public.
pub(crate) async fn relations(
    transaction: &Transaction<'_>,
    id: i32,
    wanted: &[(i64, i64)],
    at: Timestamp,
) -> Result<HashMap<(i64, i64), String>, Error> {
    let knows = transaction.prepare_cached(KNOWS_RELATIONS).await?;
    if wanted.is_empty() || !transaction.query_one(&knows, &[]).await?.get::<_, bool>(0) {
        return Ok(HashMap::new());
    }
    let (datids, relids): (Vec<i64>, Vec<i64>) = wanted.iter().copied().unzip();
    let statement = transaction.prepare_cached(RELATIONS).await?;
    let rows = transaction.query(&statement, &[&id, &datids, &relids, &at]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// Per step the most that waited at once, and the reading of it.
pub(crate) struct Blocked {
    pub(crate) most: Vec<(i64, i64, Timestamp)>,
    pub(crate) peak: Option<Peak>,
}

/// How many were blocked over time.
pub(crate) async fn blocked(
    transaction: &Transaction<'_>,
    id: i32,
    range: Range,
    grid: Grid,
) -> Result<Blocked, Error> {
    let sql = format!(
        "select distinct on (1) {}, n.blocked, n.time
         from (
             select w.time, count(distinct w.pid) as blocked from metrics.lock_waits w
             where w.instance_id = $1 and w.time > $2 and w.time <= $3 group by w.time) n
         order by 1, n.blocked desc, n.time desc",
        step_of("n.time")
    );
    let statement = transaction.prepare_cached(&sql).await?;
    let step_us = grid.step_us();
    let rows = transaction.query(&statement, &[&id, &range.start, &range.end, &grid.start, &step_us]).await?;
    let most: Vec<(i64, i64, Timestamp)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let peak = most.iter().max_by_key(|(_, blocked, at)| (*blocked, *at));
    let peak = peak.map(|(_, blocked, at)| Peak { at: *at, blocked: *blocked });
    Ok(Blocked { most, peak })
}

/// How many wait at the newest reading, if it tells of now.
pub(crate) async fn now(transaction: &Transaction<'_>, id: i32, now: Timestamp) -> Result<Option<i64>, Error> {
    let Some(at) = readings::at(transaction, id, SET, now).await? else { return Ok(None) };
    let sql = "select count(distinct pid) from metrics.lock_waits where instance_id = $1 and time = $2";
    let statement = transaction.prepare_cached(sql).await?;
    Ok(Some(transaction.query_one(&statement, &[&id, &at]).await?.get(0)))
}
