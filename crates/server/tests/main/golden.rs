//! Every GET over a store that is always the same: what it answers stands in tests/golden, so that a change of how
//! answers are made shows what it changes of them.
//! `UPDATE_GOLDEN=1` writes the answers anew; read the difference before you commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use server::accounts::Role;
use server::http::endpoints;

use crate::custom_sets::SET;
use crate::fixed_store::fill;
use crate::watched::Watched;

/// Descriptions of the API itself, which have files of their own in the repository, and what is told of the disk.
const ELSEWHERE: [&str; 5] = ["/openapi.json", "/docs", "/docs/style.css", "/retention", "/store"];

/// Stands for the collector of the fixed store.
const WATCHER: &str = "WATCHER";

/// A whole hour with a gap; edges that cut readings, and a finer step; the hour before, at other intervals.
const RANGES: [&str; 3] = [
    "start=2026-03-01T11:00:00Z&end=2026-03-01T12:00:00Z",
    "start=2026-03-01T11:13:37Z&end=2026-03-01T11:46:10Z",
    "start=2026-03-01T09:50:00Z&end=2026-03-01T10:40:00Z",
];

/// What takes a range.
const RANGED: [&str; 22] = [
    "/instances",
    "/instances/1",
    "/instances/2",
    "/instances/1/queries",
    "/instances/1/queries/1001",
    "/instances/1/queries/1001/timeline",
    "/instances/1/waits",
    "/instances/1/locks",
    "/instances/1/connections",
    "/instances/1/databases",
    "/instances/1/tables",
    "/instances/1/indexes",
    "/instances/1/functions",
    "/instances/1/changes",
    "/instances/1/replication",
    "/instances/1/logical-replication",
    "/instances/1/slots",
    "/instances/1/wal",
    "/instances/1/wraparound",
    "/instances/1/io",
    "/instances/1/host",
    "/instances/1/disks",
];

/// What else is asked.
const OTHERS: [&str; 44] = [
    "/health",
    "/version",
    "/auth/me",
    "/users",
    "/users/00000000-0000-7000-8000-000000000000",
    "/collectors",
    "/collectors/00000000-0000-7000-8000-000000000000",
    "/config/WATCHER",
    "/config/WATCHER?written=true",
    "/config/WATCHER/versions",
    "/config/WATCHER/versions/2",
    "/config-templates",
    "/config-templates/all",
    "/config-templates/all/versions",
    "/custom-sets",
    "/custom-sets/x_jobs",
    "/custom-sets/x_jobs/versions",
    "/custom-sets/x_jobs/collectors",
    "/set-definitions",
    "/jobs",
    "/metrics/count",
    "/metrics/health",
    "/catalog",
    "/catalog/pg_stat_archiver",
    "/instances/1/activity?at=2026-03-01T11:45:00Z",
    "/instances/1/activity?at=2026-03-01T11:25:00Z",
    "/instances/1/collector?start=2026-03-01T11:00:00Z&end=2026-03-01T12:00:00Z",
    "/instances/1/coverage",
    "/instances/1/life",
    "/instances/1/progress?at=2026-03-01T11:45:00Z",
    "/instances/1/settings",
    "/instances/1/schema?at=2026-03-01T12:00:00Z",
    "/instances/1/locks?at=2026-03-01T11:25:00Z",
    "/instances/2/replication",
    "/instances/1/queries?order=mean_exec_time_ms&direction=asc&limit=1&offset=1",
    "/instances/1/queries?database=shop&user=app&toplevel=true",
    "/instances/1/queries/1001/timeline?step=600",
    "/instances/1/waits?step=900&database=shop",
    "/instances/1/waits?by=query&limit=2",
    "/instances/1/waits?by=state&application=application_name+1",
    "/instances/1/databases?step=1200",
    "/instances/1/tables?database=crm&search=rel",
    "/instances/1/indexes?relid=20001",
    "/instances/7",
];

/// What is asked, by the file of the answers: one for each path.
fn requests(sets: impl Iterator<Item = String>) -> BTreeMap<String, Vec<String>> {
    let ranged = RANGED.iter().flat_map(|path| RANGES.iter().map(move |range| format!("{path}?{range}")));
    let of_sets = sets.flat_map(|set| {
        let rows = format!("/metrics?set={set}&instance_id=1");
        [format!("{rows}&limit=2"), format!("{rows}&step=1200&limit=4")]
    });
    let mut requests = BTreeMap::<String, Vec<String>>::new();
    for path in ranged.chain(OTHERS.map(str::to_owned)).chain(of_sets) {
        let name = path.split('?').next().unwrap_or_default().trim_matches('/').replace('/', "-");
        requests.entry(format!("{name}.txt")).or_default().push(path);
    }
    requests
}

