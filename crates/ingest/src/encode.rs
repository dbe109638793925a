//! From a batch to what is written: COPY bytes per table, and the small rows beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use catalog::{Scope, SetKind};
use jiff::Timestamp;
use uuid::Uuid;
use wire::{Bitmap, Flag, FlagReason, Frame, Instance, Status};

use store::{Day, Known};

use crate::check::{self, check_frame, clean, is_in_window, reason};
use crate::clock::{ClockNote, Correction};
use crate::copy::{Rows, Shared};
use crate::due::{COPY_DUE, DueCells};
use crate::incoming::{Incoming, IncomingReading, RowsOf};
use crate::infos::Said;
use crate::{PushError, Rejected};

/// The most values that one batch may hold, NULLs of columns that were not sent included: they
/// become bytes too.
const MAX_CELLS: u64 = 8_000_000;

/// The longest error of a reading, in bytes.
const MAX_ERROR: usize = 2048;

/// The most keys that a flag names.
const MAX_ENTRIES: usize = 100;

/// The longest key that a flag names, in bytes.
const MAX_ENTRY: usize = 4096;

const COPY_READINGS: &str = "copy metrics.readings \
    (instance_id, set_name, datid, started, time, interval_us, rows, duration_us, error, late_cycles, \
    clock_offset_us) \
    from stdin (format binary)";
const COPY_CUTS: &str = "copy metrics.cuts (instance_id, set_name, time, per, rows, ids) from stdin (format binary)";
const COPY_FLAGS: &str = "copy metrics.flags (instance_id, set_name, start, \"end\", reason, entries, entries_total) \
    from stdin (format binary)";
const COPY_DISCARDS: &str =
    "copy metrics.discards (collector_id, set_name, reason, rows, readings, at) from stdin (format binary)";
const COPY_REJECTED: &str = "copy metrics.rejected \
    (collector_id, epoch, sequence, set_name, column_name, reason, rows, at) from stdin (format binary)";

/// A batch, ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) collector_id: Uuid,
    pub(crate) key: Option<(Uuid, i64)>,
    /// The epoch that its collector spools under.
    pub(crate) epoch: Option<Uuid>,
    /// Which of the collector's spools that is of.
    pub(crate) lane: Option<Uuid>,
    /// Epoch and sequence of the batch that its collector takes for acknowledged last.
    pub(crate) acknowledged: Option<(Uuid, i64)>,
    /// The process that delivers it.
    pub(crate) process: Option<Uuid>,
    pub(crate) created_us: i64,
    pub(crate) hostname: String,
    pub(crate) version: String,
    pub(crate) status: Option<Status>,
    /// When it arrived.
    pub(crate) arrived: Timestamp,
    /// How far the collector's machine is ahead of us.
    pub(crate) ahead_us: Option<i64>,
    /// What is new about the clock that stamped it.
    pub(crate) clock: Option<ClockNote>,
    /// Rows for COPY, by statement.
    pub(crate) tables: BTreeMap<Arc<str>, (u64, Bytes)>,
    /// The partitions that those rows need.
    pub(crate) days: BTreeSet<(String, Day)>,
    /// What the instances said of themselves, with their numbers in ascending order.
    pub(crate) instances: Vec<(i32, Instance)>,
    pub(crate) texts: Vec<Text>,
    pub(crate) infos: Vec<Said>,
    pub(crate) latest: Vec<Latest>,
    /// Flags whose start is not known: the instance, and the end.
    pub(crate) open_flags: BTreeSet<(i32, i64)>,
    pub(crate) rows_by_set: BTreeMap<String, u64>,
    pub(crate) rejected: Vec<Rejected>,
}

/// A statement's text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text {
    pub(crate) instance_id: i32,
    pub(crate) dbid: i64,
    pub(crate) queryid: i64,
    pub(crate) query: Box<str>,
    pub(crate) captured_us: i64,
}

/// That a set was read, or why not.
#[derive(Debug)]
pub(crate) struct Latest {
    pub(crate) instance_id: i32,
    pub(crate) set: String,
    pub(crate) started_us: i64,
    pub(crate) time_us: i64,
    pub(crate) rows: i32,
    pub(crate) error: Option<String>,
}

impl Prepared {
    /// Rows for the database.
    pub(crate) fn rows(&self) -> u64 {
        let said = self.infos.iter().map(|said| said.frame.rows as u64);
        self.tables.values().map(|(rows, _)| *rows).chain(said).sum()
    }

