//! Rows held in columns: the form in which readings, increments and batches live in memory.

use catalog::{Definition, Type};

/// One bit per row. Most columns have no NULL: what is not set takes no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    /// Without words of zeros at the end, so that equal bits are equal words.
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// So many rows, none of them set.
    #[must_use]
    pub const fn zeros(len: usize) -> Self {
        Self { words: Vec::new(), len }
    }

    /// Appends a bit.
    #[inline]
    pub fn push(&mut self, bit: bool) {
        self.len += 1;
        if bit {
            self.set(self.len - 1, true);
        }
    }

    /// The bit of a row; false past the end.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Sets the bit of a row that exists.
    pub fn set(&mut self, row: usize, bit: bool) {
        let (place, mask) = (row / 64, 1 << (row % 64));
        if bit && row < self.len {
            if place >= self.words.len() {
                self.words.resize(place + 1, 0);
            }
            self.words[place] |= mask;
        } else if let Some(word) = self.words.get_mut(place) {
            *word &= !mask;
            self.trim();
        }
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    /// Whether any bit is set.
    #[must_use]
    pub const fn any(&self) -> bool {
        !self.words.is_empty()
    }

    /// How many bits are set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The rows whose bits are set, in order.
    pub fn ones(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(place, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(place * 64 + bit)
            })
        })
    }

    /// How many rows it covers.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it covers no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Eight rows a byte, lowest bit first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(self.len.div_ceil(8), 0);
        bytes
    }

    /// Reads what [`Bitmap::to_bytes`] wrote; `None` when the length does not fit.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], len: usize) -> Option<Self> {
        if bytes.len() != len.div_ceil(8) {
            return None;
        }
        let mut words = vec![0_u64; len.div_ceil(64)];
        for (place, byte) in bytes.iter().enumerate() {
            words[place / 8] |= u64::from(*byte) << (place % 8 * 8);
        }
        if !len.is_multiple_of(64)
            && let Some(last) = words.last()
            && last >> (len % 64) != 0
        {
            return None;
        }
        let mut bits = Self { words, len };
        bits.trim();
        Some(bits)
    }
}

/// The values of one column; a NULL row holds a zero here.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Booleans.
    Bool(Vec<bool>),
    /// Integers, moments (microseconds since 1970), oids, WAL positions, durations (microseconds).
    Int(Vec<i64>),
    /// Floating point.
    Float(Vec<f64>),
    /// Texts.
    Text(Vec<Box<str>>),
}

impl Values {
    /// No values of the same kind.
    #[must_use]
    pub fn none(&self) -> Self {
        match self {
            Self::Bool(_) => Self::Bool(Vec::new()),
            Self::Int(_) => Self::Int(Vec::new()),
            Self::Float(_) => Self::Float(Vec::new()),
            Self::Text(_) => Self::Text(Vec::new()),
        }
    }
}

/// One column: values and which of them are NULL.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameColumn {
    /// The rows that are NULL.
    pub nulls: Bitmap,
    /// The values.
    pub values: Values,
}

impl FrameColumn {
    /// An empty column of a type.
    #[must_use]
    pub fn new(column_type: Type) -> Self {
        let values = match column_type {
            Type::Bool => Values::Bool(Vec::new()),
            Type::Float8 => Values::Float(Vec::new()),
            Type::Text => Values::Text(Vec::new()),
            Type::Int4 | Type::Int8 | Type::Timestamptz | Type::Oid | Type::Lsn | Type::Duration => {
                Values::Int(Vec::new())
            }
        };
        Self { nulls: Bitmap::default(), values }
    }

