//! The readable encoding, for scripts and debugging. Rows go straight into columns: none of them
//! becomes a JSON value in memory.
//!
//! Values are in the catalogue's units: durations are whole microseconds, moments RFC 3339 (or
//! `infinity`, `-infinity`), WAL positions `X/Y` or bytes, and a 64-bit integer may be a string.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use catalog::{Definition, SetKind, Type};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;
use wire::{Bitmap, Frame, FrameColumn, Instance};

use crate::check::clean;
use crate::clock::Stamp;
use crate::incoming::{Incoming, IncomingReading, RowsOf};
use crate::strict::{Strict, Texts};
use crate::{PushError, Rejected};
use store::Definitions;
use store::nearest;

/// The instance of rows that name none.
const DEFAULT_INSTANCE: &str = "default";

/// The longest name of an instance, in bytes.
const MAX_INSTANCE_NAME: usize = 255;

/// The most entries of `metrics` in one batch.
const MAX_METRICS: usize = 10_000;

/// The most values in one batch, absent ones included: they take room too.
const MAX_CELLS: usize = 8_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    collector_id: Uuid,
    hostname: Option<String>,
    version: Option<String>,
    timestamp: Option<Timestamp>,
    /// By the clock that all times in here are by: what that one is off is corrected.
    sent_at: Option<Timestamp>,
    epoch: Option<Uuid>,
    sequence: Option<u64>,
    #[serde(borrow)]
    metrics: Vec<Metric<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric<'a> {
    #[serde(rename = "type")]
    set: String,
    timestamp: Timestamp,
    interval_ms: Option<f64>,
    instance: Option<String>,
    database: Option<i64>,
    #[serde(borrow)]
    rows: &'a RawValue,
}

/// Parses a body. Unknown sets and columns are rejected by themselves.
///
/// # Errors
/// 400 when it is no such JSON, 413 when it holds too much, 422 when it contradicts itself.
pub(crate) fn parse(body: &[u8], definitions: &Definitions, now: Timestamp) -> Result<Incoming, PushError> {
    let malformed = |error: serde_json::Error| PushError::Malformed { reason: format!("the body: {error}") };
    let invalid = |reason: &str| PushError::Invalid { code: "invalid_batch", reason: reason.to_owned() };
    let mut json = serde_json::Deserializer::from_slice(body);
    // Texts of rows are looked at where they are taken: one that the store cannot hold costs itself alone.
    let body = Body::deserialize(Strict::new(&mut json, Texts::Any)).map_err(malformed)?;
    json.end().map_err(malformed)?;
    if body.metrics.len() > MAX_METRICS {
        return Err(PushError::TooLarge { reason: format!("more than {MAX_METRICS} entries in metrics") });
    }
    let key = match (body.epoch, body.sequence) {
        (Some(epoch), Some(sequence)) => {
            let sequence = i64::try_from(sequence).ok().filter(|sequence| (1..i64::MAX).contains(sequence));
            Some((epoch, sequence.ok_or_else(|| invalid("sequence must be between 1 and 2^63 - 2"))?))
        }
        (None, None) => None,
        _ => return Err(invalid("epoch and sequence go together")),
    };
    let mut incoming = Incoming {
        acknowledged: None,
        process: None,
        collector_id: body.collector_id,
        key,
        epoch: key.map(|(epoch, _)| epoch),
        lane: None,
        created_us: body.timestamp.unwrap_or(now).as_microsecond(),
        hostname: clean(&body.hostname.unwrap_or_default(), MAX_INSTANCE_NAME),
        version: clean(&body.version.unwrap_or_default(), MAX_INSTANCE_NAME),
        instances: Vec::new(),
        readings: Vec::new(),
        discarded: Vec::new(),
        lost: Vec::new(),
        status: None,
        stamp: Stamp { sent_us: body.sent_at.map(Timestamp::as_microsecond), ..Stamp::default() },
        rejected: Vec::new(),
    };
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut cells_left = MAX_CELLS;
    for metric in body.metrics {
        let set = clean(&metric.set, catalog::MAX_NAME);
        let Some(known) = definitions.set(&metric.set) else {
            let rows = serde_json::from_str::<Vec<IgnoredAny>>(metric.rows.get()).map_err(malformed)?.len() as u64;
            incoming.rejected.push(Rejected { set, column: None, reason: "unknown_set".to_owned(), rows });
            continue;
        };
        let instance = metric.instance.unwrap_or_else(|| DEFAULT_INSTANCE.to_owned());
        if instance.is_empty() || instance.len() > MAX_INSTANCE_NAME || instance.contains('\0') {
            return Err(invalid("an instance's name has 1 to 255 bytes without NUL"));
        }
        let next = places.len();
        let place = *places.entry(instance.clone()).or_insert(next);
        if place == next {
            incoming.instances.push(Instance { name: instance, ..Instance::default() });
        }
        let interval_us = match metric.interval_ms {
            Some(ms) if ms.is_finite() && (0.0..1e12).contains(&ms) => Some(nearest(ms * 1000.0)),
            Some(_) => return Err(invalid("interval_ms must be at least 0")),
            None => None,
        };
        let mut reader = Reader::new(&known.definition, cells_left);
        let mut json = serde_json::Deserializer::from_str(metric.rows.get());
        (&mut reader).deserialize(&mut json).and_then(|()| json.end()).map_err(malformed)?;
        cells_left = reader.cells_left;
        let rows = reader.frame.rows as u64;
        for (column, count) in &reader.unknown {
            let column = Some(clean(column, catalog::MAX_NAME));
            let reason = "unknown_column".to_owned();
            incoming.rejected.push(Rejected { set: set.clone(), column, reason, rows: *count });
        }
        if let Some(at) = reader.wrong {
            let column = known.definition.columns.get(at).map(|column| column.name.clone());
            incoming.rejected.push(Rejected { set, column, reason: "wrong_type".to_owned(), rows });
            continue;
        }
        let time_us = metric.timestamp.as_microsecond();
        incoming.readings.push(IncomingReading {
            set,
            instance: place,
            datid: metric.database,
            started_us: time_us,
            time_us,
            interval_us,
            duration_us: 0,
            error: None,
            late_cycles: 0,
            flags: Vec::new(),
            cuts: Vec::new(),
            rows: RowsOf::Frame(reader.frame, reader.removed),
            known: Some(known),
        });
    }
    Ok(incoming)
}

