//! `GET /instances/{id}/host` and `/instances/{id}/disks`.

use std::collections::BTreeMap;

use super::model::{Device, DeviceFigures, Disks, Host, Interface};
use super::store::{self, CPU, DISKS, FILESYSTEMS, LOAD, MEMORY, NETWORK, PRESSURE};
use crate::covered::Covered;
use crate::error::ReadError;
use crate::flags;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::spread::{Columns, Step, Steps, ratio};
use crate::when::{Fineness, When};

/// Kinds of processor time that are no work.
const IDLE: [&str; 2] = ["idle_time", "iowait_time"];

/// Why sets of the host have no figures, each under its own name.
async fn unmeasured(snapshot: &Snapshot, id: InstanceId, sets: &[&str]) -> Result<Unmeasured, ReadError> {
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for set in sets {
        note_missing(&mut unmeasured, set, &states, set, "");
    }
    if sets.contains(&FILESYSTEMS.set) {
        let column = "holds_data_directory";
        note_missing(&mut unmeasured, column, &states, FILESYSTEMS.set, column);
    }
    Ok(unmeasured)
}

/// The flags of a set, whose counters begin anew with the host and not with the instance.
async fn flagged(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    range: Range,
) -> Result<Vec<flags::FlaggedInterval>, ReadError> {
    let mut flagged = flags::read(snapshot, id, set, range).await?;
    for flag in &mut flagged {
        flag.message = flag.message.replace("The instance was restarted", "The host was started anew");
    }
    Ok(flagged)
}

/// Processors, load and memory of the host over a range, and at a moment.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Host, ReadError> {
    let (id, now) = (id, snapshot.now());
    let range = when.range(now)?;
    let grid = when.grid(snapshot, id, CPU.set, now, Fineness::SPREAD).await?;
    let mut spread = CPU.read(snapshot, snapshot.catalog(), id, range, grid, now).await?;
    let cpu = spread.one();
    let load = LOAD.read(snapshot, snapshot.catalog(), id, range, grid, now).await?.one();
    let memory = MEMORY.read(snapshot, snapshot.catalog(), id, range, grid, now).await?.one();
    let pressure = PRESSURE.read(snapshot, snapshot.catalog(), id, range, grid, now).await?.keys;
    let network = NETWORK.read(snapshot, snapshot.catalog(), id, range, grid, now).await?.keys;
    let kinds = CPU.counters.iter().map(|counter| {
        let share = |columns: &Columns, step: &Step| ratio(columns.sum(step, counter), all_time(step));
        (counter.trim_end_matches("_time"), CPU.series(grid, &cpu, share))
    });
    Ok(Host {
        grid,
        cpu: kinds.collect(),
        busy: CPU.series(grid, &cpu, |_, step| {
            let idle: f64 = IDLE.iter().filter_map(|kind| CPU.sum(step, kind)).sum();
            ratio(all_time(step).map(|all| all - idle), all_time(step))
        }),
        load: gauges(&LOAD, grid, &load),
        memory: gauges(&MEMORY, grid, &memory),
        pressure: pressures(grid, &pressure, "some_time"),
        full_pressure: pressures(grid, &pressure, "full_time"),
        network: network.into_iter().map(|(interface, steps)| carried(grid, interface, &steps)).collect(),
        state: store::state(snapshot, id, when.moment(now)).await?,
        unmeasured: unmeasured(snapshot, id, &[CPU.set, LOAD.set, MEMORY.set, NETWORK.set, PRESSURE.set]).await?,
        flagged_intervals: flagged(snapshot, id, CPU.set, range).await?,
        covered: Covered::read(snapshot, id, CPU.set, range).await?,
        gaps: spread.gaps,
    })
}

/// The time of all processors: what shares are of, so that they make 1 whatever the number of processors.
fn all_time(step: &Step) -> Option<f64> {
    let known = CPU.counters.iter().filter_map(|counter| CPU.sum(step, counter));
    Some(known.sum()).filter(|all| *all > 0.0)
}

/// Shares of time by resource, of those of which something is known.
fn pressures(grid: Grid, all: &BTreeMap<String, Steps>, counter: &str) -> BTreeMap<String, Vec<Option<f64>>> {
    let share = |columns: &Columns, step: &Step| ratio(columns.sum(step, counter), Some(step.covered_us));
    let series = all.iter().map(|(resource, steps)| (resource.clone(), PRESSURE.series(grid, steps, share)));
    series.filter(|(_, values)| values.iter().any(Option::is_some)).collect()
}

