//! What health looks at beside figures: who blocks whom, who holds back vacuum, limits of connections, lost rows. From
//! the same readings as the pages of locks, activity and connections.

use std::collections::{BTreeMap, HashMap};

use catalog::Scope;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::holders::transactions;
use crate::locks::model::LockSession;
use crate::locks::store as locks;
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::sessions::store as sessions;

/// Losses are told for so long.
const LOSSES_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Resets are told for so long: whoever did not do it wonders where the figures went.
const RESETS_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What streams through a slot comes back within this, or it is nobody's.
const SLOT_UNUSED_FOR: SignedDuration = SignedDuration::from_secs(judgement::limits::SLOT_UNUSED_FOR_S);

/// A crash is told for so long; a restart as long as a reset.
const CRASHES_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Another cluster is told for so long: whoever restored the wrong backup, or the right one, was there.
const REPLACED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// A collector that is refused comes again within half of this.
const DOUBLED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Sessions that wait for a lock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blocked {
    /// How many.
    pub(crate) sessions: usize,
    /// For how long the first of them has waited; `None` where that is not known.
    pub(crate) longest_ms: Option<f64>,
    /// Who blocks most of them, without waiting.
    pub(crate) root: Option<Holder>,
}

/// A session that others wait for, or that holds back vacuum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Holder {
    pub(crate) who: String,
    /// Whether it is idle in a transaction.
    pub(crate) idle: bool,
    /// For how long it has been in its state.
    pub(crate) state: Option<String>,
    pub(crate) state_ms: Option<f64>,
}

/// A limit of connections and what is used of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Used {
    /// What it is a limit of, as in `of database shop`; empty for the instance.
    pub(crate) of: String,
    pub(crate) used: i64,
    pub(crate) limit: i64,
    /// How many of them only superusers may take.
    pub(crate) reserved: i64,
}

/// Statistics that somebody reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reset {
    /// The sets concerned, in order.
    pub(crate) sets: Vec<String>,
    /// The first reading after it.
    pub(crate) at: Timestamp,
}

/// A replication slot that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) name: String,
    /// WAL that it needs was removed.
    pub(crate) is_lost: bool,
    /// The transactions since the oldest one that it holds back vacuum for.
    pub(crate) xmin_age: Option<i64>,
}

/// PostgreSQL was started again, with or without a crash: all sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restarted {
    pub(crate) crashed: bool,
    /// The last reading before it.
    pub(crate) from: Timestamp,
    /// The first one after it.
    pub(crate) to: Timestamp,
}

/// Another cluster that answers under an instance's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// From when on.
    pub(crate) since: Timestamp,
    /// Its system identifier.
    pub(crate) now: String,
    /// That of the one before.
    pub(crate) before: String,
}

/// Another process of an instance's collector than the one that is taken comes again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubled {
    /// When the one that is taken was heard of first.
    pub(crate) since: Timestamp,
    /// Its host.
    pub(crate) taken: String,
    /// The host of the one that is refused.
    pub(crate) refused: String,
}

/// Rows that are lost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lost {
    /// Whether the server refused them; else the collector lost them.
    pub(crate) rejected: bool,
    pub(crate) reason: String,
    /// As far as that is known.
    pub(crate) rows: i64,
    /// How many readings of sets, at least.
    pub(crate) readings: i64,
}

/// By instance, the newest readings of a set that tell of the moment.
pub(crate) type Times = HashMap<InstanceId, Timestamp>;

fn pairs(times: &Times) -> (Vec<InstanceId>, Vec<Timestamp>) {
    times.iter().map(|(id, time)| (*id, *time)).unzip()
}

const WAITING: &str = "select w.instance_id, count(distinct w.pid) from metrics.lock_waits w
    join unnest($1::int4[], $2::timestamptz[]) m (id, at) on m.id = w.instance_id and m.at = w.time
    group by w.instance_id";

/// Before 14 nobody says since when he waits: then since the first of the readings in a row that show him.
const WAITING_SINCE: &str = "select min(s.since)
    from (select distinct w.pid from metrics.lock_waits w where w.instance_id = $1 and w.time = $2) p
    cross join lateral (
        select min(w.time) as since from metrics.lock_waits w
        where w.instance_id = $1 and w.pid = p.pid and w.time <= $2 and w.time > coalesce((
            select max(r.time) from metrics.readings r
            where r.instance_id = $1 and r.set_name = 'lock_waits' and r.error is null
                and r.time <= $2 and r.time > $2 - interval '1 hour'
                and not exists (select from metrics.lock_waits n
                    where n.instance_id = $1 and n.time = r.time and n.pid = p.pid)), $2 - interval '1 hour')) s";

