//! A spool for each instance: what one with one spool for all left is taken over, what is gone is noticed, what nobody
//! writes to is delivered and removed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use catalog::{Catalog, Definition, Kind};
use collector::baseline::{Incarnation, Place, ReadingTime};
use collector::increments::form;
use collector::lanes::{Lane, Lanes};
use collector::spool::Bounds;
use collector::state::{Held, Registration, ServerKnows, Shared, lock};
use collector::watch::Cycle;
use prost::Message as _;
use uuid::Uuid;
use wire::{Batch, Frame, Reading};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded().unwrap()));
const ROOMY: Bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
const BOTH: [&str; 2] = ["one", "two"];

fn definition() -> &'static Definition {
    &CATALOG.get("pg_stat_database").unwrap().definition
}

fn place(instance: &str) -> Place {
    Place { instance: instance.into(), set: "pg_stat_database".into(), datid: None }
}

/// A counter that stands at `count`.
fn frame(count: i64) -> Frame {
    let mut frame = Frame::new(definition());
    for (meta, column) in definition().columns.iter().zip(&mut frame.columns) {
        let column = column.as_mut().unwrap();
        match meta.name.as_str() {
            "datid" => column.push_int(1),
            "xact_commit" => column.push_int(count),
            _ if meta.kind == Kind::Counter => column.push_int(0),
            _ => column.push_null(),
        }
    }
    frame.rows = 1;
    frame
}

/// Reads an instance whose counter stands at `count`; answers the increment, if there is one.
fn read(held: &Shared, instance: &str, count: i64) -> Option<i64> {
    let time_us = lock(held).clock().now_us();
    let incarnation = Incarnation::default();
    let at =
        ReadingTime { incarnation, started_us: time_us, time_us, instance_time_us: time_us, since_previous_us: None };
    let baselines = lock(held).baselines();
    let previous = baselines.get(&place(instance)).map(AsRef::as_ref);
    let formed = form(&place(instance), definition(), previous, frame(count), None, &at).unwrap();
    let (column, _) = definition().column("xact_commit").unwrap();
    let increment = formed.interval_us.and_then(|_| formed.rows.column(column)?.int(0));
    let mut reading = Reading {
        set: definition().name.clone(),
        definition: definition().hash().0.to_vec(),
        time_us,
        interval_us: formed.interval_us,
        ..Reading::default()
    };
    reading.encode_rows(&formed.rows);
    let cycle = Cycle {
        datid: None,
        instance: wire::Instance { name: instance.to_owned(), ..wire::Instance::default() },
        readings: vec![reading],
        advances: vec![formed.advance],
        next: vec![(place(instance), formed.next)],
    };
    lock(held).commit(cycle).unwrap();
    increment
}

/// A directory of a version with one spool for all, in which both instances stand at 10, and a batch of each waits.
fn of_before() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let held = Held::open(dir.path(), ROOMY, Arc::clone(&CATALOG), "test".into()).unwrap();
    let held = Arc::new(std::sync::Mutex::new(held));
    for instance in BOTH {
        assert_eq!(read(&held, instance, 10), None);
    }
    dir
}

fn open(dir: &Path, instances: &[&str]) -> Lanes {
    Lanes::open(dir, ROOMY, instances, &CATALOG, "test").unwrap()
}

fn lane(lanes: &Lanes, instance: &str) -> Arc<Lane> {
    lanes.lane_of(instance).unwrap()
}

