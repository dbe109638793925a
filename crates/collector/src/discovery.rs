//! Finds the database from which an extension's views are best read: one in UTF-8 that has the
//! extension in its highest version, else one of no encoding, else any. Looks into one database at a time.

use std::time::{Duration, Instant};

use catalog::Version;
use tokio_postgres::types::Type;

use crate::connect::Connector;
use crate::coverage::Extension;
use crate::helpers::{self, Helpers};
use crate::listing::{self, Listed};
use crate::read::{ReadError, signed};
use crate::refusals::Refusals;
use crate::session::Session;

/// The extension whose views are read once per instance.
pub const EXTENSION: &str = "pg_stat_statements";
/// The pause between two databases that are looked into: a connection costs the instance about 7 ms.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a search that found nothing is believed.
const SEARCH_EVERY: Duration = Duration::from_secs(300);
/// How many databases the first search looks into without pause.
const FIRST_LOOK: usize = 5;
/// How many SQL_ASCII databases are looked into.
const MAX_RAW: usize = 5;
/// The most databases that are named when the extension is in none that could be looked into.
const MAX_NAMED: usize = 3;

/// The encoding of the database that all is read from, where there is one.
pub const UTF8: &str = "UTF8";
/// The encoding of a database that shows texts as the bytes that they are.
const RAW: &str = "SQL_ASCII";

/// The extension `$1` in the connection's database, and the grants that its functions, which the sets read, still take.
/// Part of each cycle.
pub const SQL: &str = "\
select e.extversion::pg_catalog.text as version,
       pg_catalog.quote_ident(n.nspname)::pg_catalog.text as schema,
       pg_catalog.current_setting('server_encoding') as encoding,
       array(select pg_catalog.format('grant usage on schema %I to %I;', n.nspname, current_user)
             where not pg_catalog.has_schema_privilege(n.oid, 'usage')
             union all
             select pg_catalog.format('grant execute on function %s to %I;', p.oid::pg_catalog.regprocedure, current_user)
             from pg_catalog.pg_proc p
             where p.pronamespace = n.oid and p.proname in ($1, $1 || '_info')
               and not pg_catalog.has_function_privilege(p.oid, 'execute')) as grants
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = $1";

/// Who asks: before `pg_monitor` a superuser is shown all, and others what a function of the setup script shows.
const WHO_ASKS: &str = "\
select (select o.rolsuper from pg_catalog.pg_roles o where o.rolname = current_user) as superuser,
       current_user::pg_catalog.text as role";

/// Where the search stands.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    found: Option<Found>,
    candidates: Vec<Listed>,
    searched_at: Option<Instant>,
    looked_at: Option<Instant>,
    raw: Option<Extension>,
    raw_searched_at: Option<Instant>,
    /// Databases that the last search could not look into, and why.
    unread: Vec<String>,
    refusals: Refusals<String>,
}

/// An extension in a database of an encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    extension: Extension,
    encoding: String,
}

impl Found {
    /// How well it can be read, 0 the best; what the role may not use comes last.
    fn rank(&self) -> usize {
        if self.extension.fix.is_empty() { rank(&self.encoding) } else { usize::MAX }
    }
}

impl Discovery {
    /// Where the extension was found.
    #[must_use]
    pub(crate) fn has_looked(&self) -> bool {
        self.looked_at.is_some() || self.searched_at.is_some()
    }

    /// Where it is, as far as that is known.
    pub(crate) fn found(&self) -> Option<&Extension> {
        self.found.as_ref().map(|found| &found.extension)
    }

    /// What could not be looked into while the extension was searched for, if anything.
    #[must_use]
    pub(crate) fn unread(&self) -> Option<String> {
        let (first, more) = self.unread.split_at(self.unread.len().min(MAX_NAMED));
        let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
        (!first.is_empty()).then(|| format!("Not looked into: {}{more}.", first.join("; ")))
    }

    /// Begins anew: the database is gone, or cannot be read. Who refused is still not asked at once.
    pub(crate) fn forget(&mut self) {
        *self = Self { refusals: std::mem::take(&mut self.refusals), ..Self::default() };
    }

    /// Whether the extension in a database is still what was found there; what is there now is kept.
    pub(crate) async fn confirm(&mut self, session: &Session, database: &str) -> Result<bool, ReadError> {
        let there = extension(session, database).await?;
        let same = self.found == there;
        if there.is_none() {
            self.forget();
        } else {
            self.found = there;
        }
        Ok(same)
    }

    /// The extension in a SQL_ASCII database, for texts that are not UTF-8. `session` is any connection.
    pub(crate) async fn raw(&mut self, connector: &Connector, session: &Session) -> Option<Extension> {
        if self.raw.is_none() && self.raw_searched_at.is_none_or(|at| at.elapsed() >= SEARCH_EVERY) {
            self.raw_searched_at = Some(Instant::now());
            let listed = listing::databases(session).await.unwrap_or_default();
            let raw = listed.into_iter().filter(|database| database.encoding == RAW && database.may_connect());
            for database in raw.take(MAX_RAW) {
                let Ok(there) = connector.connect(&database.name).await else { continue };
                if let Ok(Some(found)) = extension(&there, &database.name).await
                    && found.extension.fix.is_empty()
                {
                    self.raw = Some(found.extension);
                    break;
                }
            }
        }
        self.raw.clone()
    }

    /// Looks for the SQL_ASCII database again, after a while.
    pub(crate) fn forget_raw(&mut self) {
        self.raw = None;
    }

