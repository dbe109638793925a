//! The migrations of both schemas: fresh, again, at once, changed, newer; and what is made anew when it changes.

use std::sync::Arc;

use ::store::migrations::{METRICS, Schema};
use ::store::{PoolSettings, Store, open};
use catalog::Catalog;
use server::migrations::{Migration, MigrationError, PGANALYTICS};

/// Prepares the store that is there.
async fn open_store(dsn: &str) {
    let pool = open(&PoolSettings { url: dsn.to_owned(), max_connections: 4 }).await.unwrap();
    Store::prepare(pool, Arc::new(Catalog::embedded().unwrap())).await.unwrap();
}

const SCHEMAS: [(Schema, &str); 2] = [(PGANALYTICS, "server/migrations/pganalytics"), (METRICS, "store/migrations")];

#[tokio::test]
async fn each_file_runs_once() {
    for (schema, _) in SCHEMAS {
        let store = testkit::store().await.unwrap();
        let mut client = store.connect().await.unwrap();
        let all: Vec<i32> = schema.migrations.iter().map(|migration| migration.number).collect();
        assert_eq!(schema.migrate(&mut client).await.unwrap(), all);
        assert_eq!(schema.migrate(&mut client).await.unwrap(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn servers_that_start_at_once_wait_for_each_other() {
    for (schema, _) in SCHEMAS {
        let store = testkit::store().await.unwrap();
        let (mut one, mut two) = (store.connect().await.unwrap(), store.connect().await.unwrap());
        let (first, second) = tokio::join!(schema.migrate(&mut one), schema.migrate(&mut two));
        let ran = first.unwrap().len() + second.unwrap().len();
        assert_eq!(ran, schema.migrations.len());
    }
}

#[tokio::test]
async fn a_changed_file_and_a_newer_database_are_refused() {
    for (schema, _) in SCHEMAS {
        let store = testkit::store().await.unwrap();
        let mut client = store.connect().await.unwrap();
        schema.migrate(&mut client).await.unwrap();
        let table = format!("{}.migrations", schema.name);
        let newer = format!("insert into {table} (number, name, checksum) values (9999, 'later', '')");
        client.execute(&newer, &[]).await.unwrap();
        let error = schema.migrate(&mut client).await.unwrap_err();
        assert!(matches!(error, MigrationError::Newer { found: 9999, .. }), "{error}");
        client.execute(&format!("delete from {table} where number = 9999"), &[]).await.unwrap();
        client.execute(&format!("update {table} set checksum = '' where number = 1"), &[]).await.unwrap();
        let error = schema.migrate(&mut client).await.unwrap_err();
        assert!(matches!(error, MigrationError::Changed { number: 1, .. }), "{error}");
    }
}

#[test]
fn every_file_stands_in_the_table_in_order() {
    for (schema, folder) in SCHEMAS {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let name = |migration: &Migration| format!("{:04}_{}.sql", migration.number, migration.name);
        let table: Vec<String> = schema.migrations.iter().map(name).collect();
        assert_eq!(files, table);
        assert!(schema.migrations.iter().zip(1..).all(|(migration, number)| migration.number == number));
    }
}

#[tokio::test]
async fn a_view_is_made_anew_when_its_statements_change_unless_somebodys_stands_on_it() {
    let database = testkit::store().await.unwrap();
    open_store(&database.dsn).await;
    let client = database.connect().await.unwrap();
    let hashes = async || {
        let rows = client.query("select name, hash from metrics.derived order by name", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect::<Vec<(String, Vec<u8>)>>()
    };
    let made = hashes().await;
    client
        .simple_query(
            "drop view metrics.wal_named;
             create view metrics.wal_named as select 1 as old;
             create view public.mine as select * from metrics.host_load_named;
             update metrics.derived set hash = '' where name in ('wal_named', 'host_load_named');
             drop view metrics.pg_stat_wal_named",
        )
        .await
        .unwrap();
    open_store(&database.dsn).await;
    for view in ["wal_named", "host_load_named", "pg_stat_wal_named"] {
        client.query(&format!("select instance, \"time\" from metrics.{view}"), &[]).await.unwrap();
    }
    let stays: Vec<(String, Vec<u8>)> = hashes().await.into_iter().filter(|one| !made.contains(one)).collect();
    assert_eq!(stays, [("host_load_named".to_owned(), Vec::new())], "what somebody's view stands on stays as it was");
    client.simple_query("drop view public.mine").await.unwrap();
    open_store(&database.dsn).await;
    assert_eq!(hashes().await, made);
}