/// The server has all that it was sent of every lane, and takes what waits.
fn deliver(lanes: &Lanes) {
    for lane in lanes.all() {
        lanes.compare(&lane, ServerKnows::default()).unwrap();
        let waiting: Vec<u64> = lock(&lane.held).spool.pending().map(|pending| pending.sequence).collect();
        for sequence in waiting {
            lock(&lane.held).spool.acknowledge(sequence).unwrap();
        }
    }
    lanes.tidy();
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir.join("instances")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// What the next record would tell as lost: set, reason and number of readings.
fn lost(held: &Shared) -> Vec<(String, String, u64)> {
    let lost = lock(held).spool.take_lost().to_wire();
    lost.into_iter().map(|one| (one.set, one.reason, one.readings)).collect()
}

/// As after batches were delivered.
fn registered(dir: &Path) {
    let registration = Registration {
        collector_id: Uuid::now_v7(),
        token: "token".into(),
        expires_at: "2999-01-01T00:00:00Z".parse().unwrap(),
        store_id: Some("store".into()),
    };
    registration.save(dir).unwrap();
}

#[test]
fn one_spool_for_all_is_taken_over_without_a_gap() {
    let dir = of_before();
    registered(dir.path());
    let lanes = open(dir.path(), &BOTH);
    let before = lanes.all().remove(0);
    assert!(before.is_of_before() && before.drains());
    assert_eq!(lock(&before.held).spool.pending_len(), 2, "what waits is delivered from where it lies");
    assert_eq!(read(&lane(&lanes, "one").held, "one", 15), Some(5));
    drop((before, lanes));
    // Also by the start after that, for one that was read since and for one that was not.
    let lanes = open(dir.path(), &BOTH);
    assert_eq!(read(&lane(&lanes, "one").held, "one", 17), Some(2));
    assert_eq!(read(&lane(&lanes, "two").held, "two", 11), Some(1));
    let held = Arc::clone(&lane(&lanes, "one").held);
    assert!(lost(&held).is_empty());
    let pending = lock(&held).spool.pending().next().unwrap();
    let record = lock(&held).spool.read(pending).unwrap().unwrap();
    let batch = Batch::decode(wire::decompress(&record.batch, 1 << 20).unwrap().as_slice()).unwrap();
    assert_eq!(batch.lane, lane(&lanes, "one").id().unwrap().as_bytes(), "the server is told which spool it is of");
    deliver(&lanes);
    assert!(!dir.path().join("spool").exists(), "it is removed when all of it is delivered");
    assert_eq!((lanes.all().len(), folders(dir.path()).len()), (2, 2));
    drop((held, lanes));
    let lanes = open(dir.path(), &BOTH);
    assert_eq!(read(&lane(&lanes, "two").held, "two", 14), Some(3));
}

#[test]
fn a_start_that_broke_off_while_it_took_over_is_made_again_or_finished() {
    // Before the mark: whatever was made is made anew.
    let dir = of_before();
    let half = dir.path().join("instances.new").join(Uuid::now_v7().to_string());
    std::fs::create_dir_all(half.join("spool")).unwrap();
    std::fs::write(half.join("spool/epoch"), "nonsense").unwrap();
    let lanes = open(dir.path(), &BOTH);
    assert_eq!(read(&lane(&lanes, "two").held, "two", 12), Some(2));
    drop(lanes);
    // Behind it: all is there, and only its name is not.
    std::fs::rename(dir.path().join("instances"), dir.path().join("instances.new")).unwrap();
    let lanes = open(dir.path(), &BOTH);
    assert_eq!(read(&lane(&lanes, "two").held, "two", 15), Some(3));
    assert_eq!(read(&lane(&lanes, "one").held, "one", 11), Some(1));
}

#[test]
fn what_was_taken_over_is_not_taken_over_again() {
    let dir = of_before();
    registered(dir.path());
    let lanes = open(dir.path(), &BOTH);
    assert_eq!(read(&lane(&lanes, "one").held, "one", 1000), Some(990));
    drop(lanes);
    std::fs::remove_dir_all(dir.path().join("instances")).unwrap();
    let lanes = open(dir.path(), &BOTH);
    let held = Arc::clone(&lane(&lanes, "one").held);
    assert_eq!(read(&held, "one", 1001), None, "the baselines of before are long overtaken");
    read(&held, "one", 1002);
    let held = lock(&held);
    let told = held.spool.pending().flat_map(|pending| held.spool.read(pending).unwrap().unwrap().discarded);
    let reasons: Vec<String> = told.map(|lost| lost.reason).collect();
    assert_eq!(reasons, ["damaged"], "and what is missing is counted");
}

#[test]
fn an_older_directory_that_is_taken_over_counts_nothing_twice() {
    for is_delivered_by_another in [false, true] {
        let dir = of_before();
        let lanes = open(dir.path(), &BOTH);
        let one = lane(&lanes, "one");
        assert_eq!(read(&one.held, "one", 12), Some(2));
        // It waits beside what the server has counted already, from before this directory was put back.
        let before = lanes.all().remove(0);
        let server = if is_delivered_by_another {
            std::fs::write(dir.path().join("processes"), Uuid::now_v7().to_string()).unwrap();
            ServerKnows { last_epoch: Some(Uuid::max()), delivered_since_start: true, ..ServerKnows::default() }
        } else {
            ServerKnows { last_sequence: Some(40), ..ServerKnows::default() }
        };
        lanes.compare(&before, server).unwrap();
        lanes.compare(&one, ServerKnows::default()).unwrap();
        assert_eq!(lock(&one.held).spool.pending_len(), 0, "what goes on from there is given up");
        // What was read since this start is known, unless another one counts the same time.
        assert_eq!(read(&one.held, "one", 14), if is_delivered_by_another { None } else { Some(2) });
        let two = lane(&lanes, "two");
        lanes.compare(&two, ServerKnows::default()).unwrap();
        assert_eq!(read(&two.held, "two", 14), None);
        assert_eq!(read(&two.held, "two", 15), Some(1));
        let first = lock(&two.held).spool.pending().next().unwrap();
        let record = lock(&two.held).spool.read(first).unwrap().unwrap();
        assert_eq!(record.discarded.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["restored"]);
    }
}

#[test]
fn a_spool_that_is_gone_is_told_from_an_instance_that_is_new() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path());
    let counted = |lanes: &Lanes, instance: &str| {
        let held = Arc::clone(&lane(lanes, instance).held);
        assert_eq!(read(&held, instance, 1), None);
        let pending = lock(&held).spool.pending().next_back().unwrap();
        lock(&held).spool.read(pending).unwrap().unwrap().discarded.len()
    };
    // As after `register`, and a directory that was lost but for that.
    let lanes = open(dir.path(), &["one"]);
    assert_eq!(counted(&lanes, "one"), 1, "the server has had batches of a directory that is gone");
    drop(lanes);
    let lanes = open(dir.path(), &BOTH);
    assert_eq!(counted(&lanes, "two"), 0, "it is new");
    let folder = lane(&lanes, "one").folder().to_owned();
    drop(lanes);
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(counted(&open(dir.path(), &BOTH), "one"), 1);
    // The list alone: what it named is delivered, and begins anew.
    std::fs::write(dir.path().join("lanes.json"), "nonsense").unwrap();
    let lanes = open(dir.path(), &BOTH);
    assert_eq!((counted(&lanes, "one"), counted(&lanes, "two")), (1, 1));
    assert_eq!(lanes.all().iter().filter(|lane| lane.drains()).count(), 2);
    deliver(&lanes);
    assert_eq!((lanes.all().len(), folders(dir.path()).len()), (2, 2));
}

