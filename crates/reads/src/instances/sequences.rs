//! Sequences that are nearly used up: one that ends, or whose column can hold no more, stops every insert.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Error;

use crate::reader::{InstanceId, Snapshot};
use crate::relations::readings::STALE;

/// A sequence that is nearly used up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ending {
    /// Its name with its schema; its oid where that is not known.
    pub(crate) name: String,
    /// The database.
    pub(crate) database: String,
    /// The share of its values that is used up.
    pub(crate) used: f64,
    /// Values that are left.
    pub(crate) remaining: i64,
}

/// One that begins anew at its end never ends.
const ENDING: &str = "
    with newest as (
        select distinct on (r.instance_id, r.datid) r.instance_id, r.datid, r.time from metrics.readings r
        where r.instance_id = any($1) and r.set_name = 'pg_sequences' and r.datid is not null and r.error is null
            and r.time > $2 and r.time <= $3 and r.time >= metrics.cluster_since(r.instance_id, $3)
        order by r.instance_id, r.datid, r.time desc
    )
    select n.instance_id, coalesce(i.name, s.seqrelid::text), coalesce(d.datname, n.datid::text), s.used,
        coalesce(s.remaining, 0)
    from newest n
    join metrics.pg_sequences s on s.instance_id = n.instance_id and s.time = n.time and s.datid_read = n.datid
    left join lateral (
        select concat_ws('.', i.schema, i.relname) as name, i.cycles from metrics.pg_sequence i
        where i.instance_id = n.instance_id and i.datid_read = n.datid and i.seqrelid = s.seqrelid
            and i.relname is not null and i.valid_from >= metrics.cluster_since(n.instance_id, $3)
        order by i.valid_from > $3, abs(extract(epoch from i.valid_from - $3)) limit 1) i on true
    left join lateral (
        select d.datname from metrics.pg_database d
        where d.instance_id = n.instance_id and d.datid = n.datid and d.datname is not null
        order by d.valid_from > $3, abs(extract(epoch from d.valid_from - $3)) limit 1) d on true
    where s.used >= $4 and i.cycles is not true
    order by n.instance_id, s.used desc, 2";

/// Those of some instances at a moment that used up so much at least, the nearest to its end first.
pub(crate) async fn ending(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    at: Timestamp,
    least: f64,
) -> Result<HashMap<InstanceId, Vec<Ending>>, Error> {
    let since = at.saturating_sub(STALE).unwrap_or(at);
    let mut all: HashMap<InstanceId, Vec<Ending>> = HashMap::new();
    for row in snapshot.query(ENDING, &[&ids, &since, &at, &least]).await? {
        let one = Ending { name: row.get(1), database: row.get(2), used: row.get(3), remaining: row.get(4) };
        all.entry(row.get(0)).or_default().push(one);
    }
    Ok(all)
}
