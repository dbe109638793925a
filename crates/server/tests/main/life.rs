//! The life of an instance: /instances/{id}/name, /retire, /return, /continue and /life, and what goes on by itself.

use std::time::Duration;

use prost::Message;
use serde_json::{Value, json};
use server::Clock;
use server::accounts::Role;
use uuid::Uuid;
use wire::{Attributes, BATCH_FORMAT, Batch, Instance, Reading};

use crate::support::{Answer, Server};
use crate::watched::{at, frame, primary};

const DATABASE: i64 = 16_384;
const HOUR: &str = "start=2026-03-01T11:30:00Z&end=2026-03-01T12:30:00Z";

/// A server with an administrator, and collectors that say what a test wants.
struct Fleet {
    server: Server,
    admin: String,
}

/// A collector, as its state directory has it.
struct Watcher {
    id: Uuid,
    token: String,
    epoch: Uuid,
    sequence: u64,
}

/// A postmaster that started at this time.
fn started(time: &str) -> Attributes {
    Attributes { postmaster_start_us: at(time).as_microsecond(), ..primary() }
}

impl Fleet {
    async fn new() -> Self {
        let server = Server::measuring(&[("RATE_LIMIT_USER_PER_MINUTE", "100000")]).await;
        let admin = server.signed_in(Role::Admin).await;
        Self { server, admin }
    }

    async fn watcher(&self, name: &str) -> Watcher {
        let (id, token) = self.server.collector(name).await;
        Watcher { id, token, epoch: Uuid::now_v7(), sequence: 0 }
    }

    /// A batch of an instance by this name, made now, with so many commits since the one before.
    fn batch(&self, watcher: &mut Watcher, name: &str, attributes: Option<Attributes>, commits: i64) -> Batch {
        let definition = self.server.app.catalog.get("pg_stat_database").unwrap().definition.clone();
        let now = self.server.clock.now().as_microsecond();
        let mut reading = Reading {
            set: "pg_stat_database".to_owned(),
            definition: definition.hash().0.to_vec(),
            started_us: now - 2000,
            time_us: now - 1000,
            interval_us: Some(10_000_000),
            duration_us: 500,
            ..Reading::default()
        };
        let row = json!({"datid": DATABASE, "xact_commit": commits, "xact_rollback": 0});
        reading.encode_rows(&frame(&definition, &[row]));
        watcher.sequence += 1;
        Batch {
            format: BATCH_FORMAT,
            collector_id: watcher.id.as_bytes().to_vec(),
            epoch: watcher.epoch.as_bytes().to_vec(),
            lane: vec![7; 16],
            sequence: watcher.sequence,
            created_us: now,
            hostname: "db-1.example".to_owned(),
            instances: vec![Instance { name: name.to_owned(), attributes, ..Instance::default() }],
            readings: vec![reading],
            ..Batch::default()
        }
    }

    async fn send(&self, watcher: &Watcher, batch: &Batch) -> Answer {
        let call = self.server.post("/metrics/push").bearer(&watcher.token);
        call.header("Content-Type", "application/x-protobuf").body(batch.encode_to_vec()).send().await
    }

    /// Delivers a batch that is made now.
    async fn deliver(&self, watcher: &mut Watcher, name: &str, attributes: Attributes, commits: i64) -> Value {
        let batch = self.batch(watcher, name, Some(attributes), commits);
        self.send(watcher, &batch).await.expect(202)
    }

    fn pass(&self, seconds: u64) {
        self.server.pass(Duration::from_secs(seconds));
    }

    async fn get(&self, path: &str) -> Value {
        self.server.get(path).bearer(&self.admin).send().await.expect(200)
    }

    async fn change(&self, method: &str, path: &str, body: Value) -> Answer {
        self.server.call(method, path).bearer(&self.admin).json(body).send().await
    }

    /// The numbers and names of the fleet, by number.
    async fn listed(&self) -> Vec<(i64, String)> {
        let fleet = self.get("/instances").await;
        let one = |one: &Value| (one["id"].as_i64().unwrap(), one["name"].as_str().unwrap().to_owned());
        let mut all: Vec<_> = fleet["data"].as_array().unwrap().iter().map(one).collect();
        all.sort();
        all
    }

    async fn commits(&self, id: i64) -> f64 {
        let databases = self.get(&format!("/instances/{id}/databases?{HOUR}")).await;
        databases["data"].as_array().unwrap().iter().filter_map(|one| one["xact_commit"].as_f64()).sum()
    }
}

fn names(all: &[(i64, &str)]) -> Vec<(i64, String)> {
    all.iter().map(|(id, name)| (*id, (*name).to_owned())).collect()
}

