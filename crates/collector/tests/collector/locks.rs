//! Cycles beside locks: on what users own, which the collector never waits for, and on the catalogs,
//! which stop it and hang its new sessions, and where it must not pile up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use collector::connect::MAX_BACKENDS;
use futures_util::future::join_all;
use testkit::{Pg, PgOptions};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement};

use crate::databases::grant_sizes;
use crate::rig::{ROLE, Rig, errors, make_role, reading, run};

const STATEMENTS: &str = "pg_stat_statements";
const TEXTS: &str = "pg_stat_statements_text";
/// The open connection goes to the first, and the extension is in the second: both are used in each cycle.
const DATABASES: [&str; 2] = ["postgres", "other"];
/// How long the catalogs stay locked.
const HOLD: Duration = Duration::from_secs(60);
/// How often the collector is asked for a cycle meanwhile: as often as a configuration can ask.
const PACE: Duration = Duration::from_secs(1);
/// How often its backends are counted.
const SAMPLE: Duration = Duration::from_millis(50);
/// When a condition that does not come is a failure: the longest back-off, and some.
const PATIENCE: Duration = Duration::from_secs(100);

const OBJECTS: &str = "
    create table plain (id int primary key, note text);
    create table parted (id int primary key) partition by range (id);
    create table part partition of parted for values from (0) to (9);
    create sequence numbers;
    create view seen as select 1 as one;
    create materialized view kept as select 1 as one;
    create type pair as (a int, b int);
    create foreign data wrapper w1;
    create server s1 foreign data wrapper w1;
    create foreign table far (id int) server s1;
    create table queued (id int, note text);
    create view queued_view as select 1 as one;";

/// Locks an object of every kind, each by what users do to it; `truncate` takes the TOAST table itself.
const LOCKS: &str = "
    begin;
    truncate plain;
    lock table parted, seen in access exclusive mode;
    alter table parted drop constraint parted_pkey;
    alter sequence numbers rename to renamed;
    refresh materialized view kept;
    alter type pair add attribute c int;
    alter foreign table far add column more int;
    reindex index plain_pkey";

/// The kinds of what a backend has locked: all that there are.
const KINDS: &str = "select string_agg(distinct c.relkind::text collate \"C\", '')
                     from pg_locks l join pg_class c on c.oid = l.relation
                     where l.pid = $1 and l.granted and l.mode = 'AccessExclusiveLock' and c.oid > 16000";
const ALL_KINDS: &str = "IScfimprtv";

/// Queue behind a reader.
const QUEUERS: [&str; 3] = [
    "alter table queued add column more int",
    "alter view queued_view rename to other_view",
    // Takes the TOAST table too.
    "truncate queued",
];

async fn start(options: PgOptions) -> Pg {
    let pg = Pg::start(options).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "drop extension pg_stat_statements").await;
    run(&admin, "create database other").await;
    run(&pg.connect("other").await.unwrap(), "create extension pg_stat_statements").await;
    pg
}

