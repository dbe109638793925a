//! Columns to bytes and back. The encoder takes the smallest of the encodings that fit a column;
//! the decoder trusts nothing: every length is checked before memory is taken.
//!
//! | encoding | for | data, rows that are NULL left out |
//! |---|---|---|
//! | 1 sparse | integers | bitmap of non-zeros, then their zigzag varints |
//! | 2 delta | integers | zigzag varints of the difference to the row before |
//! | 3 fixed | integers | 8 bytes little-endian each |
//! | 4 float | floats | bitmap of non-zeros, then 8 bytes each |
//! | 5 short float | floats | bitmap of non-zeros, then 4 bytes each, where that loses nothing |
//! | 6 bits | booleans | bitmap |
//! | 7 dictionary | texts | varint indexes into the dictionary |
//! | 8 texts | texts | varint length and UTF-8 bytes each |

use std::borrow::Cow;
use std::collections::HashMap;

use catalog::{Definition, Type};

use crate::batch::{EncodedColumn, Reading};
use crate::frame::{Bitmap, Frame, FrameColumn, Values};

/// The most rows that one reading may have.
pub const MAX_ROWS: usize = 1_000_000;

/// The most values that one reading may unfold to, over all its columns (8 bytes each at least).
const MAX_CELLS: usize = 16_000_000;

/// The bytes of text that one reading may unfold to.
const MAX_TEXT_BYTES: usize = 64 << 20;

const SPARSE: u32 = 1;
const DELTA: u32 = 2;
const FIXED: u32 = 3;
const FLOAT: u32 = 4;
const SHORT_FLOAT: u32 = 5;
const BITS: u32 = 6;
const DICTIONARY: u32 = 7;
const TEXTS: u32 = 8;

/// What is wrong with a reading's columns.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// More rows or values than allowed.
    #[error("reading of {set} is too large: {rows} rows")]
    TooLarge {
        /// The set.
        set: String,
        /// Its rows.
        rows: u32,
    },
    /// A column that the definition does not have, or one that stands twice.
    #[error("reading of {set} has a column {place} that is unknown or stands twice")]
    Place {
        /// The set.
        set: String,
        /// The column's position.
        place: u32,
    },
    /// A column's bytes do not say what they should.
    #[error("column {column} of {set}: {reason}")]
    Column {
        /// The set.
        set: String,
        /// The column.
        column: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Reading {
    /// Puts a frame's rows into the reading. Columns that are all NULL are left out.
    pub fn encode_rows(&mut self, frame: &Frame) {
        self.rows = u32::try_from(frame.rows).unwrap_or(u32::MAX);
        self.columns = frame
            .columns
            .iter()
            .enumerate()
            .filter_map(|(place, column)| encode_column(u32::try_from(place).ok()?, column.as_ref()?))
            .collect();
    }

    /// The reading's rows, under the definition that it names.
    ///
    /// # Errors
    /// When the columns do not fit the definition or their bytes are wrong.
    pub fn decode_rows(&self, definition: &Definition) -> Result<Frame, DecodeError> {
        let rows = self.rows as usize;
        if rows > MAX_ROWS || rows.saturating_mul(self.columns.len()) > MAX_CELLS {
            return Err(DecodeError::TooLarge { set: self.set.clone(), rows: self.rows });
        }
        let mut columns: Vec<Option<FrameColumn>> = vec![None; definition.columns.len()];
        let mut text_left = MAX_TEXT_BYTES;
        for encoded in &self.columns {
            let place = encoded.place as usize;
            let free = columns.get(place).is_some_and(Option::is_none);
            let Some(column) = definition.columns.get(place).filter(|_| free) else {
                return Err(DecodeError::Place { set: self.set.clone(), place: encoded.place });
            };
            let decoded = decode_column(encoded, column.column_type, rows, &mut text_left)
                .map_err(|reason| DecodeError::Column { set: self.set.clone(), column: column.name.clone(), reason })?;
            columns[place] = Some(decoded);
        }
        Ok(Frame { rows, columns })
    }
}

fn encode_column(place: u32, column: &FrameColumn) -> Option<EncodedColumn> {
    if column.is_empty() || column.all_null() {
        return None;
    }
    let nulls = &column.nulls;
    let (encoding, data, dictionary) = match &column.values {
        Values::Int(values) => {
            let (encoding, data) = encode_ints(&present(values, nulls));
            (encoding, data, Vec::new())
        }
        Values::Float(values) => {
            let (encoding, data) = encode_floats(&present(values, nulls));
            (encoding, data, Vec::new())
        }
        Values::Bool(values) => {
            let mut bits = Bitmap::default();
            present(values, nulls).iter().for_each(|value| bits.push(*value));
            (BITS, bits.to_bytes(), Vec::new())
        }
        Values::Text(values) => encode_texts(&present(values, nulls)),
    };
    let nulls = if nulls.any() { nulls.to_bytes() } else { Vec::new() };
    Some(EncodedColumn { place, encoding, nulls, data, dictionary })
}

/// The values of the rows that are not NULL.
fn present<'a, T: Clone>(values: &'a [T], nulls: &Bitmap) -> Cow<'a, [T]> {
    if !nulls.any() {
        return Cow::Borrowed(values);
    }
    values.iter().enumerate().filter(|(row, _)| !nulls.get(*row)).map(|(_, value)| value.clone()).collect()
}