/// Reads a list of rows into a frame.
struct Reader<'d> {
    definition: &'d Definition,
    places: HashMap<&'d str, usize>,
    frame: Frame,
    removed: Bitmap,
    filled: Vec<bool>,
    unknown: BTreeMap<String, u64>,
    cells_left: usize,
    /// The first column with a value of another type.
    wrong: Option<usize>,
}

impl<'d> Reader<'d> {
    fn new(definition: &'d Definition, cells_left: usize) -> Self {
        Self {
            definition,
            places: definition.columns.iter().enumerate().map(|(at, c)| (c.name.as_str(), at)).collect(),
            frame: Frame::new(definition),
            removed: Bitmap::default(),
            filled: vec![false; definition.columns.len()],
            unknown: BTreeMap::new(),
            cells_left,
            wrong: None,
        }
    }

    fn end_row(&mut self, removed: bool) {
        for (at, filled) in self.filled.iter_mut().enumerate() {
            if !std::mem::take(filled)
                && let Some(column) = self.frame.columns[at].as_mut()
            {
                column.push_null();
            }
        }
        self.removed.push(removed);
        self.frame.rows += 1;
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reader<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(RowList(self))
    }
}

struct RowList<'r, 'd>(&'r mut Reader<'d>);

impl<'de> Visitor<'de> for RowList<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(Row(&mut *self.0))?.is_some() {
            let left = self.0.cells_left.checked_sub(self.0.definition.columns.len() + 3);
            self.0.cells_left = left.ok_or_else(|| A::Error::custom("too many values in one batch"))?;
        }
        Ok(())
    }
}

struct Row<'r, 'd>(&'r mut Reader<'d>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row: an object of columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        let reader = self.0;
        let mut removed = false;
        while let Some(name) = cells.next_key::<Cow<'de, str>>()? {
            let Some(at) = reader.places.get(name.as_ref()).copied() else {
                if name == "removed" && reader.definition.kind() == SetKind::Info {
                    removed = cells.next_value()?;
                } else {
                    cells.next_value::<IgnoredAny>()?;
                    *reader.unknown.entry(name.into_owned()).or_default() += 1;
                }
                continue;
            };
            if std::mem::replace(&mut reader.filled[at], true) {
                return Err(A::Error::custom(format!("column {name} stands twice in a row")));
            }
            if let Some(column) = reader.frame.columns[at].as_mut() {
                let column_type = reader.definition.columns[at].column_type;
                if !cells.next_value_seed(Cell { column_type, column })? {
                    reader.wrong.get_or_insert(at);
                }
            }
        }
        reader.end_row(removed);
        Ok(())
    }
}

/// Puts one value into its column; answers false, and NULL, when it is of another type.
struct Cell<'c> {
    column_type: Type,
    column: &'c mut FrameColumn,
}

impl Cell<'_> {
    fn int(self, value: i64) -> bool {
        let fits = match self.column_type {
            Type::Int4 => i32::try_from(value).is_ok(),
            Type::Int8 | Type::Oid | Type::Lsn | Type::Duration => true,
            Type::Float8 => {
                self.column.push_float(value as f64);
                return true;
            }
            Type::Bool | Type::Text | Type::Timestamptz => false,
        };
        if fits {
            self.column.push_int(value);
        } else {
            self.column.push_null();
        }
        fits
    }

    fn wrong(self) -> bool {
        self.column.push_null();
        false
    }
}

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        self.column.push_null();
        Ok(true)
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        if self.column_type != Type::Bool {
            return Ok(self.wrong());
        }
        self.column.push_bool(value);
        Ok(true)
    }

    fn visit_i64<E>(self, value: i64) -> Result<bool, E> {
        Ok(self.int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<bool, E> {
        match i64::try_from(value) {
            Ok(value) => Ok(self.int(value)),
            Err(_) => self.visit_f64::<E>(value as f64),
        }
    }

    fn visit_f64<E>(self, value: f64) -> Result<bool, E> {
        if self.column_type != Type::Float8 {
            return Ok(self.wrong());
        }
        self.column.push_float(value);
        Ok(true)
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        let value = match self.column_type {
            Type::Text => {
                self.column.push_text(text);
                return Ok(true);
            }
            Type::Timestamptz => moment(text),
            Type::Lsn => position(text).or_else(|| text.parse().ok()),
            Type::Int8 | Type::Oid | Type::Int4 | Type::Duration => text.parse().ok(),
            Type::Bool | Type::Float8 => None,
        };
        match value {
            Some(moment) if self.column_type == Type::Timestamptz => {
                self.column.push_int(moment);
                Ok(true)
            }
            Some(value) => Ok(self.int(value)),
            None => Ok(self.wrong()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.wrong())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.wrong())
    }
}

fn moment(text: &str) -> Option<i64> {
    match text {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        _ => text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond),
    }
}

/// A WAL position as PostgreSQL writes it.
fn position(text: &str) -> Option<i64> {
    let (high, low) = text.split_once('/')?;
    let part = |hex: &str| u32::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+'));
    i64::try_from(u64::from(part(high)?) << 32 | u64::from(part(low)?)).ok()
}