/// A document with one line for each array or object that holds no other: short enough to read, long enough to compare.
fn written(value: &Value, indent: usize, out: &mut String) {
    let is_flat = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_));
    let children: Vec<(String, &Value)> = match value {
        Value::Array(values) if !values.iter().all(is_flat) => values.iter().map(|one| (String::new(), one)).collect(),
        Value::Object(values) => {
            values.iter().map(|(name, one)| (format!("{}: ", Value::from(name.as_str())), one)).collect()
        }
        _ => return out.push_str(&value.to_string()),
    };
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    let is_last_level = children.iter().all(|(_, child)| is_flat(child));
    let separator = if is_last_level { " ".to_owned() } else { format!("\n{:indent$}", "", indent = 2 * (indent + 1)) };
    out.push(open);
    for (position, (name, child)) in children.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        if position > 0 || !is_last_level {
            out.push_str(&separator);
        }
        out.push_str(name);
        written(child, indent + 1, out);
    }
    if !is_last_level {
        let _ = write!(out, "\n{:indent$}", "", indent = 2 * indent);
    }
    out.push(close);
}

/// Identifiers that are made at random, by the order in which they appear.
fn named(text: &str) -> String {
    let is_uuid = |word: &str| uuid::Uuid::parse_str(word).is_ok();
    let mut known = Vec::new();
    let words: Vec<String> = text
        .split('"')
        .map(|word| {
            if !is_uuid(word) {
                return word.to_owned();
            }
            let place = known.iter().position(|one| *one == word).unwrap_or_else(|| {
                known.push(word);
                known.len() - 1
            });
            format!("uuid {}", place + 1)
        })
        .collect();
    words.join("\"")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A configuration over a template, with a version of each before.
async fn steer(watched: &Watched, admin: &str) {
    let put = |path: String| watched.server.call("PUT", &path).bearer(admin);
    let config = format!("/config/{}", watched.collector);
    for (text, priority) in [("[collector]\ninterval = 60\n", 0), ("[collector]\ninterval = 30\n", -1)] {
        let body = json!({"text": text, "priority": priority});
        put("/config-templates/all".to_owned()).json(body).send().await.expect(200);
    }
    put(config).body("# ours\n[pg_stats]\ninterval = 5\n").send().await.expect(200);
    for sql in ["select 'a'::text as queue, 1::bigint as waiting", "select 'b'::text as queue, 1::bigint as waiting"] {
        // Of none of the collectors, so that nothing else is another one for it.
        let body = json!({"set": SET, "sql": {"12": sql}, "selector": {"stage": "none"}, "note": "to see the queue"});
        put("/custom-sets/x_jobs".to_owned()).json(body).send().await.expect(200);
    }
}

/// Fractions to 14 digits: the last ones depend on the order in which PostgreSQL adds, which is that of its pages.
fn steady(document: &str) -> String {
    let (mut text, mut number) = (String::new(), String::new());
    for letter in document.chars().chain(['\n']) {
        if letter.is_ascii_digit() || ".eE+-".contains(letter) {
            number.push(letter);
            continue;
        }
        match number.parse::<f64>() {
            Ok(value) if number.contains('.') && number.len() > 15 => text.push_str(&format!("{value:.13e}")),
            _ => text.push_str(&number),
        }
        number.clear();
        text.push(letter);
    }
    text
}

/// The first line that differs, with its number.
fn difference(golden: &str, now: &str) -> String {
    let mut lines = golden.lines().zip(now.lines()).enumerate();
    match lines.find(|(_, (before, after))| before != after) {
        Some((number, (before, after))) => format!("line {}: {before}\n  is now: {after}", number + 1),
        None => format!("{} lines are now {}", golden.lines().count(), now.lines().count()),
    }
}

#[tokio::test]
async fn every_get_answers_over_the_fixed_store_as_it_did() {
    let watched = Watched::silent().await;
    fill(&watched).await;
    let admin = watched.server.session(watched.server.user("admin", Role::Admin).await).await;
    steer(&watched, &admin).await;
    let catalog = &watched.server.app.catalog;
    let requests = requests(catalog.sets().map(|set| set.name().to_owned()));
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    if update {
        std::fs::remove_dir_all(folder()).unwrap();
        std::fs::create_dir(folder()).unwrap();
    }
    let mut differences = Vec::new();
    for (name, paths) in &requests {
        let mut document = String::new();
        for path in paths {
            let asked = path.replace(WATCHER, &watched.collector.to_string());
            let answer = watched.server.get(&asked).bearer(&admin).send().await;
            assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
            let _ = writeln!(document, "GET {path}\n{}", answer.status.as_u16());
            match answer.header("content-type") {
                "application/json" => written(&answer.json(), 0, &mut document),
                _ => document.push_str(&answer.text),
            }
            document.push_str("\n\n");
        }
        let document = named(&document);
        let file = folder().join(name);
        if update {
            std::fs::write(&file, &document).unwrap();
        }
        let golden = steady(&std::fs::read_to_string(&file).unwrap_or_default());
        let document = steady(&document);
        if golden != document {
            differences.push(format!("{name}, {}", difference(&golden, &document)));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let files = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, requests.len(), "a file of tests/golden is no path's");
}

/// What a range over hours asks besides, in steps that buckets make and in such that they do not.
const WIDER: [&str; 14] = [
    "/instances/1/queries?start=2026-03-01T09:57:11Z&end=2026-03-01T12:00:00Z",
    "/instances/1/queries/1001?start=2026-03-01T11:00:00Z&end=2026-03-01T12:00:00Z",
    "/instances/1/queries/1001/timeline?start=2026-03-01T09:57:11Z&end=2026-03-01T12:00:00Z&step=3600",
    "/instances/1/queries/1001/timeline?start=2026-03-01T10:00:00Z&end=2026-03-01T12:00:00Z&step=300",
    "/instances/1/databases?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=3600",
    "/instances/1/waits?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=900",
    "/instances/1/waits?start=2026-03-01T10:00:00Z&end=2026-03-01T12:00:00Z&step=3600&by=application",
    "/instances/1/host?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=600",
    "/instances/1/disks?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=3600",
    "/instances/1/wal?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=900",
    "/instances/1/io?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=900",
    "/instances/1/slots?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=900",
    "/instances/1/wraparound?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=3600",
    "/instances/1/collector?start=2026-03-01T10:02:11Z&end=2026-03-01T12:00:00Z&step=900",
];

#[tokio::test]
async fn answers_are_the_same_from_tiers_as_from_raw_rows() {
    let watched = Watched::silent().await;
    fill(&watched).await;
    let admin = watched.server.session(watched.server.user("admin", Role::Admin).await).await;
    let catalog = &watched.server.app.catalog;
    let paths: Vec<String> = requests(catalog.sets().map(|set| set.name().to_owned()))
        .into_values()
        .flatten()
        .chain(WIDER.iter().map(|path| (*path).to_owned()))
        .filter(|path| path.starts_with("/instances") && path != "/instances/7")
        .collect();
    let ask = async || {
        let mut answers = Vec::new();
        for path in &paths {
            answers.push(watched.server.get(path).bearer(&admin).send().await.json());
        }
        answers
    };
    let from_rows = ask().await;
    let store = watched.server.app.store().unwrap();
    let late: Timestamp = "2026-03-01T12:00:30Z".parse().unwrap();
    while store.roll_up(late).await.unwrap().is_left {}
    let client = watched.server.app.metrics.get().await.unwrap();
    let made = "select (select count(*) from metrics.pg_stat_statements_5m)
        + (select count(*) from metrics.pg_stat_statements_1h)";
    assert!(client.query_one(made, &[]).await.unwrap().get::<_, i64>(0) > 0);
    let from_tiers = ask().await;
    let mut differences = Vec::new();
    for ((path, rows), tiers) in paths.iter().zip(&from_rows).zip(&from_tiers) {
        differ(path, rows, tiers, &mut differences);
    }
    assert_eq!(differences, Vec::<String>::new());
}

/// Where two documents differ by more than the order in which numbers were added.
fn differ(place: &str, one: &Value, other: &Value, differences: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) if one.len() == other.len() => {
            for (key, value) in one {
                differ(&format!("{place} .{key}"), value, other.get(key).unwrap_or(&Value::Null), differences);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (nth, (value, against)) in one.iter().zip(other).enumerate() {
                differ(&format!("{place} [{nth}]"), value, against, differences);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (a - b).abs() > 1e-9 * a.abs().max(b.abs()) {
                differences.push(format!("{place}: {a} from rows, {b} from tiers"));
            }
        }
        (one, other) if one != other => differences.push(format!("{place}: {one} from rows, {other} from tiers")),
        _ => {}
    }
}

/// A new GET needs a request here.
#[test]
fn every_get_of_the_table_is_asked() {
    let requests = requests(["wal".to_owned()].into_iter());
    let asked: BTreeSet<Vec<String>> =
        requests.values().flatten().map(|path| segments(path.split('?').next().unwrap())).collect();
    let missing: Vec<&str> = endpoints()
        .iter()
        .filter(|endpoint| endpoint.method.as_str() == "GET" && !ELSEWHERE.contains(&endpoint.path))
        .filter(|endpoint| !asked.iter().any(|path| answers(&segments(endpoint.path), path)))
        .map(|endpoint| endpoint.path)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

fn answers(pattern: &[String], path: &[String]) -> bool {
    pattern.len() == path.len()
        && pattern.iter().zip(path).all(|(expected, actual)| expected.starts_with('{') || expected == actual)
}
