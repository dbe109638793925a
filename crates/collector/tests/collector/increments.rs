//! Increments against the model: never above the truth, never negative, exact wherever nothing
//! happened, flagged wherever it can be known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use catalog::{Catalog, Type};
use collector::baseline::{Baseline, Incarnation, Place, ReadingTime};
use collector::increments::{Continuity, Guard, continuity, form, form_info};
use proptest::prelude::*;
use wire::{FlagReason, Frame, FrameColumn};

use crate::statements::{Done, Model, STATEMENTS, Shown, counted};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());

#[derive(Clone, Debug)]
enum Op {
    Run(usize, Done),
    Evict(usize),
    ResetOne(usize),
    ResetAll,
    Restart,
    Crash,
    Replace,
    Upgrade(u32),
    /// A reading; the collector is started anew before it when told so, and an entry is evicted
    /// while it reads.
    Read {
        resume: bool,
        evicted_meanwhile: Option<usize>,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let id = 0..STATEMENTS;
    let done =
        (1..50_i64, 0..5_000_000_i64, 0..100_i64).prop_map(|(calls, time_ns, rows)| Done { calls, time_ns, rows });
    prop_oneof![
        12 => (id.clone(), done).prop_map(|(id, done)| Op::Run(id, done)),
        6 => (any::<bool>(), proptest::option::weighted(0.1, id.clone()))
            .prop_map(|(resume, evicted_meanwhile)| Op::Read { resume, evicted_meanwhile }),
        1 => id.clone().prop_map(Op::Evict),
        1 => id.prop_map(Op::ResetOne),
        1 => Just(Op::ResetAll),
        1 => Just(Op::Restart),
        1 => Just(Op::Crash),
        1 => Just(Op::Replace),
        1 => prop_oneof![Just(7_u32), Just(8), Just(9), Just(10), Just(11), Just(12)].prop_map(Op::Upgrade),
    ]
}

/// What happened since the last reading.
#[derive(Default)]
struct Happened {
    done: BTreeMap<usize, Done>,
    reasons: BTreeSet<&'static str>,
    lost: bool,
    restarted: bool,
    replaced: bool,
    upgraded: bool,
}

struct Run<'a> {
    catalog: &'a Catalog,
    model: Model,
    happened: Happened,
    previous: Option<(Baseline, Shown)>,
    /// An eviction fell into the last reading itself: it is told with the next one again.
    told_again: bool,
}

