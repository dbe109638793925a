//! Rows of infos that begin in a range beside what held before them, and the objects of a moment.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::Error;

use crate::infos;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::Key;
use crate::relations::model::SYSTEM_SCHEMAS;
use crate::relations::readings::{Times, lists};

/// A set of infos: what its rows are, and how they are told apart and called.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) set: &'static str,
    pub(super) name: &'static str,
    /// Whether it is read in each database.
    pub(super) is_of_database: bool,
    /// Its labels.
    pub(super) key: &'static [&'static str],
    /// The columns that name it, with its schema first where it has one.
    pub(super) named_by: &'static [&'static str],
    /// What is not shown: it follows from the rest, or says nothing by itself.
    pub(super) hidden: &'static [&'static str],
}

const fn of_database(
    set: &'static str,
    name: &'static str,
    key: &'static [&'static str],
    named_by: &'static [&'static str],
) -> Kind {
    Kind { set, name, is_of_database: true, key, named_by, hidden: &["signature", "column_count", "toast_relid"] }
}

const fn of_instance(
    set: &'static str,
    name: &'static str,
    key: &'static [&'static str],
    named_by: &'static [&'static str],
) -> Kind {
    let hidden = &["collects", "category", "short_desc", "context", "vartype", "boot_val", "datcollversion"];
    Kind { set, name, is_of_database: false, key, named_by, hidden }
}

/// All of which changes are told.
pub(super) const KINDS: [Kind; 12] = [
    of_database("pg_class", "table", &["relid"], &["schema", "relname"]),
    of_database("pg_attribute", "columns", &["relid"], &[]),
    of_database("pg_index", "index", &["indexrelid"], &["schema", "relname"]),
    of_database("pg_constraint", "constraint", &["conid"], &["conname"]),
    of_database("pg_sequence", "sequence", &["seqrelid"], &["schema", "relname"]),
    of_database("pg_extension", "extension", &["extname"], &["extname"]),
    of_database("pg_publication", "publication", &["pubid"], &["pubname"]),
    of_instance("pg_subscription", "subscription", &["datid", "subname"], &["subname"]),
    of_instance("pg_database", "database", &["datid"], &["datname"]),
    of_instance("pg_roles", "role", &["roleid"], &["rolname"]),
    of_instance("pg_auth_members", "membership", &["roleid", "member"], &[]),
    of_instance("pg_settings", "setting", &["name"], &["name"]),
];

/// Changes of one kind that are looked at in one read at most, the newest.
pub(super) const CHANGES_MOST: i64 = 5_000;

/// A row that begins in the range, and the one before it.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) at: Timestamp,
    pub(super) datid: Option<i64>,
    pub(super) now: Map<String, Value>,
    pub(super) before: Option<Map<String, Value>>,
    pub(super) seen_before: Option<Timestamp>,
}

/// What of a kind begins in a range. What the first reading of it said was there before.
pub(super) async fn begun(snapshot: &Snapshot, id: InstanceId, kind: &Kind, range: Range) -> Result<Vec<Begun>, Error> {
    let datid = if kind.is_of_database { "r.datid_read" } else { "null::int8" };
    let database = kind.is_of_database.then_some("datid_read");
    let same: String = database
        .into_iter()
        .chain(kind.key.iter().copied())
        .map(|column| format!(" and p.\"{column}\" = r.\"{column}\""))
        .collect();
    let sql = format!(
        "with since as materialized (select metrics.cluster_since($1, $3) as moment),
         begun as materialized (
             select r.* from metrics.\"{set}\" r
             where r.instance_id = $1 and r.valid_from > $2 and r.valid_from <= $3
                 and r.valid_from >= (select moment from since)
             order by r.valid_from desc limit $4),
         first as materialized (
             select b.datid, (
                 select x.time from metrics.readings x
                 where x.instance_id = $1 and x.set_name = $5 and x.datid is not distinct from b.datid and x.error is null
                     and x.time >= (select moment from since)
                 order by x.time limit 1) as time
             from (select distinct {datid} as datid from begun r) b)
         select r.valid_from, {datid}, to_jsonb(r), to_jsonb(p), p.seen_at
         from begun r
         left join first f on f.datid is not distinct from {datid}
         left join lateral (
             select * from metrics.\"{set}\" p
             where p.instance_id = r.instance_id{same} and p.valid_from < r.valid_from
                 and p.valid_from >= (select moment from since)
             order by p.valid_from desc limit 1) p on true
         where p.valid_from is not null or r.valid_from > f.time",
        set = kind.set
    );
    let rows = snapshot.query(&sql, &[&id, &range.start, &range.end, &CHANGES_MOST, &kind.set]).await?;
    let object = |value: Value| if let Value::Object(object) = value { object } else { Map::new() };
    let begun = rows.iter().map(|row| Begun {
        at: row.get(0),
        datid: row.get(1),
        now: object(row.get(2)),
        before: row.get::<_, Option<Value>>(3).map(object),
        seen_before: row.get(4),
    });
    Ok(begun.collect())
}

