//! Every set, read from a primary and a standby of every major, by every kind of role. `make test-versions` runs it on
//! all that can be had; without it, on the newest that the machine has.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Catalog, Definition, Kind, Role, Scope, Set, Unit, Version};
use collector::watch::Cycle;
use testkit::{Binaries, Pair, Pg, PgOptions, replication_pair};
use tokio_postgres::Client;
use wire::{Frame, SetState, State, StateCode};

use crate::catalogue;
use crate::rig::{Rig, errors, run};

pub(crate) const SCRIPT: &str = "packaging/monitoring-role.sql";
/// Set by `make test-versions`: a major that npm gives must be there.
const COMPLETE: &str = "VERSIONS_COMPLETE";
/// The oldest major that npm gives; who has older ones names their directories.
const OLDEST_GIVEN: u32 = 10;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The role that the setup script makes.
    Setup,
    /// A role with `pg_monitor` and nothing more; before 10 one with nothing.
    Monitor,
    /// A superuser.
    Superuser,
}

impl Who {
    const ALL: [Self; 3] = [Self::Setup, Self::Monitor, Self::Superuser];

    fn role(self) -> &'static str {
        match self {
            Self::Setup => "watcher",
            Self::Monitor => "only_monitor",
            Self::Superuser => "postgres",
        }
    }

    /// The sets of which something is hidden from it.
    fn lacks(self, catalog: &Catalog, version: Version, standby: bool) -> BTreeSet<String> {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Self::Superuser if version < major("9.5") => of(&["relation_size", "wal_directory"]),
            Self::Superuser if version < major("10") => of(&["wal_directory"]),
            Self::Setup | Self::Superuser => BTreeSet::new(),
            Self::Monitor if version >= major("10") => of(&["relation_size"]),
            // All that a grant would show, where there is something to read.
            Self::Monitor => {
                let other = if standby { Role::Primary } else { Role::Standby };
                let read = |set: &&Set| {
                    let reads_nothing = set.name() == "pg_stat_wal_receiver" && version < major("9.6");
                    set.extension.is_some() || set.lowest_version() <= Some(version) && !reads_nothing
                };
                let sets = catalog.sets().filter(|set| !set.sql.is_empty() && set.role != other).filter(read);
                let granted = |set: &&Set| set.grant.is_some() || set.extension.is_some();
                sets.filter(granted).map(|set| set.name().to_owned()).collect()
            }
        }
    }
}

fn major(text: &str) -> Version {
    text.parse().unwrap()
}

/// What a standby and a primary are asked about, and where the answers are known from.
async fn make_something(pair: &Pair, version: Version) {
    let admin = pair.primary.connect("postgres").await.unwrap();
    run(&admin, "create database shop").await;
    if version >= major("10") {
        run(&admin, "create role only_monitor login in role pg_monitor").await;
    } else {
        run(&admin, "create role only_monitor login").await;
    }
    for database in ["postgres", "shop", "postgres"] {
        // Once more changes nothing, and says nothing.
        let said = testkit::psql(SCRIPT, &pair.primary.dsn(database), &["-v", "role=watcher"]).unwrap();
        assert_eq!(said, (Some(0), String::new()), "on PostgreSQL {version}");
    }
    let shop = pair.primary.connect("shop").await.unwrap();
    run(
        &shop,
        "create table item (id integer primary key, label text, price numeric);
         create index item_label on item (label);
         create unlogged table basket (id integer);
         insert into item select n, 'label ' || n, n from generate_series(1, 2000) as n;
         analyze item;
         create table removed as select 1 as n;
         drop table removed",
    )
    .await;
    if version >= major("10") {
        run(
            &shop,
            "create table sale (at date) partition by range (at);
             create table sale_2020 partition of sale for values from ('2020-01-01') to ('2021-01-01')",
        )
        .await;
    }
    let standby = pair.standby.connect("postgres").await.unwrap();
    let (positions, replayed) = if version >= major("10") {
        ("select pg_current_wal_lsn()::text", "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn")
    } else {
        ("select pg_current_xlog_location()::text", "select pg_last_xlog_replay_location() >= $1::text::pg_lsn")
    };
    let position: String = admin.query_one(positions, &[]).await.unwrap().get(0);
    let replayed = async || standby.query_one(replayed, &[&position]).await.unwrap().get::<_, Option<bool>>(0);
    while replayed().await != Some(true) {}
}

/// What was read.
struct Read<'a> {
    place: String,
    rig: &'a Rig,
    cycles: Vec<Cycle>,
}