#[test]
fn a_spool_that_is_removed_while_it_is_written_to_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = open(dir.path(), &["one"]);
    let one = lane(&lanes, "one");
    read(&one.held, "one", 1);
    std::fs::remove_dir_all(one.folder()).unwrap();
    let refused = lock(&one.held).commit(Cycle::default()).unwrap_err();
    assert!(format!("{refused:#}").contains("No such file or directory"), "{refused:#}");
    assert_eq!(lanes.standing().unspooled_cycles, 1);
    assert!(lanes.standing().trouble.is_some(), "the server is told");
}

#[test]
fn what_is_not_configured_any_more_is_delivered_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = open(dir.path(), &BOTH);
    for instance in BOTH {
        read(&lane(&lanes, instance).held, instance, 1);
    }
    drop(lanes);
    let lanes = open(dir.path(), &["one"]);
    assert!(lanes.lane_of("two").is_none());
    lanes.tidy();
    assert_eq!(folders(dir.path()).len(), 2, "not before it is delivered");
    deliver(&lanes);
    assert_eq!(folders(dir.path()), [lane(&lanes, "one").folder()]);
    drop(lanes);
    // It comes back as a new one.
    let lanes = open(dir.path(), &BOTH);
    let held = Arc::clone(&lane(&lanes, "two").held);
    assert_eq!(read(&held, "two", 2), None);
    assert!(lost(&held).is_empty());
    drop((held, lanes));
    // Before it was delivered it comes back as what it was.
    drop(open(dir.path(), &["one"]));
    assert_eq!(read(&lane(&open(dir.path(), &BOTH), "two").held, "two", 5), Some(3));
}

