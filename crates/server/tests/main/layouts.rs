//! The same sums in every layout. TimescaleDB and Citus are where `PGA_TIMESCALE_DSN` and `PGA_CITUS_DSN` say, as a
//! role that makes databases and extensions; where they say nothing the tests are skipped, with a line.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use ::store::{Job, Layout, PoolSettings, Store, StoreError, open, to_timescale};
use testkit::StoreDatabase;
use tokio::sync::Notify;
use tokio_postgres::config::{Host, SslMode};

use super::leaving::Days;
use super::tiers_rule::compare;
use super::tiers_store::{Fixture, sets};

/// A database of the test's own where a variable says; none where it says nothing.
async fn database(variable: &str, extension: &str) -> Option<StoreDatabase> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Ok(dsn) = std::env::var(variable) else {
        let _ = writeln!(std::io::stderr(), "skipped: {variable} is not set");
        return None;
    };
    let config: tokio_postgres::Config = dsn.parse().unwrap();
    let name = format!("pga_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let client = testkit::connect(&dsn).await.unwrap();
    // Those of runs before: whoever made one is gone.
    let old = "select datname::text from pg_database where datname like 'pga\\_test\\_%' and not exists (
                   select from pg_stat_activity a where a.datname = pg_database.datname)";
    for row in client.query(old, &[]).await.unwrap() {
        let _ = client.simple_query(&format!("drop database if exists {}", row.get::<_, &str>(0))).await;
    }
    client.simple_query(&format!("create database {name}")).await.unwrap();
    let host = match &config.get_hosts()[0] {
        Host::Tcp(host) => host.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let password = config.get_password().map(|word| format!("password={} ", String::from_utf8_lossy(word)));
    let encrypted = if config.get_ssl_mode() == SslMode::Disable { "disable" } else { "prefer" };
    let dsn = format!(
        "host={host} port={} user={} {}sslmode={encrypted} dbname={name}",
        config.get_ports().first().unwrap_or(&5432),
        config.get_user().unwrap(),
        password.unwrap_or_default()
    );
    let database = StoreDatabase { dsn, name };
    let made = database.connect().await.unwrap();
    made.simple_query(&format!("create extension {extension}")).await.unwrap();
    Some(database)
}

async fn store(database: &StoreDatabase, layout: Option<Layout>) -> Result<Arc<Store>, StoreError> {
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 6 }).await?;
    Store::prepare_as(pool, sets(), layout).await.map(Arc::new)
}

async fn days(database: StoreDatabase, layout: Option<Layout>, is: Layout) -> Days {
    let store = store(&database, layout).await.unwrap();
    assert_eq!(store.layout(), is);
    Days::over(Fixture::over(database, store).await).await
}

/// How many partitions there are of a table that end before the 14th of March.
async fn old_partitions(days: &Days, table: &str) -> usize {
    let sql = days.fixture.store.layout().partitions();
    let rows = days.fixture.client.query(&sql, &[&vec![table]]).await.unwrap();
    let all = rows.iter().filter_map(::store::StoredPartition::from_row);
    all.filter(|partition| partition.end <= "2026-03-14T00:00:00Z".parse().unwrap()).count()
}

#[tokio::test]
async fn a_store_is_native_where_nothing_else_was_said() {
    let database = testkit::store().await.unwrap();
    assert_eq!(store(&database, None).await.unwrap().layout(), Layout::Native);
    let again = store(&database, Some(Layout::Timescale)).await.unwrap();
    assert_eq!(again.layout(), Layout::Native, "a store that is there stays as it is");
    assert_eq!(again.compress(jiff::Timestamp::now()).await.unwrap(), Default::default());
    let other = testkit::store().await.unwrap();
    let refused = store(&other, Some(Layout::Citus)).await.unwrap_err();
    assert!(refused.to_string().starts_with("the extension citus cannot be created: "), "{refused}");
    let client = other.connect().await.unwrap();
    let made = client.query_one("select count(*) from metrics.store", &[]).await.unwrap();
    assert_eq!(made.get::<_, i64>(0), 0, "it is not made as something else instead");
}

#[tokio::test]
async fn a_store_is_brought_to_timescale_by_its_administrator_alone() {
    let database = testkit::store().await.unwrap();
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 1 }).await.unwrap();
    let said = |error: StoreError| error.to_string();
    let error = to_timescale(&pool, &sets(), |_| {}).await.map_err(said).unwrap_err();
    assert!(error.starts_with("there is no store yet"), "{error}");
    let running = store(&database, None).await.unwrap();
    let error = to_timescale(&pool, &sets(), |_| {}).await.map_err(said).unwrap_err();
    assert!(error.starts_with("the database has no extension timescaledb"), "{error}");
    running.pool().close();
    drop(running);
    assert_eq!(store(&database, None).await.unwrap().layout(), Layout::Native, "nothing was begun");
}

