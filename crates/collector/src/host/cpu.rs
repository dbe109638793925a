//! `/proc/stat`: processor time of all processors together.

use super::{Before, ReadError, Sources, cgroup};
use crate::named::{Row, Value};

/// Ticks per second in `/proc`, the same on every architecture that PostgreSQL runs on.
const USER_HZ: i64 = 100;
const TICK_US: i64 = 1_000_000 / USER_HZ;

/// The times in the order in which the kernel writes them.
const TIMES: [&str; 8] =
    ["user_time", "nice_time", "system_time", "idle_time", "iowait_time", "irq_time", "softirq_time", "steal_time"];

pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    let mut row = parse(&sources.read("stat")?)?;
    row.push(("cpu_limit", cgroup::cpu_limit(sources).into()));
    Ok(vec![row])
}

fn parse(text: &str) -> Result<Row, ReadError> {
    let line = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(char::is_whitespace)))
    };
    let all = line("cpu").ok_or(ReadError::Shape { file: "/proc/stat", what: "a line of all processors" })?;
    let mut ticks = all.split_ascii_whitespace().map(|value| value.parse::<i64>().ok());
    let mut row: Row = TIMES
        .iter()
        .map(|name| (*name, ticks.next().flatten().map(|ticks| ticks.saturating_mul(TICK_US)).into()))
        .collect();
    let number = |name: &str| Value::from(line(name).and_then(|value| value.trim().parse::<i64>().ok()));
    row.push(("context_switches", number("ctxt")));
    row.push(("processes_created", number("processes")));
    row.push(("processes_running", number("procs_running")));
    row.push(("processes_blocked", number("procs_blocked")));
    let is_one = |line: &&str| {
        let name = line.strip_prefix("cpu").unwrap_or_default();
        name.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
    };
    let cpus = text.lines().filter(is_one).count();
    row.push(("cpus", Some(cpus as u64).filter(|cpus| *cpus > 0).into()));
    Ok(row)
}

/// Idle time and time of waiting may go back a little within one boot; a fall would make the row begin
/// at zero again, and all that happened since boot would be counted twice.
pub(super) fn carry(row: &mut Row, before: &Before<'_>) {
    for (column, value) in row {
        let counts = TIMES.contains(column) || ["context_switches", "processes_created"].contains(column);
        if let (true, Value::Int(now), Some(was)) = (counts, value, before.int(column)) {
            *now = was.max(*now);
        }
    }
}
