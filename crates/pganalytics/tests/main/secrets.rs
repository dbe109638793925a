//! A password in a statement on the watched instance is nowhere in store, log or answer.

use testkit::PgOptions;

use crate::world::World;

/// The word that must not get out. It stands in statements as PostgreSQL keeps them: verbatim.
const WORD: &str = "hunter2";

/// Statements that hold it.
const STATEMENTS: [&str; 9] = [
    "create role leaky login password 'hunter2'",
    "alter role leaky encrypted password 'hunter2'",
    "ALTER USER leaky WITH /* hunter2 */ PASSWORD E'hunter2'",
    "create foreign data wrapper leaky_wrapper",
    "create server leaky_server foreign data wrapper leaky_wrapper",
    "create user mapping for leaky server leaky_server options (user 'x', password 'hunter2')",
    "alter user mapping for leaky server leaky_server options (set password $tag$hunter2$tag$)",
    "do $$ begin execute 'alter role leaky password ''hunter2'''; end $$",
    "alter system set primary_conninfo = 'host=elsewhere user=x password=hunter2'",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_leaves_the_instance_nowhere() {
    let world = World::start(PgOptions::default().setting("pg_stat_statements.track", "all")).await;
    let admin = world.pg.connect("postgres").await.unwrap();
    for statement in STATEMENTS {
        admin.simple_query(statement).await.unwrap();
    }
    admin.simple_query("select pg_reload_conf()").await.unwrap();
    let kept: i64 = admin
        .query_one("select count(*) from pg_stat_statements where query like '%' || $1 || '%'", &[&WORD])
        .await
        .unwrap()
        .get(0);
    assert!(kept >= 6, "PostgreSQL itself keeps the word in {kept} statements");
    // Statements that hold it while they run, while they wait, and after them.
    let sleeper = world.connect("app_a", "one").await;
    let cancel = sleeper.cancel_token();
    let slept = "select pg_sleep(600) /* hunter2 */; alter role leaky password 'hunter2'";
    let sleeping = tokio::spawn(async move { sleeper.simple_query(slept).await.map(drop) });
    let holder = world.pg.connect("one").await.unwrap();
    holder.simple_query("begin; select pg_advisory_xact_lock(1), 'password', 'hunter2'").await.unwrap();
    let waiter = world.pg.connect("one").await.unwrap();
    let waited =
        "do $$ begin perform pg_advisory_xact_lock(1); execute 'alter role leaky password ''hunter2'''; end $$";
    let waiting = tokio::spawn(async move { waiter.simple_query(waited).await.map(drop) });
    let instance = format!("/instances/{}", world.instance);
    let both = async |world: &World| {
        let locks = world.get(&format!("{instance}/locks")).await?;
        let activity = world.get(&format!("{instance}/activity")).await?.to_string();
        (locks["blocked"] == 1 && activity.contains("pg_sleep(600)")).then_some([locks.to_string(), activity])
    };
    let seen = world.until("what runs and what waits is read", both).await;
    assert!(seen.iter().all(|answer| !answer.contains(WORD)), "{seen:?}");
    world.settle().await;
    cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
    assert!(sleeping.await.unwrap().is_err(), "it is cancelled");
    holder.simple_query("rollback").await.unwrap();
    waiting.await.unwrap().unwrap();
    world.settle().await;
    let captured = world.get(&format!("/instances/{}/queries?limit=1000&search=leaky", world.instance)).await.unwrap();
    assert!(captured["count"].as_u64().unwrap() >= 6, "the statements are there: {captured}");
    for path in ["queries?limit=1000", "activity", "locks", "settings", "databases", "replication", "coverage", ""] {
        let url = format!("/instances/{}/{path}", world.instance);
        let answer = world.get(url.trim_end_matches('/')).await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {path}")).to_string();
        assert!(!answer.contains(WORD), "{path} answers it");
    }
    let store = world.store_connection().await;
    let tables = store
        .query(
            "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables
                where schemaname in ('metrics', 'pganalytics')",
            &[],
        )
        .await
        .unwrap();
    assert!(tables.len() > 20, "{} tables", tables.len());
    for table in tables {
        let table: String = table.get(0);
        let found: i64 = store
            .query_one(&format!("select count(*) from {table} t where t::text like '%{WORD}%'"), &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(found, 0, "{table} holds it");
    }
    for log in ["server.log", "collector.log"] {
        assert!(!std::fs::read_to_string(world.path(log)).unwrap().contains(WORD), "{log} holds it");
    }
}
