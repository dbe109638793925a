//! Names and properties of relations as they were at a moment: `pg_class` and `pg_index`.

use std::collections::HashMap;

use jiff::Timestamp;
pub(crate) use judgement::indexes::Index;
use tokio_postgres::Error;

use super::Key;
use crate::infos;
use crate::reader::{InstanceId, Snapshot};

/// A table, partitioned table or materialized view.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) schema: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) persistence: Option<String>,
    pub(crate) root: Option<i64>,
    pub(crate) options: Option<String>,
}

const RELATIONS: &str = "select n.datid_read, n.relid, n.schema, n.relname, n.relkind, n.relpersistence, n.root_relid,
        n.reloptions
    from ({}) n where not n.removed";

/// The tables of an instance at a moment.
pub(crate) async fn relations(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<HashMap<Key, Relation>, Error> {
    let sql = RELATIONS.replace("{}", &infos::valid("pg_class"));
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    let relation = |row: &tokio_postgres::Row| Relation {
        schema: row.get(2),
        name: row.get(3),
        kind: row.get(4),
        persistence: row.get(5),
        root: row.get(6),
        options: row.get(7),
    };
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), relation(row))).collect())
}

const INDEXES: &str = "select n.datid_read, n.indexrelid, n.relid, n.schema, n.relname, n.root_relid, n.amname,
        n.is_unique, n.is_primary, n.is_exclusion, n.is_valid, n.is_replica_identity, n.contype, n.is_referenced,
        n.columns, n.included, n.has_predicate, n.signature, n.first_seen, n.supports_foreign_key
    from (
        select distinct on (x.datid_read, x.indexrelid) x.*,
            min(x.valid_from) over (partition by x.datid_read, x.indexrelid) as first_seen
        from metrics.pg_index x
        where x.instance_id = $1 and x.valid_from <= $2 and x.valid_from >= (select metrics.cluster_since($1, $2))
        order by x.datid_read, x.indexrelid, x.valid_from desc) n
    where not n.removed";

/// The indexes of an instance at a moment.
pub(crate) async fn indexes(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<HashMap<Key, Index>, Error> {
    let rows = snapshot.query(INDEXES, &[&id, &at]).await?;
    let index = |row: &tokio_postgres::Row| {
        let yes = |place: usize| row.get::<_, Option<bool>>(place).unwrap_or(false);
        Index {
            relid: row.get(2),
            schema: row.get(3),
            name: row.get(4),
            root: row.get(5),
            method: row.get(6),
            unique: yes(7),
            primary: yes(8),
            exclusion: yes(9),
            valid: yes(10),
            replica_identity: yes(11),
            constraint: row.get(12),
            referenced: yes(13),
            columns: row.get(14),
            included: row.get(15),
            predicate: yes(16),
            signature: row.get(17),
            first_seen: row.get(18),
            supports_foreign_key: yes(19),
        }
    };
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), index(row))).collect())
}
