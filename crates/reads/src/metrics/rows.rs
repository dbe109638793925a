//! Rows of one set, as stored or summed to steps.
//!
//! Names come from definitions, never from the request; everything else is a parameter. Values are in
//! the catalogue's units: a duration is whole microseconds, as the answer's `columns` say.

use std::fmt::Write as _;

use catalog::{Column, Kind, Scope, SetKind, Type};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use utoipa::{IntoParams, ToSchema};

use super::catalog::{MeasuredColumn, column};
use crate::error::{Detail, ReadError};
use crate::parts;
use crate::range::{MAX_RANGE, Range};
use crate::reader::Snapshot;
use store::tiers::Tiered;
use store::{Definitions, Known};

/// Rows of an answer unless asked otherwise, and at most.
const LIMIT: i64 = 100;
const LIMIT_MOST: i64 = 1000;

/// The range of an answer unless asked otherwise.
const RANGE: SignedDuration = SignedDuration::from_hours(1);

/// The most steps of a range.
const STEPS_MOST: i64 = 1440;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RowsQuery {
    /// The set.
    set: String,
    /// Of one instance; else of all.
    instance_id: Option<i32>,
    /// Some columns, with commas between; else all.
    columns: Option<String>,
    /// Of one database, by its oid or name.
    database: Option<String>,
    /// Rows after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    start: Option<Timestamp>,
    /// Rows up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    end: Option<Timestamp>,
    /// Sums rows of one key to steps of so many seconds, which end at multiples of their length since 1970. The end of a
    /// longer interval does not decide: it is divided over the 5 minutes that it touches.
    #[param(minimum = 1)]
    step: Option<i64>,
    /// Rows at most.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Rows to skip.
    #[param(default = 0, minimum = 0)]
    offset: Option<i64>,
}

/// Rows of a set, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetRows {
    set: String,
    /// Rows after this moment. With `step` it may be before what was asked for, where finer figures are not kept any more.
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    /// And up to this one.
    #[schema(value_type = String, format = DateTime)]
    end: Timestamp,
    /// The length of a step; null for rows as stored.
    step_ms: Option<i64>,
    /// What the rows' columns mean. Each row also has `time`, `instance_id` and `interval_ms`. Counters are increments
    /// over `interval_ms`, with `step` over the time within the step that was read: a rate is one over the other. Of
    /// infos, which hold until something changes, a row has `removed`, `valid_to` and `seen_at` instead of `interval_ms`.
    columns: Vec<MeasuredColumn>,
    /// The rows: `time` is the end of the interval, or of the step. Of infos these are the rows that hold at some moment
    /// of the range: from `time` on, until `valid_to` (null: still), and `seen_at` is when that was last said.
    #[schema(value_type = Vec<Object>)]
    data: Vec<Map<String, Value>>,
    /// How many rows follow here.
    count: usize,
    limit: i64,
    offset: i64,
}

pub(crate) async fn read(snapshot: &Snapshot, query: RowsQuery) -> Result<SetRows, ReadError> {
    let known = snapshot
        .definitions()
        .set(&query.set)
        .ok_or_else(|| ReadError::not_found("There is no such set; /catalog lists them."))?;
    if known.kind == SetKind::Texts {
        return Err(ReadError::invalid_field("set", "texts are answered with what they belong to"));
    }
    let mut plan = Plan::new(&known, &query, snapshot.now())?;
    let instances = snapshot.visible_of(query.instance_id).await?;
    let (limit, offset) = (plan.limit, plan.offset);
    let database = query.database.as_deref();
    let rows = match plan.step_us {
        None => {
            let sql = plan.rows(snapshot.definitions(), database)?;
            let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&plan.start, &plan.end, &instances, &limit, &offset];
            parameters.extend(database.as_ref().map(|database| database as &(dyn ToSql + Sync)));
            snapshot.query_once(&sql, &parameters).await?
        }
        Some(step_us) => {
            let Some(tiered) = snapshot.tiered(&query.set) else {
                return Err(ReadError::invalid_field("step", "this set has no steps"));
            };
            let sql = plan.steps(&tiered, snapshot.definitions(), database)?;
            let asked = Range { start: plan.start, end: plan.end };
            let summed = parts::summed(snapshot, &query.set, asked).await?;
            (plan.start, plan.end) = (summed.start, summed.end);
            let mut parameters: Vec<&(dyn ToSql + Sync)> =
                vec![&asked.start, &asked.end, &step_us, &instances, &limit, &offset];
            parameters.extend(database.as_ref().map(|database| database as &(dyn ToSql + Sync)));
            snapshot.query_once(&sql, &parameters).await?
        }
    };
    let data: Vec<Map<String, Value>> = rows.iter().map(|row| plan.row(row)).collect();
    Ok(SetRows {
        set: query.set,
        start: plan.start,
        end: plan.end,
        step_ms: plan.step_us.map(|us| us / 1000),
        columns: plan.columns.iter().map(|one| column(one)).collect(),
        count: data.len(),
        data,
        limit,
        offset,
    })
}