    /// Makes room for more rows.
    pub fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            Values::Bool(values) => values.reserve_exact(rows),
            Values::Int(values) => values.reserve_exact(rows),
            Values::Float(values) => values.reserve_exact(rows),
            Values::Text(values) => values.reserve_exact(rows),
        }
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nulls.is_empty()
    }

    /// Whether a row is NULL.
    #[inline]
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row)
    }

    /// Whether every row is NULL.
    #[must_use]
    pub fn all_null(&self) -> bool {
        self.nulls.count() == self.len()
    }

    /// Appends NULL.
    #[inline]
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Bool(values) => values.push(false),
            Values::Int(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Text(values) => values.push("".into()),
        }
        self.nulls.push(true);
    }

    /// Appends an integer. In a column of another kind it is NULL.
    #[inline]
    pub fn push_int(&mut self, value: i64) {
        if let Values::Int(values) = &mut self.values {
            values.push(value);
            self.nulls.push(false);
        } else {
            self.push_null();
        }
    }

    /// Appends a floating-point number; what is not finite is NULL, as in any other column.
    #[inline]
    pub fn push_float(&mut self, value: f64) {
        match &mut self.values {
            Values::Float(values) if value.is_finite() => {
                values.push(value);
                self.nulls.push(false);
            }
            _ => self.push_null(),
        }
    }

    /// Appends a boolean. In a column of another kind it is NULL.
    #[inline]
    pub fn push_bool(&mut self, value: bool) {
        if let Values::Bool(values) = &mut self.values {
            values.push(value);
            self.nulls.push(false);
        } else {
            self.push_null();
        }
    }

    /// Appends a text. In a column of another kind it is NULL.
    pub fn push_text(&mut self, value: &str) {
        if let Values::Text(values) = &mut self.values {
            values.push(value.into());
            self.nulls.push(false);
        } else {
            self.push_null();
        }
    }

    /// Appends a row of another column of the same type.
    pub fn push_from(&mut self, other: &Self, row: usize) {
        if other.is_null(row) {
            return self.push_null();
        }
        match &other.values {
            Values::Bool(values) => self.push_bool(values[row]),
            Values::Int(values) => self.push_int(values[row]),
            Values::Float(values) => self.push_float(values[row]),
            Values::Text(values) => self.push_text(&values[row]),
        }
    }

    /// Some of its rows, in the order that is asked for.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut nulls = Bitmap::zeros(rows.len());
        if self.nulls.any() {
            rows.iter().enumerate().for_each(|(to, row)| nulls.set(to, self.is_null(*row)));
        }
        let values = match &self.values {
            Values::Bool(values) => Values::Bool(rows.iter().map(|row| values[*row]).collect()),
            Values::Int(values) => Values::Int(rows.iter().map(|row| values[*row]).collect()),
            Values::Float(values) => Values::Float(rows.iter().map(|row| values[*row]).collect()),
            Values::Text(values) => Values::Text(rows.iter().map(|row| values[*row].clone()).collect()),
        };
        Self { nulls, values }
    }

    /// Its rows in another order; a place without one is zero.
    #[must_use]
    pub fn arrange(&self, rows: &[Option<usize>]) -> Self {
        let mut nulls = Bitmap::zeros(rows.len());
        if self.nulls.any() {
            let is_null = |row: &Option<usize>| row.is_some_and(|row| self.is_null(row));
            rows.iter().enumerate().filter(|(_, row)| is_null(row)).for_each(|(to, _)| nulls.set(to, true));
        }
        let values = match &self.values {
            Values::Bool(values) => Values::Bool(rows.iter().map(|row| row.is_some_and(|row| values[row])).collect()),
            Values::Int(values) => Values::Int(rows.iter().map(|row| row.map_or(0, |row| values[row])).collect()),
            Values::Float(values) => Values::Float(rows.iter().map(|row| row.map_or(0.0, |row| values[row])).collect()),
            Values::Text(values) => {
                Values::Text(rows.iter().map(|row| row.map_or_else(Box::default, |row| values[row].clone())).collect())
            }
        };
        Self { nulls, values }
    }

    /// The integer of a row.
    #[inline]
    #[must_use]
    pub fn int(&self, row: usize) -> Option<i64> {
        match &self.values {
            Values::Int(values) if !self.is_null(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The floating-point number of a row.
    #[must_use]
    pub fn float(&self, row: usize) -> Option<f64> {
        match &self.values {
            Values::Float(values) if !self.is_null(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The boolean of a row.
    #[must_use]
    pub fn bool(&self, row: usize) -> Option<bool> {
        match &self.values {
            Values::Bool(values) if !self.is_null(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The text of a row.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<&str> {
        match &self.values {
            Values::Text(values) if !self.is_null(row) => values.get(row).map(AsRef::as_ref),
            _ => None,
        }
    }

    /// Whether two rows of two columns of one type are the same, NULL being equal to NULL.
    #[inline]
    #[must_use]
    pub fn same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        if self.is_null(row) || other.is_null(other_row) {
            return self.is_null(row) == other.is_null(other_row);
        }
        match (&self.values, &other.values) {
            (Values::Bool(a), Values::Bool(b)) => a[row] == b[other_row],
            (Values::Int(a), Values::Int(b)) => a[row] == b[other_row],
            (Values::Float(a), Values::Float(b)) => a[row].to_bits() == b[other_row].to_bits(),
            (Values::Text(a), Values::Text(b)) => a[row] == b[other_row],
            _ => false,
        }
    }
}

/// Rows of one set, in columns, in the order of the set's definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// How many rows.
    pub rows: usize,
    /// One entry per column of the definition; `None` is a column that was not read: all NULL.
    pub columns: Vec<Option<FrameColumn>>,
}

impl Frame {
    /// An empty frame with all columns of a definition.
    #[must_use]
    pub fn new(definition: &Definition) -> Self {
        let columns = definition.columns.iter().map(|column| Some(FrameColumn::new(column.column_type))).collect();
        Self { rows: 0, columns }
    }

    /// A column that was read.
    #[must_use]
    pub fn column(&self, place: usize) -> Option<&FrameColumn> {
        self.columns.get(place).and_then(Option::as_ref)
    }

    /// Some of its rows, in the order that is asked for.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| column.as_ref().map(|column| column.select(rows))).collect();
        Self { rows: rows.len(), columns }
    }

    /// Its rows in another order; a place without one is zero.
    #[must_use]
    pub fn arrange(&self, rows: &[Option<usize>]) -> Self {
        let columns = self.columns.iter().map(|column| column.as_ref().map(|column| column.arrange(rows))).collect();
        Self { rows: rows.len(), columns }
    }

    /// Makes room for more rows.
    pub fn reserve(&mut self, rows: usize) {
        self.columns.iter_mut().flatten().for_each(|column| column.reserve(rows));
    }

    /// Appends a row of another frame of the same definition.
    pub fn push_row(&mut self, other: &Self, row: usize) {
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            if let Some(column) = mine {
                match theirs {
                    Some(source) => column.push_from(source, row),
                    None => column.push_null(),
                }
            }
        }
        self.rows += 1;
    }
}
