//! From the instance to the API: exactly what happened, whatever is killed meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use testkit::{Mode, PgOptions};

use crate::statements::statement;
use crate::world::{World, assert_exact, between};

/// How many distinct statements each user runs.
const STATEMENTS: usize = 1000;

/// Runs statements as both users in both databases until told to stop; reconnects when the instance restarts.
fn work(world: &World, stop: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<usize>> {
    let mut workers = Vec::new();
    for (place, (user, database)) in
        [("app_a", "one"), ("app_a", "two"), ("app_b", "one"), ("app_b", "two")].into_iter().enumerate()
    {
        let dsn = world.pg.dsn(database).replace("user=postgres", &format!("user={user}"));
        let stop = Arc::clone(stop);
        workers.push(tokio::spawn(async move {
            let mut done = 0;
            // Each begins elsewhere, so that readings meet statements at every age.
            let mut next = place * 250;
            while !stop.load(Ordering::Relaxed) || done < STATEMENTS {
                let Ok(client) = testkit::connect(&dsn).await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                while !stop.load(Ordering::Relaxed) || done < STATEMENTS {
                    if client.simple_query(&statement(next % STATEMENTS)).await.is_err() {
                        break;
                    }
                    next += 1;
                    done += 1;
                }
            }
            done
        }));
    }
    workers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_says_is_what_happened() {
    let start = Timestamp::now();
    let world = World::start(PgOptions::default().setting("pg_stat_statements.track", "all")).await;
    let admin = world.pg.connect("one").await.unwrap();
    admin
        .simple_query(
            "create function nested() returns int language plpgsql as
             'begin perform 1 + 1; return (select count(*) from pg_catalog.generate_series(1, 3)); end'",
        )
        .await
        .unwrap();
    world.settle().await;
    let before = world.truth().await;
    let stop = Arc::new(AtomicBool::new(false));
    let workers = work(&world, &stop);
    let nested = world.connect("app_a", "one").await;
    for _ in 0..20 {
        nested.simple_query("select nested()").await.unwrap();
    }
    world.settle().await;
    world.settle().await;
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        assert!(worker.await.unwrap() >= STATEMENTS);
    }
    let after = world.truth().await;
    world.settle().await;
    let happened = between(&before, &after);
    assert!(happened.len() >= 4 * STATEMENTS, "{} statements ran", happened.len());
    assert!(happened.keys().any(|(.., queryid, _)| queryid.starts_with('-')), "negative queryids are among them");
    assert!(happened.keys().any(|(.., toplevel)| !toplevel), "nested statements are among them");
    let large = |queryid: &str| queryid.parse::<i64>().unwrap().unsigned_abs() > 1 << 53;
    assert!(happened.keys().any(|(.., queryid, _)| large(queryid)), "queryids beyond 2^53 are among them");
    assert_exact(&world.stored(start, Timestamp::now()).await, &happened);
    // Reading texts may take a two-hundredth of the time: the second reading of them comes the later, the busier the machine.
    let with_text = async |world: &World| {
        let one_answer = world.get(&format!("/instances/{}/queries?limit=1000", world.instance)).await?;
        let texts = one_answer["data"].as_array()?.iter().filter(|row| row["query"].is_string()).count();
        (texts > 900).then_some(())
    };
    world.until("nine of ten statements have a text", with_text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stays_exact_when_everything_is_killed_and_delivered_twice() {
    let start = Timestamp::now();
    let (mut world, proxy) = World::start_through(PgOptions::default(), true).await;
    let before = world.truth().await;
    let stop = Arc::new(AtomicBool::new(false));
    let workers = work(&world, &stop);
    for round in 0..12_u32 {
        // Moments that have nothing to do with the cycles of a second.
        let pause = 150 + rand::random::<u64>() % 1200;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match round % 4 {
            0 | 2 => {
                world.kill_collector();
                world.start_collector();
            }
            1 => {
                world.kill_server();
                world.start_server().await;
            }
            _ => {
                world.kill_collector();
                world.kill_server();
                world.start_collector();
                world.start_server().await;
            }
        }
        if round == 5 {
            world.settle().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    world.settle().await;
    // A clean restart keeps the statistics, and so must we.
    world.pg.restart(Mode::Fast).await.unwrap();
    world.settle().await;
    let more = world.connect("app_b", "two").await;
    for n in 0..STATEMENTS {
        more.simple_query(&statement(n)).await.unwrap();
    }
    drop(more);
    let after = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &after));
    assert!(proxy.unwrap().duplicates() > 0, "no batch was delivered twice");
}
