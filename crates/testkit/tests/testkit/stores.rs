//! Databases of the run's one store cluster.

use testkit::{store, store_from};

#[tokio::test]
async fn two_stores_are_apart_on_one_cluster() {
    let (one, other) = (store().await.unwrap(), store().await.unwrap());
    assert_ne!(one.name, other.name);
    let (first, second) = (one.connect().await.unwrap(), other.connect().await.unwrap());
    first.execute("create table mine as select 1", &[]).await.unwrap();
    assert!(second.query("select from mine", &[]).await.is_err());
    let start = "select pg_postmaster_start_time()::text";
    let started = |row: tokio_postgres::Row| row.get::<_, String>(0);
    assert_eq!(
        started(first.query_one(start, &[]).await.unwrap()),
        started(second.query_one(start, &[]).await.unwrap())
    );
}

#[tokio::test]
async fn a_template_is_prepared_once_and_copied() {
    let prepared = std::sync::atomic::AtomicU32::new(0);
    let key = format!("kit_{}", std::process::id());
    let prepare = async |dsn: String| -> anyhow::Result<()> {
        prepared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let client = testkit::connect(&dsn).await?;
        client.execute("create table migrated as select 1 as n", &[]).await?;
        // Left open on purpose: a pool does the same.
        std::mem::forget(client);
        Ok(())
    };
    let one = store_from(&key, &prepare).await.unwrap();
    let client = one.connect().await.unwrap();
    client.execute("insert into migrated values (2)", &[]).await.unwrap();
    let other = store_from(&key, &prepare).await.unwrap();
    let rows = other.connect().await.unwrap().query("select n from migrated", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(prepared.into_inner(), 1);
}

#[tokio::test]
async fn a_preparation_that_fails_leaves_no_template() {
    let key = format!("broken_{}", std::process::id());
    let failed = store_from(&key, async |_| anyhow::bail!("no migrations today")).await.unwrap_err();
    assert!(format!("{failed:#}").contains("no migrations today"));
    store_from(&key, async |_| Ok(())).await.unwrap();
}
