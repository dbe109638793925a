//! Functions of the setup script that show an old PostgreSQL's role what no grant can show it.
//!
//! Before 10 there is no `pg_monitor`, and before 11 files are for superusers, whatever is granted. There
//! `packaging/monitoring-role.sql` makes functions in a schema of their own, each with the name, the arguments and the
//! columns of what it stands for. Statements are written for the original; where there is such a function, and it is a
//! superuser's, they are read through it. Pure, but for the question which of them there are.

use std::collections::BTreeSet;

use crate::coverage::identifier;
use crate::read::{ReadError, signed};
use crate::session::Session;

/// The schema of the functions.
pub(crate) const SCHEMA: &str = "pganalytics";

/// The first version on which no set needs them.
pub(crate) const NEEDED_BEFORE: u32 = 110_000;
/// The first version with `pg_monitor`.
pub(crate) const PG_MONITOR_SINCE: u32 = 100_000;

/// What a function of the setup script stands for.
#[derive(Debug)]
struct Stand {
    /// Its name, and that of the original in `pg_catalog`.
    name: &'static str,
    /// Whether the original is a function; else it is a view.
    function: bool,
    /// The version from which the original is there, as the statements call it.
    since: u32,
    /// The version from which a grant does it.
    until: u32,
}

const STANDS: [Stand; 6] = [
    Stand { name: "pg_stat_activity", function: false, since: 0, until: PG_MONITOR_SINCE },
    Stand { name: "pg_stat_replication", function: false, since: 0, until: PG_MONITOR_SINCE },
    Stand { name: "pg_stat_wal_receiver", function: false, since: 90_600, until: PG_MONITOR_SINCE },
    Stand { name: "pg_settings", function: false, since: 0, until: PG_MONITOR_SINCE },
    Stand { name: "pg_ls_waldir", function: true, since: 100_000, until: PG_MONITOR_SINCE },
    // With a second argument.
    Stand { name: "pg_stat_file", function: true, since: 90_500, until: NEEDED_BEFORE },
];

/// Those in a session's database that its role may execute. One that is not a superuser's shows nothing more, and is not
/// the script's: whoever may create in the database could have made it.
const SQL: &str = "\
select p.proname::pg_catalog.text as name
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_roles o on o.oid = p.proowner
where n.nspname = 'pganalytics' and p.prosecdef and o.rolsuper
  and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_function_privilege(p.oid, 'execute')";

/// What helps a role to read an old PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helpers {
    /// `server_version_num`.
    pub version_num: u32,
    /// Whether the role may read everything itself.
    pub superuser: bool,
    /// The functions of the setup script that it may execute.
    pub functions: BTreeSet<String>,
    /// The database and the role: what the script is to be run for.
    pub database: String,
    /// See there.
    pub role: String,
}

impl Helpers {
    /// The functions that are there; none is asked for where none is needed.
    pub(crate) async fn functions(session: &Session) -> Result<BTreeSet<String>, ReadError> {
        if !session.is_before(NEEDED_BEFORE) {
            return Ok(BTreeSet::new());
        }
        let rows = session.told(session.client.query_typed(&signed(SQL), &[])).await?;
        Ok(rows.iter().map(|row| session.text(row, "name")).collect::<Result<_, _>>()?)
    }

    /// A statement as this role reads it: through the functions that are there.
    pub(crate) fn through(&self, sql: &str) -> String {
        let mut read = sql.to_owned();
        for stand in self.stands().filter(|stand| self.functions.contains(stand.name)) {
            for (at, end) in mentions(&read, stand.name).into_iter().rev() {
                let call = if stand.function { "" } else { "()" };
                read.replace_range(at..end, &format!("{SCHEMA}.{}{call}", stand.name));
            }
        }
        read
    }

    /// What a statement reads and this role is not shown; a function is missing altogether where it is not there.
    pub(crate) fn lacks(&self, sql: &str) -> Vec<&'static str> {
        let shown =
            |stand: &&Stand| self.functions.contains(stand.name) || self.superuser && self.version_num >= stand.since;
        let mentioned = |stand: &&Stand| !mentions(sql, stand.name).is_empty();
        self.stands().filter(mentioned).filter(|stand| !shown(stand)).map(|stand| stand.name).collect()
    }

    /// Whether functions of the setup script, and not a grant, are what a role is to have on this version.
    pub(crate) fn instead_of_grants(&self) -> bool {
        self.version_num < PG_MONITOR_SINCE
    }

    /// What makes the functions.
    pub(crate) fn script(&self) -> String {
        script(&self.database, &self.role)
    }

    fn stands(&self) -> impl Iterator<Item = &'static Stand> {
        let version_num = self.version_num;
        STANDS.iter().filter(move |stand| version_num < stand.until)
    }
}

/// What makes the functions in a database.
pub(crate) fn script(database: &str, role: &str) -> String {
    let word = |name: &str| if identifier(name) == name { name.to_owned() } else { quoted(name) };
    format!("psql -X -v role={} -d {} -f monitoring-role.sql -- as a superuser", word(role), word(database))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Where a statement names something of `pg_catalog`.
fn mentions(sql: &str, name: &str) -> Vec<(usize, usize)> {
    let written = format!("pg_catalog.{name}");
    let goes_on = |end: usize| sql[end..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let begins = |at: usize| !sql[..at].ends_with(|before: char| before.is_alphanumeric() || "_.".contains(before));
    let found = sql.match_indices(&written).map(|(at, _)| (at, at + written.len()));
    found.filter(|(at, end)| begins(*at) && !goes_on(*end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version_num: u32, superuser: bool, functions: &[&str]) -> Helpers {
        let functions = functions.iter().map(|name| (*name).to_owned()).collect();
        Helpers { version_num, superuser, functions, ..Helpers::default() }
    }

    #[test]
    fn a_statement_is_read_through_what_is_there() {
        let sql = "select from pg_catalog.pg_stat_activity as a join pg_catalog.pg_stat_activity_more() \
                   join lateral pg_catalog.pg_stat_file(x, true) as f on true";
        let helped = at(90_624, false, &["pg_stat_activity", "pg_stat_file"]);
        assert_eq!(
            helped.through(sql),
            "select from pganalytics.pg_stat_activity() as a join pg_catalog.pg_stat_activity_more() \
             join lateral pganalytics.pg_stat_file(x, true) as f on true"
        );
        assert!(helped.lacks(sql).is_empty());
        assert_eq!(at(90_624, false, &[]).lacks(sql), ["pg_stat_activity", "pg_stat_file"]);
        // A superuser needs it only for what is not there yet.
        assert!(at(90_624, true, &[]).lacks(sql).is_empty());
        assert_eq!(at(90_426, true, &[]).lacks(sql), ["pg_stat_file"]);
        // From 10 on a grant shows sessions, from 11 on files too.
        assert_eq!(at(100_023, false, &["pg_stat_activity"]).lacks(sql), ["pg_stat_file"]);
        let today = at(110_022, false, &["pg_stat_file"]);
        assert!(today.lacks(sql).is_empty());
        assert_eq!(today.through(sql), sql);
    }

    #[test]
    fn the_script_is_called_for_names_of_every_kind() {
        assert_eq!(
            script("it's", "monitor"),
            r"psql -X -v role=monitor -d 'it'\''s' -f monitoring-role.sql -- as a superuser"
        );
    }
}
