//! `/proc/net/dev`: network interfaces, as the collector's network namespace has them.

use super::{ReadError, Sources};
use crate::named::{Row, Value};

/// Ends of other namespaces, and interfaces that carry nothing of their own.
const LEFT_OUT: [&str; 6] = ["veth", "ifb", "dummy", "cali", "tunl", "lxc"];

/// Columns in the kernel's order; an empty one is left out.
const FIELDS: [&str; 16] = [
    "received_bytes",
    "received_packets",
    "receive_errors",
    "receive_drops",
    "",
    "",
    "",
    "",
    "sent_bytes",
    "sent_packets",
    "send_errors",
    "send_drops",
    "",
    "collisions",
    "",
    "",
];

pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    let text = sources.read("self/net/dev")?;
    Ok(text.lines().filter_map(interface).collect())
}

fn interface(line: &str) -> Option<Row> {
    // Older kernels write no space behind the colon; the name itself may have one.
    let (name, values) = line.rsplit_once(':')?;
    let name = name.trim();
    let values: Vec<Option<i64>> = values.split_ascii_whitespace().map(|value| value.parse().ok()).collect();
    let is_used = values.iter().flatten().any(|value| *value > 0);
    if LEFT_OUT.iter().any(|kind| name.starts_with(kind)) || !is_used {
        return None;
    }
    let mut row: Row = vec![("interface", Value::Text(name.to_owned()))];
    for (place, column) in FIELDS.iter().enumerate().filter(|(_, column)| !column.is_empty()) {
        row.push((column, values.get(place).copied().flatten().into()));
    }
    Some(row)
}
