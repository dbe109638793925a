//! PgBouncer's figures, from its console: what is asked for each set of scope `pooler`, and how the answer becomes rows.
//! Pure; `watch/pooler.rs` asks.
//!
//! The console answers in texts, with columns that differ by version: each is found by its name, and one that is not
//! there is not known.

use std::collections::{BTreeMap, HashMap};

use catalog::{Definition, Type};
use wire::Frame;

use crate::named::{self, Row, Value};

/// The database that is the console, with the connections to it: those of whoever watches.
pub const CONSOLE: &str = "pgbouncer";

/// One answer of the console: rows of texts by column.
pub type Answer = Vec<HashMap<String, String>>;

/// How a set is read.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    set: &'static str,
    /// What is asked, one after the other.
    pub asks: &'static [&'static str],
    rows: fn(&Definition, &[Answer]) -> Vec<Row>,
}

const READERS: [Reader; 5] = [
    Reader { set: "pgbouncer", asks: &["show version", "show lists", "show config"], rows: itself },
    Reader { set: "pgbouncer_pools", asks: &["show pools"], rows: pools },
    Reader { set: "pgbouncer_stats", asks: &["show stats"], rows: stats },
    Reader { set: "pgbouncer_databases", asks: &["show databases"], rows: databases },
    Reader { set: "pgbouncer_clients", asks: &["show clients"], rows: clients },
];

/// The reader of a set, if there is one.
#[must_use]
pub fn reader(set: &str) -> Option<Reader> {
    READERS.into_iter().find(|reader| reader.set == set)
}

impl Reader {
    /// The set's rows.
    #[must_use]
    pub fn frame(&self, definition: &Definition, answers: &[Answer]) -> Frame {
        named::frame(definition, &(self.rows)(definition, answers))
    }
}

/// Names of columns that are a set's own: for each those of the console, the first that is there.
const RENAMED: [(&str, &[&str]); 3] =
    [("username", &["user"]), ("dbname", &["database"]), ("reserve_pool", &["reserve_pool_size", "reserve_pool"])];

/// A row of the console as one of the set: each column by its name, read as its type.
fn row(definition: &Definition, told: &HashMap<String, String>) -> Row {
    let value = |name: &'static str, column_type: Type| {
        let names =
            RENAMED.iter().find(|(own, _)| *own == name).map_or(std::slice::from_ref(&name), |(_, names)| *names);
        let text = names.iter().find_map(|name| told.get(*name));
        text.map_or(Value::Unknown, |text| read(text, column_type))
    };
    NAMES
        .iter()
        .filter_map(|name| definition.column(name).map(|(_, meta)| (*name, value(name, meta.column_type))))
        .collect()
}

/// Columns that are read as the console has them, of all sets.
const NAMES: [&str; 30] = [
    "database",
    "username",
    "cl_active",
    "cl_waiting",
    "sv_active",
    "sv_idle",
    "sv_used",
    "sv_tested",
    "sv_login",
    "pool_mode",
    "total_xact_count",
    "total_query_count",
    "total_received",
    "total_sent",
    "total_xact_time",
    "total_query_time",
    "total_wait_time",
    "total_server_assignment_count",
    "total_client_parse_count",
    "total_server_parse_count",
    "total_bind_count",
    "dbname",
    "host",
    "port",
    "pool_size",
    "reserve_pool",
    "max_connections",
    "current_connections",
    "paused",
    "disabled",
];

/// A text of the console as a value; an empty one says nothing.
fn read(text: &str, column_type: Type) -> Value {
    match column_type {
        Type::Text => {
            Some(text).filter(|text| !text.is_empty()).map_or(Value::Unknown, |text| Value::Text(text.to_owned()))
        }
        Type::Bool => match text {
            "0" | "f" => Value::Bool(false),
            "1" | "t" => Value::Bool(true),
            _ => Value::Unknown,
        },
        _ => text.parse::<i64>().ok().into(),
    }
}

fn number(told: &HashMap<String, String>, names: &[&str]) -> Option<i64> {
    let known = names.iter().filter_map(|name| told.get(*name)?.parse::<i64>().ok());
    known.reduce(i64::saturating_add)
}

/// Seconds and the microseconds beyond them.
fn waited(told: &HashMap<String, String>, [seconds, micros]: [&str; 2]) -> Option<i64> {
    let seconds = number(told, &[seconds])?.saturating_mul(1_000_000);
    Some(seconds.saturating_add(number(told, &[micros]).unwrap_or(0)))
}

/// The rows of an answer that are not of the console itself.
fn of_others<'a>(answers: &'a [Answer], database: &'a str) -> impl Iterator<Item = &'a HashMap<String, String>> {
    answers.iter().flatten().filter(move |told| told.get(database).is_none_or(|name| name != CONSOLE))
}

fn stats(definition: &Definition, answers: &[Answer]) -> Vec<Row> {
    of_others(answers, "database").map(|told| row(definition, told)).collect()
}

fn pools(definition: &Definition, answers: &[Answer]) -> Vec<Row> {
    let pool = |told| {
        let mut row = row(definition, told);
        // One column up to 1.17, several from then on.
        let cancels = ["cl_cancel_req", "cl_active_cancel_req", "cl_waiting_cancel_req"];
        row.push(("cl_cancel_req", number(told, &cancels).into()));
        row.push(("maxwait", waited(told, ["maxwait", "maxwait_us"]).into()));
        row
    };
    of_others(answers, "database").map(pool).collect()
}