impl Read<'_> {
    /// The rows of a set, of all databases or of the instance.
    fn rows(&self, set: &str) -> Vec<Frame> {
        let readings = self.cycles.iter().flat_map(|cycle| &cycle.readings).filter(|reading| reading.set == set);
        readings.map(|reading| self.rig.rows(reading)).collect()
    }

    fn definition(&self, set: &str) -> &Definition {
        &self.rig.catalog.get(set).unwrap().definition
    }

    /// The value of a column where another has a text; `None` where there is no such row.
    fn int(&self, set: &str, column: &str, of: (&str, &str)) -> Option<i64> {
        let place = |name: &str| self.definition(set).column(name).unwrap().0;
        self.rows(set).iter().find_map(|frame| {
            let texts = frame.column(place(of.0))?;
            let row = (0..frame.rows).find(|row| texts.text(*row) == Some(of.1))?;
            frame.column(place(column))?.int(row)
        })
    }

    fn by_oid(&self, set: &str, column: &str, label: &str, oid: i64) -> Option<i64> {
        let place = |name: &str| self.definition(set).column(name).unwrap().0;
        self.rows(set).iter().find_map(|frame| {
            let oids = frame.column(place(label))?;
            let row = (0..frame.rows).find(|row| oids.int(*row) == Some(oid))?;
            frame.column(place(column))?.int(row)
        })
    }
}

/// What must be true of each set: it is read with exactly the columns that this version has, or said why not.
fn judge(read: &Read<'_>, states: &[SetState], version: Version, statements: Version, who: Who, standby: bool) {
    let place = &read.place;
    let mut hidden = BTreeSet::new();
    for set in read.rig.catalog.sets() {
        if !matches!(set.definition.scope, Scope::Instance | Scope::Database) {
            continue;
        }
        let own = |state: &&SetState| state.set == set.name();
        let whole = states.iter().filter(own).find(|state| state.column.is_empty());
        let whole = whole.unwrap_or_else(|| panic!("{place}: nothing is said of {}", set.name()));
        let of = if set.extension.is_some() { statements } else { version };
        if whole.code == StateCode::Privilege as i32 {
            assert!(!whole.message.is_empty() && !whole.fix.is_empty(), "{place}: {whole:?}");
            hidden.insert(set.name().to_owned());
        } else if whole.state == State::Missing as i32 {
            let expected = set.lowest_version().is_some_and(|lowest| lowest > of)
                && whole.code == StateCode::Version as i32
                || set.role != Role::Any && whole.code == StateCode::Role as i32;
            assert!(expected, "{place}: {whole:?}");
            assert!(!whole.message.is_empty(), "{place}: {whole:?}");
        } else {
            assert_eq!(whole.state, State::Works as i32, "{place}: {whole:?}");
            columns(read, set, states, of, standby);
        }
    }
    assert_eq!(hidden, who.lacks(&read.rig.catalog, version, standby), "{place}");
}

/// A set that is read has every column of its version that is measured, and says of the others why not.
fn columns(read: &Read<'_>, set: &Set, states: &[SetState], version: Version, standby: bool) {
    let place = format!("{}: {}", read.place, set.name());
    let missing: BTreeMap<&str, i32> = states
        .iter()
        .filter(|state| state.set == set.name() && state.state == State::Missing as i32 && !state.column.is_empty())
        .map(|state| (state.column.as_str(), state.code))
        .collect();
    let frames = read.rows(set.name());
    assert!(!frames.is_empty(), "{place} works, and was not read");
    for (nth, column) in set.definition.columns.iter().enumerate() {
        let is_newer = column.since.is_some_and(|since| since > version);
        let of_other = column.role.is_some_and(|role| (role == Role::Primary) == standby);
        let code = missing.get(column.name.as_str()).copied();
        let expected = if is_newer {
            Some(StateCode::Version as i32)
        } else if of_other {
            Some(StateCode::Role as i32)
        } else {
            code.filter(|code| *code == StateCode::Setting as i32)
        };
        assert_eq!(code, expected, "{place}.{}", column.name);
        for frame in frames.iter().filter(|frame| frame.rows > 0) {
            // A column of nothing but NULL does not travel.
            assert!(frame.column(nth).is_none() || code.is_none(), "{place}.{}", column.name);
            // What is counted, and what has a size or a length, is never below zero.
            let counts = matches!(column.kind, Kind::Counter | Kind::Count | Kind::Gauge) && column.unit != Unit::None;
            let column_type = column.column_type;
            let whole = matches!(column_type, catalog::Type::Int4 | catalog::Type::Int8 | catalog::Type::Duration);
            if let Some(values) = frame.column(nth).filter(|_| counts && whole) {
                let below = (0..frame.rows).filter_map(|row| values.int(row)).find(|value| *value < 0);
                assert_eq!(below, None, "{place}.{}", column.name);
            }
        }
    }
}

