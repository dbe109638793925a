//! The sets of PgBouncer, over a real one.

use std::sync::Arc;

use collector::watch::{Cycle, Watch};
use testkit::{Pg, PgBouncer, PgOptions};
use wire::{State, StateCode};

use crate::rig::{ROLE, Rig, errors, instance, make_role, reading, run};

fn rig(pg: &Pg, console: &str) -> Rig {
    let dsn = instance(pg, ROLE).conninfo;
    let text = format!("[postgres]\ndsn = \"{}\"\npgbouncer_dsn = \"{console}\"\n", dsn.expose());
    let config = config::Config::load(None, Some(text), &|_| None, &config::Names::default()).unwrap();
    let mut rig = Rig::new(pg, ROLE);
    rig.watch = Watch::new(config.instances[0].clone(), Arc::clone(&rig.catalog), |_| None);
    rig.due(rig.watch.schedule().into_iter().map(|(set, _)| set).collect());
    rig
}

/// The only value of a column in the rows whose label says so.
fn figure(rig: &Rig, cycle: &Cycle, set: &str, (label, wanted): (&str, &str), column: &str) -> Option<i64> {
    let rows = rig.rows(reading(cycle, set).unwrap());
    let definition = &rig.catalog.get(set).unwrap().definition;
    let place = |name: &str| rows.column(definition.column(name).unwrap().0);
    let (labels, figures) = (place(label)?, place(column)?);
    let mut found = (0..rows.rows).filter(|row| labels.text(*row) == Some(wanted)).filter_map(|row| figures.int(row));
    let first = found.next();
    assert_eq!(found.next(), None, "{set}: more than one {wanted}");
    first
}

/// What the console says of a database, 0 where it does not.
async fn told(console: &tokio_postgres::Client, question: &str, database: &str, column: &str) -> i64 {
    let messages = console.simple_query(question).await.unwrap();
    let figures = messages.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) if row.get("database") == Some(database) => {
            row.get(column)?.parse::<i64>().ok()
        }
        _ => None,
    });
    figures.sum()
}

#[tokio::test]
async fn pools_clients_and_counters_are_those_of_the_console() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let bouncer = PgBouncer::start(&pg).await.unwrap();
    let mut rig = rig(&pg, &bouncer.dsn("monitor", "whatever"));
    let first = testkit::connect(&bouncer.dsn("postgres", "postgres")).await.unwrap();
    run(&first, "select 1").await;
    let console = testkit::connect(&bouncer.dsn("monitor", "pgbouncer")).await.unwrap();
    let before = told(&console, "show stats", "postgres", "total_xact_count").await;
    rig.whole_cycle().await;
    for _ in 0..7 {
        run(&first, "select 1").await;
    }
    // One has the only server connection, the other waits for it.
    run(&first, "begin").await;
    let second = testkit::connect(&bouncer.dsn("postgres", "postgres")).await.unwrap();
    let waiting = tokio::spawn(async move { second.simple_query("select 2").await.map(|_| ()) });
    let waits = async {
        while told(&console, "show pools", "postgres", "cl_waiting").await != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waits).await.unwrap();
    let cycle = rig.whole_cycle().await;
    let of = |set: &str, column: &str| figure(&rig, &cycle, set, ("database", "postgres"), column);
    assert_eq!(of("pgbouncer_pools", "cl_active"), Some(1));
    assert_eq!(of("pgbouncer_pools", "cl_waiting"), Some(1));
    assert_eq!(of("pgbouncer_pools", "sv_active"), Some(1));
    assert!(of("pgbouncer_pools", "maxwait").is_some());
    let since = told(&console, "show stats", "postgres", "total_xact_count").await - before;
    assert!(since >= 7, "{since}");
    assert_eq!(of("pgbouncer_stats", "total_xact_count"), Some(since));
    assert_eq!(of("pgbouncer_databases", "pool_size"), Some(1));
    let clients = |state| figure(&rig, &cycle, "pgbouncer_clients", ("state", state), "clients");
    assert_eq!((clients("active"), clients("waiting")), (Some(1), Some(1)));
    let own = rig.rows(reading(&cycle, "pgbouncer").unwrap());
    let definition = &rig.catalog.get("pgbouncer").unwrap().definition;
    let limit = own.column(definition.column("max_client_conn").unwrap().0).unwrap().int(0);
    assert_eq!(limit, Some(50));
    let of_console = rig.rows(reading(&cycle, "pgbouncer_pools").unwrap());
    assert_eq!(of_console.rows, 1, "the console's own pool is left out");
    run(&first, "commit").await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_that_is_gone_is_an_error_of_its_own_and_counts_anew_when_it_is_back() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut bouncer = PgBouncer::start(&pg).await.unwrap();
    let mut rig = rig(&pg, &bouncer.dsn("monitor", "pgbouncer"));
    let through = async |bouncer: &PgBouncer, times: u32| {
        let client = testkit::connect(&bouncer.dsn("postgres", "postgres")).await.unwrap();
        for _ in 0..times {
            run(&client, "select 1").await;
        }
    };
    through(&bouncer, 5).await;
    rig.whole_cycle().await;
    bouncer.stop().unwrap();
    let cycle = rig.cycle().await;
    assert_eq!(cycle.instance.error, None, "the instance answers");
    let failed = errors(&cycle);
    assert_eq!(failed.len(), 5, "{failed:?}");
    assert!(failed.iter().all(|error| error.contains("PgBouncer at ")), "{failed:?}");
    bouncer.restart().await.unwrap();
    through(&bouncer, 3).await;
    let cycle = rig.whole_cycle().await;
    let sum = figure(&rig, &cycle, "pgbouncer_stats", ("database", "postgres"), "total_xact_count");
    assert!(sum.is_none_or(|sum| sum <= 3), "never more than was: {sum:?}");
    let states = rig.states().await;
    let state = states.iter().find(|state| state.set == "pgbouncer_stats").unwrap();
    assert_eq!(state.state, State::Works as i32, "{state:?}");
}

#[tokio::test]
async fn without_one_nothing_is_asked() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = Rig::new(&pg, ROLE);
    let cycle = rig.whole_cycle().await;
    assert!(reading(&cycle, "pgbouncer_pools").is_none());
    let states = rig.states().await;
    let state = states.iter().find(|state| state.set == "pgbouncer_pools").unwrap();
    assert_eq!((state.state, state.code), (State::Missing as i32, StateCode::Disabled as i32));
}
