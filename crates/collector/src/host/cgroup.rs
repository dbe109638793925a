//! Limits of the container that the collector runs in, by cgroup v2. The root of a host has none, and
//! limits of the collector's own unit are not looked at: they say nothing about PostgreSQL.

use super::{Sources, line};

/// Processors that may be used.
pub(super) fn cpu_limit(sources: &Sources) -> Option<f64> {
    cpus(&line(&sources.cgroup.join("cpu.max"))?)
}

/// Bytes of memory that may be used.
pub(super) fn memory_limit(sources: &Sources) -> Option<i64> {
    line(&sources.cgroup.join("memory.max"))?.parse().ok()
}

/// `<quota> <period>` in microseconds, or `max <period>`.
fn cpus(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    Some(quota / period).filter(|cpus| cpus.is_finite() && *cpus > 0.0)
}
