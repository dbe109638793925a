//! What the collector remembers of a set between two readings, and how it moves on.
//!
//! A [`Baseline`] holds the last complete reading's labels and cumulative values. It is never
//! changed in place: a cycle forms the next one and an [`Advance`], the difference between the two
//! that goes to disk. Replaying all advances over a checkpoint gives the baseline again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use catalog::{Definition, Kind, SetKind};
use prost::Message;
use wire::{EncodedColumn, Frame, FrameColumn, Reading, Values};

use crate::texts;

/// The life of an instance's statistics. When it changes, the instance was restarted, crashed and
/// recovered, or is another one.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Incarnation {
    /// `pg_control_system().system_identifier`; empty where it is not known: before 9.6, without the setup script's helper.
    #[prost(string, tag = "1")]
    pub system_identifier: String,
    /// `pg_postmaster_start_time()`, microseconds since 1970.
    #[prost(sint64, tag = "2")]
    pub postmaster_start_us: i64,
    /// `backend_start` of the checkpointer, which a crash recovery starts anew. Before PostgreSQL 10 `stats_reset` of
    /// `pg_stat_archiver`, which moves then and stays at a clean restart.
    #[prost(sint64, optional, tag = "3")]
    pub checkpointer_start_us: Option<i64>,
}

impl Incarnation {
    /// Whether nothing says that two are of different clusters.
    pub(crate) fn may_be_of_one_cluster(&self, other: &Self) -> bool {
        let known = [&self.system_identifier, &other.system_identifier];
        known.iter().any(|identifier| identifier.is_empty()) || known[0] == known[1]
    }
}

/// What a baseline belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The instance's name in the configuration.
    pub instance: String,
    /// The set.
    pub set: String,
    /// The database, for sets of scope `database`.
    pub datid: Option<i64>,
}

/// The key of a row: its labels, in the order of the definition.
pub type Key = Box<[u8]>;

/// The last complete reading of a set.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The incarnation that it was read in.
    pub incarnation: Incarnation,
    /// When it was read, by the collector's clock, microseconds since 1970.
    pub time_us: i64,
    /// When it was read, by the instance's clock.
    pub instance_time_us: i64,
    /// Labels, counters, resets; of an info set everything. Other columns are left out.
    pub frame: Frame,
    /// The guard's row, as read before the set's.
    pub guard: Option<Frame>,
    /// Where each key stands in the frame.
    index: Arc<Index>,
}

/// Where each key stands in a frame.
pub(crate) type Index = HashMap<Key, usize>;

/// Two rows of one reading have the same key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("two rows of {set} have the same key: {key}")]
pub struct DuplicateKey {
    set: String,
    key: String,
}

/// The most of a duplicate key that is shown, in bytes.
const MAX_KEY_SHOWN: usize = 256;

impl DuplicateKey {
    /// The key of a row, by its labels, without secrets.
    fn of(definition: &Definition, frame: &Frame, row: usize) -> Self {
        let columns = definition.columns.iter().zip(&frame.columns).filter(|(meta, _)| meta.kind == Kind::Label);
        let labels = columns.map(|(meta, column)| {
            let name = &meta.name;
            match column.as_ref().filter(|column| !column.is_null(row)).map(|column| &column.values) {
                Some(Values::Int(values)) => format!("{name} = {}", values[row]),
                Some(Values::Float(values)) => format!("{name} = {}", values[row]),
                Some(Values::Bool(values)) => format!("{name} = {}", values[row]),
                Some(Values::Text(values)) => format!("{name} = '{}'", texts::redacted(meta, &values[row])),
                None => format!("{name} is null"),
            }
        });
        let key = labels.collect::<Vec<String>>().join(", ");
        let key = if key.is_empty() { "it has no labels".to_owned() } else { texts::cut(&key, MAX_KEY_SHOWN) };
        Self { set: definition.name.clone(), key }
    }
}

impl Baseline {
    /// A baseline from what is remembered of a complete reading (see [`split`]).
    ///
    /// # Errors
    /// When two rows have the same key: increments would mix two things.
    pub fn new(
        definition: &Definition,
        frame: Frame,
        guard: Option<Frame>,
        at: &ReadingTime,
    ) -> Result<Self, DuplicateKey> {
        let index = Arc::new(index(definition, &frame)?);
        Ok(Self::with_index(frame, guard, at, index))
    }

