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

/// Sessions that show it while they are read: what says that one is there, and what it does.
const SESSIONS: [(&str, &str); 3] = [
    (
        "select pid from pg_stat_activity where wait_event = 'PgSleep'",
        "do $$ begin perform pg_sleep(300); execute 'alter role leaky password ''hunter2'''; end $$",
    ),
    (
        "select pid from pg_stat_activity where state = 'idle in transaction'",
        "begin; alter role leaky encrypted password 'hunter2'",
    ),
    (
        "select pid from pg_stat_activity where wait_event_type = 'Lock'",
        "/* hunter2 */ ALTER ROLE leaky PASSWORD E'hunter2' valid until 'infinity'",
    ),
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
    // One runs it, one ran it in a transaction that is open, one waits for that.
    let mut sessions = Vec::new();
    for (wanted, statements) in SESSIONS {
        let client = world.pg.connect("postgres").await.unwrap();
        sessions.push(tokio::spawn(async move { client.simple_query(statements).await.map(|_| client) }));
        world.until(wanted, async |_| admin.query_opt(wanted, &[]).await.unwrap()).await;
    }
    world.settle().await;
    world.settle().await;
    let store = world.store_connection().await;
    for (table, column) in [("pg_stat_activity", "query"), ("lock_waits", "query"), ("lock_waits", "blocker_query")] {
        let sql = format!("select count(*) from metrics.{table} where {column} ilike '%leaky%'");
        assert!(store.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) > 0, "{column} of {table} was read");
    }
    let captured = world.get(&format!("/instances/{}/queries?limit=1000&search=leaky", world.instance)).await.unwrap();
    assert!(captured["count"].as_u64().unwrap() >= 6, "the statements are there: {captured}");
    for path in ["queries?limit=1000", "activity", "locks", "settings", "databases", "replication", "coverage", ""] {
        let url = format!("/instances/{}/{path}", world.instance);
        let answer = world.get(url.trim_end_matches('/')).await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {path}")).to_string();
        assert!(!answer.contains(WORD), "{path} answers it");
    }
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
