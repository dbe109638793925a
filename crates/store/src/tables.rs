//! The table of a set: what it looks like, and the DDL that makes and widens it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use catalog::{Catalog, Column, Definition, Scope, SetKind};
use deadpool_postgres::Transaction;

use crate::layout::Table;
use crate::periods::Period;
use crate::{Layout, StoreError, infos};

/// Whether the set's table is partitioned by day.
pub(crate) fn is_partitioned(kind: SetKind) -> bool {
    matches!(kind, SetKind::Figures | SetKind::Events)
}

/// The columns that the table has before the set's own, as (name, type, constraint).
pub(crate) fn leading(definition: &Definition) -> Vec<(&'static str, &'static str, &'static str)> {
    const MOMENT: &str = "timestamp with time zone";
    let mut columns = vec![("instance_id", "integer", "not null")];
    if is_partitioned(definition.kind()) {
        columns.extend([("time", MOMENT, "not null"), ("interval_us", "bigint", "")]);
    } else {
        columns.extend(["valid_from", "valid_to", "seen_at"].map(|name| (name, MOMENT, "not null")));
        columns.push(("removed", "boolean", "not null"));
    }
    if definition.scope == Scope::Database {
        columns.push(("datid_read", "bigint", ""));
    }
    columns
}

/// The statement that rows of this definition are copied with; infos are merged and texts have a table of their own.
pub(crate) fn copy_statement(definition: &Definition) -> String {
    let names = leading(definition).into_iter().map(|(name, _, _)| name);
    let names: Vec<String> =
        names.chain(definition.columns.iter().map(|c| c.name.as_str())).map(|n| format!("\"{n}\"")).collect();
    format!("copy metrics.\"{}\" ({}) from stdin (format binary)", definition.name, names.join(", "))
}

/// Makes the set's table, or adds the columns that it lacks; answers whether it did either.
pub(crate) async fn create_or_widen(
    transaction: &Transaction<'_>,
    layout: Layout,
    catalog: &Catalog,
    definition: &Definition,
) -> Result<bool, StoreError> {
    if definition.kind() == SetKind::Texts {
        return Ok(false);
    }
    let present = columns(transaction, &definition.name).await?;
    let sql = if present.is_empty() {
        create(layout, definition, id(catalog, &definition.name))
    } else {
        widen(definition, &present)
    };
    if !sql.is_empty() {
        tracing::info!(set = definition.name, columns = definition.columns.len(), "the set's table is made or widened");
        transaction.simple_query(&sql).await?;
    }
    if definition.kind() == SetKind::Info && present.contains("time") {
        infos::convert(transaction, definition).await?;
    }
    Ok(!sql.is_empty())
}

/// The columns of a table of schema `metrics`; none where there is no such table.
pub(crate) async fn columns(transaction: &Transaction<'_>, table: &str) -> Result<BTreeSet<String>, StoreError> {
    let rows = transaction
        .query(
            "select a.attname::text from pg_catalog.pg_attribute a
             join pg_catalog.pg_class c on c.oid = a.attrelid
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where n.nspname = 'metrics' and c.relname = $1 and a.attnum > 0 and not a.attisdropped",
            &[&table],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Names and types as the columns of a table, so that no row has room between two of them. What a row begins with is
/// found without walking over the rest: the narrow ones, unless texts follow, which would fill what they leave.
pub(crate) fn side_by_side(mut columns: Vec<(&str, impl AsRef<str>)>) -> String {
    let width = |sql_type: &str| match sql_type {
        _ if sql_type.contains("[]") => None,
        wide if ["bigint", "double", "timestamp"].iter().any(|word| wide.starts_with(word)) => Some(8),
        middle if middle.starts_with("integer") => Some(4),
        narrow if narrow.starts_with("boolean") => Some(1),
        _ => None,
    };
    let has_texts = columns.iter().any(|(_, sql_type)| width(sql_type.as_ref()).is_none());
    columns.sort_by_key(|(_, sql_type)| match width(sql_type.as_ref()) {
        Some(8) if has_texts => 0,
        Some(4) => 1,
        Some(1) => 2,
        _ => 3,
    });
    let columns: Vec<String> =
        columns.iter().map(|(name, sql_type)| format!("\"{name}\" {}", sql_type.as_ref())).collect();
    columns.join(", ")
}

/// The label by which single rows are looked for: the one that names them to people where a set is limited.
pub(crate) fn id<'a>(catalog: &'a Catalog, set: &str) -> Option<&'a str> {
    Some(catalog.get(set)?.limit.as_ref()?.id.as_str())
}

/// How the set's table is to be kept.
pub(crate) fn table(definition: &Definition, id: Option<&str>) -> Table {
    let period = is_partitioned(definition.kind()).then_some(Period::Day);
    Table::new(&definition.name, period, id, infos::key(definition).into_iter())
}

fn create(layout: Layout, definition: &Definition, id: Option<&str>) -> String {
    let name = &definition.name;
    let leading = leading(definition).into_iter();
    let mut columns: Vec<(&str, String)> =
        leading.map(|(column, sql_type, constraint)| (column, format!("{sql_type} {constraint}"))).collect();
    columns.extend(definition.columns.iter().map(|c| (c.name.as_str(), c.column_type.in_store().to_owned())));
    let mut sql = layout.create(&table(definition, id), &side_by_side(columns));
    if is_partitioned(definition.kind()) {
        let _ = write!(sql, "create index on metrics.\"{name}\" (instance_id, \"time\");");
    } else {
        let _ = write!(sql, "alter table metrics.\"{name}\" set (fillfactor = {});", infos::FILLFACTOR);
        let key: String = infos::key(definition).iter().map(|name| format!("\"{name}\", ")).collect();
        let _ = write!(sql, "create index on metrics.\"{name}\" (instance_id, {key}valid_from desc);");
    }
    let _ = write!(sql, "comment on table metrics.\"{name}\" is {};", literal(&definition.help));
    for column in &definition.columns {
        sql.push_str(&comment(name, column));
    }
    sql
}

fn widen(definition: &Definition, present: &BTreeSet<String>) -> String {
    let name = &definition.name;
    let mut sql = String::new();
    for column in definition.columns.iter().filter(|c| !present.contains(&c.name)) {
        let column_type = column.column_type.in_store();
        let _ =
            write!(sql, "alter table metrics.\"{name}\" add column if not exists \"{}\" {column_type};", column.name);
        sql.push_str(&comment(name, column));
    }
    sql
}

fn comment(table: &str, column: &Column) -> String {
    format!("comment on column metrics.\"{table}\".\"{}\" is {};", column.name, literal(&column.help))
}

/// A text as an SQL literal: comments take no parameters.
fn literal(text: &str) -> String {
    let text = text.replace('\0', "");
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}
