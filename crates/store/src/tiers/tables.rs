//! The tables of tiers: made and widened with those of the raw rows.

use std::fmt::Write as _;

use deadpool_postgres::Transaction;

use super::shape::Shape;
use super::tier::Tier;
use crate::layout::Table;
use crate::{Layout, StoreError, tables};

/// Makes the tables of all tiers, or adds the columns that they lacked; answers whether one was made.
pub(crate) async fn create_or_widen(
    transaction: &Transaction<'_>,
    layout: Layout,
    shape: &Shape,
    third: Option<&str>,
) -> Result<bool, StoreError> {
    let mut made = false;
    for tier in Tier::ALL {
        let table = tier.table(&shape.raw);
        let present = tables::columns(transaction, &table).await?;
        let mut sql = String::new();
        if present.is_empty() {
            made = true;
            sql = create(layout, shape, tier, third);
        } else {
            for kept in shape.columns.iter().filter(|kept| !present.contains(&kept.name)) {
                let _ = write!(
                    sql,
                    "alter table metrics.\"{table}\" add column if not exists \"{}\" {};",
                    kept.name, kept.sql_type
                );
            }
        }
        if !sql.is_empty() {
            transaction.simple_query(&sql).await?;
        }
    }
    Ok(made)
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
    let mut columns = "instance_id integer not null, time timestamp with time zone not null".to_owned();
    for kept in &shape.columns {
        let _ = write!(columns, ", \"{}\" {}", kept.name, kept.sql_type);
    }
    let set = if shape.names_set { "set_name, " } else { "" };
    let made = layout.create(&kept(shape, tier, third), &columns);
    let third = third.map(|column| format!(", \"{column}\"")).unwrap_or_default();
    let raw = &shape.raw;
    let width = tier.width_us() / 60_000_000;
    format!(
        "{made}
         create index on metrics.\"{table}\" (instance_id, {set}time{third});
         comment on table metrics.\"{table}\" is 'What metrics.{raw} has per {width} minutes; time is the end of them.';
         comment on column metrics.\"{table}\".time is 'The end of the bucket, which belongs to it; its start does not.';"
    )
}
