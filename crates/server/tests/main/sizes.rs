//! What the store takes: noted daily, told by set, tier and instance, with its growth and the day of the full disk.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use server::accounts::Role;
use tokio_postgres::Client;

use crate::support::Server;

const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn asked(server: &Server) -> Value {
    let admin = server.signed_in(Role::Admin).await;
    server.get("/store").bearer(&admin).send().await.expect(200)
}

fn tier<'a>(answer: &'a Value, set: &str, tier: &str) -> &'a Value {
    let set = answer["sets"].as_array().unwrap().iter().find(|one| one["set"] == set).unwrap();
    set["tiers"].as_array().unwrap().iter().find(|one| one["tier"] == tier).unwrap()
}

/// Rows of today in a set, and what PostgreSQL estimates of them.
async fn rows_of_today(client: &Client, count: i32) {
    let rows = "insert into metrics.wal (instance_id, time) select 1, now() from generate_series(1, $1)";
    client.execute(rows, &[&count]).await.unwrap();
    client.simple_query("analyze metrics.wal").await.unwrap();
}

async fn bytes(client: &Client, table: &str) -> i64 {
    let sql = "select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::int8 from pg_inherits where inhparent = $1::text::regclass";
    client.query_one(sql, &[&format!("metrics.{table}")]).await.unwrap().get(0)
}

#[tokio::test]
async fn sizes_are_those_of_the_tables_and_growth_waits_for_a_second_day() {
    let server = Server::measuring(&[]).await;
    let before = asked(&server).await;
    assert_eq!((&before["noted_at"], &before["sets"], &before["history"]), (&Value::Null, &json!([]), &json!([])));
    assert!(before["bytes"].as_i64().unwrap() > 0, "what the database takes is known without notes");
    let client = server.app.metrics.get().await.unwrap();
    rows_of_today(&client, 5000).await;
    let store = server.app.store().unwrap();
    let now = Timestamp::now();
    store.note_sizes(now).await.unwrap();
    let answer = asked(&server).await;
    let raw = tier(&answer, "wal", "raw");
    assert_eq!(raw["bytes"], bytes(&client, "wal").await);
    assert_eq!(raw["rows"], 5000, "those of the partitions, not theirs and the table's");
    assert_eq!(tier(&answer, "readings", "1d")["bytes"], bytes(&client, "readings_1d").await);
    let of_sets = answer["sets"].as_array().unwrap().iter().flat_map(|set| set["tiers"].as_array().unwrap());
    let of_sets: i64 = of_sets.map(|tier| tier["bytes"].as_i64().unwrap()).sum();
    let whole = answer["history"][0]["bytes"].as_i64().unwrap();
    assert_eq!(answer["others"]["bytes"], whole - of_sets, "nothing is left out and nothing counted twice");
    assert!(whole > of_sets && of_sets > 0);
    for unknown in [&answer["bytes_per_day"], &raw["bytes_per_day"], &answer["since"], &answer["disk"]["full_at"]] {
        assert_eq!(*unknown, Value::Null);
    }
    assert!(answer["reason"].as_str().unwrap().contains("not enough data"), "{answer}");
    // Noted again at once, by a server that was started again: still no day.
    store.note_sizes(now + SignedDuration::from_mins(5)).await.unwrap();
    assert_eq!(asked(&server).await["bytes_per_day"], Value::Null);
}

#[tokio::test]
async fn growth_is_by_day_and_says_when_the_disk_is_full() {
    let server = Server::measuring(&[("STORE_DISK_BYTES", "1000000000000")]).await;
    let client = server.app.metrics.get().await.unwrap();
    let store = server.app.store().unwrap();
    let now = Timestamp::now();
    let before = bytes(&client, "wal").await;
    for days in [40, 4] {
        store.note_sizes(now - DAY * days).await.unwrap();
    }
    rows_of_today(&client, 50_000).await;
    store.note_sizes(now).await.unwrap();
    let answer = asked(&server).await;
    let grown = bytes(&client, "wal").await - before;
    assert!(grown > 1_000_000);
    let close = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value / expected - 1.0).abs() < 1e-9, "{value} instead of {expected}");
    };
    close(&tier(&answer, "wal", "raw")["bytes_per_day"], grown as f64 / 4.0);
    assert_eq!(tier(&answer, "wal", "1h")["bytes_per_day"], 0.0);
    let history = answer["history"].as_array().unwrap();
    let sizes: Vec<i64> = history.iter().map(|note| note["bytes"].as_i64().unwrap()).collect();
    assert_eq!(sizes.len(), 3);
    let per_day = (sizes[2] - sizes[1]) as f64 / 4.0;
    close(&answer["bytes_per_day"], per_day);
    let free = answer["disk"]["free_bytes"].as_i64().unwrap();
    assert_eq!(free, 1_000_000_000_000 - answer["bytes"].as_i64().unwrap());
    let full_at = answer["disk"]["full_at"].as_str().map(|at| at.parse::<Timestamp>().unwrap());
    match full_at {
        Some(full_at) => {
            let days = full_at.duration_since(now).as_secs_f64() / 86_400.0;
            assert!((days - free as f64 / per_day).abs() < 0.1, "{days} days, {free} bytes, {per_day} a day");
        }
        None => assert!(free as f64 / per_day > 3652.0, "{answer}"),
    }
}

#[tokio::test]
async fn instances_share_what_sets_take_by_the_rows_that_were_stored_of_them() {
    let server = Server::measuring(&[]).await;
    let client = server.app.metrics.get().await.unwrap();
    client
        .simple_query(
            "insert into metrics.instances (collector_id, name) select gen_random_uuid(), 'i' || n from generate_series(1, 3) n",
        )
        .await
        .unwrap();
    rows_of_today(&client, 4000).await;
    let store = server.app.store().unwrap();
    let now = Timestamp::now();
    // Two days ago is in a day's bucket, what was long before counts no more, the third instance never had a row.
    let day = now - DAY * 2;
    let anywhen = "create table metrics.readings_1d_anywhen partition of metrics.readings_1d default";
    client.simple_query(anywhen).await.unwrap();
    for (at, instance, rows) in [(day, 1, 300_i64), (day, 2, 100), (now - DAY * 50, 2, 1_000_000)] {
        let sql = "insert into metrics.readings_1d (instance_id, time, set_name, readings, failures, rows, covered_us, late_cycles)
            values ($1, $2, 'wal', 1, 0, $3, 0, 0)";
        client.execute(sql, &[&instance, &at, &rows]).await.unwrap();
    }
    store.note_sizes(now).await.unwrap();
    let answer = asked(&server).await;
    let tiers = answer["sets"].as_array().unwrap().iter().find(|one| one["set"] == "wal").unwrap()["tiers"].clone();
    let whole: i64 = tiers.as_array().unwrap().iter().map(|tier| tier["bytes"].as_i64().unwrap()).sum();
    let instances = answer["instances"].as_array().unwrap();
    let of = |name: &str| instances.iter().find(|one| one["name"] == name);
    assert_eq!(instances.len(), 2, "{instances:?}");
    assert_eq!(of("i1").unwrap()["rows"], 3000);
    assert_eq!(of("i2").unwrap()["rows"], 1000);
    let first = of("i1").unwrap()["bytes"].as_f64().unwrap();
    assert!((first - whole as f64 * 0.75).abs() <= 1.0, "{first} of {whole}");
}

#[tokio::test]
async fn only_administrators_are_told() {
    let server = Server::measuring(&[]).await;
    let viewer = server.signed_in(Role::Viewer).await;
    server.get("/store").bearer(&viewer).send().await.refused(403, "forbidden");
}
