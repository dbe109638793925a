//! What rows come to: how many, their sums, and a check over all their columns, the same from a frame here and from a
//! table in the store. Of many rows it takes no more memory than of one.

use catalog::{Definition, Kind, SetKind, Type};
use serde::Serialize;
use wire::Frame;

/// The columns of a set whose sums a person knows, so that a difference can be told in them.
const KNOWN: [(&str, &[&str]); 5] = [
    ("pg_stat_statements", &["calls", "total_exec_time", "rows"]),
    ("pg_stat_database", &["xact_commit", "tup_returned"]),
    ("pg_stat_wal", &["wal_bytes"]),
    ("wal", &["position"]),
    ("sessions", &["sessions"]),
];
/// How many of them there are at most.
const MOST_KNOWN: usize = 3;

/// Values count by what they leave over a prime, so that a row's sum fits into 64 bits.
const VALUES: i64 = 1_000_003;
/// A row counts by the square of what it leaves over a prime: values that change places between rows show.
const ROWS: i64 = 2_147_483_647;
/// What NULL counts as.
const NULL: i64 = -1;

/// Of a set, as sent or as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) rows: u64,
    /// How many readings they are of; not known of texts and infos.
    pub(super) readings: u64,
    pub(super) check: i128,
    /// The sum of the readings' times, microseconds since 1970.
    pub(super) times_us: i128,
    pub(super) known: [i128; MOST_KNOWN],
}

/// A figure that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) figure: String,
    pub(super) sent: String,
    pub(super) stored: String,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.readings += other.readings;
        self.check += other.check;
        self.times_us += other.times_us;
        for (mine, theirs) in self.known.iter_mut().zip(other.known) {
            *mine += theirs;
        }
    }

    /// Of one reading.
    pub(super) fn of(definition: &Definition, frame: &Frame, interval_us: Option<u64>, time_us: i64) -> Self {
        let mut known = [0; MOST_KNOWN];
        for (sum, name) in known.iter_mut().zip(known_columns(definition)) {
            let column = definition.column(name).and_then(|(place, _)| frame.column(place));
            *sum = (0..frame.rows).filter_map(|row| column?.int(row)).map(i128::from).sum();
        }
        let has_readings = definition.kind() == SetKind::Figures;
        Self {
            rows: frame.rows as u64,
            readings: u64::from(has_readings),
            check: checks(definition, frame, interval_us).map(i128::from).sum(),
            times_us: if has_readings { time_us.into() } else { 0 },
            known,
        }
    }

    /// How much later than they are the readings are stored on average, in microseconds.
    pub(super) fn time_off_us(&self, stored: &Self) -> i128 {
        (stored.times_us - self.times_us) / i128::from(self.readings.max(1))
    }

    /// Where they are not the same, their times aside.
    pub(super) fn differences(&self, stored: &Self, definition: &Definition) -> Vec<Difference> {
        let known = known_columns(definition).iter().zip(self.known.iter().zip(stored.known));
        let known = known.map(|(name, (sent, stored))| ((*name).to_owned(), *sent, stored));
        let counts = [
            ("rows".to_owned(), self.rows.into(), stored.rows.into()),
            ("readings".to_owned(), self.readings.into(), stored.readings.into()),
        ];
        let checks = [("check over all columns".to_owned(), self.check, stored.check)];
        counts
            .into_iter()
            .chain(known)
            .chain(checks)
            .filter(|(_, sent, stored)| sent != stored)
            .map(|(figure, sent, stored)| Difference { figure, sent: sent.to_string(), stored: stored.to_string() })
            .collect()
    }
}

/// The check of each row of a reading.
pub(super) fn checks(definition: &Definition, frame: &Frame, interval_us: Option<u64>) -> impl Iterator<Item = i64> {
    let interval = interval_us.and_then(|us| i64::try_from(us).ok()).map_or(NULL, |us| us % VALUES);
    let begin = if definition.kind() == SetKind::Figures { interval } else { 0 };
    let mut rows = vec![begin; frame.rows];
    for (place, (weight, column)) in (2_i64..).zip(&definition.columns).enumerate() {
        let values = frame.column(place);
        for (row, sum) in rows.iter_mut().enumerate() {
            *sum += weight * values.map_or(NULL, |values| value(values, row, column.column_type));
        }
    }
    rows.into_iter().map(|sum| (sum % ROWS) * (sum % ROWS))
}