impl Run<'_> {
    fn op(&mut self, op: &Op) {
        match *op {
            Op::Run(id, done) => {
                self.model.run(id, done);
                self.happened.done.entry(id).or_default().add(done);
            }
            Op::Evict(id) => {
                if self.model.evict(id) {
                    self.happened.lost = true;
                    self.happened.reasons.insert("evicted");
                }
            }
            Op::ResetOne(id) => self.happened.lost |= self.model.reset_one(id),
            Op::ResetAll => {
                self.model.reset_all();
                self.happened.lost = true;
                self.happened.reasons.remove("evicted");
                self.happened.reasons.insert("reset");
            }
            // One that took the name and was started since the last reading looks like a restart.
            Op::Restart | Op::Crash if self.happened.replaced => {}
            Op::Restart => {
                self.model.restart();
                self.happened.restarted = true;
                self.happened.reasons.remove("crash_restart");
                self.happened.reasons.insert("restart");
            }
            Op::Crash => {
                self.model.crash();
                self.happened.lost = true;
                self.happened.reasons.remove("evicted");
                self.happened.reasons.insert("reset");
                if !self.happened.restarted {
                    self.happened.reasons.insert("crash_restart");
                }
            }
            Op::Replace => {
                self.model.replace();
                self.happened.replaced = true;
            }
            Op::Upgrade(minor) => {
                let before = self.model.has_guard();
                self.model.upgrade(minor);
                self.happened.upgraded |= before != self.model.has_guard();
            }
            Op::Read { resume, evicted_meanwhile } => self.read(resume, evicted_meanwhile),
        }
    }

    fn read(&mut self, resume: bool, evicted_meanwhile: Option<usize>) {
        let set = self.catalog.get("pg_stat_statements").unwrap();
        let guard_definition = &self.catalog.get("pg_stat_statements_info").unwrap().definition;
        let place = Place { instance: "i".into(), set: set.name().into(), datid: None };
        let shown = self.model.show(self.catalog);
        let evicted_meanwhile = evicted_meanwhile.is_some_and(|id| self.model.evict(id));
        let after = self.model.show(self.catalog).guard;
        let at = self.model.at();
        let guard = shown.guard.as_ref().zip(after.as_ref()).map(|(before, after)| Guard {
            definition: guard_definition,
            before,
            after,
        });
        let previous = self.previous.as_ref().map(|(baseline, _)| baseline);
        let formed = form(&place, &set.definition, previous, shown.rows.clone(), guard, &at).unwrap();
        let reasons: BTreeSet<&str> =
            formed.flags.iter().map(|flag| FlagReason::try_from(flag.reason).unwrap().word()).collect();
        let happened = std::mem::take(&mut self.happened);
        let counted = counted(&set.definition, &formed.rows);
        for (id, done) in &counted {
            let truth = happened.done.get(id).copied().unwrap_or_default();
            assert!(done.calls >= 0 && done.rows >= 0 && done.time_ns >= 0, "negative: {done:?}");
            assert!(done.calls <= truth.calls && done.rows <= truth.rows, "{done:?} of {truth:?}");
            // The view shows whole microseconds: the fraction moves to the next increment.
            assert!(done.time_ns <= truth.time_ns + 999, "{done:?} of {truth:?}");
        }
        match &self.previous {
            _ if happened.replaced => assert_eq!((formed.rows.rows, formed.interval_us), (0, None)),
            Some((_, before)) if !happened.upgraded => {
                assert_eq!(formed.interval_us, Some(u64::try_from(at.time_us - previous.unwrap().time_us).unwrap()));
                let quiet = !evicted_meanwhile && !self.told_again;
                self.compare(before, &shown, &happened, &counted, &reasons, quiet);
            }
            _ => assert_eq!((formed.rows.rows, formed.interval_us), (0, None)),
        }
        if happened.replaced && self.previous.is_some() {
            assert!(reasons.contains("replaced"), "{reasons:?}");
        }
        // What goes to disk gives the same baseline again.
        let replayed = formed.advance.clone().apply(previous, &set.definition, Some(guard_definition)).unwrap();
        assert_eq!(keyed(&set.definition, &replayed), keyed(&set.definition, &formed.next));
        assert_eq!(replayed.guard, formed.next.guard);
        self.previous = Some((if resume { replayed } else { formed.next }, shown));
        self.told_again = evicted_meanwhile;
        self.happened.lost = evicted_meanwhile;
    }

    fn compare(
        &self,
        before: &Shown,
        shown: &Shown,
        happened: &Happened,
        counted: &BTreeMap<usize, Done>,
        reasons: &BTreeSet<&str>,
        quiet: bool,
    ) {
        if !happened.lost {
            for id in 0..STATEMENTS {
                let (truth, done) = (happened.done.get(&id), counted.get(&id));
                let (truth, done) = (truth.copied().unwrap_or_default(), done.copied().unwrap_or_default());
                assert_eq!((done.calls, done.rows), (truth.calls, truth.rows));
                assert!((done.time_ns - truth.time_ns).abs() < 1000, "{done:?} of {truth:?}");
            }
            if !happened.restarted && quiet {
                assert!(reasons.is_empty(), "{reasons:?} though nothing happened");
            }
        }
        if happened.lost && before.tells_a_loss(shown) {
            assert!(!reasons.is_empty(), "a loss that can be seen is not flagged");
        }
        for reason in &happened.reasons {
            // Without the guard only its traces show.
            let knows = !["evicted", "reset"].contains(reason) || self.model.has_guard();
            assert!(!knows || reasons.contains(reason), "{reason} is not among {reasons:?}");
        }
    }
}

