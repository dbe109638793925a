//! A view per set with names beside the numbers: what dashboards and people query.
//!
//! `metrics.<set>_named` is the set's table, with the instance's name and, where the rows have such
//! keys, the newest names of database, role, table and index, and the statement's text.

use std::collections::BTreeMap;

use catalog::{Definition, Kind, Scope, SetKind};

use crate::derived::Derived;
use crate::tables;

/// What a set's view is named after the set; sets themselves cannot end so.
pub(crate) const SUFFIX: &str = "_named";

/// Names of databases and roles: the info set, its key, its name, and the columns that hold the key.
const NAMES: [(&str, &str, &str, &str, &[&str]); 2] = [
    ("pg_database", "datid", "datname", "database", &["datid_read", "dbid", "datid"]),
    ("pg_roles", "roleid", "rolname", "role", &["userid", "roleid"]),
];

/// Names of relations, which are known by database and oid: the info set, its key, the title of its name.
const RELATIONS: [(&str, &str, &str); 2] = [("pg_class", "relid", "relation"), ("pg_index", "indexrelid", "index")];

/// The views of all sets.
pub(crate) fn all(whole: &BTreeMap<String, Definition>) -> Vec<Derived> {
    whole.values().filter(|definition| definition.kind() != SetKind::Texts).map(|one| view(one, whole)).collect()
}

/// The view of a set. It is not replaced: a name that a newer definition brings would stand before columns that are
/// there.
fn view(definition: &Definition, whole: &BTreeMap<String, Definition>) -> Derived {
    let (set, name) = (&definition.name, format!("{}{SUFFIX}", definition.name));
    let sql = format!(
        "drop view if exists metrics.\"{name}\";
         create view metrics.\"{name}\" as {};
         comment on view metrics.\"{name}\" is 'The rows of {set} with names.'",
        select(definition, whole),
    );
    Derived { name, sql }
}

fn select(definition: &Definition, whole: &BTreeMap<String, Definition>) -> String {
    let set = &definition.name;
    let has = |name: &str| {
        definition.column(name).is_some_and(|(_, column)| column.kind == Kind::Label)
            || (name == "datid_read" && definition.scope == Scope::Database)
    };
    let mut list = "i.name as instance".to_owned();
    let mut joins = "left join metrics.instances i on i.id = t.instance_id".to_owned();
    let free = |name: &str| definition.column(name).is_none();
    for (names, key, name, title, columns) in NAMES {
        let known = whole.get(names).is_some_and(|info| info.column(key).is_some() && info.column(name).is_some());
        let Some(column) = columns.iter().find(|column| has(column)).filter(|_| known && names != set && free(title))
        else {
            continue;
        };
        list.push_str(&format!(", {title}.name as {title}"));
        joins.push_str(&format!(
            " left join lateral (
                 select n.\"{name}\" as name from metrics.\"{names}\" n
                 where n.instance_id = t.instance_id and n.\"{key}\" = t.\"{column}\"
                 order by n.valid_from desc limit 1) {title} on true"
        ));
    }
    for (names, key, title) in RELATIONS {
        let columns = [key, "schema", "relname"];
        let known = whole.get(names).is_some_and(|info| columns.iter().all(|column| info.column(column).is_some()));
        if !known || !has(key) || !has("datid_read") || names == set || !free(title) {
            continue;
        }
        list.push_str(&format!(", {title}.schema || '.' || {title}.relname as {title}"));
        joins.push_str(&format!(
            " left join lateral (
                 select n.schema, n.relname from metrics.\"{names}\" n
                 where n.instance_id = t.instance_id and n.datid_read = t.datid_read and n.\"{key}\" = t.\"{key}\"
                     and n.relname is not null
                 order by n.valid_from desc limit 1) {title} on true"
        ));
    }
    if has("dbid") && has("queryid") && free("query") {
        list.push_str(", x.query");
        joins.push_str(
            " left join metrics.texts x on x.instance_id = t.instance_id and x.major = i.version_num / 10000
                 and x.dbid = t.dbid and x.queryid = t.queryid",
        );
    }
    let own = tables::leading(definition).into_iter().map(|(name, _, _)| name);
    for column in own.chain(definition.columns.iter().map(|column| column.name.as_str())) {
        let is_taken = column == "instance";
        if !is_taken {
            list.push_str(&format!(", t.\"{column}\""));
        }
    }
    format!("select {list} from metrics.\"{set}\" t {joins}")
}
