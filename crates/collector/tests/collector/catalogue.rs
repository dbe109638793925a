//! Each statement of the catalogue, described and run on every installed major and every version of
//! the extension that comes with it.

use std::collections::BTreeSet;

use catalog::{Availability, Catalog, Definition, Kind, Set, Version, WithoutGrant};
use collector::read;
use collector::session::Session;
use prost::Message as _;
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;
use wire::Frame;

use crate::rig::{Rig, reading};

/// A schema that only works when it is quoted.
const SCHEMA: &str = "\"Odd schema\"";
/// What the collector's sessions have.
pub(crate) const OPTIONS: &str = "options='-c search_path=pg_catalog -c default_transaction_read_only=on'";
/// A role with what the collector asks for, and one with nothing.
const ROLES: [&str; 2] = ["with_pg_monitor", "with_nothing"];

async fn start(major: u32) -> (Pg, Client) {
    let pg = Pg::start(PgOptions::major(major)).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "create role with_pg_monitor login in role pg_monitor").await;
    run(&admin, "create role with_nothing login").await;
    for set in Catalog::embedded().unwrap().sets().filter(|set| !set.executes.is_empty()) {
        run(&admin, &set.grant.as_ref().unwrap().replace("{role}", ROLES[0])).await;
    }
    (pg, admin)
}

async fn run(client: &Client, sql: &str) {
    client.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn connect(pg: &Pg, role: &str) -> Session {
    testkit::connect(&format!("{} user={role} {OPTIONS}", pg.dsn("postgres"))).await.unwrap().into()
}

pub(crate) fn sql(set: &Set, version: Version) -> Option<String> {
    match set.sql_for(version) {
        Availability::Sql(sql) => Some(sql.replace("{extension}", SCHEMA)),
        Availability::Needs(_) => None,
    }
}

/// The version of the extension that the server made by itself, in the schema public.
async fn extension(client: &Client) -> Version {
    let query = "select extversion from pg_extension where extname = 'pg_stat_statements'";
    client.query_one(query, &[]).await.unwrap().get::<_, String>(0).parse().unwrap()
}

/// The statement has exactly the columns that the version has, each of its type.
pub(crate) async fn describe(client: &Client, set: &Set, version: Version, statement: &str) {
    let place = format!("{} at {version}", set.name());
    let prepared = client.prepare(statement).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    let mut described = BTreeSet::new();
    for column in prepared.columns() {
        let known = set.definition.column(column.name());
        let (_, meta) = known.unwrap_or_else(|| panic!("{place}: {} is no column of the set", column.name()));
        assert!(read::fits(meta.column_type, column.type_()), "{place}: {} is {}", column.name(), column.type_());
        described.insert(column.name().to_owned());
    }
    let columns = set.definition.columns.iter().filter(|column| column.since.is_none_or(|since| since <= version));
    assert_eq!(described, columns.map(|column| column.name.clone()).collect(), "{place}");
}

async fn frame(session: &Session, set: &Set, statement: &str) -> Frame {
    read::frame(session, &set.definition, statement, 0).await.unwrap_or_else(|error| panic!("{}: {error}", set.name()))
}

/// The row whose label `label` is `value`.
fn row(frame: &Frame, definition: &Definition, label: &str, value: &str) -> usize {
    let labels = frame.column(definition.column(label).unwrap().0).unwrap();
    (0..frame.rows).find(|row| labels.text(*row) == Some(value)).unwrap_or_else(|| panic!("no {label} {value}"))
}

fn text<'a>(frame: &'a Frame, definition: &Definition, column: &str, row: usize) -> Option<&'a str> {
    frame.column(definition.column(column).unwrap().0).unwrap().text(row)
}