fn encode_ints(values: &[i64]) -> (u32, Vec<u8>) {
    let bitmap = values.len().div_ceil(8);
    // Most counters of most statements never move.
    if values.iter().all(|value| *value == 0) {
        return (SPARSE, vec![0; bitmap]);
    }
    let (mut sparse, mut delta, mut before) = (bitmap, 0, 0_i64);
    for value in values {
        sparse += if *value == 0 { 0 } else { varint_len(zigzag(*value)) };
        delta += varint_len(zigzag(value.wrapping_sub(before)));
        before = *value;
    }
    let fixed = values.len() * 8;
    if sparse <= delta && sparse <= fixed {
        let mut data = Vec::with_capacity(sparse);
        data.extend(values.chunks(8).map(|eight| bits(eight, |value| *value != 0)));
        values.iter().filter(|v| **v != 0).for_each(|v| put_varint(&mut data, zigzag(*v)));
        (SPARSE, data)
    } else if delta <= fixed {
        let mut data = Vec::with_capacity(delta);
        before = 0;
        for value in values {
            put_varint(&mut data, zigzag(value.wrapping_sub(before)));
            before = *value;
        }
        (DELTA, data)
    } else {
        let mut data = Vec::with_capacity(fixed);
        values.iter().for_each(|value| data.extend_from_slice(&value.to_le_bytes()));
        (FIXED, data)
    }
}

/// Up to eight answers as the bits of a byte, the first one lowest.
fn bits<T>(eight: &[T], is_set: impl Fn(&T) -> bool) -> u8 {
    eight.iter().enumerate().fold(0, |byte, (bit, value)| byte | u8::from(is_set(value)) << bit)
}

fn encode_floats(values: &[f64]) -> (u32, Vec<u8>) {
    let mut data = Vec::with_capacity(values.len().div_ceil(8) + values.len() * 4);
    data.extend(values.chunks(8).map(|eight| bits(eight, |value| value.to_bits() != 0)));
    let filled = values.iter().filter(|v| v.to_bits() != 0);
    #[expect(clippy::cast_possible_truncation, reason = "taken only where nothing is lost")]
    let short = |v: &f64| *v as f32;
    if filled.clone().all(|v| f64::from(short(v)).to_bits() == v.to_bits()) {
        filled.for_each(|v| data.extend_from_slice(&short(v).to_le_bytes()));
        (SHORT_FLOAT, data)
    } else {
        filled.for_each(|v| data.extend_from_slice(&v.to_le_bytes()));
        (FLOAT, data)
    }
}

fn encode_texts(values: &[Box<str>]) -> (u32, Vec<u8>, Vec<String>) {
    let mut places: HashMap<&str, u64> = HashMap::new();
    let mut dictionary = Vec::new();
    let mut indexes = Vec::with_capacity(values.len());
    for value in values {
        let next = places.len() as u64;
        let place = *places.entry(value).or_insert_with(|| {
            dictionary.push(value.to_string());
            next
        });
        indexes.push(place);
    }
    let mut data = Vec::new();
    if dictionary.len() * 2 <= values.len() {
        indexes.iter().for_each(|place| put_varint(&mut data, *place));
        (DICTIONARY, data, dictionary)
    } else {
        for value in values {
            put_varint(&mut data, value.len() as u64);
            data.extend_from_slice(value.as_bytes());
        }
        (TEXTS, data, Vec::new())
    }
}

