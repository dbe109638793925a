//! A host's figures over a time range and at one moment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::gaps::Gap;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;

/// The host over a time range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Host {
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// Shares of the time of all processors, from 0 to 1, by kind: user, nice, system, idle, iowait, irq, softirq, steal;
    /// null is a step without a reading.
    pub(crate) cpu: BTreeMap<&'static str, Vec<Option<f64>>>,
    /// The share that was neither idle nor waiting for a disk.
    pub(crate) busy: Vec<Option<f64>>,
    /// `load_1m`, `load_5m`, `load_15m`.
    pub(crate) load: BTreeMap<&'static str, Vec<Option<f64>>>,
    /// Bytes, by column of `host_memory`.
    pub(crate) memory: BTreeMap<&'static str, Vec<Option<f64>>>,
    /// Shares of time, from 0 to 1, in which at least one task waited, by what for: `cpu`, `memory`, `io`, and
    /// `container cpu` and so on; empty where the kernel does not count it.
    pub(crate) pressure: BTreeMap<String, Vec<Option<f64>>>,
    /// The same where all tasks waited at once; not known of `cpu`.
    pub(crate) full_pressure: BTreeMap<String, Vec<Option<f64>>>,
    /// Network interfaces by name, as the collector sees them.
    pub(crate) network: Vec<Interface>,
    /// The newest reading at or before the moment; null when none tells of it.
    pub(crate) state: Option<HostState>,
    /// Why figures are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read: figures are of that time.
    pub(crate) covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// A network interface over the range, on the grid; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) interface: String,
    /// Bytes received per second.
    pub(crate) received_bytes: Vec<Option<f64>>,
    /// Bytes sent per second.
    pub(crate) sent_bytes: Vec<Option<f64>>,
    /// Packets per second that were dropped or had errors, either way.
    pub(crate) lost_packets: Vec<Option<f64>>,
}

/// The host at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct HostState {
    /// When it was read.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// Processors that are online.
    pub(crate) cpus: Option<i64>,
    /// Processors that the container may use; null without a limit.
    pub(crate) cpu_limit: Option<f64>,
    /// The share of all processors that was busy in the interval before.
    pub(crate) busy: Option<f64>,
    /// Load over a minute.
    pub(crate) load_1m: Option<f64>,
    /// Load over 5 minutes.
    pub(crate) load_5m: Option<f64>,
    /// Load over 15 minutes.
    pub(crate) load_15m: Option<f64>,
    /// Since the host was started.
    pub(crate) uptime_ms: Option<f64>,
    /// All memory of the host.
    pub(crate) memory_total_bytes: Option<i64>,
    /// What programs could get without swapping: of the host by the kernel's estimate; under a container's limit what
    /// is left of that, with the page cache that the kernel gives back first (`inactive_file`), and no more than the
    /// host has. Null where the container's use is not known.
    pub(crate) memory_available_bytes: Option<i64>,
    /// What the container may use; null without a limit.
    pub(crate) memory_limit_bytes: Option<i64>,
    /// What the container uses of its limit, page cache included; null without a limit.
    pub(crate) memory_used_bytes: Option<i64>,
}

/// Block devices and file systems over a time range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Disks {
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// Block devices by name.
    pub(crate) devices: Vec<Device>,
    /// When the file systems were read; null when no reading tells of the moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// Local file systems by mount point, at that time.
    pub(crate) filesystems: Vec<FileSystem>,
    /// Why figures are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read: figures are of that time.
    pub(crate) covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// A block device over the range: means of what was measured.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    /// The kernel's name.
    pub(crate) device: String,
    #[serde(flatten)]
    pub(crate) figures: DeviceFigures<Option<f64>>,
    /// The same on the grid; null is a step without a reading, or without what a figure divides by.
    pub(crate) series: DeviceFigures<Vec<Option<f64>>>,
}

/// What a device did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeviceFigures<T> {
    /// Reads per second.
    pub(crate) reads: T,
    /// Writes per second.
    pub(crate) writes: T,
    /// Bytes read per second.
    pub(crate) read_bytes: T,
    /// Bytes written per second.
    pub(crate) written_bytes: T,
    /// Time per read; null without reads.
    pub(crate) read_latency_ms: T,
    /// Time per write; null without writes.
    pub(crate) write_latency_ms: T,
    /// Time per read or write; null without any.
    pub(crate) latency_ms: T,
    /// The share of time with a request under way, from 0 to 1.
    pub(crate) utilisation: T,
    /// Mean number of requests under way.
    pub(crate) queue: T,
}

/// A file system at a moment, and how full it was over the range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FileSystem {
    /// Where it is mounted.
    pub(crate) mount_point: String,
    /// What is mounted.
    pub(crate) device: Option<String>,
    /// Its type.
    pub(crate) fs_type: Option<String>,
    /// Its size.
    pub(crate) size_bytes: Option<i64>,
    /// What programs can still use.
    pub(crate) available_bytes: Option<i64>,
    /// How full it is for programs, as `df` says it, from 0 to 1.
    pub(crate) used_share: Option<f64>,
    /// The share of files that it can hold and holds; null where there is no such limit.
    pub(crate) inodes_used_share: Option<f64>,
    /// Whether the instance's data directory is on it.
    pub(crate) holds_data_directory: Option<bool>,
    /// Whether the instance's WAL is on it.
    pub(crate) holds_wal: Option<bool>,
    /// The instance's tablespaces on it, as they are quoted in SQL, with commas between them; null where they are not known.
    pub(crate) tablespaces: Option<String>,
    /// `used_share` on the grid.
    pub(crate) used_share_series: Vec<Option<f64>>,
}
