//! Readers of the host: what they make of files of several kernels, of any bytes, of a reboot and of a
//! counter's edge, and that each set of scope `host` and `collector` has its reader.
//!
//! Each `tests/host/*.txt` names a set, and holds files under lines `=== path`; under `=== rows` is what the
//! reader makes of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use catalog::{Catalog, Kind, Scope};
use collector::baseline::{Baseline, Incarnation, Place, ReadingTime};
use collector::host::{self, Sources, boot};
use collector::increments;
use collector::named::{Row, Value, value};
use collector::own::{self, Own};
use proptest::prelude::*;
use testkit::{Pg, PgOptions};
use wire::{FlagReason, Frame};

use crate::rig::{ROLE, Rig, make_role, reading, reasons};

fn sources(root: &Path) -> Sources {
    Sources { proc: root.join("proc"), cgroup: root.join("cgroup"), data_directory: None, tablespaces: None }
}

fn write(root: &Path, file: &str, content: &[u8]) {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn shown(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let values = row.iter().map(|(name, value)| match value {
            Value::Int(value) => format!("{name}={value}"),
            Value::Float(value) => format!("{name}={value}"),
            Value::Bool(value) => format!("{name}={value}"),
            Value::Text(value) => format!("{name}={value}"),
            Value::Unknown => format!("{name}=?"),
        });
        writeln!(text, "{}", values.collect::<Vec<_>>().join(" ")).unwrap();
    }
    text
}

#[test]
fn files_of_several_kernels_are_read_as_written_down() {
    let mut cases = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/host")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut parts = text.split("=== ");
        let set = parts.next().unwrap().lines().next().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut expected = None;
        for part in parts {
            let (name, content) = part.split_once('\n').unwrap();
            match name {
                "rows" => expected = Some(content),
                file => write(dir.path(), file, content.as_bytes()),
            }
        }
        let read = if set == "mounts" {
            let text = std::fs::read_to_string(dir.path().join("proc/self/mountinfo")).unwrap();
            let mounts = host::mounts(&text, |point| !point.ends_with("resolv.conf"));
            mounts.iter().map(|mount| format!("{} {} {}\n", mount.point, mount.device, mount.fs_type)).collect()
        } else {
            match (host::reader(set).unwrap().read)(&sources(dir.path())) {
                Ok(rows) => shown(&rows),
                Err(error) => format!("{error}\n").replace(&*dir.path().to_string_lossy(), ""),
            }
        };
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let before = text.split("=== rows").next().unwrap();
            std::fs::write(&path, format!("{before}=== rows\n{read}")).unwrap();
        } else {
            assert_eq!(read.trim(), expected.unwrap().trim(), "{}", path.display());
        }
        cases += 1;
    }
    assert!(cases >= 8, "only {cases} cases found");
}

