//! Partitions: of raw rows daily, made ahead in the background, on demand for late data; of tiers longer, made when
//! they are written to. Dropped by retention.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use crate::periods::{Period, Stretch};
use crate::tiers::{self, Holding};
use crate::{Store, StoreError, schema};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Days before today for which partitions are made ahead of need.
const DAYS_BACK: i64 = 1;

/// Days after today for which partitions are made ahead of need.
const DAYS_AHEAD: i64 = 3;

/// The fixed tables that are partitioned by day like those of the sets.
pub const PARTITIONED_FIXED: [&str; 2] = ["readings", "cuts"];

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day of a moment in microseconds since 1970.
    #[must_use]
    pub fn of_micros(micros: i64) -> Self {
        Self(micros.div_euclid(DAY_US))
    }

    /// The day of a moment.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        Self::of_micros(moment.as_microsecond())
    }

    /// The day so many days later.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Parses what [`Day::fmt`] wrote.
    pub(crate) fn from_suffix(suffix: &str) -> Option<Self> {
        // `%d` alone would also take one digit.
        let has_eight_digits = suffix.len() == 8 && suffix.bytes().all(|byte| byte.is_ascii_digit());
        let date = jiff::civil::Date::strptime("%Y%m%d", suffix).ok().filter(|_| has_eight_digits)?;
        let start = date.to_zoned(TimeZone::UTC).ok()?;
        Some(Self::of(start.timestamp()))
    }

    pub(crate) fn start(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0.checked_mul(DAY_US)?).ok()
    }
}

impl fmt::Display for Day {
    /// As in the names of partitions: 20261121.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start() {
            Some(start) => write!(f, "{}", start.to_zoned(TimeZone::UTC).strftime("%Y%m%d")),
            None => f.write_str("outside"),
        }
    }
}

/// The partitions that are known to exist.
#[derive(Debug, Default)]
pub struct Partitions {
    known: Mutex<HashSet<(String, Day)>>,
    longer: Mutex<HashSet<String>>,
}

impl Partitions {
    fn known(&self) -> MutexGuard<'_, HashSet<(String, Day)>> {
        match self.known.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Those of months and years, by name.
    fn longer(&self) -> MutexGuard<'_, HashSet<String>> {
        match self.longer.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Forgets what is known, as another server may have dropped partitions.
    pub fn forget(&self) {
        self.known().clear();
        self.longer().clear();
    }
}

/// Whether what ends with this moment is past so many days.
fn is_past(end: Timestamp, now: Timestamp, days: i64) -> bool {
    let oldest = now.checked_sub(SignedDuration::from_hours(24 * days)).ok().and_then(|moment| Day::of(moment).start());
    oldest.is_some_and(|oldest| end <= oldest)
}

/// A partition that is there.
#[derive(Clone, Debug)]
pub struct StoredPartition {
    /// The table that it is of.
    pub table: String,
    /// When what it holds ends.
    pub end: Timestamp,
    /// What it takes on the disk, with indexes.
    pub bytes: i64,
}

impl StoredPartition {
    /// What [`StoredPartition::from_row`] takes; `$1`: the names of the tables.
    pub const OF_TABLES: &'static str =
        "select p.relname::text, c.relname::text, coalesce(pg_total_relation_size(c.oid), 0)
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class c on c.oid = i.inhrelid
        join pg_catalog.pg_class p on p.oid = i.inhparent
        join pg_catalog.pg_namespace n on n.oid = p.relnamespace
        where n.nspname = 'metrics' and p.relkind = 'p' and p.relname = any($1)";

    /// One of a table with this in it; none where somebody else made it.
    #[must_use]
    pub fn from_row(row: &Row, holding: Holding) -> Option<Self> {
        let (table, name): (String, &str) = (row.get(0), row.get(1));
        let end = holding.end_of(name.strip_prefix(table.as_str())?.strip_prefix('_')?)?;
        Some(Self { table, end, bytes: row.get(2) })
    }

    /// Whether it is past so many days.
    #[must_use]
    pub fn is_past(&self, now: Timestamp, days: i64) -> bool {
        is_past(self.end, now, days)
    }
}