/// Who is blocked, by instance; one that is not in it has nobody who waits.
pub(crate) async fn blocked(snapshot: &Snapshot, times: &Times) -> Result<HashMap<InstanceId, Blocked>, Error> {
    let (ids, moments) = pairs(times);
    let mut all = HashMap::new();
    for row in snapshot.query(WAITING, &[&ids, &moments]).await? {
        let id: InstanceId = row.get(0);
        let Some(at) = times.get(&id).copied() else { continue };
        let waits = locks::Waits::read(snapshot, id, at).await?;
        let tree = waits.tree(&waits.names(snapshot, id, at).await?);
        let mut longest_ms = waits.oldest_ms();
        if longest_ms.is_none() {
            let since: Option<Timestamp> = snapshot.query_one(WAITING_SINCE, &[&id, &at]).await?.get(0);
            longest_ms = sessions::age_ms(since, at);
        }
        let root = tree.iter().find(|session| session.level == 1).map(holder);
        all.insert(id, Blocked { sessions: waits.blocked(), longest_ms, root });
    }
    Ok(all)
}

fn holder(session: &LockSession) -> Holder {
    if let Some(prepared) = &session.prepared {
        let who = match &prepared.gid {
            Some(gid) => format!("the prepared transaction '{gid}'"),
            None => format!("prepared transaction {}", prepared.xid),
        };
        return Holder { who, idle: false, state: Some("prepared".to_owned()), state_ms: prepared.prepared_ms };
    }
    Holder {
        who: sessions::named(session.pid, session.application_name.as_deref(), session.user.as_deref()),
        idle: session.state.as_deref().is_some_and(is_idle),
        state: session.state.clone(),
        state_ms: session.state_age_ms,
    }
}

fn is_idle(state: &str) -> bool {
    state.starts_with("idle in transaction")
}

const HOLDS: &str = "select distinct a.instance_id from metrics.pg_stat_activity a
    join unnest($1::int4[], $2::timestamptz[]) m (id, at) on m.id = a.instance_id and m.at = a.time
    where a.state like 'idle in transaction%' and (a.xid_age is not null or a.xmin_age is not null)";

const PREPARED: &str = "select distinct p.instance_id from metrics.pg_prepared_xacts p
    join unnest($1::int4[], $2::timestamptz[]) m (id, at) on m.id = p.instance_id and m.at = p.time
    where p.xid is not null";

/// The session that has been idle the longest in a transaction that holds back vacuum, by instance; or the transaction
/// that was prepared before that.
pub(crate) async fn holding(
    snapshot: &Snapshot,
    times: &Times,
    prepared: &Times,
) -> Result<HashMap<InstanceId, Holder>, Error> {
    let (ids, moments) = pairs(times);
    let mut all = HashMap::new();
    for row in snapshot.query(HOLDS, &[&ids, &moments]).await? {
        let id: InstanceId = row.get(0);
        let Some(at) = times.get(&id).copied() else { continue };
        let databases = Names::databases(snapshot, id, at).await?;
        let roles = Names::roles(snapshot, id, at).await?;
        let of = sessions::Of::default();
        let listed = sessions::sessions(snapshot, id, at, &of, &databases, &roles).await?;
        let holds = listed.into_iter().filter(|one| {
            one.state.as_deref().is_some_and(is_idle) && (one.xid_age.is_some() || one.xmin_age.is_some())
        });
        let longest =
            holds.max_by(|one, other| one.state_age_ms.unwrap_or(0.0).total_cmp(&other.state_age_ms.unwrap_or(0.0)));
        all.extend(longest.map(|one| {
            let who = sessions::named(one.pid, Some(&one.application_name), one.user.as_deref());
            (id, Holder { who, idle: true, state: one.state, state_ms: one.state_age_ms })
        }));
    }
    let (ids, moments) = pairs(prepared);
    for row in snapshot.query(PREPARED, &[&ids, &moments]).await? {
        let id: InstanceId = row.get(0);
        let Some(at) = prepared.get(&id).copied() else { continue };
        let Some(first) = transactions::prepared(snapshot, id, at).await?.into_iter().next() else { continue };
        let longer = |held: &Holder| held.state_ms >= first.age_ms;
        if !all.get(&id).is_some_and(longer) {
            let state = Some("prepared".to_owned());
            all.insert(id, Holder { who: first.who, idle: false, state, state_ms: first.age_ms });
        }
    }
    Ok(all)
}

