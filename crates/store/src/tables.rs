//! The table of a set: what it looks like, and the DDL that makes and widens it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use catalog::{Catalog, Column, Definition, Kind, Scope, SetKind};
use deadpool_postgres::Transaction;

use crate::layout::Table;
use crate::periods::Period;
use crate::{Layout, StoreError};

/// Whether the set's table is partitioned by day.
pub(crate) fn is_partitioned(kind: SetKind) -> bool {
    matches!(kind, SetKind::Figures | SetKind::Events)
}

/// The columns that the table has before the set's own, as (name, type, constraint).
pub(crate) fn leading(definition: &Definition) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut columns = vec![("instance_id", "integer", "not null"), ("time", "timestamp with time zone", "not null")];
    if is_partitioned(definition.kind()) {
        columns.push(("interval_us", "bigint", ""));
    } else {
        columns.push(("removed", "boolean", "not null"));
    }
    if definition.scope == Scope::Database {
        columns.push(("datid_read", "bigint", ""));
    }
    columns
}

/// The statement that rows of this definition are copied with; texts have a table of their own.
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

/// The label by which single rows are looked for: the one that names them to people where a set is limited.
pub(crate) fn id<'a>(catalog: &'a Catalog, set: &str) -> Option<&'a str> {
    Some(catalog.get(set)?.limit.as_ref()?.id.as_str())
}

/// What a row is of, beside instance and time.
fn keys(definition: &Definition) -> impl Iterator<Item = &str> {
    let database = (definition.scope == Scope::Database).then_some("datid_read");
    let labels = definition.columns.iter().filter(|column| column.kind == Kind::Label);
    database.into_iter().chain(labels.map(|column| column.name.as_str()))
}

/// How the set's table is to be kept.
pub(crate) fn table(definition: &Definition, id: Option<&str>) -> Table {
    let period = is_partitioned(definition.kind()).then_some(Period::Day);
    Table::new(&definition.name, period, id, keys(definition))
}

fn create(layout: Layout, definition: &Definition, id: Option<&str>) -> String {
    let name = &definition.name;
    let mut columns: Vec<String> = leading(definition)
        .into_iter()
        .map(|(column, column_type, constraint)| format!("\"{column}\" {column_type} {constraint}"))
        .collect();
    columns.extend(definition.columns.iter().map(|c| format!("\"{}\" {}", c.name, c.column_type.in_store())));
    let mut sql = layout.create(&table(definition, id), &columns.join(", "));
    if is_partitioned(definition.kind()) {
        let _ = write!(sql, "create index on metrics.\"{name}\" (instance_id, \"time\");");
    } else {
        let labels: String = keys(definition).map(|key| format!("\"{key}\", ")).collect();
        let _ = write!(sql, "create index on metrics.\"{name}\" (instance_id, {labels}\"time\" desc);");
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
