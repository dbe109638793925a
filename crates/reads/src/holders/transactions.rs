//! Open transactions and snapshots: of sessions, prepared ones, and those that replication slots keep.

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::{Holder, HolderKind};
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::sessions::store::{ACTIVITY, age_ms, named};
use crate::slots::store as slots;
use judgement::span::spell_ms;

/// The set of prepared transactions.
pub(crate) const PREPARED: &str = "pg_prepared_xacts";

/// A parallel worker is its leader; who sends WAL for as long as it is connected has only its standby's snapshot.
const SESSIONS: &str = "select pid, coalesce(backend_type, ''), application_name, datid, userid, state,
        case when isfinite(xact_start) then xact_start end, case when isfinite(state_change) then state_change end,
        greatest(xid_age, xmin_age)
    from metrics.pg_stat_activity
    where instance_id = $1 and time = $2 and pid is not null and leader_pid is null
    order by pid";

const PREPARED_AT: &str = "select xid, gid, datid, userid, (prepared_age / 1000.0)::float8, xid_age
    from metrics.pg_prepared_xacts where instance_id = $1 and time = $2 and xid is not null
    order by prepared_age desc nulls last, xid";

const SLOTS: &str = "select slot_name, xmin_age from metrics.pg_replication_slots
    where instance_id = $1 and time = $2 and slot_name is not null and xmin_age is not null
    order by slot_name";

/// The oldest of a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oldest {
    /// Who has the oldest transaction.
    pub(crate) transaction: Option<Holder>,
    /// Who has the oldest snapshot or transaction id: VACUUM removes nothing newer.
    pub(crate) xmin: Option<Holder>,
}

/// Reads them, each from the newest reading of its set that tells of the moment.
pub(crate) async fn oldest(snapshot: &Snapshot, id: InstanceId, moment: Timestamp) -> Result<Oldest, Error> {
    let mut all = sessions(snapshot, id, moment).await?;
    if let Some(at) = readings::at(snapshot, id, PREPARED, moment).await? {
        all.extend(prepared(snapshot, id, at).await?);
    }
    if let Some(at) = readings::at(snapshot, id, slots::SET, moment).await? {
        all.extend(snapshot.query(SLOTS, &[&id, &at]).await?.iter().map(|row| Holder {
            kind: HolderKind::ReplicationSlot,
            who: format!("replication slot {}", row.get::<_, String>(0)),
            pid: None,
            age_ms: None,
            age: row.get(1),
        }));
    }
    let by_time = all.iter().filter(|one| one.age_ms.is_some());
    let by_age = all.iter().filter(|one| one.age.is_some());
    let longer = |one: &Holder, other: &Holder| one.age_ms.unwrap_or(0.0).total_cmp(&other.age_ms.unwrap_or(0.0));
    let transaction = by_time.max_by(|one, other| longer(one, other));
    // Many have the snapshot that one transaction keeps: theirs began later.
    let xmin = by_age.max_by(|one, other| one.age.cmp(&other.age).then_with(|| longer(one, other)));
    Ok(Oldest { transaction: transaction.cloned(), xmin: xmin.cloned() })
}

async fn sessions(snapshot: &Snapshot, id: InstanceId, moment: Timestamp) -> Result<Vec<Holder>, Error> {
    let Some(at) = readings::at(snapshot, id, ACTIVITY, moment).await? else { return Ok(Vec::new()) };
    let (databases, roles) = names(snapshot, id, at).await?;
    let read = readings::by_instance(snapshot, id, ACTIVITY, at).await?;
    let rows = snapshot.query(SESSIONS, &[&id, &at]).await?;
    Ok(rows.iter().map(|row| session(row, read, &databases, &roles)).collect())
}

fn session(row: &Row, read: Timestamp, databases: &Names, roles: &Names) -> Holder {
    let pid: i32 = row.get(0);
    let backend_type: String = row.get(1);
    let application: Option<String> = row.get(2);
    let of = |oid: Option<i64>, names: &Names| oid.filter(|oid| *oid != 0).map(|oid| names.of(oid));
    let feeds = backend_type == "walsender";
    let who = match backend_type.as_str() {
        "walsender" => format!("{}, which feeds a standby or receiver", named(pid, application.as_deref(), None)),
        "client backend" | "" => named(pid, application.as_deref(), of(row.get(4), roles).as_deref()),
        other => format!("{other} {pid}"),
    };
    let within = of(row.get(3), databases).map(|database| format!(" in {database}")).unwrap_or_default();
    let state: Option<String> = row.get(5);
    let length = age_ms(row.get(7), read).map(|ms| format!(" for {}", spell_ms(ms))).unwrap_or_default();
    let state = state.filter(|_| !feeds).map(|state| format!(", {state}{length}")).unwrap_or_default();
    Holder {
        kind: HolderKind::Session,
        who: format!("{who}{within}{state}"),
        pid: Some(pid),
        age_ms: age_ms(row.get(6), read).filter(|_| !feeds),
        age: row.get(8),
    }
}

/// The prepared transactions of a reading, the one that was prepared first before the others.
pub(crate) async fn prepared(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Vec<Holder>, Error> {
    let (databases, roles) = names(snapshot, id, at).await?;
    let rows = snapshot.query(PREPARED_AT, &[&id, &at]).await?;
    let one = |row: &Row| {
        let name = row.get::<_, Option<String>>(1).map_or_else(
            || format!("prepared transaction {}", row.get::<_, i64>(0)),
            |gid| format!("the prepared transaction '{gid}'"),
        );
        let of = row.get::<_, Option<i64>>(3).map(|oid| format!(" of {}", roles.of(oid))).unwrap_or_default();
        let within = row.get::<_, Option<i64>>(2).map(|oid| format!(" in {}", databases.of(oid))).unwrap_or_default();
        Holder {
            kind: HolderKind::PreparedTransaction,
            who: format!("{name}{of}{within}"),
            pid: None,
            age_ms: row.get(4),
            age: row.get(5),
        }
    };
    Ok(rows.iter().map(one).collect())
}

async fn names(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<(Names, Names), Error> {
    Ok((Names::databases(snapshot, id, at).await?, Names::roles(snapshot, id, at).await?))
}