    /// Looks further. `main` is the open connection, to the database `main_database`.
    pub(crate) async fn look(
        &mut self,
        connector: &Connector,
        main: &Session,
        main_database: &str,
        selects: impl Fn(&str) -> bool,
    ) {
        if self.found.as_ref().is_none_or(|found| found.extension.database == main_database) {
            match extension(main, main_database).await {
                Ok(found) => self.found = found,
                // What was found before is still believed: nothing says that it is gone.
                Err(error) => tracing::debug!(%error, "cannot look for the extension"),
            }
        }
        // One in another encoding is kept only until all were looked into that may be better; one that the role may not
        // use, until there is a better one.
        let searching = !self.candidates.is_empty() || self.searched_at.is_none();
        let enough = |found: &Found| found.rank() == 0 || !searching && found.extension.fix.is_empty();
        if self.found.as_ref().is_some_and(enough) {
            return;
        }
        let first = self.searched_at.is_none();
        if self.candidates.is_empty() && self.searched_at.is_none_or(|at| at.elapsed() >= SEARCH_EVERY) {
            self.searched_at = Some(Instant::now());
            self.unread.clear();
            match candidates(main, &connector.dsn().dbname).await {
                Ok(listed) => self.keep_candidates(listed, main_database, selects),
                Err(error) => {
                    tracing::warn!(%error, "cannot list databases");
                    self.unread.push(format!("all databases, which cannot be listed ({error})"));
                    return;
                }
            }
        }
        for _ in 0..if first { FIRST_LOOK } else { 1 } {
            if !first && self.looked_at.is_some_and(|at| at.elapsed() < PAUSE) {
                return;
            }
            let Some(database) = self.candidates.pop() else { return };
            // No better one can follow: candidates come in the order of their encodings.
            if self.found.as_ref().is_some_and(|found| found.rank() <= rank(&database.encoding)) {
                self.candidates.clear();
                return;
            }
            self.looked_at = Some(Instant::now());
            let (error, again) = match connector.connect(&database.name).await {
                Ok(session) => match extension(&session, &database.name).await {
                    Ok(there) => {
                        let known = self.found.as_ref();
                        let is_this = known.is_some_and(|known| known.extension.database == database.name);
                        let best = |there: &Found| is_this || known.is_none_or(|known| there.rank() < known.rank());
                        let there = there.filter(best);
                        if is_this || there.is_some() {
                            self.found = there;
                        }
                        // The next candidate ends the search where it cannot be better.
                        continue;
                    }
                    Err(error) => (error.to_string(), true),
                },
                Err(error) => {
                    let refused = error.is_about_database();
                    if refused {
                        self.refusals.refused(&database.name, tokio::time::Instant::now());
                    }
                    (error.to_string(), !refused)
                }
            };
            tracing::debug!(database.name = database.name, error, "cannot look into a database");
            if again {
                // It hangs, or the instance does: after the others, and not in this cycle.
                self.candidates.insert(0, database);
                return;
            }
            self.unread.push(format!("{} ({error})", database.name));
        }
    }

    /// Takes over a list, best first, as what is still to be looked into, best last.
    fn keep_candidates(&mut self, listed: Vec<Listed>, main_database: &str, selects: impl Fn(&str) -> bool) {
        let now = tokio::time::Instant::now();
        for database in listed {
            if database.name == main_database || !selects(&database.name) || !database.may {
                continue;
            }
            match (&database.odd, self.refusals.may_ask(&database.name, now)) {
                (Some(odd), _) => self.unread.push(format!("{} ({odd})", database.name)),
                (None, false) => self.unread.push(format!("{} (it refused the collector not long ago)", database.name)),
                (None, true) => self.candidates.push(database),
            }
        }
        self.candidates.reverse();
    }
}

/// How well all texts can be read from a database of an encoding, 0 the best.
fn rank(encoding: &str) -> usize {
    [UTF8, RAW].iter().position(|known| *known == encoding).unwrap_or(2)
}

/// The extension in one database.
async fn extension(session: &Session, database: &str) -> Result<Option<Found>, ReadError> {
    let sql = signed(SQL);
    let row = session.told(session.client.query_typed_opt(&sql, &[(&EXTENSION, Type::TEXT)])).await?;
    let Some(row) = row else { return Ok(None) };
    let Ok(version) = session.text(&row, "version")?.parse::<Version>() else { return Ok(None) };
    let grants: Vec<String> = session.texts(&row, "grants")?.into_iter().flatten().collect();
    let (mut schema, mut fix) = (session.text(&row, "schema")?, grants.join(" "));
    if session.is_before(helpers::PG_MONITOR_SINCE) {
        if Helpers::functions(session).await?.contains(EXTENSION) {
            (schema, fix) = (helpers::SCHEMA.to_owned(), String::new());
        } else {
            let row = session.told(session.client.query_typed_one(&signed(WHO_ASKS), &[])).await?;
            if !row.try_get::<_, Option<bool>>("superuser")?.unwrap_or(false) {
                fix = helpers::script(database, &session.text(&row, "role")?);
            }
        }
    }
    let extension = Extension { database: database.to_owned(), version, schema, fix };
    Ok(Some(Found { extension, encoding: session.text(&row, "encoding")? }))
}

/// The databases to look into: by encoding, the configured one first, then the busiest.
async fn candidates(session: &Session, configured: &str) -> Result<Vec<Listed>, ReadError> {
    let mut listed = listing::databases(session).await?;
    listed.sort_by_key(|database| {
        (rank(&database.encoding), database.name != configured, std::cmp::Reverse(database.transactions))
    });
    Ok(listed)
}
