//! Background work: once per interval whoever looks, taken over, tried again.

use std::time::{Duration, Instant};

use ::store::{Holder, Job, Outcome, Store};
use serde_json::{Value, json};
use server::accounts::Role;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::support::Server;
use crate::tiers_store::{Fixture, open_tiers};

fn process(host: &str) -> Holder {
    Holder { id: Uuid::now_v7(), host: host.to_owned() }
}

async fn make_due(client: &Client) {
    client.simple_query("update metrics.jobs set next_at = now()").await.unwrap();
}

async fn row(client: &Client, job: Job) -> Row {
    let sql = "select holder, host, failures, error, extract(epoch from next_at - error_at)::float8, done::text
               from metrics.jobs where name = $1";
    client.query_one(sql, &[&job.name()]).await.unwrap()
}

/// Waits until a statement says yes.
async fn until(client: &Client, sql: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(Instant::now() < deadline, "{sql}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Keeps retention waiting at a table until the answer goes.
async fn hold_up(fixture: &Fixture) -> Client {
    let blocker = fixture.database.connect().await.unwrap();
    blocker.simple_query("begin; lock table metrics.flags").await.unwrap();
    blocker
}

const WAITS: &str = "select exists (select from pg_locks where not granted and relation = 'metrics.flags'::regclass)";

#[tokio::test]
async fn of_several_servers_one_does_a_job_once_per_interval() {
    let fixture = Fixture::new().await;
    let other = open_tiers(&fixture.database).await;
    let (one, two) = (process("one"), process("two"));
    for job in Job::ALL {
        for _ in 0..2 {
            make_due(&fixture.client).await;
            let both = tokio::join!(fixture.store.run_due(job, &one), other.run_due(job, &two));
            let both = [both.0.unwrap(), both.1.unwrap()];
            let count = |outcome: Outcome| both.iter().filter(|one| **one == outcome).count();
            let (done, left) = (count(Outcome::Done { is_left: false }), count(Outcome::Left { failures: 0 }));
            assert_eq!((done, left), (1, 1), "{job:?}: {both:?}");
            let again = fixture.store.run_due(job, &one).await.unwrap();
            assert_eq!(again, Outcome::Left { failures: 0 }, "{job:?} is not due");
        }
    }
}

#[tokio::test]
async fn the_job_of_a_server_that_is_gone_is_taken_over() {
    let fixture = Fixture::new().await;
    let other = open_tiers(&fixture.database).await;
    let (one, two) = (process("one"), process("two"));
    let blocker = hold_up(&fixture).await;
    let (store, holder) = (fixture.store.clone(), one.clone());
    let running = tokio::spawn(async move { store.run_due(Job::Retention, &holder).await });
    until(&fixture.client, WAITS).await;
    assert_eq!(other.run_due(Job::Retention, &two).await.unwrap(), Outcome::Left { failures: 0 }, "it is held");
    // Its connections end with it, and its lease is not renewed.
    running.abort();
    let _ = running.await;
    fixture.client.simple_query("update metrics.jobs set held_until = now() - interval '1 second'").await.unwrap();
    let holder = two.clone();
    let taken = tokio::spawn(async move { other.run_due(Job::Retention, &holder).await });
    until(&fixture.client, "select host = 'two' from metrics.jobs where name = 'retention'").await;
    blocker.simple_query("rollback").await.unwrap();
    assert_eq!(taken.await.unwrap().unwrap(), Outcome::Done { is_left: false });
    assert_eq!(row(&fixture.client, Job::Retention).await.get::<_, Option<Uuid>>(0), None);
}

#[tokio::test]
async fn who_lost_the_lease_stops_and_changes_nothing_of_the_other() {
    let fixture = Fixture::new().await;
    let blocker = hold_up(&fixture).await;
    let (store, holder) = (fixture.store.clone(), process("one"));
    let running = tokio::spawn(async move { store.run_due(Job::Retention, &holder).await });
    until(&fixture.client, WAITS).await;
    let two = Uuid::now_v7();
    fixture.client.execute("update metrics.jobs set holder = $1, host = 'two'", &[&two]).await.unwrap();
    assert_eq!(running.await.unwrap().unwrap(), Outcome::Lost);
    let now = row(&fixture.client, Job::Retention).await;
    assert_eq!((now.get(0), now.get(1)), (Some(two), Some("two".to_owned())));
    // Nothing of it waits in a connection that somebody else gets.
    blocker.simple_query("rollback").await.unwrap();
    fixture.store.drop_expired(jiff::Timestamp::now()).await.unwrap();
}

#[tokio::test]
async fn a_job_that_fails_says_why_and_is_tried_again_later_and_later() {
    let fixture = Fixture::new().await;
    let one = process("one");
    let run = async |store: &Store| store.run_due(Job::Retention, &one).await;
    fixture.client.simple_query("alter table metrics.clocks rename to elsewhere").await.unwrap();
    for (failures, seconds) in [(1, 10.0), (2, 20.0)] {
        make_due(&fixture.client).await;
        assert!(run(&fixture.store).await.is_err());
        let now = row(&fixture.client, Job::Retention).await;
        let found: (Option<Uuid>, i32, String, f64) = (now.get(0), now.get(2), now.get(3), now.get(4));
        let error = "The store failed it: it refuses a statement (SQLSTATE 42P01).".to_owned();
        assert_eq!(found, (None, failures, error, seconds));
        assert_eq!(run(&fixture.store).await.unwrap(), Outcome::Left { failures }, "not before its time");
    }
    fixture.client.simple_query("alter table metrics.elsewhere rename to clocks").await.unwrap();
    make_due(&fixture.client).await;
    assert_eq!(run(&fixture.store).await.unwrap(), Outcome::Done { is_left: false });
    let now = row(&fixture.client, Job::Retention).await;
    assert_eq!(
        (now.get(2), now.get(5)),
        (0, Some(r#"{"partitions_dropped": 0, "partitions_held_back": 0}"#.to_owned()))
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_job_from_being_done() {
    let fixture = Fixture::new().await;
    let later = "update metrics.jobs
        set holder = gen_random_uuid(), held_until = now() + interval '1 year', next_at = now() + interval '1 year'";
    fixture.client.simple_query(later).await.unwrap();
    for job in Job::ALL {
        let outcome = fixture.store.run_due(job, &process("one")).await.unwrap();
        assert_eq!(outcome, Outcome::Done { is_left: false }, "{job:?}");
    }
}

#[tokio::test]
async fn a_server_that_stops_leaves_its_jobs_to_others_at_once() {
    let fixture = Fixture::new().await;
    let (one, two) = (process("one"), process("two"));
    let held = "update metrics.jobs set holder = $1, held_until = now() + interval '15 seconds'";
    fixture.client.execute(held, &[&one.id]).await.unwrap();
    fixture.store.release_jobs(&two).await.unwrap();
    assert_eq!(fixture.store.run_due(Job::RollUp, &two).await.unwrap(), Outcome::Left { failures: 0 });
    fixture.store.release_jobs(&one).await.unwrap();
    assert_eq!(fixture.store.run_due(Job::RollUp, &two).await.unwrap(), Outcome::Done { is_left: false });
}

#[tokio::test]
async fn administrators_are_told_how_jobs_go_and_what_is_due() {
    let server = Server::measuring(&[]).await;
    let admin = server.signed_in(Role::Admin).await;
    let store = server.app.store().unwrap();
    let ask = async || server.get("/jobs").bearer(&admin).send().await.expect(200)["data"].clone();
    let of = |jobs: &Value, name: &str| {
        let jobs = jobs.as_array().unwrap();
        jobs.iter().find(|job| job["name"] == name).unwrap().clone()
    };
    let fresh = of(&ask().await, "retention");
    assert_eq!(
        (&fresh["state"], &fresh["started_at"], &fresh["done"]),
        (&json!("waiting"), &Value::Null, &Value::Null)
    );
    let one = process("one");
    store.run_due(Job::Retention, &one).await.unwrap();
    let client = server.app.metrics.get().await.unwrap();
    client
        .simple_query(
            "insert into metrics.due (tier, instance_id, first, last, sets) values
                 (1, 1, '2026-03-01 11:00Z', '2026-03-01 12:00Z', '{wal}'),
                 (1, 1, '2026-03-01 10:00Z', '2026-03-01 10:00Z', '{wal}'),
                 (1, 1, now() + interval '1 hour', now() + interval '1 hour', '{wal}');
             update metrics.jobs set error = 'The store failed it.', error_at = now(), failures = 2
             where name = 'partitions';
             update metrics.jobs set holder = gen_random_uuid(), held_until = now() + interval '10 seconds'
             where name = 'roll_up'",
        )
        .await
        .unwrap();
    let jobs = ask().await;
    let done = of(&jobs, "retention");
    assert_eq!((&done["state"], &done["host"], &done["holder"]), (&json!("waiting"), &json!("one"), &Value::Null));
    assert_eq!(done["done"], json!({"partitions_dropped": 0, "partitions_held_back": 0}));
    assert!(done["duration_ms"].as_f64().unwrap() > 0.0 && done["next_at"].as_str() > done["finished_at"].as_str());
    let failed = of(&jobs, "partitions");
    assert_eq!((&failed["state"], &failed["failures"]), (&json!("failed"), &json!(2)));
    let running = of(&jobs, "roll_up");
    assert_eq!(running["state"], "running");
    assert!(running["holder"].is_string());
    let due = &running["due"][0];
    let found = (&due["tier"], &due["count"], &due["oldest"], &due["newest"]);
    let (oldest, newest) = (json!("2026-03-01T10:00:00Z"), json!("2026-03-01T12:00:00Z"));
    assert_eq!(found, (&json!("5m"), &json!(2), &oldest, &newest), "what is not over is not due");
    // A lease that ended is nobody's.
    client.simple_query("update metrics.jobs set held_until = now() - interval '1 second'").await.unwrap();
    let left = of(&ask().await, "roll_up");
    assert_eq!((&left["state"], &left["holder"]), (&json!("waiting"), &Value::Null));
    // What nobody takes that is due is not told as if all were well.
    client.simple_query("update metrics.jobs set next_at = now() - interval '1 minute'").await.unwrap();
    let jobs = ask().await;
    assert_eq!([&of(&jobs, "roll_up")["state"], &of(&jobs, "partitions")["state"]], ["overdue", "overdue"]);
}
