//! Subscriptions that fail: their workers begin again, and nothing is applied until somebody ends the reason.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Error;

use crate::reader::{InstanceId, Snapshot};

/// Failures are told for so long.
const FAILED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// A subscription that failed of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// Its name; its oid where that is not known.
    pub(crate) name: String,
    /// The database; empty where that is not known.
    pub(crate) database: String,
    /// How often changes could not be applied.
    pub(crate) apply_errors: i64,
    /// How often a table could not be copied.
    pub(crate) sync_errors: i64,
}

const FAILING: &str = "
    select f.instance_id, coalesce(i.subname, f.subid::text), coalesce(d.datname, ''), f.apply_errors, f.sync_errors
    from (
        select s.instance_id, s.subid, coalesce(sum(s.apply_error_count), 0)::int8 as apply_errors,
            coalesce(sum(s.sync_error_count), 0)::int8 as sync_errors
        from metrics.pg_stat_subscription_stats s
        where s.instance_id = any($1) and s.time > $2 and s.time <= $3 and s.subid is not null
            and s.time >= metrics.cluster_since(s.instance_id, $3)
        group by s.instance_id, s.subid) f
    left join lateral (
        select i.subname, i.datid from metrics.pg_subscription i
        where i.instance_id = f.instance_id and i.subid = f.subid
            and i.valid_from >= metrics.cluster_since(f.instance_id, $3)
        order by i.valid_from > $3, abs(extract(epoch from i.valid_from - $3)) limit 1) i on true
    left join lateral (
        select d.datname from metrics.pg_database d
        where d.instance_id = f.instance_id and d.datid = i.datid and d.datname is not null
        order by d.valid_from > $3, abs(extract(epoch from d.valid_from - $3)) limit 1) d on true
    where f.apply_errors + f.sync_errors > 0
    order by 1, f.apply_errors + f.sync_errors desc, 2";

/// Those of some instances shortly before a moment, the one that failed most often first.
pub(crate) async fn failing(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    at: Timestamp,
) -> Result<HashMap<InstanceId, Vec<Failing>>, Error> {
    let since = at.saturating_sub(FAILED_WITHIN).unwrap_or(at);
    let mut all: HashMap<InstanceId, Vec<Failing>> = HashMap::new();
    for row in snapshot.query(FAILING, &[&ids, &since, &at]).await? {
        let [apply_errors, sync_errors] = [3, 4].map(|place| row.get(place));
        let one = Failing { name: row.get(1), database: row.get(2), apply_errors, sync_errors };
        all.entry(row.get(0)).or_default().push(one);
    }
    Ok(all)
}