#[test]
fn every_set_without_sql_has_a_reader_that_fills_exactly_its_columns() {
    let catalog = Catalog::embedded().unwrap();
    let names = |row: &Row| row.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<String>>();
    let mut own = Own::new(&catalog);
    own.identified(std::time::Duration::from_micros(5));
    let mut read: Vec<(&str, Row)> = vec![(own::SETS, own.tell(|_| 1).remove(0)), (own::PROCESS, own.process_row())];
    // Not every kernel counts pressure, and not every collector runs in a container.
    let made = tempfile::tempdir().unwrap();
    write(made.path(), "cgroup/cpu.max", b"100000 100000");
    write(made.path(), "proc/pressure/cpu", b"some avg10=1.00 avg60=2.00 avg300=3.00 total=4");
    for reader in host::READERS {
        let mut rows = (reader.read)(&Sources::here(Some("/".into()))).unwrap();
        if rows.is_empty() && ["host_container", "host_pressure"].contains(&reader.set) {
            rows = (reader.read)(&sources(made.path())).unwrap();
        }
        read.push((reader.set, rows.into_iter().next().unwrap_or_else(|| panic!("{} has no row", reader.set))));
    }
    for (set, row) in &read {
        let set = catalog.get(set).unwrap_or_else(|| panic!("{set} is no set"));
        let columns = set.definition.columns.iter().map(|column| column.name.clone()).collect::<BTreeSet<_>>();
        assert_eq!(names(row), columns, "{}", set.name());
        assert_eq!(row.len(), columns.len(), "{} names a column twice", set.name());
        let frame = collector::named::frame(&set.definition, std::slice::from_ref(row));
        for (place, meta) in set.definition.columns.iter().enumerate() {
            let known = value(row, &meta.name) != Some(&Value::Unknown);
            assert_eq!(
                !frame.column(place).unwrap().is_null(0),
                known,
                "{}.{} has another type",
                set.name(),
                meta.name
            );
        }
    }
    let sets = catalog.sets().filter(|set| matches!(set.definition.scope, Scope::Host | Scope::Collector));
    // What counts samples is told with them.
    let beside = catalog.read_beside();
    let sets: BTreeSet<&str> = sets.map(catalog::Set::name).filter(|set| !beside.contains(set)).collect();
    assert_eq!(sets, read.iter().map(|(set, _)| *set).collect());
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), line in "[a-z0-9 :/.\\\\-]{0,120}") {
        let dir = tempfile::tempdir().unwrap();
        for content in [bytes.as_slice(), line.as_bytes(), format!("cpu {line}\nMemTotal: {line}\n8 0 sda {line}").as_bytes()] {
            for file in ["stat", "meminfo", "loadavg", "uptime", "diskstats", "self/mountinfo", "self/net/dev", "vmstat", "pressure/cpu", "sys/kernel/random/boot_id"] {
                write(dir.path(), &format!("proc/{file}"), content);
            }
            for file in ["cpu.max", "cpu.stat", "memory.max", "memory.events", "io.pressure"] {
                write(dir.path(), &format!("cgroup/{file}"), content);
            }
            for reader in host::READERS {
                let _ = (reader.read)(&sources(dir.path()));
            }
            let _ = boot::incarnation(&sources(dir.path()), None, 0);
        }
    }
}

/// A host whose files are made up, read as the collector reads it.
struct Made {
    catalog: Catalog,
    set: &'static str,
    last: Option<Baseline>,
}

const SECOND: i64 = 1_000_000;

impl Made {
    fn new(set: &'static str) -> Self {
        Self { catalog: Catalog::embedded().unwrap(), set, last: None }
    }

    /// The increments of one reading, and why the interval is flagged.
    fn read(&mut self, boot: &Incarnation, at: i64, file: &str, content: &str) -> (Frame, Vec<&'static str>) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &format!("proc/{file}"), content.as_bytes());
        let definition = &self.catalog.get(self.set).unwrap().definition;
        let reader = host::reader(self.set).unwrap();
        let rows = (reader.read)(&sources(dir.path())).unwrap();
        let frame = reader.follow(definition, rows, self.last.as_ref(), boot);
        let at = ReadingTime {
            incarnation: boot.clone(),
            started_us: at,
            time_us: at,
            instance_time_us: at,
            since_previous_us: None,
        };
        let place = Place { instance: "i".into(), set: self.set.into(), datid: None };
        let formed = increments::form(&place, definition, self.last.as_ref(), frame, None, &at).unwrap();
        self.last = Some(formed.next);
        (formed.rows, formed.flags.iter().map(|flag| FlagReason::try_from(flag.reason).unwrap().word()).collect())
    }

    fn int(&self, frame: &Frame, column: &str) -> Option<i64> {
        let (place, _) = self.catalog.get(self.set).unwrap().definition.column(column).unwrap();
        frame.column(place).unwrap().int(0)
    }
}