/// The reasons of what the records that wait tell as lost.
fn told(held: &Shared) -> Vec<String> {
    let held = lock(held);
    let told = held.spool.pending().flat_map(|pending| held.spool.read(pending).unwrap().unwrap().discarded);
    told.map(|lost| lost.reason).collect()
}

#[test]
fn an_instance_that_comes_back_while_it_runs_has_one_spool() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = open(dir.path(), &BOTH);
    read(&lane(&lanes, "two").held, "two", 10);
    drop(lanes);
    // Gone at a start, and back before it was delivered.
    let lanes = open(dir.path(), &["one"]);
    lanes.assign(&BOTH).unwrap();
    assert_eq!(read(&lane(&lanes, "two").held, "two", 12), Some(2), "it goes on");
    assert_eq!(folders(dir.path()).len(), 2);
    drop(lanes);
    let lanes = open(dir.path(), &BOTH);
    assert_eq!(read(&lane(&lanes, "two").held, "two", 13), Some(1));
    // Gone, delivered, and back: by the id and a later epoch an older copy of the directory is known.
    let (id, epoch) = (lane(&lanes, "two").id(), lock(&lane(&lanes, "two").held).spool.epoch());
    lanes.assign(&["one"]).unwrap();
    deliver(&lanes);
    assert_eq!(folders(dir.path()).len(), 1);
    lanes.assign(&BOTH).unwrap();
    let two = lane(&lanes, "two");
    assert_eq!(two.id(), id);
    assert!(lock(&two.held).spool.epoch() > epoch);
    assert_eq!(read(&two.held, "two", 20), None);
    assert!(told(&two.held).is_empty(), "nothing is missing");
    // What is made now is no older one, whoever delivered before.
    let stranger =
        ServerKnows { last_process: Some(Uuid::now_v7()), last_epoch: Some(epoch), ..ServerKnows::default() };
    lanes.compare(&two, stranger).unwrap();
    assert_eq!(read(&two.held, "two", 21), Some(1));
}

#[test]
fn what_a_version_before_went_on_from_is_not_counted_twice() {
    for is_spool_gone in [false, true] {
        let dir = of_before();
        let lanes = open(dir.path(), &BOTH);
        assert_eq!(read(&lane(&lanes, "one").held, "one", 20), Some(10));
        if is_spool_gone {
            deliver(&lanes);
        }
        drop(lanes);
        // It is put back for a while, and counts the same time.
        let held = Held::open(dir.path(), ROOMY, Arc::clone(&CATALOG), "test".into()).unwrap();
        let held = Arc::new(std::sync::Mutex::new(held));
        assert_eq!(read(&held, "one", 25), if is_spool_gone { None } else { Some(15) });
        drop(held);
        let lanes = open(dir.path(), &BOTH);
        let one = lane(&lanes, "one");
        assert_eq!(lock(&one.held).spool.pending_len(), 0, "what was read beside it is given up");
        assert_eq!(read(&one.held, "one", 30), None);
        assert_eq!(told(&one.held).first().map(String::as_str), Some("restored"));
        assert_eq!(read(&one.held, "one", 31), Some(1));
        drop((one, lanes));
        let lanes = open(dir.path(), &BOTH);
        assert_eq!(read(&lane(&lanes, "one").held, "one", 33), Some(2), "and once only");
    }
}

