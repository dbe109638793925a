//! Counters and gauges of one set on a grid: an increment is spread over the steps that its interval covers, and a
//! gauge counts with the time for which it stands.

use std::collections::BTreeMap;

use catalog::Catalog;
use jiff::Timestamp;
use tokio_postgres::Error;

use crate::gaps::{Gap, Gaps};
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::series::{Buckets, Merge, Source, stepwise};

/// Which columns of which set.
pub(crate) struct Columns {
    pub(crate) set: &'static str,
    /// The label by which rows are told apart.
    pub(crate) key: Option<&'static str>,
    pub(crate) counters: &'static [&'static str],
    pub(crate) gauges: &'static [&'static str],
}

/// One step of one key. Counters are sums, gauges means; null is not known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// For how much of the step there are readings, in microseconds.
    pub(crate) covered_us: f64,
    counters: Vec<Option<f64>>,
    gauges: Vec<Option<f64>>,
}

/// What was read over a range.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    /// Its steps, by key.
    pub(crate) keys: BTreeMap<String, Steps>,
    /// Where nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

impl Spread {
    /// The steps where there is one key.
    pub(crate) fn one(&mut self) -> Steps {
        self.keys.remove("").unwrap_or_default()
    }
}

/// The steps of one key, by their place on the grid.
pub(crate) type Steps = BTreeMap<usize, Step>;

impl Columns {
    /// A counter's sum in a step.
    pub(crate) fn sum(&self, step: &Step, counter: &str) -> Option<f64> {
        step.counters.get(self.counters.iter().position(|name| *name == counter)?).copied().flatten()
    }

    /// A gauge's mean in a step.
    pub(crate) fn mean(&self, step: &Step, gauge: &str) -> Option<f64> {
        step.gauges.get(self.gauges.iter().position(|name| *name == gauge)?).copied().flatten()
    }

    /// A value of each step on the grid.
    pub(crate) fn series(
        &self,
        grid: Grid,
        steps: &Steps,
        value: impl Fn(&Self, &Step) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let mut series = grid.empty();
        for (nth, step) in steps {
            if let Some(place) = series.get_mut(*nth) {
                *place = value(self, step);
            }
        }
        series
    }

    /// All steps as one.
    pub(crate) fn whole(&self, steps: &Steps) -> Step {
        let add = |of: fn(&Step) -> &Vec<Option<f64>>, place: usize| {
            let known = steps.values().filter_map(|step| of(step).get(place).copied().flatten());
            known.fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or(0.0) + value))
        };
        let covered_us = steps.values().map(|step| step.covered_us).sum();
        let mean = |place: usize| {
            let known =
                steps.values().filter_map(|step| Some((step.gauges.get(place).copied().flatten()?, step.covered_us)));
            let (sum, time) = known.fold((0.0, 0.0), |(sum, time), (value, us)| (sum + value * us, time + us));
            (time > 0.0).then(|| sum / time)
        };
        Step {
            covered_us,
            counters: (0..self.counters.len()).map(|place| add(|step| &step.counters, place)).collect(),
            gauges: (0..self.gauges.len()).map(mean).collect(),
        }
    }

    /// Reads the steps of a range up to `now`, by key.
    pub(crate) async fn read(
        &self,
        snapshot: &Snapshot,
        catalog: &Catalog,
        id: InstanceId,
        range: Range,
        grid: Grid,
        now: Timestamp,
    ) -> Result<Spread, Error> {
        let gaps = Gaps::read(snapshot, catalog, id, self.set, range, now).await?;
        let (sums, counts) = (of_gauges(self.gauges, "sum"), of_gauges(self.gauges, "n"));
        let (sums, counts) = (sums.iter().map(String::as_str), counts.iter().map(String::as_str));
        let counters = || self.counters.iter().copied();
        let of_buckets: Vec<&str> = counters().chain(sums).chain(counts).collect();
        let columns: Vec<&str> =
            std::iter::once("interval_us").chain(self.key).chain(of_buckets.iter().copied()).collect();
        let values: Vec<&str> = counters().chain(self.gauges.iter().copied()).collect();
        let source = Source {
            set: self.set,
            over: None,
            key: self.key.unwrap_or("''"),
            values: &values,
            buckets: Some(Buckets { columns: &columns, over: None, values: &of_buckets, measured: &[] }),
        };
        let merged = |merge: Merge| {
            let merged = |nth: usize| match (nth < self.counters.len(), merge) {
                (true, Merge::Parts) => format!("sum(c.v{nth} * c.covered / c.length)"),
                (true, Merge::Whole) => format!("sum(c.v{nth})"),
                (false, Merge::Parts) => {
                    format!("sum(c.v{nth} * c.covered) / sum(c.covered) filter (where c.v{nth} is not null)")
                }
                (false, Merge::Whole) => format!("sum(c.v{nth}) / nullif(sum(c.v{}), 0)", nth + self.gauges.len()),
            };
            (0..values.len()).map(merged).collect()
        };
        let rows = stepwise(snapshot, source, merged, id, range, grid, &gaps).await?;
        let mut all: BTreeMap<String, Steps> = BTreeMap::new();
        for row in rows {
            let Ok(nth) = usize::try_from(row.get::<_, i64>(1)) else { continue };
            let value = |place: usize| row.get::<_, Option<f64>>(place + 3);
            let gauges = self.counters.len();
            let step = Step {
                covered_us: row.get(2),
                counters: (0..gauges).map(value).collect(),
                gauges: (gauges..gauges + self.gauges.len()).map(value).collect(),
            };
            let key: String = row.get(0);
            if self.key.is_some() == key.is_empty() {
                continue;
            }
            all.entry(key).or_default().insert(nth, step);
        }
        Ok(Spread { keys: all, gaps: gaps.listed })
    }
}

/// What buckets have of gauges.
fn of_gauges(gauges: &[&str], what: &str) -> Vec<String> {
    gauges.iter().map(|gauge| format!("{gauge}_{what}")).collect()
}

/// One number over another; null where nothing was counted.
pub(crate) fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    part.zip(whole).filter(|(_, whole)| *whole > 0.0).map(|(part, whole)| part / whole)
}
