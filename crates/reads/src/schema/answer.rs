//! `GET /instances/{id}/changes` and `/instances/{id}/schema`.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::changes::{Called, change};
use super::findings::without_index;
use super::model::{Change, Changes, ChangesQuery, Objects, Schema, SchemaFinding};
use super::store::{self, CHANGES_MOST, KEYS, KINDS};
use crate::error::{Detail, ReadError};
use crate::instances::coverage::unreadable;
use crate::instances::sequences;
use crate::instances::store as instances;
use crate::queries::names::Names;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::{Key, model, names, readings, sizes};
use crate::when::Moment;

/// From this share on somebody should know of what runs out: rebuilding a large key takes weeks of planning.
const RUNS_OUT: f64 = 0.5;
/// Tables smaller than this are scanned in no time.
const SMALL_BYTES: i64 = 1 << 20;

/// What changed in a range, the newest first.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn changes(snapshot: &Snapshot, id: InstanceId, query: ChangesQuery) -> Result<Changes, ReadError> {
    let range = Range::asked(query.start, query.end, snapshot.now())?;
    let limit = model::limit(query.limit)?;
    let kinds: Vec<&'static str> = KINDS.iter().map(|kind| kind.name).collect();
    if let Some(wanted) = query.kind.as_deref().filter(|wanted| !kinds.contains(wanted)) {
        let reason = format!("expected one of {}, got {wanted:?}", kinds.join(", "));
        return Err(ReadError::invalid(vec![Detail::new("kind", reason)]));
    }
    let databases = Names::databases(snapshot, id, range.end).await?;
    let roles = Names::roles(snapshot, id, range.end).await?;
    let tables = table_names(snapshot, id, range.end).await?;
    let called = Called { tables: &tables, databases: &databases, roles: &roles };
    let search = query.search.as_deref().map(str::to_lowercase).unwrap_or_default();
    let (mut all, mut cut, mut with_changes) = (Vec::<Change>::new(), false, BTreeSet::new());
    for kind in KINDS.iter().filter(|kind| query.kind.as_deref().is_none_or(|wanted| wanted == kind.name)) {
        let begun = store::begun(snapshot, id, kind, range).await?;
        cut |= i64::try_from(begun.len()).is_ok_and(|rows| rows >= CHANGES_MOST);
        for row in begun {
            let Some(change) = change(kind, &row, &called) else { continue };
            with_changes.extend(change.database.clone());
            let is_wanted = query
                .database
                .as_deref()
                .is_none_or(|wanted| row.datid.is_some_and(|datid| databases.is(datid, wanted)));
            if is_wanted && change.name.to_lowercase().contains(&search) {
                all.push(change);
            }
        }
    }
    let names =
        |change: &Change| (change.database.clone(), change.name.clone(), change.kind.clone(), change.id.clone());
    all.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| names(one).cmp(&names(other))));
    let total = all.len();
    let data: Vec<Change> = all.into_iter().skip(query.offset.unwrap_or(0)).take(limit).collect();
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let sets: Vec<&str> = KINDS.iter().map(|kind| kind.set).collect();
    Ok(Changes {
        count: data.len(),
        data,
        total,
        cut,
        kinds,
        databases: with_changes.into_iter().collect(),
        not_readable: unreadable(&states, &sets),
    })
}

