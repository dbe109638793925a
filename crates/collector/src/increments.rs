//! From two complete readings to the increments between them. Pure.
//!
//! An increment is a lower bound of the truth: never above it, never negative. Where PostgreSQL
//! lets it be known that something is missing, the interval is flagged.
//!
//! - A key that the previous reading did not have starts from zero.
//! - A row starts from zero again when one of its own counters fell, or its `since` moved.
//! - A moved `reset` alone flags the interval and changes no figure.
//! - After a restart counters that were kept go on, and those that were zeroed have fallen.
//! - Another instance under the same name gives a new baseline and no figures.

use std::borrow::Cow;

use catalog::{Definition, Kind, SetKind};
use wire::{Bitmap, Flag, FlagReason, Frame, FrameColumn, Values};

use crate::baseline::{self, Advance, Baseline, DuplicateKey, Incarnation, Place, ReadingTime, Rearranged, Rows};

/// The most keys that one flag names.
const MAX_FLAG_ENTRIES: usize = 100;

/// How the instance went on since the previous reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// As it was.
    Same,
    /// The postmaster was started anew.
    Restarted,
    /// All backends were killed and the statistics zeroed, under the same postmaster.
    CrashRestarted,
    /// Another instance answers.
    Replaced,
}

/// What one reading gives.
#[derive(Debug)]
pub struct Formed {
    /// The rows to store.
    pub rows: Frame,
    /// Positions of rows whose key is gone, in an info set.
    pub removed: Vec<u32>,
    /// The length of the interval; `None` where only a baseline was taken.
    pub interval_us: Option<u64>,
    /// What is known to be missing.
    pub flags: Vec<Flag>,
    /// The difference to the previous baseline.
    pub advance: Advance,
    /// The baseline from here on, once the advance is on disk.
    pub next: Baseline,
}

/// The guard of a set: its definition and its row before and after the reading.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// Its definition.
    pub definition: &'a Definition,
    /// Its row, read before.
    pub before: &'a Frame,
    /// Its row, read after.
    pub after: &'a Frame,
}

/// How one incarnation follows another. `previous_time_us` is the time of the previous reading by
/// the instance's clock: what began after it was restarted, what began earlier is another one.
#[must_use]
pub fn continuity(previous: &Incarnation, previous_time_us: i64, now: &Incarnation) -> Continuity {
    if !previous.may_be_of_one_cluster(now) {
        return Continuity::Replaced;
    }
    // The checkpointer's start is not known without pg_read_all_stats.
    let same_checkpointer = match (previous.checkpointer_start_us, now.checkpointer_start_us) {
        (Some(before), Some(after)) => before == after,
        _ => true,
    };
    if previous.postmaster_start_us == now.postmaster_start_us && same_checkpointer {
        return Continuity::Same;
    }
    let began_us = now.checkpointer_start_us.map_or(now.postmaster_start_us, |at| at.max(now.postmaster_start_us));
    if previous.postmaster_start_us == now.postmaster_start_us {
        Continuity::CrashRestarted
    } else if began_us >= previous_time_us {
        Continuity::Restarted
    } else {
        Continuity::Replaced
    }
}

