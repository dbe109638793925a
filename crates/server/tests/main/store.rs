//! Tables from the catalogue, partitions and retention.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fixture::{Fixture, open_store, sample_catalog};
use server::Embedded;
use store::{PoolSettings, Store, open};

#[tokio::test]
async fn preparing_again_or_at_once_changes_nothing() {
    let database = testkit::store().await.unwrap();
    let prepare = || async {
        let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 4 }).await.unwrap();
        Store::prepare(pool, sample_catalog()).await.unwrap().store_id()
    };
    let (a, b) = tokio::join!(prepare(), prepare());
    assert_eq!((a, b), (a, prepare().await), "the store's identity is made once");
    let client = database.connect().await.unwrap();
    let help: Option<String> =
        client.query_one("select obj_description('metrics.x_sample'::regclass)", &[]).await.unwrap().get(0);
    assert_eq!(help.as_deref(), Some("Every type; it's a test."));
    let partitions: i64 = client
        .query_one("select count(*) from pg_inherits where inhparent = 'metrics.x_sample'::regclass", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(partitions, 5, "yesterday's, today's, and three days ahead");
}

#[tokio::test]
async fn what_is_past_its_retention_goes_and_the_rest_stays() {
    let fixture = Fixture::new().await;
    fixture.push(&fixture.sample_batch(1, &[1], 1)).await.unwrap();
    let store = open_store(&fixture.dsn).await;
    let now = Timestamp::now();
    assert_eq!(store.drop_expired(now).await.unwrap().dropped, 0, "nothing is old");
    let later = now + SignedDuration::from_hours(24 * 9);
    store.drop_expired(later).await.unwrap();
    assert_eq!(fixture.count("metrics.x_sample").await, 1, "its tiers are not made yet");
    store.roll_up(later).await.unwrap();
    assert!(store.drop_expired(later).await.unwrap().dropped > 0);
    assert_eq!(fixture.count("metrics.x_sample").await, 0);
    assert_eq!(fixture.count("metrics.readings").await, 1, "readings are kept longer");
    assert_eq!(fixture.count("metrics.ledger").await, 1);
    store.drop_expired(now + SignedDuration::from_hours(24 * 40)).await.unwrap();
    assert_eq!((fixture.count("metrics.readings").await, fixture.count("metrics.ledger").await), (0, 0));
}

#[tokio::test]
async fn the_reading_role_reads_and_does_not_write() {
    let fixture = Fixture::new().await;
    fixture.push(&fixture.sample_batch(1, &[1], 1)).await.unwrap();
    fixture.client.simple_query("set role pganalytics_read").await.unwrap();
    assert_eq!(fixture.count("metrics.x_sample").await, 1);
    assert!(fixture.client.simple_query("delete from metrics.x_sample").await.is_err());
}

fn start(folder: &std::path::Path) -> Embedded {
    Embedded::start(Embedded::claim(folder).unwrap(), folder, None).unwrap()
}

async fn postmaster(dsn: &str) -> String {
    let client = testkit::connect(dsn).await.unwrap();
    let row = client.query_one("select pg_postmaster_start_time()::text", &[]).await.unwrap();
    row.get(0)
}