    /// Bytes for the database.
    pub(crate) fn bytes(&self) -> u64 {
        let said = self.infos.iter().map(Said::bytes);
        self.tables.values().map(|(_, bytes)| bytes.len() as u64).chain(said).sum()
    }
}

/// Bounds what a batch unfolds to, before anything is decoded. Answers an estimate of its bytes.
///
/// # Errors
/// 413 when it is too large.
pub(crate) fn weigh(incoming: &Incoming) -> Result<u64, PushError> {
    let cells = |reading: &IncomingReading| {
        let columns = reading.known.as_ref().map_or(0, |known| known.definition.columns.len() as u64);
        reading.rows.count().saturating_mul(columns + 3)
    };
    let total = incoming.readings.iter().map(cells).fold(0, u64::saturating_add);
    if total > MAX_CELLS {
        return Err(PushError::TooLarge { reason: format!("more than {MAX_CELLS} values in one batch") });
    }
    Ok(total * 12)
}

/// Decodes, checks and encodes every reading; a bad one rejects itself.
pub(crate) fn encode(
    incoming: Incoming,
    instance_ids: &[i32],
    now: Timestamp,
    Correction { ahead_us, note, .. }: Correction,
) -> Prepared {
    let mut encoder = Encoder::default();
    let Incoming { collector_id, key, epoch, lane, acknowledged, process, created_us, hostname, version, .. } =
        incoming;
    let Incoming { instances, readings, discarded, lost, status, rejected, .. } = incoming;
    let offsets: Vec<Option<i64>> =
        instances.iter().map(|instance| instance.attributes.as_ref()?.clock_offset_us).collect();
    encoder.rejected = rejected;
    for reading in readings {
        let instance_id = instance_ids.get(reading.instance).copied();
        if let Some(instance_id) = instance_id {
            let clock_offset_us = offsets.get(reading.instance).copied().flatten();
            encoder.reading(reading, instance_id, clock_offset_us, now);
        }
    }
    let now_us = now.as_microsecond();
    // Behind those of the instances are the numbers of those that only lost something.
    for (lost, instance_id) in lost.iter().zip(&instance_ids[instances.len().min(instance_ids.len())..]) {
        let (start_us, end_us) = (lost.start_us, lost.end_us);
        let flag = Flag { reason: lost.reason, start_us, end_us, ..Flag::default() };
        encoder.flag(&clean(&lost.set, catalog::MAX_NAME), &flag, *instance_id, now);
        if start_us == end_us {
            encoder.open_flags.insert((*instance_id, end_us));
        }
    }
    for lost in &discarded {
        let rows = encoder.small.entry(COPY_DISCARDS).or_default();
        rows.begin(6);
        rows.uuid(collector_id);
        rows.text(&clean(&lost.set, catalog::MAX_NAME));
        rows.text(&clean(&lost.reason, catalog::MAX_NAME));
        rows.int8(i64::try_from(lost.rows).unwrap_or(i64::MAX));
        rows.int8(i64::try_from(lost.readings).unwrap_or(i64::MAX));
        rows.moment(now_us);
    }
    merge(&mut encoder.rejected);
    if !encoder.rejected.is_empty() {
        let (statement, rows) = rejected_rows(collector_id, key, &encoder.rejected, now_us);
        encoder.small.insert(statement, rows);
    }
    let due = std::mem::take(&mut encoder.due).into_rows();
    if due.count() > 0 {
        encoder.small.insert(COPY_DUE, due);
    }
    encoder.texts.sort();
    encoder.texts.dedup_by_key(|text| (text.instance_id, text.dbid, text.queryid));
    let mut numbered: Vec<(i32, Instance)> = instance_ids.iter().copied().zip(instances).collect();
    numbered.sort_by_key(|(id, _)| *id);
    let small = encoder.small.into_iter().map(|(statement, rows)| (Arc::from(statement), rows));
    let tables = encoder.sets.into_iter().chain(small);
    Prepared {
        collector_id,
        key,
        epoch,
        lane,
        acknowledged,
        process,
        created_us,
        hostname,
        version,
        status,
        arrived: now,
        ahead_us,
        clock: note,
        tables: tables.map(|(statement, rows)| (statement, (rows.count(), rows.into_bytes()))).collect(),
        days: encoder.days,
        instances: numbered,
        texts: encoder.texts,
        infos: encoder.infos,
        latest: encoder.latest,
        open_flags: encoder.open_flags,
        rows_by_set: encoder.rows_by_set,
        rejected: encoder.rejected,
    }
}

