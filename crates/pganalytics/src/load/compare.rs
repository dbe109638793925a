//! What was acknowledged against what is stored: by collector and set, and where these differ, by reading and row.

use std::collections::HashMap;

use anyhow::Result;
use catalog::{Definition, SetKind};
use serde::Serialize;

use super::collector::Delivered;
use super::plan::Plan;
use super::stored::{AT_ONCE, Store};
use super::sums::{self, Difference};
use super::workload::SETS;

/// The most differences that are told in full; the others are counted.
const TOLD: usize = 10;
/// How far a stored time may be from the true one, besides what the longest request took: a server that measures a clock
/// over a slow network cannot tell the one from the other.
const TIME_TOLERANCE_US: i128 = 3_000_000;

/// How it compares.
#[derive(Debug, Default, Serialize)]
pub(super) struct Comparison {
    pub(super) rows_stored: u64,
    /// Collectors and sets of which all is as it was sent.
    pub(super) equal: u64,
    /// Collectors that are left out: a batch was sent whose answer never came.
    pub(super) undecided_collectors: u64,
    pub(super) different: u64,
    /// The first of the differences.
    pub(super) differences: Vec<Different>,
    /// The most that a collector's stored times are off on average, in milliseconds.
    pub(super) time_error_max_ms: f64,
}

/// A set of a collector that is not as it was sent.
#[derive(Debug, Serialize)]
pub(super) struct Different {
    pub(super) collector: String,
    pub(super) set: &'static str,
    pub(super) figures: Vec<Difference>,
    /// Where it begins: the reading, and a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<String>,
}

/// Compares all collectors.
pub(super) async fn compare(
    store: &Store,
    plan: &Plan,
    all: &[Delivered],
    longest_request_us: u64,
) -> Result<Comparison> {
    let tolerance_us = TIME_TOLERANCE_US + i128::from(longest_request_us);
    let mut comparison = Comparison::default();
    for group in all.chunks(AT_ONCE) {
        let ids: Vec<_> = group.iter().map(|one| one.id).collect();
        let instances = store.instances(&ids).await?;
        let numbers: Vec<i32> = instances.values().copied().collect();
        for (nth, definition) in plan.workload.definitions().iter().enumerate() {
            let stored = store.sums(definition, &numbers).await?;
            for one in group {
                let instance = instances.get(&one.id).copied();
                let found = instance.and_then(|instance| stored.get(&instance)).copied().unwrap_or_default();
                comparison.rows_stored += found.rows;
                if one.undecided {
                    continue;
                }
                let mut figures = one.sums[nth].differences(&found, definition);
                if figures.is_empty() {
                    let off_us = one.sums[nth].time_off_us(&found);
                    #[expect(clippy::cast_precision_loss, reason = "a difference for people")]
                    let off_ms = off_us as f64 / 1000.0;
                    comparison.time_error_max_ms = comparison.time_error_max_ms.max(off_ms.abs());
                    if off_us.abs() > tolerance_us {
                        let (sent, stored) = ("true".to_owned(), format!("{off_ms:+.1} ms off on average"));
                        figures.push(Difference { figure: "times".to_owned(), sent, stored });
                    }
                }
                if figures.is_empty() {
                    comparison.equal += 1;
                    continue;
                }
                comparison.different += 1;
                if comparison.differences.len() < TOLD {
                    let first = match instance {
                        Some(instance) if definition.kind() == SetKind::Figures => {
                            first_row(store, plan, definition, one, instance).await?
                        }
                        _ => None,
                    };
                    let collector = plan.name(one.collector);
                    comparison.differences.push(Different { collector, set: SETS[nth], figures, first });
                }
            }
        }
        comparison.undecided_collectors += group.iter().filter(|one| one.undecided).count() as u64;
    }
    Ok(comparison)
}

/// The first reading that is not stored as it was sent, and a row of it.
async fn first_row(
    store: &Store,
    plan: &Plan,
    definition: &Definition,
    one: &Delivered,
    instance: i32,
) -> Result<Option<String>> {
    let mut stored = store.readings(definition, instance).await?.into_iter().peekable();
    for cycle in (0..one.read).filter(|cycle| !one.without.contains(cycle)) {
        let of = plan.cycle(one.collector, cycle);
        let true_us = plan.time_us(one.collector, cycle);
        let (Some(reading), sums) = plan.reading(definition, of, true_us, 0) else { continue };
        if sums.rows == 0 {
            continue;
        }
        let Some(frame) = plan.workload.frame(definition, of) else { continue };
        let at = jiff::Timestamp::from_microsecond(true_us).unwrap_or_default();
        let interval = i64::try_from(reading.interval_us.unwrap_or(0)).unwrap_or(i64::MAX);
        // Readings are an interval apart: the one that is nearest is the one that was sent.
        let found = stored.next_if(|found| found.time_us - true_us < interval / 2);
        let Some(found) = found else { return Ok(Some(format!("the reading of {at} is missing"))) };
        let mut left: HashMap<i64, i64> = HashMap::new();
        for check in &found.checks {
            *left.entry(*check).or_default() += 1;
        }
        for (row, check) in sums::checks(definition, &frame, reading.interval_us).enumerate() {
            let count = left.entry(check).or_default();
            if *count == 0 {
                let labels = sums::labels(definition, &frame, row);
                let (has, sent) = (found.checks.len(), frame.rows);
                return Ok(Some(format!("the reading of {at} has {has} rows of {sent}; not as sent: {labels}")));
            }
            *count -= 1;
        }
        let more: i64 = left.values().sum();
        if more > 0 {
            return Ok(Some(format!("the reading of {at} has {more} rows that were not sent")));
        }
    }
    Ok(stored.next().map(|_| "there is a reading that was not sent".to_owned()))
}