#[tokio::test]
async fn timescale_says_what_was_stored() {
    let Some(database) = database("PGA_TIMESCALE_DSN", "timescaledb").await else { return };
    let mut days = days(database, None, Layout::Timescale).await;
    compare(&days.fixture, &days.stored).await;
    let store = Arc::clone(&days.fixture.store);
    assert!(store.compress(days.later).await.unwrap().chunks >= 9, "three days of three sets");
    assert_eq!(store.compress(days.later).await.unwrap().chunks, 0, "once");
    compare(&days.fixture, &days.stored).await;
    // Late rows go into chunks that are compressed, raw ones and buckets.
    let late = [(0, "2026-03-11T12:00:30Z", 20), (1, "2026-03-11T00:00:00Z", 21), (2, "2026-03-12T12:00:10Z", 22)];
    for (set, time, seed) in late {
        days.push(set, time, seed).await;
        days.fixture.roll_up(days.later).await;
        compare(&days.fixture, &days.stored).await;
    }
    assert!(store.compress(days.later).await.unwrap().chunks > 0, "what came late is compressed too");
    compare(&days.fixture, &days.stored).await;
    assert_eq!(old_partitions(&days, "x_all").await, 3);
    days.expire().await;
    assert_eq!(old_partitions(&days, "x_all").await, 0);
    assert_eq!(days.fixture.count("gone where table_name = 'x_all' and until = '2026-03-13T00:00:00Z'").await, 1);
    compare(&days.fixture, &days.stored).await;
    days.late_rows_count_once().await;
}

#[tokio::test]
async fn a_reader_of_a_chunk_holds_back_that_one_alone() {
    let Some(database) = database("PGA_TIMESCALE_DSN", "timescaledb").await else { return };
    let mut days = days(database, None, Layout::Timescale).await;
    let reader = days.fixture.database.connect().await.unwrap();
    let reads = "begin; select count(*) from metrics.x_all where time > '2026-03-11' and time < '2026-03-12'";
    reader.simple_query(reads).await.unwrap();
    days.expire().await;
    assert_eq!((old_partitions(&days, "x_all").await, old_partitions(&days, "x_levels").await), (1, 0));
    days.push(0, "2026-03-11T12:00:20Z", 9).await;
    days.fixture.roll_up(days.later).await;
    compare(&days.fixture, &days.stored).await;
    reader.simple_query("rollback").await.unwrap();
    days.expire().await;
    assert_eq!((old_partitions(&days, "x_all").await, days.fixture.count("leaving").await), (0, 0));
    days.late_rows_count_once().await;
}

#[tokio::test]
async fn a_store_is_brought_to_timescale_and_that_goes_on_where_it_was_cut_off() {
    let Some(database) = database("PGA_TIMESCALE_DSN", "timescaledb").await else { return };
    let before = days(database, Some(Layout::Native), Layout::Native).await;
    let (stored, later, database) = (before.stored.clone(), before.later, before.fixture.database.clone());
    let (collector, epoch) = (before.fixture.collector, before.fixture.epoch);
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 1 }).await.unwrap();
    let error = to_timescale(&pool, &sets(), |_| {}).await.unwrap_err().to_string();
    assert!(error.starts_with("a server uses the store"), "{error}");
    before.fixture.store.pool().close();
    drop(before);
    let (seen, catalog) = (AtomicUsize::new(0), sets());
    for _ in 0..2 {
        let cut = Notify::new();
        tokio::select! {
            moved = to_timescale(&pool, &catalog, |_| {
                if seen.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
                    cut.notify_one();
                }
            }) => panic!("it was to be cut off: {moved:?}"),
            () = cut.notified() => {}
        }
        let error = store(&database, None).await.unwrap_err().to_string();
        assert!(error.contains("run `pganalytics admin layout timescale`"), "{error}");
    }
    // The connection that was cut off is in any state.
    pool.close();
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 1 }).await.unwrap();
    let mut left = usize::MAX;
    to_timescale(&pool, &sets(), |moved| left = moved.left).await.unwrap();
    assert_eq!(left, 0);
    pool.close();
    let store = store(&database, None).await.unwrap();
    assert_eq!(store.layout(), Layout::Timescale);
    let fixture = Fixture { collector, epoch, ..Fixture::over(database, store).await };
    compare(&fixture, &stored).await;
    let one = ::store::Holder { id: uuid::Uuid::now_v7(), host: "one".to_owned() };
    for job in [Job::Partitions, Job::Compress] {
        fixture.store.run_due(job, &one).await.unwrap();
    }
    let mut days = Days { fixture, stored, sequence: 1000, later };
    days.push(0, "2026-03-11T12:00:20Z", 9).await;
    days.fixture.roll_up(days.later).await;
    compare(&days.fixture, &days.stored).await;
    days.expire().await;
    days.late_rows_count_once().await;
}

#[tokio::test]
async fn citus_says_what_was_stored() {
    let Some(database) = database("PGA_CITUS_DSN", "citus").await else { return };
    let mut days = days(database, None, Layout::Citus).await;
    compare(&days.fixture, &days.stored).await;
    days.push(0, "2026-03-11T12:00:30Z", 20).await;
    days.fixture.roll_up(days.later).await;
    compare(&days.fixture, &days.stored).await;
    days.expire().await;
    assert_eq!(old_partitions(&days, "x_all").await, 0);
    compare(&days.fixture, &days.stored).await;
    days.late_rows_count_once().await;
}
