//! How many rows there are of each set.

use std::collections::BTreeMap;

use catalog::SetKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::ReadError;
use crate::reader::Snapshot;

/// Whose rows to count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CountQuery {
    /// Of one collector.
    collector_id: Option<Uuid>,
    /// Of one instance.
    instance_id: Option<i32>,
}

/// How many rows there are.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Counts {
    /// In all sets.
    count: i64,
    /// By set.
    sets: BTreeMap<String, SetCount>,
}

/// How many rows there are of a set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetCount {
    /// Rows.
    rows: i64,
    /// The newest row's time; of infos, when one was last said.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sample: Option<Timestamp>,
}

pub(crate) async fn count(snapshot: &Snapshot, query: &CountQuery) -> Result<Counts, ReadError> {
    let mut counts = Counts::default();
    let instances = snapshot.visible_of(query.instance_id);
    for known in snapshot.definitions().sets() {
        let set = known.definition.name.as_str();
        // All text sets share one table.
        let (table, time) = match known.kind {
            SetKind::Texts => ("texts", "captured_at"),
            SetKind::Info => (set, "seen_at"),
            SetKind::Figures | SetKind::Events => (set, "time"),
        };
        let sql = format!(
            "select count(*), max(t.\"{time}\") from metrics.\"{table}\" t
             where ($1::int4[] is null or t.instance_id = any($1))
               and ($2::uuid is null or t.instance_id in (select id from metrics.instances where collector_id = $2))"
        );
        let row = snapshot.query_one(&sql, &[&instances, &query.collector_id]).await?;
        let rows: i64 = row.get(0);
        counts.count += rows;
        counts.sets.insert(set.to_owned(), SetCount { rows, last_sample: row.get(1) });
    }
    Ok(counts)
}
