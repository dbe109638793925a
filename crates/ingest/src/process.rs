//! Which process of a collector is taken: the newest one that came.
//!
//! Two that run with one identity (a copied state directory) would each count the same work. So a process that was
//! replaced and comes again is refused. What one delivers and what another begins with are in order by the row of
//! their collector, which every batch locks: whoever begins is told all that was stored before.

use deadpool_postgres::Transaction;
use jiff::Timestamp;

use crate::encode::Prepared;
use store::StoreError;

/// The processes before the newest that are remembered of a collector.
const REMEMBERED: i32 = 100;

/// Another process of the collector is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// When it was heard of first.
    pub(crate) since: Timestamp,
    /// Its host; empty where it did not tell.
    pub(crate) hostname: String,
}

/// Enters the process that delivers a batch; answers which other one is taken instead. What tells no process is taken.
pub(crate) async fn enter(transaction: &Transaction<'_>, batch: &Prepared) -> Result<Option<Replaced>, StoreError> {
    let Some(process) = batch.process else { return Ok(None) };
    let (collector, delivers) = (batch.collector_id, batch.key.is_some());
    let statement = transaction
        .prepare_cached(
            "update metrics.processes set
                 delivered = case when $3::boolean then process else delivered end,
                 delivered_at = case when $3::boolean then now() else delivered_at end
             where collector_id = $1 and process = $2::uuid",
        )
        .await?;
    if transaction.execute(&statement, &[&collector, &process, &delivers]).await? == 1 {
        return Ok(None);
    }
    let statement = transaction
        .prepare_cached(
            "insert into metrics.processes as p (collector_id, process, since, hostname, delivered, delivered_at)
             values ($1, $2::uuid, $6::timestamptz, $3::text, case when $4::boolean then $2::uuid end,
                 case when $4::boolean then now() end)
             on conflict (collector_id) do update set
                 process = excluded.process, since = excluded.since, hostname = excluded.hostname,
                 delivered = coalesce(excluded.delivered, p.delivered),
                 delivered_at = coalesce(excluded.delivered_at, p.delivered_at),
                 replaced = (p.process || p.replaced)[:$5::int4], refusals = 0
             where excluded.process <> p.process and excluded.process <> all(p.replaced)",
        )
        .await?;
    let hostname = &batch.hostname;
    let entered = transaction
        .execute(&statement, &[&collector, &process, hostname, &delivers, &REMEMBERED, &batch.arrived])
        .await?;
    if entered == 1 {
        return Ok(None);
    }
    // The one that comes is remembered the longest: while it comes it is refused.
    let statement = transaction
        .prepare_cached(
            "update metrics.processes set
                 replaced = $2::uuid || array_remove(replaced, $2::uuid), refusals = refusals + 1, refused_at = $4::timestamptz,
                 refused_hostname = $3::text
             where collector_id = $1 and $2::uuid = any(replaced) returning since, hostname",
        )
        .await?;
    let row = transaction.query_opt(&statement, &[&collector, &process, hostname, &batch.arrived]).await?;
    Ok(row.map(|row| Replaced { since: row.get(0), hostname: row.get(1) }))
}
