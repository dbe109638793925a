//! Every panel of every dashboard, as Grafana would ask it: macros and variables expanded, run by the read-only role on
//! a store that a real collector fills.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::{PgOptions, replication_pair};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::install::run_script;
use crate::world::World;

/// The sets that dashboards read.
const SETS: [&str; 6] =
    ["pg_stat_statements", "pg_stat_replication", "pg_replication_slots", "wal_directory", "wraparound", "pg_settings"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grafana")
}

fn dashboards() -> BTreeMap<String, Value> {
    let folder = root().join("provisioning/dashboards");
    let json = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
    };
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).map(json).collect()
}

/// Grafana's macros of its PostgreSQL data source, and the variable `$instance`, over the last hour.
fn expanded(sql: &str, instance: &str) -> String {
    let mut left = sql.replace("$instance", instance).replace("$__interval", "10s");
    while let Some(at) = left.find("$__") {
        let open = at + left[at..].find('(').unwrap_or_else(|| panic!("a macro without brackets: {}", &left[at..]));
        let close = open + left[open..].find(')').unwrap();
        let arguments: Vec<&str> = left[open + 1..close].split(',').map(str::trim).collect();
        let text = match &left[at..open] {
            "$__timeFilter" => format!("{} between now() - interval '1 hour' and now()", arguments[0]),
            "$__timeFrom" => "(now() - interval '1 hour')".to_owned(),
            "$__timeTo" => "now()".to_owned(),
            other => panic!("this test does not know the macro {other}"),
        };
        left.replace_range(at..=close, &text);
    }
    left
}

/// A query's columns and rows.
async fn ask(client: &Client, sql: &str) -> (Vec<(String, Type)>, Vec<Value>) {
    let statement = client.prepare(sql).await.unwrap_or_else(|error| panic!("{error:?} in\n{sql}"));
    let columns = statement.columns().iter().map(|column| (column.name().to_owned(), column.type_().clone()));
    let rows = client.query(&format!("select to_jsonb(t)::text from ({sql}) t"), &[]).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error:?} in\n{sql}"));
    (columns.collect(), rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect())
}

fn is_number(column: &(String, Type)) -> bool {
    [Type::FLOAT8, Type::NUMERIC, Type::INT8, Type::INT4].contains(&column.1)
}

fn unit(panel: &Value) -> &str {
    panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default()
}

/// Whether a panel can draw these columns; else why not.
fn drawable(panel: &Value, columns: &[(String, Type)], rows: &[Value]) -> Result<(), String> {
    let numbers: Vec<_> = columns.iter().filter(|column| is_number(column)).collect();
    let known = |column: &(String, Type)| rows.iter().any(|row| !row[&column.0].is_null());
    match panel["type"].as_str().unwrap() {
        "stat" if columns.len() == 1 && numbers.len() == 1 && rows.len() == 1 && known(numbers[0]) => Ok(()),
        "timeseries" => {
            if columns[0].0 != "time" || !is_number(&columns[0]) {
                return Err("the first column is no time".to_owned());
            }
            let by_metric = columns.len() == 3 && columns[1].0 == "metric" && columns[1].1 == Type::TEXT;
            let by_column = columns[1..].iter().all(is_number) && columns.len() > 1;
            let values = columns[1..].iter().filter(|column| is_number(column));
            if !(by_metric || by_column) {
                return Err("neither columns of numbers nor metric and value".to_owned());
            }
            if values.clone().all(known) { Ok(()) } else { Err("a series is empty".to_owned()) }
        }
        "barchart" | "piechart" if columns[0].1 == Type::TEXT && numbers.len() == 1 && known(numbers[0]) => Ok(()),
        "table" => {
            let overrides = panel["fieldConfig"]["overrides"].as_array().unwrap();
            let names = overrides.iter().map(|one| one["matcher"]["options"].as_str().unwrap());
            match names.into_iter().find(|name| columns.iter().all(|column| column.0 != *name)) {
                Some(missing) => Err(format!("it formats a column {missing}")),
                None => Ok(()),
            }
        }
        other => Err(format!("a {other} cannot draw this")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_has_what_it_draws() {
    let pair = replication_pair(PgOptions::default().setting("track_io_timing", "on")).await.unwrap();
    let (world, _) = World::around(pair.primary, false).await;
    // Declared after the world, so that it goes before the primary that it follows.
    let standby = pair.standby;
    let app = world.connect("app_a", "one").await;
    let owner = world.store_connection().await;
    run_script("grafana/read-only-role.sql", world.store_dsn(), &[]);
    run_script("grafana/read-only-role.sql", world.store_dsn(), &[]);
    for round in 0..3 {
        app.simple_query("create temp table if not exists t (n int); insert into t select generate_series(1, 2000)")
            .await
            .unwrap();
        app.simple_query("select count(*) from t; select sum(n) from t").await.unwrap();
        let sql = "select count(*) from metrics.readings where set_name = $1 and error is null";
        for set in SETS {
            let enough = async |_: &World| {
                let readings: i64 = owner.query_one(sql, &[&set]).await.unwrap().get(0);
                (readings > round + 1).then_some(())
            };
            world.until(&format!("{set} was read {} times", round + 2), enough).await;
        }
        world.settle().await;
    }
    let reader = world.store_dsn().replace("user=postgres", "user=pganalytics_grafana");
    assert_ne!(reader, world.store_dsn());
    let reader = testkit::connect(&reader).await.unwrap();
    let refused = reader.query("select * from pganalytics.users", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE));

    let source = std::fs::read_to_string(root().join("provisioning/datasources/pganalytics.yaml")).unwrap();
    let mut wrong = Vec::new();
    let all = dashboards();
    assert_eq!(all.len(), 2, "{:?}", all.keys());
    for (file, dashboard) in &all {
        assert_eq!(dashboard["refresh"], "30s");
        let variable = &dashboard["templating"]["list"][0];
        let (_, instances) = ask(&reader, variable["query"].as_str().unwrap()).await;
        let instance = instances[0]["__value"].to_string();
        let annotation = dashboard["annotations"]["list"][0]["target"]["rawSql"].as_str().unwrap();
        ask(&reader, &expanded(annotation, &instance)).await;
        let panels = dashboard["panels"].as_array().unwrap();
        assert!(panels.len() > 9, "{file}");
        for panel in panels {
            for target in panel["targets"].as_array().unwrap() {
                let uid = target["datasource"]["uid"].as_str().unwrap();
                assert!(source.contains(&format!("uid: {uid}\n")), "{uid} is no data source of the provisioning");
                let sql = target["rawSql"].as_str().unwrap();
                let is_rate = ["reqps", "binBps", "Bps", "ops"].contains(&unit(panel));
                assert!(!is_rate || sql.contains("/ r.covered_seconds"), "{}: not over the time read", panel["title"]);
                let (columns, rows) = ask(&reader, &expanded(sql, &instance)).await;
                let problem = match drawable(panel, &columns, &rows) {
                    Ok(()) if rows.is_empty() => "no rows".to_owned(),
                    Ok(()) => continue,
                    Err(problem) => problem,
                };
                wrong.push(format!("{file}, {}: {problem}: {columns:?} {:?}", panel["title"], rows.first()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    drop(standby);
}