/// Rows by key, whatever their order.
fn keyed(definition: &catalog::Definition, baseline: &Baseline) -> BTreeMap<Vec<u8>, Vec<Option<i64>>> {
    let values = |row: usize| {
        let column = |place| baseline.frame.column(place).and_then(|column: &wire::FrameColumn| column.int(row));
        (0..definition.columns.len()).map(column).collect()
    };
    baseline.keys().map(|(key, row)| (key.to_vec(), values(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn increments_are_a_lower_bound_and_exact_where_nothing_happened(
        minor in prop_oneof![Just(7_u32), Just(8), Just(9), Just(10), Just(11), Just(12)],
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let (model, happened) = (Model::new(minor), Happened::default());
        let mut run = Run { catalog: &CATALOG, model, happened, previous: None, told_again: false };
        for op in &ops {
            run.op(op);
        }
    }

    /// However the readings fall, the increments of a life add up to its counters.
    #[test]
    fn increments_telescope_to_the_microsecond(
        steps in prop::collection::vec((0..STATEMENTS, 1..9_i64, 0..2_000_000_i64, any::<bool>()), 1..80),
    ) {
        let catalog = &*CATALOG;
        let set = catalog.get("pg_stat_statements").unwrap();
        let place = Place { instance: "i".into(), set: set.name().into(), datid: None };
        let mut model = Model::new(12);
        let (mut truth, mut sums) = (BTreeMap::<usize, Done>::new(), BTreeMap::<usize, Done>::new());
        let mut baseline: Option<Baseline> = None;
        let mut read = |model: &mut Model, sums: &mut BTreeMap<usize, Done>| {
            let shown = model.show(catalog);
            let guard = shown.guard.as_ref().unwrap();
            let definition = &catalog.get("pg_stat_statements_info").unwrap().definition;
            let guard = Guard { definition, before: guard, after: guard };
            let formed = form(&place, &set.definition, baseline.as_ref(), shown.rows.clone(), Some(guard), &model.at()).unwrap();
            for (id, done) in counted(&set.definition, &formed.rows) {
                sums.entry(id).or_default().add(done);
            }
            baseline = Some(formed.next);
        };
        read(&mut model, &mut sums);
        for (id, calls, time_ns, then_read) in steps {
            let done = Done { calls, time_ns, rows: calls };
            model.run(id, done);
            truth.entry(id).or_default().add(done);
            if then_read {
                read(&mut model, &mut sums);
            }
        }
        read(&mut model, &mut sums);
        for (id, truth) in truth {
            let sum = sums.get(&id).copied().unwrap_or_default();
            prop_assert_eq!((sum.calls, sum.rows, sum.time_ns / 1000), (truth.calls, truth.rows, truth.time_ns / 1000));
        }
    }
}

/// The row of one database, as `pg_stat_database` shows it.
fn database(definition: &catalog::Definition, commits: i64, reset_us: Option<i64>) -> Frame {
    let mut frame = Frame::new(definition);
    for (meta, column) in definition.columns.iter().zip(&mut frame.columns) {
        let Some(column) = column else { continue };
        match (meta.name.as_str(), meta.kind) {
            ("datid", _) => column.push_int(5),
            ("xact_commit", _) => column.push_int(commits),
            (_, catalog::Kind::Reset) => match reset_us {
                Some(moment) => column.push_int(moment),
                None => column.push_null(),
            },
            _ => column.push_null(),
        }
    }
    frame.rows = 1;
    frame
}

#[test]
fn a_moved_reset_flags_the_interval_and_changes_no_figure() {
    let definition = &CATALOG.get("pg_stat_database").unwrap().definition;
    let place = Place { instance: "i".into(), set: definition.name.clone(), datid: None };
    let at = |time_us: i64| ReadingTime {
        incarnation: Incarnation::default(),
        started_us: time_us - 1,
        time_us,
        instance_time_us: time_us,
        since_previous_us: Some(77),
    };
    let (commits, _) = definition.column("xact_commit").unwrap();
    let increment = |frame: &Frame| frame.column(commits).unwrap().int(0);
    let reasons = |flags: &[wire::Flag]| flags.iter().map(|flag| flag.reason).collect::<Vec<_>>();
    let first = form(&place, definition, None, database(definition, 100, None), None, &at(1000)).unwrap();
    assert_eq!((first.rows.rows, reasons(&first.flags)), (0, vec![FlagReason::Gap as i32]));
    // pg_stat_reset_single_table_counters(): the moment moves, the counters go on.
    let read = database(definition, 107, Some(1500));
    let second = form(&place, definition, Some(&first.next), read.clone(), None, &at(2000)).unwrap();
    assert_eq!(increment(&second.rows), Some(7));
    assert_eq!(second.interval_us, Some(77));
    assert_eq!(reasons(&second.flags), [FlagReason::Reset as i32]);
    assert_eq!(second.flags[0].entries_total, 1);
    assert_eq!((second.flags[0].start_us, second.flags[0].end_us), (1000, 2000));
    // pg_stat_reset(): the counters fell as well.
    let read = database(definition, 4, Some(2500));
    let third = form(&place, definition, Some(&second.next), read, None, &at(3000)).unwrap();
    assert_eq!(increment(&third.rows), Some(4));
    assert_eq!(reasons(&third.flags), [FlagReason::Reset as i32]);
}

/// `postgres` has the same oid and name in every cluster, and is another database in each.
#[test]
fn what_reads_the_same_in_another_cluster_is_sent_again() {
    let definition = &CATALOG.get("pg_database").unwrap().definition;
    let place = Place { instance: "i".into(), set: definition.name.clone(), datid: None };
    let at = |system_identifier: &str| ReadingTime {
        incarnation: Incarnation { system_identifier: system_identifier.to_owned(), ..Incarnation::default() },
        started_us: 0,
        time_us: 1,
        instance_time_us: 1,
        since_previous_us: None,
    };
    let row = || database(definition, 0, None);
    let formed = form_info(&place, definition, None, row(), false, &at("1")).unwrap();
    assert_eq!(formed.rows.rows, 1);
    let same = form_info(&place, definition, Some(&formed.next), row(), false, &at("1")).unwrap();
    assert_eq!(same.rows.rows, 0);
    let another = form_info(&place, definition, Some(&same.next), row(), false, &at("2")).unwrap();
    assert_eq!((another.rows.rows, another.removed.len()), (1, 0));
    let settled = form_info(&place, definition, Some(&another.next), row(), false, &at("2")).unwrap();
    assert_eq!(settled.rows.rows, 0, "once");
}

/// Before 10 the marker of a crash is `stats_reset` of `pg_stat_archiver`, which a clean restart leaves as it is, and
/// before 9.6 nothing may tell the cluster.
#[test]
fn an_old_postgresql_that_was_restarted_is_no_other_one() {
    let life = |system_identifier: &str, postmaster_start_us: i64, marker: i64| Incarnation {
        system_identifier: system_identifier.to_owned(),
        postmaster_start_us,
        checkpointer_start_us: Some(marker),
    };
    let before = life("", 1000, 500);
    let now = |now: &Incarnation| continuity(&before, 2000, now);
    assert_eq!(now(&before), Continuity::Same);
    assert_eq!(now(&life("", 3000, 500)), Continuity::Restarted);
    assert_eq!(now(&life("", 1000, 3000)), Continuity::CrashRestarted);
    assert_eq!(now(&life("", 900, 500)), Continuity::Replaced, "it was there before");
    assert_eq!(now(&life("7", 1000, 500)), Continuity::Same, "what was not known is told now");
    assert_eq!(continuity(&life("7", 1000, 500), 2000, &life("8", 3000, 3000)), Continuity::Replaced);
}

#[test]
fn a_duplicate_key_is_named_without_secrets_and_within_a_bound() {
    let definition = &CATALOG.get("pg_settings").unwrap().definition;
    let place = definition.columns.iter().position(|column| column.name == "name").unwrap();
    let said = |name: &str| {
        let mut frame = Frame { rows: 2, columns: vec![None; definition.columns.len()] };
        let mut names = FrameColumn::new(Type::Text);
        (0..2).for_each(|_| names.push_text(name));
        frame.columns[place] = Some(names);
        let at = ReadingTime {
            incarnation: Incarnation::default(),
            started_us: 0,
            time_us: 0,
            instance_time_us: 0,
            since_previous_us: None,
        };
        Baseline::new(definition, frame, None, &at).unwrap_err().to_string()
    };
    assert_eq!(said("work_mem"), "two rows of pg_settings have the same key: name = 'work_mem'");
    let secret = said("host=db-1 password=hunter2");
    assert!(secret.contains("host=db-1") && !secret.contains("hunter2"), "{secret}");
    let long = said(&"é".repeat(1000));
    assert!(long.len() < 400 && long.ends_with(" bytes)"), "{long}");
}