    /// The baseline that follows `previous`, and where each of its rows stood there. While the same
    /// keys stand in the same order, both have one index.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn following(
        definition: &Definition,
        frame: Frame,
        guard: Option<Frame>,
        at: &ReadingTime,
        previous: &Self,
    ) -> Result<(Self, Rearranged), DuplicateKey> {
        let old = previous.find_rows(definition, &frame);
        let in_order = old.len() == previous.frame.rows && old.iter().enumerate().all(|(row, old)| *old == Some(row));
        let index = if in_order { Arc::clone(&previous.index) } else { Arc::new(index(definition, &frame)?) };
        let rearranged = if in_order { Rearranged::InOrder } else { Rearranged::From(old) };
        Ok((Self::with_index(frame, guard, at, index), rearranged))
    }

    fn with_index(frame: Frame, guard: Option<Frame>, at: &ReadingTime, index: Arc<Index>) -> Self {
        Self {
            incarnation: at.incarnation.clone(),
            time_us: at.time_us,
            instance_time_us: at.instance_time_us,
            frame,
            guard,
            index,
        }
    }

    /// Where the keys stand: the same as long as they are the same, in the same order.
    pub(crate) const fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Where a key stands.
    #[must_use]
    pub fn row(&self, key: &[u8]) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// Where each row of a later frame stands here.
    fn find_rows(&self, definition: &Definition, later: &Frame) -> Vec<Option<usize>> {
        let (here, there) = (labels(definition, later), labels(definition, &self.frame));
        let same_key = |row: usize, old: usize| {
            old < self.frame.rows
                && here.iter().zip(&there).all(|(here, there)| match (here, there) {
                    (Some(here), Some(there)) => here.same(row, there, old),
                    (here, there) => {
                        here.is_none_or(|here| here.is_null(row)) && there.is_none_or(|there| there.is_null(old))
                    }
                })
        };
        // Two readings are mostly in the same order: the row after the last one is tried first.
        let (mut guess, mut key) = (0, Vec::new());
        (0..later.rows)
            .map(|row| {
                let old = if same_key(row, guess) {
                    Some(guess)
                } else {
                    write_key(&here, row, &mut key);
                    self.row(&key)
                };
                guess = old.map_or(guess, |old| old + 1);
                old
            })
            .collect()
    }

    /// All keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = (&Key, usize)> {
        self.index.iter().map(|(key, row)| (key, *row))
    }
}

/// How the rows of a reading stand to those of the one before.
#[derive(Debug)]
pub(crate) enum Rearranged {
    /// The same keys in the same order.
    InOrder,
    /// For each row where it stood; `None` is a new one.
    From(Vec<Option<usize>>),
}

/// When and in which incarnation a reading was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadingTime {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// When the statement was sent, by the collector's clock, microseconds since 1970.
    pub started_us: i64,
    /// When the last row had arrived.
    pub time_us: i64,
    /// The same by the instance's clock.
    pub instance_time_us: i64,
    /// How long ago the previous reading was, by the monotonic clock, where that is known.
    pub since_previous_us: Option<u64>,
}

/// Two clocks of the collector that differ by less are taken for one: the last few readings' moments stay exact.
const SAME_CLOCK_US: u64 = 1_000_000;

impl ReadingTime {
    /// When the interval since a previous reading began, by the clock of its end: the previous one may have been read
    /// by an earlier process, whose clock was set otherwise.
    #[must_use]
    pub fn began_us(&self, previous: &Baseline) -> i64 {
        let by_length = self.since_previous_us.map(|since| self.time_us.saturating_sub_unsigned(since));
        match by_length.filter(|began| began.abs_diff(previous.time_us) > SAME_CLOCK_US) {
            Some(began) => began,
            None => previous.time_us.min(self.time_us),
        }
    }
}