struct Plan<'a> {
    known: &'a Known,
    columns: Vec<&'a Column>,
    start: Timestamp,
    end: Timestamp,
    step_us: Option<i64>,
    limit: i64,
    offset: i64,
}

impl<'a> Plan<'a> {
    fn new(known: &'a Known, query: &RowsQuery, now: Timestamp) -> Result<Self, ReadError> {
        let mut wrong = Vec::new();
        let end = query.end.unwrap_or(now);
        let start = query.start.or_else(|| end.checked_sub(RANGE).ok()).unwrap_or(Timestamp::MIN);
        if start >= end {
            wrong.push(Detail::new("start", "expected a moment before end"));
        }
        if start < Timestamp::UNIX_EPOCH {
            wrong.push(Detail::new("start", "must not be before 1970"));
        }
        let limit = query.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MOST).contains(&limit) {
            wrong.push(Detail::new("limit", format!("expected 1 to {LIMIT_MOST}")));
        }
        let offset = query.offset.unwrap_or(0);
        if offset < 0 {
            wrong.push(Detail::new("offset", "expected 0 or more"));
        }
        let range_us = end.as_microsecond().saturating_sub(start.as_microsecond());
        let step_us = query.step.map(|seconds| seconds.saturating_mul(1_000_000));
        match step_us {
            Some(step) if step > MAX_RANGE.as_secs() * 1_000_000 => {
                wrong.push(Detail::new("step", "must not be longer than six years"));
            }
            Some(step) if step <= 0 || range_us / step > STEPS_MOST => {
                wrong.push(Detail::new("step", format!("expected seconds that make at most {STEPS_MOST} steps")));
            }
            Some(_) if known.kind == SetKind::Info => {
                wrong.push(Detail::new("step", "this set has a row per change: it has no steps"));
            }
            _ => {}
        }
        let all = &known.definition.columns;
        let mut columns: Vec<&Column> = Vec::new();
        match &query.columns {
            None => columns.extend(all),
            Some(names) => {
                for name in names.split(',').map(str::trim) {
                    match all.iter().find(|one| one.name == name) {
                        Some(one) if !columns.iter().any(|other| other.name == one.name) => columns.push(one),
                        Some(_) => {}
                        None => wrong.push(Detail::new("columns", format!("{name:?} is no column of this set"))),
                    }
                }
            }
        }
        if wrong.is_empty() {
            Ok(Self { known, columns, start, end, step_us, limit, offset })
        } else {
            Err(ReadError::invalid(wrong))
        }
    }

    /// The rows as stored. Parameters: start, end, instances, limit, offset, then the database.
    fn rows(&self, definitions: &Definitions, database: Option<&str>) -> Result<String, ReadError> {
        let table = &self.known.definition.name;
        let is_info = self.known.kind == SetKind::Info;
        let within =
            if is_info { "t.valid_to > $1 and t.valid_from <= $2" } else { "t.\"time\" > $1 and t.\"time\" <= $2" };
        let mut filter = format!("{within} and ($3::int4[] is null or t.instance_id = any($3))");
        if database.is_some() {
            let oid = self.database_column()?;
            let _ = write!(filter, " and {}", of_database(definitions, &format!("t.\"{oid}\""), "t", 6));
        }
        let (time, extra) = if is_info { ("t.valid_from", "t.removed") } else { ("t.\"time\"", "t.interval_us") };
        let mut list = self.columns.iter().fold(String::new(), |mut list, one| {
            let _ = write!(list, ", t.\"{}\"", one.name);
            list
        });
        if is_info {
            list.push_str(", nullif(t.valid_to, 'infinity'), t.seen_at");
        }
        Ok(format!(
            "select {time}, t.instance_id, {extra}{list} from metrics.\"{table}\" t where {filter}
             order by {time} desc, t.ctid limit $4 offset $5"
        ))
    }

    /// The rows summed to steps, which are multiples of their length, from wherever each part of the range is kept.
    /// Parameters: start, end, step in microseconds, instances, limit, offset, then the database.
    fn steps(&self, tiered: &Tiered, definitions: &Definitions, database: Option<&str>) -> Result<String, ReadError> {
        let set = &self.known.definition.name;
        let mut filter = "($4::int4[] is null or p.instance_id = any($4))".to_owned();
        let (mut read_there, mut also) = (String::new(), Vec::new());
        if database.is_some() {
            let oid = self.database_column()?;
            also.push(oid);
            let _ = write!(filter, " and {}", of_database(definitions, &format!("p.\"{oid}\""), "p", 7));
            if self.known.definition.scope == Scope::Database {
                read_there = format!(" where {}", of_database(definitions, "r.datid", "r", 7));
            }
        }
        let names: Vec<&str> = self.columns.iter().map(|one| one.name.as_str()).collect();
        let (mut list, mut keys) = (String::new(), String::new());
        for one in &self.columns {
            let _ = write!(list, ", g.\"{}\"", one.name);
            if one.kind == Kind::Label {
                let _ = write!(keys, ", g.\"{}\"", one.name);
            }
        }
        // Rows that did nothing are not stored, and several rows of a reading share its interval: only the readings
        // tell over how long a step's rows were counted. Of databases the one that was read most counts.
        Ok(format!(
            "select g.step_end, g.instance_id, (w.seconds * 1000000)::int8{list}
             from ({}) g
             left join (
                 select r.time, r.instance_id, max(r.covered_seconds) as seconds
                 from metrics.readings_over('{set}', $1, $2, $3::int8 * interval '1 microsecond') r{read_there} group by 1, 2) w
                 on w.instance_id = g.instance_id and w.time = g.step_end
             order by g.step_end desc, g.instance_id{keys} limit $5 offset $6",
            tiered.on_steps(&names, &also, &filter)
        ))
    }

    /// The column with the database that a row is about.
    fn database_column(&self) -> Result<&'static str, ReadError> {
        let definition = &self.known.definition;
        let has = |name: &str| definition.column(name).is_some_and(|(_, one)| one.column_type == Type::Oid);
        if definition.scope == Scope::Database {
            Ok("datid_read")
        } else if has("dbid") {
            Ok("dbid")
        } else if has("datid") {
            Ok("datid")
        } else {
            Err(ReadError::invalid_field("database", "this set is not about databases"))
        }
    }

    fn row(&self, row: &Row) -> Map<String, Value> {
        let mut values = Map::new();
        values.insert("time".to_owned(), moment(row.get(0)));
        values.insert("instance_id".to_owned(), Value::from(row.get::<_, i32>(1)));
        if self.known.kind == SetKind::Info {
            let behind = self.columns.len() + 3;
            values.insert("removed".to_owned(), Value::from(row.get::<_, bool>(2)));
            values.insert("valid_to".to_owned(), moment(row.get(behind)));
            values.insert("seen_at".to_owned(), moment(row.get(behind + 1)));
        } else {
            let interval_ms = row.get::<_, Option<i64>>(2).map(|us| us as f64 / 1000.0);
            values.insert("interval_ms".to_owned(), Value::from(interval_ms));
        }
        for (place, one) in self.columns.iter().enumerate() {
            values.insert(one.name.clone(), self.value(row, place + 3, one));
        }
        values
    }

    fn value(&self, row: &Row, place: usize, one: &Column) -> Value {
        // A sum past 64 bits is not answered at all rather than wrong.
        let summed = self.step_us.is_some() && matches!(one.kind, Kind::Counter | Kind::Count);
        match one.column_type {
            Type::Bool => Value::from(row.get::<_, Option<bool>>(place)),
            Type::Int4 if !summed => Value::from(row.get::<_, Option<i32>>(place)),
            Type::Float8 => Value::from(row.get::<_, Option<f64>>(place).filter(|value| value.is_finite())),
            Type::Text => Value::from(row.get::<_, Option<String>>(place)),
            Type::Timestamptz => moment(row.get(place)),
            Type::Lsn => Value::from(row.get::<_, Option<i64>>(place).map(position)),
            // Identifiers can pass 2^53, where numbers of JSON lose digits.
            Type::Int8 if one.kind == Kind::Label => {
                Value::from(row.get::<_, Option<i64>>(place).map(|value| value.to_string()))
            }
            Type::Int4 | Type::Int8 | Type::Oid | Type::Duration => {
                Value::from(row.get::<_, Option<i64>>(place).filter(|value| !summed || *value < i64::MAX))
            }
        }
    }
}

