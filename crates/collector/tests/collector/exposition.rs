//! What is shown to scrapers is what PostgreSQL says, under names from the catalogue, and nothing once it cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::Catalog;
use collector::exposition::{ALIASES, Exposition, Latest, text};
use testkit::{Pg, PgOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{ROLE, Rig, make_role, run};

/// The samples of a text by name and labels.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let samples: BTreeMap<&str, f64> = lines
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(key, value)| (key, value.parse().unwrap()))
        .collect();
    assert_eq!(samples.len(), lines.len(), "no sample twice");
    samples
}

/// The sample of a name whose labels contain all of these.
fn sample(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let found: Vec<f64> = samples(text)
        .into_iter()
        .filter(|(key, _)| key.split('{').next() == Some(name) && labels.iter().all(|label| key.contains(label)))
        .map(|(_, value)| value)
        .collect();
    assert!(found.len() <= 1, "{name} {labels:?}: {found:?}");
    found.first().copied()
}

async fn get(exposition: &std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(exposition).await.unwrap();
    stream.write_all(format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn what_is_shown_is_what_was_read() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    let name = r#""a""b\
""#;
    run(&admin, &format!("create table {name} (x int); insert into {name} select 1 from generate_series(1, 7)")).await;
    // PostgreSQL counts when the session ends, at the latest.
    drop(admin);
    let admin = pg.connect("postgres").await.unwrap();
    let counted = "select count(*) from pg_stat_user_tables where n_tup_ins = 7";
    while admin.query_one(counted, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    let (latest, catalog) = (Arc::<Latest>::default(), Arc::new(Catalog::embedded().unwrap()));
    let nowhere = "127.0.0.1:0".parse().unwrap();
    let exposition = Exposition::bind(nowhere, &latest, &catalog, &[]).unwrap();
    let address = exposition.address().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let served = tokio::spawn(exposition.run(stopped));
    let mut rig = Rig::new(&pg, ROLE).shown_in(&latest);
    rig.whole_cycle().await;
    rig.whole_sweep().await;
    rig.whole_cycle().await;
    let shown = || text(&latest, &catalog, &[]).unwrap();

    let answer = get(&address, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("application/openmetrics-text"), "{answer}");
    assert!(answer.ends_with("# EOF\n"));
    assert!(get(&address, "GET /").await.starts_with("HTTP/1.1 404 "));
    assert!(get(&address, "POST /metrics").await.starts_with("HTTP/1.1 405 "));

    let text = shown();
    assert_eq!(sample(&text, "pganalytics_up", &["server="]), Some(1.0));
    // A counter and its second name say what PostgreSQL says, of a database by its name.
    let row = admin
        .query_one("select datid::int8, temp_files from pg_stat_database where datname = 'postgres'", &[])
        .await
        .unwrap();
    let (datid, temp_files): (i64, i64) = (row.get(0), row.get(1));
    for name in ["pganalytics_pg_stat_database_temp_files_total", "pg_stat_database_temp_files"] {
        let found = sample(&text, name, &["datname=\"postgres\"", &format!("datid=\"{datid}\"")]);
        assert_eq!(found, Some(f64::from(i32::try_from(temp_files).unwrap())), "{name}");
    }
    // A table of any name by that.
    let table = sample(&text, "pg_stat_user_tables_n_tup_ins", &["relname=\"a\\\"b\\\\\\n\""]);
    assert_eq!(table, Some(7.0), "{text}");
    let of_system = |line: &&str| line.contains("schemaname=\"pg_catalog\"");
    let lines = |prefix: &str| text.lines().filter(|line| line.starts_with(prefix)).filter(of_system).count();
    assert_eq!(lines("pg_stat_user_tables_"), 0);
    assert!(lines("pganalytics_pg_stat_all_tables_") > 0);
    // Durations and moments are in seconds.
    assert!(text.contains("# UNIT pganalytics_pg_stat_database_blk_read_time_seconds seconds"), "{text}");
    let start = sample(&text, "pg_postmaster_start_time_seconds", &["server="]).unwrap();
    let row = admin.query_one("select extract(epoch from pg_postmaster_start_time())::float8", &[]).await.unwrap();
    assert!((start - row.get::<_, f64>(0)).abs() < 1e-3, "{start}");
    // What is switched off reads 0 in PostgreSQL, and is not shown.
    assert_eq!(sample(&text, "pg_stat_database_blk_read_time", &["datname=\"postgres\""]), None);
    // Every name stands once, before its samples.
    let types: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(types.iter().collect::<BTreeSet<_>>().len(), types.len());

    // Nothing is said of what cannot be read.
    pg.stop_immediate().await.unwrap();
    rig.cycle().await;
    let text = shown();
    assert_eq!(sample(&text, "pganalytics_up", &["server="]), Some(0.0));
    assert!(!text.contains("pganalytics_pg_stat_database_temp_files_total{"), "{text}");
    stop.send(true).unwrap();
    served.await.unwrap();
}

#[test]
fn every_second_name_is_of_a_figure() {
    let catalog = Catalog::embedded().unwrap();
    let mut names = BTreeSet::new();
    for alias in ALIASES {
        assert!(catalog.get(alias.set).unwrap().definition.column(alias.column).is_some(), "{alias:?}");
        assert!(names.insert(alias.name), "{} twice", alias.name);
    }
}