/// The difference between two baselines, as it goes to disk.
#[derive(Clone, PartialEq, Message)]
pub struct Advance {
    /// The instance's name.
    #[prost(string, tag = "1")]
    pub instance: String,
    /// The set.
    #[prost(string, tag = "2")]
    pub set: String,
    /// The database.
    #[prost(sint64, optional, tag = "3")]
    pub datid: Option<i64>,
    /// The definition under which rows are encoded, 16 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub definition: Vec<u8>,
    /// The incarnation.
    #[prost(message, optional, tag = "5")]
    pub incarnation: Option<Incarnation>,
    /// See [`Baseline::time_us`].
    #[prost(sint64, tag = "6")]
    pub time_us: i64,
    /// See [`Baseline::instance_time_us`].
    #[prost(sint64, tag = "7")]
    pub instance_time_us: i64,
    /// Whether `changed` is everything and replaces what was there.
    #[prost(bool, tag = "8")]
    pub whole: bool,
    /// Rows that are new or different.
    #[prost(message, optional, tag = "9")]
    pub changed: Option<Rows>,
    /// Rows that are gone; only their labels are filled.
    #[prost(message, optional, tag = "10")]
    pub removed: Option<Rows>,
    /// The guard's row.
    #[prost(message, optional, tag = "11")]
    pub guard: Option<Rows>,
}

/// A frame on disk.
#[derive(Clone, PartialEq, Message)]
pub struct Rows {
    /// How many.
    #[prost(uint32, tag = "1")]
    pub rows: u32,
    /// Their columns.
    #[prost(message, repeated, tag = "2")]
    pub columns: Vec<EncodedColumn>,
}

impl Rows {
    /// A frame, encoded.
    #[must_use]
    pub fn encode(frame: &Frame) -> Self {
        let mut reading = Reading::default();
        reading.encode_rows(frame);
        Self { rows: reading.rows, columns: reading.columns }
    }

    /// The frame again.
    ///
    /// # Errors
    /// When the bytes do not fit the definition.
    pub fn decode(self, definition: &Definition) -> Result<Frame, wire::DecodeError> {
        let reading =
            Reading { set: definition.name.clone(), rows: self.rows, columns: self.columns, ..Reading::default() };
        let mut frame = reading.decode_rows(definition)?;
        // What travels as "all NULL" comes back as a column again, so that frames stay alike.
        for (column, meta) in frame.columns.iter_mut().zip(&definition.columns) {
            if column.is_none() && is_remembered(definition.kind(), meta.kind) {
                let mut nulls = FrameColumn::new(meta.column_type);
                (0..frame.rows).for_each(|_| nulls.push_null());
                *column = Some(nulls);
            }
        }
        Ok(frame)
    }
}

impl Advance {
    /// The advance that says everything: a checkpoint's entry.
    #[must_use]
    pub fn whole(place: &Place, definition: &Definition, baseline: &Baseline) -> Self {
        Self { whole: true, changed: Some(Rows::encode(&baseline.frame)), ..Self::of(place, definition, baseline) }
    }

    /// The advance to `next`, without rows yet.
    #[must_use]
    pub fn of(place: &Place, definition: &Definition, next: &Baseline) -> Self {
        Self {
            instance: place.instance.clone(),
            set: place.set.clone(),
            datid: place.datid,
            definition: definition.hash().0.to_vec(),
            incarnation: Some(next.incarnation.clone()),
            time_us: next.time_us,
            instance_time_us: next.instance_time_us,
            whole: false,
            changed: None,
            removed: None,
            guard: next.guard.as_ref().map(Rows::encode),
        }
    }

    /// What it belongs to.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { instance: self.instance.clone(), set: self.set.clone(), datid: self.datid }
    }

    /// The baseline after this advance.
    ///
    /// # Errors
    /// When its rows do not fit the definition, or it needs a baseline that is not there.
    pub fn apply(
        self,
        before: Option<&Baseline>,
        definition: &Definition,
        guard_definition: Option<&Definition>,
    ) -> Result<Baseline, ReplayError> {
        if self.definition != definition.hash().0 {
            return Err(ReplayError::Definition { set: self.set });
        }
        let at = ReadingTime {
            incarnation: self.incarnation.unwrap_or_default(),
            started_us: self.time_us,
            time_us: self.time_us,
            instance_time_us: self.instance_time_us,
            since_previous_us: None,
        };
        let changed = self.changed.unwrap_or_default().decode(definition)?;
        let removed = self.removed.unwrap_or_default().decode(definition)?;
        let guard = match (self.guard, guard_definition) {
            (Some(rows), Some(guard_definition)) => Some(rows.decode(guard_definition)?),
            _ => None,
        };
        let frame = match before {
            _ if self.whole => changed,
            None => return Err(ReplayError::NoBaseline { set: self.set }),
            Some(before) => {
                let gone: std::collections::HashSet<Key> = [&changed, &removed]
                    .into_iter()
                    .flat_map(|frame| (0..frame.rows).map(|row| key_of(definition, frame, row)))
                    .collect();
                let mut frame = split(definition, Frame::new(definition)).0;
                for row in 0..before.frame.rows {
                    if !gone.contains(&key_of(definition, &before.frame, row)) {
                        frame.push_row(&before.frame, row);
                    }
                }
                (0..changed.rows).for_each(|row| frame.push_row(&changed, row));
                frame
            }
        };
        Ok(Baseline::new(definition, frame, guard, &at)?)
    }
}

