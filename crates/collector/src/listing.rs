//! The list of an instance's databases. A name is bytes to PostgreSQL, and a connection asks for one by its bytes.

use crate::foreign;
use crate::read::{ReadError, signed};
use crate::session::{Bytes, Session};

/// A database as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) datid: i64,
    /// Its name, marked where it cannot be read.
    pub(crate) name: String,
    pub(crate) encoding: String,
    /// Whether the collector's role may connect to it.
    pub(crate) may: bool,
    /// The grant that lets the role in where only that is missing.
    pub(crate) admission: Option<String>,
    /// Why it cannot be asked for all the same.
    pub(crate) odd: Option<String>,
    /// Whether the connection that was asked goes to it.
    pub(crate) open: bool,
    /// Its transactions since its statistics were reset.
    pub(crate) transactions: i64,
}

impl Listed {
    /// Whether a connection to it may be asked for.
    pub(crate) fn may_connect(&self) -> bool {
        self.may && self.odd.is_none()
    }
}

/// What gives a database whose name is not UTF-8 another one, by its id.
pub(crate) fn rename(datid: i64) -> String {
    format!(
        "do $$ begin execute (select pg_catalog.format('alter database %I rename to new_name', d.datname) \
         from pg_catalog.pg_database d where d.oid = {datid}); end $$;"
    )
}

/// All databases. None at all is an error: the one that is asked is one.
pub(crate) async fn databases(session: &Session) -> Result<Vec<Listed>, ReadError> {
    let rows = session
        .told(session.client.query_typed(
            &signed(
                "select d.oid::pg_catalog.int8 as datid, d.datname::pg_catalog.text as name,
                    pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text as encoding,
                    d.datallowconn and not d.datistemplate and d.datconnlimit not in (0, -2) as is_open,
                    case when not pg_catalog.has_database_privilege(d.oid, 'connect')
                        then pg_catalog.format('grant connect on database %I to %I;', d.datname, current_user)
                    end as admission,
                    d.datname = pg_catalog.current_database() as open,
                    coalesce(s.xact_commit + s.xact_rollback, 0)::pg_catalog.int8 as transactions
             from pg_catalog.pg_database d
             left join pg_catalog.pg_stat_database s on s.datid = d.oid",
            ),
            &[],
        ))
        .await?;
    if rows.is_empty() {
        let reason = "the list of databases is empty, which cannot be".to_owned();
        return Err(ReadError::Shape { column: "datname".to_owned(), reason });
    }
    let listed = rows.iter().map(|row| {
        let Bytes(name) = row.try_get("name")?;
        let name = name.unwrap_or_default();
        // The protocol's client takes names in UTF-8 only.
        let odd = std::str::from_utf8(name).is_err().then(|| {
            format!(
                "its name, the bytes {}, is not UTF-8, and a connection cannot be asked for otherwise",
                foreign::escaped(name)
            )
        });
        let (is_open, admission) = (row.try_get("is_open")?, session.known_text(row, "admission")?);
        Ok(Listed {
            datid: row.try_get("datid")?,
            name: session.read(name).into_owned(),
            encoding: session.text(row, "encoding")?,
            may: is_open && admission.is_none(),
            admission: admission.filter(|_| is_open),
            odd,
            open: row.try_get("open")?,
            transactions: row.try_get("transactions")?,
        })
    });
    listed.collect()
}
