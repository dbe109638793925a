//! Which batches are stored, as ranges of numbers by collector and epoch, and what their collectors are told of it.
//!
//! A group of batches is entered by a few statements, however many they are. Rows are locked in the order of their
//! keys, those of processes before those of the ledger, so that groups that share collectors wait for each other and
//! never in a circle: a concurrent repetition waits here for the first one's commit.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use uuid::Uuid;

use crate::encode::Prepared;
use crate::process;
use crate::write::Outcome;
use store::StoreError;

/// What became of a batch, and what its collector is told with that.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) outcome: Outcome,
    pub(crate) known: Known,
}

/// What is stored of a collector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// The highest number of the epoch that was asked for.
    pub(crate) last_sequence: Option<i64>,
    /// The newest epoch of the spool that the batch is from; of all, where it does not say which.
    pub(crate) last_epoch: Option<Uuid>,
    /// Whether the batch is missing that the collector takes for acknowledged.
    pub(crate) forgotten: bool,
    /// The process that delivered last, and how long ago that was.
    pub(crate) last_process: Option<Uuid>,
    pub(crate) last_process_ago_ms: Option<f64>,
}

/// Enters batches, in the order of their keys: each is to be stored, was before, or comes from a process that was
/// replaced.
pub(crate) async fn enter(transaction: &Transaction<'_>, group: &[&Prepared]) -> Result<Vec<Entry>, StoreError> {
    let replaced = process::enter(transaction, group).await?;
    let mut outcomes: Vec<Outcome> =
        replaced.into_iter().map(|replaced| replaced.map_or(Outcome::Stored, Outcome::Replaced)).collect();
    // Of a key that is there twice the first is stored.
    let mut by_key: BTreeMap<(Uuid, Uuid, i64), usize> = BTreeMap::new();
    let mut lanes: BTreeMap<(Uuid, Uuid), Option<Uuid>> = BTreeMap::new();
    for (nth, batch) in group.iter().enumerate() {
        if outcomes[nth] != Outcome::Stored {
            continue;
        }
        let Some((epoch, sequence)) = batch.key else { continue };
        lanes.entry((batch.collector_id, epoch)).or_insert(batch.lane);
        let first = *by_key.entry((batch.collector_id, epoch, sequence)).or_insert(nth);
        if first != nth {
            outcomes[nth] = Outcome::Duplicate;
        }
    }
    let keys: Vec<(Uuid, Uuid, i64)> = by_key.keys().copied().collect();
    let new = if keys.is_empty() { BTreeSet::new() } else { all_new(transaction, &keys, &lanes).await? };
    for ((collector, epoch, sequence), nth) in by_key {
        if !new.contains(&(collector, epoch)) && !is_new(transaction, collector, epoch, sequence).await? {
            outcomes[nth] = Outcome::Duplicate;
        }
    }
    let known = known(transaction, group).await?;
    Ok(outcomes.into_iter().zip(known).map(|(outcome, known)| Entry { outcome, known }).collect())
}

