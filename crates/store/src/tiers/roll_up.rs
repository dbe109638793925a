//! Makes the buckets that are due, in short transactions; whatever is cut off is done again from the start.
//!
//! One server at a time, under an advisory lock. In a transaction the due rows are taken first: what they tell of is
//! visible to every later statement, and what commits meanwhile keeps its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use jiff::{SignedDuration, Timestamp};

use super::absent::{Absent, Presence};
use super::due::{self, Due, moment};
use super::shape::Shape;
use super::tier::{REACH_US, Tier};
use super::{ROLL_UP_LOCK, statements};
use crate::partitions::PARTITIONED_FIXED;
use crate::{Store, StoreError, definitions};

/// The most buckets of instances that are made in one transaction; each is of all sets.
const MOST_BUCKETS: i64 = 240;

/// The most transactions of one call.
const MOST_ROUNDS: usize = 100;

/// How long one transaction may take before its connection is given up.
const LONGEST: Duration = Duration::from_secs(600);

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Buckets, one per set, instance and time.
    pub buckets: u64,
    /// Whether more is due, or another server is at it.
    pub is_left: bool,
}

/// What was made of one block.
#[derive(Clone, Copy, Debug)]
struct Made {
    buckets: u64,
    /// Whether anything was done: what is due may wait for rows that are on their way out.
    moved: bool,
}

/// Buckets to be made, by set: the instance and the end of the bucket.
type Buckets = BTreeMap<String, BTreeSet<(i32, i64)>>;

impl Store {
    /// Makes the buckets that are due and over, newest first, until none is left or enough was done.
    ///
    /// # Errors
    /// When the store fails; running it again goes on where it stopped.
    pub async fn roll_up(&self, now: Timestamp) -> Result<RolledUp, StoreError> {
        let mut done = RolledUp::default();
        for _ in 0..MOST_ROUNDS {
            let (mut is_due, mut moved) = (false, false);
            for tier in Tier::ALL {
                let Some(newest) = self.newest_due(tier, now).await? else { continue };
                let Some(made) = self.make(tier, newest, now).await.inspect_err(|_| self.partitions().forget())? else {
                    return Ok(RolledUp { is_left: true, ..done });
                };
                is_due = true;
                moved |= made.moved;
                done.buckets += made.buckets;
            }
            if !is_due {
                return Ok(done);
            }
            if !moved {
                break;
            }
        }
        Ok(RolledUp { is_left: true, ..done })
    }

    async fn newest_due(&self, tier: Tier, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let client = self.working_client().await?;
        let newest = due::newest(&*client, tier, tier.closed(now.as_microsecond())).await?;
        client.done();
        Ok(newest)
    }

    /// Makes what is due in the block of a bucket; answers how many buckets, or none when another server is at it.
    async fn make(&self, tier: Tier, newest_us: i64, now: Timestamp) -> Result<Option<Made>, StoreError> {
        let block = tier.block(newest_us);
        let stretch = *block.start()..=(*block.end()).min(tier.closed(now.as_microsecond()));
        self.ensure_tier_partitions(tier, &stretch).await?;
        let mut client = self.working_client().await?;
        let made = tokio::time::timeout(LONGEST, self.transact(&mut client, tier, &stretch)).await;
        let made = made.unwrap_or(Err(StoreError::Timeout))?;
        client.done();
        Ok(made)
    }

