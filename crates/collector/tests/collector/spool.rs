//! The spool under `kill -9`, torn and garbled files, and without room.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use catalog::{Catalog, Definition, Kind};
use collector::baseline::{Advance, Baseline, Incarnation, Place, ReadingTime};
use collector::clock::Clock;
use collector::increments::form;
use collector::spool::{Bounds, Lost, Record, Spool, SpoolError};
use collector::state::Held;
use collector::watch::Cycle;
use prost::Message as _;
use rand::Rng as _;
use wire::{Batch, Frame, Reading};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded().unwrap()));
/// Tells the test binary, started again by a test, to be the collector that is killed.
const CHILD: &str = "SPOOL_TEST_STATE_DIR";
const ROOMY: Bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
const DATABASES: i64 = 5;
const ROUNDS: usize = 25;

fn definition() -> &'static Definition {
    &CATALOG.get("pg_stat_database").unwrap().definition
}

fn place() -> Place {
    Place { instance: "one".into(), set: "pg_stat_database".into(), datid: None }
}

fn commits(frame: &Frame, row: usize) -> i64 {
    frame.column(definition().column("xact_commit").unwrap().0).unwrap().int(row).unwrap()
}

/// Counters that go on whether or not anybody reads, like those of an instance.
fn reading(time_us: i64) -> Frame {
    let mut frame = Frame::new(definition());
    for datid in 1..=DATABASES {
        for (meta, column) in definition().columns.iter().zip(&mut frame.columns) {
            let column = column.as_mut().unwrap();
            match meta.name.as_str() {
                "datid" => column.push_int(datid),
                // Some move in every reading, some seldom.
                "xact_commit" => column.push_int(time_us / 10_i64.pow(u32::try_from(datid).unwrap())),
                _ if meta.kind == Kind::Counter => column.push_int(0),
                _ => column.push_null(),
            }
        }
        frame.rows += 1;
    }
    frame
}

fn cycle(held: &Held, time_us: i64) -> Cycle {
    let at = ReadingTime {
        incarnation: Incarnation::default(),
        started_us: time_us,
        time_us,
        instance_time_us: time_us,
        since_previous_us: None,
    };
    let baselines = held.baselines();
    let previous = baselines.get(&place()).map(AsRef::as_ref);
    let formed = form(&place(), definition(), previous, reading(time_us), None, &at).unwrap();
    let mut reading = Reading {
        set: definition().name.clone(),
        definition: definition().hash().0.to_vec(),
        time_us,
        interval_us: formed.interval_us,
        ..Reading::default()
    };
    reading.encode_rows(&formed.rows);
    Cycle {
        datid: None,
        instance: wire::Instance::default(),
        readings: vec![reading],
        advances: vec![formed.advance],
        next: vec![(place(), formed.next)],
    }
}

fn open(state_dir: &Path) -> Held {
    Held::open(state_dir, ROOMY, Arc::clone(&CATALOG), "test".into()).unwrap()
}

/// Takes a batch like the server's ledger: a second time it must be the same one.
fn deliver(delivered: &Path, record: &Record) {
    let path = delivered.join(record.sequence.to_string());
    match std::fs::read(&path) {
        Ok(before) => {
            if before != record.batch {
                std::fs::write(delivered.join("differs"), record.sequence.to_string()).unwrap();
            }
        }
        Err(_) => {
            let temporary = delivered.join("new");
            std::fs::write(&temporary, &record.batch).unwrap();
            std::fs::rename(&temporary, &path).unwrap();
        }
    }
}

/// Not a test by itself: the collector that `nothing_is_lost_or_doubled_by_kill_9` kills.
#[test]
fn appends_until_it_is_killed() {
    let Some(state_dir) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let delivered = state_dir.join("delivered");
    let mut held = open(&state_dir);
    let mut random = rand::rng();
    std::io::stdout().write_all(b"READY\n").unwrap();
    std::io::stdout().flush().unwrap();
    loop {
        let next = cycle(&held, Clock::here().now_us());
        held.commit(next).unwrap();
        if random.random_ratio(1, 3) {
            let pending: Vec<_> = held.spool.pending().collect();
            let chosen = pending[random.random_range(0..pending.len())];
            deliver(&delivered, &held.spool.read(chosen).unwrap().unwrap());
            held.spool.acknowledge(chosen.sequence).unwrap();
        }
        if random.random_ratio(1, 5) {
            held.checkpoint().unwrap();
        }
    }
}

