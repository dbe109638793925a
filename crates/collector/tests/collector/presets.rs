//! Whatever a role, a database or the cluster presets, readings are the same, on a primary and on its standby.

use collector::connect::Connector;
use collector::startup::{self, Told};
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use crate::rig::{ROLE, Rig, instance, make_role, reading, run};

/// What each preset of a round is, by the settings that PostgreSQL itself lists.
const ROUNDS: [(&str, &str); 2] = [
    (
        "lowest",
        "case vartype
            when 'bool' then case setting when 'on' then 'off' else 'on' end
            when 'enum' then (select v from unnest(enumvals) as v where v <> setting order by v limit 1)
            when 'string' then special
            else case when min_val::float8 = 0 and name like '%timeout' then '1' else min_val end
         end",
    ),
    (
        "highest",
        "case vartype
            when 'bool' then case setting when 'on' then 'off' else 'on' end
            when 'enum' then (select v from unnest(enumvals) as v where v <> setting order by v desc limit 1)
            when 'string' then special
            else max_val
         end",
    ),
];

/// What texts are preset to; others have no value that would be taken.
const SPECIAL: &str = "(values ('TimeZone', 'Pacific/Kiritimati'), ('DateStyle', 'German, DMY'),
     ('search_path', 'public, pg_catalog'), ('client_encoding', 'LATIN1'), ('timezone_abbreviations', 'India'),
     ('restrict_nonsystem_relation_kind', 'view')) as s (known, special)";

/// Presets for the collector's role all that every role may set, one round of values at a time; answers how many.
async fn preset(admin: &Client, value: &str) -> usize {
    run(admin, &format!("alter role {ROLE} reset all")).await;
    let sql = format!(
        "select name, {value} from pg_settings left join {SPECIAL} on known = name
         where context = 'user' and name not in ('role', 'session_authorization', 'seed')
           and name not like 'transaction\\_%' or name = 'transaction_timeout'"
    );
    let mut presets = 0;
    for row in admin.query(&sql, &[]).await.unwrap() {
        let (name, Some(value)) = (row.get::<_, String>(0), row.get::<_, Option<String>>(1)) else { continue };
        run(admin, &format!("alter role {ROLE} set {name} = '{value}'")).await;
        presets += 1;
    }
    presets
}

/// The rows of the sets that do not change by themselves.
async fn still(rig: &mut Rig) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut cycles = vec![rig.whole_cycle().await];
    cycles.extend(rig.whole_sweep().await);
    for cycle in &cycles {
        for set in ["pg_database", "pg_roles", "pg_index", "pg_class"] {
            let Some(read) = reading(cycle, set) else { continue };
            let frame = rig.rows(read);
            for row in 0..frame.rows {
                let value = |place: usize| {
                    let column = frame.column(place)?;
                    Some((column.int(row), column.bool(row), column.text(row).map(str::to_owned)))
                };
                rows.push((set.to_owned(), format!("{:?}", (0..frame.columns.len()).map(value).collect::<Vec<_>>())));
            }
        }
    }
    // The order is the plan's.
    rows.sort();
    rows
}

/// What the collector tells its sessions is in force there.
async fn in_force(pg: &Pg) {
    let connector = Connector::new(instance(pg, ROLE).dsn);
    let session = connector.connect("postgres").await.unwrap();
    let version: i32 =
        session.client.query_one("select current_setting('server_version_num')::int4", &[]).await.unwrap().get(0);
    let options = startup::options(Told::All(Some(version.unsigned_abs())));
    let told: Vec<(String, String)> = options
        .split("-c ")
        .filter_map(|option| option.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace('\\', "")))
        .collect();
    assert!(told.len() > 40, "{told:?}");
    for (name, value) in told {
        let is: String = session
            .client
            .query_one("select setting from pg_settings where lower(name) = lower($1)", &[&name])
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
            .get(0);
        assert_eq!(is, value, "{name} on {version}");
    }
}

async fn replayed(pair: &testkit::Pair, primary: &Client) {
    let at: String = primary.query_one("select pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let standby = pair.standby.connect("postgres").await.unwrap();
    let there = format!("select pg_last_wal_replay_lsn() >= '{at}'");
    while !standby.query_one(&there, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nothing_that_is_preset_changes_a_reading() {
    for major in testkit::majors() {
        let pair = testkit::replication_pair(PgOptions::major(major)).await.unwrap();
        make_role(&pair.primary).await;
        let admin = pair.primary.connect("postgres").await.unwrap();
        run(&admin, "create table things (id int primary key, n int); create index on things (lower(n::text))").await;
        replayed(&pair, &admin).await;
        let plain = [still(&mut Rig::new(&pair.primary, ROLE)).await, still(&mut Rig::new(&pair.standby, ROLE)).await];
        // A deferrable session would wait for this one to end.
        let writer = pair.primary.connect("postgres").await.unwrap();
        run(&writer, "begin isolation level serializable; insert into things values (1, 1)").await;
        for (round, value) in ROUNDS {
            let presets = preset(&admin, value).await;
            assert!(presets > 90, "{major}: {presets}");
            run(&admin, &format!("alter role {ROLE} set default_transaction_isolation = 'serializable'")).await;
            run(&admin, &format!("alter role {ROLE} set default_transaction_deferrable = on")).await;
            run(&admin, &format!("alter role {ROLE} set default_transaction_read_only = on")).await;
            replayed(&pair, &admin).await;
            for (pg, expected) in [&pair.primary, &pair.standby].into_iter().zip(&plain) {
                in_force(pg).await;
                let shown = still(&mut Rig::new(pg, ROLE)).await;
                assert_eq!(shown.len(), expected.len());
                for (shown, expected) in shown.iter().zip(expected) {
                    assert_eq!(shown, expected, "{major}, {round}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nor_does_what_the_cluster_presets() {
    for major in testkit::majors() {
        let pair = testkit::replication_pair(PgOptions::major(major)).await.unwrap();
        make_role(&pair.primary).await;
        let admin = pair.primary.connect("postgres").await.unwrap();
        replayed(&pair, &admin).await;
        for pg in [&pair.primary, &pair.standby] {
            for (name, value) in [
                ("default_transaction_isolation", "serializable"),
                ("default_transaction_deferrable", "on"),
                ("default_transaction_read_only", "on"),
                ("enable_nestloop", "off"),
                ("TimeZone", "Pacific/Kiritimati"),
            ] {
                pg.set(name, value).unwrap();
            }
            pg.restart(testkit::Mode::Fast).await.unwrap();
            let mut rig = Rig::new(pg, ROLE);
            rig.whole_sweep().await;
            let cycle = rig.whole_cycle().await;
            // The instance's own are shown all the same.
            let definition = &rig.catalog.get("pg_settings").unwrap().definition;
            let rows = rig.rows(reading(&cycle, "pg_settings").unwrap());
            let column = |name: &str| rows.column(definition.column(name).unwrap().0).unwrap();
            let value = |name: &str| {
                let row = (0..rows.rows).find(|row| column("name").text(*row) == Some(name)).unwrap();
                column("setting").text(row).map(str::to_owned)
            };
            for (name, expected) in [("default_transaction_isolation", "serializable"), ("enable_nestloop", "off")] {
                assert_eq!(value(name).as_deref(), Some(expected), "{major}: {name}");
            }
        }
    }
}
