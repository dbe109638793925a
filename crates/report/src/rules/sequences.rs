//! Sequences and integer keys that run out.

use std::collections::HashMap;

use catalog::identifier;
use judgement::limits::{SEQUENCE_ALMOST, SEQUENCE_NEARLY};

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};
use crate::words::{number, percent};

/// Sequences near their end.
pub(super) static SEQUENCES: Rule = Rule {
    id: "sequences",
    title: "Sequences and integer keys running out",
    threshold: "a warning from 80 % of what the sequence, or the column that it fills, can hold on, critical from 97 % on",
    source: super::OURS,
    needs: &["pg_sequences", "pg_sequence"],
    over: &[],
    check: sequences,
};

fn sequences(look: &Look<'_>, judged: &mut Judged) {
    let properties: HashMap<(i64, i64), Row<'_>> = look
        .rows("pg_sequence")
        .into_iter()
        .filter_map(|row| Some(((row.datid?, row.int("seqrelid")?), row)))
        .collect();
    let mut unread = 0;
    let mut ending: Vec<(f64, i64, String, String, Evidence)> = Vec::new();
    for row in look.rows("pg_sequences") {
        let (Some(datid), Some(relid)) = (row.datid, row.int("seqrelid")) else { continue };
        if matches!(row.text("status"), Some("locked" | "hidden")) {
            unread += 1;
        }
        let (Some(used), Some(property)) = (row.float("used"), properties.get(&(datid, relid))) else { continue };
        if used < SEQUENCE_NEARLY || property.yes("cycles") {
            continue;
        }
        let name = look.relation(datid, relid).unwrap_or_else(|| format!("sequence {relid}"));
        let left = row.int("remaining").unwrap_or(0);
        let evidence = Evidence::of(name.clone())
            .within(look.database(datid))
            .with("used up", Value::Ratio(used))
            .with("values left", Value::Count(left))
            .maybe("type", property.text("data_type").map(|name| Value::Text(name.to_owned())))
            .maybe("fills", column(look, datid, property).map(Value::Text))
            .fix(fix(look, datid, property, &name));
        ending.push((used, left, name, look.database(datid), evidence));
    }
    ending.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (used, left, name, database, evidence) in ending {
        let severity = if used >= SEQUENCE_ALMOST { Severity::Critical } else { Severity::Warning };
        let message = format!("Sequence {name} in {database} is used up by {}: {} left.", percent(used), values(left));
        judged.found(severity, message, evidence);
    }
    if unread > 0 {
        judged.unknown(format!(
            "{} could not be read: locked, or the role has no right to (grant select on sequence … to {}).",
            number(unread, "sequence"),
            identifier(&look.readings().role)
        ));
    }
}

fn values(left: i64) -> String {
    if left == 1 { "1 value".to_owned() } else { format!("{left} values") }
}

fn column(look: &Look<'_>, datid: i64, property: &Row<'_>) -> Option<String> {
    let table = look.relation(datid, property.int("owner_relid")?)?;
    Some(format!("{table}.{}", identifier(property.text("owner_column")?)))
}

/// A wider type where there is one, for both of them.
fn fix(look: &Look<'_>, datid: i64, property: &Row<'_>, name: &str) -> String {
    let owner = property.int("owner_relid").and_then(|relid| look.relation(datid, relid));
    let narrow = |kind: Option<&str>| matches!(kind, Some("integer" | "smallint" | "int4" | "int2"));
    let wider = if narrow(property.text("data_type")) && look.major() >= 10 { " as bigint" } else { "" };
    // One that counts down ends at its least value. A bound that somebody gave stays with a wider type.
    let bound = if property.int("increment").is_some_and(|by| by < 0) { "no minvalue" } else { "no maxvalue" };
    let mut fix = vec![format!("alter sequence {name}{wider} {bound};")];
    if let (Some(table), Some(column), true) =
        (owner, property.text("owner_column"), narrow(property.text("owner_column_type")))
    {
        fix.push(format!(
            "alter table {table} alter column {} type bigint; -- rewrites the table under a lock; views over the column \
             and columns that refer to it are to be changed with it",
            identifier(column)
        ));
    } else if wider.is_empty() {
        fix.push("-- or: cycle, where values may come again".to_owned());
    }
    fix.join(" ")
}
