//! The tables of tiers: made and widened with those of the raw rows.

use std::fmt::Write as _;

use deadpool_postgres::Transaction;

use super::shape::Shape;
use super::tier::Tier;
use crate::layout::Table;
use crate::{Layout, StoreError, tables};

/// Makes the tables of all tiers, or adds the columns that they lacked; answers which are to be made
/// of what is stored.
pub(crate) async fn create_or_widen(
    transaction: &Transaction<'_>,
    layout: Layout,
    shape: &Shape,
    third: Option<&str>,
) -> Result<Vec<Tier>, StoreError> {
    let mut made = Vec::new();
    for tier in Tier::ALL {
        let table = tier.table(&shape.raw);
        let present = tables::columns(transaction, &table).await?;
        let mut sql = String::new();
        if present.is_empty() {
            made.push(tier);
            sql = create(layout, shape, tier, third);
        } else {
            if shape.figures().any(|name| !present.contains(name)) {
                // Buckets that are there lack it: as far as there are raw rows, they are made again.
                made.push(tier);
            }
            for name in shape.outdated.iter().filter(|name| present.contains(*name)) {
                // Somebody's own view may stand on it, or somebody read it for long.
                let _ = write!(
                    sql,
                    "do $$ begin alter table metrics.\"{table}\" drop column \"{name}\";
                     exception when dependent_objects_still_exist or lock_not_available then
                         raise warning 'metrics.{table} keeps its column {name} for now: something stands on it';
                     end $$;"
                );
            }
            for kept in shape.columns.iter().filter(|kept| !present.contains(&kept.name)) {
                let _ = write!(
                    sql,
                    "alter table metrics.\"{table}\" add column if not exists \"{}\" {};",
                    kept.name, kept.sql_type
                );
            }
        }
        if let Some(third) = third.filter(|_| has_keys(tier)) {
            // Looked for first: `if not exists` waits for who writes.
            let _ = write!(
                sql,
                "do $$ begin if to_regclass('metrics.\"{table}_key\"') is null then
                     create index \"{table}_key\" on metrics.\"{table}\" (instance_id, \"{third}\", time);
                 end if; end $$;"
            );
        }
        if !sql.is_empty() {
            transaction.simple_query(&sql).await?;
        }
    }
    Ok(made)
}

/// Whether a tier has an index of its own for single rows: where it is written to seldom. In the finest one, every cell
/// would change a page of it for each row.
fn has_keys(tier: Tier) -> bool {
    tier > Tier::Minutes
}

/// How the table of a tier is to be kept.
pub(crate) fn kept(shape: &Shape, tier: Tier, id: Option<&str>) -> Table {
    // Days are too few in a chunk to be kept by themselves for each of these.
    let id = id.filter(|_| tier != Tier::Days);
    let keys = shape.columns.iter().filter(|kept| kept.is_key).map(|kept| kept.name.as_str());
    Table::new(&tier.table(&shape.raw), Some(tier.period()), id, keys)
}

fn create(layout: Layout, shape: &Shape, tier: Tier, third: Option<&str>) -> String {
    let table = tier.table(&shape.raw);
    let mut columns = vec![("instance_id", "integer not null"), ("time", "timestamp with time zone not null")];
    columns.extend(shape.columns.iter().map(|kept| (kept.name.as_str(), kept.sql_type)));
    let columns = tables::side_by_side(columns);
    let set = if shape.names_set { "set_name, " } else { "" };
    let made = layout.create(&kept(shape, tier, third), &columns);
    let third = third.filter(|_| !has_keys(tier)).map(|column| format!(", \"{column}\"")).unwrap_or_default();
    let raw = &shape.raw;
    let width = tier.width_us() / 60_000_000;
    format!(
        "{made}
         create index on metrics.\"{table}\" (instance_id, {set}time{third});
         comment on table metrics.\"{table}\" is 'What metrics.{raw} has per {width} minutes; time is the end of them.';
         comment on column metrics.\"{table}\".time is 'The end of the bucket, which belongs to it; its start does not.';"
    )
}
