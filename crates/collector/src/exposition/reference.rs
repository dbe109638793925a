//! The reference page of the names, written from the catalogue and the table of second names.

use std::fmt::Write as _;

use catalog::{Catalog, Kind};

use super::{ALIASES, metric_name, metric_type, suffix};

/// The page, as Markdown.
#[must_use]
pub fn reference_markdown(catalog: &Catalog) -> String {
    let mut page = "# Metrics of the collector\n\n\
        Generated from the catalogue and `crates/collector/src/exposition`; do not edit.\n\n\
        With `[collector] listen = \"127.0.0.1:9187\"` (`METRICS_LISTEN`) a collector shows what it read last at `/metrics`, in the \
        OpenMetrics text format 1.0, to at most 16 connections at a time, without a password: listen where only those can \
        connect who may see it. A scrape reads what is in memory and never PostgreSQL, so figures are as old as \
        `pganalytics_set_read_timestamp_seconds{server, set}` says, and scraping more often than the set's interval shows the \
        same again. Keeping them takes about as much memory as one reading of every set.\n\n\
        - A name is `pganalytics_`, the set, the column, the unit (`seconds` for durations and moments, `bytes`), and `_total` \
        of a counter. Counters are those of PostgreSQL since its statistics were reset, not increments.\n\
        - Labels are `server` (the instance's name in the configuration), `datid` and `datname` of what is of one database, \
        the row's own, and beside an identifier the name that it had when names were read last: `usename`, `schemaname`, \
        `relname`, `indexrelname`, `funcname`.\n\
        - What could not be read, is not measured (`track_io_timing` is off) or is of an instance that does not answer has no \
        series; `pganalytics_up{server}` is 0 then. Texts and states have no series, and \
        neither has what is counted from one reading to the next only (`session_samples`, `collector_sets`): it is no counter \
        that goes on, so a scraper could form no rate from it. The server's API answers it.\n\
        - `listen_exclude` names sets that are left out: by default those of statements and of single sessions.\n"
        .to_owned();
    page.push_str(
        "\n## In place of `postgres_exporter`\n\nThese names are shown besides, where the figure means the same.\n\n\
        | its name | here | differs |\n|---|---|---|\n",
    );
    for alias in ALIASES {
        let found = catalog.get(alias.set).and_then(|set| set.definition.column(alias.column));
        let Some((_, column)) = found else { continue };
        let open = column.kind == Kind::Counter && !alias.name.ends_with("_total");
        let differs = if open { "its type is unknown: OpenMetrics wants `_total` of a counter" } else { "" };
        let _ = writeln!(page, "| `{}` | `{}` | {differs} |", alias.name, shown(alias.set, column));
    }
    page.push_str(
        "\nWhat differs in all of them: the label `server` is the instance's name, not its host and port; identifiers stand \
         beside names. Tables and indexes are those of every database that is read, not of one. What that exporter counts per setting, per lock \
         mode or from statements of one's own has no second name here.\n",
    );
    for set in catalog.sets() {
        let columns: Vec<_> = set.definition.columns.iter().filter(|column| metric_type(column).is_some()).collect();
        if columns.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## `{}`\n\n| name | type | meaning |\n|---|---|---|\n", set.name());
        for column in columns {
            let kind = if column.kind == Kind::Counter { "counter" } else { "gauge" };
            let _ =
                writeln!(page, "| `{}` | {kind} | {} |", shown(set.name(), column), column.help.replace('|', "\\|"));
        }
    }
    page
}

/// A name as its samples have it.
fn shown(set: &str, column: &catalog::Column) -> String {
    let unit = suffix(column).map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
    let total = if column.kind == Kind::Counter { "_total" } else { "" };
    format!("{}{unit}{total}", metric_name(set, column))
}