/// Whether the database in a column is the one that was asked for, by its oid or name; `of` has the instance.
fn of_database(definitions: &Definitions, column: &str, of: &str, place: usize) -> String {
    let named = definitions.set("pg_database").map_or_else(String::new, |_| {
        format!(
            " or {column} in (select d.datid from metrics.pg_database d
                 where d.instance_id = {of}.instance_id and d.datname = ${place}::text)"
        )
    });
    format!("({column}::text = ${place}::text{named})")
}

/// A WAL position as PostgreSQL writes it.
fn position(bytes: i64) -> String {
    let bytes = bytes.cast_unsigned();
    format!("{:X}/{:X}", bytes >> 32, bytes & 0xffff_ffff)
}

/// A moment in RFC 3339; the ends of time as PostgreSQL writes them.
fn moment(value: Option<Moment>) -> Value {
    match value {
        None => Value::Null,
        Some(Moment(i64::MAX)) => Value::from("infinity"),
        Some(Moment(i64::MIN)) => Value::from("-infinity"),
        Some(Moment(micros)) => Value::from(
            micros
                .checked_add(EPOCH_2000_US)
                .and_then(|since_1970| Timestamp::from_microsecond(since_1970).ok())
                .map(|moment| moment.to_string()),
        ),
    }
}

/// 2000-01-01 in microseconds since 1970.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// Microseconds since 2000 as PostgreSQL sends them: what `Timestamp` cannot hold arrives all the same.
struct Moment(i64);

impl<'a> tokio_postgres::types::FromSql<'a> for Moment {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?)))
    }

    tokio_postgres::types::accepts!(TIMESTAMPTZ);
}