/// Comes back when the statement's only value is `wanted`.
async fn until(client: &Client, statement: &Statement, wanted: i64, place: &str) {
    let reached = async {
        while client.query_one(statement, &[]).await.unwrap().get::<_, i64>(0) != wanted {
            tokio::time::sleep(SAMPLE).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{place}: never {wanted}"));
}

#[tokio::test]
async fn no_lock_is_waited_for() {
    // 10 has no indexes of partitioned tables.
    for major in testkit::majors().into_iter().filter(|major| *major >= 11) {
        let options = PgOptions::major(major)
            .setting("log_lock_waits", "on")
            .setting("deadlock_timeout", "10ms")
            .setting("autovacuum", "off")
            .setting("log_line_prefix", "%p user=%u ");
        let pg = start(options).await;
        let admin = pg.connect("postgres").await.unwrap();
        let (mut holders, mut readers, mut queue) = (Vec::new(), Vec::new(), Vec::new());
        for database in DATABASES {
            let holder = pg.connect(database).await.unwrap();
            run(&holder, OBJECTS).await;
            run(&holder, LOCKS).await;
            let pid: i32 = holder.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
            let reader = pg.connect(database).await.unwrap();
            grant_sizes(&pg, database).await;
            let kinds: String = reader.query_one(KINDS, &[&pid]).await.unwrap().get(0);
            assert_eq!(kinds, ALL_KINDS, "{major}: what is locked in {database}");
            run(&reader, "begin; select * from queued; select * from queued_view").await;
            for sql in QUEUERS {
                let client = pg.connect(database).await.unwrap();
                queue.push(tokio::spawn(async move { run(&client, sql).await }));
            }
            holders.push(holder);
            readers.push(reader);
        }
        let waiters = admin.prepare("select count(*) from pg_locks where not granted").await.unwrap();
        until(&admin, &waiters, i64::try_from(queue.len()).unwrap(), "waiters").await;
        let mut rig = Rig::new(&pg, ROLE);
        let mut scheduled: BTreeSet<String> = rig.watch.schedule().into_iter().map(|(set, _)| set).collect();
        scheduled.retain(|name| {
            let set = rig.catalog.get(name).unwrap();
            let served = set.extension.is_some() || set.lowest_version() <= Some(catalog::Version { major, minor: 0 });
            served && set.role != catalog::Role::Standby
        });
        for nth in 0..30 {
            let cycle = rig.whole_cycle().await;
            for set in scheduled.iter().filter(|set| *set != TEXTS) {
                assert!(reading(&cycle, set).is_some(), "{major}: no {set} in cycle {nth}");
            }
            let visits = rig.whole_sweep().await;
            for set in ["pg_stat_all_tables", "pg_stat_all_indexes", "pg_class", "pg_index", "relation_size"] {
                let read = visits.iter().filter(|cycle| reading(cycle, set).is_some()).count();
                assert_eq!(read, DATABASES.len(), "{major}: {set} in cycle {nth}");
            }
        }
        let waits = |log: &str, role: &str| {
            log.lines().filter(|line| line.contains("still waiting") && line.contains(&format!("user={role} "))).count()
        };
        let log = pg.log().unwrap();
        assert_eq!(waits(&log, ROLE), 0, "{major}: waits of the collector, on whichever connection:\n{log}");
        assert_eq!(waits(&log, "postgres"), queue.len(), "{major}: the queue only:\n{log}");
        assert!(!log.contains("lock timeout"), "{major}:\n{log}");
        // The same role would be seen, had it waited.
        let size = "select pg_catalog.pg_relation_size('public.plain')";
        let options = "options='-c lock_timeout=100ms -c search_path=pg_catalog'";
        let dsn = pg.dsn("postgres").replace("user=postgres", &format!("user={ROLE}"));
        let waits_for = testkit::connect(&format!("{dsn} {options}")).await.unwrap();
        let refused = waits_for.query_typed_one(size, &[]).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::LOCK_NOT_AVAILABLE), "{major}: {refused}");
        assert_eq!(waits(&pg.log().unwrap(), ROLE), 1, "{major}: else this test shows nothing");
        for client in holders.iter().chain(&readers) {
            run(client, "rollback").await;
        }
        for task in queue {
            task.await.unwrap();
        }
    }
}

/// What `vacuum full pg_class` does while the collector goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vacuum {
    /// Has its lock, and is stuck half-way.
    Working,
    /// Waits for its lock, and all who come later wait behind it.
    Queued,
    /// There is none.
    None,
}

/// One way of locking the catalogs.
#[derive(Clone, Copy, Debug)]
struct Hold {
    vacuum: Vacuum,
    /// `lock pg_authid`: no new session gets past its role.
    roles: bool,
    /// The collector's open connection is ended before: it has nothing but new sessions.
    disconnected: bool,
}

const HOLDS: [Hold; 5] = [
    Hold { vacuum: Vacuum::Working, roles: true, disconnected: false },
    Hold { vacuum: Vacuum::Working, roles: false, disconnected: true },
    Hold { vacuum: Vacuum::Queued, roles: false, disconnected: false },
    Hold { vacuum: Vacuum::Queued, roles: true, disconnected: true },
    Hold { vacuum: Vacuum::None, roles: true, disconnected: true },
];

/// Runs for a minute, because the locks are held for that long; all at once, so that it is one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn locked_catalogs_stop_cycles_but_pile_nothing_up() {
    let majors = testkit::majors();
    // The newest and the oldest: all of them at once are too many clusters.
    let majors: BTreeSet<u32> = majors.first().into_iter().chain(majors.last()).copied().collect();
    join_all(majors.iter().flat_map(|major| HOLDS.iter().map(|hold| held(*major, *hold)))).await;
}