/// Forms the increments of a set of figures.
///
/// # Errors
/// When two rows of the reading have the same key.
pub fn form(
    place: &Place,
    definition: &Definition,
    previous: Option<&Baseline>,
    reading: Frame,
    guard: Option<Guard<'_>>,
    at: &ReadingTime,
) -> Result<Formed, DuplicateKey> {
    let (frame, others) = baseline::split(definition, reading);
    let (next, rearranged) = follow(definition, previous, frame, guard.map(|guard| guard.before.clone()), at)?;
    let how = previous.map(|previous| continuity(&previous.incarnation, previous.instance_time_us, &at.incarnation));
    let has_counters = definition.columns.iter().any(|column| column.kind == Kind::Counter);
    // Where the guard came or went, the extension's version crossed the one that tells nested statements
    // apart: the same counters stand under other keys.
    let same_keys = |(previous, _): &(&Baseline, Rearranged)| previous.guard.is_some() == guard.is_some();
    let known = previous.zip(rearranged).filter(|_| how != Some(Continuity::Replaced)).filter(same_keys);
    let Some((previous_baseline, rearranged)) = known else {
        let reason = if how == Some(Continuity::Replaced) { FlagReason::Replaced } else { FlagReason::Gap };
        let start_us = previous.map_or(at.time_us, |previous| at.began_us(previous));
        let flags = if has_counters { vec![flag(reason, start_us, at.time_us)] } else { Vec::new() };
        return Ok(Formed {
            rows: if has_counters {
                Frame::new(definition)
            } else {
                baseline::rejoined(&next.frame, others, Clone::clone)
            },
            removed: Vec::new(),
            interval_us: None,
            flags,
            advance: Advance::whole(place, definition, &next),
            next,
        });
    };
    let mut changes = Changes::new(definition, previous_baseline, &next, &rearranged);
    let rows = changes.increments(others);
    let mut flags = Vec::new();
    if has_counters {
        flags = interval_flags(&changes, guard, at, how.unwrap_or(Continuity::Same));
        let explained = flags.iter().any(|flag| flag.reason != FlagReason::Evicted as i32);
        if !explained {
            changes.flag_entries(guard.is_some(), &mut flags, at);
        }
    }
    let mut advance = Advance::of(place, definition, &next);
    advance.changed = Some(Rows::encode(&changes.changed()));
    advance.removed = Some(Rows::encode(&changes.removed()));
    let wall_us = u64::try_from(at.time_us.saturating_sub(previous_baseline.time_us)).unwrap_or(0);
    Ok(Formed {
        rows,
        removed: Vec::new(),
        interval_us: Some(at.since_previous_us.unwrap_or(wall_us)),
        flags,
        advance,
        next,
    })
}

/// Forms the rows of an info set: those that changed, and those gone; all of them when `repeat`, or when another cluster
/// answers, whose rows are others though they read the same.
///
/// # Errors
/// When two rows of the reading have the same key.
pub fn form_info(
    place: &Place,
    definition: &Definition,
    previous: Option<&Baseline>,
    reading: Frame,
    repeat: bool,
    at: &ReadingTime,
) -> Result<Formed, DuplicateKey> {
    let (frame, others) = baseline::split(definition, reading);
    let (next, rearranged) = follow(definition, previous, frame, None, at)?;
    let Some((previous, rearranged)) = previous.zip(rearranged) else {
        let advance = Advance::whole(place, definition, &next);
        let rows = baseline::rejoined(&next.frame, others, Clone::clone);
        return Ok(Formed { rows, removed: Vec::new(), interval_us: None, flags: Vec::new(), advance, next });
    };
    let changes = Changes::new(definition, previous, &next, &rearranged);
    let is_another = !previous.incarnation.may_be_of_one_cluster(&at.incarnation);
    let mut rows = if repeat || is_another {
        baseline::rejoined(&next.frame, others, Clone::clone)
    } else {
        let others = others.select(&changes.changed);
        Frame { rows: others.rows, ..baseline::rejoined(&next.frame, others, |column| column.select(&changes.changed)) }
    };
    let gone = changes.removed();
    let mut removed = Vec::new();
    for row in 0..gone.rows {
        removed.push(u32::try_from(rows.rows).unwrap_or(u32::MAX));
        rows.push_row(&gone, row);
    }
    let mut advance = Advance::of(place, definition, &next);
    advance.changed = Some(Rows::encode(&changes.changed()));
    advance.removed = Some(Rows::encode(&gone));
    Ok(Formed { rows, removed, interval_us: None, flags: Vec::new(), advance, next })
}

/// The next baseline and, where there was one, how its rows stand to those before.
fn follow(
    definition: &Definition,
    previous: Option<&Baseline>,
    frame: Frame,
    guard: Option<Frame>,
    at: &ReadingTime,
) -> Result<(Baseline, Option<Rearranged>), DuplicateKey> {
    match previous {
        Some(previous) => Baseline::following(definition, frame, guard, at, previous)
            .map(|(next, rearranged)| (next, Some(rearranged))),
        None => Ok((Baseline::new(definition, frame, guard, at)?, None)),
    }
}

/// The comparison of two baselines. Column by column: there are many, and most do not move.
struct Changes<'a> {
    definition: &'a Definition,
    previous: &'a Baseline,
    next: &'a Baseline,
    /// The rows of `previous` in the order of `next`; a new row is zero.
    before: Cow<'a, Frame>,
    /// Which rows are new.
    fresh: Vec<bool>,
    /// The rows of `previous` that `next` does not have.
    gone: Vec<usize>,
    /// The rows of `next` that are new or different.
    changed: Vec<usize>,
    /// The keys of rows that started from zero again.
    restarted: Vec<String>,
    restarted_total: u32,
}