fn value(column: &wire::FrameColumn, row: usize, column_type: Type) -> i64 {
    let value = match column_type {
        Type::Bool => column.bool(row).map(i64::from),
        Type::Text => column.text(row).and_then(|text| i64::try_from(text.len()).ok()),
        #[expect(clippy::cast_possible_truncation, reason = "the figures that are sent are whole")]
        Type::Float8 => column.float(row).map(|value| value as i64 % VALUES),
        _ => column.int(row).map(|value| value % VALUES),
    };
    value.unwrap_or(NULL)
}

fn known_columns(definition: &Definition) -> &'static [&'static str] {
    KNOWN.iter().find(|(set, _)| *set == definition.name).map_or(&[], |(_, columns)| columns)
}

/// The check of a row of the set's table, in SQL.
pub(super) fn check_in_sql(definition: &Definition) -> String {
    let values = (2_i64..).zip(&definition.columns).map(|(weight, column)| {
        let name = &column.name;
        let value = match column.column_type {
            Type::Bool => format!("\"{name}\"::int4"),
            Type::Text => format!("octet_length(\"{name}\")"),
            Type::Timestamptz => format!("(extract(epoch from \"{name}\") * 1000000)::int8 % {VALUES}"),
            _ => format!("\"{name}\"::int8 % {VALUES}"),
        };
        format!("{weight} * coalesce({value}, {NULL})::int8")
    });
    let interval = match definition.kind() {
        SetKind::Figures => format!("coalesce(interval_us % {VALUES}, {NULL})"),
        _ => "0::int8".to_owned(),
    };
    let sum = std::iter::once(interval).chain(values).collect::<Vec<_>>().join(" + ");
    format!("((({sum}) % {ROWS}) * (({sum}) % {ROWS}))")
}

/// The statement that answers [`Sums`] of the instances `$1`: instance, rows, readings, check, times, known sums.
pub(super) fn sums_in_sql(definition: &Definition) -> String {
    let check = check_in_sql(definition);
    let name = &definition.name;
    match definition.kind() {
        SetKind::Texts => format!(
            "select instance_id, count(*), 0::int8, sum({check})::text, '0' from metrics.texts
             where instance_id = any ($1) group by instance_id"
        ),
        // However often a row was repeated.
        SetKind::Info => {
            let columns: Vec<String> = definition.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
            format!(
                "select instance_id, count(*), 0::int8, sum({check})::text, '0'
                 from (select distinct instance_id, {} from metrics.\"{name}\" where instance_id = any ($1)) r
                 group by instance_id",
                columns.join(", ")
            )
        }
        SetKind::Figures | SetKind::Events => {
            let known = known_columns(definition);
            let inner: String =
                known.iter().enumerate().map(|(nth, column)| format!(", sum(\"{column}\") known_{nth}")).collect();
            let outer: String = (0..known.len()).map(|nth| format!(", sum(known_{nth})::text")).collect();
            format!(
                "select instance_id, sum(reading_rows)::int8, count(*), sum(reading_check)::text,
                     sum((extract(epoch from time) * 1000000)::int8)::text{outer}
                 from (select instance_id, time, count(*) reading_rows, sum({check}) reading_check{inner}
                       from metrics.\"{name}\" where instance_id = any ($1) group by instance_id, time) r
                 group by instance_id"
            )
        }
    }
}

/// The labels of a row, for a person.
pub(super) fn labels(definition: &Definition, frame: &Frame, row: usize) -> String {
    let labels = definition.columns.iter().enumerate().filter(|(_, column)| column.kind == Kind::Label);
    let one = |(place, column): (usize, &catalog::Column)| {
        let values = frame.column(place)?;
        let value = match column.column_type {
            Type::Bool => values.bool(row)?.to_string(),
            Type::Text => values.text(row)?.to_owned(),
            _ => values.int(row)?.to_string(),
        };
        Some(format!("{} {value}", column.name))
    };
    let labels: Vec<String> = labels.filter_map(one).collect();
    if labels.is_empty() { "its only row".to_owned() } else { labels.join(", ") }
}