/// Values that another way tells too.
async fn compare(read: &Read<'_>, admin: &Client, shop: &Client, version: Version, who: Who, standby: bool) {
    let place = &read.place;
    let lacks = who.lacks(&read.rig.catalog, version, standby);
    let oid = async |of: &str| -> i64 {
        shop.query_one("select $1::text::regclass::oid::bigint", &[&of]).await.unwrap().get(0)
    };
    let item = oid("item").await;
    let label = oid("item_label").await;
    assert_eq!(read.by_oid("pg_stat_all_tables", "relpages", "relid", item), {
        let pages = "select relpages::bigint from pg_class where relname = 'item'";
        Some(shop.query_one(pages, &[]).await.unwrap().get(0))
    });
    assert!(read.by_oid("pg_index", "signature", "indexrelid", label).is_some(), "{place}");
    assert_eq!(read.int("pg_class", "relid", ("relname", "item")), Some(item), "{place}");
    if version >= major("10") {
        let root = read.int("pg_class", "root_relid", ("relname", "sale_2020"));
        assert_eq!(root, Some(oid("sale").await), "{place}");
        assert_eq!(read.int("pg_class", "root_relid", ("relname", "item")), None, "{place}");
    }
    if !lacks.contains("relation_size") {
        let size: i64 = shop.query_one("select pg_relation_size('item')", &[]).await.unwrap().get(0);
        assert_eq!(read.by_oid("relation_size", "main_bytes", "relid", item), Some(size), "{place}");
    }
    if !lacks.contains("sessions") {
        let sessions = &read.rows("sessions")[0];
        let counted: i64 = {
            let nth = read.definition("sessions").column("sessions").unwrap().0;
            (0..sessions.rows).filter_map(|row| sessions.column(nth).unwrap().int(row)).sum()
        };
        let now: i64 = admin.query_one("select count(*) from pg_stat_activity", &[]).await.unwrap().get(0);
        assert!(counted > 0 && counted <= now + 5, "{place}: {counted} sessions, {now} now");
    }
    let expected = i64::from(!standby);
    if !lacks.contains("pg_stat_replication") {
        let standbys: usize = read.rows("pg_stat_replication").iter().map(|frame| frame.rows).max().unwrap_or(0);
        assert_eq!(i64::try_from(standbys).unwrap(), expected, "{place}");
    }
    if standby && !lacks.contains("pg_stat_wal_receiver") {
        let frame = &read.rows("pg_stat_wal_receiver")[0];
        let value = |name: &str| frame.column(read.definition("pg_stat_wal_receiver").column(name).unwrap().0);
        assert!(value("replayed_lsn").unwrap().int(0).is_some_and(|position| position > 0), "{place}");
        if version >= major("9.6") {
            assert_eq!(value("status").unwrap().text(0), Some("streaming"), "{place}");
        }
    }
    if !lacks.contains("pg_settings") {
        let settings = &read.rows("pg_settings")[0];
        let place_of = |name: &str| read.definition("pg_settings").column(name).unwrap().0;
        let names = settings.column(place_of("name")).unwrap();
        let row = (0..settings.rows).find(|row| names.text(*row) == Some("server_version")).unwrap();
        let shown: String = admin.query_one("show server_version", &[]).await.unwrap().get(0);
        assert_eq!(settings.column(place_of("setting")).unwrap().text(row), Some(shown.as_str()), "{place}");
    }
    if !lacks.contains("pg_stat_statements") {
        assert!(read.rows("pg_stat_statements").iter().any(|frame| frame.rows > 0), "{place}");
        assert!(read.rows("pg_stat_statements_text").iter().any(|frame| frame.rows > 0), "{place}");
    }
}

async fn read_by(pg: &Pg, shop_of: &Pg, version: Version, who: Who, standby: bool) {
    let part = if standby { "standby" } else { "primary" };
    let place = format!("PostgreSQL {version}, {part}, {who:?}");
    let mut rig = Rig::new(pg, who.role());
    let mut cycles = vec![rig.cycle().await];
    cycles.extend(rig.sweep().await);
    // Once more: names came with the first readings, and increments come with the second.
    cycles.push(rig.cycle().await);
    cycles.extend(rig.sweep().await);
    let attributes =
        cycles[0].instance.attributes.clone().unwrap_or_else(|| panic!("{place}: {:?}", cycles[0].instance));
    assert_eq!(Version::of_server(attributes.version_num), version, "{place}");
    assert_eq!(attributes.role, part, "{place}");
    let knows_identifier = version >= major("9.6") || who == Who::Setup;
    assert_eq!(!attributes.system_identifier.is_empty(), knows_identifier, "{place}");
    let knows_timeline = !standby || version >= major("10") || version >= major("9.6") && who != Who::Monitor;
    assert_eq!(attributes.timeline, knows_timeline.then_some(1), "{place}");
    assert_eq!(cycles.iter().flat_map(errors).collect::<Vec<_>>(), [] as [String; 0], "{place}");
    let admin = testkit::connect(&format!("{} {}", pg.dsn("postgres"), catalogue::OPTIONS)).await.unwrap();
    let statements = "select extversion from pg_extension where extname = 'pg_stat_statements'";
    let statements: String = admin.query_one(statements, &[]).await.unwrap().get(0);
    if who == Who::Superuser {
        let lacks = who.lacks(&rig.catalog, version, standby);
        let of_postgresql = rig.catalog.sets().filter(|set| set.extension.is_none() && !lacks.contains(set.name()));
        for set in of_postgresql.filter(|set| !set.sql.is_empty()) {
            if let Some(statement) = catalogue::sql(set, version) {
                catalogue::describe(&admin, set, version, &statement).await;
            }
        }
    }
    let states = rig.states().await;
    let read = Read { place, rig: &rig, cycles };
    judge(&read, &states, version, major(&statements), who, standby);
    let shop = shop_of.connect("shop").await.unwrap();
    compare(&read, &admin, &shop, version, who, standby).await;
}