/// Connections of databases and roles that have a limit; those of superusers have none.
const LIMITED: &str = "with used as (
        select s.instance_id, s.datid, s.userid, sum(s.sessions)::int8 as used from metrics.sessions s
        join unnest($1::int4[], $2::timestamptz[]) m (id, at) on m.id = s.instance_id and m.at = s.time
        where s.backend_type = 'client backend' group by 1, 2, 3)
    select d.instance_id, 'database ' || l.datname, d.used, l.datconnlimit::int8
    from (select instance_id, datid, sum(used)::int8 as used from used group by 1, 2) d
    cross join lateral (
        select p.datname, p.datconnlimit from metrics.pg_database p
        where p.instance_id = d.instance_id and p.datid = d.datid and p.valid_from <= $3
            and p.valid_from >= metrics.cluster_since(d.instance_id, $3)
        order by p.valid_from desc limit 1) l
    where l.datconnlimit > 0 and l.datname is not null
    union all
    select u.instance_id, 'role ' || l.rolname, u.used, l.rolconnlimit::int8
    from (select instance_id, userid, sum(used)::int8 as used from used group by 1, 2) u
    cross join lateral (
        select p.rolname, p.rolconnlimit, p.rolsuper from metrics.pg_roles p
        where p.instance_id = u.instance_id and p.roleid = u.userid and p.valid_from <= $3
            and p.valid_from >= metrics.cluster_since(u.instance_id, $3)
        order by p.valid_from desc limit 1) l
    where l.rolconnlimit > 0 and l.rolname is not null and l.rolsuper is not true
    order by 1, 2";

/// What is used of the limits of databases and roles, by instance.
pub(crate) async fn limited(
    snapshot: &Snapshot,
    times: &Times,
    at: Timestamp,
) -> Result<HashMap<InstanceId, Vec<Used>>, Error> {
    let (ids, moments) = pairs(times);
    let mut all: HashMap<InstanceId, Vec<Used>> = HashMap::new();
    for row in snapshot.query(LIMITED, &[&ids, &moments, &at]).await? {
        let one = Used { of: row.get(1), used: row.get(2), limit: row.get(3), reserved: 0 };
        all.entry(row.get(0)).or_default().push(one);
    }
    Ok(all)
}

const LOST: &str = "select d.collector_id, false, d.reason, least(sum(d.rows), 9007199254740991)::int8,
        least(sum(d.readings), 9007199254740991)::int8
    from metrics.discards d where d.collector_id = any($1) and d.at > $2 and d.at <= $3 group by 1, 2, 3
    union all
    select r.collector_id, true, r.reason, least(sum(r.rows), 9007199254740991)::int8, 0
    from metrics.rejected r where r.collector_id = any($1) and r.at > $2 and r.at <= $3 group by 1, 2, 3
    order by 1, 4 desc, 3";

/// A process that ended while its last batch was on its way is refused once.
const DOUBLED: &str = "
    select p.collector_id, p.since, p.hostname, p.refused_hostname from metrics.processes p
    where p.collector_id = any($1) and p.refusals > 1 and p.refused_at > $2 and p.since <= $3";

/// Collectors of which two processes deliver, by their ids.
pub(crate) async fn doubled(
    snapshot: &Snapshot,
    collectors: &[Uuid],
    at: Timestamp,
) -> Result<HashMap<Uuid, Doubled>, Error> {
    let since = at - DOUBLED_FOR;
    let rows = snapshot.query(DOUBLED, &[&collectors, &since, &at]).await?;
    let doubled = |row: &Row| Doubled { since: row.get(1), taken: row.get(2), refused: row.get(3) };
    Ok(rows.iter().map(|row| (row.get(0), doubled(row))).collect())
}

