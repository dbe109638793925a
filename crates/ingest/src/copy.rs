//! From columns to PostgreSQL's binary COPY format: no allocation per row, no value as text or JSON.
//!
//! A row is a count of fields, then each field as its length and its bytes in network order; NULL
//! has length -1. Moments count from 2000-01-01, with the ends of 64 bits being ∓infinity.

use bytes::{BufMut, Bytes, BytesMut};
use catalog::{Definition, Scope, Type};
use wire::{Frame, FrameColumn, Values};

/// What a COPY stream begins with: signature, no flags, no extension.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What a COPY stream ends with.
pub(crate) const TRAILER: &[u8] = &[0xff, 0xff];

/// 2000-01-01 in microseconds since 1970.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// The first moment that PostgreSQL knows (4714-11-24 BC), in microseconds since 1970.
const FIRST_MOMENT_US: i64 = -211_813_488_000_000_000 + EPOCH_2000_US;

/// The first moment past what PostgreSQL knows (294277-01-01), in microseconds since 1970; past 64 bits there,
/// so all of ours that do not overflow fit below it.
const END_OF_TIME_US: i64 = 9_223_371_331_200_000_000;

/// Bytes of a field's length.
const LENGTH: usize = 4;

/// Rows that are filled column by column at a time: as many as a processor keeps near.
const BLOCK: usize = 64;

/// Rows of one table, encoded.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    bytes: BytesMut,
    count: u64,
}

/// What every row of a reading shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    /// The instance's number.
    pub(crate) instance_id: i32,
    /// The rows' time, microseconds since 1970.
    pub(crate) time_us: i64,
    /// The interval's length.
    pub(crate) interval_us: Option<i64>,
    /// The database that was read, for sets of scope `database`.
    pub(crate) datid: Option<i64>,
}

/// Whether PostgreSQL can store a moment.
#[must_use]
pub(crate) fn is_storable_moment(micros: i64) -> bool {
    micros == i64::MIN || micros == i64::MAX || (FIRST_MOMENT_US..END_OF_TIME_US).contains(&micros)
}