/// Names of tables with their schemas; of what is gone, the last ones.
async fn table_names(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<HashMap<Key, String>, ReadError> {
    let sql = format!(
        "select n.datid_read, n.relid, concat_ws('.', n.schema, n.relname) from ({}) n",
        crate::infos::nearest("pg_class", &["datid_read", "relid"], "relname")
    );
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// The objects at a moment, and what of them somebody should mend.
///
/// # Errors
/// When the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, moment: Moment) -> Result<Schema, ReadError> {
    let at = moment.or(snapshot.now());
    let databases = Names::databases(snapshot, id, at).await?;
    let mut objects = Vec::new();
    for kind in &KINDS {
        for (datid, objects_of_kind, changed_at) in store::objects(snapshot, id, kind, at).await? {
            let database = datid.map(|datid| databases.of(datid));
            objects.push(Objects { database, kind: kind.name.to_owned(), objects: objects_of_kind, changed_at });
        }
    }
    let tables = table_names(snapshot, id, at).await?;
    let sized = sizes::at(snapshot, id, &readings::at(snapshot, id, sizes::SET, at).await?).await?;
    let table = |key: Key| tables.get(&key).cloned().unwrap_or_else(|| key.1.to_string());
    let finding = |code: &str, datid: i64, name: String, message: String| SchemaFinding {
        code: code.to_owned(),
        database: databases.of(datid),
        name,
        relid: None,
        message,
        fix: None,
        used: None,
        estimated: false,
        size_bytes: None,
    };
    let mut findings = running_out(snapshot, id, at, &databases, &tables).await?;
    let constraints = store::constraints(snapshot, id, at).await?;
    let indexes = names::indexes(snapshot, id, at).await?;
    let mut lacking: Vec<SchemaFinding> = without_index(&constraints, &indexes)
        .into_iter()
        .filter_map(|constraint| {
            let key = (constraint.datid, constraint.relid);
            let size_bytes = sized.get(&key).and_then(|size| size.own);
            if size_bytes.is_some_and(|bytes| bytes < SMALL_BYTES) {
                return None;
            }
            let far = constraint.references_relid.map_or_else(String::new, |far| table((constraint.datid, far)));
            let columns = constraint.columns.clone().unwrap_or_default();
            let message = format!(
                "No index of {} begins with {columns}: each delete of a row of {far}, and each change of its key, reads the \
                 whole table.",
                table(key)
            );
            Some(SchemaFinding {
                relid: Some(constraint.relid),
                size_bytes,
                ..finding("foreign_key_without_index", constraint.datid, format!("{} on {}", constraint.name, table(key)), message)
            })
        })
        .collect();
    lacking.sort_by(|one, other| other.size_bytes.cmp(&one.size_bytes).then_with(|| one.name.cmp(&other.name)));
    findings.extend(lacking);
    for constraint in constraints.iter().filter(|constraint| !constraint.is_validated) {
        let name = format!("{} on {}", constraint.name, table((constraint.datid, constraint.relid)));
        let message = "It was added with NOT VALID: nobody looked whether the rows of before keep it, and the planner does \
                       not rely on it. ALTER TABLE … VALIDATE CONSTRAINT looks, beside reads and writes.";
        let told = finding("constraint_not_validated", constraint.datid, name, message.to_owned());
        findings.push(SchemaFinding { relid: Some(constraint.relid), ..told });
    }
    for (datid, name, here, there) in store::outdated(snapshot, id, at).await? {
        let message = format!("Version {here} is in the database, {there} on the server: an update was forgotten.");
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let told = finding("extension_outdated", datid, name, message);
        findings.push(SchemaFinding { fix: Some(format!("alter extension {quoted} update;")), ..told });
    }
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let sets: Vec<&str> = KINDS.iter().map(|kind| kind.set).chain([KEYS, "pg_sequences"]).collect();
    Ok(Schema { findings, objects, not_readable: unreadable(&states, &sets) })
}

/// Sequences and integer keys that run out, the nearest to its end first.
async fn running_out(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
    databases: &Names,
    tables: &HashMap<Key, String>,
) -> Result<Vec<SchemaFinding>, ReadError> {
    let mut found = Vec::new();
    let percent = |share: f64| (share * 100.0).floor();
    for ending in sequences::ending(snapshot, &[id], at, RUNS_OUT).await?.remove(&id).unwrap_or_default() {
        let message = format!(
            "{:.0} % of its values are used up, {} are left: then every insert fails that takes one. Make its column and \
             itself bigint in time.",
            percent(ending.used),
            ending.remaining
        );
        found.push(SchemaFinding {
            code: "sequence_ending".to_owned(),
            database: ending.database,
            name: ending.name,
            relid: None,
            message,
            fix: None,
            used: Some(ending.used),
            estimated: false,
            size_bytes: None,
        });
    }
    let filled = store::filled(snapshot, id, at).await?;
    let times = readings::at(snapshot, id, KEYS, at).await?;
    for (key, column, data_type, highest, used) in store::keys(snapshot, id, &times, RUNS_OUT).await? {
        // Where its sequence is read, that one tells it, and exactly.
        if filled.get(&(key, column.clone())).copied().unwrap_or(false) {
            continue;
        }
        let table = tables.get(&key).cloned().unwrap_or_else(|| key.1.to_string());
        let message = format!(
            "Its values had come to {highest} at the last analyze, {:.0} % of what {data_type} holds: at the end every \
             insert fails. Make it bigint in time.",
            percent(used)
        );
        found.push(SchemaFinding {
            code: "key_ending".to_owned(),
            database: databases.of(key.0),
            name: format!("{table}.{column}"),
            relid: Some(key.1),
            message,
            fix: None,
            used: Some(used),
            estimated: true,
            size_bytes: None,
        });
    }
    found.sort_by(|one, other| {
        other.used.unwrap_or(0.0).total_cmp(&one.used.unwrap_or(0.0)).then_with(|| one.name.cmp(&other.name))
    });
    Ok(found)
}
