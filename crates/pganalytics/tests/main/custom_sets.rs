//! Sets of the users' own from the server, with real processes: approved, read, changed and removed without a restart, and
//! nothing that one of them does harms another set.

use std::process::{Command, Output};

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::PgOptions;

use crate::spool::work;
use crate::world::{World, assert_exact, between, free_port};

/// Work that is counted by a table.
const COUNTED: &str = "help = \"What is counted.\"\nscope = \"instance\"\ngroup = \"x_app\"\ninterval = 1\n\n\
    [[columns]]\nname = \"key\"\ntype = \"text\"\nkind = \"label\"\nhelp = \"What.\"\n\n\
    [[columns]]\nname = \"n\"\ntype = \"int8\"\nkind = \"counter\"\nunit = \"count\"\nhelp = \"How often.\"\n";
const COUNTED_SQL: &str = "select c.key::text as key, c.n::bigint as n from public.counted as c";

/// One gauge.
const GAUGE: &str = "help = \"A number.\"\nscope = \"instance\"\ngroup = \"x_app\"\ninterval = 1\n\n\
    [[columns]]\nname = \"n\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"The number.\"\n";

async fn put(world: &World, name: &str, set: &str, sql: &str) {
    let body = json!({ "set": set, "sql": { "10": sql } });
    let (status, answer) = world.send("PUT", &format!("/custom-sets/{name}"), Some(body)).await;
    assert!(status.is_success(), "{answer}");
}

/// What the instance says of a set: state, kind of reason, and reason.
async fn said(world: &World, name: &str) -> Option<(String, String, String)> {
    let states = world.get(&format!("/custom-sets/{name}/collectors")).await?;
    let instance = states["data"].get(0)?["instances"].get(0)?.clone();
    let word = |key: &str| instance[key].as_str().unwrap().to_owned();
    Some((word("state"), word("code"), word("message")))
}

async fn works(world: &World, name: &str) {
    world
        .until("it works", async |world| {
            let (state, ..) = said(world, name).await?;
            (state == "works").then_some(())
        })
        .await;
}

async fn waits(world: &World, name: &str) -> String {
    world
        .until("it waits", async |world| {
            let (_, code, _) = said(world, name).await?;
            let hash = world.get(&format!("/custom-sets/{name}")).await?["hash"].as_str()?.to_owned();
            let (_, _, message) = said(world, name).await?;
            (code == "approval" && message.contains(&hash)).then_some(hash)
        })
        .await
}

async fn rows(world: &World, set: &str) -> Vec<Value> {
    let path = format!("/metrics?set={set}&instance_id={}&limit=1000", world.instance);
    world.get(&path).await.map(|answer| answer["data"].as_array().unwrap().clone()).unwrap_or_default()
}