#[tokio::test]
async fn every_statement_is_what_its_set_says_on_every_installed_server() {
    let catalog = Catalog::embedded().unwrap();
    for major in testkit::majors() {
        let (pg, admin) = start(major).await;
        run(&admin, "drop extension if exists pg_stat_statements").await;
        // With 10 from npm come control files of later versions, and it cannot list what there is.
        let versions = match major {
            10 => "select unnest(array['1.4', '1.5', '1.6'])",
            _ => "select version from pg_available_extension_versions where name = 'pg_stat_statements'",
        };
        let extensions: Vec<String> = admin.query(versions, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert!(!extensions.is_empty(), "{major} comes without pg_stat_statements");
        let server = Version { major, minor: 0 };
        let clients = [connect(&pg, ROLES[0]).await, connect(&pg, ROLES[1]).await];
        for set in catalog.sets().filter(|set| set.extension.is_none() && !set.sql.is_empty()) {
            let Some(statement) = sql(set, server) else { continue };
            for (client, role) in clients.iter().zip(ROLES) {
                describe(&client.client, set, server, &statement).await;
                // Before 11 no grant lets a role ask for files.
                if !set.executes.is_empty() && (role == ROLES[1] || major < 11) {
                    continue;
                }
                match read::frame(client, &set.definition, &statement, 0).await {
                    // The plan leaves out what the role may not read; a set with hidden labels may say so itself.
                    Err(error) if role == ROLES[1] && set.without_grant() == WithoutGrant::Set => {
                        assert!(error.is_privilege(), "{} on {major}: {error}", set.name());
                    }
                    outcome => drop(outcome.unwrap_or_else(|error| panic!("{} on {major}: {error}", set.name()))),
                }
            }
        }
        for extension in &extensions {
            let version: Version = extension.parse().unwrap();
            run(&admin, &format!("create schema {SCHEMA}")).await;
            run(&admin, &format!("grant usage on schema {SCHEMA} to public")).await;
            run(&admin, &format!("create extension pg_stat_statements schema {SCHEMA} version '{extension}'")).await;
            for set in catalog.sets().filter(|set| set.extension.is_some()) {
                let Some(statement) = sql(set, version) else { continue };
                for (client, role) in clients.iter().zip(ROLES) {
                    describe(&client.client, set, version, &statement).await;
                    let figures = frame(client, set, &statement).await;
                    assert!(role == ROLES[1] || figures.rows > 0, "{} {extension} on {major} is empty", set.name());
                }
            }
            run(&admin, "drop extension pg_stat_statements").await;
            run(&admin, &format!("drop schema {SCHEMA}")).await;
        }
    }
}

#[tokio::test]
async fn columns_that_need_the_grant_are_null_without_it_and_not_with_it() {
    let catalog = Catalog::embedded().unwrap();
    let (pg, admin) = start(testkit::majors()[0]).await;
    run(&admin, "select count(*) from pg_catalog.pg_class").await;
    let set = catalog.get("pg_stat_statements").unwrap();
    let statement = sql(set, extension(&admin).await).unwrap().replace(SCHEMA, "public");
    let (queryid, column) = set.definition.column("queryid").unwrap();
    assert!(column.needs_grant && column.kind == Kind::Label);
    for (role, hidden) in [(ROLES[0], false), (ROLES[1], true)] {
        let figures = frame(&connect(&pg, role).await, set, &statement).await;
        let ids = figures.column(queryid).unwrap();
        let any_null = (0..figures.rows).any(|row| ids.is_null(row));
        assert_eq!(any_null, hidden, "{role}");
    }
}

#[tokio::test]
async fn a_statement_of_two_users_has_one_text() {
    let catalog = Catalog::embedded().unwrap();
    let set = catalog.get("pg_stat_statements_text").unwrap();
    for major in testkit::majors() {
        let (pg, admin) = start(major).await;
        for role in ROLES {
            let client = testkit::connect(&format!("{} user={role}", pg.dsn("postgres"))).await.unwrap();
            client.query("select 'shared' as said_by_both", &[]).await.unwrap();
        }
        let statement = sql(set, extension(&admin).await).unwrap().replace(SCHEMA, "public");
        let texts = frame(&connect(&pg, ROLES[0]).await, set, &statement).await;
        let column = texts.column(set.definition.column("query").unwrap().0).unwrap();
        let said = |row: &usize| column.text(*row).is_some_and(|text| text.contains("as said_by_both"));
        assert_eq!((0..texts.rows).filter(said).count(), 1, "on {major}");
    }
}

#[tokio::test]
async fn settings_are_the_instances_own_and_without_secrets() {
    let catalog = Catalog::embedded().unwrap();
    let set = catalog.get("pg_settings").unwrap();
    let secret = "hunter2";
    // Up to 11 recovery has a file of its own.
    for major in testkit::majors().into_iter().filter(|major| *major >= 12) {
        let (pg, admin) = start(major).await;
        for (setting, value) in [
            (
                "primary_conninfo",
                format!("host=h user=repl password=''it\\''s {secret}'' sslpassword={secret} port=5433"),
            ),
            ("restore_command", format!("PGPASSWORD={secret} curl --token {secret} https://u:{secret}@h/%f -o %p")),
            ("ssl_passphrase_command", format!("echo {secret}")),
            ("recovery_target_name", "plain".to_owned()),
        ] {
            run(&admin, &format!("alter system set {setting} = '{value}'")).await;
        }
        pg.restart(testkit::Mode::Fast).await.unwrap();
        let again = pg.connect("postgres").await.unwrap();
        run(&again, "alter role with_pg_monitor set work_mem = '77MB'").await;
        run(&again, "alter role with_pg_monitor set standard_conforming_strings = off").await;
        let mut rig = Rig::new(&pg, ROLES[0]);
        let cycle = rig.whole_cycle().await;
        let settings = rig.rows(reading(&cycle, "pg_settings").unwrap());
        let value =
            |name: &str| text(&settings, &set.definition, "setting", row(&settings, &set.definition, "name", name));
        assert_eq!(
            value("primary_conninfo"),
            Some("host=h user=repl password=*** sslpassword=*** port=5433"),
            "{major}"
        );
        assert_eq!(value("restore_command"), Some("PGPASSWORD=*** curl --token *** https://u:***@h/%f -o %p"));
        assert_eq!(value("ssl_passphrase_command"), Some("***"));
        assert_eq!(value("recovery_target_name"), Some("plain"));
        // What the collector tells its own sessions is not the instance's, and that is shown.
        for (name, expected) in
            [("jit", "on"), ("max_parallel_workers_per_gather", "2"), ("client_min_messages", "notice")]
        {
            assert_eq!(value(name), Some(expected), "{major}: {name}");
        }

        // The role's, the session's: nobody knows here what the instance has.
        assert_eq!(value("work_mem"), None);
        assert_eq!(value("search_path"), None);
        let session = row(&settings, &set.definition, "name", "work_mem");
        assert_eq!(text(&settings, &set.definition, "source", session), None);
        let kept = cycle.readings.iter().map(|reading| reading.encode_to_vec());
        for bytes in kept.chain(cycle.advances.iter().map(|advance| advance.encode_to_vec())) {
            assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{major}: the secret is shown");
        }
    }
}

#[tokio::test]
async fn replication_is_read_on_a_primary_and_on_its_standby() {
    let catalog = Catalog::embedded().unwrap();
    let set = catalog.get("pg_stat_replication").unwrap();
    let pair = testkit::replication_pair(PgOptions::default()).await.unwrap();
    let statement = sql(set, Version { major: pair.primary.major(), minor: 0 }).unwrap();
    let admin = pair.primary.connect("postgres").await.unwrap();
    run(&admin, "create table written as select generate_series(1, 1000) as n").await;
    let standbys = frame(&admin.into(), set, &statement).await;
    assert_eq!(standbys.rows, 1);
    let lsn = |column: &str| standbys.column(set.definition.column(column).unwrap().0).unwrap().int(0);
    assert!(lsn("sent_lsn").is_some() && lsn("sent_lsn") <= lsn("current_lsn"), "never behind by less than nothing");
    // Nobody follows the standby, and asking there for the position does not raise.
    let standby = pair.standby.connect("postgres").await.unwrap();
    assert_eq!(frame(&standby.into(), set, &statement).await.rows, 0);
}
