//! Limits of the container that the collector runs in, by cgroup v2, and of memory also by v1. The root of a host has
//! none, and limits of the collector's own unit are not looked at: they say nothing about PostgreSQL.

use std::fs;

use super::{Sources, line};

/// Processors that may be used.
pub(super) fn cpu_limit(sources: &Sources) -> Option<f64> {
    cpus(&line(&sources.cgroup.join("cpu.max"))?)
}

/// Memory of the container in bytes; nothing without a limit, because then the host's memory is what there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) limit: Option<i64>,
    pub(super) used: Option<i64>,
    /// What of that the kernel gives back first.
    pub(super) inactive_file: Option<i64>,
}

/// Files of limit, use and statistics, and the word for the inactive page cache: of version 2, and of version 1, whose
/// statistics without `total_` leave out the groups below.
const MEMORY: [[&str; 4]; 2] = [
    ["memory.max", "memory.current", "memory.stat", "inactive_file"],
    ["memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"],
];

/// Memory of the container on a host with so much.
pub(super) fn memory(sources: &Sources, total: Option<i64>) -> Memory {
    let number = |file: &str| line(&sources.cgroup.join(file))?.parse::<i64>().ok();
    // Version 1 writes no limit as one that is beyond all memory.
    let is_limit = |limit: &i64| total.is_none_or(|total| *limit < total);
    let mut limits = MEMORY.into_iter().filter_map(|files| Some((number(files[0]).filter(is_limit)?, files)));
    let Some((limit, [_, used, statistics, inactive_file])) = limits.next() else { return Memory::default() };
    let statistics = fs::read_to_string(sources.cgroup.join(statistics)).unwrap_or_default();
    let mut words = statistics.lines().filter_map(|line| line.split_once(' '));
    let inactive_file = words.find(|(word, _)| *word == inactive_file).and_then(|(_, bytes)| bytes.trim().parse().ok());
    Memory { limit: Some(limit), used: number(used), inactive_file }
}

/// `<quota> <period>` in microseconds, or `max <period>`.
fn cpus(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    Some(quota / period).filter(|cpus| cpus.is_finite() && *cpus > 0.0)
}
