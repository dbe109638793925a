//! Rows whose values stand under their columns' names: what a reader without SQL gives.

use catalog::{Definition, Type};
use wire::{Frame, FrameColumn};

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, a moment or a length of time, in the unit of its column.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// Not known here.
    Unknown,
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Unknown, Self::Int)
    }
}

impl From<Option<u64>> for Value {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Unknown, |value| Self::Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<Option<f64>> for Value {
    fn from(value: Option<f64>) -> Self {
        value.filter(|value| value.is_finite()).map_or(Self::Unknown, Self::Float)
    }
}

/// A row: each column's name and value.
pub type Row = Vec<(&'static str, Value)>;

/// The value of a column in a row.
#[must_use]
pub fn value<'a>(row: &'a Row, column: &str) -> Option<&'a Value> {
    row.iter().find(|(name, _)| *name == column).map(|(_, value)| value)
}

/// Rows as a frame of their set. What a row does not name, or names with another type, is NULL; a test
/// holds each reader to its set's columns.
#[must_use]
pub fn frame(definition: &Definition, rows: &[Row]) -> Frame {
    let mut frame = Frame::new(definition);
    for row in rows {
        for (meta, column) in definition.columns.iter().zip(&mut frame.columns) {
            let Some(column) = column else { continue };
            push(column, meta.column_type, value(row, &meta.name));
        }
        frame.rows += 1;
    }
    frame
}

fn push(column: &mut FrameColumn, column_type: Type, value: Option<&Value>) {
    match (value, column_type) {
        (Some(Value::Bool(value)), Type::Bool) => column.push_bool(*value),
        (Some(Value::Float(value)), Type::Float8) => column.push_float(*value),
        // PostgreSQL's text has no NUL.
        (Some(Value::Text(value)), Type::Text) => column.push_text(&value.replace('\0', "\u{fffd}")),
        (
            Some(Value::Int(value)),
            Type::Int4 | Type::Int8 | Type::Timestamptz | Type::Oid | Type::Lsn | Type::Duration,
        ) => {
            column.push_int(*value);
        }
        _ => column.push_null(),
    }
}