fn collector(world: &World, arguments: &[&str]) -> Output {
    let (command, others) = arguments.split_first().unwrap();
    Command::new(env!("CARGO_BIN_EXE_pganalytics"))
        .args(["collector", command, "--config"])
        .arg(world.path("collector.toml"))
        .args(others)
        .env_clear()
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn count(world: &World, key: &str, by: i64) {
    let admin = world.pg.connect("postgres").await.unwrap();
    admin.execute("update counted set n = n + $2 where key = $1", &[&key, &by]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_is_approved_read_changed_and_removed_without_a_restart() {
    let mut world = World::start(PgOptions::default()).await;
    let admin = world.pg.connect("postgres").await.unwrap();
    for statement in [
        "create table counted (key text, n bigint, weight bigint default 5)",
        "insert into counted values ('a', 1000), ('b', 0)",
        "grant select on counted to pganalytics",
    ] {
        admin.execute(statement, &[]).await.unwrap();
    }
    let (start, before) = (Timestamp::now(), world.truth().await);
    put(&world, "x_counted", COUNTED, COUNTED_SQL).await;
    let hash = waits(&world, "x_counted").await;
    assert!(rows(&world, "x_counted").await.is_empty());
    let shown = collector(&world, &["approve"]);
    assert!(shown.status.success(), "{}", text(&shown));
    assert!(text(&shown).contains(&hash) && text(&shown).contains(COUNTED_SQL), "{}", text(&shown));
    // It can be tried before it is approved.
    let tried = collector(&world, &["dry-run", "x_counted", "--json"]);
    assert!(tried.status.success(), "{}", text(&tried));
    let tried: Value = serde_json::from_slice(&tried.stdout).unwrap();
    let (instance, reading) = (&tried["instances"][0], &tried["instances"][0]["readings"][0]);
    assert_eq!((&instance["sql"], &reading["rows"]), (&json!("10.sql"), &json!(2)));
    assert_eq!(reading["columns"][1], json!({ "name": "n", "type": "int8" }));
    assert_eq!(reading["sample"][0], json!({ "key": "a", "n": 1000 }));
    assert!(reading["bytes"].as_u64().unwrap() > 0 && reading["duration_ms"].as_f64().unwrap() > 0.0, "{reading}");
    assert!(!collector(&world, &["approve", "ffffffffffff"]).status.success());

    let approved = collector(&world, &["approve", &hash[..12]]);
    assert!(approved.status.success(), "{}", text(&approved));
    works(&world, "x_counted").await;
    world.until("it is read", async |world| (!rows(world, "x_counted").await.is_empty()).then_some(())).await;
    count(&world, "a", 3).await;
    work(&world, 1).await;
    world.kill_collector();
    count(&world, "a", 4).await;
    world.start_collector();
    count(&world, "b", 5).await;
    world.settle().await;

    // Others words of it: they wait, and what is read meanwhile is nothing.
    let wider = format!(
        "{COUNTED}\n[[columns]]\nname = \"weight\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"How heavy.\"\n"
    );
    put(&world, "x_counted", &wider, &COUNTED_SQL.replace(" from", ", c.weight::bigint as weight from")).await;
    let hash = waits(&world, "x_counted").await;
    let approved = collector(&world, &["approve", &hash]);
    assert!(approved.status.success(), "{}", text(&approved));
    works(&world, "x_counted").await;
    let is_wide = |row: &Value| row["weight"] == 5;
    world
        .until("the new column comes", async |world| rows(world, "x_counted").await.iter().any(is_wide).then_some(()))
        .await;
    work(&world, 1).await;
    count(&world, "b", 6).await;
    world.settle().await;
    let sums = |rows: &[Value], key: &str| -> i64 {
        rows.iter().filter(|row| row["key"] == key).filter_map(|row| row["n"].as_i64()).sum()
    };
    let found = world
        .until("all is counted", async |world| {
            let rows = rows(world, "x_counted").await;
            (sums(&rows, "a") >= 7 && sums(&rows, "b") >= 11).then_some(rows)
        })
        .await;
    assert_eq!((sums(&found, "a"), sums(&found, "b")), (7, 11));

    // A store that has lost the definition asks for it, and takes it: somebody wrote it there.
    world.kill_server();
    let store = world.store_connection().await;
    let forgotten = store.execute("delete from metrics.definitions where set_name = 'x_counted'", &[]).await.unwrap();
    assert!(forgotten >= 2, "{forgotten}");
    world.start_server().await;
    count(&world, "a", 8).await;
    world.until("it goes on", async |world| (sums(&rows(world, "x_counted").await, "a") == 15).then_some(())).await;

    let (status, _) = world.send("DELETE", "/custom-sets/x_counted", None).await;
    assert!(status.is_success());
    world
        .until("nobody reads it any more", async |world| {
            let states = world.get("/custom-sets/x_counted/collectors").await?;
            (states["count"] == 0).then_some(())
        })
        .await;
    assert_eq!(sums(&rows(&world, "x_counted").await, "a"), 15, "what was measured stays");
    work(&world, 1).await;
    let after = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_fails_says_why_and_harms_no_other() {
    let mut world = World::start(PgOptions::default()).await;
    let admin = world.pg.connect("postgres").await.unwrap();
    for statement in [
        "create table written (n bigint)",
        "create function public.writes() returns bigint language sql as 'insert into public.written values (1) returning n'",
        "create function public.sleeps() returns bigint language sql as 'select 1 from pg_catalog.pg_sleep(60)'",
        "create function public.sets() returns bigint language sql as \
         'select length(pg_catalog.set_config(''default_transaction_read_only'', ''off'', false) || \
          pg_catalog.set_config(''statement_timeout'', ''0'', false))'",
        "grant insert, select on written to pganalytics",
        "create table hidden (n bigint)",
    ] {
        admin.execute(statement, &[]).await.unwrap();
    }
    let shown = free_port();
    let more = format!("[collector]\ncustom_sets = \"accept\"\nlisten = \"127.0.0.1:{shown}\"\n");
    let accepting = world.configuration("collector").replacen("[collector]\n", &more, 1);
    world.kill_collector();
    world.start_collector_by(&accepting);
    world.settle().await;
    let (start, before) = (Timestamp::now(), world.truth().await);
    let hostile = [
        ("x_writes", "select public.writes()::bigint as n", "error", "read-only transaction"),
        ("x_sleeps", "select public.sleeps()::bigint as n", "error", "statement timeout"),
        ("x_many", "select g::bigint as n from generate_series(1, 1000000) as g", "error", "more than 10000 rows"),
        ("x_text", "select 'a'::text as n", "error", "is text, and the set says Int8"),
        ("x_other", "select 1::bigint as m", "error", "the set has no such column"),
        ("x_fails", "select 1 / (random() * 0)::bigint as n", "error", "division by zero"),
        ("x_hidden", "select h.n::bigint as n from public.hidden as h", "missing", "permission denied"),
        ("x_twice", "select 1::bigint as n, 2::bigint as n", "error", "stands twice"),
        ("x_sets", "select public.sets()::bigint as n", "works", ""),
    ];
    for (name, sql, ..) in hostile {
        put(&world, name, GAUGE, sql).await;
    }
    for (name, _, state, reason) in hostile {
        let found = world
            .until("it is said how it goes", async |world| {
                let (found, code, message) = said(world, name).await?;
                (found != "works" || state == "works").then_some((found, code, message))
            })
            .await;
        assert_eq!(found.0, state, "{name}: {found:?}");
        assert!(found.2.contains(reason), "{name}: {found:?}");
    }
    let databases = GAUGE.replace("instance", "database");
    put(&world, "x_relations", &databases, "select count(*)::bigint as n from pg_catalog.pg_class as c").await;
    works(&world, "x_relations").await;
    world.until("databases are read", async |world| (rows(world, "x_relations").await.len() > 1).then_some(())).await;
    let metrics = reqwest::get(format!("http://127.0.0.1:{shown}/metrics")).await.unwrap().text().await.unwrap();
    let line = metrics.lines().find(|line| line.starts_with("pganalytics_x_sets_n{server=\"main\"}"));
    assert_eq!(line.and_then(|line| line.split(' ').nth(1)), Some("4.0"), "{metrics}");
    assert!(!metrics.contains("pganalytics_x_many_n{"), "what failed has no series");
    work(&world, 1).await;
    world.settle().await;
    let after = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &after));
    let written: i64 = admin.query_one("select count(*) from written", &[]).await.unwrap().get(0);
    assert_eq!(written, 0, "the session was not talked into writing");
    assert!(rows(&world, "x_many").await.is_empty(), "a part does not pass for the whole");

    // One that the machine's owner refuses is not read, whatever the server wants.
    world.kill_collector();
    world.start_collector_by(&accepting.replace("\"accept\"", "\"refuse\""));
    world
        .until("it is not allowed there", async |world| {
            let (state, code, message) = said(world, "x_sets").await?;
            (state == "missing" && code == "approval" && message.contains("Not allowed")).then_some(())
        })
        .await;
}
