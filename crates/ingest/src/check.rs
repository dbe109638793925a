//! Values are checked before COPY, so that one bad value rejects its own set and nothing else.

use catalog::{Definition, Kind, SetKind, Type};
use jiff::Timestamp;
use wire::{Frame, Values};

use crate::copy::is_storable_moment;

/// The oldest a row may be: twice the collector's maximum spool age.
pub(crate) const OLDEST_US: i64 = 14 * 86_400 * 1_000_000;

/// How far ahead of our clock a row may be.
pub(crate) const FUTURE_US: i64 = 10 * 60 * 1_000_000;

/// The longest text of any column, in bytes.
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// The longest text that is part of a key, and the longest sum of them where a key is indexed: an
/// index entry of PostgreSQL holds at most 2704 bytes.
pub(crate) const MAX_LABEL: usize = 2000;

/// Why the rows of a reading are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The column's position, where one is to blame.
    pub(crate) column: Option<usize>,
    /// The reason, in a word.
    pub(crate) reason: &'static str,
}

/// Whether a row of this time may be stored now.
#[must_use]
pub(crate) fn is_in_window(time_us: i64, now: Timestamp) -> bool {
    let now_us = now.as_microsecond();
    time_us >= now_us.saturating_sub(OLDEST_US) && time_us <= now_us.saturating_add(FUTURE_US)
}

/// Checks every value of a frame.
///
/// # Errors
/// The first problem.
pub(crate) fn check_frame(definition: &Definition, frame: &Frame) -> Result<(), Problem> {
    let key_is_indexed = definition.kind() != SetKind::Figures;
    let mut key_lengths = vec![0_usize; if key_is_indexed { frame.rows } else { 0 }];
    for (at, meaning) in definition.columns.iter().enumerate() {
        let Some(column) = frame.column(at) else { continue };
        let problem = |reason| Problem { column: Some(at), reason };
        if column.len() != frame.rows {
            return Err(problem("wrong_length"));
        }
        if matches!(meaning.kind, Kind::Counter | Kind::Count) && falls(&column.values) {
            return Err(problem("negative_increment"));
        }
        match (&column.values, meaning.column_type) {
            (Values::Text(texts), Type::Text) => {
                let is_label = meaning.kind == Kind::Label;
                let longest = if is_label { MAX_LABEL } else { MAX_TEXT };
                for (row, text) in texts.iter().enumerate() {
                    if text.contains('\0') {
                        return Err(problem("nul_in_text"));
                    }
                    if text.len() > longest {
                        return Err(problem("text_too_long"));
                    }
                    if is_label && let Some(length) = key_lengths.get_mut(row) {
                        *length += text.len();
                    }
                }
            }
            (Values::Int(moments), Type::Timestamptz) => {
                if !moments.iter().all(|moment| is_storable_moment(*moment)) {
                    return Err(problem("moment_out_of_range"));
                }
            }
            (Values::Int(values), Type::Int4) => {
                if values.iter().any(|value| i32::try_from(*value).is_err()) {
                    return Err(problem("number_out_of_range"));
                }
            }
            (Values::Int(_), Type::Int8 | Type::Oid | Type::Lsn | Type::Duration) | (Values::Bool(_), Type::Bool) => {}
            (Values::Float(values), Type::Float8) => {
                if !values.iter().all(|value| value.is_finite()) {
                    return Err(problem("not_finite"));
                }
            }
            _ => return Err(problem("wrong_type")),
        }
    }
    if key_lengths.iter().any(|length| *length > MAX_LABEL) {
        return Err(Problem { column: None, reason: "key_too_long" });
    }
    Ok(())
}

/// How many rows of infos have no whole key, by which they are merged.
pub(crate) fn without_key(definition: &Definition, frame: &Frame) -> u64 {
    let keys = definition.columns.iter().enumerate().filter(|(_, column)| column.kind == Kind::Label);
    let keys: Vec<_> = keys.map(|(at, _)| frame.column(at)).collect();
    let lacks = |row: &usize| keys.iter().any(|key| key.is_none_or(|key| key.is_null(*row)));
    (0..frame.rows).filter(lacks).count() as u64
}

/// Whether a counter was sent that fell: its rows are increments, and an increment is never negative.
fn falls(values: &Values) -> bool {
    match values {
        Values::Int(values) => values.iter().any(|value| *value < 0),
        Values::Float(values) => values.iter().any(|value| *value < 0.0),
        Values::Bool(_) | Values::Text(_) => false,
    }
}

/// Words that are not data (errors, host names): without NUL and no longer than allowed.
#[must_use]
pub(crate) fn clean(text: &str, longest: usize) -> String {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "\u{fffd}")
}

/// A reason as it may be stored and told: in one line, with nothing hidden.
pub(crate) fn reason(text: &str, longest: usize) -> String {
    clean(&catalog::one_line(&clean(text, longest)), longest)
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;

    use super::*;

    #[test]
    fn no_counter_of_the_catalogue_takes_a_negative_increment() {
        let catalog = Catalog::embedded().unwrap();
        let mut checked = 0;
        for definition in catalog.sets().map(|set| &set.definition) {
            for (at, meaning) in definition.columns.iter().enumerate() {
                let mut frame = Frame::new(definition);
                frame.rows = 1;
                for (nth, column) in frame.columns.iter_mut().enumerate() {
                    let Some(column) = column else { continue };
                    match meaning.column_type {
                        _ if nth != at => column.push_null(),
                        Type::Float8 => column.push_float(-0.5),
                        Type::Int4 | Type::Int8 | Type::Duration => column.push_int(-1),
                        _ => column.push_null(),
                    }
                }
                let refused = Err(Problem { column: Some(at), reason: "negative_increment" });
                let is_increment = matches!(meaning.kind, Kind::Counter | Kind::Count);
                assert_eq!(
                    check_frame(definition, &frame) == refused,
                    is_increment,
                    "{}.{}",
                    definition.name,
                    meaning.name
                );
                checked += usize::from(is_increment);
            }
        }
        assert!(checked > 100, "{checked} counters");
    }
}