fn databases(definition: &Definition, answers: &[Answer]) -> Vec<Row> {
    let database = |told: &HashMap<String, String>| {
        let mut row = row(definition, told);
        row.retain(|(name, _)| *name != "database");
        row.push(("database", told.get("name").cloned().map_or(Value::Unknown, Value::Text)));
        row
    };
    of_others(answers, "name").map(database).collect()
}

fn clients(_: &Definition, answers: &[Answer]) -> Vec<Row> {
    let mut counted: BTreeMap<[&str; 3], (i64, Option<i64>)> = BTreeMap::new();
    for told in of_others(answers, "database") {
        let key = ["database", "user", "state"].map(|name| told.get(name).map_or("", String::as_str));
        let (clients, longest) = counted.entry(key).or_default();
        *clients += 1;
        *longest = (*longest).max(waited(told, ["wait", "wait_us"]));
    }
    let row = |([database, user, state], (clients, longest)): ([&str; 3], (i64, Option<i64>))| {
        vec![
            ("database", Value::Text(database.to_owned())),
            ("username", Value::Text(user.to_owned())),
            ("state", Value::Text(state.to_owned())),
            ("clients", Some(clients).into()),
            ("longest_wait", longest.into()),
        ]
    };
    counted.into_iter().map(row).collect()
}

fn itself(_: &Definition, answers: &[Answer]) -> Vec<Row> {
    let [version, lists, config] = answers else { return Vec::new() };
    let by_name = |answer: &Answer, name: &str, key: &str, value: &str| {
        let told = answer.iter().find(|told| told.get(key).is_some_and(|found| found == name))?;
        told.get(value).cloned()
    };
    let list =
        |name: &str| Value::from(by_name(lists, name, "list", "items").and_then(|text| text.parse::<i64>().ok()));
    let setting = |name: &str| by_name(config, name, "key", "value");
    let limit = |name: &str| Value::from(setting(name).and_then(|text| text.parse::<i64>().ok()));
    // "PgBouncer 1.18.0"; up to 1.11 a notice, and no row.
    let version = version.first().and_then(|told| told.values().next());
    let version = version.map(|text| text.trim_start_matches("PgBouncer ").trim().to_owned());
    vec![vec![
        ("version", version.map_or(Value::Unknown, Value::Text)),
        ("pool_mode", setting("pool_mode").map_or(Value::Unknown, Value::Text)),
        ("max_client_conn", limit("max_client_conn")),
        ("default_pool_size", limit("default_pool_size")),
        ("used_clients", list("used_clients")),
        ("login_clients", list("login_clients")),
        ("used_servers", list("used_servers")),
        ("pools", list("pools")),
    ]]
}

#[cfg(test)]
mod tests {
    use catalog::{Catalog, Scope};

    use super::*;

    fn answer(rows: &[&[(&str, &str)]]) -> Answer {
        let row =
            |row: &&[(&str, &str)]| row.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        rows.iter().map(row).collect()
    }

    #[test]
    fn every_set_has_a_reader_and_every_column_a_source() {
        let catalog = Catalog::embedded().unwrap();
        let sets: Vec<_> = catalog.sets().filter(|set| set.definition.scope == Scope::Pooler).collect();
        assert_eq!(sets.len(), READERS.len());
        for set in sets {
            let reader = reader(set.name()).unwrap_or_else(|| panic!("{} has no reader", set.name()));
            // Whatever the console calls a column, a row has one value for each of the set.
            let told = answer(&[&[("database", "a"), ("name", "a"), ("list", "pools"), ("key", "pool_mode")]]);
            let rows = (reader.rows)(&set.definition, &vec![told; reader.asks.len()]);
            assert_eq!(rows.len(), 1, "{}", set.name());
            for column in &set.definition.columns {
                let values = rows[0].iter().filter(|(name, _)| *name == column.name).count();
                assert_eq!(values, 1, "{}.{}", set.name(), column.name);
            }
        }
    }

    #[test]
    fn older_and_newer_consoles_say_the_same() {
        let catalog = Catalog::embedded().unwrap();
        let definition = &catalog.get("pgbouncer_pools").unwrap().definition;
        let old = answer(&[&[("database", "shop"), ("user", "app"), ("cl_cancel_req", "2"), ("maxwait", "3")]]);
        let new = answer(&[&[
            ("database", "shop"),
            ("user", "app"),
            ("cl_active_cancel_req", "1"),
            ("cl_waiting_cancel_req", "1"),
            ("maxwait", "2"),
            ("maxwait_us", "1000000"),
        ]]);
        let of = |told: Answer| pools(definition, &[told]);
        assert_eq!(of(old), of(new));
    }

    #[test]
    fn the_console_counts_for_nothing_and_clients_are_counted() {
        let catalog = Catalog::embedded().unwrap();
        let definition = &catalog.get("pgbouncer_clients").unwrap().definition;
        let client =
            |database, state, wait| [("database", database), ("user", "app"), ("state", state), ("wait", wait)];
        let told = answer(&[
            &client("pgbouncer", "active", "0"),
            &client("shop", "waiting", "4"),
            &client("shop", "waiting", "9"),
            &client("shop", "active", "0"),
        ]);
        let rows = clients(definition, &[told]);
        assert_eq!(rows.len(), 2);
        assert_eq!(named::value(&rows[1], "clients"), Some(&Value::Int(2)));
        assert_eq!(named::value(&rows[1], "longest_wait"), Some(&Value::Int(9_000_000)));
    }
}