#[test]
fn a_reboot_begins_at_zero_and_a_moved_clock_is_none() {
    let (first, second) = ("11111111-2222-3333-4444-555555555555", "66666666-2222-3333-4444-555555555555");
    let mut host = Made::new("host_cpu");
    let boot = boot::of(first, 0, None).unwrap();
    host.read(&boot, 100 * SECOND, "stat", "cpu 1000 0 500 9000\nctxt 7\n");
    // The clock was set: the boot seems to have been another moment, and is the same one.
    let same = boot::of(first, 5 * SECOND, Some(&boot)).unwrap();
    let (rows, flags) = host.read(&same, 110 * SECOND, "stat", "cpu 1100 0 500 9900\nctxt 9\n");
    assert_eq!((host.int(&rows, "user_time"), host.int(&rows, "context_switches")), (Some(SECOND), Some(2)));
    assert_eq!(flags, [] as [&str; 0]);
    let other = boot::of(second, 150 * SECOND, Some(&same)).unwrap();
    let (rows, flags) = host.read(&other, 200 * SECOND, "stat", "cpu 300 0 20 4000\nctxt 5\n");
    assert_eq!((host.int(&rows, "user_time"), host.int(&rows, "idle_time")), (Some(3 * SECOND), Some(40 * SECOND)));
    assert_eq!(flags, ["restart"]);
}

#[test]
fn idle_time_that_goes_back_invents_nothing() {
    let mut host = Made::new("host_cpu");
    let boot = boot::of("11111111-2222-3333-4444-555555555555", 0, None).unwrap();
    host.read(&boot, 100 * SECOND, "stat", "cpu 1000 0 500 9000 77\n");
    let (rows, flags) = host.read(&boot, 110 * SECOND, "stat", "cpu 1100 0 500 8999 76\n");
    assert_eq!(host.int(&rows, "user_time"), Some(SECOND));
    assert_eq!((host.int(&rows, "idle_time"), host.int(&rows, "iowait_time")), (Some(0), Some(0)));
    assert_eq!(flags, [] as [&str; 0]);
    // What was held back is not counted a second time.
    let (rows, _) = host.read(&boot, 120 * SECOND, "stat", "cpu 1200 0 500 9001 77\n");
    assert_eq!((host.int(&rows, "idle_time"), host.int(&rows, "iowait_time")), (Some(SECOND / 100), Some(0)));
}

#[test]
fn the_times_of_a_disk_go_on_over_32_bits() {
    let line = |reads: u64, time: u64| format!(" 8 0 sda {reads} 0 800 {time} 5 0 80 9 0 11 12\n");
    let mut host = Made::new("host_disks");
    let boot = boot::of("11111111-2222-3333-4444-555555555555", 0, None).unwrap();
    let edge = u64::from(u32::MAX);
    host.read(&boot, 100 * SECOND, "diskstats", &line(10, edge - 99));
    let (rows, _) = host.read(&boot, 110 * SECOND, "diskstats", &line(13, 100));
    assert_eq!((host.int(&rows, "reads"), host.int(&rows, "read_time")), (Some(3), Some(200_000)));
    let (rows, _) = host.read(&boot, 120 * SECOND, "diskstats", &line(14, 150));
    assert_eq!((host.int(&rows, "reads"), host.int(&rows, "read_time")), (Some(1), Some(50_000)));
    // Another device of that name begins at zero.
    let (rows, _) = host.read(&boot, 130 * SECOND, "diskstats", &line(2, 7));
    assert_eq!((host.int(&rows, "reads"), host.int(&rows, "read_time")), (Some(2), Some(7_000)));
}

fn sum(rig: &Rig, cycle: &collector::watch::Cycle, set: &str, column: &str) -> i64 {
    let rows = rig.rows(reading(cycle, set).unwrap());
    let (place, meta) = rig.catalog.get(set).unwrap().definition.column(column).unwrap();
    assert_ne!(meta.kind, Kind::Label);
    (0..rows.rows).map(|row| rows.column(place).unwrap().int(row).unwrap_or(0)).sum()
}

/// User, nice and idle ticks of all processors, read by the test itself.
fn ticks() -> i64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    stat.lines().next().unwrap().split_ascii_whitespace().skip(1).take(8).map(|v| v.parse::<i64>().unwrap()).sum()
}

