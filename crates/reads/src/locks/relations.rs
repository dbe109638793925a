//! Names of what is locked: each database's own names, as they were at the moment.

use crate::reader::{InstanceId, Snapshot};
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use tokio_postgres::Error;

/// Relations by (database, oid).
#[derive(Debug, Default)]
pub(crate) struct Relations {
    names: HashMap<(i64, i64), String>,
    indexes: HashSet<(i64, i64)>,
}

/// Names of relations are read by sets of their own, which an older store has no tables of.
const KNOWN: &str =
    "select to_regclass('metrics.pg_class') is not null and to_regclass('metrics.pg_index') is not null";

const NAMES: &str = "select distinct on (n.datid_read, n.relid) n.datid_read, n.relid,
        concat_ws('.', n.schema, n.relname), n.is_index
    from (
        select c.datid_read, c.relid, c.schema, c.relname, false as is_index, c.valid_from
        from metrics.pg_class c
        join unnest($2::int8[], $3::int8[]) w (datid, relid) on w.datid = c.datid_read and w.relid = c.relid
        where c.instance_id = $1 and c.relname is not null
            and c.valid_from >= (select metrics.cluster_since($1, $4))
            and c.valid_from < (select metrics.cluster_until($1, $4))
        union all
        select x.datid_read, x.indexrelid, x.schema, x.relname, true, x.valid_from
        from metrics.pg_index x
        join unnest($2::int8[], $3::int8[]) w (datid, relid) on w.datid = x.datid_read and w.relid = x.indexrelid
        where x.instance_id = $1 and x.relname is not null
            and x.valid_from >= (select metrics.cluster_since($1, $4))
            and x.valid_from < (select metrics.cluster_until($1, $4))
        union all
        select c.datid_read, c.toast_relid, 'the TOAST table of ' || c.schema, c.relname, false, c.valid_from
        from metrics.pg_class c
        join unnest($2::int8[], $3::int8[]) w (datid, relid) on w.datid = c.datid_read and w.relid = c.toast_relid
        where c.instance_id = $1 and c.relname is not null
            and c.valid_from >= (select metrics.cluster_since($1, $4))
            and c.valid_from < (select metrics.cluster_until($1, $4))) n
    order by n.datid_read, n.relid, n.valid_from > $4,
        case when n.valid_from > $4 then n.valid_from end, n.valid_from desc";

impl Relations {
    /// Those that are asked for, as (database, oid).
    pub(crate) async fn read(
        snapshot: &Snapshot,
        id: InstanceId,
        wanted: &[(i64, i64)],
        at: Timestamp,
    ) -> Result<Self, Error> {
        let mut relations = Self::default();
        if wanted.is_empty() || !snapshot.query_one(KNOWN, &[]).await?.get::<_, bool>(0) {
            return Ok(relations);
        }
        let (datids, relids): (Vec<i64>, Vec<i64>) = wanted.iter().copied().unzip();
        for row in snapshot.query(NAMES, &[&id, &datids, &relids, &at]).await? {
            let key = (row.get(0), row.get(1));
            relations.names.insert(key, row.get(2));
            if row.get(3) {
                relations.indexes.insert(key);
            }
        }
        Ok(relations)
    }

    /// The name with its schema.
    pub(crate) fn name(&self, datid: i64, relid: i64) -> Option<&str> {
        self.names.get(&(datid, relid)).map(String::as_str)
    }

    pub(super) fn is_index(&self, datid: i64, relid: i64) -> bool {
        self.indexes.contains(&(datid, relid))
    }

    #[cfg(test)]
    pub(super) fn known<const N: usize>(names: [(i64, i64, &str); N]) -> Self {
        let names = names.into_iter().map(|(datid, relid, name)| ((datid, relid), name.to_owned())).collect();
        Self { names, indexes: HashSet::new() }
    }
}