fn carried(grid: Grid, interface: String, steps: &Steps) -> Interface {
    let rate = |counters: &[&str]| {
        NETWORK.series(grid, steps, |columns, step| {
            let known = counters.iter().filter_map(|counter| columns.sum(step, counter));
            ratio(known.reduce(|sum, one| sum + one).map(|sum| sum * 1e6), Some(step.covered_us))
        })
    };
    Interface {
        interface,
        received_bytes: rate(&["received_bytes"]),
        sent_bytes: rate(&["sent_bytes"]),
        lost_packets: rate(&["receive_errors", "receive_drops", "send_errors", "send_drops"]),
    }
}

fn gauges(columns: &Columns, grid: Grid, steps: &Steps) -> BTreeMap<&'static str, Vec<Option<f64>>> {
    let one = |gauge: &&'static str| (*gauge, columns.series(grid, steps, |columns, step| columns.mean(step, gauge)));
    columns.gauges.iter().map(one).collect()
}

/// Block devices and file systems of the host over a range, and at a moment.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn disks(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Disks, ReadError> {
    let (id, now) = (id, snapshot.now());
    let range = when.range(now)?;
    let grid = when.grid(snapshot, id, DISKS.set, now, Fineness::SPREAD).await?;
    let read = DISKS.read(snapshot, snapshot.catalog(), id, range, grid, now).await?;
    let devices = read.keys.into_iter().map(|(device, steps)| {
        let whole = DISKS.whole(&steps);
        Device {
            device,
            figures: figures(|value| value(&whole)),
            series: figures(|value| DISKS.series(grid, &steps, |_, step| value(step))),
        }
    });
    let mut used = FILESYSTEMS.read(snapshot, snapshot.catalog(), id, range, grid, now).await?.keys;
    let (at, mut filesystems) = store::filesystems(snapshot, id, when.moment(now)).await?;
    for one in &mut filesystems {
        let steps = used.remove(&one.mount_point).unwrap_or_default();
        one.used_share_series = FILESYSTEMS.series(grid, &steps, |columns, step| {
            let mean = |gauge| columns.mean(step, gauge);
            store::used_share(mean("size_bytes"), mean("free_bytes"), mean("available_bytes"))
        });
    }
    Ok(Disks {
        grid,
        devices: devices.collect(),
        at,
        filesystems,
        unmeasured: unmeasured(snapshot, id, &[DISKS.set, FILESYSTEMS.set]).await?,
        flagged_intervals: flagged(snapshot, id, DISKS.set, range).await?,
        covered: Covered::read(snapshot, id, DISKS.set, range).await?,
        gaps: read.gaps,
    })
}

/// Each figure of a device, made by `of` from the figure of one step.
fn figures<T>(of: impl Fn(&dyn Fn(&Step) -> Option<f64>) -> T) -> DeviceFigures<T> {
    let sum = |step: &Step, counter: &str| DISKS.sum(step, counter);
    let both = |step: &Step, one: &str, other: &str| Some(sum(step, one)? + sum(step, other)?);
    let rate = |step: &Step, counter: &str| ratio(sum(step, counter).map(|sum| sum * 1e6), Some(step.covered_us));
    let latency = |time: Option<f64>, requests: Option<f64>| ratio(time.map(|us| us / 1000.0), requests);
    DeviceFigures {
        reads: of(&|step| rate(step, "reads")),
        writes: of(&|step| rate(step, "writes")),
        read_bytes: of(&|step| rate(step, "read_bytes")),
        written_bytes: of(&|step| rate(step, "written_bytes")),
        read_latency_ms: of(&|step| latency(sum(step, "read_time"), sum(step, "reads"))),
        write_latency_ms: of(&|step| latency(sum(step, "write_time"), sum(step, "writes"))),
        latency_ms: of(&|step| latency(both(step, "read_time", "write_time"), both(step, "reads", "writes"))),
        utilisation: of(&|step| ratio(sum(step, "io_time"), Some(step.covered_us))),
        queue: of(&|step| ratio(sum(step, "weighted_io_time"), Some(step.covered_us))),
    }
}