/// How many there are of a kind at a moment by database, and when the newest of them began.
pub(super) async fn objects(
    snapshot: &Snapshot,
    id: InstanceId,
    kind: &Kind,
    at: Timestamp,
) -> Result<Vec<(Option<i64>, i64, Option<Timestamp>)>, Error> {
    let datid = if kind.is_of_database { "n.datid_read" } else { "null::int8" };
    // PostgreSQL's own are no news to anybody.
    let own =
        if kind.named_by.contains(&"schema") { " and n.schema <> all($3)" } else { " and $3::text[] is not null" };
    let sql = format!(
        "select {datid}, count(*), max(n.valid_from) from ({}) n where not n.removed{own} group by 1 order by 1",
        infos::valid(kind.set)
    );
    let rows = snapshot.query(&sql, &[&id, &at, &SYSTEM_SCHEMAS.as_slice()]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// A constraint at a moment.
#[derive(Debug)]
pub(super) struct Constraint {
    pub(super) datid: i64,
    pub(super) relid: i64,
    pub(super) name: String,
    pub(super) is_foreign_key: bool,
    pub(super) references_relid: Option<i64>,
    pub(super) columns: Option<String>,
    pub(super) is_validated: bool,
}

/// Foreign keys, and constraints that are not validated; what is inherited is told with what it comes from.
pub(super) async fn constraints(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Vec<Constraint>, Error> {
    let sql = format!(
        "select n.datid_read, n.relid, n.conname, n.contype = 'f', n.references_relid, n.columns,
             coalesce(n.is_validated, true)
         from ({}) n
         where not n.removed and n.relid is not null and n.conname is not null and n.is_local is not false
             and (n.contype = 'f' or n.is_validated is false)",
        infos::valid("pg_constraint")
    );
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    let constraint = |row: &tokio_postgres::Row| Constraint {
        datid: row.get(0),
        relid: row.get(1),
        name: row.get(2),
        is_foreign_key: row.get::<_, Option<bool>>(3).unwrap_or(false),
        references_relid: row.get(4),
        columns: row.get(5),
        is_validated: row.get(6),
    };
    Ok(rows.iter().map(constraint).collect())
}

/// An extension that is older than what the server would install: its database, name, version there and version here.
pub(super) async fn outdated(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<Vec<(i64, String, String, String)>, Error> {
    let sql = format!(
        "select n.datid_read, n.extname, n.extversion, n.default_version from ({}) n
         where not n.removed and n.extversion <> n.default_version order by 1, 2",
        infos::valid("pg_extension")
    );
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect())
}

/// The set of keys that run out, as analyze saw them.
pub(super) const KEYS: &str = "integer_keys";

/// An integer key: its table, column and type, and how much of it is used up.
pub(super) type IntegerKey = (Key, String, String, i64, f64);

/// Integer keys at the readings of databases, from a share on.
pub(super) async fn keys(
    snapshot: &Snapshot,
    id: InstanceId,
    times: &Times,
    least: f64,
) -> Result<Vec<IntegerKey>, Error> {
    let (datids, moments) = lists(times);
    let sql = "select k.datid_read, k.relid, k.attname, coalesce(k.data_type, 'integer'), k.highest_value, k.used
        from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
        join metrics.integer_keys k on k.instance_id = $1 and k.time = r.time and k.datid_read = r.datid
        where k.used >= $4 and k.highest_value is not null order by k.used desc, 1, 2, 3";
    let rows = snapshot.query(sql, &[&id, &datids, &moments, &least]).await?;
    let key = |row: &tokio_postgres::Row| ((row.get(0), row.get(1)), row.get(2), row.get(3), row.get(4), row.get(5));
    Ok(rows.iter().map(key).collect())
}

/// Columns that sequences fill, with their tables: those are told by the sequences.
pub(super) async fn filled(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<HashMap<(Key, String), bool>, Error> {
    let sql = format!(
        "select n.datid_read, n.owner_relid, n.owner_column, bool_or(s.used is not null) from ({}) n
         left join lateral (
             select s.used from metrics.pg_sequences s
             where s.instance_id = $1 and s.datid_read = n.datid_read and s.seqrelid = n.seqrelid
                 and s.time <= $2 and s.time > $2 - interval '2 hours' and s.used is not null limit 1) s on true
         where not n.removed and n.owner_relid is not null and n.owner_column is not null group by 1, 2, 3",
        infos::valid("pg_sequence")
    );
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    Ok(rows.iter().map(|row| (((row.get(0), row.get(1)), row.get(2)), row.get(3))).collect())
}