    async fn transact(
        &self,
        client: &mut Object,
        tier: Tier,
        stretch: &RangeInclusive<i64>,
    ) -> Result<Option<Made>, StoreError> {
        let transaction = client.transaction().await?;
        let mine = "select pg_try_advisory_xact_lock($1)";
        if !transaction.query_one(mine, &[&ROLL_UP_LOCK]).await?.get::<_, bool>(0) {
            return Ok(None);
        }
        // Few rows of large tables: a plan that reads them whole is never the right one. Statements are long and many:
        // none is kept prepared.
        transaction
            .simple_query("set local jit = off; set local work_mem = '32MB'; set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off")
            .await?;
        self.layout.prepare_rewriting(&transaction).await?;
        let taken = due::take(&transaction, tier, stretch, MOST_BUCKETS).await?;
        if self.learn_definitions(&transaction).await? {
            // Begun again, with the partitions that are needed now.
            return Ok(Some(Made { buckets: 0, moved: true }));
        }
        let absent = Absent::read(&transaction).await?;
        let mut work = Work::divide(taken, tier, stretch, &absent);
        let mut made = 0;
        for (set, buckets) in &work.whole {
            if let Some(shape) = self.tiers_of(set) {
                made += remake(&transaction, &shape, tier, buckets).await?;
            }
        }
        for (set, late) in std::mem::take(&mut work.late) {
            if let Some(shape) = self.tiers_of(&set) {
                let touched = add(&transaction, &shape, &late, absent.until(&set)).await?;
                made += touched.len() as u64;
                work.touched.entry(set).or_default().extend(touched);
            }
        }
        for shape in Shape::fixed() {
            remake_named(&transaction, &shape, tier, &work.touched, &absent).await?;
        }
        due::add(&transaction, tier, work.left.iter()).await?;
        if let Some(coarser) = tier.coarser() {
            due::add(&transaction, coarser, due::coarser(&work.touched, coarser).iter()).await?;
        }
        transaction.commit().await?;
        Ok(Some(Made { buckets: made, moved: !work.touched.is_empty() }))
    }

    /// Makes the partitions that buckets of a stretch are written to; what is late may reach back from it.
    async fn ensure_tier_partitions(&self, tier: Tier, stretch: &RangeInclusive<i64>) -> Result<(), StoreError> {
        let reach = if tier == Tier::Minutes { SignedDuration::from_micros(REACH_US) } else { SignedDuration::ZERO };
        let first = moment(*stretch.start()) - reach;
        let sets = self.definitions().sets();
        let shapes = sets.iter().filter_map(|known| self.tiers_of(&known.definition.name));
        let tables: Vec<String> = shapes.chain(Shape::fixed()).map(|shape| tier.table(&shape.raw)).collect();
        self.ensure_periods(&tables, tier.period(), first, moment(*stretch.end())).await
    }

    /// Takes up what this server does not know of sets, as another one may have widened them; answers whether it did.
    async fn learn_definitions(&self, transaction: &Transaction<'_>) -> Result<bool, StoreError> {
        let rows = transaction.query("select hash from metrics.definitions", &[]).await?;
        let is_known = |row: &tokio_postgres::Row| {
            let hash = row.get::<_, &[u8]>(0).try_into().ok().map(catalog::DefinitionHash);
            hash.is_some_and(|hash| self.definitions().get(hash).is_some())
        };
        if rows.iter().all(is_known) {
            return Ok(false);
        }
        self.remember_definitions(definitions::load(transaction).await?)?;
        Ok(true)
    }
}

/// What is done with due buckets.
#[derive(Debug, Default)]
struct Work {
    /// Those that are made whole from what is below them.
    whole: Buckets,
    /// What is added to buckets that cannot be made again.
    late: BTreeMap<String, Late>,
    /// All of both.
    touched: Buckets,
    left: Vec<Due>,
}

/// What came too late.
#[derive(Debug, Default)]
struct Late {
    buckets: BTreeSet<(i32, i64)>,
    /// Later readings that reach back to them.
    readings: BTreeSet<(i32, i64)>,
}

