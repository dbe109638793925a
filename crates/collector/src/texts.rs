//! Statement texts: read apart from the figures, each once, without secrets.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use catalog::{Definition, Kind};
use tokio_postgres::types::Type as PgType;
use wire::{Frame, Reading, Values};

use crate::baseline::{Advance, Baseline, Incarnation, Index, Place, ReadingTime, Rows, key_of, rejoined, split};
use crate::clock::Clock;
use crate::coverage::Plan;
use crate::read::{self, ReadError};
use crate::redact;
use crate::session::Session;

/// The figures whose statements want a text.
pub(crate) const STATEMENTS: &str = "pg_stat_statements";
/// The longest text that is kept; the rest is cut and marked.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// The longest text that is read whole, in bytes of the instance; of a longer one its first characters are, so that no
/// statement says how much memory is taken.
const MAX_READ_BYTES: usize = 1 << 20;
/// Stands between the beginning of a longer text and its length.
const LENGTH: char = '\u{1d}';
/// The text that one reading takes at most; the rest is read the next time.
const MAX_READING_BYTES: usize = 4 << 20;
/// A reading may take this share of the time: the view reads all texts, whatever is asked for.
const SHARE_OF_TIME: u32 = 200;

/// How many texts of statements that are gone are remembered beyond the number of statements.
const SPARE_KEYS: usize = 5000;

/// How often texts may be read.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    not_before: Option<Instant>,
    /// Statements whose text is still to be read.
    wanted: Vec<(i64, i64)>,
    /// Statements that went before their text was read.
    not_captured: u64,
    /// The keys of figures and of known texts when nothing was missing.
    complete: Option<(Arc<Index>, Arc<Index>)>,
}

/// Texts that were read.
#[derive(Debug)]
pub(crate) struct Read {
    /// The reading.
    pub(crate) reading: Reading,
    /// How the set of known texts grows.
    pub(crate) advance: Advance,
    /// The known texts: keys only.
    pub(crate) next: Baseline,
}

impl Pace {
    /// How many statements were evicted or reset before their text was read.
    pub(crate) fn not_captured(&self) -> u64 {
        self.not_captured
    }

    /// The next reading may follow at once: the last one gave nothing and took little, or what it gave is lost.
    pub(crate) fn retry(&mut self) {
        self.not_before = None;
    }

    /// Counts the statements that went before their text was read. Both lists are sorted.
    fn count_missed(&mut self, figures: &[(i64, i64)], known: &[(i64, i64)]) {
        let is_in = |list: &[(i64, i64)], key: &(i64, i64)| list.binary_search(key).is_ok();
        let missed = self.wanted.iter().filter(|key| !is_in(figures, key) && !is_in(known, key)).count();
        if missed > 0 {
            self.not_captured += missed as u64;
            tracing::info!(texts.not_captured = missed, "statements were gone before their text was read");
        }
        self.wanted = figures.iter().filter(|key| !is_in(known, key)).copied().collect();
    }

    /// Reads the texts of statements that have none yet; `None` where nothing is missing.
    ///
    /// # Errors
    /// When PostgreSQL raises an error.
    #[expect(clippy::too_many_arguments, reason = "one reading with all that belongs to it")]
    pub(crate) async fn read(
        &mut self,
        session: &Session,
        plan: &Plan<'_>,
        place: &Place,
        incarnation: &Incarnation,
        figures: Option<(&Definition, &Baseline)>,
        known: Option<&Baseline>,
        clock: &Clock,
    ) -> Result<Option<Read>, ReadError> {
        let definition = &plan.set.definition;
        // Another cluster gives the same identifiers to other statements.
        let known = known.filter(|known| known.incarnation.may_be_of_one_cluster(incarnation));
        let (Some((figures_definition, figures)), Some(sql)) = (figures, &plan.sql) else { return Ok(None) };
        let keys_now = known.map(|known| (Arc::clone(figures.index()), Arc::clone(known.index())));
        if let (Some((figures, known)), Some(now)) = (&self.complete, &keys_now)
            && Arc::ptr_eq(figures, &now.0)
            && Arc::ptr_eq(known, &now.1)
        {
            return Ok(None);
        }
        let present = sorted(keys(figures_definition, &figures.frame));
        let read_before = known.map(|known| sorted(keys(definition, &known.frame))).unwrap_or_default();
        self.count_missed(&present, &read_before);
        self.complete = keys_now.filter(|_| self.wanted.is_empty());
        if self.wanted.is_empty() || self.not_before.is_some_and(|at| Instant::now() < at) {
            return Ok(None);
        }
        let wanted: BTreeSet<i64> = self.wanted.iter().map(|(_, queryid)| *queryid).collect();
        let wanted: Vec<i64> = wanted.into_iter().collect();
        let (started, started_us) = (Instant::now(), clock.now_us());
        let separator = u32::from(LENGTH);
        let sql = format!(
            "select t.dbid, t.queryid,
                 case when pg_catalog.octet_length(t.query) <= {MAX_READ_BYTES} then t.query
                      else pg_catalog.left(t.query, {MAX_READ_BYTES}) || pg_catalog.chr({separator})
                          || pg_catalog.octet_length(t.query)::pg_catalog.text end as query
             from ({sql}) t where t.queryid = any ($1)"
        );
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), PgType); 1] = [(&wanted, PgType::INT8_ARRAY)];
        let texts = read::rows(session, definition, &sql, &parameters, |_, bytes| bytes < MAX_READING_BYTES)
            .await
            .map(|(texts, _)| texts);
        let duration = started.elapsed();
        // A reading that failed cost as much.
        self.not_before = Some(Instant::now() + duration * SHARE_OF_TIME);
        let mut texts = texts?;
        redact_texts(definition, &mut texts);
        let at = ReadingTime {
            incarnation: incarnation.clone(),
            started_us,
            time_us: clock.now_us(),
            instance_time_us: clock.now_us(),
            since_previous_us: None,
        };
        // Keys only; the texts themselves are not remembered.
        let (keys_read, bodies) = split(definition, texts);
        let fresh = Baseline::new(definition, keys_read, None, &at)?;
        let mut all = fresh.frame.clone();
        let mut gone = Frame { rows: 0, columns: all.columns.iter().map(|_| None).collect() };
        if let Some(known) = known {
            for ((meta, column), kept) in definition.columns.iter().zip(&mut gone.columns).zip(&all.columns) {
                *column = kept.as_ref().map(|_| wire::FrameColumn::new(meta.column_type));
            }
            // Texts of statements that are long gone are forgotten: without end there would be no bound.
            let forget = known.frame.rows > figures.frame.rows * 2 + SPARE_KEYS;
            for (row, key) in keys(definition, &known.frame).enumerate() {
                if fresh.row(&key_of(definition, &known.frame, row)).is_some() {
                    continue;
                }
                let kept = if forget && present.binary_search(&key).is_err() { &mut gone } else { &mut all };
                kept.push_row(&known.frame, row);
            }
        }
        let next = Baseline::new(definition, all, None, &at)?;
        let mut advance = Advance::of(place, definition, &next);
        advance.whole = known.is_none();
        advance.changed = Some(Rows::encode(&fresh.frame));
        advance.removed = Some(Rows::encode(&gone));
        let mut reading = Reading {
            set: place.set.clone(),
            definition: definition.hash().0.to_vec(),
            started_us,
            time_us: at.time_us,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            ..Reading::default()
        };
        reading.encode_rows(&rejoined(&fresh.frame, bodies, Clone::clone));
        Ok(Some(Read { reading, advance, next }))
    }
}

