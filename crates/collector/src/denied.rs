//! What a statement was denied: the grants that PostgreSQL's own message asks for.
//!
//! The message names a schema, a relation or a function without saying which of those it is, in a language that the
//! role may not choose. So what is granted is whatever it names that the role has no right to.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::read::signed;
use crate::session::Session;

/// The grants, of what stands in the message `$1` as a word. Only what the collector reads: schemas, and relations and
/// functions of PostgreSQL itself and of extensions.
const SQL: &str = "\
select pg_catalog.format('grant %s to %I;', d.lacks, current_user) as statement
from (
  select 1 as place, pg_catalog.format('usage on schema %I', n.nspname) as lacks, n.nspname as name
  from pg_catalog.pg_namespace n
  where not pg_catalog.has_schema_privilege(n.oid, 'usage')
  union all
  select 2, pg_catalog.format('select on %s', c.oid::pg_catalog.regclass), c.relname
  from pg_catalog.pg_class c
  where c.relkind in ('r', 'v') and not pg_catalog.has_table_privilege(c.oid, 'select')
    and (c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = 'pg_catalog')
      or c.relnamespace in (select e.extnamespace from pg_catalog.pg_extension e))
  union all
  select 3, pg_catalog.format('execute on function %s', p.oid::pg_catalog.regprocedure), p.proname
  from pg_catalog.pg_proc p
  where not pg_catalog.has_function_privilege(p.oid, 'execute')
    and (p.pronamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = 'pg_catalog')
      or p.pronamespace in (select e.extnamespace from pg_catalog.pg_extension e))
) d
where pg_catalog.strpos(' ' || $1 || ' ', ' ' || d.name || ' ') > 0
order by d.place, d.lacks";

/// What gives the session's role what it was denied; empty where that is not known.
pub(crate) async fn fix(session: &Session, error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else { return String::new() };
    let ask = async || {
        let rows = session.client.query_typed(&signed(SQL), &[(&said.message(), Type::TEXT)]).await?;
        let statements: Result<Vec<String>, _> = rows.iter().map(|row| session.text(row, "statement")).collect();
        Ok::<_, tokio_postgres::Error>(statements?.join(" "))
    };
    let mut answer = ask().await;
    // A transaction in which something was denied answers nothing more.
    if answer.as_ref().is_err_and(|error| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
        && session.client.execute_typed(&signed("rollback"), &[]).await.is_ok()
    {
        answer = ask().await;
    }
    answer.unwrap_or_else(|error| {
        tracing::debug!(%error, "what was denied cannot be looked up");
        String::new()
    })
}