impl Rows {
    /// How many rows there are.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Their bytes, without header and trailer.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, for good.
    #[must_use]
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }

    /// Begins a row of so many fields.
    pub(crate) fn begin(&mut self, fields: usize) {
        self.bytes.put_i16(i16::try_from(fields).unwrap_or(i16::MAX));
        self.count += 1;
    }

    /// A NULL.
    pub(crate) fn null(&mut self) {
        self.bytes.put_i32(-1);
    }

    /// An `integer`.
    pub(crate) fn int4(&mut self, value: i32) {
        let mut field = [0, 0, 0, 4, 0, 0, 0, 0];
        field[4..].copy_from_slice(&value.to_be_bytes());
        self.bytes.put_slice(&field);
    }

    /// A `bigint`.
    pub(crate) fn int8(&mut self, value: i64) {
        self.eight(value.to_be_bytes());
    }

    /// A field of eight bytes, in one piece: most are.
    fn eight(&mut self, bytes: [u8; 8]) {
        let mut field = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        field[4..].copy_from_slice(&bytes);
        self.bytes.put_slice(&field);
    }

    /// A `bigint` or NULL.
    pub(crate) fn int8_or_null(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.int8(value),
            None => self.null(),
        }
    }

    /// A `double precision`.
    pub(crate) fn float8(&mut self, value: f64) {
        self.eight(value.to_be_bytes());
    }

    /// A `boolean`.
    pub(crate) fn bool(&mut self, value: bool) {
        self.bytes.put_i32(1);
        self.bytes.put_u8(u8::from(value));
    }

    /// A `text`.
    pub(crate) fn text(&mut self, value: &str) {
        self.raw(value.as_bytes());
    }

    /// A `uuid`.
    pub(crate) fn uuid(&mut self, value: uuid::Uuid) {
        self.raw(value.as_bytes());
    }

    /// A `timestamptz`, in microseconds since 1970; checked with [`is_storable_moment`] before.
    pub(crate) fn moment(&mut self, micros: i64) {
        self.int8(since_2000(micros));
    }

    /// A `jsonb`, from JSON text.
    pub(crate) fn jsonb(&mut self, json: &str) {
        self.bytes.put_i32(i32::try_from(json.len() + 1).unwrap_or(i32::MAX));
        self.bytes.put_u8(1);
        self.bytes.put_slice(json.as_bytes());
    }

    /// A `smallint`.
    pub(crate) fn int2(&mut self, value: i16) {
        self.bytes.put_i32(2);
        self.bytes.put_i16(value);
    }

    /// A `text[]` without NULLs.
    pub(crate) fn text_array<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a str> + Clone) {
        const TEXT_OID: i32 = 25;
        let lengths: usize = values.clone().map(|value| 4 + value.len()).sum();
        self.array_header(TEXT_OID, values.len(), lengths);
        values.for_each(|value| self.text(value));
    }

    /// A `bigint[]` without NULLs.
    pub(crate) fn int8_array(&mut self, values: &[i64]) {
        const INT8_OID: i32 = 20;
        self.array_header(INT8_OID, values.len(), values.len() * 12);
        for value in values {
            self.int8(*value);
        }
    }

    /// What an array of one dimension begins with, whose elements take so many bytes, each with its length.
    fn array_header(&mut self, element: i32, count: usize, bytes: usize) {
        let header = if count == 0 { 12 } else { 20 };
        self.bytes.put_i32(i32::try_from(header + bytes).unwrap_or(i32::MAX));
        self.bytes.put_i32(i32::from(count > 0));
        self.bytes.put_i32(0);
        self.bytes.put_i32(element);
        if count > 0 {
            self.bytes.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
            self.bytes.put_i32(1);
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.bytes.put_slice(bytes);
    }

    /// All rows of a frame, in the order of [`store::Known::write_statement`].
    pub(crate) fn frame(&mut self, definition: &Definition, frame: &Frame, shared: Shared) {
        let per_database = definition.scope == Scope::Database;
        let fields = 3 + usize::from(per_database) + definition.columns.len();
        self.bytes.reserve(frame.rows * (2 + fields * 12));
        let columns: Vec<(Type, Option<&FrameColumn>)> =
            definition.columns.iter().enumerate().map(|(at, c)| (c.column_type, frame.column(at))).collect();
        let is_even = columns.iter().all(|(_, column)| column.is_none_or(is_even));
        let (begins, mut filled) = (self.bytes.len(), Vec::new());
        for row in 0..frame.rows {
            self.begin(fields);
            self.int4(shared.instance_id);
            self.moment(shared.time_us);
            self.int8_or_null(shared.interval_us);
            if per_database {
                self.int8_or_null(shared.datid);
            }
            for (column_type, column) in &columns {
                let offset = self.bytes.len() - begins;
                self.cell_or_null(*column_type, *column, row);
                if let Some(column) = column.filter(|column| is_even && !column.all_null()) {
                    filled.push((offset + LENGTH, *column_type, &column.values));
                }
            }
            if is_even {
                // All others are as long as the first.
                self.like_the_first(begins, frame.rows, &filled);
                break;
            }
        }
    }

    /// Repeats the row that begins at a byte until there are so many, and fills the values in, each at its offset.
    fn like_the_first(&mut self, begins: usize, rows: usize, filled: &[(usize, Type, &Values)]) {
        let first = self.bytes[begins..].to_vec();
        (1..rows).for_each(|_| self.bytes.put_slice(&first));
        self.count += rows.saturating_sub(1) as u64;
        for (block, bytes) in self.bytes[begins..].chunks_mut(first.len() * BLOCK).enumerate() {
            let rows = block * BLOCK..rows.min((block + 1) * BLOCK);
            for (offset, column_type, values) in filled {
                let cells = bytes.chunks_exact_mut(first.len()).map(|row| &mut row[*offset..]);
                match (values, column_type) {
                    (Values::Bool(values), _) => fill(cells, &values[rows.clone()], |value| [u8::from(value)]),
                    (Values::Float(values), _) => fill(cells, &values[rows.clone()], f64::to_be_bytes),
                    (Values::Int(values), Type::Int4) => {
                        fill(cells, &values[rows.clone()], |value| int4(value).to_be_bytes())
                    }
                    (Values::Int(values), Type::Timestamptz) => {
                        fill(cells, &values[rows.clone()], |value| since_2000(value).to_be_bytes());
                    }
                    (Values::Int(values), _) => fill(cells, &values[rows.clone()], i64::to_be_bytes),
                    // Texts are not even.
                    (Values::Text(_), _) => {}
                }
            }
        }
    }

    /// A value of a row; a column that was not sent is NULL.
    pub(crate) fn cell_or_null(&mut self, column_type: Type, column: Option<&FrameColumn>, row: usize) {
        match column {
            Some(column) if !column.is_null(row) => self.cell(column_type, &column.values, row),
            _ => self.null(),
        }
    }

    fn cell(&mut self, column_type: Type, values: &Values, row: usize) {
        match (values, column_type) {
            (Values::Bool(values), _) => self.bool(values[row]),
            (Values::Float(values), _) => self.float8(values[row]),
            (Values::Text(values), _) => self.text(&values[row]),
            (Values::Int(values), Type::Timestamptz) => self.moment(values[row]),
            (Values::Int(values), Type::Int4) => self.int4(int4(values[row])),
            (Values::Int(values), _) => self.int8(values[row]),
        }
    }
}