#[test]
fn what_another_process_delivered_from_a_copy_holds_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = open(dir.path(), &BOTH);
    deliver(&lanes);
    for instance in BOTH {
        assert_eq!(read(&lane(&lanes, instance).held, instance, 10), None);
    }
    drop(lanes);
    let lanes = open(dir.path(), &BOTH);
    for instance in BOTH {
        assert_eq!(read(&lane(&lanes, instance).held, instance, 12), Some(2));
    }
    let stranger = ServerKnows { last_process: Some(Uuid::now_v7()), ..ServerKnows::default() };
    lanes.compare(&lane(&lanes, "one"), stranger).unwrap();
    drop(lanes);
    // It ended before the other one was compared.
    let lanes = open(dir.path(), &BOTH);
    let two = lane(&lanes, "two");
    assert_eq!(lock(&two.held).spool.pending_len(), 0);
    assert_eq!(read(&two.held, "two", 15), None);
}

#[test]
fn what_a_removal_left_is_no_spool_and_one_that_cannot_be_used_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = open(dir.path(), &BOTH);
    read(&lane(&lanes, "one").held, "one", 1);
    let folder = lane(&lanes, "two").folder().to_owned();
    drop(lanes);
    let rest = dir.path().join("instances").join(format!("{}.gone", Uuid::now_v7()));
    std::fs::create_dir_all(rest.join("spool")).unwrap();
    std::fs::create_dir_all(dir.path().join("spool.gone")).unwrap();
    std::fs::remove_dir_all(folder.join("spool")).unwrap();
    std::fs::write(folder.join("spool"), "no directory").unwrap();
    let lanes = open(dir.path(), &BOTH);
    assert!(!rest.exists() && !dir.path().join("spool.gone").exists());
    assert_eq!(lanes.all().len(), 2);
    assert_eq!(read(&lane(&lanes, "one").held, "one", 3), Some(2));
    let two = lane(&lanes, "two");
    assert_ne!(two.folder(), folder);
    assert_eq!(read(&two.held, "two", 3), None);
    assert_eq!(told(&two.held), ["damaged"]);
    assert!(folder.exists(), "it is left as it is");
}

#[test]
fn one_collector_uses_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = open(dir.path(), &["one"]);
    let refused = Lanes::open(dir.path(), ROOMY, &["one"], &CATALOG, "test").unwrap_err();
    assert!(format!("{refused:#}").ends_with("is in use by another collector"), "{refused:#}");
    drop(lanes);
    open(dir.path(), &["one"]);
    // One of before holds its spool.
    let dir = of_before();
    let held = Held::open(dir.path(), ROOMY, Arc::clone(&CATALOG), "test".into()).unwrap();
    let refused = Lanes::open(dir.path(), ROOMY, &BOTH, &CATALOG, "test").unwrap_err();
    assert!(format!("{refused:#}").ends_with("is in use by another collector"), "{refused:#}");
    assert!(!dir.path().join("instances").exists());
    drop(held);
}

#[test]
fn what_is_written_to_holds_up_nothing_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = open(dir.path(), &BOTH);
    for instance in BOTH {
        read(&lane(&lanes, instance).held, instance, 1);
    }
    let before = lanes.standing();
    let one = lane(&lanes, "one");
    let written = lock(&one.held);
    // Each of these would wait for ever.
    assert_eq!(lanes.standing().records, before.records);
    read(&lane(&lanes, "two").held, "two", 2);
    lanes.tidy();
    assert_eq!(lanes.standing().records, before.records + 1);
    drop(written);
}
