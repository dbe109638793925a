//! `/proc/pressure`, and the container's own from cgroup v2: how long tasks waited for a processor, memory or a disk.
//! A kernel that does not count it has no such files, or refuses to read them.

use std::fs;
use std::path::Path;

use super::{ReadError, Sources, cgroup};
use crate::named::{Row, Value};

const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];
/// The kernel's words, and ours for what stands behind them.
const KINDS: [(&str, [&str; 4]); 2] = [
    ("some", ["some_time", "some_10s", "some_1m", "some_5m"]),
    ("full", ["full_time", "full_10s", "full_1m", "full_5m"]),
];
const MEANS: [&str; 3] = ["avg10=", "avg60=", "avg300="];

#[expect(clippy::unnecessary_wraps, reason = "as all readers")]
pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    let of_host = RESOURCES.map(|resource| (resource.to_owned(), sources.proc.join("pressure").join(resource)));
    let container = |resource: &str| sources.cgroup.join(format!("{resource}.pressure"));
    let of_container = RESOURCES.map(|resource| (format!("container {resource}"), container(resource)));
    let rows = of_host.iter().chain(of_container.iter().filter(|_| cgroup::is_container(sources)));
    Ok(rows.filter_map(|(resource, file)| row(resource, file)).collect())
}

fn row(resource: &str, file: &Path) -> Option<Row> {
    let text = fs::read_to_string(file).ok()?;
    let mut row: Row = vec![("resource", Value::Text(resource.to_owned()))];
    for (kind, columns) in KINDS {
        let words: Vec<&str> = text
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))
            .unwrap_or_default()
            .split_ascii_whitespace()
            .collect();
        // The host's kernel writes 0 for all of its tasks waiting for a processor, which cannot be.
        let is_meant = kind == "some" || resource != "cpu";
        let word = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)).filter(|_| is_meant);
        row.push((columns[0], word("total=").and_then(|total| total.parse::<i64>().ok()).into()));
        for (column, mean) in columns[1..].iter().zip(MEANS) {
            let percent = word(mean).and_then(|mean| mean.parse::<f64>().ok());
            // Written with two digits.
            row.push((column, percent.map(|percent| (percent * 100.0).round() / 10_000.0).into()));
        }
    }
    Some(row)
}
