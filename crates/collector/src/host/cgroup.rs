//! Limits of the container that the collector runs in, by cgroup v2, and of memory also by v1. The root of a host has
//! none, and limits of the collector's own unit are not looked at: they say nothing about PostgreSQL.

use std::fs;

use super::{ReadError, Sources, line};
use crate::named::Row;

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

/// Columns, files of version 2 and words in them; a file without words is one number. Microseconds, bytes, numbers.
const USE: [(&str, &str, &str); 14] = [
    ("cpu_time", "cpu.stat", "usage_usec"),
    ("periods", "cpu.stat", "nr_periods"),
    ("throttled_periods", "cpu.stat", "nr_throttled"),
    ("throttled_time", "cpu.stat", "throttled_usec"),
    ("memory_bytes", "memory.current", ""),
    ("memory_peak_bytes", "memory.peak", ""),
    ("swap_bytes", "memory.swap.current", ""),
    ("swap_limit_bytes", "memory.swap.max", ""),
    ("memory_high", "memory.events", "high"),
    ("memory_max", "memory.events", "max"),
    ("oom", "memory.events", "oom"),
    ("oom_kills", "memory.events", "oom_kill"),
    ("pids", "pids.current", ""),
    ("pids_limit", "pids.max", ""),
];

/// Whether there is a container by version 2: the root of a host has use and pressure, too, and never a limit.
pub(super) fn is_container(sources: &Sources) -> bool {
    ["cpu.max", "memory.max"].iter().any(|file| sources.cgroup.join(file).exists())
}

/// Use and limits of the container.
#[expect(clippy::unnecessary_wraps, reason = "as all readers")]
pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    if !is_container(sources) {
        return Ok(Vec::new());
    }
    let mut row: Row = vec![("cpu_limit", cpu_limit(sources).into())];
    let value = |file: &str, word: &str| -> Option<i64> {
        let text = fs::read_to_string(sources.cgroup.join(file)).ok()?;
        let value = if word.is_empty() {
            text.trim()
        } else {
            text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?.trim()
        };
        value.parse().ok()
    };
    row.extend(USE.iter().map(|(column, file, word)| (*column, value(file, word).into())));
    let limit = line(&sources.cgroup.join("memory.max")).and_then(|limit| limit.parse::<i64>().ok());
    row.push(("memory_limit_bytes", limit.into()));
    Ok(vec![row])
}

/// `<quota> <period>` in microseconds, or `max <period>`.
fn cpus(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    Some(quota / period).filter(|cpus| cpus.is_finite() && *cpus > 0.0)
}