impl Store {
    /// Sees to it that these partitions exist; answers how many were made. Tables come from definitions, never from a
    /// request.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ensure_partitions(&self, wanted: impl IntoIterator<Item = (&str, Day)>) -> Result<u64, StoreError> {
        let missing: Vec<(String, Day)> = {
            let known = self.partitions.known();
            let wanted = wanted.into_iter().map(|(table, day)| (table.to_owned(), day));
            wanted.filter(|partition| !known.contains(partition)).collect()
        };
        let mut made = 0;
        for (table, day) in missing {
            made += u64::from(self.ensure_partition(&table, day).await?);
            self.partitions.known().insert((table, day));
        }
        Ok(made)
    }

    /// Makes yesterday's to the next days' partitions of every partitioned table; answers how many were missing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn make_partitions_ahead(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sets = self.definitions.sets();
        let tables = sets.iter().filter(|known| known.is_partitioned()).map(|known| known.definition.name.as_str());
        let tables: Vec<&str> = tables.chain(PARTITIONED_FIXED).collect();
        let days = (-DAYS_BACK..=DAYS_AHEAD).map(|days| Day::of(now).plus(days));
        let wanted: Vec<(&str, Day)> = days.flat_map(|day| tables.iter().map(move |table| (*table, day))).collect();
        self.ensure_partitions(wanted).await
    }

    /// Sees to it that tables have the partitions for the moments from `first` to `last`.
    pub(crate) async fn ensure_periods(
        &self,
        tables: &[String],
        period: Period,
        first: Timestamp,
        last: Timestamp,
    ) -> Result<(), StoreError> {
        for stretch in period.between(first, last) {
            for table in tables {
                let name = format!("{table}_{}", stretch.suffix);
                if !self.partitions.longer().contains(&name) {
                    self.make_partition(table, &stretch).await?;
                    self.partitions.longer().insert(name);
                }
            }
        }
        Ok(())
    }

    async fn ensure_partition(&self, table: &str, day: Day) -> Result<bool, StoreError> {
        let (Some(start), Some(end)) = (day.start(), day.plus(1).start()) else {
            return Err(StoreError::Address(format!("no partition can be made for day {day}")));
        };
        self.make_partition(table, &Stretch { start, end, suffix: day.to_string() }).await
    }

    /// Makes a partition where it is missing; answers whether it was. Attaching takes a weaker lock on the parent than `create table … partition of`: neither
    /// readers nor ingest wait for it.
    async fn make_partition(&self, table: &str, Stretch { start, end, suffix }: &Stretch) -> Result<bool, StoreError> {
        let name = format!("{table}_{suffix}");
        let mut client = self.working_client().await?;
        // Not `to_regclass`: it may answer from a cache that does not yet know what another server has made.
        let exists = "select exists (select from pg_catalog.pg_class c
                                     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                                     where n.nspname = 'metrics' and c.relname = $1)";
        if client.query_one(exists, &[&name]).await?.get(0) {
            client.done();
            return Ok(false);
        }
        let transaction = client.transaction().await?;
        schema::lock(&transaction).await?;
        let is_missing = !transaction.query_one(exists, &[&name]).await?.get::<_, bool>(0);
        if is_missing {
            transaction
                .simple_query(&format!(
                    "create table metrics.\"{name}\" (like metrics.\"{table}\" including defaults including constraints);
                     alter table metrics.\"{table}\" attach partition metrics.\"{name}\"
                     for values from ('{start}') to ('{end}')"
                ))
                .await?;
        }
        transaction.commit().await?;
        client.done();
        Ok(is_missing)
    }

    /// Drops the partitions of a table that end before `keep_days` days ago; answers how many. `holding` says what
    /// tiers have to do with them: where they are still needed for those, they stay.
    pub(crate) async fn drop_partitions(
        &self,
        table: &str,
        set: Option<&str>,
        holding: Option<Holding>,
        now: Timestamp,
        keep_days: i64,
    ) -> Result<u64, StoreError> {
        let mut client = self.working_client().await?;
        let rows = client
            .query(
                "select c.relname::text from pg_catalog.pg_inherits i
                 join pg_catalog.pg_class c on c.oid = i.inhrelid
                 where i.inhparent = to_regclass('metrics.' || quote_ident($1)) order by 1",
                &[&table],
            )
            .await?;
        let mut dropped = 0;
        for row in rows {
            let name: String = row.get(0);
            let suffix = name.strip_prefix(table).and_then(|rest| rest.strip_prefix('_')).unwrap_or_default();
            let end = holding.unwrap_or(Holding::Raw).end_of(suffix);
            let Some(end) = end.filter(|end| is_past(*end, now, keep_days)) else { continue };
            let transaction = client.transaction().await?;
            if holding.is_some() {
                tiers::pause(&transaction).await?;
            }
            schema::lock(&transaction).await?;
            if let Some(holding) = holding
                && !tiers::retire(&transaction, table, set, holding, end).await?
            {
                break;
            }
            transaction.simple_query(&format!("drop table if exists metrics.\"{name}\"")).await?;
            // Who wrote to it has committed now, and nobody else can.
            if let Some(holding) = holding
                && tiers::is_needed(&transaction, set, holding, end).await?
            {
                break;
            }
            transaction.commit().await?;
            self.partitions.forget();
            dropped += 1;
        }
        client.done();
        Ok(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::Day;

    #[test]
    fn days_are_counted_in_utc_and_named_by_date() {
        assert_eq!(Day::of_micros(0).to_string(), "19700101");
        assert_eq!(Day::of_micros(-1).to_string(), "19691231");
        assert_eq!(Day::of_micros(86_400_000_000).plus(-1), Day::of_micros(5));
        assert_eq!(Day::from_suffix("20261121").map(|day| day.to_string()).as_deref(), Some("20261121"));
        for not_a_day in ["", "2026112", "20261332", "default", "20261121x"] {
            assert_eq!(Day::from_suffix(not_a_day), None, "{not_a_day:?}");
        }
    }
}
