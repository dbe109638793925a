//! The newest rows of the host's sets at a moment.

use jiff::Timestamp;
use tokio_postgres::Error;

use super::model::{FileSystem, HostState};
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::spread::{Columns, ratio};

/// Processor time.
pub(crate) const CPU: Columns = Columns {
    set: "host_cpu",
    key: None,
    counters: &[
        "user_time",
        "nice_time",
        "system_time",
        "idle_time",
        "iowait_time",
        "irq_time",
        "softirq_time",
        "steal_time",
    ],
    gauges: &[],
};
/// Load.
pub(crate) const LOAD: Columns =
    Columns { set: "host_load", key: None, counters: &[], gauges: &["load_1m", "load_5m", "load_15m"] };
/// Memory.
pub(crate) const MEMORY: Columns = Columns {
    set: "host_memory",
    key: None,
    counters: &[],
    gauges: &[
        "total_bytes",
        "free_bytes",
        "available_bytes",
        "buffers_bytes",
        "cached_bytes",
        "dirty_bytes",
        "swap_total_bytes",
        "swap_free_bytes",
        "memory_limit_bytes",
        "memory_used_bytes",
        "memory_inactive_file_bytes",
    ],
};
/// For how long tasks waited.
pub(crate) const PRESSURE: Columns =
    Columns { set: "host_pressure", key: Some("resource"), counters: &["some_time", "full_time"], gauges: &[] };
/// Network interfaces.
pub(crate) const NETWORK: Columns = Columns {
    set: "host_network",
    key: Some("interface"),
    counters: &["received_bytes", "sent_bytes", "receive_errors", "receive_drops", "send_errors", "send_drops"],
    gauges: &[],
};
/// Block devices.
pub(crate) const DISKS: Columns = Columns {
    set: "host_disks",
    key: Some("device"),
    counters: &[
        "reads",
        "writes",
        "read_bytes",
        "written_bytes",
        "read_time",
        "write_time",
        "io_time",
        "weighted_io_time",
    ],
    gauges: &[],
};
/// File systems.
pub(crate) const FILESYSTEMS: Columns = Columns {
    set: "host_filesystems",
    key: Some("mount_point"),
    counters: &[],
    gauges: &["size_bytes", "free_bytes", "available_bytes"],
};

const STATE: &str = "select c.time, c.cpus, c.cpu_limit,
        (1 - (c.idle_time + coalesce(c.iowait_time, 0))::float8 / nullif(c.idle_time + coalesce(c.iowait_time, 0)
            + c.user_time + coalesce(c.nice_time, 0) + c.system_time + coalesce(c.irq_time, 0)
            + coalesce(c.softirq_time, 0) + coalesce(c.steal_time, 0), 0))::float8,
        l.load_1m, l.load_5m, l.load_15m, l.uptime, m.total_bytes,
        -- In a container the rest of its limit counts, with the page cache that it gets back; the host may have less.
        case when m.memory_limit_bytes is null then m.available_bytes
            when m.memory_used_bytes is not null then least(m.available_bytes,
                m.memory_limit_bytes - m.memory_used_bytes + coalesce(m.memory_inactive_file_bytes, 0)) end,
        m.memory_limit_bytes, m.memory_used_bytes
    from metrics.host_cpu c
    left join metrics.host_load l on l.instance_id = c.instance_id and l.time = $3
    left join metrics.host_memory m on m.instance_id = c.instance_id and m.time = $4
    where c.instance_id = $1 and c.time = $2 limit 1";

/// The host at a moment.
pub(crate) async fn state(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Option<HostState>, Error> {
    let Some(cpu) = readings::at(snapshot, id, CPU.set, at).await? else { return Ok(None) };
    let load = readings::at(snapshot, id, LOAD.set, at).await?;
    let memory = readings::at(snapshot, id, MEMORY.set, at).await?;
    let row = snapshot.query_opt(STATE, &[&id, &cpu, &load, &memory]).await?;
    Ok(row.map(|row| HostState {
        at: row.get(0),
        cpus: row.get(1),
        cpu_limit: row.get(2),
        busy: row.get(3),
        load_1m: row.get(4),
        load_5m: row.get(5),
        load_15m: row.get(6),
        uptime_ms: row.get::<_, Option<i64>>(7).map(|us| us as f64 / 1000.0),
        memory_total_bytes: row.get(8),
        memory_available_bytes: row.get(9),
        memory_limit_bytes: row.get(10),
        memory_used_bytes: row.get(11),
    }))
}

const MOUNTED: &str = "select f.mount_point, f.device, f.fs_type, f.size_bytes, f.free_bytes,
        f.available_bytes, f.inodes, f.inodes_free, f.holds_data_directory, f.holds_wal,
        f.tablespaces
    from metrics.host_filesystems f
    where f.instance_id = $1 and f.time = $2 and f.mount_point is not null
    order by f.mount_point";

/// The file systems at a moment, and when they were read.
pub(crate) async fn filesystems(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<(Option<Timestamp>, Vec<FileSystem>), Error> {
    let Some(time) = readings::at(snapshot, id, FILESYSTEMS.set, at).await? else { return Ok((None, Vec::new())) };
    let rows = snapshot.query(MOUNTED, &[&id, &time]).await?;
    let mounted = rows.iter().map(|row| {
        let number = |place: usize| row.get::<_, Option<i64>>(place);
        let float = |place: usize| number(place).map(|value| value as f64);
        FileSystem {
            mount_point: row.get(0),
            device: row.get(1),
            fs_type: row.get(2),
            size_bytes: number(3),
            available_bytes: number(5),
            used_share: used_share(float(3), float(4), float(5)),
            inodes_used_share: ratio(float(6).zip(float(7)).map(|(all, free)| all - free), float(6)),
            holds_data_directory: row.get(8),
            holds_wal: row.get(9),
            tablespaces: row.get(10),
            used_share_series: Vec::new(),
        }
    });
    Ok((Some(time), mounted.collect()))
}

/// Used over used and available: what the superuser keeps is not there for programs.
pub(crate) fn used_share(size: Option<f64>, free: Option<f64>, available: Option<f64>) -> Option<f64> {
    let used = size.zip(free).map(|(size, free)| size - free);
    ratio(used, used.zip(available).map(|(used, available)| used + available))
}
