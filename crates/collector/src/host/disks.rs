//! `/proc/diskstats`: block devices.

use std::collections::HashSet;

use super::{Before, ReadError, Sources};
use crate::named::{Row, Value};

/// What a sector is in `/proc/diskstats`, whatever the device's own is.
const SECTOR_BYTES: i64 = 512;
/// Devices that are memory, files, or read on demand.
const LEFT_OUT: [&str; 6] = ["loop", "ram", "zram", "sr", "fd", "nbd"];

/// Columns after the device's name, in the kernel's order, with what makes one of theirs one of ours;
/// 0 is left out.
const FIELDS: [(&str, i64); 17] = [
    ("reads", 1),
    ("reads merged", 0),
    ("read_bytes", SECTOR_BYTES),
    ("read_time", MILLISECOND_US),
    ("writes", 1),
    ("writes merged", 0),
    ("written_bytes", SECTOR_BYTES),
    ("write_time", MILLISECOND_US),
    ("in_flight", 1),
    ("io_time", MILLISECOND_US),
    ("weighted_io_time", MILLISECOND_US),
    ("discards", 0),
    ("discards merged", 0),
    ("discarded", 0),
    ("discard time", 0),
    ("flushes", 1),
    ("flush_time", MILLISECOND_US),
];
const MILLISECOND_US: i64 = 1000;

pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    Ok(parse(&sources.read("diskstats")?))
}

fn parse(text: &str) -> Vec<Row> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(2);
        Some((words.next()?, words.map(|word| word.parse::<i64>().ok()).collect::<Vec<_>>()))
    });
    let (mut devices, mut rows): (HashSet<&str>, Vec<Row>) = (HashSet::new(), Vec::new());
    for (device, values) in lines {
        let is_of =
            |kind: &&str| device.strip_prefix(kind).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        // A partition comes after its device. Four figures only are a partition's, before Linux 2.6.25.
        if LEFT_OUT.iter().any(is_of) || values.len() < 11 || is_partition(device, &devices) {
            continue;
        }
        if !devices.insert(device) {
            continue;
        }
        let mut row: Row = vec![("device", Value::Text(device.to_owned()))];
        for (place, (column, times)) in FIELDS.iter().enumerate().filter(|(_, (_, times))| *times > 0) {
            let value = values.get(place).copied().flatten();
            row.push((column, value.map(|value| value.saturating_mul(*times)).into()));
        }
        rows.push(row);
    }
    rows
}

/// `sda1` of `sda`, `nvme0n1p2` of `nvme0n1`, `mmcblk0boot0` of `mmcblk0`.
fn is_partition(device: &str, devices: &HashSet<&str>) -> bool {
    let whole = device.trim_end_matches(|c: char| c.is_ascii_digit());
    if whole.len() == device.len() {
        return false;
    }
    if devices.contains(whole) {
        return true;
    }
    ["p", "boot"].iter().any(|infix| {
        whole
            .strip_suffix(infix)
            .is_some_and(|parent| parent.ends_with(|c: char| c.is_ascii_digit()) && devices.contains(parent))
    })
}

/// Times are 32 bits of milliseconds in the kernel and wrap after 49 days of them; counts are 64 bits. Where
/// no count fell it is the same device, and its times go on over the edge; one that went back a little stays.
pub(super) fn carry(row: &mut Row, before: &Before<'_>) {
    let times = |column: &str| column.ends_with("_time");
    let fell = row.iter().any(|(column, value)| {
        !times(column)
            && *column != "in_flight"
            && matches!((value, before.int(column)), (Value::Int(now), Some(was)) if *now < was)
    });
    if fell {
        return;
    }
    for (column, value) in row.iter_mut().filter(|(column, _)| times(column)) {
        if let (Value::Int(now), Some(was)) = (value, before.int(column)) {
            *now = follow(*now / MILLISECOND_US, was / MILLISECOND_US).saturating_mul(MILLISECOND_US);
        }
    }
}

/// The count that goes on from `was` to one whose low 32 bits are `now`.
fn follow(now: i64, was: i64) -> i64 {
    if u32::try_from(now).is_err() {
        return now.max(was);
    }
    let forward = now.wrapping_sub(was).rem_euclid(1 << 32);
    if forward < 1 << 31 { was.saturating_add(forward) } else { was }
}
