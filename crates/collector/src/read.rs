//! Runs a set's statement and takes its rows, as they come, into a frame.

use std::collections::BTreeSet;
use std::time::Duration;

use catalog::{Definition, Type};
use connection::describe;
use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type as PgType};
use wire::{Frame, FrameColumn};

use crate::baseline::DuplicateKey;
use crate::connect::STATEMENT_TIMEOUT_MS;
use crate::session::{Bytes, Session};

/// Seconds between 1970 and 2000, where PostgreSQL's clock begins, in microseconds.
const EPOCH_OFFSET_US: i64 = 946_684_800_000_000;
/// How much later than the server the client gives up: the network is gone.
pub(crate) const NETWORK_MARGIN: Duration = Duration::from_secs(5);

/// Why a set was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// PostgreSQL raised an error.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The role lacks a right.
    #[error("{}{}", describe(.error), in_words(.fix))]
    Denied {
        /// What PostgreSQL said.
        error: tokio_postgres::Error,
        /// The grants that mend it; empty where they are not known.
        fix: String,
    },
    /// The statement's columns are not the set's.
    #[error("column {column} of the statement: {reason}")]
    Shape {
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two of its rows have the same key.
    #[error(transparent)]
    Key(#[from] DuplicateKey),
    /// More than may be read at once.
    #[error("it has more than {most}: nothing of it is kept, because a part would pass for the whole")]
    TooMuch {
        /// How much may be.
        most: String,
    },
    /// No sample was taken since the last reading.
    #[error("none of {missed} samples could be taken: {why}")]
    NotSampled {
        /// How many there were to take.
        missed: u64,
        /// Why the last one was not.
        why: String,
    },
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
}

impl ReadError {
    /// Whether a privilege is missing.
    #[must_use]
    pub fn is_privilege(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// Whether a text was not of the database's encoding, which fails the whole statement.
    #[must_use]
    pub fn is_encoding(&self) -> bool {
        use tokio_postgres::error::SqlState;
        matches!(self, Self::Postgres(error) if error.code().is_some_and(|code| {
            [SqlState::CHARACTER_NOT_IN_REPERTOIRE, SqlState::UNTRANSLATABLE_CHARACTER].contains(code)
        }))
    }

    /// Whether something that the statement names is not there: the extension was updated, moved or dropped.
    #[must_use]
    pub fn is_about_objects(&self) -> bool {
        use tokio_postgres::error::SqlState;
        matches!(self, Self::Postgres(error) if error.code().is_some_and(|code| {
            [
                SqlState::UNDEFINED_TABLE,
                SqlState::UNDEFINED_COLUMN,
                SqlState::UNDEFINED_FUNCTION,
                SqlState::INVALID_SCHEMA_NAME,
            ]
            .contains(code)
        }))
    }

    /// Whether the connection is of no use any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Silent(_) => true,
            Self::Postgres(error) => error.is_closed() || error.as_db_error().is_none_or(|db| db.severity() == "FATAL"),
            Self::Denied { .. }
            | Self::Shape { .. }
            | Self::TooMuch { .. }
            | Self::NotSampled { .. }
            | Self::Key(_) => false,
        }
    }
}

/// What mends an error, as the end of its sentence.
pub(crate) fn in_words(fix: &str) -> String {
    if fix.is_empty() { String::new() } else { format!(": {fix}") }
}

/// How long to wait for an answer: a little longer than the server lets a statement run.
#[must_use]
pub fn limit() -> Duration {
    Duration::from_millis(u64::from(STATEMENT_TIMEOUT_MS)) + NETWORK_MARGIN
}

/// A statement as it is sent: signed, so that it can be told from those of others.
#[must_use]
pub fn signed(sql: &str) -> String {
    format!("{sql}\n{}", catalog::SIGNATURE)
}

/// Reads all rows of a statement, about `expected` of them. Columns that it does not have are left
/// out of the frame.
///
/// # Errors
/// When PostgreSQL raises an error, does not answer, or the columns are not the set's.
pub async fn frame(session: &Session, definition: &Definition, sql: &str, expected: usize) -> Result<Frame, ReadError> {
    let mut empty = Frame::new(definition);
    empty.reserve(expected);
    Ok(into(empty, session, definition, sql, &[], |_, _| true).await?.0)
}

/// Reads rows of a statement with parameters until `keep_going` says no. `keep_going` is given the
/// frame so far and its bytes of text after each row; those of all are returned, too.
///
/// # Errors
/// As [`frame`].
pub async fn rows(
    session: &Session,
    definition: &Definition,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), PgType)],
    keep_going: impl FnMut(&Frame, usize) -> bool,
) -> Result<(Frame, usize), ReadError> {
    into(Frame::new(definition), session, definition, sql, parameters, keep_going).await
}

