//! The reference page of the catalogue: markdown made from the sets alone, so that it cannot differ.

use std::fmt::{self, Write as _};

use crate::costs::{costs, is_optional};
use crate::definition::{Column, SetKind};
use crate::embedded::Catalog;
use crate::set::{Role, Set, WithoutGrant};

const HEAD: &str = "<!-- Generated from catalog/ by `make generate`; edit the sets instead. -->

# What is measured

A *set* is what is read together: a folder `catalog/<scope>/<set>/` with its meaning in `set.toml` and
its SQL by version. Every table below is a set; its columns have the same names in the store and in JSON.

Types: `oid`, `lsn` (bytes of WAL) and `duration` (microseconds) are 64-bit integers. Kinds: a `label` is
part of the row's key; a `counter` is cumulative in PostgreSQL and stored as its increment over the row's
interval; a `gauge` or `state` is a value of the moment; `info` is stored when it changes; a `text` is
stored once; when a `reset` moves, the interval is flagged; a `since` separates the lives of a row.
A value that cannot be known is NULL, with the reason shown: a column's *needs* names what it takes.
Before PostgreSQL 10, which has no `pg_monitor`, and before 11 for sizes of files, functions stand for a grant:
`packaging/monitoring-role.sql` makes them, and a set that reads what they stand for is read through them.
Where reading an instance takes more than its budget (`statement_budget`), sets are read less often in turns, 1 first
(`docs/cost.md`); a set without a turn never is, and `x_…` sets have the first one unless they say otherwise.
";

/// The reference page of a catalogue's sets, as markdown.
#[must_use]
pub fn reference(catalog: &Catalog) -> String {
    let mut page = HEAD.to_owned();
    let written = write_index(&mut page, catalog)
        .and_then(|()| write_costs(&mut page))
        .and_then(|()| catalog.sets().try_for_each(|s| write_set(&mut page, s)));
    written.expect("a String takes whatever is written");
    page
}

fn write_index(page: &mut String, catalog: &Catalog) -> fmt::Result {
    writeln!(page, "\n| Set | Group | Every | What |\n|---|---|---|---|")?;
    for set in catalog.sets() {
        let (name, help) = (set.name(), cell(&set.definition.help));
        writeln!(page, "| [{name}](#{name}) | `{}` | {} s | {help} |", set.group, set.interval_seconds)?;
    }
    Ok(())
}

fn write_costs(page: &mut String) -> fmt::Result {
    writeln!(
        page,
        "\nWhat is needed is proposed where it is missing, by `check` and on the pages, with what it costs. What is \
         optional PostgreSQL leaves off for that reason: for `check` its lack is a hint, and nothing is degraded.\n"
    )?;
    costs().try_for_each(|(proposal, cost)| {
        let optional = if is_optional(proposal) { " (optional)" } else { "" };
        writeln!(page, "- `{proposal}`{optional} {cost}.")
    })
}

fn write_set(page: &mut String, set: &Set) -> fmt::Result {
    let definition = &set.definition;
    writeln!(page, "\n## {}\n\n{}\n", definition.name, definition.help)?;
    writeln!(
        page,
        "- Scope `{}`, group `{}`, every {} s.",
        definition.scope.folder(),
        set.group,
        set.interval_seconds
    )?;
    if let Some(turn) = set.yields {
        writeln!(page, "- Read less often past the budget of the instance, in turn {turn}.")?;
    }
    let kept = match definition.kind() {
        SetKind::Figures => "a row per key and interval",
        SetKind::Info => "a row whenever something changed, repeated daily",
        SetKind::Texts => "each text once",
        SetKind::Events => "a row per event",
    };
    writeln!(page, "- Kept as {kept}.")?;
    if set.role != Role::Any {
        writeln!(page, "- Read on a {} only.", set.role)?;
    }
    if let Some(lowest) = set.lowest_version() {
        let whose = set.extension.as_deref().map_or("PostgreSQL".to_owned(), |name| format!("extension `{name}`"));
        write!(page, "- Needs {whose} {lowest} or newer")?;
        let changes: Vec<_> = set.sql.keys().skip(1).map(ToString::to_string).collect();
        if !changes.is_empty() {
            write!(page, "; more is read from {}", changes.join(", "))?;
        }
        writeln!(page, ".")?;
    }
    if let Some(grant) = &set.grant {
        let loss = match set.without_grant() {
            WithoutGrant::Nothing => "nothing is lost".to_owned(),
            WithoutGrant::Set => "nothing can be read".to_owned(),
            WithoutGrant::Part(columns) if columns.is_empty() => "some rows are hidden".to_owned(),
            WithoutGrant::Part(columns) => format!("these are hidden: {}", columns.join(", ")),
        };
        writeln!(page, "- Privilege: `{grant}`; without it {loss}.")?;
    }
    if let Some(guard) = &set.guard {
        writeln!(page, "- Read between two readings of [{guard}](#{guard}); repeated once when that moved.")?;
    }
    if let Some(sample) = &set.sample {
        writeln!(
            page,
            "- Sampled every {} s between its readings; [{}](#{}) has how many samples were taken and missed.",
            sample.every, sample.counted_in, sample.counted_in
        )?;
    }
    if let Some(limit) = &set.limit {
        let for_each = match limit.keeps.as_slice() {
            [] => String::new(),
            keeps => {
                format!(" for each {}", keeps.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
            }
        };
        writeln!(
            page,
            "- Of each `{}` the `{}` rows with the largest `{}` are kept; what is cut is summed into one row{for_each}.",
            limit.per, limit.setting, limit.order
        )?;
    }
    writeln!(page, "\n| Column | Type | Kind | Unit | Needs | What |\n|---|---|---|---|---|---|")?;
    definition.columns.iter().try_for_each(|column| write_column(page, set, column))
}

fn write_column(page: &mut String, set: &Set, column: &Column) -> fmt::Result {
    let mut needs = Vec::new();
    if let Some(since) = column.since {
        let whose = set.extension.as_deref().unwrap_or("PostgreSQL");
        needs.push(format!("{whose} {since}"));
    }
    if let Some(setting) = &column.requires_setting {
        needs.push(format!("`{setting}`"));
    }
    if let Some(role) = column.role.filter(|role| *role != Role::Any) {
        needs.push(format!("a {role}"));
    }
    if column.needs_grant {
        needs.push("the privilege".to_owned());
    }
    writeln!(
        page,
        "| `{}` | {} | {} | {} | {} | {} |",
        column.name,
        column.column_type.word(),
        column.kind.word(),
        column.unit.word(),
        needs.join(", "),
        cell(&column.help)
    )
}

/// A text as one cell of a table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