/// What was rejected, as rows of `metrics.rejected`.
pub(crate) fn rejected_rows(
    collector_id: Uuid,
    key: Option<(Uuid, i64)>,
    rejected: &[Rejected],
    now_us: i64,
) -> (&'static str, Rows) {
    let mut rows = Rows::default();
    for one in rejected {
        rows.begin(8);
        rows.uuid(collector_id);
        match key {
            Some((epoch, sequence)) => {
                rows.uuid(epoch);
                rows.int8(sequence);
            }
            None => {
                rows.null();
                rows.null();
            }
        }
        rows.text(&clean(&one.set, catalog::MAX_NAME));
        match &one.column {
            Some(column) => rows.text(&clean(column, catalog::MAX_NAME)),
            None => rows.null(),
        }
        rows.text(&reason(&one.reason, MAX_ERROR));
        rows.int8(i64::try_from(one.rows).unwrap_or(i64::MAX));
        rows.moment(now_us);
    }
    (COPY_REJECTED, rows)
}

/// Sums what was rejected for one reason.
fn merge(rejected: &mut Vec<Rejected>) {
    let mut sums: BTreeMap<(String, Option<String>, String), u64> = BTreeMap::new();
    for one in rejected.drain(..) {
        *sums.entry((one.set, one.column, one.reason)).or_default() += one.rows;
    }
    rejected.extend(sums.into_iter().map(|((set, column, reason), rows)| Rejected { set, column, reason, rows }));
}

#[derive(Default)]
struct Encoder {
    sets: BTreeMap<Arc<str>, Rows>,
    small: BTreeMap<&'static str, Rows>,
    days: BTreeSet<(String, Day)>,
    due: DueCells,
    texts: Vec<Text>,
    infos: Vec<Said>,
    latest: Vec<Latest>,
    open_flags: BTreeSet<(i32, i64)>,
    rows_by_set: BTreeMap<String, u64>,
    rejected: Vec<Rejected>,
}

impl Encoder {
    fn reading(&mut self, reading: IncomingReading, instance_id: i32, clock_offset_us: Option<i64>, now: Timestamp) {
        let sent = reading.rows.count();
        if !is_in_window(reading.time_us, now) || !is_in_window(reading.started_us, now) {
            return self.reject(&reading.set, None, "time_outside_window", sent);
        }
        let IncomingReading { set, known, datid, started_us, time_us, interval_us, .. } = reading;
        let mut stored = 0;
        if let Some(known) = known {
            match decode(reading.rows, &known, datid) {
                Ok((frame, removed)) => {
                    let shared = Shared { instance_id, time_us, interval_us, datid };
                    stored = frame.rows as u64;
                    if known.kind == SetKind::Info {
                        let lacking = check::without_key(&known.definition, &frame);
                        stored -= lacking;
                        if lacking > 0 {
                            self.reject(&set, None, "no_key", lacking);
                        }
                    }
                    self.rows(&known, frame, shared, removed);
                    *self.rows_by_set.entry(set.clone()).or_default() += stored;
                }
                Err((column, reason)) => self.reject(&set, column, &reason, sent),
            }
        }
        let stored = i32::try_from(stored).unwrap_or(i32::MAX);
        let error = reading.error.map(|error| reason(&error, MAX_ERROR));
        self.due.note(instance_id, &set, time_us, interval_us);
        self.days.insert(("readings".to_owned(), Day::of_micros(time_us)));
        let rows = self.small.entry(COPY_READINGS).or_default();
        rows.begin(11);
        rows.int4(instance_id);
        rows.text(&set);
        rows.int8_or_null(datid);
        rows.moment(started_us);
        rows.moment(time_us);
        rows.int8_or_null(interval_us);
        rows.int4(stored);
        rows.int8(reading.duration_us);
        match &error {
            Some(error) => rows.text(error),
            None => rows.null(),
        }
        rows.int4(i32::try_from(reading.late_cycles).unwrap_or(i32::MAX));
        rows.int8_or_null(clock_offset_us);
        for cut in &reading.cuts {
            self.days.insert(("cuts".to_owned(), Day::of_micros(time_us)));
            let cuts = self.small.entry(COPY_CUTS).or_default();
            cuts.begin(6);
            cuts.int4(instance_id);
            cuts.text(&set);
            cuts.moment(time_us);
            cuts.int8(cut.per);
            cuts.int4(i32::try_from(cut.rows).unwrap_or(i32::MAX));
            cuts.int8_array(&cut.ids);
        }
        for flag in &reading.flags {
            self.flag(&set, flag, instance_id, now);
            // Of one database nothing is known before: the newest reading may be of another.
            if flag.reason == FlagReason::Gap as i32 && flag.start_us == flag.end_us && datid.is_none() {
                self.open_flags.insert((instance_id, flag.end_us));
            }
        }
        self.latest.push(Latest { instance_id, set, started_us, time_us, rows: stored, error });
    }