/// Whether a column takes as many bytes in each row: it has no text, and is NULL everywhere or nowhere.
fn is_even(column: &FrameColumn) -> bool {
    column.all_null() || !column.nulls.any() && !matches!(column.values, Values::Text(_))
}

fn fill<'a, T: Copy, const N: usize>(
    cells: impl Iterator<Item = &'a mut [u8]>,
    values: &[T],
    encode: impl Fn(T) -> [u8; N],
) {
    for (cell, value) in cells.zip(values) {
        cell[..N].copy_from_slice(&encode(*value));
    }
}

/// Checked before: a value that does not fit never comes here.
fn int4(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A moment as PostgreSQL counts, from microseconds since 1970.
fn since_2000(micros: i64) -> i64 {
    match micros {
        i64::MIN | i64::MAX => micros,
        _ => micros.saturating_sub(EPOCH_2000_US),
    }
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;
    use proptest::prelude::*;

    use super::*;

    /// How a column is filled.
    #[derive(Clone, Copy, Debug)]
    enum Filled {
        Absent,
        Null,
        Partly,
        Wholly,
    }

    fn column(column_type: Type, filled: Filled, values: &[i32]) -> Option<FrameColumn> {
        let mut column = FrameColumn::new(column_type);
        for value in values {
            if matches!(filled, Filled::Null) || matches!(filled, Filled::Partly) && value % 3 == 0 {
                column.push_null();
                continue;
            }
            match column_type {
                Type::Bool => column.push_bool(value % 2 == 0),
                Type::Float8 => column.push_float(f64::from(*value) / 7.0),
                Type::Text => column.push_text(&value.to_string()),
                Type::Timestamptz if value % 5 == 0 => column.push_int(i64::MAX),
                Type::Int4 => column.push_int(i64::from(*value)),
                _ => column.push_int(i64::from(*value) * 1_000_003),
            }
        }
        (!matches!(filled, Filled::Absent)).then_some(column)
    }

    proptest! {
        #[test]
        fn rows_at_once_are_the_same_as_one_by_one(
            set in any::<prop::sample::Index>(),
            columns in prop::collection::vec(prop::sample::select(vec![
                Filled::Absent, Filled::Null, Filled::Partly, Filled::Wholly, Filled::Wholly, Filled::Wholly,
            ]), 60),
            is_even in any::<bool>(),
            values in prop::collection::vec(any::<i32>(), 0..200),
        ) {
            let catalog = Catalog::embedded().unwrap();
            let sets: Vec<_> = catalog.sets().map(|set| &set.definition).collect();
            let definition = set.get(&sets);
            let filled = definition.columns.iter().zip(&columns).map(|(meaning, filled)| match filled {
                Filled::Partly if is_even => column(meaning.column_type, Filled::Wholly, &values),
                filled => column(meaning.column_type, *filled, &values),
            });
            let frame = Frame { rows: values.len(), columns: filled.collect() };
            let shared = Shared { instance_id: 7, time_us: 1_800_000_000_000_000, interval_us: None, datid: Some(5) };
            let (mut at_once, mut one_by_one) = (Rows::default(), Rows::default());
            at_once.frame(definition, &frame, shared);
            (0..values.len()).for_each(|row| one_by_one.frame(definition, &frame.select(&[row]), shared));
            prop_assert_eq!(at_once.count(), values.len() as u64);
            prop_assert_eq!(at_once.count(), one_by_one.count());
            prop_assert_eq!(at_once.bytes(), one_by_one.bytes());
        }
    }
}
