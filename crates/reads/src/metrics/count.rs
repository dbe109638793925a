//! How many rows there are of each set.

use std::collections::{BTreeMap, HashMap};

use catalog::SetKind;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::ReadError;
use crate::reader::Snapshot;
use store::tiers::Tiered;

/// How far ahead of our time rows may be.
const AHEAD: SignedDuration = SignedDuration::from_hours(48);

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
    /// Whether that is no exact number: of names and texts no more than a million are counted, beyond it stands what
    /// PostgreSQL estimates of all of them, or a million of those that were asked for.
    estimated: bool,
    /// When it was read last with success.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sample: Option<Timestamp>,
}

/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Rows that are counted one by one at most.
const COUNTED_MOST: i64 = 1_000_000;

const OF_INSTANCES: &str = "select array_agg(i.id) from metrics.instances i
    where ($1::int4[] is null or i.id = any($1)) and ($2::uuid is null or i.collector_id = $2)";

const LAST: &str = "select set_name, max(last_reading_time) from metrics.latest
    where $1::int4[] is null or instance_id = any($1) group by 1";

/// The rows of sets with figures and events are those that their readings brought, which are kept as long as any of them.
/// Names and texts are counted.
pub(crate) async fn count(snapshot: &Snapshot, query: &CountQuery) -> Result<Counts, ReadError> {
    let mut counts = Counts::default();
    let mut instances = snapshot.visible_of(query.instance_id).await?;
    if query.collector_id.is_some() {
        let row = snapshot.query_one(OF_INSTANCES, &[&instances, &query.collector_id]).await?;
        instances = Some(row.get::<_, Option<Vec<i32>>>(0).unwrap_or_default());
    }
    let now: Timestamp = snapshot.query_one("select now()", &[]).await?.get(0);
    // What collectors stamped a little ahead of us is there too.
    let until = now.max(snapshot.now()).saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
    // Retention takes days: of a longer bucket it may have taken a part.
    let step = Some(DAY_US);
    let rows =
        snapshot.query_once(&Tiered::rows_by_set(), &[&Timestamp::UNIX_EPOCH, &until, &step, &instances]).await?;
    let delivered: HashMap<&str, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let latest = snapshot.query(LAST, &[&instances]).await?;
    let latest: HashMap<&str, Option<Timestamp>> = latest.iter().map(|row| (row.get(0), row.get(1))).collect();
    for known in snapshot.definitions().sets() {
        let set = known.definition.name.as_str();
        let (rows, estimated) = match known.kind {
            SetKind::Figures | SetKind::Events => (delivered.get(set).copied().unwrap_or(0), false),
            SetKind::Info => counted(snapshot, set, instances.as_deref()).await?,
            // All text sets share one table.
            SetKind::Texts => counted(snapshot, "texts", instances.as_deref()).await?,
        };
        counts.count += rows;
        let last_sample = latest.get(set).copied().flatten();
        counts.sets.insert(set.to_owned(), SetCount { rows, estimated, last_sample });
    }
    Ok(counts)
}

/// The rows of a table that has no readings of its own, up to a bound; whether that is no exact number.
async fn counted(snapshot: &Snapshot, table: &str, instances: Option<&[i32]>) -> Result<(i64, bool), ReadError> {
    let sql = format!(
        "select count(*), max(c.reltuples)::int8
         from (select from metrics.\"{table}\" t where $1::int4[] is null or t.instance_id = any($1) limit $2::int8 + 1) r,
              (select reltuples from pg_catalog.pg_class where oid = 'metrics.\"{table}\"'::regclass) c"
    );
    let row = snapshot.query_one(&sql, &[&instances, &COUNTED_MOST]).await?;
    let (counted, estimate): (i64, Option<i64>) = (row.get(0), row.get(1));
    if counted <= COUNTED_MOST {
        return Ok((counted, false));
    }
    let all = estimate.filter(|_| instances.is_none()).unwrap_or(COUNTED_MOST);
    Ok((all.max(COUNTED_MOST), true))
}
