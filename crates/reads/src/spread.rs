//! Counters and gauges of one set on a grid: an increment is spread over the steps that its interval covers, and a
//! gauge counts with the time for which it stands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use catalog::Catalog;
use jiff::Timestamp;
use tokio_postgres::Error;

use crate::gaps::{Gap, Gaps};
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::series::{Source, over_steps};

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

    fn sql(&self) -> String {
        let mut kept = String::new();
        let values: Vec<&str> = self.counters.iter().chain(self.gauges).copied().collect();
        for nth in 0..values.len() {
            if nth < self.counters.len() {
                let _ = write!(kept, ", sum(c.v{nth} * c.covered / c.length)");
            } else {
                let _ =
                    write!(kept, ", sum(c.v{nth} * c.covered) / sum(c.covered) filter (where c.v{nth} is not null)");
            }
        }
        let from = format!("metrics.{}", self.set);
        let spread = over_steps(Source { from: &from, key: self.key.unwrap_or("''"), values: &values });
        let keyed = if self.key.is_some() { " and c.key <> ''" } else { "" };
        format!(
            "select c.key, c.step, sum(c.covered)::float8{kept} from ({spread}) c
             where c.covered > 0{keyed} group by c.key, c.step"
        )
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
        let step_us = grid.step_us();
        let rows = snapshot
            .query(&self.sql(), &[&id, &range.start, &range.end, &grid.start, &step_us, &grid.points, &gaps.ends()])
            .await?;
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
            all.entry(row.get(0)).or_default().insert(nth, step);
        }
        Ok(Spread { keys: all, gaps: gaps.listed })
    }
}

/// One number over another; null where nothing was counted.
pub(crate) fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    part.zip(whole).filter(|(_, whole)| *whole > 0.0).map(|(part, whole)| part / whole)
}