#[tokio::test]
async fn who_is_retired_leaves_the_fleet_until_it_is_read_again() {
    let fleet = Fleet::new().await;
    let mut watcher = fleet.watcher("a").await;
    fleet.deliver(&mut watcher, "main", started("08:00:00"), 60).await;
    let refused = fleet.change("POST", "/instances/1/retire", json!({})).await;
    refused.refused(409, "still_read");

    fleet.pass(180);
    let life = fleet.change("POST", "/instances/1/retire", json!({"why": "Its machine is gone."})).await.expect(200);
    assert_eq!(life["retired"]["why"], "Its machine is gone.");
    assert_eq!(fleet.listed().await, []);
    fleet.change("POST", "/instances/1/retire", json!({})).await.refused(409, "already_retired");
    let retired = fleet.get("/instances?retired=true").await;
    let one = &retired["data"][0];
    assert_eq!((&one["id"], &one["state"]), (&json!(1), &json!("no_data")));
    let reason = one["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("Retired since 2026-03-01 12:03:00 UTC by "), "{reason}");
    assert!(reason.ends_with(": Its machine is gone."), "{reason}");
    assert_eq!(one["reasons"].as_array().unwrap().len(), 1, "nothing else is to be done about it");
    assert_eq!(fleet.get("/metrics/health").await["data"][0]["instances"], json!([]));
    // Its history stays, and in a fleet of the past it is where it was.
    assert_eq!(fleet.commits(1).await, 60.0);
    assert_eq!(fleet.get("/instances?at=2026-03-01T12:01:00Z").await["count"], 1);

    // It is told of and not read: that it is gone is what was known.
    let mut down = fleet.batch(&mut watcher, "main", None, 0);
    down.readings.clear();
    down.instances[0].error = Some("connection refused by db-1:5432".to_owned());
    fleet.send(&watcher, &down).await.expect(202);
    assert_eq!(fleet.listed().await, []);
    fleet.pass(10);
    fleet.deliver(&mut watcher, "main", started("12:03:05"), 7).await;
    assert_eq!(fleet.listed().await, names(&[(1, "main")]));
    assert_eq!(fleet.commits(1).await, 67.0);
    let changes = fleet.get("/instances/1/life").await["changes"].clone();
    let told = |nth: usize| (changes[nth]["change"].clone(), changes[nth]["by"].is_null());
    assert_eq!((told(0), told(1)), ((json!("returned"), true), (json!("retired"), false)), "{changes}");

    // Or an administrator has it back.
    fleet.change("POST", "/instances/1/return", json!({})).await.refused(409, "not_retired");
    fleet.pass(180);
    fleet.change("POST", "/instances/1/retire", json!({})).await.expect(200);
    fleet.change("POST", "/instances/1/return", json!({})).await.expect(200);
    assert_eq!(fleet.listed().await, names(&[(1, "main")]));
    fleet.change("POST", "/instances/9/retire", json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_name_that_is_given_is_its_own_and_stays() {
    let fleet = Fleet::new().await;
    let mut watcher = fleet.watcher("a").await;
    fleet.deliver(&mut watcher, "main", started("08:00:00"), 60).await;
    fleet.deliver(&mut watcher, "other", Attributes { system_identifier: "7302".to_owned(), ..primary() }, 5).await;
    let rename = async |id: i64, name: Value| {
        fleet.change("PUT", &format!("/instances/{id}/name"), json!({"name": name, "why": "clearer"})).await
    };
    rename(1, json!("other")).await.refused(409, "name_taken");
    // Nobody tells them apart at night.
    rename(1, json!("OTHER")).await.refused(409, "name_taken");
    rename(1, json!("ot\u{200b}her")).await.refused(400, "invalid_request");
    fleet.change("PUT", "/instances/1/name", json!({})).await.refused(400, "invalid_request");
    fleet.change("PUT", "/instances/1/name", json!({"why": "no name"})).await.refused(400, "invalid_request");
    for wrong in ["", " a", "a\nb", &"x".repeat(256)] {
        rename(1, json!(wrong)).await.refused(400, "invalid_request");
    }
    let odd = "Kasse „Süd“ 🐘 'a\"b";
    let life = rename(1, json!(odd)).await.expect(200);
    assert_eq!(life["name"], odd);
    assert_eq!((&life["changes"][0]["from"], &life["changes"][0]["to"]), (&json!("main"), &json!(odd)));
    // It is delivered under its own name as before, and one that comes later may have the name of its file.
    fleet.pass(60);
    fleet.deliver(&mut watcher, "main", started("08:00:00"), 40).await;
    assert_eq!(fleet.listed().await, names(&[(1, odd), (2, "other")]));
    assert_eq!(fleet.commits(1).await, 100.0);
    let life = rename(1, Value::Null).await.expect(200);
    assert_eq!((&life["name"], &life["named_by"]), (&json!("main"), &Value::Null));
}

#[tokio::test]
async fn who_lost_its_state_and_registers_anew_goes_on_with_its_instance() {
    let fleet = Fleet::new().await;
    let mut lost = fleet.watcher("a").await;
    fleet.deliver(&mut lost, "main", started("08:00:00"), 60).await;
    fleet.pass(10);
    // Read before the state was lost, and not delivered.
    let waiting = fleet.batch(&mut lost, "main", Some(started("08:00:00")), 3);
    fleet.pass(10);

    let mut anew = fleet.watcher("a").await;
    let first = fleet.batch(&mut anew, "main", Some(started("08:00:00")), 0);
    let asked = fleet.send(&anew, &first).await;
    asked.refused(503, "instance_undecided");
    assert!(asked.text.contains("another collector still watches this instance"), "{}", asked.text);
    // What is read of databases waits, too.
    let mut part = fleet.batch(&mut anew, "main", None, 5);
    part.readings[0].datid = Some(DATABASE);
    fleet.send(&anew, &part).await.refused(503, "instance_undecided");
    fleet.pass(45);
    fleet.send(&anew, &first).await.expect(202);
    fleet.send(&anew, &part).await.expect(202);
    assert_eq!(fleet.listed().await, names(&[(1, "main")]));
    fleet.deliver(&mut anew, "main", started("08:00:00"), 20).await;
    assert_eq!(fleet.commits(1).await, 85.0);
    let life = fleet.get("/instances/1/life").await;
    assert_eq!(life["changes"][0]["change"], "adopted", "{life}");
    assert_eq!(life["delivered_as"].as_array().unwrap().len(), 2, "{life}");

    // The one of before comes back: what it had read by then is of this instance, and what it reads now of another one.
    fleet.send(&lost, &waiting).await.expect(202);
    assert_eq!(fleet.commits(1).await, 88.0);
    fleet.pass(10);
    fleet.deliver(&mut anew, "main", started("08:00:00"), 1).await;
    let late = fleet.batch(&mut lost, "main", Some(started("08:00:00")), 500);
    fleet.send(&lost, &late).await.refused(503, "instance_undecided");
    fleet.pass(10);
    fleet.deliver(&mut anew, "main", started("08:00:00"), 1).await;
    fleet.send(&lost, &late).await.expect(202);
    assert_eq!((fleet.commits(1).await, fleet.commits(2).await), (90.0, 500.0));
    let told = fleet.get("/instances/2").await["reasons"].to_string();
    assert!(told.contains("The same PostgreSQL is watched as instance 1 (main), too"), "{told}");
}

#[tokio::test]
async fn what_a_removed_collector_watched_goes_on_at_once() {
    let fleet = Fleet::new().await;
    let mut removed = fleet.watcher("a").await;
    fleet.deliver(&mut removed, "main", started("08:00:00"), 60).await;
    fleet.pass(5);
    let path = format!("/collectors/{}", removed.id);
    fleet.server.call("DELETE", &path).bearer(&fleet.admin).send().await.expect(204);
    let mut anew = fleet.watcher("a").await;
    fleet.deliver(&mut anew, "main", started("08:00:00"), 5).await;
    assert_eq!((fleet.listed().await, fleet.commits(1).await), (names(&[(1, "main")]), 65.0));
}

#[tokio::test]
async fn clones_and_standbys_are_never_taken_for_another() {
    let fleet = Fleet::new().await;
    let mut watcher = fleet.watcher("a").await;
    fleet.deliver(&mut watcher, "main", started("08:00:00"), 60).await;
    fleet.pass(600);
    // Of the same cluster, at the same address: by `pg_basebackup`, or from a snapshot, as another collector sees it.
    let mut other = fleet.watcher("b").await;
    fleet.deliver(&mut other, "main", started("08:00:01"), 5).await;
    let standby = Attributes { role: "standby".to_owned(), host: "db-2".to_owned(), ..started("08:00:02") };
    fleet.deliver(&mut other, "standby", standby, 7).await;
    assert_eq!(fleet.listed().await, names(&[(1, "main"), (2, "main"), (3, "standby")]));
    assert_eq!((fleet.commits(1).await, fleet.commits(2).await), (60.0, 5.0));
    // An administrator is told, and decides.
    let life = fleet.get("/instances/2/life").await;
    assert_eq!(life["looks_like"][0]["id"], 1, "{life}");
    assert_eq!(fleet.get("/instances/3/life").await["looks_like"], json!([]));
    let reasons = fleet.get("/instances/2").await["reasons"].to_string();
    assert!(reasons.contains("It looks like instance 1 (main), last seen 2026-03-01 12:00:00 UTC"), "{reasons}");
}

#[tokio::test]
async fn two_collectors_at_once_have_an_instance_each_until_one_goes_on_for_both() {
    let fleet = Fleet::new().await;
    let (mut a, mut b) = (fleet.watcher("a").await, fleet.watcher("b").await);
    fleet.deliver(&mut a, "main", started("08:00:00"), 60).await;
    fleet.pass(10);
    let first = fleet.batch(&mut b, "moved", Some(started("08:00:00")), 0);
    fleet.send(&b, &first).await.refused(503, "instance_undecided");
    fleet.pass(10);
    fleet.deliver(&mut a, "main", started("08:00:00"), 10).await;
    fleet.send(&b, &first).await.expect(202);
    assert_eq!(fleet.listed().await, names(&[(1, "main"), (2, "moved")]));
    let change = json!({"from": 2, "why": "moved"});
    fleet.change("POST", "/instances/1/continue", change.clone()).await.refused(409, "still_read");
    fleet.change("POST", "/instances/1/continue", json!({"from": 1})).await.refused(409, "same_instance");

    // The configuration of the first has it no more.
    fleet.pass(180);
    fleet.deliver(&mut b, "moved", started("08:00:00"), 100).await;
    assert_eq!(fleet.get("/instances/2/life").await["looks_like"][0]["id"], 1);
    fleet.change("POST", "/instances/1/continue", change.clone()).await.expect(200);
    // What was made before is of the instance that it was read as.
    fleet.pass(60);
    let next = fleet.deliver(&mut b, "moved", started("08:00:00"), 7).await;
    assert_eq!(next["forgotten"], true, "names and texts are told again: {next}");
    fleet.pass(180);
    let later = fleet.deliver(&mut b, "moved", started("08:00:00"), 5).await;
    assert_eq!(later["forgotten"], false, "{later}");
    assert_eq!((fleet.commits(1).await, fleet.commits(2).await), (82.0, 100.0));
    assert_eq!(fleet.listed().await, names(&[(1, "moved")]));
    let left = fleet.get("/instances/2").await;
    assert_eq!(left["retired"]["continued_as"], 1, "{left}");
    fleet.change("POST", "/instances/2/return", json!({})).await.refused(409, "continued");
    fleet.change("POST", "/instances/1/continue", change).await.refused(409, "continued");
}

#[tokio::test]
async fn another_name_in_the_file_begins_no_other_history() {
    let fleet = Fleet::new().await;
    let mut watcher = fleet.watcher("a").await;
    fleet.deliver(&mut watcher, "main", started("08:00:00"), 60).await;
    fleet.pass(90);
    fleet.deliver(&mut watcher, "prod \"1\" 🐘", started("08:00:00"), 5).await;
    assert_eq!(fleet.listed().await, names(&[(1, "prod \"1\" 🐘")]));
    // One that was given stays.
    fleet.change("PUT", "/instances/1/name", json!({"name": "shop"})).await.expect(200);
    fleet.pass(90);
    fleet.deliver(&mut watcher, "prod", started("08:00:00"), 5).await;
    assert_eq!(fleet.listed().await, names(&[(1, "shop")]));
    assert_eq!(fleet.commits(1).await, 70.0);
}

/// A server that knows no better still takes them for the one of before: it is told so by the store.
#[tokio::test]
async fn what_went_on_by_another_server_is_not_counted_twice() {
    let fleet = Fleet::new().await;
    let mut a = fleet.watcher("a").await;
    fleet.deliver(&mut a, "main", started("08:00:00"), 60).await;
    let client = fleet.server.app.metrics.get().await.unwrap();
    let elsewhere = "with closed as (
             update metrics.sources set until = '2026-03-01T12:00:30Z' where instance_id = 1 returning name)
         insert into metrics.sources (collector_id, name, instance_id, since)
         select gen_random_uuid(), name, 1, '2026-03-01T12:00:30Z' from closed";
    client.execute(elsewhere, &[]).await.unwrap();
    fleet.pass(20);
    fleet.deliver(&mut a, "main", started("08:00:00"), 7).await;
    fleet.pass(120);
    let late = fleet.batch(&mut a, "main", Some(started("08:30:00")), 500);
    fleet.send(&a, &late).await.refused(503, "instance_undecided");
    fleet.send(&a, &late).await.expect(202);
    assert_eq!((fleet.commits(1).await, fleet.commits(2).await), (67.0, 500.0));
}