#[expect(clippy::print_stdout, reason = "says what the locks did, to whom looks")]
async fn held(major: u32, hold: Hold) {
    let place = format!("{major}, {hold:?}");
    let pg = start(PgOptions::major(major).setting("autovacuum", "off")).await;
    // Who comes later than the locks hangs, and so would this test: its connections are open before,
    // and those that go on are in a database whose own catalogs nobody locks.
    let admin = pg.connect("template1").await.unwrap();
    let roles_blocker = pg.connect("template1").await.unwrap();
    let granted = hold.vacuum == Vacuum::Working;
    let locks = admin
        .prepare(&format!(
            "select count(*) from pg_catalog.pg_lock_status()
             where relation = 'pg_catalog.pg_class'::pg_catalog.regclass
               and mode = 'AccessExclusiveLock' and granted = {granted}"
        ))
        .await
        .unwrap();
    until(&admin, &locks, 0, &place).await;
    let (mut blockers, mut vacuumers) = (Vec::new(), Vec::new());
    for database in DATABASES {
        blockers.push(pg.connect(database).await.unwrap());
        let vacuumer = pg.connect(database).await.unwrap();
        run(&vacuumer, "vacuum full pg_class").await;
        vacuumers.push(vacuumer);
    }
    let end = format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = '{ROLE}'");
    let end = admin.prepare(&end).await.unwrap();
    let census = Census::begin(&pg);
    let mut rig = Rig::new(&pg, ROLE);
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    recover(&mut rig, &mut pace).await;
    if hold.disconnected {
        until(&admin, &end, 0, &place).await;
    }

    for blocker in &blockers {
        match hold.vacuum {
            // The new pg_class has columns to be noted down.
            Vacuum::Working => run(blocker, "begin; lock table pg_attribute in share mode").await,
            Vacuum::Queued => run(blocker, "begin; select from pg_class limit 1").await,
            Vacuum::None => {}
        }
    }
    let vacuums: Vec<JoinHandle<()>> = vacuumers
        .into_iter()
        .filter(|_| hold.vacuum != Vacuum::None)
        .map(|client| tokio::spawn(async move { run(&client, "vacuum full pg_class").await }))
        .collect();
    let stuck = i64::try_from(vacuums.len()).unwrap();
    until(&admin, &locks, stuck, &place).await;
    if hold.roles {
        run(&roles_blocker, "begin; lock table pg_authid in access exclusive mode").await;
    }
    blockers.push(roles_blocker);

    let (began, mut cycles, mut said) = (Instant::now(), 0, BTreeSet::new());
    while began.elapsed() < HOLD {
        pace.tick().await;
        cycles += 1;
        let errors = errors(&rig.cycle().await);
        assert!(!errors.is_empty(), "{place}: what gets through shows nothing");
        said.extend(errors);
    }
    let still: i64 = admin.query_one(&locks, &[]).await.unwrap().get(0);
    assert_eq!(still, stuck, "{place}: held for the whole time");
    for blocker in &blockers {
        run(blocker, "rollback").await;
    }
    for vacuum in vacuums {
        vacuum.await.unwrap();
    }
    let released = Instant::now();
    recover(&mut rig, &mut pace).await;
    let took = released.elapsed();
    let most = census.end(1).await;
    println!("{place}: {cycles} cycles, at most {most} backends, whole again after {took:?}; {said:#?}");
    assert!(most <= MAX_BACKENDS, "{place}: {most} backends");
    if hold.roles && hold.disconnected {
        // A lock on pg_class is given up on; before its role is known, a session has no `lock_timeout`.
        assert_eq!(most, MAX_BACKENDS, "{place}: else the lock hung nothing");
    }
}

/// Comes back when all is read again.
async fn recover(rig: &mut Rig, pace: &mut tokio::time::Interval) {
    let recovered = async {
        loop {
            pace.tick().await;
            let cycle = rig.cycle().await;
            if errors(&cycle).is_empty() && reading(&cycle, STATEMENTS).is_some() {
                return;
            }
        }
    };
    timeout(PATIENCE, recovered).await.expect("it recovers by itself");
}