/// The (dbid, queryid) of each row.
fn keys<'a>(definition: &Definition, frame: &'a Frame) -> impl Iterator<Item = (i64, i64)> + 'a {
    let column = |name: &str| definition.column(name).and_then(|(place, _)| frame.column(place));
    let (dbid, queryid) = (column("dbid"), column("queryid"));
    (0..frame.rows).filter_map(move |row| Some((dbid?.int(row)?, queryid?.int(row)?)))
}

/// Each of the keys once.
fn sorted(keys: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Replaces secrets in statement texts and cuts what is too long.
fn redact_texts(definition: &Definition, frame: &mut Frame) {
    for (place, _) in definition.columns.iter().enumerate().filter(|(_, meta)| meta.kind == Kind::Text) {
        if let Some(Values::Text(values)) = frame.columns[place].as_mut().map(|column| &mut column.values) {
            for value in values {
                *value = kept(value).into();
            }
        }
    }
}

/// What is kept of a statement's text as it was read.
fn kept(text: &str) -> String {
    match beginning(text) {
        // What follows may speak of secrets: those that stand before it go all the same.
        Some((beginning, whole)) => first_bytes(&redact::part(beginning), MAX_TEXT_BYTES, whole),
        None => cut(&redact::statement(text).text, MAX_TEXT_BYTES),
    }
}

/// The beginning of a text that was not read whole, and how long that is.
fn beginning(text: &str) -> Option<(&str, usize)> {
    let (beginning, whole) = text.rsplit_once(LENGTH)?;
    let whole = whole.parse().ok()?;
    (whole > MAX_READ_BYTES && beginning.len() >= MAX_READ_BYTES).then_some((beginning, whole))
}

/// Replaces secrets among the values of settings, by their names.
pub(crate) fn redact_settings(definition: &Definition, frame: &mut Frame) {
    let place = |name: &str| definition.column(name).map(|(place, _)| place);
    let Some(names) = place("name").and_then(|place| frame.column(place)).cloned() else { return };
    for place in ["setting", "boot_val"].into_iter().filter_map(place) {
        if let Some(Values::Text(values)) = frame.columns[place].as_mut().map(|column| &mut column.values) {
            for (row, value) in values.iter_mut().enumerate() {
                let redacted = redact::setting(names.text(row).unwrap_or_default(), value);
                if *redacted != **value {
                    *value = redacted.into_owned().into();
                }
            }
        }
    }
}

/// Replaces secrets in what is kept of a reading: settings hold connection strings too, and sessions
/// show the statement that they run.
pub(crate) fn redact_rows(definition: &Definition, frame: &mut Frame) {
    let shown = |meta: &catalog::Column| meta.statement || meta.kind == Kind::Info;
    for (place, meta) in definition.columns.iter().enumerate().filter(|(_, meta)| shown(meta)) {
        if let Some(Values::Text(values)) = frame.columns[place].as_mut().map(|column| &mut column.values) {
            for value in values.iter_mut().filter(|value| !value.is_empty()) {
                match redacted(meta, value) {
                    Cow::Owned(redacted) => *value = cut(&redacted, MAX_TEXT_BYTES).into(),
                    Cow::Borrowed(text) if text.len() > MAX_TEXT_BYTES => *value = cut(text, MAX_TEXT_BYTES).into(),
                    Cow::Borrowed(_) => {}
                }
            }
        }
    }
}

/// A value of a column without secrets.
pub(crate) fn redacted<'a>(column: &catalog::Column, value: &'a str) -> Cow<'a, str> {
    if column.statement { redact::statement(value).text } else { redact::text(value) }
}

/// The first so many bytes of a text, and how long it was.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most { text.to_owned() } else { first_bytes(text, most, text.len()) }
}

/// The first so many bytes of a text that is a part of one of so many.
fn first_bytes(text: &str, most: usize, whole: usize) -> String {
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{} … ({} of {} bytes)", &text[..end], end, whole)
}
