//! `metrics.due`: which buckets are to be made. Read, divided and added to here; what raw rows make due is written by
//! ingest with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use serde::Serialize;

use super::tier::{self, EPOCH, LONGEST_WHOLE_US, MICROSECOND, Tier};
use crate::partitions::PARTITIONED_FIXED;
use crate::{Layout, StoreError};

/// Rows of `metrics.due` that none of the finer tiers holds back.
const FREE: &str = "not exists (
    select from metrics.due f
    where f.instance_id = d.instance_id and f.tier < d.tier and f.sets && d.sets
        and f.last > d.first - $WIDTH and f.first <= d.last)";

/// Buckets that are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) instance_id: i32,
    /// The ends of the first and the last bucket.
    pub(crate) ends: RangeInclusive<i64>,
    pub(crate) sets: Vec<String>,
    /// The reading that they are due for, where its interval is a long one.
    pub(crate) reading_us: Option<i64>,
}

impl Due {
    /// Takes out the buckets that end in a stretch; answers what is left before and after it.
    pub(crate) fn without(&self, stretch: &RangeInclusive<i64>, tier: Tier) -> impl Iterator<Item = Self> {
        let before = *self.ends.start()..=(*self.ends.end()).min(*stretch.start() - tier.width_us());
        let after = (*self.ends.start()).max(*stretch.end() + tier.width_us())..=*self.ends.end();
        [before, after].into_iter().filter(|ends| !ends.is_empty()).map(|ends| Self { ends, ..self.clone() })
    }

    /// The ends of its buckets in a stretch.
    pub(crate) fn within(&self, stretch: &RangeInclusive<i64>, tier: Tier) -> impl Iterator<Item = i64> + use<> {
        let first = *self.ends.start().max(stretch.start());
        let last = *self.ends.end().min(stretch.end());
        let width = usize::try_from(tier.width_us()).unwrap_or(usize::MAX);
        (first..=last).step_by(width)
    }
}

/// The end of the newest bucket of a tier that can be made.
pub(crate) async fn newest(client: &impl GenericClient, tier: Tier, closed_us: i64) -> Result<Option<i64>, StoreError> {
    let sql = format!(
        "select max(least(d.last, $2)) from metrics.due d where d.tier = $1 and d.first <= $2 and {}",
        free(tier)
    );
    let row = client.query_one(&sql, &[&tier.number(), &moment(closed_us)]).await?;
    Ok(row.get::<_, Option<Timestamp>>(0).map(Timestamp::as_microsecond))
}

/// Takes what is due in a stretch: of as many instances as have at most so many buckets together, and of one at least.
pub(crate) async fn take(
    transaction: &Transaction<'_>,
    tier: Tier,
    stretch: &RangeInclusive<i64>,
    most_buckets: i64,
) -> Result<Vec<Due>, StoreError> {
    let (first, last) = (moment(*stretch.start()), moment(*stretch.end()));
    let there = format!("d.tier = $1 and d.first <= $3 and d.last >= $2 and {}", free(tier));
    let instances = format!(
        "with queued as (
             select d.instance_id, count(distinct bucket) as buckets
             from metrics.due d
             cross join lateral generate_series(greatest(d.first, $2), least(d.last, $3), {width}) as bucket
             where {there} group by d.instance_id)
         select n.instance_id from (
             select q.instance_id, sum(q.buckets) over (order by q.instance_id) - q.buckets as before from queued q) n
         where n.before < $4::bigint",
        width = tier.interval()
    );
    let rows = transaction.query(&instances, &[&tier.number(), &first, &last, &most_buckets]).await?;
    let instances: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    let taken = format!(
        "delete from metrics.due d where {there} and d.instance_id = any($4)
         returning d.instance_id, d.first, d.last, d.sets, d.reading"
    );
    let rows = transaction.query(&taken, &[&tier.number(), &first, &last, &instances]).await?;
    let micros = |moment: Timestamp| moment.as_microsecond();
    let due = rows.iter().map(|row| Due {
        instance_id: row.get(0),
        ends: micros(row.get(1))..=micros(row.get(2)),
        sets: row.get(3),
        reading_us: row.get::<_, Option<Timestamp>>(4).map(micros),
    });
    Ok(due.collect())
}

#[derive(Serialize)]
struct Row<'a> {
    instance_id: i32,
    first: String,
    last: String,
    sets: Vec<&'a str>,
    reading: Option<String>,
}