const RESETS: &str = "
    select f.instance_id, max(f.\"end\"), array_agg(distinct f.set_name order by f.set_name) from metrics.flags f
    where f.instance_id = any($1) and f.reason = 'reset' and f.\"end\" > $2 and f.\"end\" <= $3
        and not exists (
            select from metrics.flags c
            where c.instance_id = f.instance_id and c.set_name = f.set_name and c.\"end\" = f.\"end\"
                and c.reason in ('crash_restart', 'replaced'))
    group by 1";

/// Whose statistics somebody reset shortly before a moment; those that a crash took are none.
pub(crate) async fn resets(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    until: Timestamp,
) -> Result<HashMap<InstanceId, Reset>, Error> {
    let since = until - RESETS_WITHIN;
    let rows = snapshot.query(RESETS, &[&ids, &since, &until]).await?;
    Ok(rows.iter().map(|row| (row.get(0), Reset { at: row.get(1), sets: row.get(2) })).collect())
}

/// A slot that nobody used at any reading of the last minutes.
const SLOTS: &str = "select s.instance_id, s.slot_name, s.wal_status = 'lost', s.xmin_age
    from metrics.pg_replication_slots s
    join unnest($1::int4[], $2::timestamptz[]) m (id, at) on m.id = s.instance_id and m.at = s.time
    where s.slot_name is not null and (s.wal_status = 'lost' or s.xmin_age is not null and not exists (
        select from metrics.pg_replication_slots u
        where u.instance_id = s.instance_id and u.slot_name = s.slot_name and u.active
            and u.time > s.time - $3::int8 * interval '1 second' and u.time <= s.time))
    order by s.instance_id, s.wal_status = 'lost' desc, s.xmin_age desc nulls last, s.slot_name";

/// Replication slots that are lost, or hold back vacuum for nobody, by instance.
pub(crate) async fn slots(snapshot: &Snapshot, times: &Times) -> Result<HashMap<InstanceId, Vec<Slot>>, Error> {
    let (ids, moments) = pairs(times);
    let mut all: HashMap<InstanceId, Vec<Slot>> = HashMap::new();
    for row in snapshot.query(SLOTS, &[&ids, &moments, &SLOT_UNUSED_FOR.as_secs()]).await? {
        let one = Slot { name: row.get(1), is_lost: row.get::<_, Option<bool>>(2) == Some(true), xmin_age: row.get(3) };
        all.entry(row.get(0)).or_default().push(one);
    }
    Ok(all)
}

const RESTARTS: &str = "select f.instance_id, f.reason = 'crash_restart', f.start, f.\"end\" from metrics.flags f
    where f.instance_id = any($1) and f.reason in ('restart', 'crash_restart')
        and f.\"end\" > case f.reason when 'restart' then $2::timestamptz else $3::timestamptz end and f.\"end\" <= $4
        and f.set_name <> all($5)
    order by 1, 4 desc";

/// Who was restarted shortly before a moment, the newest time. Each set tells of it between two readings of its own:
/// what they have in common is when it was.
pub(crate) async fn restarts(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    until: Timestamp,
) -> Result<HashMap<InstanceId, Restarted>, Error> {
    let (restarts, crashes) = (until - RESETS_WITHIN, until - CRASHES_WITHIN);
    let mut all: HashMap<InstanceId, Restarted> = HashMap::new();
    // A host or a collector that began anew says nothing of PostgreSQL.
    let beside = |scope: Scope| !matches!(scope, Scope::Instance | Scope::Database);
    let sets = snapshot.catalog().sets().filter(|set| beside(set.definition.scope));
    let beside: Vec<&str> = sets.map(|set| set.name()).collect();
    for row in snapshot.query(RESTARTS, &[&ids, &restarts, &crashes, &until, &beside]).await? {
        let one = Restarted { crashed: row.get(1), from: row.get(2), to: row.get(3) };
        let known = all.entry(row.get(0)).or_insert(one);
        if one.to > known.from && one.from < known.to {
            known.from = known.from.max(one.from);
            known.to = known.to.min(one.to);
            known.crashed |= one.crashed;
        }
    }
    Ok(all)
}

const REPLACED: &str = "select distinct on (c.instance_id) c.instance_id, c.since, c.system_identifier, c.before
    from (
        select k.*, lag(k.system_identifier) over (partition by k.instance_id order by k.since) as before
        from metrics.clusters k where k.instance_id = any($1)) c
    where c.before is not null and c.since > $2 and c.since <= $3
    order by c.instance_id, c.since desc";

/// Where another cluster answers since shortly before a moment.
pub(crate) async fn replaced(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    until: Timestamp,
) -> Result<HashMap<InstanceId, Replaced>, Error> {
    let since = until - REPLACED_WITHIN;
    let rows = snapshot.query(REPLACED, &[&ids, &since, &until]).await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), Replaced { since: row.get(1), now: row.get(2), before: row.get(3) }))
        .collect())
}

/// What collectors lost and what was refused of theirs within the hour before a moment.
pub(crate) async fn lost(
    snapshot: &Snapshot,
    collectors: &[Uuid],
    until: Timestamp,
) -> Result<BTreeMap<Uuid, Vec<Lost>>, Error> {
    let since = until - LOSSES_WITHIN;
    let mut all: BTreeMap<Uuid, Vec<Lost>> = BTreeMap::new();
    for row in snapshot.query(LOST, &[&collectors, &since, &until]).await? {
        let one = Lost { rejected: row.get(1), reason: row.get(2), rows: row.get(3), readings: row.get(4) };
        all.entry(row.get(0)).or_default().push(one);
    }
    Ok(all)
}