    fn rows(&mut self, known: &Arc<Known>, frame: Frame, shared: Shared, removed: Bitmap) {
        let Shared { instance_id, time_us, datid, .. } = shared;
        match known.kind {
            SetKind::Texts => self.text_rows(known, &frame, shared),
            SetKind::Info => {
                self.infos.push(Said { known: Arc::clone(known), instance_id, time_us, datid, frame, removed });
            }
            SetKind::Figures | SetKind::Events => {
                self.days.insert((known.definition.name.clone(), Day::of_micros(time_us)));
                let rows = self.sets.entry(Arc::clone(&known.write_statement)).or_default();
                rows.frame(&known.definition, &frame, shared);
            }
        }
    }

    fn text_rows(&mut self, known: &Known, frame: &Frame, shared: Shared) {
        let Some(places) = store::text_places(&known.definition) else { return };
        let columns = (frame.column(places.0), frame.column(places.1), frame.column(places.2));
        let (Some(dbids), Some(queryids), Some(queries)) = columns else { return };
        for row in 0..frame.rows {
            if let (Some(dbid), Some(queryid), Some(query)) = (dbids.int(row), queryids.int(row), queries.text(row)) {
                self.texts.push(Text {
                    instance_id: shared.instance_id,
                    dbid,
                    queryid,
                    query: query.into(),
                    captured_us: shared.time_us,
                });
            }
        }
    }

    fn flag(&mut self, set: &str, flag: &Flag, instance_id: i32, now: Timestamp) {
        let future = now.as_microsecond().saturating_add(check::FUTURE_US);
        let storable = |moment: i64| super::copy::is_storable_moment(moment) && moment <= future;
        if !storable(flag.start_us) || !storable(flag.end_us) || flag.start_us > flag.end_us {
            return self.reject(set, None, "flag_outside_window", 0);
        }
        let reason = FlagReason::try_from(flag.reason).unwrap_or(FlagReason::Unspecified).word();
        // Parsed, so that nothing but JSON that the database takes gets to it.
        let entries: Vec<serde_json::Value> = flag
            .entries
            .iter()
            .take(MAX_ENTRIES)
            .filter(|entry| entry.len() <= MAX_ENTRY && !entry.contains("\\u0000"))
            .filter_map(|entry| serde_json::from_str(entry).ok())
            .filter(serde_json::Value::is_object)
            .collect();
        let rows = self.small.entry(COPY_FLAGS).or_default();
        rows.begin(7);
        rows.int4(instance_id);
        rows.text(set);
        rows.moment(flag.start_us);
        rows.moment(flag.end_us);
        rows.text(reason);
        match serde_json::to_string(&entries) {
            Ok(json) if !entries.is_empty() => rows.jsonb(&json),
            _ => rows.null(),
        }
        rows.int4(i32::try_from(flag.entries_total).unwrap_or(i32::MAX));
    }

    fn reject(&mut self, set: &str, column: Option<String>, reason: &str, rows: u64) {
        self.rejected.push(Rejected { set: set.to_owned(), column, reason: reason.to_owned(), rows });
    }
}

/// The rows of a reading, checked; else the column and the reason.
fn decode(rows: RowsOf, known: &Known, datid: Option<i64>) -> Result<(Frame, Bitmap), (Option<String>, String)> {
    let definition = &known.definition;
    // What is said of infos is merged by their key.
    if known.kind == SetKind::Info && definition.scope == Scope::Database && datid.is_none() {
        return Err((None, "no_database".to_owned()));
    }
    let (frame, removed) = match rows {
        RowsOf::Frame(frame, removed) => (frame, removed),
        RowsOf::Wire(reading) => {
            let frame = reading.decode_rows(definition).map_err(|error| match error {
                wire::DecodeError::Column { column, reason, .. } => (Some(column), reason.to_owned()),
                other => (None, other.to_string()),
            })?;
            let mut removed = Bitmap::default();
            (0..frame.rows).for_each(|_| removed.push(false));
            reading.removed.iter().for_each(|row| removed.set(*row as usize, true));
            (frame, removed)
        }
    };
    match check_frame(definition, &frame) {
        Ok(()) => Ok((frame, removed)),
        Err(problem) => {
            let column = problem.column.and_then(|at| definition.columns.get(at)).map(|c| c.name.clone());
            Err((column, problem.reason.to_owned()))
        }
    }
}
