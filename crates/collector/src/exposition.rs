//! What was read last, in the OpenMetrics text format, for whoever scrapes the collector. A scrape reads what is in memory,
//! never PostgreSQL.
//!
//! Every figure of the catalogue has a name made from its set and column; `aliases.rs` has those of `postgres_exporter`
//! for figures that mean the same. What could not be read has no series.

mod aliases;
mod names;
mod reference;
mod serve;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use catalog::{Catalog, Column, Kind, Set, Unit};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as Suffix};
use wire::{Frame, Values};

use crate::baseline::Place;
use crate::checkup::Whole;
use crate::texts;
pub use aliases::{ALIASES, Alias};
use names::Names;
pub use reference::reference_markdown;
pub use serve::{Exposition, show};

/// What every name begins with.
const PREFIX: &str = "pganalytics_";
/// The label with the instance's name; `instance` is what a scraper calls its target.
const SERVER: &str = "server";

/// The last reading of every set, while somebody may ask for it.
#[derive(Debug, Default)]
pub struct Latest {
    is_asked: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    shown: BTreeMap<Place, Arc<Shown>>,
    /// Whether each instance answered.
    up: BTreeMap<String, bool>,
}

#[derive(Debug)]
struct Shown {
    frame: Frame,
    time_us: i64,
}

impl Latest {
    /// Begins to keep readings, or forgets them.
    pub(crate) fn ask(&self, is_asked: bool) {
        self.is_asked.store(is_asked, Ordering::Relaxed);
        if !is_asked {
            *self.kept() = Kept::default();
        }
    }

    /// Whether readings are kept.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Keeps a reading; `unmeasured` are columns that read 0 and are not.
    pub(crate) fn keep(&self, place: &Place, frame: &Frame, unmeasured: &[usize], time_us: i64) {
        if !self.is_asked() {
            return;
        }
        let mut frame = frame.clone();
        for column in unmeasured {
            frame.columns[*column] = None;
        }
        self.kept().shown.insert(place.clone(), Arc::new(Shown { frame, time_us }));
    }

    /// A set was not read: what it said before is not what it would say now.
    pub(crate) fn forget(&self, place: &Place) {
        if self.is_asked() {
            self.kept().shown.remove(place);
        }
    }

    /// Notes whether an instance answered; what was read from one that does not is not what it would say now.
    pub(crate) fn note_up(&self, instance: &str, is_up: bool, is_read_from_it: impl Fn(&str) -> bool) {
        if !self.is_asked() {
            return;
        }
        let mut kept = self.kept();
        kept.up.insert(instance.to_owned(), is_up);
        if !is_up {
            kept.shown.retain(|place, _| place.instance != instance || !is_read_from_it(&place.set));
        }
    }

    /// Keeps what is of these instances only.
    pub(crate) fn retain(&self, is_watched: impl Fn(&str) -> bool) {
        let mut kept = self.kept();
        kept.shown.retain(|place, _| is_watched(&place.instance));
        kept.up.retain(|instance, _| is_watched(instance));
    }

    /// Keeps of an instance what was read of these sets only.
    pub(crate) fn retain_sets(&self, instance: &str, is_kept: impl Fn(&str) -> bool) {
        self.kept().shown.retain(|place, _| place.instance != instance || is_kept(&place.set));
    }