impl Work {
    fn divide(taken: Vec<Due>, tier: Tier, stretch: &RangeInclusive<i64>, absent: &Absent) -> Self {
        let mut work = Self::default();
        for due in taken {
            let until = |set: &str| absent.until(&tier.below(set));
            // Of a later reading all pieces in cells without rows are added at once, so that none is added twice.
            let reach_back = due.reading_us.zip(due.sets.first()).and_then(|(reading_us, set)| {
                let ends = *due.ends.start()..=until(set).min(*due.ends.end());
                (tier == Tier::Minutes && reading_us > until(set) && !ends.is_empty()).then_some((reading_us, ends))
            });
            if let Some((reading_us, ends)) = &reach_back {
                for set in &due.sets {
                    work.late.entry(set.clone()).or_default().readings.insert((due.instance_id, *reading_us));
                    let ends = due.within(ends, tier).map(|end| (due.instance_id, end));
                    work.touched.entry(set.clone()).or_default().extend(ends);
                }
            }
            for end in due.within(stretch, tier) {
                if reach_back.as_ref().is_some_and(|(_, ends)| ends.contains(&end)) {
                    continue;
                }
                let bucket = (due.instance_id, end);
                for set in &due.sets {
                    let of = |table: &str| absent.of(&tier.below(table), tier, end);
                    let presence = of(set);
                    if presence == Presence::Away || PARTITIONED_FIXED.iter().any(|table| of(table) == Presence::Away) {
                        work.left.push(Due { ends: end..=end, sets: vec![set.clone()], ..due.clone() });
                        continue;
                    }
                    match presence {
                        Presence::There => _ = work.whole.entry(set.clone()).or_default().insert(bucket),
                        Presence::Gone if tier == Tier::Minutes => {
                            work.late.entry(set.clone()).or_default().buckets.insert(bucket);
                        }
                        Presence::Gone | Presence::Lost | Presence::Away => {
                            tracing::warn!(set, bucket = %moment(end), "a bucket cannot be made again: what is below it is gone");
                            continue;
                        }
                    }
                    work.touched.entry(set.clone()).or_default().insert(bucket);
                }
            }
            let left = due.without(stretch, tier);
            match reach_back {
                Some((_, ends)) => left.for_each(|due| work.left.extend(due.without(&ends, tier))),
                None => work.left.extend(left),
            }
        }
        work
    }
}

/// Makes buckets of a set; answers how many.
async fn remake(
    transaction: &Transaction<'_>,
    shape: &Shape,
    tier: Tier,
    buckets: &BTreeSet<(i32, i64)>,
) -> Result<u64, StoreError> {
    let (instances, ends): (Vec<i32>, Vec<Timestamp>) = buckets.iter().map(|(id, end)| (*id, moment(*end))).unzip();
    let (first, last) = bounds(&ends, tier);
    for statement in [statements::clear(shape, tier), statements::remake(shape, tier)] {
        transaction.execute(&statement, &[&instances, &ends, &first, &last]).await?;
    }
    Ok(buckets.len() as u64)
}

/// Makes buckets of a table that is of all sets.
async fn remake_named(
    transaction: &Transaction<'_>,
    shape: &Shape,
    tier: Tier,
    buckets: &Buckets,
    absent: &Absent,
) -> Result<(), StoreError> {
    let until = absent.until(&tier.below(&shape.raw));
    let is_there = |(_, end): &&(i32, i64)| *end - tier.width_us() >= until;
    let all =
        || buckets.iter().flat_map(|(set, buckets)| buckets.iter().filter(is_there).map(move |bucket| (set, bucket)));
    let sets: Vec<&str> = all().map(|(set, _)| set.as_str()).collect();
    let (instances, ends): (Vec<i32>, Vec<Timestamp>) = all().map(|(_, (id, end))| (*id, moment(*end))).unzip();
    if sets.is_empty() {
        return Ok(());
    }
    let (first, last) = bounds(&ends, tier);
    for statement in [statements::clear(shape, tier), statements::remake(shape, tier)] {
        transaction.execute(&statement, &[&instances, &ends, &first, &last, &sets]).await?;
    }
    Ok(())
}

/// Adds what came too late; answers the buckets that it was added to.
async fn add(
    transaction: &Transaction<'_>,
    shape: &Shape,
    late: &Late,
    until_us: i64,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let split = |all: &BTreeSet<(i32, i64)>| -> (Vec<i32>, Vec<Timestamp>) {
        all.iter().map(|(id, micros)| (*id, moment(*micros))).unzip()
    };
    let ((instances, ends), (late_instances, late_times)) = (split(&late.buckets), split(&late.readings));
    let (first, last) = bounds(&ends, Tier::Minutes);
    let rows = transaction
        .query(
            &statements::add(shape),
            &[&instances, &ends, &first, &last, &late_instances, &late_times, &moment(until_us)],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, Timestamp>(1).as_microsecond())).collect())
}

/// The times of the rows that buckets are made from.
fn bounds(ends: &[Timestamp], tier: Tier) -> (Timestamp, Timestamp) {
    let first = ends.iter().min().copied().unwrap_or_default();
    let last = ends.iter().max().copied().unwrap_or_default();
    (first - SignedDuration::from_micros(tier.width_us()), last)
}