#[tokio::test]
async fn the_hosts_time_is_what_proc_says_and_goes_on_when_postgresql_restarts() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = Rig::new(&pg, ROLE);
    let before = ticks();
    rig.whole_cycle().await;
    let after = ticks();
    pg.restart(testkit::Mode::Fast).await.unwrap();
    let least = ticks();
    let cycle = rig.whole_cycle().await;
    let most = ticks();
    let times =
        ["user_time", "nice_time", "system_time", "idle_time", "iowait_time", "irq_time", "softirq_time", "steal_time"];
    let told: i64 = times.iter().map(|column| sum(&rig, &cycle, "host_cpu", column)).sum();
    // The kernel's own idle times may go back by a few ticks.
    let few = 20;
    assert!(told >= (least - after - few) * 10_000, "{told} µs in at least {} ticks", least - after);
    assert!(told <= (most - before + few) * 10_000, "{told} µs in at most {} ticks", most - before);
    assert_eq!(reasons(&cycle, "host_cpu"), [] as [&str; 0], "PostgreSQL's restart is not the host's");
    let cpus = usize::try_from(sum(&rig, &cycle, "host_cpu", "cpus")).unwrap();
    assert_eq!(cpus, std::fs::read_to_string("/proc/cpuinfo").unwrap().matches("\nprocessor").count() + 1);
    let total = sum(&rig, &cycle, "host_memory", "total_bytes");
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    assert!(meminfo.contains(&format!(" {} kB", total / 1024)), "{total}");
    // The data directory of a private cluster is on one of the file systems, or on none that is kept.
    let rows = rig.rows(reading(&cycle, "host_filesystems").unwrap());
    let definition = &rig.catalog.get("host_filesystems").unwrap().definition;
    let holds = rows.column(definition.column("holds_data_directory").unwrap().0).unwrap();
    let holders = (0..rows.rows).filter(|row| holds.bool(*row) == Some(true)).count();
    assert!(rows.rows > 0 && (0..rows.rows).all(|row| !holds.is_null(row)), "pg_monitor may see where the data is");
    assert!(holders <= 1, "{holders} hold it");
    // Who may follow pg_wal knows where it is; who may not does not guess.
    let wal = rows.column(definition.column("holds_wal").unwrap().0).unwrap();
    let is_same = |row: usize| wal.is_null(row) || wal.bool(row) == holds.bool(row);
    assert!((0..rows.rows).all(is_same), "it is in the data directory");
}

#[tokio::test]
async fn a_tablespace_is_told_where_it_lies() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = Rig::new(&pg, ROLE);
    let told = |rig: &Rig, cycle: &collector::watch::Cycle| -> Vec<String> {
        let rows = rig.rows(reading(cycle, "host_filesystems").unwrap());
        let definition = &rig.catalog.get("host_filesystems").unwrap().definition;
        let names = rows.column(definition.column("tablespaces").unwrap().0).unwrap();
        (0..rows.rows).map(|row| names.text(row).unwrap_or("unknown").to_owned()).collect()
    };
    let cycle = rig.whole_cycle().await;
    assert!(told(&rig, &cycle).iter().all(String::is_empty), "there is none");
    let admin = pg.connect("postgres").await.unwrap();
    let data: String = admin.query_one("show data_directory", &[]).await.unwrap().get(0);
    let place = Path::new(&data).join("cold store");
    admin.simple_query(&format!("copy (select 1) to program 'mkdir \"{}\"'", place.display())).await.unwrap();
    admin.simple_query(&format!("create tablespace \"Cold\" location '{}'", place.display())).await.unwrap();
    let cycle = rig.whole_cycle().await;
    let mut names = told(&rig, &cycle);
    // It lies on a file system that is told, or on none that is kept.
    names.retain(|name| !name.is_empty());
    assert!(names.len() <= 1 && names.iter().all(|name| name == "\"Cold\""), "{names:?}");
    admin.simple_query("drop tablespace \"Cold\"").await.unwrap();
}

