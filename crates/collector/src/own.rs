//! What the collector takes: per set of an instance, and as a process.
//!
//! Each cycle counts its own readings. A reading of `collector_sets` says what was counted since the one
//! before, the figures of its own cycle included that were read before it; it is itself counted by the
//! next one, as one row per set of a size that does not depend on what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use catalog::{Catalog, Scope};
use prost::Message as _;
use wire::Reading;

use crate::baseline::Incarnation;
use crate::named::{Row, Value};

/// The set of what each set takes.
pub const SETS: &str = "collector_sets";
/// The set of what the process takes.
pub const PROCESS: &str = "collector_process";
/// The row for what each cycle asks before it reads any set.
pub(crate) const IDENTITY: &str = "identity";

/// What only the process as a whole knows, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Instances that it watches.
    pub instances: u64,
    /// Cycles in the spool.
    pub spool_records: u64,
    /// Their bytes.
    pub spool_bytes: u64,
    /// The most that the spool may hold.
    pub spool_max_bytes: u64,
    /// Batches refused for good.
    pub refused_batches: u64,
}

#[derive(Clone, Debug, Default)]
struct Taken {
    readings: u64,
    errors: u64,
    rows: u64,
    bytes: u64,
    late_cycles: u64,
    marked_texts: u64,
    /// `None` where no statement was timed.
    time_us: Option<u64>,
}

impl Taken {
    fn add(&mut self, other: &Self) {
        self.readings += other.readings;
        self.errors += other.errors;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.late_cycles += other.late_cycles;
        self.marked_texts += other.marked_texts;
        if let Some(more) = other.time_us {
            *self.time_us.get_or_insert(0) += more;
        }
    }
}

type Sets = BTreeMap<String, Taken>;

/// What was counted and not told yet.
#[derive(Debug, Default)]
pub struct Own {
    /// Sets whose reading is one statement with its time.
    timed: BTreeSet<String>,
    counted: Sets,
    /// What the last reading told, until its cycle is on disk.
    told: Sets,
    /// Skipped cycles that no reading has said yet.
    late: BTreeMap<String, u32>,
    /// What the process last knew of itself.
    pub process: Option<Process>,
}

impl Own {
    /// Counts for the sets of a catalogue.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        // A guard is read twice around its set, and has that set's time.
        let guards: BTreeSet<&str> = catalog.sets().filter_map(|set| set.guard.as_deref()).collect();
        let by_statement = |scope: Scope| matches!(scope, Scope::Instance | Scope::Database);
        let timed = catalog.sets().filter(|set| by_statement(set.definition.scope) && !guards.contains(set.name()));
        Self { timed: timed.map(|set| set.name().to_owned()).collect(), ..Self::default() }
    }

    /// Goes on from what was counted before.
    pub fn go_on(&mut self, before: Self) {
        let Self { timed: _, counted, told, late, process } = before;
        (self.counted, self.told, self.late, self.process) = (counted, told, late, process);
    }

    /// A cycle began: what was told is on disk unless [`Self::not_spooled`] said otherwise.
    pub fn begin(&mut self) {
        self.told.clear();
    }

    /// What was told did not get to disk.
    pub fn not_spooled(&mut self) {
        for (set, taken) in std::mem::take(&mut self.told) {
            self.counted.entry(set).or_default().add(&taken);
        }
    }

    /// Cycles of sets were skipped.
    pub fn skipped(&mut self, late: &[(String, u32)]) {
        for (set, cycles) in late {
            self.counted.entry(set.clone()).or_default().late_cycles += u64::from(*cycles);
            *self.late.entry(set.clone()).or_default() += cycles;
        }
    }

    /// Texts of a set were of no known encoding.
    pub fn marked(&mut self, set: &str, texts: u64) {
        if texts > 0 {
            self.counted.entry(set.to_owned()).or_default().marked_texts += texts;
        }
    }

    /// The instance said who it is.
    pub fn identified(&mut self, took: Duration) {
        let time_us = Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let taken = Taken { readings: 1, time_us, ..Taken::default() };
        self.counted.entry(IDENTITY.to_owned()).or_default().add(&taken);
    }

    /// Counts readings, and lets each say the cycles that its set missed.
    pub fn count(&mut self, readings: &mut [Reading]) {
        for reading in readings {
            reading.late_cycles += self.late.remove(&reading.set).unwrap_or(0);
            let timed = reading.error.is_none() && self.timed.contains(&reading.set);
            let taken = Taken {
                readings: 1,
                errors: u64::from(reading.error.is_some()),
                rows: reading.rows.into(),
                bytes: reading.encoded_len() as u64,
                late_cycles: 0,
                marked_texts: 0,
                time_us: timed.then_some(reading.duration_us),
            };
            match self.counted.get_mut(&reading.set) {
                Some(counted) => counted.add(&taken),
                None => {
                    self.counted.insert(reading.set.clone(), taken);
                }
            }
        }
    }

    /// The rows of `collector_sets`: what was counted, and from here on is told; with how much rarer each set is read.
    #[must_use]
    pub fn tell(&mut self, slowdown: impl Fn(&str) -> u32) -> Vec<Row> {
        self.told = std::mem::take(&mut self.counted);
        let rows = self.told.iter().map(|(set, taken)| {
            vec![
                ("set_name", Value::Text(set.clone())),
                ("readings", Some(taken.readings).into()),
                ("errors", Some(taken.errors).into()),
                ("rows", Some(taken.rows).into()),
                ("bytes", Some(taken.bytes).into()),
                ("late_cycles", Some(taken.late_cycles).into()),
                ("marked_texts", Some(taken.marked_texts).into()),
                ("slowdown", Some(u64::from(slowdown(set))).into()),
                ("statement_time", taken.time_us.into()),
            ]
        });
        rows.collect()
    }

    /// The row of `collector_process`.
    #[must_use]
    pub fn process_row(&self) -> Row {
        let usage = crate::cost::own();
        let known = |take: fn(&Process) -> u64| Value::from(self.process.as_ref().map(take));
        vec![
            ("cpu_time", Some(usage.cpu_us).filter(|us| *us > 0).into()),
            (
                "resident_bytes",
                resident_bytes(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()).into(),
            ),
            ("peak_resident_bytes", Some(usage.peak_memory_bytes).filter(|bytes| *bytes > 0).into()),
            ("instances", known(|process| process.instances)),
            ("spool_records", known(|process| process.spool_records)),
            ("spool_bytes", known(|process| process.spool_bytes)),
            ("spool_max_bytes", known(|process| process.spool_max_bytes)),
            ("refused_batches", known(|process| process.refused_batches)),
        ]
    }
}

