//! Sampled sessions, from a real instance through the real collector to the API: what a session did in every sample is
//! exactly one session on average, whatever happens to the collector.

use testkit::PgOptions;
use tokio_postgres::Client;

use crate::world::World;

/// Readings in which the session was found, since a moment; and when the first and the last of them were.
const FOUND: &str = "select count(*), min(time), max(time) from metrics.session_samples
    where application_name = 'sleeper' and time > $1";
/// In how many samples it was found between two readings, and how many were taken.
const SUMS: &str = "select (select sum(samples)::int8 from metrics.session_samples
        where application_name = 'sleeper' and time > $1 and time <= $2), (
    select sum(taken)::int8 from metrics.session_sampling where time > $1 and time <= $2)";
/// Readings on each side of what happens.
const ENOUGH: i64 = 4;

/// Waits for readings with the session after a moment; when the first and the last were.
async fn found(world: &World, store: &Client, since: jiff::Timestamp) -> (jiff::Timestamp, jiff::Timestamp) {
    let readings = async |_: &World| {
        let row = store.query_one(FOUND, &[&since]).await.unwrap();
        (row.get::<_, i64>(0) >= ENOUGH).then(|| (row.get(1), row.get(2)))
    };
    world.until("the session is in samples", readings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_works_all_the_time_is_one_active_session_over_a_kill_of_the_collector() {
    let mut world = World::start(PgOptions::default()).await;
    let store = world.store_connection().await;
    let sleeper = world.pg.connect("postgres").await.unwrap();
    sleeper.execute("set application_name = 'sleeper'", &[]).await.unwrap();
    let sleeping = tokio::spawn(async move { sleeper.execute("select pg_sleep(3600)", &[]).await });
    // It may have begun within the first reading that it is in.
    let (start, before) = found(&world, &store, jiff::Timestamp::UNIX_EPOCH).await;
    world.kill_collector();
    world.start_collector();
    let (_, end) = found(&world, &store, before).await;
    let row = store.query_one(SUMS, &[&start, &end]).await.unwrap();
    let (samples, taken): (i64, i64) = (row.get(0), row.get(1));
    assert!(taken >= ENOUGH && samples == taken, "{samples} of {taken}");
    let path = format!("/instances/{}/waits?start={start}&end={end}&by=application", world.instance);
    let answer = world.get(&path).await.unwrap();
    let series = answer["series"].as_array().unwrap();
    let sleeper = series.iter().find(|one| one["name"] == "sleeper").unwrap_or_else(|| panic!("{answer}"));
    assert_eq!((&sleeper["mean"], &answer["samples"]["taken"]), (&serde_json::json!(1.0), &serde_json::json!(taken)));
    sleeping.abort();
}