impl<'a> Changes<'a> {
    fn new(definition: &'a Definition, previous: &'a Baseline, next: &'a Baseline, rearranged: &Rearranged) -> Self {
        let (before, fresh, gone) = match rearranged {
            Rearranged::InOrder => (Cow::Borrowed(&previous.frame), vec![false; next.frame.rows], Vec::new()),
            Rearranged::From(old) => {
                let mut is_gone = vec![true; previous.frame.rows];
                old.iter().flatten().for_each(|row| is_gone[*row] = false);
                let gone = is_gone.iter().enumerate().filter(|(_, gone)| **gone).map(|(row, _)| row).collect();
                let fresh = old.iter().map(Option::is_none).collect();
                (Cow::Owned(previous.frame.arrange(old)), fresh, gone)
            }
        };
        let mut differs = fresh.clone();
        for (now, before) in next.frame.columns.iter().zip(&before.columns) {
            mark_differences(now.as_ref(), before.as_ref(), &mut differs);
            if differs.iter().all(|differs| *differs) {
                break;
            }
        }
        let changed = differs.iter().enumerate().filter(|(_, differs)| **differs).map(|(row, _)| row).collect();
        Self { definition, previous, next, before, fresh, gone, changed, restarted: Vec::new(), restarted_total: 0 }
    }

    fn changed(&self) -> Cow<'a, Frame> {
        if self.changed.len() == self.next.frame.rows {
            return Cow::Borrowed(&self.next.frame);
        }
        Cow::Owned(self.next.frame.select(&self.changed))
    }

    /// The rows with increments in the place of counters; `others` are the columns that are not remembered.
    fn increments(&mut self, others: Frame) -> Frame {
        let mut from_zero = self.starts_anew();
        for (row, _) in from_zero.iter().enumerate().filter(|(_, anew)| **anew) {
            self.restarted_total += 1;
            if self.restarted.len() < MAX_FLAG_ENTRIES {
                self.restarted.push(labels_json(self.definition, &self.next.frame, row));
            }
        }
        from_zero.iter_mut().zip(&self.fresh).for_each(|(from_zero, fresh)| *from_zero |= fresh);
        let columns = self.definition.columns.iter().zip(others.columns).enumerate();
        let columns = columns.map(|(place, (meta, other))| {
            let Some(now) = self.next.frame.column(place) else { return other };
            let counts = meta.kind == Kind::Counter;
            Some(if counts { increments(now, self.before.column(place), &from_zero) } else { now.clone() })
        });
        Frame { rows: others.rows, columns: columns.collect() }
    }

    /// The rows whose counters began at zero since the previous reading.
    fn starts_anew(&self) -> Vec<bool> {
        let mut anew = vec![false; self.fresh.len()];
        for (place, meta) in self.definition.columns.iter().enumerate() {
            let (Some(now), Some(before)) = (self.next.frame.column(place), self.before.column(place)) else {
                continue;
            };
            // NULL is a version that did not tell, not another life.
            let known = |row: usize| !self.fresh[row] && !now.is_null(row) && !before.is_null(row);
            match (meta.kind, &now.values, &before.values) {
                (Kind::Since, _, _) => {
                    let moved = |row: &usize| known(*row) && !now.same(*row, before, *row);
                    (0..anew.len()).filter(moved).for_each(|row| anew[row] = true);
                }
                // A sum of squares is computed from rounded figures and may fall by a rounding.
                (Kind::Counter, Values::Int(values), Values::Int(were))
                    if values.iter().zip(were).any(|(now, before)| now < before) =>
                {
                    let fell = |row: &usize| values[*row] < were[*row] && known(*row);
                    (0..anew.len()).filter(fell).for_each(|row| anew[row] = true);
                }
                _ => {}
            }
        }
        anew
    }

    fn removed(&self) -> Frame {
        let columns = self.definition.columns.iter().zip(&self.previous.frame.columns);
        let labels = columns.map(|(meta, column)| column.as_ref().filter(|_| meta.kind == Kind::Label));
        let columns = labels.map(|column| column.map(|column| column.select(&self.gone))).collect();
        Frame { rows: self.gone.len(), columns }
    }

    /// Flags the entries that started anew or are gone, where nothing explains all of them. With a
    /// guard that did not move they were reset one by one; without one nobody can tell a reset of all,
    /// of one, or an eviction apart, save by what is left.
    fn flag_entries(&self, guarded: bool, flags: &mut Vec<Flag>, at: &ReadingTime) {
        let can_be_evicted = self.definition.columns.iter().any(|column| column.kind == Kind::Since);
        let (mut entries, mut total) = (self.restarted.clone(), self.restarted_total);
        let mut gone = 0_u32;
        if can_be_evicted {
            gone = u32::try_from(self.gone.len()).unwrap_or(u32::MAX);
            let room = MAX_FLAG_ENTRIES.saturating_sub(entries.len());
            let labels = |row: &usize| labels_json(self.definition, &self.previous.frame, *row);
            entries.extend(self.gone.iter().take(room).map(labels));
            total += gone;
        }
        if total == 0 {
            return;
        }
        let evicted = flags.iter_mut().find(|flag| flag.reason == FlagReason::Evicted as i32);
        if let Some(evicted) = evicted {
            (evicted.entries, evicted.entries_total) = (entries, total);
            return;
        }
        let none_left = usize::try_from(total).is_ok_and(|total| total == self.previous.frame.rows);
        let reason = match (guarded || !can_be_evicted, none_left) {
            (true, _) => FlagReason::EntryReset,
            (false, true) => FlagReason::Reset,
            (false, false) if gone == 0 => FlagReason::EntryReset,
            (false, false) => FlagReason::Evicted,
        };
        flags.push(Flag { entries, entries_total: total, ..flag(reason, at.began_us(self.previous), at.time_us) });
    }
}

