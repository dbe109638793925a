//! Finds the database from which an extension's views are best read: one in UTF-8 that has the
//! extension in its highest version. Looks into one database at a time.

use std::time::{Duration, Instant};

use catalog::Version;
use tokio_postgres::Client;

use crate::connect::Connector;
use crate::coverage::Extension;
use crate::read::{ReadError, signed};

/// The extension whose views are read once per instance.
pub const EXTENSION: &str = "pg_stat_statements";
/// The pause between two databases that are looked into: a connection costs the instance about 7 ms.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a search that found nothing is believed.
const SEARCH_EVERY: Duration = Duration::from_secs(300);
/// How many databases the first search looks into without pause.
const FIRST_LOOK: usize = 5;

/// The encoding of the database that all is read from.
pub const UTF8: &str = "UTF8";
/// The encoding of a database that shows texts as the bytes that they are.
const RAW: &str = "SQL_ASCII";

/// The extension `$1` in the connection's database, where that has the encoding `$2`. Part of each cycle.
pub const SQL: &str = "\
select e.extversion::pg_catalog.text as version,
       pg_catalog.quote_ident(n.nspname)::pg_catalog.text as schema
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = $1 and pg_catalog.current_setting('server_encoding') = $2";

/// Where the search stands.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    found: Option<Extension>,
    candidates: Vec<String>,
    searched_at: Option<Instant>,
    looked_at: Option<Instant>,
    raw: Option<Extension>,
    raw_searched_at: Option<Instant>,
}

impl Discovery {
    /// Where the extension was found.
    #[must_use]
    pub(crate) fn found(&self) -> Option<&Extension> {
        self.found.as_ref()
    }

    /// Begins anew: the database is gone, or cannot be read.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether the extension in a database is still what was found there; what is there now is kept.
    pub(crate) async fn confirm(&mut self, client: &Client, database: &str) -> Result<bool, ReadError> {
        let there = extension(client, database, UTF8).await?;
        let same = self.found == there;
        if there.is_none() {
            self.forget();
        } else {
            self.found = there;
        }
        Ok(same)
    }

    /// The extension in a SQL_ASCII database, for texts that are not UTF-8. `client` is any connection.
    pub(crate) async fn raw(&mut self, connector: &Connector, client: &Client) -> Option<Extension> {
        if self.raw.is_none() && self.raw_searched_at.is_none_or(|at| at.elapsed() >= SEARCH_EVERY) {
            self.raw_searched_at = Some(Instant::now());
            for database in raw_candidates(client).await.unwrap_or_default() {
                let Ok(session) = connector.connect(&database).await else { continue };
                if let Ok(Some(found)) = extension(&session.client, &database, RAW).await {
                    self.raw = Some(found);
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
        main: &Client,
        main_database: &str,
        selects: impl Fn(&str) -> bool,
    ) {
        if self.found.as_ref().is_none_or(|found| found.database == main_database) {
            match extension(main, main_database, UTF8).await {
                Ok(found) => self.found = found,
                Err(error) => tracing::debug!(%error, "cannot look for the extension"),
            }
        }
        if self.found.is_some() {
            return;
        }
        let first = self.searched_at.is_none();
        if self.candidates.is_empty() && self.searched_at.is_none_or(|at| at.elapsed() >= SEARCH_EVERY) {
            self.searched_at = Some(Instant::now());
            self.candidates = match candidates(main, &connector.dsn().dbname).await {
                Ok(names) => names.into_iter().filter(|name| name != main_database && selects(name)).rev().collect(),
                Err(error) => {
                    tracing::debug!(%error, "cannot list databases");
                    return;
                }
            };
        }
        for _ in 0..if first { FIRST_LOOK } else { 1 } {
            if !first && self.looked_at.is_some_and(|at| at.elapsed() < PAUSE) {
                return;
            }
            let Some(database) = self.candidates.pop() else { return };
            self.looked_at = Some(Instant::now());
            let (error, again) = match connector.connect(&database).await {
                Ok(session) => match extension(&session.client, &database, UTF8).await {
                    Ok(None) => continue,
                    Ok(found) => {
                        self.found = found;
                        return;
                    }
                    Err(error) => (error.to_string(), true),
                },
                Err(error) => (error.to_string(), !error.is_about_database()),
            };
            tracing::debug!(database.name = database, error, "cannot look into a database");
            if again {
                // It hangs, or the instance does: after the others, and not in this cycle.
                self.candidates.insert(0, database);
                return;
            }
        }
    }
}

/// The extension in one database of an encoding.
async fn extension(client: &Client, database: &str, encoding: &str) -> Result<Option<Extension>, ReadError> {
    let row = client
        .query_typed_opt(
            &signed(SQL),
            &[(&EXTENSION, tokio_postgres::types::Type::TEXT), (&encoding, tokio_postgres::types::Type::TEXT)],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let version: String = row.try_get("version")?;
    let Ok(version) = version.parse::<Version>() else { return Ok(None) };
    Ok(Some(Extension { database: database.to_owned(), version, schema: row.try_get("schema")? }))
}

/// The first few SQL_ASCII databases.
async fn raw_candidates(client: &Client) -> Result<Vec<String>, ReadError> {
    let rows = client
        .query_typed(
            &signed(
                "select d.datname::pg_catalog.text
                 from pg_catalog.pg_database d
                 where pg_catalog.pg_encoding_to_char(d.encoding) = $1
                   and d.datallowconn and not d.datistemplate and d.datconnlimit <> 0
                   and pg_catalog.has_database_privilege(d.oid, 'connect')
                 order by d.oid
                 limit 5",
            ),
            &[(&RAW, tokio_postgres::types::Type::TEXT)],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0).map_err(ReadError::from)).collect()
}

/// The databases to look into, the configured one first, then the busiest.
async fn candidates(client: &Client, configured: &str) -> Result<Vec<String>, ReadError> {
    let rows = client
        .query_typed(
            &signed(
                "select d.datname::pg_catalog.text
                 from pg_catalog.pg_database d
                 left join pg_catalog.pg_stat_database s on s.datid = d.oid
                 where d.datallowconn and not d.datistemplate and d.datconnlimit <> 0
                   and pg_catalog.has_database_privilege(d.oid, 'connect')
                 order by d.datname <> $1, s.xact_commit desc nulls last",
            ),
            &[(&configured, tokio_postgres::types::Type::TEXT)],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0).map_err(ReadError::from)).collect()
}