/// Enters the numbers of each collector and epoch of which none stands in the ledger; answers of which that was so.
/// The rows of the others are locked too.
async fn all_new(
    transaction: &Transaction<'_>,
    keys: &[(Uuid, Uuid, i64)],
    lanes: &BTreeMap<(Uuid, Uuid), Option<Uuid>>,
) -> Result<BTreeSet<(Uuid, Uuid)>, StoreError> {
    let collectors: Vec<Uuid> = keys.iter().map(|(collector, ..)| *collector).collect();
    let epochs: Vec<Uuid> = keys.iter().map(|(_, epoch, _)| *epoch).collect();
    let sequences: Vec<i64> = keys.iter().map(|(.., sequence)| *sequence).collect();
    let lane = |(collector, epoch, _): &(Uuid, Uuid, i64)| lanes.get(&(*collector, *epoch)).copied().flatten();
    let lanes: Vec<Option<Uuid>> = keys.iter().map(lane).collect();
    let statement = transaction
        .prepare_cached(
            "insert into metrics.ledger as l (collector_id, epoch, lane, seen, last_at)
             select n.collector_id, n.epoch, n.lane, range_agg(int8range(n.sequence, n.sequence, '[]')), now()
             from unnest($1::uuid[], $2::uuid[], $3::int8[], $4::uuid[]) as n (collector_id, epoch, sequence, lane)
             group by n.collector_id, n.epoch, n.lane
             order by n.collector_id, n.epoch
             on conflict (collector_id, epoch) do update
             set seen = l.seen + excluded.seen, last_at = now()
             where not l.seen && excluded.seen
             returning l.collector_id, l.epoch",
        )
        .await?;
    let rows = transaction.query(&statement, &[&collectors, &epochs, &sequences, &lanes]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Enters one number; answers whether it did not stand in the ledger.
async fn is_new(
    transaction: &Transaction<'_>,
    collector: Uuid,
    epoch: Uuid,
    sequence: i64,
) -> Result<bool, StoreError> {
    let statement = transaction
        .prepare_cached(
            "update metrics.ledger set seen = seen + int8multirange(int8range($3, $3, '[]')), last_at = now()
             where collector_id = $1 and epoch = $2 and not seen @> $3::int8",
        )
        .await?;
    Ok(transaction.execute(&statement, &[&collector, &epoch, &sequence]).await? == 1)
}

/// What is stored of each batch's collector, of its epoch, and of the batch that it takes for acknowledged: with this
/// transaction, whose locks keep it so until the commit.
async fn known(transaction: &Transaction<'_>, group: &[&Prepared]) -> Result<Vec<Known>, StoreError> {
    let mut all = vec![Known::default(); group.len()];
    let asking: Vec<(usize, &Prepared, Uuid)> =
        group.iter().enumerate().filter_map(|(nth, batch)| Some((nth, *batch, batch.epoch?))).collect();
    if asking.is_empty() {
        return Ok(all);
    }
    let collectors: Vec<Uuid> = asking.iter().map(|(_, batch, _)| batch.collector_id).collect();
    let epochs: Vec<Uuid> = asking.iter().map(|(.., epoch)| *epoch).collect();
    let acknowledged = asking.iter().map(|(_, batch, _)| batch.acknowledged.unzip());
    let (epochs_of_it, sequences): (Vec<Option<Uuid>>, Vec<Option<i64>>) = acknowledged.unzip();
    let lanes: Vec<Option<Uuid>> = asking.iter().map(|(_, batch, _)| batch.lane).collect();
    let statement = transaction
        .prepare_cached(
            "select (select upper(l.seen) - 1 from metrics.ledger l
                     where l.collector_id = n.collector_id and l.epoch = n.epoch),
                 (select l.epoch from metrics.ledger l
                     where l.collector_id = n.collector_id and (n.lane is null or l.lane = n.lane)
                     order by l.epoch desc limit 1),
                 n.sequence is not null and not exists (
                     select from metrics.ledger l
                     where l.collector_id = n.collector_id and l.epoch = n.epoch_of_it and l.seen @> n.sequence),
                 p.delivered, extract(epoch from clock_timestamp() - p.delivered_at)::float8 * 1000
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int8[], $5::uuid[]) with ordinality
                 as n (collector_id, epoch, epoch_of_it, sequence, lane, nth)
             left join metrics.processes p on p.collector_id = n.collector_id
             order by n.nth",
        )
        .await?;
    let rows = transaction.query(&statement, &[&collectors, &epochs, &epochs_of_it, &sequences, &lanes]).await?;
    for ((nth, ..), row) in asking.into_iter().zip(&rows) {
        all[nth] = Known {
            last_sequence: row.get(0),
            last_epoch: row.get(1),
            forgotten: row.get(2),
            last_process: row.get(3),
            last_process_ago_ms: row.get(4),
        };
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::store::{PoolSettings, Store, open};
    use catalog::Catalog;
    use jiff::Timestamp;
    use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof};
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    /// Cases of the property below.
    const CASES: u32 = 60;

    /// Few of each, so that all meet: collector, epoch and number, and process.
    type Told = (u8, Option<(u8, i64)>, Option<u8>);

    fn told() -> impl Strategy<Value = Told> {
        let key = prop_oneof![1 => Just(None), 9 => (0..2_u8, 1..6_i64).prop_map(Some)];
        let process = prop_oneof![1 => Just(None), 9 => prop_oneof![6 => Just(0_u8), 1 => 1..4_u8].prop_map(Some)];
        (0..3_u8, key, process)
    }

    fn uuid(kind: u128, nth: u8) -> Uuid {
        Uuid::from_u128((kind << 64) | u128::from(nth))
    }

    fn prepared((collector, key, process): Told) -> Prepared {
        Prepared {
            collector_id: uuid(1, collector),
            key: key.map(|(epoch, sequence)| (uuid(2, epoch), sequence)),
            epoch: Some(uuid(2, key.map_or(0, |(epoch, _)| epoch))),
            lane: key.map(|(epoch, _)| uuid(4, epoch)),
            acknowledged: Some((uuid(2, 0), 2)),
            process: process.map(|process| uuid(3, process)),
            created_us: 0,
            hostname: format!("host {process:?}"),
            version: String::new(),
            status: None,
            arrived: Timestamp::UNIX_EPOCH,
            ahead_us: None,
            clock: None,
            tables: BTreeMap::new(),
            days: BTreeSet::new(),
            instances: Vec::new(),
            texts: Vec::new(),
            infos: Vec::new(),
            latest: Vec::new(),
            open_flags: BTreeSet::new(),
            rows_by_set: BTreeMap::new(),
            rejected: Vec::new(),
        }
    }

    /// What stands in the ledger and of the processes, times aside.
    async fn state(transaction: &Transaction<'_>) -> Vec<String> {
        let sql = "select format('%s %s %s %s', collector_id, epoch, lane, seen) from metrics.ledger
             union all
             select format('%s %s %s %s %s %s %s', collector_id, process, hostname, delivered, replaced, refusals,
                 refused_hostname) from metrics.processes order by 1";
        transaction.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Each group alone, or its batches one by one.
    async fn entered(store: &Store, groups: &[Vec<Prepared>], at_once: bool) -> (Vec<Outcome>, Vec<String>) {
        let mut client = store.client().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let mut outcomes = Vec::new();
        for group in groups {
            let all: Vec<&Prepared> = group.iter().collect();
            for part in all.chunks(if at_once { all.len().max(1) } else { 1 }) {
                let entries = enter(&transaction, part).await.unwrap();
                assert_eq!(entries.len(), part.len());
                outcomes.extend(entries.into_iter().map(|entry| entry.outcome));
            }
        }
        let state = state(&transaction).await;
        transaction.rollback().await.unwrap();
        (outcomes, state)
    }

    #[test]
    fn a_group_is_entered_as_its_batches_are_one_by_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(async {
            let database = testkit::store().await.unwrap();
            let pool = open(&PoolSettings { url: database.dsn, max_connections: 4 }).await.unwrap();
            Store::prepare(pool, Arc::new(Catalog::default())).await.unwrap()
        });
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let groups = proptest::collection::vec(proptest::collection::vec(told(), 0..12), 1..4);
        let outcome = runner.run(&groups, |groups| {
            let groups: Vec<Vec<Prepared>> = groups
                .into_iter()
                .map(|group| {
                    let mut group: Vec<Prepared> = group.into_iter().map(prepared).collect();
                    group.sort_by_key(|batch| (batch.collector_id, batch.key));
                    group
                })
                .collect();
            let at_once = runtime.block_on(entered(&store, &groups, true));
            prop_assert_eq!(at_once, runtime.block_on(entered(&store, &groups, false)));
            Ok(())
        });
        outcome.unwrap();
    }
}
