//! Tables and indexes of real databases, from the instance to the API.

use jiff::Timestamp;
use serde_json::Value;
use testkit::{Mode, PgOptions};

use crate::world::World;

async fn oid(world: &World, database: &str, relation: &str) -> i64 {
    let client = world.pg.connect(database).await.unwrap();
    let sql = format!("select '{relation}'::regclass::oid::int8");
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

/// The sum of a counter of one relation over everything that was stored.
async fn stored(world: &World, set: &str, label: &str, oid: i64, column: &str) -> i64 {
    let store = world.store_connection().await;
    let sql = format!("select coalesce(sum({column}), 0)::int8 from metrics.{set} where {label} = $1");
    store.query_one(&sql, &[&oid]).await.unwrap().get(0)
}

async fn list(world: &World, what: &str, name: &str) -> Option<Value> {
    let answer = world.get(&format!("/instances/{}/{what}?search={name}", world.instance)).await?;
    answer["data"].as_array()?.iter().find(|row| row["name"] == name).cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_of_tables_are_exact_whatever_is_killed() {
    let options = PgOptions::default().setting("autovacuum", "off");
    let mut world = World::start(options).await;
    for database in ["one", "two"] {
        let client = world.pg.connect(database).await.unwrap();
        client.simple_query("create table things (id int primary key, note text)").await.unwrap();
        let grant = "grant execute on function pg_catalog.pg_stat_file(text, boolean) to pganalytics";
        client.simple_query(grant).await.unwrap();
    }
    let things = oid(&world, "one", "things").await;
    let key = oid(&world, "one", "things_pkey").await;
    world.until("the new table is known", async |world| list(world, "tables", "things").await).await;
    let mut inserted = 0;
    for round in 0..6 {
        let client = world.connect("postgres", "one").await;
        for _ in 0..5 {
            let sql =
                format!("insert into things select n, 'x' from generate_series({}, {}) as n", inserted, inserted + 9);
            client.simple_query(&sql).await.unwrap();
            inserted += 10;
        }
        let scan = "set enable_seqscan = off; set enable_bitmapscan = off; select * from things where id = 3";
        client.simple_query(scan).await.unwrap();
        client.simple_query("update things set note = 'y' where id < 7").await.unwrap();
        drop(client);
        match round {
            1 => {
                world.kill_collector();
                world.start_collector();
            }
            2 => {
                world.kill_server();
                world.start_server().await;
            }
            3 => world.pg.restart(Mode::Fast).await.unwrap(),
            _ => {}
        }
    }
    let truth = "select n_tup_ins, n_tup_upd, coalesce(idx_scan, 0), seq_scan from pg_stat_all_tables
                 where relid = 'things'::regclass";
    let client = world.pg.connect("one").await.unwrap();
    let happened = async |world: &World| {
        let row = client.query_one(truth, &[]).await.unwrap();
        let of = async |column: &str| stored(world, "pg_stat_all_tables", "relid", things, column).await;
        let stored = [of("n_tup_ins").await, of("n_tup_upd").await, of("idx_scan").await, of("seq_scan").await];
        let real: [i64; 4] = std::array::from_fn(|place| row.get(place));
        assert!(stored.iter().zip(real).all(|(stored, real)| *stored <= real), "{stored:?} of {real:?}");
        (stored == real && real[0] == 300).then_some(real)
    };
    let real = world.until("all of it is stored, exactly", happened).await;
    world
        .until("scans of the index are stored", async |world| {
            let scans = stored(world, "pg_stat_all_indexes", "indexrelid", key, "idx_scan").await;
            assert!(scans <= real[2], "{scans} of {}", real[2]);
            (scans == real[2]).then_some(())
        })
        .await;
    // The API has the table's state and size, and the other database's table has done nothing.
    let size: i64 = client.query_one("select pg_total_relation_size('things')", &[]).await.unwrap().get(0);
    let table = world.until("the size is known", async |world| {
        one_of(world, "one").await.filter(|table| table["size_bytes"] == size && table["size_is_estimate"] == false)
    });
    let table = table.await;
    assert_eq!((&table["live_rows"], &table["database"]), (&Value::from(300), &Value::from("one")));
    let other = one_of(&world, "two").await.unwrap();
    assert_eq!(other["live_rows"], 0);
    let index = world.get(&format!("/instances/{}/indexes?database=one&search=things", world.instance)).await.unwrap();
    let index = &index["data"][0];
    assert_eq!(
        (&index["name"], &index["columns"], &index["needed_for"]),
        (&"things_pkey".into(), &"id".into(), &"primary key".into())
    );
    assert_eq!(index["scans"], real[2]);
}

async fn one_of(world: &World, database: &str) -> Option<Value> {
    let path = format!("/instances/{}/tables?database={database}&search=things", world.instance);
    world.get(&path).await?["data"].as_array()?.first().cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn autovacuum_comes_when_it_is_said_to_come() {
    for major in testkit::majors() {
        autovacuum_comes(major).await;
    }
}

/// The rules differ from major to major; here they meet the real thing.
async fn autovacuum_comes(major: u32) {
    let options = PgOptions::major(major).setting("autovacuum_naptime", "1s");
    let world = World::start(options).await;
    let client = world.pg.connect("one").await.unwrap();
    let prepare = |name: &str| {
        format!(
            "create table {name} (id int) with (autovacuum_enabled = off); insert into {name} select generate_series(1, 1000)"
        )
    };
    for name in ["reached", "passed"] {
        client.simple_query(&prepare(name)).await.unwrap();
        client.simple_query(&format!("vacuum analyze {name}")).await.unwrap();
    }
    // 50 + 0.2 × 1000: a table with 250 dead rows is left alone, one with 251 is not.
    client.simple_query("delete from reached where id <= 250").await.unwrap();
    client.simple_query("delete from passed where id <= 251").await.unwrap();
    for (name, dead) in [("reached", 250), ("passed", 251)] {
        let table = world.until("the dead rows are counted", async |world| {
            list(world, "tables", name).await.filter(|table| table["dead_rows"] == dead)
        });
        let near = table.await["autovacuum"].clone();
        assert_eq!(
            (&near["dead_threshold"], &near["enabled"]),
            (&Value::from(250.0), &Value::from(false)),
            "{major}: {near}"
        );
    }
    let begun = Timestamp::now();
    // In one transaction: a worker sees both or none.
    client
        .simple_query("begin; alter table reached reset (autovacuum_enabled); alter table passed reset (autovacuum_enabled); commit")
        .await
        .unwrap();
    let when = "select last_autovacuum from pg_stat_all_tables where relid = $1::text::regclass";
    world
        .until("autovacuum came", async |_| {
            client.query_one(when, &[&"passed"]).await.unwrap().get::<_, Option<Timestamp>>(0).filter(|at| *at >= begun)
        })
        .await;
    let left_alone: Option<Timestamp> = client.query_one(when, &[&"reached"]).await.unwrap().get(0);
    assert_eq!(left_alone, None, "{major}: the same round left it alone");
}
