//! Names of databases and roles, and texts of statements.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::model::TextState;
use super::store::{Key, Worked};
use crate::infos;
use crate::reader::{InstanceId, Snapshot};

/// The text that redaction leaves where nothing else is left.
const MASK: &str = "'***'";

/// Names by oid, as they were at the end of a range; of what is gone, its last name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: HashMap<i64, String>,
}

impl Names {
    pub(crate) async fn databases(
        snapshot: &Snapshot,
        instance: InstanceId,
        at: Timestamp,
    ) -> Result<Self, tokio_postgres::Error> {
        Self::read(snapshot, "pg_database", ["datid", "datname"], instance, at).await
    }

    pub(crate) async fn roles(
        snapshot: &Snapshot,
        instance: InstanceId,
        at: Timestamp,
    ) -> Result<Self, tokio_postgres::Error> {
        Self::read(snapshot, "pg_roles", ["roleid", "rolname"], instance, at).await
    }

    async fn read(
        snapshot: &Snapshot,
        set: &str,
        [oid, name]: [&str; 2],
        instance: InstanceId,
        at: Timestamp,
    ) -> Result<Self, tokio_postgres::Error> {
        let sql = format!("select n.{oid}, n.{name} from ({}) n", infos::nearest(set, &[oid], name));
        let rows = snapshot.query(&sql, &[&instance, &at]).await?;
        Ok(Self { names: rows.iter().map(|row| (row.get(0), row.get(1))).collect() })
    }

    #[cfg(test)]
    pub(crate) fn known<const N: usize>(names: [(i64, &str); N]) -> Self {
        Self { names: names.into_iter().map(|(oid, name)| (oid, name.to_owned())).collect() }
    }

    /// The name of an oid, or the oid.
    pub(crate) fn of(&self, oid: i64) -> String {
        self.names.get(&oid).cloned().unwrap_or_else(|| oid.to_string())
    }

    /// The oids that are meant by a name or number: a name may have been given anew.
    pub(crate) fn oids(&self, wanted: &str) -> Vec<i64> {
        let named = self.names.iter().filter(|(_, name)| *name == wanted).map(|(oid, _)| *oid);
        named.chain(wanted.parse().ok()).collect()
    }

    /// Whether an oid is the one that is meant by a name or number.
    pub(crate) fn is(&self, oid: i64, wanted: &str) -> bool {
        self.names.get(&oid).is_some_and(|name| name == wanted) || oid.to_string() == wanted
    }
}

/// What monitoring itself runs: signed statements of roles that collectors use. Either alone would not do, as others
/// may use the same role, and anybody can copy a text.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    roles: HashSet<i64>,
    /// Database and queryid.
    signed: HashSet<(i64, i64)>,
}

impl Watchers {
    pub(crate) async fn of(
        snapshot: &Snapshot,
        instance: InstanceId,
        at: Timestamp,
        all: &[Worked],
    ) -> Result<Self, tokio_postgres::Error> {
        let sql = "select distinct roleid from metrics.pg_roles where instance_id = $1 and collects
                     and valid_from >= (select metrics.cluster_since($1, $2))
                     and valid_from < (select metrics.cluster_until($1, $2))";
        let rows = snapshot.query(sql, &[&instance, &at]).await?;
        let roles: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
        let theirs = all.iter().filter(|worked| roles.contains(&worked.key.userid));
        let queryids: Vec<i64> = theirs.map(|worked| worked.key.queryid).collect();
        if queryids.is_empty() {
            return Ok(Self::default());
        }
        let sql = "select dbid, queryid from metrics.texts
                 where instance_id = $1 and queryid = any ($2) and right(query, length($3)) = $3";
        let rows = snapshot.query(sql, &[&instance, &queryids, &catalog::SIGNATURE]).await?;
        Ok(Self { roles, signed: rows.iter().map(|row| (row.get(0), row.get(1))).collect() })
    }

    /// Whether monitoring ran it.
    pub(crate) fn run(&self, key: Key) -> bool {
        self.roles.contains(&key.userid) && self.signed.contains(&(key.dbid, key.queryid))
    }
}

/// The text of a statement as it may be shown, and what is known of it.
pub(crate) fn shown(text: String) -> (Option<String>, Option<TextState>) {
    if text.trim() == MASK { (None, Some(TextState::Hidden)) } else { (Some(text), Some(TextState::Ok)) }
}

/// Texts by database and queryid.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    texts: HashMap<(i64, i64), String>,
    readable: bool,
}

impl Texts {
    /// The texts of statements of the cluster that answered at a moment; of several majors the instance's own.
    pub(crate) async fn of(
        snapshot: &Snapshot,
        instance: InstanceId,
        at: Timestamp,
        queryids: &[i64],
        readable: bool,
    ) -> Result<Self, tokio_postgres::Error> {
        let sql = "select distinct on (t.dbid, t.queryid) t.dbid, t.queryid, t.query
                 from metrics.texts t join metrics.instances i on i.id = t.instance_id
                 where t.instance_id = $1 and t.queryid = any ($2)
                     and t.captured_at >= metrics.cluster_since($1, $3)
                     and t.captured_at < metrics.cluster_until($1, $3)
                 order by t.dbid, t.queryid, t.major = i.version_num / 10000 desc, t.captured_at desc";
        let rows = snapshot.query(sql, &[&instance, &queryids, &at]).await?;
        Ok(Self { texts: rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect(), readable })
    }

    /// The text of a statement that did nothing: of any database that has one; `None` where it was never seen.
    pub(crate) fn any(&self) -> Option<(Option<&str>, TextState)> {
        let (dbid, queryid) = self.texts.keys().min()?;
        Some(self.get(*dbid, *queryid))
    }

    /// The text of a statement of any database.
    pub(crate) fn of_any(&self, queryid: i64) -> (Option<&str>, TextState) {
        let dbid = self.texts.keys().filter(|(_, other)| *other == queryid).map(|(dbid, _)| *dbid).min();
        self.get(dbid.unwrap_or_default(), queryid)
    }

    /// The text of a statement; one text serves all databases where it ran with the same queryid.
    pub(crate) fn get(&self, dbid: i64, queryid: i64) -> (Option<&str>, TextState) {
        let own = self.texts.get(&(dbid, queryid));
        match own {
            Some(text) if text.trim() == MASK => (None, TextState::Hidden),
            Some(text) => (Some(text), TextState::Ok),
            None if self.readable => (None, TextState::NotCaptured),
            None => (None, TextState::NotReadable),
        }
    }
}
