//! Rows of `lock_waits`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::{HeldLock, LockSession, Peak, Prepared};
use super::object::{Lookup, Object, Words};
use super::relations::Relations;
use super::tree::{Place, tree};
use crate::queries::names::{Names, shown};
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::readings::{self, step_of};
use crate::sessions::store::age_ms;

/// Who waits for whom.
pub(crate) const SET: &str = "lock_waits";

/// The set reads no more than so many that wait.
const WAITING_MOST: usize = 200;

/// Tables that are listed of what one holds beside what others wait for.
const HELD_MOST: usize = 5;

const WAITS: &str =
    "select pid, blocker_pid, coalesce(blocker_xid, 0) as blocker_xid, nullif(locktype, '') as locktype,
        nullif(mode, '') as mode, coalesce(lock_datid, 0) as lock_datid, nullif(relid, 0) as relid, relation_name,
        lock_page, lock_tuple, lock_xid, lock_virtualxid, lock_classid, lock_objid, lock_objsubid, lock_class,
        case when isfinite(waitstart) then waitstart end as waitstart, coalesce(workers, 0) as workers,
        datid, userid, application_name, state, case when isfinite(xact_start) then xact_start end as xact_start, query,
        blocker_mode, blocker_datid, blocker_userid, blocker_application_name, blocker_state,
        case when isfinite(blocker_xact_start) then blocker_xact_start end as blocker_xact_start,
        case when isfinite(blocker_state_change) then blocker_state_change end as blocker_state_change, blocker_query,
        blocker_gid, case when isfinite(blocker_prepared) then blocker_prepared end as blocker_prepared,
        blocker_relations
    from metrics.lock_waits where instance_id = $1 and time = $2 and pid is not null and blocker_pid is not null
    order by pid, blocker_pid, blocker_xid";

/// What tells one that waits or blocks from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Who {
    /// 0 for a prepared transaction.
    pid: i32,
    /// The transaction id of a prepared transaction; 0 for a session, or where it is not known which one it is.
    xid: i64,
}

impl Who {
    fn is_prepared(self) -> bool {
        self.pid == 0
    }

    fn key(self) -> String {
        if self.is_prepared() { format!("xid {}", self.xid) } else { self.pid.to_string() }
    }
}

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
    workers: i32,
}

/// The lock that a session waits for.
#[derive(Clone, Debug)]
struct Lock {
    object: Object,
    mode: Option<String>,
    since: Option<Timestamp>,
    /// The one that holds it; the others that block only wait before it.
    holder: Option<Who>,
}

/// What a blocker holds, and the relation that others want of it.
#[derive(Clone, Debug, Default)]
struct Held {
    modes: Option<String>,
    wanted: Option<Object>,
    /// What others wait for and it holds, with its modes.
    objects: Vec<(Object, String)>,
    datid: i64,
    relations: Vec<(i64, String)>,
    gid: Option<String>,
    prepared: Option<Timestamp>,
}

/// A reading of who waits for whom.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    pairs: Vec<(Who, Who)>,
    said: HashMap<Who, Said>,
    locks: BTreeMap<Who, Lock>,
    held: BTreeMap<Who, Held>,
    /// What the instance's clock showed.
    read: Timestamp,
}

/// Names of databases, roles and relations at a moment.
pub(crate) struct Named {
    databases: Names,
    roles: Names,
    relations: Relations,
}

impl Named {
    fn lookup(&self) -> Lookup<'_> {
        Lookup { databases: &self.databases, roles: &self.roles, relations: &self.relations }
    }
}

impl Waits {
    /// Reads it.
    pub(crate) async fn read(snapshot: &Snapshot, id: InstanceId, time: Timestamp) -> Result<Self, Error> {
        let read = readings::by_instance(snapshot, id, SET, time).await?;
        let mut waits = Self { read, ..Self::default() };
        for row in snapshot.query(WAITS, &[&id, &time]).await? {
            waits.add(&row);
        }
        Ok(waits)
    }

