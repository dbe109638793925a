//! What the collector costs the machine.

use nix::sys::resource::{UsageWho, getrusage};
use wire::Status;

/// Processor time since start and peak memory of this process; the other fields are left at zero.
#[must_use]
pub(crate) fn own() -> Status {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Status::default() };
    let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0);
    Status {
        cpu_us: micros(usage.user_time()) + micros(usage.system_time()),
        // Linux counts it in KiB.
        peak_memory_bytes: u64::try_from(usage.max_rss()).unwrap_or(0) * 1024,
        ..Status::default()
    }
}