#[tokio::test]
async fn the_collector_tells_what_its_last_cycle_took() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = Rig::new(&pg, ROLE);
    let first = rig.whole_cycle().await;
    let told = rig.rows(reading(&first, "collector_sets").unwrap());
    let definition = Arc::clone(&rig.catalog).get(own::SETS).unwrap().definition.clone();
    let column =
        |frame: &Frame, row: usize, name: &str| frame.column(definition.column(name).unwrap().0).unwrap().int(row);
    let names = |frame: &Frame| -> Vec<String> {
        let names = frame.column(0).unwrap();
        (0..frame.rows).map(|row| names.text(row).unwrap().to_owned()).collect()
    };
    for (row, set) in names(&told).iter().enumerate() {
        let readings = first.readings.iter().filter(|reading| reading.set == *set);
        let (count, rows) = readings.fold((0, 0), |(count, rows), reading| (count + 1, rows + i64::from(reading.rows)));
        if set != "identity" {
            assert_eq!(
                (column(&told, row, "readings"), column(&told, row, "rows")),
                (Some(count), Some(rows)),
                "{set}"
            );
            assert!(column(&told, row, "bytes") > Some(0), "{set}");
        } else {
            assert!(column(&told, row, "statement_time") > Some(0));
        }
    }
    assert!(names(&told).contains(&"pg_stat_statements".to_owned()) && !names(&told).contains(&own::SETS.to_owned()));
    rig.watch.tell_process(own::Process::default());
    rig.watch.tell_skipped(&[("pg_stat_database".to_owned(), 2)]);
    let second = rig.whole_cycle().await;
    let told = rig.rows(reading(&second, "collector_sets").unwrap());
    let late = names(&told).iter().position(|set| set == "pg_stat_database").unwrap();
    assert_eq!(column(&told, late, "late_cycles"), Some(2));
    assert_eq!(reading(&second, "pg_stat_database").unwrap().late_cycles, 2);
    assert!(names(&told).contains(&own::SETS.to_owned()), "its own reading of the cycle before");
    assert!(reading(&second, "collector_sets").unwrap().interval_us.is_some());
    assert!(sum(&rig, &second, "collector_process", "resident_bytes") > 1 << 20);
    assert!(sum(&rig, &second, "collector_process", "cpu_time") > 0);
}

#[tokio::test]
async fn what_was_told_is_told_once_also_when_a_visit_is_not_spooled() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    assert!(!rig.whole_sweep().await.is_empty());
    // The visit did not get to disk; the instance's own cycle before it did.
    rig.watch.not_spooled();
    let cycle = rig.whole_cycle().await;
    let told = rig.rows(reading(&cycle, "collector_sets").unwrap());
    let definition = &rig.catalog.get(own::SETS).unwrap().definition;
    let column = |name: &str| told.column(definition.column(name).unwrap().0).unwrap();
    let identity = (0..told.rows).find(|row| column("set_name").text(*row) == Some("identity")).unwrap();
    assert_eq!(column("readings").int(identity), Some(1), "this cycle's; the first one's was told before");
}

#[tokio::test]
async fn an_instance_that_does_not_answer_keeps_its_hosts_figures() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    pg.stop(testkit::Mode::Fast).await.unwrap();
    let cycle = rig.cycle().await;
    assert!(cycle.instance.error.is_some());
    assert!(reading(&cycle, "host_cpu").unwrap().error.is_none());
    let told = rig.rows(reading(&cycle, "collector_sets").unwrap());
    assert!(told.rows > 0);
    assert!(sum(&rig, &cycle, "collector_sets", "errors") > 0);
}

#[tokio::test]
async fn an_instance_on_another_machine_has_no_figures_of_this_host() {
    let here = |text: &str| {
        let dsn = config::dsn::Dsn::parse(text, &config::dsn::Environment::new(&|_| None)).unwrap();
        async move { host::is_here(&dsn).await }
    };
    assert_eq!(here("host=/run/postgresql").await, Some(true));
    assert_eq!(here("host=127.0.0.1").await, Some(true));
    assert_eq!(here("host=localhost").await, Some(true));
    // An address for documentation: nobody has it.
    assert_eq!(here("host=db.example.com hostaddr=192.0.2.1").await, Some(false));
}
