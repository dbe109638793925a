//! What the kernel counts for this process.

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};

/// Processor time of this process, user and system, in milliseconds.
pub(crate) fn cpu_ms() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("ask for the processor time")?;
    let ms = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    Ok(ms(usage.user_time()) + ms(usage.system_time()))
}

/// The most memory that this process ever had resident.
pub(crate) fn peak_bytes() -> Result<u64> {
    peak_bytes_of(std::process::id())
}

/// The most memory that a process ever had resident.
pub(crate) fn peak_bytes_of(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).context("read /proc/…/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("find the peak")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().context("understand the peak")?;
    Ok(kilobytes * 1024)
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub(crate) fn load_average() -> Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg").context("read the load average")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