fn start(state_dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spool::appends_until_it_is_killed", "--nocapture"])
        .env(CHILD, state_dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.as_mut().unwrap();
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"READY\n") {
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "the child ended: {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    child
}

fn add(batch: &[u8], sums: &mut BTreeMap<i64, i64>) {
    let batch = Batch::decode(wire::decompress(batch, 1 << 20).unwrap().as_slice()).unwrap();
    for reading in &batch.readings {
        let rows = reading.decode_rows(definition()).unwrap();
        for row in 0..rows.rows {
            let datid = rows.column(definition().column("datid").unwrap().0).unwrap().int(row).unwrap();
            *sums.entry(datid).or_default() += commits(&rows, row);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the moment of death is by chance, no condition")]
fn nothing_is_lost_or_doubled_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let delivered = dir.path().join("delivered");
    std::fs::create_dir(&delivered).unwrap();
    let mut held = open(dir.path());
    let first = cycle(&held, Clock::here().now_us());
    let first_reading = first.next[0].1.frame.clone();
    held.commit(first).unwrap();
    let epoch = held.spool.epoch();
    drop(held);
    let mut random = rand::rng();
    let mut last_sequence = 1;
    for round in 0..ROUNDS {
        let mut child = start(dir.path());
        let spool = dir.path().join("spool");
        if round == 0 {
            assert!(matches!(Spool::open(&spool, ROOMY), Err(SpoolError::Locked { .. })), "held by a process");
        }
        std::thread::sleep(Duration::from_micros(random.random_range(0..60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!delivered.join("differs").exists(), "one sequence number, two batches");

        let held = open(dir.path());
        assert_eq!(held.spool.epoch(), epoch);
        assert!(held.spool.next_sequence() > last_sequence, "a record is gone");
        last_sequence = held.spool.next_sequence() - 1;
        let (mut sums, mut batches) = (BTreeMap::new(), BTreeMap::new());
        for entry in std::fs::read_dir(&delivered).unwrap() {
            let path = entry.unwrap().path();
            if let Ok(sequence) = path.file_name().unwrap().to_str().unwrap().parse::<u64>() {
                batches.insert(sequence, std::fs::read(&path).unwrap());
            }
        }
        for pending in held.spool.pending() {
            let batch = held.spool.read(pending).unwrap().unwrap().batch;
            let before = batches.insert(pending.sequence, batch.clone());
            assert!(before.is_none_or(|before| before == batch), "one sequence number, two batches");
        }
        assert!(batches.keys().copied().eq(1..=last_sequence), "every record is delivered or waits");
        batches.values().for_each(|batch| add(batch, &mut sums));
        let baselines = held.baselines();
        let baseline = &baselines[&place()];
        for row in 0..first_reading.rows {
            let sum = sums.get(&(i64::try_from(row).unwrap() + 1)).copied().unwrap_or(0);
            let key = collector::baseline::key_of(definition(), &first_reading, row);
            let last = commits(&baseline.frame, baseline.row(&key).unwrap());
            assert_eq!(commits(&first_reading, row) + sum, last, "round {round}");
        }
    }
    assert!(last_sequence > ROUNDS as u64, "the child appended {last_sequence} records only");
}

fn record(sequence: u64, created_us: i64, bytes: usize) -> Record {
    let rows_by_set = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    let advances = vec![Advance { instance: "one".into(), set: sequence.to_string(), ..Advance::default() }];
    Record { sequence, created_us, batch: vec![7; bytes], advances, rows_by_set, ..Record::default() }
}

fn fill(dir: &Path, records: u64, bytes: usize) {
    let mut spool = Spool::open(dir, ROOMY).unwrap().spool;
    for sequence in 1..=records {
        spool.append(&record(sequence, 0, bytes)).unwrap();
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths
}

fn moved(advances: &[Advance]) -> Vec<&str> {
    advances.iter().map(|advance| advance.set.as_str()).collect()
}

#[test]
fn a_torn_or_garbled_tail_is_cut_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 2, 40);
    let path = segments(dir.path()).pop().unwrap();
    let short = std::fs::read(&path).unwrap();
    {
        let mut spool = Spool::open(dir.path(), ROOMY).unwrap().spool;
        spool.append(&record(3, 0, 40)).unwrap();
    }
    let long = std::fs::read(&path).unwrap();
    assert!(long.starts_with(&short));
    let check = |content: &[u8], what: &str| {
        std::fs::write(&path, content).unwrap();
        let mut opened = Spool::open(dir.path(), ROOMY).unwrap();
        assert!(!opened.new_epoch, "{what}");
        assert_eq!(moved(&opened.advances), ["1", "2"], "{what}");
        assert_eq!(opened.spool.next_sequence(), 3, "{what}");
        // The cycle is read again and takes the number.
        let again = record(3, 5, 60);
        opened.spool.append(&again).unwrap();
        drop(opened);
        let opened = Spool::open(dir.path(), ROOMY).unwrap();
        let pending: Vec<_> = opened.spool.pending().collect();
        assert_eq!(pending.len(), 3, "{what}");
        assert_eq!(opened.spool.read(pending[2]).unwrap().unwrap(), again, "{what}");
    };
    for end in short.len()..long.len() {
        check(&long[..end], &format!("cut at {end}"));
        for bit in [1, 0x80] {
            let mut garbled = long.clone();
            garbled[end] ^= bit;
            check(&garbled, &format!("bit {bit} garbled at {end}"));
        }
        let mut zeros = long[..end].to_vec();
        zeros.resize(long.len() + 100, 0);
        // A record that ends in zeros is whole.
        if zeros.starts_with(&long) {
            continue;
        }
        check(&zeros, &format!("zeros from {end}"));
    }
}

/// A spool of six records in several files, of which the first two are acknowledged.
fn several(dir: &Path, covered: bool) -> Vec<PathBuf> {
    let mut spool = Spool::open(dir, Bounds { max_bytes: 1 << 20, max_age_us: i64::MAX }).unwrap().spool;
    for sequence in 1..=6 {
        let mut next = record(sequence, 0, 40_000);
        let time_us = i64::try_from(sequence).unwrap() * 1_000_000;
        next.advances = vec![Advance { time_us, ..advance("one", "a") }];
        spool.append(&next).unwrap();
    }
    [1, 2].into_iter().for_each(|sequence| spool.acknowledge(sequence).unwrap());
    if covered {
        spool.checkpoint(vec![Advance { time_us: 6_000_000, ..advance("one", "a") }]).unwrap();
    }
    segments(dir)
}

fn advance(instance: &str, set: &str) -> Advance {
    Advance { instance: instance.into(), set: set.into(), ..Advance::default() }
}

fn waiting(spool: &Spool) -> Vec<u64> {
    spool.pending().map(|pending| pending.sequence).collect()
}

/// From when to when something is flagged.
type Times = (i64, i64);

/// Opens a damaged spool: what it says it lost, what waits, and that it is damaged once only.
fn damaged(dir: &Path) -> (Vec<wire::Discarded>, Vec<Times>, Vec<u64>, usize) {
    let before = std::fs::read_to_string(dir.join("epoch")).unwrap_or_default();
    let mut opened = Spool::open(dir, ROOMY).unwrap();
    assert!(opened.new_epoch && opened.damage.is_some());
    assert!(opened.spool.epoch().to_string() > before, "a new epoch");
    let (waits, advances) = (waiting(&opened.spool), opened.advances.len());
    assert!(opened.spool.next_sequence() >= 7, "no number is given twice");
    let lost = opened.spool.take_lost();
    drop(opened);
    let mut again = Spool::open(dir, ROOMY).unwrap();
    assert!(!again.new_epoch, "it is damaged once only");
    assert_eq!(waiting(&again.spool), waits);
    assert_eq!(again.spool.take_lost(), lost, "until a record tells it");
    let times = lost.intervals().into_iter().map(|lost| (lost.start_us, lost.end_us)).collect();
    (lost.to_wire(), times, waits, advances)
}

fn gone(set: &str, reason: &str, readings: u64) -> wire::Discarded {
    wire::Discarded { set: set.into(), reason: reason.into(), rows: 0, readings }
}

fn flip(path: &Path, at: usize) {
    let mut content = std::fs::read(path).unwrap();
    content[at] ^= 1;
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_record_that_waits_and_is_damaged_is_flagged_and_counted() {
    for covered in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let files = several(dir.path(), covered);
        let of_four = files.iter().position(|path| path.ends_with("00000000000000000003.log")).unwrap();
        // Its second record: the fourth of all.
        flip(&files[of_four], 70_000);
        let (counts, times, waits, advances) = damaged(dir.path());
        assert_eq!(waits, [3, 5, 6], "what is whole is kept");
        assert_eq!(times, [(3_000_000, 5_000_000)], "the time between its neighbours");
        if covered {
            assert_eq!((counts, advances), (vec![gone("a", "damaged", 1)], 1), "the checkpoint has the baselines");
        } else {
            assert_eq!((counts, advances), (vec![gone("a", "damaged", 2)], 0), "the baselines are given up");
        }
    }
}

#[test]
fn an_acknowledged_record_that_is_damaged_costs_no_more_than_its_baselines() {
    let dir = tempfile::tempdir().unwrap();
    let files = several(dir.path(), false);
    flip(&files[0], 100);
    let (counts, times, waits, advances) = damaged(dir.path());
    assert_eq!((counts, times, advances), (vec![gone("a", "damaged", 1)], vec![], 0));
    assert_eq!(waits, [3, 4, 5, 6]);

    // A checkpoint that covers it needs it no more.
    let dir = tempfile::tempdir().unwrap();
    let path = {
        let mut spool = Spool::open(dir.path(), ROOMY).unwrap().spool;
        (1..=3).for_each(|sequence| spool.append(&record(sequence, 0, 400)).unwrap());
        spool.acknowledge(2).unwrap();
        spool.checkpoint(vec![advance("one", "a")]).unwrap();
        segments(dir.path()).remove(0)
    };
    let content = std::fs::read(&path).unwrap();
    flip(&path, content.len() / 2);
    let opened = Spool::open(dir.path(), ROOMY).unwrap();
    assert_eq!((opened.new_epoch, opened.advances.len(), waiting(&opened.spool)), (false, 1, vec![1, 3]));
}

#[test]
fn files_that_are_deleted_are_flagged_and_counted() {
    // Which of the two files; what waits then; the times that are flagged.
    type Case = (&'static [usize], &'static [u64], &'static [Times]);
    let cases: [Case; 3] = [
        // Where nothing is known from before, the server is left to say since when.
        (&[0], &[5, 6], &[(5_000_000, 5_000_000)]),
        // With it went the word that the first two were delivered.
        (&[1], &[3, 4], &[(3_000_000, 3_000_000), (4_000_000, 6_000_000)]),
        (&[0, 1], &[], &[(6_000_000, 6_000_000)]),
    ];
    for (deleted, waits, times) in cases {
        let dir = tempfile::tempdir().unwrap();
        let files = several(dir.path(), true);
        assert_eq!(files.len(), 2);
        deleted.iter().for_each(|nth| std::fs::remove_file(&files[*nth]).unwrap());
        let (counts, flagged, waiting, advances) = damaged(dir.path());
        assert_eq!((waiting.as_slice(), flagged.as_slice()), (waits, times), "{deleted:?}");
        assert_eq!((counts, advances), (vec![gone("a", "damaged", times.len() as u64)], 1), "{deleted:?}");
    }
}

#[test]
fn a_file_that_was_shortened_is_damaged_where_another_follows() {
    let dir = tempfile::tempdir().unwrap();
    let files = several(dir.path(), true);
    let content = std::fs::read(&files[0]).unwrap();
    std::fs::write(&files[0], &content[..content.len() / 4]).unwrap();
    let (counts, times, waits, _) = damaged(dir.path());
    assert_eq!((waits, times), (vec![5, 6], vec![(5_000_000, 5_000_000)]));
    assert_eq!(counts, [gone("a", "damaged", 1)]);
}

#[test]
fn an_unreadable_checkpoint_begins_a_new_epoch_and_keeps_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 3, 40);
    Spool::open(dir.path(), ROOMY).unwrap().spool.acknowledge(2).unwrap();
    let path = dir.path().join("checkpoint");
    let (log, good, epoch) = (segments(dir.path()).remove(0), std::fs::read(&path).unwrap(), dir.path().join("epoch"));
    let (records, name) = (std::fs::read(&log).unwrap(), std::fs::read(&epoch).unwrap());
    for broken in 0..good.len() {
        let mut content = good.clone();
        content[broken] ^= 0x11;
        for (path, content) in [(&path, &content), (&log, &records), (&epoch, &name)] {
            std::fs::write(path, content).unwrap();
        }
        let mut opened = Spool::open(dir.path(), ROOMY).unwrap();
        assert!(opened.new_epoch && opened.advances.is_empty(), "garbled at {broken}");
        assert_ne!(opened.spool.epoch().to_string().as_bytes(), name);
        assert_eq!((opened.spool.next_sequence(), waiting(&opened.spool)), (4, vec![1, 3]));
        let lost = opened.spool.take_lost().to_wire();
        assert_eq!(lost, ["1", "2", "3"].map(|set| gone(set, "damaged", 1)), "the baselines of these sets");
    }
    // So does an epoch that belongs to another time.
    std::fs::write(&path, &good).unwrap();
    std::fs::write(&log, &records).unwrap();
    std::fs::write(&epoch, uuid::Uuid::now_v7().to_string()).unwrap();
    assert!(Spool::open(dir.path(), ROOMY).unwrap().new_epoch);
}

#[test]
fn a_checkpoint_that_was_not_finished_is_not_in_force() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 2, 40);
    std::fs::write(dir.path().join("checkpoint.new"), b"half of").unwrap();
    let mut opened = Spool::open(dir.path(), ROOMY).unwrap();
    assert_eq!(moved(&opened.advances), ["1", "2"]);
    opened.spool.checkpoint(opened.advances).unwrap();
    opened.spool.append(&record(3, 0, 40)).unwrap();
    drop(opened.spool);
    let opened = Spool::open(dir.path(), ROOMY).unwrap();
    assert_eq!(moved(&opened.advances), ["1", "2", "3"]);
    assert!(matches!(Spool::open(dir.path(), ROOMY), Err(SpoolError::Locked { .. })));
}

#[test]
fn a_full_spool_drops_the_oldest_and_counts_every_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Bounds { max_bytes: 1 << 20, max_age_us: i64::MAX };
    let mut spool = Spool::open(dir.path(), bounds).unwrap().spool;
    for sequence in 1..=200 {
        let mut next = record(sequence, 0, 20_000);
        // A batch that tells of losses may be lost itself.
        next.discarded = spool.take_lost().to_wire();
        if spool.must_checkpoint(next.encoded_len() as u64) {
            spool.checkpoint(Vec::new()).unwrap();
        }
        spool.append(&next).unwrap();
        assert!(spool.bytes() <= bounds.max_bytes);
        if sequence == 150 {
            // What no record has told yet is on disk too.
            drop(spool);
            let opened = Spool::open(dir.path(), bounds).unwrap();
            assert!(!opened.new_epoch);
            spool = opened.spool;
        }
    }
    let pending: Vec<u64> = spool.pending().map(|pending| pending.sequence).collect();
    assert!(pending.len() >= 30 && pending.len() < 60, "{} wait", pending.len());
    assert!(pending.iter().copied().eq(201 - pending.len() as u64..=200), "the newest are kept");
    let mut told = spool.take_lost();
    for waiting in spool.pending().collect::<Vec<_>>() {
        let record = spool.read(waiting).unwrap().unwrap();
        told.add_wire(&record.discarded, &record.lost);
    }
    let dropped = 200 - pending.len() as u64;
    let mut expected = Lost::default();
    for _ in 0..dropped {
        expected.add("a", "spool_full", 1);
        expected.add("b", "spool_full", 2);
    }
    assert_eq!(told, expected);
    // Delivered, nothing is left but the checkpoint and the newest file.
    spool.checkpoint(Vec::new()).unwrap();
    pending.iter().for_each(|sequence| spool.acknowledge(*sequence).unwrap());
    assert_eq!(segments(dir.path()).len(), 1);
    drop(spool);
    assert_eq!(Spool::open(dir.path(), bounds).unwrap().spool.next_sequence(), 201);
}

