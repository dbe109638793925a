//! The tables that hold back `datfrozenxid` and `datminmxid` of databases.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::{Holder, HolderKind};
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::readings::{self, lists};
use crate::sessions::store::named;

/// The oldest tables of each database, whatever they are.
pub(crate) const SET: &str = "freeze_age";

/// Of each database the oldest by transaction ids, then by multixacts.
const OLDEST: &str = "select distinct on (f.datid_read) f.datid_read, f.{age}, f.schema, f.relname, f.relkind,
        f.relpersistence, coalesce(f.is_shared, false), f.main_relation, f.session_pid, f.session_application_name,
        f.session_userid, f.session_state
    from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
    join metrics.freeze_age f on f.instance_id = $1 and f.time = r.time and f.datid_read = r.datid
    where f.{age} is not null
    order by f.datid_read, f.{age} desc, f.relid";

/// By database, the table with the oldest transaction id and the one with the oldest multixact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oldest {
    pub(crate) xid: HashMap<i64, Holder>,
    pub(crate) mxid: HashMap<i64, Holder>,
}

/// Since this `server_version_num` a session is known by its slot, also while it is idle.
const SLOTS_TELL_SESSIONS: i32 = 160_000;

/// Reads them at the newest readings of the databases that tell of the moment.
pub(crate) async fn oldest(
    snapshot: &Snapshot,
    id: InstanceId,
    moment: Timestamp,
    version_num: Option<i32>,
) -> Result<Oldest, Error> {
    let idle_is_told = version_num.is_some_and(|version| version >= SLOTS_TELL_SESSIONS);
    let times = readings::at(snapshot, id, SET, moment).await?;
    let (datids, moments) = lists(&times);
    let roles = Names::roles(snapshot, id, moment).await?;
    let mut oldest = Oldest::default();
    for (age, by) in [("xid_age", &mut oldest.xid), ("mxid_age", &mut oldest.mxid)] {
        let rows = snapshot.query(&OLDEST.replace("{age}", age), &[&id, &datids, &moments]).await?;
        by.extend(rows.iter().map(|row| (row.get(0), holder(row, &roles, idle_is_told))));
    }
    Ok(oldest)
}

fn holder(row: &Row, roles: &Names, idle_is_told: bool) -> Holder {
    let [schema, relname, relkind, persistence, main]: [Option<String>; 5] =
        [2, 3, 4, 5, 7].map(|nth| row.get::<_, Option<String>>(nth));
    let pid: Option<i32> = row.get(8);
    let application: Option<String> = row.get(9);
    let user = row.get::<_, Option<i64>>(10).map(|oid| roles.of(oid));
    let session = pid.map(|pid| named(pid, application.as_deref(), user.as_deref()));
    let table = Table {
        name: [schema, relname].into_iter().flatten().collect::<Vec<_>>().join("."),
        relkind: relkind.unwrap_or_default(),
        temporary: persistence.as_deref() == Some("t"),
        shared: row.get(6),
        main,
        session,
        idle_is_told,
        state: row.get(11),
    };
    Holder { kind: HolderKind::Table, who: table.words(), pid, age_ms: None, age: row.get(1) }
}

/// What is told of a table.
#[derive(Clone, Debug, Default)]
struct Table {
    name: String,
    relkind: String,
    temporary: bool,
    shared: bool,
    /// The table whose TOAST table it is.
    main: Option<String>,
    /// Whose temporary table it is.
    session: Option<String>,
    /// Whether a session that is idle would be known.
    idle_is_told: bool,
    state: Option<String>,
}

impl Table {
    fn words(&self) -> String {
        let kind = match (self.relkind.as_str(), self.temporary, self.shared) {
            ("m", _, _) => "materialized view ",
            (_, true, _) => "temporary table ",
            (_, _, true) => "shared catalog ",
            _ => "",
        };
        let name = match (&self.main, self.relkind.as_str()) {
            (Some(main), _) => format!("the TOAST table of {main}"),
            (None, "t") => format!("TOAST table {}", self.name),
            (None, _) => self.name.clone(),
        };
        let state = self.state.as_ref().map(|state| format!(", {state}")).unwrap_or_default();
        let whose = match &self.session {
            Some(session) => format!(" of {session}{state}"),
            None if self.temporary && self.idle_is_told => ", whose session is gone".to_owned(),
            None if self.temporary => {
                ", whose session is gone or idle: before 16 PostgreSQL tells it only during a transaction".to_owned()
            }
            None => String::new(),
        };
        format!("{kind}{name}{whose}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_the_freeze_age_is_told_with_its_session() {
        let table = |name: &str, relkind: &str| Table {
            name: name.to_owned(),
            relkind: relkind.to_owned(),
            ..Table::default()
        };
        assert_eq!(table("public.stock", "r").words(), "public.stock");
        assert_eq!(table("public.daily", "m").words(), "materialized view public.daily");
        let toast = Table { main: Some("public.stock".to_owned()), ..table("pg_toast.pg_toast_16402", "t") };
        assert_eq!(toast.words(), "the TOAST table of public.stock");
        let shared = Table { shared: true, ..table("pg_catalog.pg_database", "r") };
        assert_eq!(shared.words(), "shared catalog pg_catalog.pg_database");
        let temporary = Table {
            temporary: true,
            session: Some("session 4711 of etl, role app".to_owned()),
            state: Some("idle".to_owned()),
            ..table("pg_temp_3.cart", "r")
        };
        assert_eq!(temporary.words(), "temporary table pg_temp_3.cart of session 4711 of etl, role app, idle");
        let orphan = Table { session: None, state: None, ..temporary };
        assert_eq!(
            orphan.words(),
            "temporary table pg_temp_3.cart, whose session is gone or idle: before 16 PostgreSQL tells it only during a \
             transaction"
        );
        let gone = Table { idle_is_told: true, ..orphan };
        assert_eq!(gone.words(), "temporary table pg_temp_3.cart, whose session is gone");
    }
}