    fn add(&mut self, row: &Row) {
        let who = Who { pid: row.get("pid"), xid: 0 };
        let blocker = Who { pid: row.get("blocker_pid"), xid: row.get("blocker_xid") };
        let blocker_mode: Option<String> = row.get("blocker_mode");
        let object = object(row);
        self.pairs.push((who, blocker));
        let lock = self.locks.entry(who).or_insert_with(|| Lock {
            object: object.clone(),
            mode: row.get("mode"),
            since: row.get("waitstart"),
            holder: None,
        });
        if lock.holder.is_none() && blocker_mode.is_some() {
            lock.holder = Some(blocker);
        }
        let held = self.held.entry(blocker).or_default();
        if let Some(modes) = blocker_mode.clone()
            && held.objects.iter().all(|(known, _)| !known.is_same_lock(&object))
        {
            held.objects.push((object.clone(), modes));
        }
        held.modes = held.modes.take().or(blocker_mode);
        held.wanted = held.wanted.take().or_else(|| object.relid.is_some().then_some(object));
        held.datid = row.get::<_, Option<i64>>("blocker_datid").unwrap_or(0);
        held.relations = relations_of(row.get("blocker_relations"));
        held.gid = row.get("blocker_gid");
        held.prepared = row.get("blocker_prepared");
        self.said.entry(blocker).or_insert_with(|| Said {
            datid: row.get("blocker_datid"),
            userid: row.get("blocker_userid"),
            application_name: row.get("blocker_application_name"),
            state: row.get("blocker_state"),
            xact_start: row.get("blocker_xact_start"),
            state_change: row.get("blocker_state_change"),
            query: row.get("blocker_query"),
            workers: 0,
        });
        // What it says of itself as one that waits is as good, and there for sure.
        self.said.insert(
            who,
            Said {
                datid: row.get("datid"),
                userid: row.get("userid"),
                application_name: row.get("application_name"),
                state: row.get("state"),
                xact_start: row.get("xact_start"),
                query: row.get("query"),
                workers: row.get("workers"),
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

    /// The names of all that is in it, as they were when it was read.
    pub(crate) async fn names(&self, snapshot: &Snapshot, id: InstanceId, read: Timestamp) -> Result<Named, Error> {
        let wanted = self.locks.values().filter_map(|lock| Some((lock.object.datid, lock.object.relid?)));
        let held = self.held.values().flat_map(|held| held.relations.iter().map(|(relid, _)| (held.datid, *relid)));
        let wanted: Vec<(i64, i64)> = wanted.chain(held).collect::<BTreeSet<_>>().into_iter().collect();
        Ok(Named {
            databases: Names::databases(snapshot, id, read).await?,
            roles: Names::roles(snapshot, id, read).await?,
            relations: Relations::read(snapshot, id, &wanted, read).await?,
        })
    }

    /// The tree.
    pub(crate) fn tree(&self, named: &Named) -> Vec<LockSession> {
        let since = |who: Who| {
            let since = self.locks.get(&who).and_then(|lock| lock.since);
            since.map_or(i64::MAX, Timestamp::as_microsecond)
        };
        let places = tree(&self.pairs, since);
        places.into_iter().map(|place| self.session(&place, named)).collect()
    }

    fn session(&self, place: &Place<Who>, named: &Named) -> LockSession {
        let who = place.who;
        let said = self.said.get(&who).cloned().unwrap_or_default();
        let lock = self.locks.get(&who);
        let held = self.held.get(&who);
        // Of one that only blocks, what others want of it.
        let wanted = lock.map(|lock| &lock.object).or_else(|| held.and_then(|held| held.wanted.as_ref()));
        let name = wanted.and_then(|wanted| {
            wanted.relation_name.as_deref().or_else(|| named.relations.name(wanted.datid, wanted.relid?))
        });
        let words = lock.map(|lock| self.words(lock, place, named));
        let waiting_since = lock.and_then(|lock| lock.since);
        let (query, query_state) = match said.query {
            Some(query) if !query.is_empty() => shown(query),
            _ => (None, None),
        };
        let mut blocked_by: Vec<i32> = place.blocked_by.iter().map(|by| by.pid).collect();
        blocked_by.dedup();
        LockSession {
            key: who.key(),
            pid: who.pid,
            prepared: held.filter(|_| who.is_prepared() && who.xid != 0).map(|held| Prepared {
                xid: who.xid,
                gid: held.gid.clone(),
                prepared_at: held.prepared,
                prepared_ms: age_ms(held.prepared, self.read),
            }),
            workers: said.workers,
            level: place.level,
            blocked_by,
            blocked_by_prepared: place.blocked_by.iter().filter(|by| by.xid != 0).map(|by| by.xid).collect(),
            blocks: place.blocks,
            circular: place.circular,
            database: said.datid.map(|oid| named.databases.of(oid)),
            user: said.userid.map(|oid| named.roles.of(oid)),
            application_name: said.application_name.filter(|name| !name.is_empty()),
            state: said.state,
            mode: lock.and_then(|lock| lock.mode.clone()),
            locktype: lock.map(|lock| lock.object.locktype.clone()).filter(|locktype| !locktype.is_empty()),
            object: words.as_ref().map(|words| words.text.clone()).filter(|text| !text.is_empty()),
            object_unnamed: words.and_then(|words| words.unnamed),
            holds: held.and_then(|held| held.modes.clone()),
            holds_on: held.map(|held| holds_on(held, named)).unwrap_or_default(),
            relation: name.map(|name| name.strip_prefix("public.").unwrap_or(name).to_owned()),
            relid: wanted.and_then(|wanted| wanted.relid),
            waiting_since,
            waiting_ms: age_ms(waiting_since, self.read),
            xact_start: said.xact_start,
            xact_age_ms: age_ms(said.xact_start, self.read),
            state_age_ms: age_ms(said.state_change, self.read),
            query,
            query_state,
        }
    }

    /// What it waits for; whose transaction that is, is the holder's, or of the only one that it waits for.
    fn words(&self, lock: &Lock, place: &Place<Who>, named: &Named) -> Words {
        let only = place.blocked_by.first().copied().filter(|_| place.blocked_by.len() == 1);
        let of = lock.holder.or(only).map(|who| {
            let gid = self.held.get(&who).and_then(|held| held.gid.clone());
            match gid {
                Some(gid) => format!("the prepared transaction '{gid}'"),
                None if who.is_prepared() => "a prepared transaction".to_owned(),
                None => format!("session {}", who.pid),
            }
        });
        lock.object.words(named.lookup(), of.as_deref())
    }
}

fn object(row: &Row) -> Object {
    Object {
        locktype: row.get::<_, Option<String>>("locktype").unwrap_or_default(),
        datid: row.get("lock_datid"),
        relid: row.get("relid"),
        relation_name: row.get("relation_name"),
        row: row
            .get::<_, Option<i32>>("lock_page")
            .map(|page| (page, row.get("lock_tuple")))
            .and_then(|(page, tuple): (i32, Option<i32>)| Some((page, tuple?))),
        xid: row.get("lock_xid"),
        virtualxid: row.get("lock_virtualxid"),
        classid: row.get("lock_classid"),
        objid: row.get("lock_objid"),
        objsubid: row.get("lock_objsubid"),
        class: row.get("lock_class"),
    }
}

/// `16391 RowExclusiveLock, 16395 ShareLock`, as the set has them.
fn relations_of(text: Option<String>) -> Vec<(i64, String)> {
    let text = text.unwrap_or_default();
    let one = |one: &str| {
        let (relid, mode) = one.trim().split_once(' ')?;
        Some((relid.parse().ok()?, mode.to_owned()))
    };
    text.split(',').filter_map(one).collect()
}

/// What others wait for, and the tables that it has locked: locks on their indexes say no more.
fn holds_on(held: &Held, named: &Named) -> Vec<HeldLock> {
    let lock = |object: &Object, mode: &str, wanted| HeldLock {
        mode: mode.to_owned(),
        object: object.held(named.lookup()),
        relid: object.whole_relation(),
        wanted,
    };
    let mut locks: Vec<_> = held.objects.iter().map(|(object, modes)| lock(object, modes, true)).collect();
    let listed: Vec<_> = locks.iter().filter_map(|lock| lock.relid).collect();
    let others = held
        .relations
        .iter()
        .filter(|(relid, _)| !named.relations.is_index(held.datid, *relid) && !listed.contains(relid))
        .map(|(relid, mode)| lock(&Object::relation_of(held.datid, *relid), mode, false));
    locks.extend(others.take(HELD_MOST));
    locks
}

/// Per step the most that waited at once, and the reading of it.
pub(crate) struct Blocked {
    pub(crate) most: Vec<(i64, i64, Timestamp)>,
    pub(crate) peak: Option<Peak>,
}

/// How many were blocked over time.
pub(crate) async fn blocked(snapshot: &Snapshot, id: InstanceId, range: Range, grid: Grid) -> Result<Blocked, Error> {
    let sql = format!(
        "select distinct on (1) {}, n.blocked, n.time
         from (
             select w.time, count(distinct w.pid) as blocked from metrics.lock_waits w
             where w.instance_id = $1 and w.time > $2 and w.time <= $3 group by w.time) n
         order by 1, n.blocked desc, n.time desc",
        step_of("n.time")
    );
    let step_us = grid.step_us();
    let rows = snapshot.query(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us]).await?;
    let most: Vec<(i64, i64, Timestamp)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let peak = most.iter().max_by_key(|(_, blocked, at)| (*blocked, *at));
    let peak = peak.map(|(_, blocked, at)| Peak { at: *at, blocked: *blocked });
    Ok(Blocked { most, peak })
}

/// How many wait at the newest reading, if it tells of now.
pub(crate) async fn now(snapshot: &Snapshot, id: InstanceId, now: Timestamp) -> Result<Option<i64>, Error> {
    let Some(at) = readings::at(snapshot, id, SET, now).await? else { return Ok(None) };
    let sql = "select count(distinct pid) from metrics.lock_waits where instance_id = $1 and time = $2";
    Ok(Some(snapshot.query_one(sql, &[&id, &at]).await?.get(0)))
}
