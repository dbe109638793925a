//! A model of `pg_stat_statements`: entries with lives, and what was really done.

use std::collections::BTreeMap;

use catalog::{Catalog, Definition, Kind, Type, Version};
use collector::baseline::{Incarnation, ReadingTime};
use wire::{Frame, FrameColumn};

/// How many statements there are.
pub(crate) const STATEMENTS: usize = 6;

/// What one statement did, in the units of the view; time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) calls: i64,
    pub(crate) time_ns: i64,
    pub(crate) rows: i64,
}

impl Done {
    pub(crate) fn add(&mut self, more: Self) {
        self.calls += more.calls;
        self.time_ns += more.time_ns;
        self.rows += more.rows;
    }

    /// As the view shows it, in whole microseconds.
    fn time_us(self) -> i64 {
        self.time_ns / 1000
    }

    fn fell_from(self, before: Self) -> bool {
        self.calls < before.calls || self.time_us() < before.time_us() || self.rows < before.rows
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    done: Done,
    since_us: i64,
}

/// The instance.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    entries: BTreeMap<usize, Entry>,
    dealloc: i64,
    reset_us: i64,
    incarnation: Incarnation,
    clock_us: i64,
    pub(crate) version: Version,
}

/// What a reading showed.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) rows: Frame,
    pub(crate) guard: Option<Frame>,
    done: BTreeMap<usize, (Done, Option<i64>)>,
}

impl Shown {
    /// Whether the counters of a later reading tell that some entry of this one is not what it was.
    pub(crate) fn tells_a_loss(&self, later: &Self) -> bool {
        self.done.iter().any(|(id, (before, since))| {
            let Some((now, now_since)) = later.done.get(id) else { return true };
            now.fell_from(*before) || since.is_some() && now_since.is_some() && since != now_since
        })
    }
}

impl Model {
    pub(crate) fn new(minor: u32) -> Self {
        let incarnation =
            Incarnation { system_identifier: "7".into(), postmaster_start_us: 1, checkpointer_start_us: Some(2) };
        let version = Version { major: 1, minor };
        Self { entries: BTreeMap::new(), dealloc: 0, reset_us: 3, incarnation, clock_us: 10, version }
    }

    /// A new moment.
    pub(crate) fn tick(&mut self) -> i64 {
        self.clock_us += 1000;
        self.clock_us
    }

    pub(crate) fn run(&mut self, id: usize, done: Done) {
        let since_us = self.tick();
        self.entries.entry(id).or_insert(Entry { done: Done::default(), since_us }).done.add(done);
    }

    pub(crate) fn evict(&mut self, id: usize) -> bool {
        self.tick();
        let gone = self.entries.remove(&id).is_some();
        self.dealloc += i64::from(gone);
        gone
    }

    pub(crate) fn reset_one(&mut self, id: usize) -> bool {
        self.tick();
        self.entries.remove(&id).is_some()
    }

    pub(crate) fn reset_all(&mut self) {
        self.entries.clear();
        self.dealloc = 0;
        self.reset_us = self.tick();
    }

    /// A clean restart and an immediate stop keep the entries; a crash restart does not.
    pub(crate) fn restart(&mut self) {
        self.incarnation.postmaster_start_us = self.tick();
        self.incarnation.checkpointer_start_us = Some(self.tick());
    }

    pub(crate) fn crash(&mut self) {
        self.reset_all();
        self.incarnation.checkpointer_start_us = Some(self.tick());
    }

    /// Another instance takes the name, one that was there before.
    pub(crate) fn replace(&mut self) {
        let long_ago = -self.tick();
        self.incarnation.postmaster_start_us = long_ago;
        self.incarnation.checkpointer_start_us = Some(long_ago);
        for entry in self.entries.values_mut() {
            entry.done.add(Done { calls: 1000, time_ns: 1_000_000_000, rows: 1000 });
        }
    }

