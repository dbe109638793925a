//! Which time is asked for: a range, its steps and a moment. All endpoints over time take the same parameters.

use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

use crate::error::ReadError;
use crate::instances::store as instances;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};

/// How fine a grid is that nobody asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fineness {
    /// Its steps, about.
    points: i64,
    /// The shortest step in hundredths of the interval of readings.
    interval_percent: i64,
}

impl Fineness {
    /// Of increments, which are spread over the steps that their intervals cover.
    pub(crate) const SPREAD: Self = Self { points: 60, interval_percent: 100 };
    /// Of values at readings: a step is half as long again as the interval, because no two readings are exactly one
    /// interval apart.
    pub(crate) const READ: Self = Self { points: 60, interval_percent: 150 };
    /// Of numbers of sessions, which change fast.
    pub(crate) const FINE: Self = Self { points: 240, interval_percent: 100 };

    /// A grid of that fineness, of a set with this interval.
    pub(crate) fn over(self, range: Range, interval_us: Option<i64>) -> Grid {
        let shortest = interval_us.map(|us| us.saturating_mul(self.interval_percent) / 100);
        Grid::over(range, self.points, shortest.map(SignedDuration::from_micros))
    }
}

/// Which time, and which moment in it.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// What ended after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// What ended up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// The length of a step in seconds; else chosen, never shorter than the interval of readings.
    #[param(minimum = 1)]
    pub(crate) step: Option<i64>,
    /// States are those of this moment; else of the range's end. The newest reading at or before it tells of it,
    /// unless that is older than 15 minutes and than three intervals of its set.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) at: Option<Timestamp>,
}

impl When {
    /// The range that is meant.
    pub(crate) fn range(&self, now: Timestamp) -> Result<Range, ReadError> {
        Range::asked(self.start, self.end, now)
    }

    /// The moment that is meant.
    pub(crate) fn moment(&self, now: Timestamp) -> Timestamp {
        Moment { at: self.at.or(self.end) }.or(now)
    }

    /// The grid over the range: the one that was asked for, or one that readings of `set` fill.
    pub(crate) async fn grid(
        &self,
        snapshot: &Snapshot,
        id: InstanceId,
        set: &str,
        now: Timestamp,
        fineness: Fineness,
    ) -> Result<Grid, ReadError> {
        let range = self.range(now)?;
        if let Some(step) = self.step {
            return Grid::asked(range, step);
        }
        let latest = instances::latest(snapshot, &[id], now).await?.remove(&id);
        let interval_us = latest.and_then(|sets| sets.get(set)?.interval_us);
        Ok(fineness.over(range, interval_us))
    }
}

/// A moment of a request. The parser's own words tell of years and offsets, not of what is expected.
pub(crate) fn asked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let moment = text.parse().map_err(|_| {
        D::Error::custom(format!("expected a moment with its offset, as in 2026-03-01T12:00:00Z, got {text:?}"))
    })?;
    Ok(Some(moment))
}

/// Which moment.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// As it was then; else as it is now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) at: Option<Timestamp>,
}

impl Moment {
    /// The moment that is meant. Nothing was read before 1970, and PostgreSQL's time begins later than ours.
    #[must_use]
    pub(crate) fn or(self, now: Timestamp) -> Timestamp {
        self.at.unwrap_or(now).max(Timestamp::UNIX_EPOCH)
    }
}
