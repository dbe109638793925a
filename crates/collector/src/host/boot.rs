//! The life of the host's counters: from one boot to the next.

use std::time::Duration;

use uuid::Uuid;

use super::{ReadError, Sources};
use crate::baseline::Incarnation;

/// What stands in place of a system identifier: the host's counters belong to no cluster.
const WHOSE: &str = "host";

/// The boot that is now. The time of a boot is computed from the clock and wobbles with it: while the
/// boot's id is that of the last reading, so is its time.
///
/// # Errors
/// When `/proc` does not say.
pub fn incarnation(sources: &Sources, last: Option<&Incarnation>, now_us: i64) -> Result<Incarnation, ReadError> {
    let id = sources.read("sys/kernel/random/boot_id")?;
    let up_us = uptime_us(&sources.read("uptime")?);
    let up_us = up_us.ok_or(ReadError::Shape { file: "/proc/uptime", what: "the time since boot" })?;
    of(&id, now_us.saturating_sub(up_us), last)
}

/// The boot of an id that began at a moment.
///
/// # Errors
/// When the id is none.
pub fn of(id: &str, began_us: i64, last: Option<&Incarnation>) -> Result<Incarnation, ReadError> {
    let id = Uuid::parse_str(id.trim());
    let (high, low) = id.map_err(|_| ReadError::Shape { file: "boot_id", what: "a UUID" })?.as_u64_pair();
    let id = (high ^ low).cast_signed();
    match last.filter(|last| last.system_identifier == WHOSE && last.postmaster_start_us == id) {
        Some(last) => Ok(last.clone()),
        None => Ok(Incarnation {
            system_identifier: WHOSE.to_owned(),
            postmaster_start_us: id,
            checkpointer_start_us: Some(began_us),
        }),
    }
}

/// Microseconds since boot, from `/proc/uptime`.
pub(super) fn uptime_us(text: &str) -> Option<i64> {
    let seconds = text.split_ascii_whitespace().next()?.parse().ok()?;
    i64::try_from(Duration::try_from_secs_f64(seconds).ok()?.as_micros()).ok()
}