/// Adds to what is due; what stands there already is not added again.
pub(crate) async fn add<'a>(
    transaction: &Transaction<'_>,
    tier: Tier,
    due: impl Iterator<Item = &'a Due>,
) -> Result<(), StoreError> {
    let word = |micros: i64| moment(micros).to_string();
    let rows: Vec<Row<'_>> = due
        .map(|due| Row {
            instance_id: due.instance_id,
            first: word(*due.ends.start()),
            last: word(*due.ends.end()),
            sets: due.sets.iter().map(String::as_str).collect(),
            reading: due.reading_us.map(word),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_value(rows).unwrap_or_default();
    transaction
        .execute(
            "insert into metrics.due (tier, instance_id, first, last, sets, reading)
             select $1, n.* from jsonb_to_recordset($2) as n
                 (instance_id integer, first timestamptz, last timestamptz, sets text[], reading timestamptz)
             left join metrics.due d
                 on d.tier = $1 and d.instance_id = n.instance_id and d.first = n.first and d.last = n.last
                     and d.sets @> n.sets and d.reading is not distinct from n.reading
             where d.instance_id is null",
            &[&tier.number(), &rows],
        )
        .await?;
    Ok(())
}

/// The buckets of the next tier that hold these, by instance.
pub(crate) fn coarser(made: &BTreeMap<String, BTreeSet<(i32, i64)>>, tier: Tier) -> Vec<Due> {
    let mut sets: BTreeMap<(i32, i64), BTreeSet<&str>> = BTreeMap::new();
    for (set, buckets) in made {
        for (instance_id, end) in buckets {
            sets.entry((*instance_id, tier.bucket_end(*end))).or_default().insert(set);
        }
    }
    let due = sets.into_iter().map(|((instance_id, end), sets)| Due {
        instance_id,
        ends: end..=end,
        sets: sets.into_iter().map(str::to_owned).collect(),
        reading_us: None,
    });
    due.collect()
}

/// Makes everything due that is stored of sets whose tiers were just made.
pub(crate) async fn add_stored(
    transaction: &Transaction<'_>,
    layout: Layout,
    raw: &[&str],
    all: &[&str],
) -> Result<(), StoreError> {
    let mut stored = String::new();
    for set in all {
        let literal = set.replace('\'', "''");
        let mut found = format!(
            "exists (select from metrics.readings r where r.instance_id = i.id and r.set_name = '{literal}'
                 and r.time >= d.day and r.time < d.day + interval '24 hours')"
        );
        if raw.contains(set) {
            found = format!(
                "{found} or exists (select from metrics.\"{set}\" r where r.instance_id = i.id
                 and r.time >= d.day and r.time < d.day + interval '24 hours')"
            );
        }
        stored.push_str(&format!("case when {found} then '{literal}' end, "));
    }
    let sql = format!(
        "insert into metrics.due (tier, instance_id, first, last, sets)
         select 1, n.id, n.day, n.day + interval '24 hours', n.sets
         from (
             select i.id, d.day, array_remove(array[{stored}null], null) as sets
             from metrics.instances i
             cross join (
                 select distinct g.day
                 from ({partitions}) p (table_name, partition_name, first, until)
                 cross join lateral generate_series(p.first, p.until - interval '1 second', interval '24 hours') g (day)
             ) d) n
         where cardinality(n.sets) > 0",
        partitions = layout.partitions(),
    );
    let tables: Vec<&str> = raw.iter().copied().chain(["readings"]).collect();
    transaction.execute(&sql, &[&tables]).await?;
    transaction
        .execute(
            &format!(
                "insert into metrics.due (tier, instance_id, first, last, sets, reading)
                 select 1, r.instance_id, {first}, {last}, array[r.set_name], r.time
                 from metrics.readings r
                 where r.interval_us > {LONGEST_WHOLE_US} and r.set_name = any($1)",
                first = tier::first_cell(),
                last = tier::last_cell(),
            ),
            &[&all],
        )
        .await?;
    Ok(())
}

/// Makes the buckets of a tier due whose tables are new, of sets that had the finer tier before. What cannot be made
/// whole any more is gone from the beginning.
pub(crate) async fn add_from_finer(transaction: &Transaction<'_>, tier: Tier, sets: &[&str]) -> Result<(), StoreError> {
    let Some(finer) = tier.finer() else { return Ok(()) };
    let width = tier.interval();
    let end = |moment: &str| format!("date_bin({width}, {moment} - {MICROSECOND}, {EPOCH}) + {width}");
    let tables: Vec<String> = sets.iter().copied().chain(PARTITIONED_FIXED).map(|set| finer.table(set)).collect();
    let own: Vec<String> = sets.iter().copied().chain(PARTITIONED_FIXED).map(|set| tier.table(set)).collect();
    let gone = format!(
        "insert into metrics.gone (table_name, until)
         select n.own, {} from unnest($1::text[], $2::text[]) as n (own, finer)
         join metrics.gone g on g.table_name = n.finer
         on conflict do nothing",
        end("g.until")
    );
    transaction.execute(&gone, &[&own, &tables]).await?;
    let due = format!(
        "insert into metrics.due (tier, instance_id, first, last, sets)
         select $1, b.instance_id, b.bucket, b.bucket, array_agg(b.set_name) from (
             select distinct r.instance_id, r.set_name, {} as bucket from metrics.\"{}\" r
             where r.set_name = any($2)) b
         left join metrics.gone g on g.table_name = b.set_name || $3
         where g.until is null or b.bucket - {width} >= g.until
         group by b.instance_id, b.bucket",
        end("r.time"),
        finer.table("readings")
    );
    transaction.execute(&due, &[&tier.number(), &sets, &tier.suffix()]).await?;
    Ok(())
}

fn free(tier: Tier) -> String {
    if tier.finer().is_none() { "true".to_owned() } else { FREE.replace("$WIDTH", &tier.interval()) }
}

/// A moment of the grid, which is always one that a clock can show.
pub(crate) fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_beside_a_stretch_stays() {
        let width = Tier::Minutes.width_us();
        let due = |first: i64, last: i64| Due {
            instance_id: 1,
            ends: first * width..=last * width,
            sets: vec!["x".to_owned()],
            reading_us: None,
        };
        let stretch = 4 * width..=6 * width;
        let left = |whole: Due| whole.without(&stretch, Tier::Minutes).collect::<Vec<Due>>();
        assert_eq!(left(due(5, 5)), []);
        assert_eq!(left(due(1, 9)), [due(1, 3), due(7, 9)]);
        assert_eq!(left(due(4, 7)), [due(7, 7)]);
        let within: Vec<i64> = due(5, 9).within(&stretch, Tier::Minutes).map(|end| end / width).collect();
        assert_eq!(within, [5, 6]);
    }
}
