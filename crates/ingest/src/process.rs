//! Which process of a collector is taken: the newest one that came.
//!
//! Two that run with one identity (a copied state directory) would each count the same work. So a process that was
//! replaced and comes again is refused. What one delivers and what another begins with are in order by the row of
//! their collector, which every batch locks: whoever begins is told all that was stored before.

use std::collections::HashSet;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use uuid::Uuid;

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

/// Batches of one process that follow each other.
struct Run {
    collector: Uuid,
    process: Uuid,
    /// Whether any of them is to be stored.
    delivers: bool,
    hostname: String,
    arrived: Timestamp,
    batches: Vec<usize>,
}

/// Enters the processes that deliver these batches, in the order of their keys; answers for each which other one is
/// taken instead. What tells no process is taken.
pub(crate) async fn enter(
    transaction: &Transaction<'_>,
    group: &[&Prepared],
) -> Result<Vec<Option<Replaced>>, StoreError> {
    let mut replaced = vec![None; group.len()];
    for runs in rounds(group) {
        let taken = take(transaction, &runs).await?;
        for run in runs.iter().filter(|run| !taken.contains(&run.collector)) {
            let instead = refuse(transaction, run).await?;
            for nth in &run.batches {
                replaced[*nth].clone_from(&instead);
            }
        }
    }
    Ok(replaced)
}

/// Runs that can be entered together, of each collector one. Two processes of one collector in a group are rare: the
/// second comes in the second round, when the first has locked the row.
fn rounds(group: &[&Prepared]) -> Vec<Vec<Run>> {
    let mut rounds: Vec<Vec<Run>> = Vec::new();
    let (mut last, mut round) = (None, 0);
    for (nth, batch) in group.iter().enumerate() {
        let Some(process) = batch.process else { continue };
        let (collector, delivers) = (batch.collector_id, batch.key.is_some());
        if last == Some((collector, process))
            && let Some(run) = rounds.get_mut(round).and_then(|runs| runs.last_mut())
        {
            run.delivers |= delivers;
            run.batches.push(nth);
            continue;
        }
        round = if last.is_some_and(|(before, _)| before == collector) { round + 1 } else { 0 };
        last = Some((collector, process));
        if rounds.len() == round {
            rounds.push(Vec::new());
        }
        let (hostname, arrived) = (batch.hostname.clone(), batch.arrived);
        rounds[round].push(Run { collector, process, delivers, hostname, arrived, batches: vec![nth] });
    }
    rounds
}

/// Enters one process of each collector; answers of which collectors it is taken. The rows of the others are locked too.
async fn take(transaction: &Transaction<'_>, runs: &[Run]) -> Result<HashSet<Uuid>, StoreError> {
    let collectors: Vec<Uuid> = runs.iter().map(|run| run.collector).collect();
    let processes: Vec<Uuid> = runs.iter().map(|run| run.process).collect();
    let delivers: Vec<bool> = runs.iter().map(|run| run.delivers).collect();
    let hostnames: Vec<&str> = runs.iter().map(|run| run.hostname.as_str()).collect();
    let arrived: Vec<Timestamp> = runs.iter().map(|run| run.arrived).collect();
    let statement = transaction
        .prepare_cached(
            "insert into metrics.processes as p (collector_id, process, since, hostname, delivered, delivered_at)
             select n.collector_id, n.process, n.arrived, n.hostname,
                 case when n.delivers then n.process end, case when n.delivers then now() end
             from unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::text[], $5::timestamptz[])
                 as n (collector_id, process, delivers, hostname, arrived)
             order by n.collector_id
             on conflict (collector_id) do update set
                 process = excluded.process,
                 since = case when p.process = excluded.process then p.since else excluded.since end,
                 hostname = case when p.process = excluded.process then p.hostname else excluded.hostname end,
                 delivered = coalesce(excluded.delivered, p.delivered),
                 delivered_at = coalesce(excluded.delivered_at, p.delivered_at),
                 replaced = case when p.process = excluded.process then p.replaced
                                 else (p.process || p.replaced)[:$6::int4] end,
                 refusals = case when p.process = excluded.process then p.refusals else 0 end
             where excluded.process <> all(p.replaced)
             returning p.collector_id",
        )
        .await?;
    let rows =
        transaction.query(&statement, &[&collectors, &processes, &delivers, &hostnames, &arrived, &REMEMBERED]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Notes that a process came that was replaced; answers which one is taken. The one that comes is remembered the
/// longest: while it comes it is refused.
async fn refuse(transaction: &Transaction<'_>, run: &Run) -> Result<Option<Replaced>, StoreError> {
    let statement = transaction
        .prepare_cached(
            "update metrics.processes set
                 replaced = $2::uuid || array_remove(replaced, $2::uuid), refusals = refusals + $5::int8,
                 refused_at = $4::timestamptz, refused_hostname = $3::text
             where collector_id = $1 and $2::uuid = any(replaced) returning since, hostname",
        )
        .await?;
    let times = i64::try_from(run.batches.len()).unwrap_or(i64::MAX);
    let row =
        transaction.query_opt(&statement, &[&run.collector, &run.process, &run.hostname, &run.arrived, &times]).await?;
    Ok(row.map(|row| Replaced { since: row.get(0), hostname: row.get(1) }))
}