async fn read_by_all(binaries: &Binaries) {
    let (first, second) = binaries.release();
    let version = Version { major: first, minor: second };
    let options = PgOptions::of(binaries).setting("max_prepared_transactions", "5");
    let pair = replication_pair(options).await.unwrap();
    make_something(&pair, version).await;
    for who in Who::ALL {
        read_by(&pair.primary, &pair.primary, version, who, false).await;
        read_by(&pair.standby, &pair.standby, version, who, true).await;
    }
}

/// One major, where it is installed.
#[expect(clippy::print_stdout, reason = "what a run leaves out is said")]
async fn read_major(release: (u32, u32)) {
    let found = testkit::installations().into_iter().find(|binaries| binaries.release() == release);
    let name = Version { major: release.0, minor: release.1 };
    match found {
        Some(binaries) => read_by_all(&binaries).await,
        None => {
            let must = release.0 >= OLDEST_GIVEN && std::env::var_os(COMPLETE).is_some();
            assert!(!must, "PostgreSQL {name} is not installed: scripts/setup test --majors");
            println!("skipped: PostgreSQL {name} is not installed");
        }
    }
}

#[tokio::test]
async fn the_newest_of_the_machine_is_read_by_every_role() {
    read_by_all(&testkit::installation(None).unwrap()).await;
}

macro_rules! majors {
    ($($test:ident: $release:expr),* $(,)?) => {
        $(
            #[tokio::test]
            #[ignore = "make test-versions runs it"]
            async fn $test() {
                read_major($release).await;
            }
        )*
    };
}

majors! {
    postgresql_9_4: (9, 4),
    postgresql_9_5: (9, 5),
    postgresql_9_6: (9, 6),
    postgresql_10: (10, 0),
    postgresql_11: (11, 0),
    postgresql_12: (12, 0),
    postgresql_13: (13, 0),
    postgresql_14: (14, 0),
    postgresql_15: (15, 0),
    postgresql_16: (16, 0),
    postgresql_17: (17, 0),
    postgresql_18: (18, 0),
}

/// Who may create in a database may make the schema and what looks like the script's functions: nobody calls them.
#[tokio::test]
#[ignore = "make test-versions runs it"]
async fn functions_of_a_stranger_are_not_called() {
    let Some(old) = testkit::installations().into_iter().find(|binaries| binaries.release() < (11, 0)) else {
        assert!(std::env::var_os(COMPLETE).is_none(), "PostgreSQL 10 is not installed: scripts/setup test --majors");
        return;
    };
    let pg = Pg::start(PgOptions::of(&old)).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(
        &admin,
        "create role stranger; grant create on database postgres to stranger;
         set role stranger;
         create schema pganalytics;
         grant usage on schema pganalytics to public;
         create function pganalytics.pg_stat_file(path text, missing_ok boolean, out size bigint,
           out modification timestamptz) language plpgsql security definer
           as $$ begin raise exception 'a stranger was asked'; end $$;
         reset role",
    )
    .await;
    let (code, said) = testkit::psql(SCRIPT, &pg.dsn("postgres"), &["-v", "role=watcher"]).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("The schema pganalytics is of stranger, who is no superuser"), "{said}");
    let mut rig = Rig::new(&pg, "watcher");
    rig.whole_cycle().await;
    rig.whole_sweep().await;
    let fix = rig.fix("relation_size").await;
    assert_eq!(
        fix.map(|fix| fix.starts_with("psql -X -v role=watcher -d postgres -f monitoring-role.sql")),
        Some(true)
    );
    // Once the schema is gone, the script mends it.
    run(&admin, "drop schema pganalytics cascade").await;
    let said = testkit::psql(SCRIPT, &pg.dsn("postgres"), &["-v", "role=watcher"]).unwrap();
    assert_eq!(said, (Some(0), String::new()));
    rig.whole_sweep().await;
    assert_eq!(rig.fix("relation_size").await, None);
}