    /// What is kept, as it was read but for secrets.
    pub(crate) fn frames(&self, catalog: &Catalog) -> Vec<(Place, Whole)> {
        let kept = self.kept().clone();
        let frames = kept.shown.into_iter().map(|(place, shown)| {
            let mut frame = shown.frame.clone();
            if let Some(set) = catalog.get(&place.set) {
                texts::redact_rows(&set.definition, &mut frame);
            }
            (place, Whole { time_us: shown.time_us, frame })
        });
        frames.collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All series as a text.
///
/// # Errors
/// Never, but that the library says so.
pub fn text(latest: &Arc<Latest>, catalog: &Arc<Catalog>, exclude: &[String]) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    let (latest, catalog) = (Arc::clone(latest), Arc::clone(catalog));
    registry.register_collector(Box::new(Series { latest, catalog, exclude: exclude.to_vec() }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Series {
    latest: Arc<Latest>,
    catalog: Arc<Catalog>,
    exclude: Vec<String>,
}

/// The readings of one set, with what its rows are called.
struct Rows<'a> {
    set: &'a Set,
    readings: Vec<(&'a Place, &'a Arc<Shown>)>,
}

impl Collector for Series {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // Whoever reads is not held up while a text is written.
        let kept = self.latest.kept().clone();
        let names = Names::of(&self.catalog, &kept.shown);
        up(&mut encoder, &format!("{PREFIX}up"), &kept.up)?;
        up(&mut encoder, "pg_up", &kept.up)?;
        let name = format!("{PREFIX}set_read_timestamp");
        let help = "When the set was read last, by the collector's clock.";
        let mut family = encoder.encode_descriptor(&name, help, Some(&Suffix::Seconds), MetricType::Gauge)?;
        for (place, shown) in &kept.shown {
            let mut labels = names.of_place(place);
            labels.push(("set".to_owned(), place.set.clone()));
            family.encode_family(&labels)?.encode_gauge(&seconds(shown.time_us))?;
        }
        for set in self.catalog.sets().filter(|set| !self.is_excluded(set.name())) {
            let readings: Vec<_> = kept.shown.iter().filter(|(place, _)| place.set == set.name()).collect();
            if readings.is_empty() {
                continue;
            }
            let rows = Rows { set, readings };
            for (column, meta) in set.definition.columns.iter().enumerate() {
                rows.encode(&mut encoder, &names, column, meta)?;
            }
            for alias in ALIASES.iter().filter(|alias| alias.set == set.name()) {
                rows.encode_alias(&mut encoder, &names, alias)?;
            }
        }
        Ok(())
    }
}

impl Series {
    fn is_excluded(&self, set: &str) -> bool {
        self.exclude.iter().any(|pattern| config::matches(pattern, set))
    }
}

fn up(encoder: &mut DescriptorEncoder<'_>, name: &str, up: &BTreeMap<String, bool>) -> Result<(), std::fmt::Error> {
    let help = "Whether the instance answered when it was read last.";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (instance, is_up) in up {
        let labels = vec![(SERVER.to_owned(), names::escaped(instance))];
        family.encode_family(&labels)?.encode_gauge(&i64::from(*is_up))?;
    }
    Ok(())
}

/// What a column is shown as; `None` where it has no figure.
fn metric_type(meta: &Column) -> Option<MetricType> {
    // An identifier is no figure.
    if matches!(meta.column_type, catalog::Type::Text | catalog::Type::Oid) {
        return None;
    }
    match meta.kind {
        Kind::Counter => Some(MetricType::Counter),
        Kind::Gauge | Kind::Reset => Some(MetricType::Gauge),
        _ => None,
    }
}

/// What a column is; the library ends it with a full stop.
fn help(meta: &Column) -> String {
    names::escaped(meta.help.trim_end_matches('.'))
}

/// The unit that a name ends with.
fn suffix(meta: &Column) -> Option<Suffix> {
    match (meta.unit, meta.column_type) {
        (Unit::Microseconds, _) | (_, catalog::Type::Timestamptz) => Some(Suffix::Seconds),
        (Unit::Bytes, _) => Some(Suffix::Bytes),
        _ => None,
    }
}

/// The name of a column's figures, without what their type and unit add.
fn metric_name(set: &str, meta: &Column) -> String {
    let unit = suffix(meta).map(|unit| format!("_{}", unit.as_str()));
    let column = unit.and_then(|unit| meta.name.strip_suffix(unit.as_str())).unwrap_or(&meta.name);
    format!("{PREFIX}{set}_{}", column.strip_suffix("_total").unwrap_or(column))
}

impl Rows<'_> {
    fn encode(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        names: &Names<'_>,
        column: usize,
        meta: &Column,
    ) -> Result<(), std::fmt::Error> {
        let Some(metric_type) = metric_type(meta) else { return Ok(()) };
        let is_counter = meta.kind == Kind::Counter;
        let (unit, name, help) = (suffix(meta), metric_name(self.set.name(), meta), help(meta));
        let family = encoder.encode_descriptor(&name, &help, unit.as_ref(), metric_type)?;
        let scale = if matches!(unit, Some(Suffix::Seconds)) { 1e-6 } else { 1.0 };
        self.encode_values(family, names, column, false, |family, value| family.encode(value * scale, is_counter))
    }

    fn encode_alias(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        names: &Names<'_>,
        alias: &Alias,
    ) -> Result<(), std::fmt::Error> {
        let Some((column, meta)) = self.set.definition.column(alias.column) else { return Ok(()) };
        // A counter's samples end in _total; where the exporter's do not, the type is left open.
        let (name, metric_type) = match (alias.name.strip_suffix("_total"), meta.kind) {
            (Some(name), Kind::Counter) => (name, MetricType::Counter),
            (_, Kind::Counter) => (alias.name, MetricType::Unknown),
            _ => (alias.name, MetricType::Gauge),
        };
        let is_counter = matches!(metric_type, MetricType::Counter);
        let family = encoder.encode_descriptor(name, &help(meta), None, metric_type)?;
        let encode = |family: MetricEncoder<'_>, value| family.encode(value * alias.scale, is_counter);
        self.encode_values(family, names, column, alias.is_of_users(), encode)
    }

    fn encode_values(
        &self,
        mut family: MetricEncoder<'_>,
        names: &Names<'_>,
        column: usize,
        of_users: bool,
        encode: impl Fn(MetricEncoder<'_>, f64) -> Result<(), std::fmt::Error>,
    ) -> Result<(), std::fmt::Error> {
        for (place, shown) in &self.readings {
            let Some(values) = shown.frame.column(column) else { continue };
            for row in (0..shown.frame.rows).filter(|row| !values.is_null(*row)) {
                let Some(value) = number(&values.values, row) else { continue };
                let labels = names.of_row(place, self.set, &shown.frame, row);
                if of_users && !names::is_of_users(&labels) {
                    continue;
                }
                encode(family.encode_family(&labels)?, value)?;
            }
        }
        Ok(())
    }
}

/// Writes one value as the type has it.
trait Encode {
    fn encode(self, value: f64, is_counter: bool) -> Result<(), std::fmt::Error>;
}

impl Encode for MetricEncoder<'_> {
    fn encode(mut self, value: f64, is_counter: bool) -> Result<(), std::fmt::Error> {
        if is_counter { self.encode_counter::<NoLabelSet, _, f64>(&value, None) } else { self.encode_gauge(&value) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the format has floating point, exact to 2^53")]
fn number(values: &Values, row: usize) -> Option<f64> {
    match values {
        Values::Bool(values) => Some(f64::from(u8::from(*values.get(row)?))),
        // A moment that never comes, or never was.
        Values::Int(values) => values.get(row).filter(|value| ![i64::MIN, i64::MAX].contains(value)).map(|v| *v as f64),
        Values::Float(values) => values.get(row).copied(),
        Values::Text(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a moment in microseconds is exact to 2^53")]
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}
