//! How long what is kept: days per set and tier, which of them may be, and what follows from them.
//!
//! A coarser tier is kept at least as long as the finer one that it is made from: what comes late would otherwise be in
//! the finer one and never in the coarser.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use crate::tiers::{Holding, Tier};
use crate::{Store, StoreError};

/// The most days that anything is kept for.
pub const MOST_DAYS: i64 = 3660;

/// Days of raw rows unless `metrics.retention` or the list below says otherwise.
const RAW_DAYS: i64 = 7;

/// Days of raw rows of sets that are kept longer.
const LONGER: [(&str, i64); 1] = [("pg_stat_statements", 30)];

/// The fewest days of readings and cuts: they explain the rows of every set, so they stay as long as any.
const EXPLANATION_DAYS: i64 = 30;

/// Days of an idle ledger row: twice the spool's maximum age, and a day for clocks. Older batches are refused.
pub(crate) const LEDGER_DAYS: i64 = 15;

/// What [`Retention::from_rows`] takes.
pub const CONFIGURED: &str = "select set_name, tier, days from metrics.retention";

/// How long sets are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    configured: BTreeMap<(String, Holding), i64>,
}

/// A change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionChange {
    /// The set.
    pub set: String,
    /// Its raw rows or a tier.
    pub holding: Holding,
    /// The days; none for the built-in ones.
    pub days: Option<i64>,
}

impl Retention {
    /// From rows of [`CONFIGURED`].
    #[must_use]
    pub fn from_rows(rows: &[Row]) -> Self {
        let configured = rows.iter().filter_map(|row| {
            let holding = Holding::ALL.into_iter().find(|holding| holding.number() == row.get::<_, i16>(1))?;
            Some(((row.get(0), holding), i64::from(row.get::<_, i32>(2))))
        });
        Self { configured: configured.collect() }
    }

    /// The days that are in force.
    #[must_use]
    pub fn days(&self, set: &str, holding: Holding) -> i64 {
        let configured = self.configured.get(&(set.to_owned(), holding)).copied();
        configured.unwrap_or_else(|| self.default_days(set, holding))
    }

    /// The days where nothing else was said: the built-in ones, or as many as those of the finer tier.
    #[must_use]
    pub fn default_days(&self, set: &str, holding: Holding) -> i64 {
        let (built_in, least) = match holding {
            Holding::Raw => (LONGER.iter().find(|(name, _)| *name == set).map_or(RAW_DAYS, |(_, days)| *days), 1),
            Holding::Buckets(tier) => (tier.keep_days(), self.least_days(set, tier)),
        };
        built_in.max(least)
    }

    /// The days of what all sets share: as many as of the set that is kept longest.
    #[must_use]
    pub fn shared_days<'a>(&self, sets: impl Iterator<Item = &'a str>, holding: Holding) -> i64 {
        let least = match holding {
            Holding::Raw => EXPLANATION_DAYS,
            Holding::Buckets(tier) => tier.keep_days(),
        };
        sets.map(|set| self.days(set, holding)).fold(least, i64::max)
    }

    /// Takes a change over.
    ///
    /// # Errors
    /// Why these days may not be, as a clause about them.
    pub fn change(&mut self, change: &RetentionChange) -> Result<(), String> {
        let key = (change.set.clone(), change.holding);
        match change.days {
            Some(days) if !(1..=MOST_DAYS).contains(&days) => return Err(format!("must be from 1 to {MOST_DAYS}")),
            Some(days) => self.configured.insert(key, days),
            None => self.configured.remove(&key),
        };
        Ok(())
    }

    /// Whether the tiers of a set go together.
    ///
    /// # Errors
    /// The first tier that is kept too short.
    pub fn check(&self, set: &str) -> Result<(), TooShort> {
        for tier in Tier::ALL {
            let (days, least) = (self.days(set, Holding::Buckets(tier)), self.least_days(set, tier));
            if days < least {
                return Err(TooShort { tier, days, least });
            }
        }
        Ok(())
    }

    fn least_days(&self, set: &str, tier: Tier) -> i64 {
        match tier.finer() {
            None => self.days(set, Holding::Raw).max(LEDGER_DAYS),
            Some(finer) => self.days(set, Holding::Buckets(finer)),
        }
    }
}

/// A tier that would be kept for fewer days than it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    /// Which.
    tier: Tier,
    /// Its days.
    days: i64,
    /// The fewest that it may have.
    least: i64,
}

impl TooShort {
    /// Which of these changes is at fault: that of the tier, or of the next finer one whose rows it is made from.
    pub fn fault_of(&self, changed: impl Iterator<Item = Holding>) -> Option<Holding> {
        changed.filter(|holding| *holding <= Holding::Buckets(self.tier)).max()
    }

    /// Why, as a clause about the days of what is at fault.
    #[must_use]
    pub fn reason(&self, of: Holding) -> String {
        let Self { tier, days, least } = *self;
        let name = tier.name();
        let why = if tier == Tier::Minutes && least == LEDGER_DAYS {
            "what a collector kept may come so late".to_owned()
        } else {
            format!("{name} is made from what is kept for {least} days")
        };
        if of == Holding::Buckets(tier) {
            format!("must be {least} or more: {why}")
        } else {
            format!("would need {name} to be kept for {least} days, and not for {days}: {why}")
        }
    }
}