/// The life of the process's counters. Its start is a moment of this clock, so that one process follows another.
#[must_use]
pub fn incarnation(started_us: i64) -> Incarnation {
    Incarnation {
        system_identifier: "collector".to_owned(),
        postmaster_start_us: started_us,
        checkpointer_start_us: None,
    }
}

/// `VmRSS` of `/proc/self/status`, which is in KiB.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<i64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(set: &str, rows: u32, error: Option<&str>) -> Reading {
        let error = error.map(str::to_owned);
        Reading { set: set.to_owned(), rows, duration_us: 250, error, ..Reading::default() }
    }

    fn of(rows: &[Row], set: &str, column: &str) -> Value {
        let is_it = |row: &&Row| crate::named::value(row, "set_name") == Some(&Value::Text(set.to_owned()));
        let row = rows.iter().find(is_it).unwrap();
        crate::named::value(row, column).unwrap().clone()
    }

    #[test]
    fn a_reading_tells_what_was_counted_since_the_one_before() {
        let mut own = Own::new(&Catalog::embedded().unwrap());
        own.begin();
        own.skipped(&[("pg_stat_database".to_owned(), 3)]);
        let mut readings = [
            reading("pg_stat_database", 4, None),
            reading("pg_stat_database", 0, Some("no")),
            reading("pg_stat_statements_info", 1, None),
        ];
        own.count(&mut readings);
        assert_eq!((readings[0].late_cycles, readings[1].late_cycles), (3, 0), "said once");
        let rows = own.tell(|_| 1);
        assert_eq!(of(&rows, "pg_stat_database", "readings"), Value::Int(2));
        assert_eq!(of(&rows, "pg_stat_database", "errors"), Value::Int(1));
        assert_eq!(of(&rows, "pg_stat_database", "rows"), Value::Int(4));
        assert_eq!(of(&rows, "pg_stat_database", "late_cycles"), Value::Int(3));
        assert_eq!(of(&rows, "pg_stat_database", "statement_time"), Value::Int(250), "a failure took no known time");
        assert_eq!(of(&rows, "pg_stat_statements_info", "statement_time"), Value::Unknown, "a guard is not timed");
        assert_eq!(own.tell(|_| 1), Vec::<Row>::new(), "nothing twice");
    }

    #[test]
    fn what_did_not_get_to_disk_is_told_again() {
        let mut own = Own::new(&Catalog::embedded().unwrap());
        own.begin();
        own.count(&mut [reading("pg_stat_database", 4, None)]);
        let _ = own.tell(|_| 1);
        own.count(&mut [reading("pg_stat_database", 2, None)]);
        own.not_spooled();
        own.begin();
        assert_eq!(of(&own.tell(|_| 1), "pg_stat_database", "rows"), Value::Int(6));
        own.begin();
        own.not_spooled();
        assert_eq!(own.tell(|_| 1), Vec::<Row>::new(), "what is on disk is told");
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(resident_bytes("Name:\tx\nVmHWM:\t   900 kB\nVmRSS:\t    8 kB\n"), Some(8192));
        assert_eq!(resident_bytes(""), None);
    }
}