/// Counts the collector's backends, by the postmaster's own children: a backend that hangs before
/// it is through with connecting is in no view of PostgreSQL.
#[cfg(target_os = "linux")]
struct Census {
    most: Arc<AtomicUsize>,
    now: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

#[cfg(target_os = "linux")]
impl Census {
    /// Whoever is there now is not the collector, and whoever comes from now on is.
    fn begin(pg: &Pg) -> Self {
        let postmaster = pg.with(|cluster| cluster.pid()).unwrap();
        let before = children(postmaster);
        let (most, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen_most, seen_now) = (Arc::clone(&most), Arc::clone(&now));
        let task = tokio::spawn(async move {
            let mut samples = interval(SAMPLE);
            loop {
                samples.tick().await;
                let collectors = children(postmaster).difference(&before).count();
                seen_most.fetch_max(collectors, Ordering::Relaxed);
                seen_now.store(collectors, Ordering::Relaxed);
            }
        });
        Self { most, now, task }
    }

    /// The most that there ever were, once there are `wanted`.
    async fn end(self, wanted: usize) -> usize {
        let reached = async {
            while self.now.load(Ordering::Relaxed) != wanted {
                tokio::time::sleep(SAMPLE).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("what hung is gone");
        self.task.abort();
        self.most.load(Ordering::Relaxed)
    }
}

/// A postmaster has one thread, and its children are that thread's.
#[cfg(target_os = "linux")]
fn children(parent: i32) -> BTreeSet<i32> {
    let pids = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn vacuum_full_of_a_catalog_again_and_again_is_lived_through() {
    let pg = start(PgOptions::default().setting("autovacuum", "off")).await;
    let (stop, vacuums) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for database in DATABASES {
        clients.push(pg.connect(database).await.unwrap());
    }
    let census = Census::begin(&pg);
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    let mut loops = Vec::new();
    for client in clients {
        let (stop, vacuums) = (Arc::clone(&stop), Arc::clone(&vacuums));
        loops.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                run(&client, "vacuum full pg_class").await;
                vacuums.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let mut failed = 0;
    for _ in 0..30 {
        let before = vacuums.load(Ordering::Relaxed);
        failed += usize::from(!errors(&rig.cycle().await).is_empty());
        while vacuums.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    join_all(loops).await.into_iter().for_each(|ended| ended.unwrap());
    recover(&mut rig, &mut interval(PACE)).await;
    let most = census.end(1).await;
    assert!(most <= MAX_BACKENDS, "{most} backends; {failed} of 30 cycles failed");
}

/// A migration that takes a lock on each table of a database at once.
#[tokio::test]
async fn a_thousand_locked_tables_are_read_all_the_same() {
    const TABLES: usize = 1000;
    let options = PgOptions::default().setting("log_lock_waits", "on").setting("deadlock_timeout", "10ms");
    let pg = Pg::start(options).await.unwrap();
    make_role(&pg).await;
    grant_sizes(&pg, "postgres").await;
    let holder = pg.connect("postgres").await.unwrap();
    let made: Vec<String> = (0..TABLES).map(|n| format!("create table t{n} (id int primary key, note text)")).collect();
    for some in made.chunks(100) {
        run(&holder, &some.join(";")).await;
    }
    let locked: Vec<String> = (0..TABLES).map(|n| format!("t{n}")).collect();
    run(&holder, &format!("begin; lock table {} in access exclusive mode", locked.join(", "))).await;
    let mut rig = Rig::new(&pg, ROLE);
    for nth in 0..3 {
        rig.whole_cycle().await;
        let visits = rig.whole_sweep().await;
        // Figures of tables are told when they move.
        for (set, least) in [("pg_stat_all_tables", 0), ("pg_class", TABLES), ("relation_size", 2 * TABLES)] {
            let read: Vec<u32> = visits.iter().filter_map(|cycle| Some(reading(cycle, set)?.rows)).collect();
            // From then on what did not change is not said again.
            let is_whole = nth > 0 || read.iter().sum::<u32>() as usize >= least;
            assert!(!read.is_empty() && is_whole, "{set}: {read:?} rows in round {nth}");
        }
    }
    let log = pg.log().unwrap();
    assert!(!log.contains("still waiting") && !log.contains("lock timeout"), "the collector waited for a lock:\n{log}");
}