#[test]
fn what_is_too_old_is_dropped_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Bounds { max_bytes: 1 << 20, max_age_us: 100 };
    let mut spool = Spool::open(dir.path(), bounds).unwrap().spool;
    (1..=3).for_each(|sequence| spool.append(&record(sequence, i64::try_from(sequence).unwrap() * 50, 10)).unwrap());
    spool.expire(200).unwrap();
    let mut expected = Lost::default();
    expected.add("a", "spool_age", 1);
    expected.add("b", "spool_age", 2);
    assert_eq!(spool.take_lost(), expected);
    drop(spool);
    let mut opened = Spool::open(dir.path(), bounds).unwrap();
    // It is told by the next record, and is not counted again.
    opened.spool.expire(200).unwrap();
    assert_eq!(opened.spool.take_lost(), expected);
    assert_eq!(opened.spool.pending().map(|pending| pending.sequence).collect::<Vec<_>>(), [2, 3]);
}

/// A baseline that went through disk forms the same increments as one that did not.
#[test]
fn baselines_come_back_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut held = open(dir.path());
    for step in 1..=4 {
        let next = cycle(&held, step * 123_457);
        held.commit(next).unwrap();
    }
    let before: Vec<Baseline> = held.baselines().values().map(|baseline| (**baseline).clone()).collect();
    drop(held);
    let mut held = open(dir.path());
    let next = cycle(&held, 1_000_000);
    assert_eq!(next.readings[0].interval_us, Some(u64::try_from(1_000_000 - before[0].time_us).unwrap()));
    held.commit(next).unwrap();
}
