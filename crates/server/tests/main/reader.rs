//! Reads are bounded, apart from ingest, cancelled when nobody waits, and see what their caller may see.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::store::PoolSettings;
use reads::{ReadError, Snapshot, View};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use server::accounts::Role;
use tokio_postgres::Client;

use crate::fixed_store::fill;
use crate::support::Server;
use crate::watched::Watched;

/// Waits until a count is as wanted; says what it was instead.
async fn until(client: &Client, sql: &str, wanted: i64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{found} instead of {wanted}: {sql}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const SLEEPING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and query like 'select pg_sleep(%' and state = 'active'";
const WAITING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'";

#[tokio::test]
async fn a_read_that_nobody_waits_for_is_cancelled_and_its_connection_not_handed_on() {
    let server = Server::measuring(&[]).await;
    let observer = server.app.pool.get().await.unwrap();
    let reader = server.app.reader().unwrap();
    let snapshot = reader.begin(View::All, server.app.clock.now()).await.unwrap();
    let pid: i32 = snapshot.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let read = tokio::spawn(async move { snapshot.query("select pg_sleep(600)", &[]).await.map(|_| ()) });
    until(&observer, SLEEPING, 1).await;
    read.abort();
    until(&observer, SLEEPING, 0).await;
    until(&observer, &format!("select count(*) from pg_stat_activity where pid = {pid}"), 0).await;
    // One that was answered goes back, without its transaction.
    let snapshot = reader.begin(View::All, server.app.clock.now()).await.unwrap();
    let pid: i32 = snapshot.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    drop(snapshot);
    let idle = format!("select count(*) from pg_stat_activity where pid = {pid} and state = 'idle'");
    until(&observer, &idle, 1).await;
}

#[tokio::test]
async fn a_batch_of_reads_takes_few_connections() {
    let server = Server::measuring(&[]).await;
    let token = server.signed_in(Role::Viewer).await;
    let mut blocker = server.app.pool.get().await.unwrap();
    let observer = server.app.pool.get().await.unwrap();
    let transaction = blocker.transaction().await.unwrap();
    transaction.execute("lock table metrics.instances in access exclusive mode", &[]).await.unwrap();
    let requests: Vec<Value> = (0..20).map(|_| json!({"path": "/instances"})).collect();
    let call = server.post("/batch").bearer(&token).json(json!({"requests": requests}));
    let batch = tokio::spawn(call.send());
    until(&observer, WAITING, 4).await;
    transaction.commit().await.unwrap();
    let answer = batch.await.unwrap().expect(200);
    let answers = answer["responses"].as_array().unwrap();
    assert!(answers.len() == 20 && answers.iter().all(|one| one["status"] == 200), "{answer:#}");
}

#[tokio::test]
async fn reads_that_fill_their_connections_leave_ingest_its_own_and_say_that_they_are_too_many() {
    let watched = Watched::new().await;
    let two = PoolSettings { url: watched.server.dsn.clone(), max_connections: 2 };
    let reader =
        reads::Reader::new(::store::open(&two).await.unwrap().into(), Arc::clone(watched.server.app.store().unwrap()));
    let now = watched.server.app.clock.now();
    let held = [reader.begin(View::All, now).await.unwrap(), reader.begin(View::All, now).await.unwrap()];
    watched.push(watched.batch(Vec::new())).await;
    let refused = reader.begin(View::All, now).await.unwrap_err();
    assert_eq!(refused.to_string(), "too many reads are under way");
    drop(held);
    reader.begin(View::All, now).await.unwrap();
}

/// What a query string with these parameters would ask.
fn asked<T: DeserializeOwned>(query: Value) -> T {
    serde_json::from_value(query).unwrap()
}

fn told<T: Serialize>(answer: Result<T, ReadError>) -> String {
    match answer {
        Ok(answer) => serde_json::to_string(&answer).unwrap(),
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

/// All that can be read of everything and of the first instance that may be seen.
async fn everything(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let range = json!({"start": "2026-03-01T11:00:00Z", "end": "2026-03-01T12:00:00Z"});
    let of_set = |set: &str| json!({"set": set, "start": "2026-03-01T11:00:00Z", "end": "2026-03-01T12:00:00Z"});
    let mut all = vec![
        ("instances", told(reads::instances::list(snapshot, asked(range.clone())).await)),
        ("count", told(reads::metrics::count_rows(snapshot, asked(json!({}))).await)),
        ("rows", told(reads::metrics::read_rows(snapshot, asked(of_set("wal"))).await)),
        ("sets", serde_json::to_string(&reads::metrics::list_sets(snapshot)).unwrap()),
    ];
    for number in [1, 2] {
        let Some(id) = snapshot.instance(number).await.unwrap() else { continue };
        let when = || asked::<reads::When>(range.clone());
        all.extend([
            ("instance", told(reads::instances::get(snapshot, id, asked(range.clone())).await)),
            ("coverage", told(reads::instances::get_coverage(snapshot, id).await)),
            ("cost", told(reads::cost::get(snapshot, id, when()).await)),
            ("databases", told(reads::databases::list(snapshot, id, when()).await)),
            ("host", told(reads::host::get(snapshot, id, when()).await)),
            ("disks", told(reads::host::disks(snapshot, id, when()).await)),
            ("indexes", told(reads::indexes::list(snapshot, id, asked(range.clone())).await)),
            ("tables", told(reads::tables::list(snapshot, id, asked(range.clone())).await)),
            ("locks", told(reads::locks::get(snapshot, id, when()).await)),
            ("settings", told(reads::pg_settings::list(snapshot, id, asked(json!({}))).await)),
            ("queries", told(reads::queries::list(snapshot, id, asked(range.clone())).await)),
            ("query", told(reads::queries::get(snapshot, id, "1001", asked(range.clone())).await)),
            ("timeline", told(reads::queries::timeline(snapshot, id, "1001", asked(range.clone())).await)),
            ("replication", told(reads::replication::get(snapshot, id, when()).await)),
            ("activity", told(reads::sessions::activity(snapshot, id, asked(json!({}))).await)),
            ("waits", told(reads::sessions::waits(snapshot, id, asked(range.clone())).await)),
            ("connections", told(reads::sessions::connections(snapshot, id, when()).await)),
            ("slots", told(reads::slots::list(snapshot, id, when()).await)),
            ("wal", told(reads::wal::get(snapshot, id, when()).await)),
            ("wraparound", told(reads::wraparound::list(snapshot, id, when()).await)),
        ]);
    }
    all
}

#[tokio::test]
async fn who_may_see_one_instance_reads_nothing_of_another() {
    let watched = Watched::new().await;
    fill(&watched).await;
    let reader = watched.server.app.reader().unwrap();
    let now = watched.server.app.clock.now();
    for (seen, hidden) in [(1, "prod-2"), (2, "prod-1")] {
        let view = View::Only(Arc::from([seen]));
        let snapshot = reader.begin(view, now).await.unwrap();
        assert_eq!(snapshot.instance(3 - seen).await.unwrap(), None);
        let told = everything(&snapshot).await;
        let tells: Vec<&str> = told.iter().filter(|(_, body)| body.contains(hidden)).map(|(read, _)| *read).collect();
        assert_eq!(tells, Vec::<&str>::new(), "reads of {seen} that tell of {hidden}");
    }
    let whole = reader.begin(View::All, now).await.unwrap();
    let told = everything(&whole).await;
    let both: Vec<&str> = told
        .iter()
        .filter(|(_, body)| body.contains("prod-1") && body.contains("prod-2"))
        .map(|(read, _)| *read)
        .collect();
    assert_eq!(both, ["instances", "replication", "replication"], "who may see both is told of both");
    let nobody = reader.begin(View::Only(Arc::from([])), now).await.unwrap();
    let told = everything(&nobody).await;
    assert_eq!(told[0].1, r#"{"data":[],"count":0,"total":0,"page":1,"page_size":20,"total_pages":1}"#);
    assert!(told[1].1.contains(r#""count":0"#), "{}", told[1].1);
}