fn postmaster_pid(folder: &std::path::Path) -> Pid {
    let text = std::fs::read_to_string(folder.join("postgresql/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_command_uses_the_servers_store_and_leaves_it_running() {
    let folder = passable_folder();
    assert!(Embedded::join(folder.path(), false).unwrap_err().is::<server::NoStore>());
    let mut server = start(folder.path());
    let dsn = server.prepare().await.unwrap();
    let (store_id, started) = (open_store(&dsn).await.store_id(), postmaster(&dsn).await);
    let refused = Embedded::claim(folder.path()).unwrap_err().to_string();
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    let mut guests = [Embedded::join(folder.path(), false).unwrap(), Embedded::join(folder.path(), true).unwrap()];
    for guest in &mut guests {
        assert_eq!(guest.prepare().await.unwrap(), dsn);
    }
    guests.into_iter().for_each(|guest| guest.stop().unwrap());
    assert_eq!(postmaster(&dsn).await, started, "the server's store goes on");
    server.stop().unwrap();
    assert!(testkit::connect(&dsn).await.is_err());
    let mut command = Embedded::join(folder.path(), false).unwrap();
    let dsn = command.prepare().await.unwrap();
    assert_eq!(open_store(&dsn).await.store_id(), store_id, "what was stored is there again");
    command.stop().unwrap();
    assert!(testkit::connect(&dsn).await.is_err(), "what a command started it stops");
}

#[tokio::test]
async fn a_dead_store_is_started_again_and_the_pool_recovers() {
    let folder = passable_folder();
    let mut server = start(folder.path());
    let dsn = server.prepare().await.unwrap();
    let pool = open(&PoolSettings { url: dsn.clone(), max_connections: 4 }).await.unwrap();
    let server = server.keep().unwrap();
    let condition = server.condition().unwrap();
    for signal in [Signal::SIGKILL, Signal::SIGQUIT, Signal::SIGINT] {
        let before = postmaster(&dsn).await;
        kill(postmaster_pid(folder.path()), signal).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let alive = async {
                let client = pool.get().await.ok()?;
                let row = client.query_one("select pg_postmaster_start_time()::text", &[]).await.ok()?;
                Some(row.get::<_, String>(0))
            };
            if alive.await.is_some_and(|started| started != before) && condition.outage().is_none() {
                break;
            }
            assert!(Instant::now() < deadline, "after {signal}: {:?}", condition.outage());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    server.stop().unwrap();
}

#[tokio::test]
async fn an_outage_is_told_while_the_store_is_being_started() {
    let folder = passable_folder();
    let mut server = start(folder.path());
    let dsn = server.prepare().await.unwrap();
    let client = testkit::connect(&dsn).await.unwrap();
    // A backend that holds on to the shared memory keeps the start waiting.
    let backend: i32 = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    kill(Pid::from_raw(backend), Signal::SIGSTOP).unwrap();
    let server = server.keep().unwrap();
    let condition = server.condition().unwrap();
    kill(postmaster_pid(folder.path()), Signal::SIGKILL).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut told = Vec::new();
    while testkit::connect(&dsn).await.is_err() || condition.outage().is_some() || told.is_empty() {
        told.extend(condition.outage().map(|outage| outage.sentence(Instant::now())));
        assert!(Instant::now() < deadline, "{told:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (how, what) = told[0].split_once(" s ago; ").unwrap();
    assert!(how.starts_with("PostgreSQL was killed (signal 9) "), "{told:?}");
    assert_eq!(what, "it is being started again");
    server.stop().unwrap();
}

#[tokio::test]
async fn the_embedded_store_lets_grafana_read_over_tcp_and_nobody_else_in() {
    let folder = passable_folder();
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let owner = Embedded::claim(folder.path()).unwrap();
    let mut embedded = Embedded::start(owner, folder.path(), Some(anywhere)).unwrap();
    let dsn = embedded.prepare().await.unwrap();
    embedded.admit_reader("OpenSesame").await.unwrap();
    embedded.admit_reader("Geheim-4_2").await.unwrap();
    open_store(&dsn).await;
    let (address, port) = embedded.listens().map(|(address, port)| (address.to_owned(), port)).unwrap();
    let as_role = async |role: &str, password: &str| {
        let over_tcp = format!("host={address} port={port} dbname=pganalytics user={role} password={password}");
        testkit::connect(&over_tcp).await
    };
    let grafana = as_role("pganalytics_grafana", "Geheim-4_2").await.unwrap();
    let instances: i64 = grafana.query_one("select count(*) from metrics.instances", &[]).await.unwrap().get(0);
    assert_eq!(instances, 0);
    assert!(grafana.query("delete from metrics.instances", &[]).await.is_err());
    assert!(as_role("pganalytics_grafana", "OpenSesame").await.is_err(), "the password is another one now");
    assert!(as_role("postgres", "Geheim-4_2").await.is_err(), "the owner has no password");
    drop(grafana);
    embedded.stop().unwrap();
}

/// A folder that the account of the cluster can pass through.
fn passable_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[tokio::test]
async fn every_set_has_a_view_with_names() {
    let database = testkit::store().await.unwrap();
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 4 }).await.unwrap();
    let catalog = std::sync::Arc::new(catalog::Catalog::embedded().unwrap());
    let store = Store::prepare(pool, catalog).await.unwrap();
    let client = database.connect().await.unwrap();
    for known in store.definitions().sets().iter().filter(|known| known.kind != catalog::SetKind::Texts) {
        let view = format!("metrics.{}_named", known.definition.name);
        let time = if known.kind == catalog::SetKind::Info { "valid_from" } else { "time" };
        client.query(&format!("select instance, {time} from {view}"), &[]).await.unwrap();
    }
    client
        .simple_query(
            "insert into metrics.instances (collector_id, name, version_num) values (gen_random_uuid(), 'one', 150001);
             insert into metrics.pg_database (instance_id, valid_from, valid_to, seen_at, removed, datid, datname)
             values (1, now() - interval '1 day', now(), now(), false, 5, 'old'),
                 (1, now(), 'infinity', now(), false, 5, 'shop');
             insert into metrics.pg_roles (instance_id, valid_from, valid_to, seen_at, removed, roleid, rolname)
             values (1, now(), 'infinity', now(), false, 10, 'ada');
             insert into metrics.texts (instance_id, major, dbid, queryid, query, captured_at)
             values (1, 14, 5, -1, 'older', now()), (1, 15, 5, -1, 'select $1', now());
             insert into metrics.pg_stat_statements (instance_id, time, userid, dbid, queryid, toplevel, calls)
             values (1, now(), 10, 5, -1, true, 3)",
        )
        .await
        .unwrap();
    let sql = "select instance, database, role, query, calls from metrics.pg_stat_statements_named";
    let row = client.query_one(sql, &[]).await.unwrap();
    let words: Vec<String> = (0..4).map(|place| row.get(place)).collect();
    assert_eq!((words, row.get::<_, i64>(4)), (["one", "shop", "ada", "select $1"].map(str::to_owned).to_vec(), 3));
}

#[tokio::test]
async fn an_address_that_cannot_be_is_refused_without_its_password() {
    for url in ["postgresql://me:hunter2@host:port/x", "host=/tmp password=hunter2 sslmode=sometimes", "hunter2"] {
        let error = open(&PoolSettings { url: url.to_owned(), max_connections: 4 }).await.expect_err("refused");
        let words = format!("{error} {error:?}");
        assert!(!words.contains("hunter2"), "{words}");
    }
}

#[tokio::test]
async fn a_pool_takes_no_more_connections_than_the_store_allows() {
    let database = testkit::store().await.unwrap();
    let client = database.connect().await.unwrap();
    // Ten are left to others.
    client.execute(&format!("alter database \"{}\" connection limit 14", database.name), &[]).await.unwrap();
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 200 }).await.unwrap();
    let hold = || async {
        let client = pool.get().await.unwrap();
        let held = "select count(*) from pg_stat_activity
                    where datname = current_database() and application_name = 'pganalytics server'";
        client.query_one(held, &[]).await.unwrap().get::<_, i64>(0)
    };
    let held = futures_util::future::join_all((0..50).map(|_| hold())).await;
    assert_eq!(held.iter().max(), Some(&4), "{held:?}");
}

/// Answers every start-up packet as a server that has no connection left, so many times, and then not at all.
async fn full(listener: tokio::net::TcpListener) -> usize {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut attempts = 0;
    let patience = Duration::from_secs(30);
    while attempts < 3
        && let Ok(Ok((mut socket, _))) = tokio::time::timeout(patience, listener.accept()).await
    {
        attempts += 1;
        let mut packet = [0; 1024];
        let _ = socket.read(&mut packet).await.unwrap();
        let fields = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        socket.write_all(&[b"E", &length[..], fields].concat()).await.unwrap();
    }
    attempts
}

#[tokio::test]
async fn a_store_without_a_free_connection_is_asked_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("host=127.0.0.1 port={port} user=x dbname=x sslmode=disable");
    let asking = tokio::spawn(async move { open(&PoolSettings { url, max_connections: 2 }).await.map(|_| ()) });
    assert_eq!(full(listener).await, 3, "it is asked again, while it has none");
    // Nobody listens any more: that is no reason to wait.
    assert!(asking.await.unwrap().is_err());
}
