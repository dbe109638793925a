//! What server and store take meanwhile: processor time and memory, from `/proc` of this machine.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::stored::Store;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);
/// The most points of memory over time that are kept; when there are more, every other one goes.
const MOST_POINTS: usize = 120;

/// What processes took.
#[derive(Debug, Default, Serialize)]
pub(super) struct Taken {
    /// Processor time in seconds.
    pub(super) cpu_seconds: f64,
    /// The most memory that was seen, in megabytes; of backends without what they share.
    pub(super) memory_max_mb: f64,
    /// How memory grew, in megabytes an hour, by least squares over all that was seen; null where it was seen once.
    pub(super) memory_slope_mb_per_hour: Option<f64>,
    /// Memory over time: seconds since the beginning, and megabytes.
    pub(super) memory_mb: Vec<(f64, f64)>,
}

/// What processes took, or why that is not known.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Measured {
    Taken(Taken),
    Not {
        /// Why.
        not_measured: String,
    },
}

impl Measured {
    pub(super) fn not(why: &str) -> Self {
        Self::Not { not_measured: why.to_owned() }
    }
}

/// Memory over time, in bounded room.
#[derive(Debug, Default)]
struct Memory {
    points: Vec<(f64, f64)>,
    /// How many looks a point stands for.
    stride: u64,
    looks: u64,
    max: f64,
    sums: [f64; 4],
}

impl Memory {
    fn add(&mut self, seconds: f64, mb: f64) {
        if self.looks.is_multiple_of(self.stride.max(1)) {
            self.points.push((seconds, mb));
        }
        if self.points.len() > MOST_POINTS {
            let mut nth = 0;
            self.points.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.stride = self.stride.max(1) * 2;
        }
        self.looks += 1;
        self.max = self.max.max(mb);
        for (sum, more) in self.sums.iter_mut().zip([seconds, mb, seconds * seconds, seconds * mb]) {
            *sum += more;
        }
    }

    /// Least squares, in megabytes an hour.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn slope(&self) -> Option<f64> {
        let (n, [t, m, tt, tm]) = (self.looks as f64, self.sums);
        let spread = n * tt - t * t;
        (self.looks > 1 && spread > 0.0).then(|| (n * tm - t * m) / spread * 3600.0)
    }
}

/// Some processes, looked at again and again.
#[derive(Debug, Default)]
struct Watched {
    ticks: HashMap<u32, u64>,
    cpu_ticks: u64,
    memory: Memory,
    seen: bool,
}

impl Watched {
    fn look(&mut self, seconds: f64, pids: &[u32], private_only: bool) {
        let mut mb = 0.0;
        let mut ticks_now = HashMap::with_capacity(pids.len());
        for pid in pids {
            let (Some(ticks), Some(memory)) = (ticks(*pid), memory_mb(*pid, private_only)) else { continue };
            // What a process took before it was seen first is not the load's, unless it began since.
            let before = self.ticks.get(pid).copied().unwrap_or(if self.seen { 0 } else { ticks });
            self.cpu_ticks += ticks.saturating_sub(before);
            ticks_now.insert(*pid, ticks);
            mb += memory;
        }
        if !ticks_now.is_empty() {
            self.seen = true;
            self.memory.add(seconds, mb);
        }
        self.ticks = ticks_now;
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn taken(self, why_not: &str) -> Measured {
        if !self.seen {
            return Measured::not(why_not);
        }
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        Measured::Taken(Taken {
            cpu_seconds: self.cpu_ticks as f64 / per_second as f64,
            memory_max_mb: self.memory.max,
            memory_slope_mb_per_hour: self.memory.slope(),
            memory_mb: self.memory.points,
        })
    }
}

/// Looks until `stop` says so; answers what the server and the store's backends took.
pub(super) async fn watch(
    server_pid: Option<u32>,
    store: Option<&Store>,
    mut stop: watch::Receiver<bool>,
) -> (Measured, Measured) {
    let began = Instant::now();
    let (mut server, mut backends) = (Watched::default(), Watched::default());
    loop {
        let seconds = began.elapsed().as_secs_f64();
        if let Some(pid) = server_pid {
            server.look(seconds, &[pid], false);
        }
        if let Some(store) = store {
            let pids = store.backends().await;
            let here: Vec<u32> = pids.into_iter().filter(|pid| is_postgres(*pid)).collect();
            backends.look(seconds, &here, true);
        }
        if *stop.borrow() {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => {}
        }
    }
    let server = match server_pid {
        None => Measured::not("--server-pid is not given"),
        Some(_) => server.taken("there is no such process on this machine, or it cannot be read"),
    };
    let backends = match store {
        None => Measured::not("--store-url is not given"),
        Some(_) => backends.taken("the store's backends are not on this machine, or cannot be read"),
    };
    (server, backends)
}

/// A pid of another machine may be anybody's here.
fn is_postgres(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("postgres"))
}

/// Processor time of a process, in ticks: the 14th and 15th field of its `stat`.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before them may hold blanks and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut field = || fields.next()?.parse::<u64>().ok();
    Some(field()? + field()?)
}

/// Resident memory of a process, in megabytes.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn memory_mb(pid: u32, private_only: bool) -> Option<f64> {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut fields = pages.split_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    let page = u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?;
    let pages = if private_only { resident.saturating_sub(shared) } else { resident };
    Some((pages * page) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line_through_all_that_was_seen() {
        let mut memory = Memory::default();
        for second in 0..1000 {
            memory.add(f64::from(second), 50.0 + f64::from(second) / 360.0);
        }
        assert!((memory.slope().unwrap() - 10.0).abs() < 1e-6);
        assert!(memory.points.len() <= MOST_POINTS && memory.points.len() > MOST_POINTS / 3);
        assert_eq!(Memory::default().slope(), None);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let mut watched = Watched::default();
        watched.look(0.0, &[std::process::id()], false);
        assert!(matches!(watched.taken(""), Measured::Taken(taken) if taken.memory_max_mb > 0.0));
        assert!(matches!(Watched::default().taken("why"), Measured::Not { .. }));
    }
}