fn decode_column(
    encoded: &EncodedColumn,
    column_type: Type,
    rows: usize,
    text_left: &mut usize,
) -> Result<FrameColumn, &'static str> {
    let nulls = if encoded.nulls.is_empty() {
        None
    } else {
        Some(Bitmap::from_bytes(&encoded.nulls, rows).ok_or("its NULL bitmap has the wrong length")?)
    };
    let present = rows - nulls.as_ref().map_or(0, Bitmap::count);
    let mut input = Input { bytes: &encoded.data };
    let nulls = nulls.unwrap_or_else(|| Bitmap::zeros(rows));
    let values = match (FrameColumn::new(column_type).values, encoded.encoding) {
        (Values::Int(_), SPARSE | DELTA | FIXED) => {
            Values::Int(spread(decode_ints(&mut input, encoded.encoding, column_type, present)?, &nulls))
        }
        (Values::Float(_), FLOAT | SHORT_FLOAT) => {
            Values::Float(spread(decode_floats(&mut input, encoded.encoding == SHORT_FLOAT, present)?, &nulls))
        }
        (Values::Bool(_), BITS) => {
            let bits = input.bitmap(present)?;
            Values::Bool(spread((0..present).map(|nth| bits.get(nth)).collect(), &nulls))
        }
        (Values::Text(_), DICTIONARY | TEXTS) => {
            Values::Text(spread(decode_texts(&mut input, encoded, present, text_left)?, &nulls))
        }
        _ => return Err("its encoding does not fit its type"),
    };
    if input.bytes.is_empty() { Ok(FrameColumn { nulls, values }) } else { Err("bytes are left over") }
}

/// Puts the values of the rows that are not NULL where they belong.
fn spread<T: Default>(present: Vec<T>, nulls: &Bitmap) -> Vec<T> {
    if !nulls.any() {
        return present;
    }
    let mut present = present.into_iter();
    let mut value = |row| if nulls.get(row) { T::default() } else { present.next().unwrap_or_default() };
    (0..nulls.len()).map(&mut value).collect()
}

fn decode_texts(
    input: &mut Input<'_>,
    encoded: &EncodedColumn,
    present: usize,
    text_left: &mut usize,
) -> Result<Vec<Box<str>>, &'static str> {
    let mut texts = Vec::new();
    for _ in 0..present {
        let text = if encoded.encoding == DICTIONARY {
            let place = usize::try_from(input.varint()?).map_err(|_| "an index is out of range")?;
            encoded.dictionary.get(place).map(String::as_str).ok_or("an index is out of range")?
        } else {
            input.text()?
        };
        *text_left = text_left.checked_sub(text.len()).ok_or("too much text")?;
        texts.push(text.into());
    }
    Ok(texts)
}

fn decode_ints(
    input: &mut Input<'_>,
    encoding: u32,
    column_type: Type,
    present: usize,
) -> Result<Vec<i64>, &'static str> {
    let mut values = Vec::new();
    if encoding == SPARSE {
        let bits = input.bitmap(present)?;
        values.resize(present, 0);
        for nth in bits.ones() {
            values[nth] = unzigzag(input.varint()?);
        }
    } else if encoding == DELTA {
        values.reserve_exact(present);
        let mut before = 0_i64;
        for _ in 0..present {
            before = before.wrapping_add(unzigzag(input.varint()?));
            values.push(before);
        }
    } else {
        values.reserve_exact(present);
        for _ in 0..present {
            values.push(i64::from_le_bytes(input.array()?));
        }
    }
    if column_type == Type::Int4 && values.iter().any(|value| i32::try_from(*value).is_err()) {
        return Err("a value does not fit 32 bits");
    }
    Ok(values)
}

fn decode_floats(input: &mut Input<'_>, short: bool, present: usize) -> Result<Vec<f64>, &'static str> {
    let bits = input.bitmap(present)?;
    let mut values = Vec::with_capacity(present);
    for nth in 0..present {
        let value = match (bits.get(nth), short) {
            (false, _) => 0.0,
            (true, true) => f64::from(f32::from_le_bytes(input.array()?)),
            (true, false) => f64::from_le_bytes(input.array()?),
        };
        if !value.is_finite() {
            return Err("a value is not finite");
        }
        values.push(value);
    }
    Ok(values)
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (head, rest) = self.bytes.split_at_checked(len).ok_or("its bytes end early")?;
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn bitmap(&mut self, len: usize) -> Result<Bitmap, &'static str> {
        Bitmap::from_bytes(self.take(len.div_ceil(8))?, len).ok_or("its bitmap is wrong")
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        let len = usize::try_from(self.varint()?).map_err(|_| "its bytes end early")?;
        std::str::from_utf8(self.take(len)?).map_err(|_| "a text is not UTF-8")
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        // Most are small.
        if let [byte @ 0..0x80, rest @ ..] = self.bytes {
            self.bytes = rest;
            return Ok(u64::from(*byte));
        }
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a varint is too long")
    }
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

const fn varint_len(value: u64) -> usize {
    (63 - (value | 1).leading_zeros() as usize) / 7 + 1
}

fn put_varint(data: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        data.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    data.push(value.to_le_bytes()[0]);
}
