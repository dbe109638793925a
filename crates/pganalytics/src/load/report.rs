//! What a load came to, for a person and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::compare::Comparison;
use super::counted::Latency;
use super::resources::Measured;

/// What a load came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) seed: u64,
    pub(super) collectors: u32,
    pub(super) registered: u64,
    pub(super) statements: u32,
    pub(super) interval_seconds: f64,
    /// From the first reading to the last answer.
    pub(super) seconds: f64,
    /// Whether it was interrupted.
    pub(super) ended_early: bool,
    pub(super) requests: u64,
    pub(super) batches: u64,
    pub(super) batches_acknowledged: u64,
    /// Batches that were read and have no answer yet.
    pub(super) batches_unacknowledged: u64,
    pub(super) batches_refused: u64,
    pub(super) sent_twice: u64,
    pub(super) duplicates: u64,
    pub(super) rows_sent: u64,
    pub(super) rows_acknowledged: u64,
    pub(super) rows_rejected: u64,
    /// Counted in the store; null where it was not asked.
    pub(super) rows_stored: Option<u64>,
    pub(super) rows_per_second: f64,
    /// From sending a request to its answer.
    pub(super) ack_ms: Latency,
    /// From reading to the answer: with the wait for a connection, and all that was sent in vain.
    pub(super) delivery_ms: Latency,
    /// What was said instead of yes, and how often.
    pub(super) answers: BTreeMap<String, u64>,
    pub(super) server: Measured,
    pub(super) store: Measured,
    /// Sent against stored.
    pub(super) comparison: Compared,
    /// What became of the collectors that were registered.
    pub(super) cleanup: String,
    /// Whether that is what was asked for.
    pub(super) has_cleaned_up: bool,
}

/// Sent against stored, or why they were not compared.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Compared {
    With(Comparison),
    Not {
        /// Why.
        not_compared: String,
    },
    Failed {
        /// Why.
        comparison_failed: String,
    },
}

impl Report {
    /// What is not as it should be, in sentences.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut count = |many: u64, what: &str| {
            if many > 0 {
                faults.push(format!("{many} {what}"));
            }
        };
        count(self.batches_refused, "batches were refused for good");
        count(self.rows_rejected, "rows were rejected");
        if !self.ended_early {
            count(u64::from(self.collectors).saturating_sub(self.registered), "collectors could not register");
            count(self.batches_unacknowledged, "batches were not acknowledged in time");
        }
        match &self.comparison {
            Compared::With(comparison) => {
                count(comparison.different, "sets of collectors are not stored as they were sent");
            }
            Compared::Failed { comparison_failed } => {
                faults.push(format!("the store could not be compared: {comparison_failed}"));
            }
            Compared::Not { .. } => {}
        }
        if !self.has_cleaned_up {
            faults.push(self.cleanup.clone());
        }
        faults
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<14}{value}");
        };
        let early = if self.ended_early { ", ended early" } else { "" };
        line(
            "load",
            format!(
                "{} collectors x {} statements every {} s for {:.1} s{early} (seed {})",
                self.collectors, self.statements, self.interval_seconds, self.seconds, self.seed
            ),
        );
        line(
            "batches",
            format!(
                "{} sent in {} requests, {} acknowledged, {} without an answer, {} refused",
                self.batches,
                self.requests,
                self.batches_acknowledged,
                self.batches_unacknowledged,
                self.batches_refused
            ),
        );
        line("duplicates", format!("{} answered as such, {} batches sent twice", self.duplicates, self.sent_twice));
        let stored = self.rows_stored.map_or("not counted".to_owned(), |rows| rows.to_string());
        line(
            "rows",
            format!(
                "{} sent, {} acknowledged, {stored} stored, {} rejected",
                self.rows_sent, self.rows_acknowledged, self.rows_rejected
            ),
        );
        line("rows/s", format!("{:.0}", self.rows_per_second));
        for (name, latency) in [("ack ms", self.ack_ms), ("delivery ms", self.delivery_ms)] {
            let Latency { p50, p95, p99, max } = latency;
            line(name, format!("p50 {p50:.1}, p95 {p95:.1}, p99 {p99:.1}, max {max:.1}"));
        }
        for (name, measured) in [("server", &self.server), ("store", &self.store)] {
            line(name, of(measured, self.seconds));
        }
        for (words, times) in &self.answers {
            line("answered", format!("{times} x {words}"));
        }
        match &self.comparison {
            Compared::Not { not_compared: why } | Compared::Failed { comparison_failed: why } => {
                line("comparison", format!("not made: {why}"));
            }
            Compared::With(comparison) => {
                line(
                    "comparison",
                    format!(
                        "{} sets of collectors equal, {} different; times {:.1} ms off at most",
                        comparison.equal, comparison.different, comparison.time_error_max_ms
                    ),
                );
                if comparison.undecided_collectors > 0 {
                    let undecided = comparison.undecided_collectors;
                    line("", format!("{undecided} collectors left out: a batch of theirs was sent and never answered"));
                }
                for one in &comparison.differences {
                    let figures =
                        one.figures.iter().map(|d| format!("{} {} sent, {} stored", d.figure, d.sent, d.stored));
                    line(
                        "different",
                        format!("{} {}: {}", one.collector, one.set, figures.collect::<Vec<_>>().join("; ")),
                    );
                    if let Some(first) = &one.first {
                        line("", first.clone());
                    }
                }
            }
        }
        line("cleanup", self.cleanup.clone());
        let faults = self.faults();
        let result = match (&self.comparison, faults.is_empty()) {
            (_, true) if self.batches == 0 => "nothing was sent".to_owned(),
            (Compared::With(_), true) => "what was acknowledged is stored, row for row and sum for sum".to_owned(),
            (_, true) => "all that was sent is acknowledged; the store was not asked".to_owned(),
            (_, false) => faults.join("; "),
        };
        line("result", result);
        text.pop();
        text
    }
}

fn of(measured: &Measured, seconds: f64) -> String {
    match measured {
        Measured::Not { not_measured } => format!("not measured: {not_measured}"),
        Measured::Taken(taken) => {
            let slope = taken.memory_slope_mb_per_hour.map(|slope| format!(", {slope:+.1} MB/h")).unwrap_or_default();
            let share = taken.cpu_seconds / seconds.max(0.001) * 100.0;
            let (cpu, memory) = (taken.cpu_seconds, taken.memory_max_mb);
            format!("{cpu:.1} s of processor ({share:.0} %), {memory:.1} MB at most{slope}")
        }
    }
}