/// Why a baseline cannot be had back from disk.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It was written under another definition of the set.
    #[error("the definition of {set} has changed")]
    Definition {
        /// The set.
        set: String,
    },
    /// The advance has nothing to advance from.
    #[error("{set} has no baseline to go on from")]
    NoBaseline {
        /// The set.
        set: String,
    },
    /// Its bytes are wrong.
    #[error(transparent)]
    Decode(#[from] wire::DecodeError),
    /// Its rows are wrong.
    #[error(transparent)]
    Key(#[from] DuplicateKey),
}

/// Whether a column is needed to form the next increments.
const fn is_remembered(set: SetKind, kind: Kind) -> bool {
    match kind {
        Kind::Label | Kind::Counter | Kind::Reset | Kind::Since => true,
        Kind::Info => matches!(set, SetKind::Info),
        Kind::Count | Kind::Gauge | Kind::State | Kind::Event | Kind::Text => false,
    }
}

/// Parts a reading into the columns that are remembered and the others.
#[must_use]
pub fn split(definition: &Definition, reading: Frame) -> (Frame, Frame) {
    let (kind, rows) = (definition.kind(), reading.rows);
    let columns = definition.columns.iter().zip(reading.columns);
    let (remembered, others) = columns
        .map(|(meta, column)| if is_remembered(kind, meta.kind) { (column, None) } else { (None, column) })
        .unzip();
    (Frame { rows, columns: remembered }, Frame { rows, columns: others })
}

/// The columns of a reading together again: those that are remembered, as `take` has them, and the others.
#[must_use]
pub(crate) fn rejoined(remembered: &Frame, others: Frame, take: impl Fn(&FrameColumn) -> FrameColumn) -> Frame {
    let columns = remembered.columns.iter().zip(others.columns);
    Frame {
        rows: others.rows,
        columns: columns.map(|(kept, other)| other.or_else(|| kept.as_ref().map(&take))).collect(),
    }
}

fn index(definition: &Definition, frame: &Frame) -> Result<Index, DuplicateKey> {
    let mut index = HashMap::with_capacity(frame.rows);
    let (labels, mut key) = (labels(definition, frame), Vec::new());
    for row in 0..frame.rows {
        write_key(&labels, row, &mut key);
        match index.entry(Key::from(key.as_slice())) {
            Entry::Vacant(place) => place.insert(row),
            Entry::Occupied(_) => return Err(DuplicateKey::of(definition, frame, row)),
        };
    }
    Ok(index)
}

/// The columns that make the key; one that was not read is all NULL.
fn labels<'a>(definition: &Definition, frame: &'a Frame) -> Vec<Option<&'a FrameColumn>> {
    let columns = definition.columns.iter().zip(&frame.columns);
    columns.filter(|(meta, _)| meta.kind == Kind::Label).map(|(_, column)| column.as_ref()).collect()
}

/// The key of a row.
#[must_use]
pub fn key_of(definition: &Definition, frame: &Frame, row: usize) -> Key {
    let mut key = Vec::new();
    write_key(&labels(definition, frame), row, &mut key);
    key.into_boxed_slice()
}

fn write_key(labels: &[Option<&FrameColumn>], row: usize, key: &mut Vec<u8>) {
    key.clear();
    for column in labels {
        let Some(column) = column.filter(|column| !column.is_null(row)) else {
            key.push(0);
            continue;
        };
        key.push(1);
        match &column.values {
            Values::Bool(values) => key.push(u8::from(values[row])),
            Values::Int(values) => key.extend(values[row].to_le_bytes()),
            Values::Float(values) => key.extend(values[row].to_le_bytes()),
            Values::Text(values) => {
                key.extend((values[row].len() as u64).to_le_bytes());
                key.extend(values[row].as_bytes());
            }
        }
    }
}
