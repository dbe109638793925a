//! Partitions: of raw rows daily, made ahead in the background, on demand for late data; of tiers longer, made when
//! they are written to. Dropped by retention.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::layout::{Expiring, Fate, StoredPartition};
use crate::periods::{Period, Stretch};
use crate::{Store, StoreError};

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

impl StoredPartition {
    /// Whether it is past so many days.
    #[must_use]
    pub fn is_past(&self, now: Timestamp, days: i64) -> bool {
        let oldest =
            now.checked_sub(SignedDuration::from_hours(24 * days)).ok().and_then(|moment| Day::of(moment).start());
        oldest.is_some_and(|oldest| self.end <= oldest)
    }
}

/// What became of partitions that are past their retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// How many are gone.
    pub dropped: u64,
    /// How many somebody still reads.
    pub held_back: u64,
}

impl std::ops::AddAssign for Expired {
    fn add_assign(&mut self, more: Self) {
        self.dropped += more.dropped;
        self.held_back += more.held_back;
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

    async fn make_partition(&self, table: &str, stretch: &Stretch) -> Result<bool, StoreError> {
        if self.layout.makes_partitions_itself() {
            return Ok(false);
        }
        let mut client = self.working_client().await?;
        let made = self.layout.make(&mut client, table, stretch).await?;
        client.done();
        Ok(made)
    }

    /// Drops the partitions of a table that end before `keep_days` days ago. Where tiers are still to be made from them
    /// they stay; who uses one holds that one back.
    pub(crate) async fn drop_partitions(
        &self,
        table: &str,
        expiring: Expiring<'_>,
        now: Timestamp,
        keep_days: i64,
    ) -> Result<Expired, StoreError> {
        let mut client = self.working_client().await?;
        let stored = self.layout.stored(&client, &[table]).await?;
        let mut expired = Expired::default();
        for partition in stored.iter().filter(|partition| partition.is_to_go(now, keep_days)) {
            let fate = self.layout.drop(&mut client, &expiring, partition).await?;
            match fate {
                Fate::Gone => {
                    self.partitions.forget();
                    expired.dropped += 1;
                }
                Fate::Held | Fate::HoldsAll => {
                    tracing::info!(partition = partition.name, "a partition is past its retention and still in use");
                    expired.held_back += 1;
                }
                Fate::Needed => {}
            }
            if matches!(fate, Fate::Needed | Fate::HoldsAll) {
                break;
            }
        }
        client.done();
        Ok(expired)
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
    }
}
