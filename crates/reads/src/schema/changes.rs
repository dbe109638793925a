//! From what began in a range to changes: what was made, dropped, and which properties became another. Pure.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::model::{Change, ChangedValue};
use super::store::{Begun, Kind};
use crate::queries::names::Names;
use crate::relations::Key;

/// What every row of infos has beside the columns of its set.
const OF_EVERY: [&str; 6] = ["instance_id", "datid_read", "valid_from", "valid_to", "seen_at", "removed"];

/// What names are made from.
pub(super) struct Called<'a> {
    /// Tables by database and oid.
    pub(super) tables: &'a HashMap<Key, String>,
    pub(super) databases: &'a Names,
    pub(super) roles: &'a Names,
}

/// The change that a row is; none where nothing of it is shown.
pub(super) fn change(kind: &Kind, row: &Begun, called: &Called<'_>) -> Option<Change> {
    let is_gone = |row: &Map<String, Value>| row.get("removed").and_then(Value::as_bool).unwrap_or(false);
    let before = row.before.as_ref().filter(|before| !is_gone(before));
    let now = Some(&row.now).filter(|now| !is_gone(now));
    let (action, told) = match (before, now) {
        (None, None) => return None,
        (None, Some(now)) => ("created", now),
        (Some(before), None) => ("dropped", before),
        (Some(_), Some(now)) => ("changed", now),
    };
    let changes = values(kind, before, now, called);
    if action == "changed" && changes.is_empty() {
        return None;
    }
    let relid = told.get("relid").and_then(Value::as_i64);
    Some(Change {
        at: row.at,
        after: row.seen_before.filter(|_| before.is_some()),
        kind: kind.name.to_owned(),
        action: action.to_owned(),
        database: row.datid.map(|datid| called.databases.of(datid)),
        id: id(kind, told),
        name: name(kind, row, told, relid, called),
        relid,
        changes,
    })
}

fn id(kind: &Kind, told: &Map<String, Value>) -> String {
    kind.key.iter().filter_map(|column| text(told.get(*column)?)).collect::<Vec<_>>().join(" ")
}

fn name(kind: &Kind, row: &Begun, told: &Map<String, Value>, relid: Option<i64>, called: &Called<'_>) -> String {
    let table = || {
        let relid = relid?;
        Some(called.tables.get(&(row.datid?, relid)).cloned().unwrap_or_else(|| relid.to_string()))
    };
    let parts: Vec<String> = kind.named_by.iter().filter_map(|column| text(told.get(*column)?)).collect();
    match (kind.name, parts.is_empty()) {
        ("columns", _) => table().unwrap_or_default(),
        ("constraint", false) => format!("{} on {}", parts.join("."), table().unwrap_or_default()),
        ("membership", _) => {
            let role = |column: &str| {
                told.get(column).and_then(Value::as_i64).map_or_else(String::new, |oid| called.roles.of(oid))
            };
            format!("{} in {}", role("member"), role("roleid"))
        }
        (_, false) => parts.join("."),
        (_, true) => id(kind, told),
    }
}

/// The properties that differ; of what was made or dropped all that it has.
fn values(
    kind: &Kind,
    before: Option<&Map<String, Value>>,
    now: Option<&Map<String, Value>>,
    called: &Called<'_>,
) -> Vec<ChangedValue> {
    let Some(all) = now.or(before) else { return Vec::new() };
    let is_shown =
        |column: &str| !OF_EVERY.contains(&column) && !kind.hidden.contains(&column) && !kind.key.contains(&column);
    let of = |row: Option<&Map<String, Value>>, column: &str| {
        let value = row?.get(column)?;
        match (column, value.as_i64()) {
            ("ownerid", Some(oid)) => Some(called.roles.of(oid)),
            _ => text(value),
        }
    };
    let differ = |column: &String| {
        let (was, is) = (of(before, column), of(now, column));
        let is_name = before.is_none() || now.is_none();
        let says = !(is_name && kind.named_by.contains(&column.as_str()));
        (was != is && says).then(|| ChangedValue { property: column.clone(), before: was, after: is })
    };
    all.keys().filter(|column| is_shown(column)).filter_map(differ).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::store::KINDS;
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn told(kind: &str, before: Option<Value>, now: Value) -> Option<Change> {
        let tables = HashMap::from([((5, 20), "public.orders".to_owned())]);
        let (databases, roles) = (Names::known([(5, "shop")]), Names::known([(10, "owner"), (11, "app")]));
        let kind = KINDS.iter().find(|one| one.name == kind).unwrap();
        let row = Begun {
            at: Timestamp::UNIX_EPOCH,
            datid: kind.is_of_database.then_some(5),
            now: object(now),
            before: before.map(object),
            seen_before: None,
        };
        change(kind, &row, &Called { tables: &tables, databases: &databases, roles: &roles })
    }

    fn value(property: &str, before: Option<&str>, after: Option<&str>) -> ChangedValue {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        ChangedValue { property: property.to_owned(), before: owned(before), after: owned(after) }
    }

    #[test]
    fn what_differs_is_told_and_what_follows_from_it_is_not() {
        let before = json!({"relid": 20, "columns": "id integer", "signature": 1, "column_count": 1, "removed": false});
        let now = json!({"relid": 20, "columns": "id bigint", "signature": 2, "column_count": 1, "removed": false});
        let change = told("columns", Some(before.clone()), now).unwrap();
        assert_eq!((change.action.as_str(), change.name.as_str()), ("changed", "public.orders"));
        assert_eq!(change.changes, [value("columns", Some("id integer"), Some("id bigint"))]);
        assert_eq!(told("columns", Some(before.clone()), before), None);
    }

    #[test]
    fn what_comes_back_was_made_and_what_is_gone_has_its_last_name() {
        let there = |removed: bool| json!({"roleid": 10, "rolname": "owner", "rolsuper": true, "removed": removed});
        let made = told("role", Some(there(true)), there(false)).unwrap();
        assert_eq!((made.action.as_str(), made.name.as_str(), made.after), ("created", "owner", None));
        assert_eq!(made.changes, [value("rolsuper", None, Some("true"))]);
        let gone = json!({"roleid": 10, "rolname": null, "rolsuper": null, "removed": true});
        let dropped = told("role", Some(there(false)), gone.clone()).unwrap();
        assert_eq!((dropped.action.as_str(), dropped.name.as_str()), ("dropped", "owner"));
        assert_eq!(told("role", Some(gone.clone()), gone), None);
    }

    #[test]
    fn names_are_those_that_people_use() {
        let member = json!({"roleid": 10, "member": 11, "admin_option": false});
        assert_eq!(told("membership", None, member).unwrap().name, "app in owner");
        let constraint = json!({"conid": 7, "conname": "orders_pkey", "relid": 20, "contype": "p"});
        assert_eq!(told("constraint", None, constraint).unwrap().name, "orders_pkey on public.orders");
        let renamed = |name: &str| json!({"relid": 20, "schema": "public", "relname": name});
        let change = told("table", Some(renamed("order")), renamed("orders")).unwrap();
        assert_eq!(change.changes, [value("relname", Some("order"), Some("orders"))]);
    }
}