    pub(crate) fn upgrade(&mut self, minor: u32) {
        self.version.minor = self.version.minor.max(minor);
    }

    pub(crate) fn has_guard(&self) -> bool {
        self.version.minor >= 9
    }

    fn has_since(&self) -> bool {
        self.version.minor >= 11
    }

    pub(crate) fn at(&mut self) -> ReadingTime {
        let time_us = self.tick();
        ReadingTime {
            incarnation: self.incarnation.clone(),
            started_us: time_us - 1,
            time_us,
            instance_time_us: time_us,
            since_previous_us: None,
        }
    }

    pub(crate) fn show(&self, catalog: &Catalog) -> Shown {
        let definition = &catalog.get("pg_stat_statements").unwrap().definition;
        let mut rows = columns(definition, |column| column.since.is_none_or(|since| since <= self.version));
        for (id, entry) in &self.entries {
            self.push(definition, &mut rows, *id, entry);
        }
        let guard = self.has_guard().then(|| {
            let definition = &catalog.get("pg_stat_statements_info").unwrap().definition;
            let mut guard = Frame::new(definition);
            for (place, value) in [("dealloc", self.dealloc), ("stats_reset", self.reset_us)] {
                let (place, _) = definition.column(place).unwrap();
                guard.columns[place].as_mut().unwrap().push_int(value);
            }
            guard.rows = 1;
            guard
        });
        Shown {
            rows,
            guard,
            done: self
                .entries
                .iter()
                .map(|(id, entry)| (*id, (entry.done, self.has_since().then_some(entry.since_us))))
                .collect(),
        }
    }

    fn push(&self, definition: &Definition, rows: &mut Frame, id: usize, entry: &Entry) {
        for (meta, column) in definition.columns.iter().zip(&mut rows.columns) {
            let Some(column) = column else { continue };
            match meta.name.as_str() {
                "userid" => column.push_int(10),
                "dbid" => column.push_int(5),
                "queryid" => column.push_int(queryid(id)),
                // Below 1.9 nobody can tell.
                "toplevel" => column.push_bool(!self.has_guard() || id.is_multiple_of(2)),
                "calls" => column.push_int(entry.done.calls),
                "rows" => column.push_int(entry.done.rows),
                "total_exec_time" => column.push_int(entry.done.time_us()),
                "stats_since" => column.push_int(entry.since_us),
                _ => match meta.column_type {
                    Type::Float8 => column.push_float(0.0),
                    _ => column.push_int(0),
                },
            }
        }
        rows.rows += 1;
    }
}

/// Beyond 2^53, and of both signs.
fn queryid(id: usize) -> i64 {
    let far = i64::MAX - i64::try_from(id).unwrap();
    if id.is_multiple_of(2) { far } else { -far }
}

fn columns(definition: &Definition, has: impl Fn(&catalog::Column) -> bool) -> Frame {
    let columns = definition
        .columns
        .iter()
        .map(|column| (column.kind == Kind::Label || has(column)).then(|| FrameColumn::new(column.column_type)))
        .collect();
    Frame { rows: 0, columns }
}

/// What increments say that each statement did.
pub(crate) fn counted(definition: &Definition, rows: &Frame) -> BTreeMap<usize, Done> {
    let value = |name: &str, row: usize| {
        definition.column(name).and_then(|(place, _)| rows.column(place)).and_then(|column| column.int(row))
    };
    let mut counted = BTreeMap::new();
    for row in 0..rows.rows {
        let id = value("queryid", row).unwrap();
        let id = (0..STATEMENTS).find(|known| queryid(*known) == id).unwrap();
        let figure = |name: &str| value(name, row).unwrap_or(0);
        let done = Done { calls: figure("calls"), time_ns: figure("total_exec_time") * 1000, rows: figure("rows") };
        assert!(counted.insert(id, done).is_none(), "two rows of one statement");
    }
    counted
}