/// Marks the rows in which two columns of one definition differ; a missing one is all NULL.
fn mark_differences(now: Option<&FrameColumn>, before: Option<&FrameColumn>, differs: &mut [bool]) {
    let rows = differs.iter_mut().enumerate();
    match (now, before) {
        (Some(now), Some(before)) => match (&now.values, &before.values) {
            (Values::Int(a), Values::Int(b)) if !now.nulls.any() && !before.nulls.any() => {
                differs.iter_mut().zip(a.iter().zip(b)).for_each(|(differs, (a, b))| *differs |= a != b);
            }
            _ => {
                rows.filter(|(_, differs)| !**differs).for_each(|(row, differs)| *differs = !now.same(row, before, row))
            }
        },
        (Some(column), None) | (None, Some(column)) => {
            rows.for_each(|(row, differs)| *differs |= !column.is_null(row));
        }
        (None, None) => {}
    }
}

/// The increments of one counter. `before` has the same rows; those in `from_zero` count from zero.
fn increments(now: &FrameColumn, before: Option<&FrameColumn>, from_zero: &[bool]) -> FrameColumn {
    if let (Values::Int(values), Some(FrameColumn { nulls, values: Values::Int(were) })) = (&now.values, before)
        && !now.nulls.any()
        && !nulls.any()
    {
        let base = were.iter().zip(from_zero).map(|(were, from_zero)| if *from_zero { 0 } else { *were });
        let values = values.iter().zip(base).map(|(now, base)| now.saturating_sub(base).max(0)).collect();
        return FrameColumn { nulls: Bitmap::zeros(from_zero.len()), values: Values::Int(values) };
    }
    let mut target = FrameColumn { nulls: Bitmap::default(), values: now.values.none() };
    for (row, from_zero) in from_zero.iter().enumerate() {
        push_increment(&mut target, now, before, row, *from_zero);
    }
    target
}

/// Appends the increment of one counter. What was not known before has no known increment.
fn push_increment(
    target: &mut FrameColumn,
    now: &FrameColumn,
    before: Option<&FrameColumn>,
    row: usize,
    from_zero: bool,
) {
    let before = before.filter(|before| !from_zero && !before.is_null(row));
    if now.is_null(row) || (before.is_none() && !from_zero) {
        return target.push_null();
    }
    match &now.values {
        Values::Int(values) => {
            let base = before.and_then(|before| before.int(row)).unwrap_or(0);
            target.push_int(values[row].saturating_sub(base).max(0));
        }
        Values::Float(values) => {
            let base = before.and_then(|before| before.float(row)).unwrap_or(0.0);
            // A sum of squares is computed from rounded figures: a rounding below zero is zero.
            // 24 bits of an increment are more than a standard deviation is worth, and half the bytes.
            #[expect(clippy::cast_possible_truncation, reason = "the precision of an increment is 24 bits")]
            let short = (values[row] - base).max(0.0) as f32;
            target.push_float(f64::from(short));
        }
        Values::Bool(_) | Values::Text(_) => target.push_null(),
    }
}