/// Why retention was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The days may not be.
    #[error("the days of {} of {set}: {reason}", holding.name())]
    Refused {
        /// The set.
        set: String,
        /// The tier.
        holding: Holding,
        /// Why, as a clause about the days.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Changes how long sets are kept, all or nothing, and lets the job that drops the rest run at once.
    ///
    /// # Errors
    /// When what would be in force may not be, or the store fails.
    pub async fn change_retention(&self, changes: &[RetentionChange]) -> Result<(), RetentionError> {
        let store = |error: tokio_postgres::Error| RetentionError::Store(error.into());
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(store)?;
        transaction.simple_query("lock table metrics.retention in share row exclusive mode").await.map_err(store)?;
        let mut retention = Retention::from_rows(&transaction.query(CONFIGURED, &[]).await.map_err(store)?);
        for change in changes {
            let refused = |holding, reason| RetentionError::Refused { set: change.set.clone(), holding, reason };
            retention.change(change).map_err(|reason| refused(change.holding, reason))?;
        }
        for change in changes {
            retention.check(&change.set).map_err(|short| {
                let holding = change.holding;
                RetentionError::Refused { set: change.set.clone(), holding, reason: short.reason(holding) }
            })?;
            let (set, tier) = (&change.set, change.holding.number());
            match change.days.and_then(|days| i32::try_from(days).ok()) {
                Some(days) => {
                    let sql = "insert into metrics.retention (set_name, tier, days) values ($1, $2, $3)
                        on conflict (set_name, tier) do update set days = excluded.days";
                    transaction.execute(sql, &[set, &tier, &days]).await.map_err(store)?;
                }
                None => {
                    let sql = "delete from metrics.retention where set_name = $1 and tier = $2";
                    transaction.execute(sql, &[set, &tier]).await.map_err(store)?;
                }
            }
        }
        let now = "update metrics.jobs set next_at = now() where name = $1";
        transaction.execute(now, &[&crate::Job::Retention.name()]).await.map_err(store)?;
        transaction.commit().await.map_err(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(changes: &[(Holding, i64)]) -> Retention {
        let mut retention = Retention::default();
        for (holding, days) in changes {
            let change = RetentionChange { set: "wal".to_owned(), holding: *holding, days: Some(*days) };
            retention.change(&change).unwrap();
        }
        retention
    }

    #[test]
    fn a_coarser_tier_follows_the_finer_one_and_is_never_shorter() {
        let [raw, minutes, hours, days, _] = Holding::ALL;
        let of = |retention: &Retention| Holding::ALL.map(|holding| retention.days("wal", holding));
        assert_eq!(of(&with(&[])), [7, 90, 731, 1827, 1827]);
        assert_eq!(of(&with(&[(raw, 1000)])), [1000, 1000, 1000, 1827, 1827], "what is not said follows");
        assert_eq!(with(&[(raw, 1000), (days, 1000)]).check("wal"), Ok(()));
        let short = |tier, days, least| TooShort { tier, days, least };
        assert_eq!(with(&[(raw, 20), (minutes, 19)]).check("wal"), Err(short(Tier::Minutes, 19, 20)));
        assert_eq!(
            with(&[(raw, 1), (minutes, 14)]).check("wal"),
            Err(short(Tier::Minutes, 14, 15)),
            "what comes late needs them"
        );
        assert_eq!(with(&[(hours, 89)]).check("wal"), Err(short(Tier::Hours, 89, 90)));
        assert_eq!(with(&[(days, 730)]).check("wal"), Err(short(Tier::Days, 730, 731)));
        for outside in [0, -1, MOST_DAYS + 1, i64::MAX] {
            let change = RetentionChange { set: "wal".to_owned(), holding: raw, days: Some(outside) };
            assert!(Retention::default().change(&change).is_err(), "{outside}");
        }
    }

    #[test]
    fn the_change_that_is_at_fault_is_told() {
        let [raw, minutes, hours, days, _] = Holding::ALL;
        let short = TooShort { tier: Tier::Hours, days: 90, least: 100 };
        assert_eq!(short.fault_of([raw, days, hours].into_iter()), Some(hours));
        assert_eq!(short.reason(hours), "must be 100 or more: 1h is made from what is kept for 100 days");
        assert_eq!(short.fault_of([days, minutes, raw].into_iter()), Some(minutes));
        let elsewhere =
            "would need 1h to be kept for 100 days, and not for 90: 1h is made from what is kept for 100 days";
        assert_eq!(short.reason(minutes), elsewhere);
        assert_eq!(short.fault_of([days].into_iter()), None);
    }

    #[test]
    fn what_all_share_stays_as_long_as_any() {
        let retention = with(&[(Holding::Raw, 40), (Holding::Buckets(Tier::Days), 3000)]);
        let days = |sets: &[&'static str], holding| retention.shared_days(sets.iter().copied(), holding);
        assert_eq!(days(&["wal", "x"], Holding::Raw), 40);
        assert_eq!(days(&["x"], Holding::Raw), EXPLANATION_DAYS);
        assert_eq!(days(&["x", "wal"], Holding::Buckets(Tier::Days)), 3000);
    }
}
