//! `/proc/meminfo`, and the container's limit and use.

use std::collections::HashMap;

use super::{ReadError, Sources, cgroup};
use crate::named::{Row, Value};

/// Columns and the kernel's words for them; all in KiB.
const SIZES: [(&str, &str); 13] = [
    ("total_bytes", "MemTotal"),
    ("free_bytes", "MemFree"),
    ("available_bytes", "MemAvailable"),
    ("buffers_bytes", "Buffers"),
    ("cached_bytes", "Cached"),
    ("shared_bytes", "Shmem"),
    ("dirty_bytes", "Dirty"),
    ("writeback_bytes", "Writeback"),
    ("swap_total_bytes", "SwapTotal"),
    ("swap_free_bytes", "SwapFree"),
    ("committed_bytes", "Committed_AS"),
    ("commit_limit_bytes", "CommitLimit"),
    ("huge_page_bytes", "Hugepagesize"),
];
/// Columns that count pages.
const PAGES: [(&str, &str); 2] = [("huge_pages_total", "HugePages_Total"), ("huge_pages_free", "HugePages_Free")];

pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    let mut row = parse(&sources.read("meminfo")?)?;
    let total = row.iter().find_map(|(column, value)| match value {
        Value::Int(bytes) if *column == "total_bytes" => Some(*bytes),
        _ => None,
    });
    let container = cgroup::memory(sources, total);
    row.push(("memory_limit_bytes", container.limit.into()));
    row.push(("memory_used_bytes", container.used.into()));
    row.push(("memory_inactive_file_bytes", container.inactive_file.into()));
    Ok(vec![row])
}

fn parse(text: &str) -> Result<Row, ReadError> {
    let values: HashMap<&str, i64> = text
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim(), value.split_ascii_whitespace().next()?.parse().ok()?))
        })
        .collect();
    if !values.contains_key("MemTotal") {
        return Err(ReadError::Shape { file: "/proc/meminfo", what: "MemTotal" });
    }
    let sizes =
        SIZES.iter().map(|(column, name)| (*column, values.get(name).map(|kib| kib.saturating_mul(1024)).into()));
    let pages = PAGES.iter().map(|(column, name)| (*column, values.get(name).copied().into()));
    Ok(sizes.chain(pages).collect())
}