/// Appends the rows of a statement to an empty frame.
async fn into(
    mut frame: Frame,
    session: &Session,
    definition: &Definition,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), PgType)],
    mut keep_going: impl FnMut(&Frame, usize) -> bool,
) -> Result<(Frame, usize), ReadError> {
    let sql = &signed(sql);
    let reading = async {
        let parameters = parameters.iter().map(|(value, pg_type)| (*value, pg_type.clone()));
        let stream = session.told(session.client.query_typed_raw(sql, parameters)).await?;
        pin_mut!(stream);
        let mut readers: Option<Vec<(usize, Reader)>> = None;
        let mut text_bytes = 0;
        while let Some(row) = session.told(stream.try_next()).await? {
            let readers = match &readers {
                Some(readers) => readers,
                None => {
                    let found = match_columns(definition, &row)?;
                    for (place, column) in frame.columns.iter_mut().enumerate() {
                        if !found.iter().any(|(known, _)| *known == place) {
                            *column = None;
                        }
                    }
                    readers.insert(found)
                }
            };
            for (position, (place, push)) in readers.iter().enumerate() {
                let Bytes(raw) = row.try_get(position)?;
                if let Some(column) = &mut frame.columns[*place] {
                    text_bytes += push(session, column, raw);
                }
            }
            frame.rows += 1;
            if !keep_going(&frame, text_bytes) {
                break;
            }
        }
        Ok((frame, text_bytes))
    };
    session.within(limit(), reading).await
}

/// Which column of the definition each column of a row is, and how its values are read.
fn match_columns(definition: &Definition, row: &Row) -> Result<Vec<(usize, Reader)>, ReadError> {
    let mut seen = BTreeSet::new();
    row.columns()
        .iter()
        .map(|column| {
            let shape = |reason: String| ReadError::Shape { column: column.name().to_owned(), reason };
            let (place, meta) =
                definition.column(column.name()).ok_or_else(|| shape("the set has no such column".to_owned()))?;
            if !seen.insert(place) {
                return Err(shape("stands twice".to_owned()));
            }
            if fits(meta.column_type, column.type_()) {
                Ok((place, reader(column.type_())))
            } else {
                Err(shape(format!("is {}, and the set says {:?}", column.type_(), meta.column_type)))
            }
        })
        .collect()
}

/// Whether a column of the set may be read from a column of this PostgreSQL type.
#[must_use]
pub fn fits(column_type: Type, pg_type: &PgType) -> bool {
    match column_type {
        Type::Bool => *pg_type == PgType::BOOL,
        Type::Int4 => [PgType::INT4, PgType::INT2].contains(pg_type),
        Type::Int8 | Type::Oid | Type::Lsn | Type::Duration => *pg_type == PgType::INT8,
        Type::Float8 => *pg_type == PgType::FLOAT8,
        Type::Text => [PgType::TEXT, PgType::NAME, PgType::VARCHAR].contains(pg_type),
        Type::Timestamptz => *pg_type == PgType::TIMESTAMPTZ,
    }
}

/// Appends a value in PostgreSQL's binary form; returns how many bytes of text it took.
type Reader = fn(&Session, &mut FrameColumn, Option<&[u8]>) -> usize;

/// How values of a PostgreSQL type are read: chosen once for a column, used for each of its rows.
fn reader(pg_type: &PgType) -> Reader {
    match *pg_type {
        PgType::BOOL => |_, column, raw| fixed(column, raw, |column, [byte]| column.push_bool(byte != 0)),
        PgType::INT2 => {
            |_, column, raw| fixed(column, raw, |column, bytes| column.push_int(i16::from_be_bytes(bytes).into()))
        }
        PgType::INT4 => {
            |_, column, raw| fixed(column, raw, |column, bytes| column.push_int(i32::from_be_bytes(bytes).into()))
        }
        PgType::INT8 => |_, column, raw| fixed(column, raw, |column, bytes| column.push_int(i64::from_be_bytes(bytes))),
        PgType::FLOAT8 => {
            |_, column, raw| fixed(column, raw, |column, bytes| column.push_float(f64::from_be_bytes(bytes)))
        }
        PgType::TIMESTAMPTZ => |_, column, raw| fixed(column, raw, |column, bytes| column.push_int(moment(bytes))),
        _ => text,
    }
}

/// Appends a value of so many bytes; one of another length is NULL, as nothing is known of it.
fn fixed<const N: usize>(
    column: &mut FrameColumn,
    raw: Option<&[u8]>,
    push: impl Fn(&mut FrameColumn, [u8; N]),
) -> usize {
    match raw.and_then(|raw| raw.try_into().ok()) {
        Some(bytes) => push(column, bytes),
        None => column.push_null(),
    }
    0
}

fn moment(bytes: [u8; 8]) -> i64 {
    match i64::from_be_bytes(bytes) {
        // PostgreSQL's own marks for −infinity and infinity stay what they are.
        infinite @ (i64::MIN | i64::MAX) => infinite,
        value => value.saturating_add(EPOCH_OFFSET_US),
    }
}

fn text(session: &Session, column: &mut FrameColumn, raw: Option<&[u8]>) -> usize {
    match raw {
        Some(bytes) => column.push_text(&session.read(bytes)),
        None => column.push_null(),
    }
    raw.map_or(0, <[u8]>::len)
}
