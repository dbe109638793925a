//! `/proc/vmstat`: what the kernel did when memory was short.

use std::collections::HashMap;

use super::{ReadError, Sources};
use crate::named::Row;

/// Columns and the kernel's words, of which those that begin so are summed up: older kernels count by zone.
const COUNTS: [(&str, &[&str]); 8] = [
    ("swapped_in", &["pswpin"]),
    ("swapped_out", &["pswpout"]),
    ("major_faults", &["pgmajfault"]),
    ("scanned_by_kswapd", &["pgscan_kswapd", "pgscan_kswapd_*"]),
    ("scanned_directly", &["pgscan_direct", "pgscan_direct_*"]),
    ("stalls", &["allocstall", "allocstall_*"]),
    ("oom_kills", &["oom_kill"]),
    ("huge_page_fallbacks", &["thp_fault_fallback"]),
];
/// Begins as a count does and is another one.
const NOT_A_ZONE: &str = "pgscan_direct_throttle";

pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    let text = sources.read("vmstat")?;
    let values: HashMap<&str, i64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, value)| Some((name, value.trim().parse().ok()?)))
        .collect();
    if !values.contains_key("pgmajfault") {
        return Err(ReadError::Shape { file: "/proc/vmstat", what: "pgmajfault" });
    }
    let row = COUNTS.iter().map(|(column, words)| (*column, sum(&values, words).into()));
    Ok(vec![row.collect()])
}

fn sum(values: &HashMap<&str, i64>, words: &[&str]) -> Option<i64> {
    let is_one = |name: &str| {
        words.iter().any(|word| word.strip_suffix('*').map_or(name == *word, |start| name.starts_with(start)))
    };
    let counted = values.iter().filter(|(name, _)| is_one(name) && **name != NOT_A_ZONE).map(|(_, value)| *value);
    counted.reduce(i64::saturating_add)
}
