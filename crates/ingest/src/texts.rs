//! Texts of statements, in a short transaction before the one of the batches that bring them: keys in order, the first
//! text of a key stays unless another cluster had it, and orphans harm nobody.

use std::collections::BTreeMap;

use deadpool_postgres::Object;
use jiff::Timestamp;

use crate::encode::{Prepared, Text};
use crate::instances;
use crate::said::moment;
use store::StoreError;

/// Writes the texts of batches, of each collector one.
pub(crate) async fn write(client: &mut Object, batches: &[&Prepared]) -> Result<(), StoreError> {
    let told: BTreeMap<i32, i32> = batches
        .iter()
        .flat_map(|batch| &batch.instances)
        .filter_map(|(id, instance)| Some((*id, i32::try_from(instance.attributes.as_ref()?.version_num).ok()?)))
        .collect();
    let texts: Vec<&Text> = batches.iter().flat_map(|batch| &batch.texts).collect();
    let ids: Vec<i32> = texts.iter().map(|text| text.instance_id).collect();
    let versions: Vec<Option<i32>> = texts.iter().map(|text| told.get(&text.instance_id).copied()).collect();
    let dbids: Vec<i64> = texts.iter().map(|text| text.dbid).collect();
    let queryids: Vec<i64> = texts.iter().map(|text| text.queryid).collect();
    let queries: Vec<&str> = texts.iter().map(|text| &*text.query).collect();
    let captured: Vec<Option<Timestamp>> = texts.iter().map(|text| moment(text.captured_us)).collect();
    let transaction = client.transaction().await?;
    // Whose texts they are must be known before them: a collector sends each once.
    instances::clusters(&transaction, batches).await?;
    let statement = transaction
        .prepare_cached(
            "insert into metrics.texts as t (instance_id, major, dbid, queryid, query, captured_at)
             select n.instance_id, coalesce(n.version_num, i.version_num, 0) / 10000, n.dbid, n.queryid, n.query, n.at
             from unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::text[], $6::timestamptz[])
                 as n (instance_id, version_num, dbid, queryid, query, at)
             join metrics.instances i on i.id = n.instance_id
             order by 1, 2, 3, 4
             on conflict (instance_id, major, dbid, queryid) do update
             set query = excluded.query, captured_at = excluded.captured_at
             where t.captured_at < metrics.cluster_since(t.instance_id, excluded.captured_at)",
        )
        .await?;
    transaction.execute(&statement, &[&ids, &versions, &dbids, &queryids, &queries, &captured]).await?;
    Ok(transaction.commit().await?)
}