fn interval_flags(changes: &Changes<'_>, guard: Option<Guard<'_>>, at: &ReadingTime, how: Continuity) -> Vec<Flag> {
    let previous = changes.previous;
    let (start_us, end_us) = (at.began_us(previous), at.time_us);
    let mut flags = Vec::new();
    match how {
        Continuity::Restarted => flags.push(flag(FlagReason::Restart, start_us, end_us)),
        Continuity::CrashRestarted => flags.push(flag(FlagReason::CrashRestart, start_us, end_us)),
        Continuity::Same | Continuity::Replaced => {}
    }
    if let Some(guard) = guard
        && let Some(before) = &previous.guard
    {
        // From the row before the previous reading to the row after this one: whatever moved in
        // between may have taken something from this interval.
        let moved = |place: usize| match (before.column(place), guard.after.column(place)) {
            (Some(was), Some(is)) if !was.is_empty() && !is.is_empty() => !was.same(0, is, 0),
            _ => false,
        };
        let columns = || guard.definition.columns.iter().enumerate();
        let reset = columns().any(|(place, meta)| meta.kind == Kind::Reset && moved(place));
        // A reset sets the count of evictions to zero, which is no eviction; whatever it is after one is.
        let evicted = columns().filter(|(_, meta)| meta.kind == Kind::Counter).any(|(place, _)| {
            (reset || moved(place)) && guard.after.column(place).and_then(|column| column.int(0)).unwrap_or(0) > 0
        });
        if evicted {
            flags.push(flag(FlagReason::Evicted, start_us, end_us));
        }
        if reset {
            flags.push(flag(FlagReason::Reset, start_us, end_us));
        }
    }
    let resets = changes.definition.columns.iter().enumerate().filter(|(_, meta)| meta.kind == Kind::Reset);
    for (place, _) in resets {
        let Some(entries) = moved(changes, place) else { continue };
        let mut reset = flag(FlagReason::Reset, start_us, end_us);
        reset.entries_total = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        reset.entries = entries.into_iter().take(MAX_FLAG_ENTRIES).collect();
        flags.push(reset);
    }
    flags
}

/// The labels of the rows whose moment at `place` moved; `None` where none did.
fn moved(changes: &Changes<'_>, place: usize) -> Option<Vec<String>> {
    let next = &changes.next.frame;
    let (now, before) = (next.column(place)?, changes.before.column(place)?);
    let moved = |row: &usize| !changes.fresh[*row] && !now.is_null(*row) && !now.same(*row, before, *row);
    let rows = (0..next.rows).filter(moved);
    let mut entries: Vec<String> = rows.map(|row| labels_json(changes.definition, next, row)).collect();
    entries.sort();
    (!entries.is_empty()).then_some(entries)
}

fn flag(reason: FlagReason, start_us: i64, end_us: i64) -> Flag {
    Flag { reason: reason as i32, start_us, end_us, entries: Vec::new(), entries_total: 0 }
}

fn labels_json(definition: &Definition, frame: &Frame, row: usize) -> String {
    let mut labels = serde_json::Map::new();
    for (place, meta) in definition.columns.iter().enumerate().filter(|(_, meta)| meta.kind == Kind::Label) {
        let Some(column) = frame.column(place).filter(|column| !column.is_null(row)) else { continue };
        let value = match &column.values {
            // What can pass 2^53 travels as text, as everywhere in JSON.
            Values::Int(values) if meta.column_type == catalog::Type::Int8 => values[row].to_string().into(),
            Values::Int(values) => values[row].into(),
            Values::Bool(values) => values[row].into(),
            Values::Float(values) => values[row].into(),
            Values::Text(values) => (*values[row]).into(),
        };
        labels.insert(meta.name.clone(), value);
    }
    serde_json::Value::Object(labels).to_string()
}

/// Whether a set's rows are increments formed by [`form`].
#[must_use]
pub fn is_figures(definition: &Definition) -> bool {
    definition.kind() == SetKind::Figures
}
