//! Sizes of relations as their files had them at the readings of `relation_size`.

use std::collections::HashMap;

use tokio_postgres::Error;

use super::readings::{Times, lists};
use super::{Key, plus};
use crate::reader::{InstanceId, Snapshot};

/// The set.
pub(crate) const SET: &str = "relation_size";

/// Bytes of a relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Its own files: rows or entries, and their maps.
    pub(crate) own: Option<i64>,
    /// Its TOAST table with index.
    pub(crate) toast: Option<i64>,
    /// Its indexes.
    pub(crate) indexes: Option<i64>,
}

impl Size {
    /// All of it.
    pub(crate) fn total(self) -> Option<i64> {
        Some(self.own? + self.toast.unwrap_or(0) + self.indexes.unwrap_or(0))
    }

    /// This and another one.
    pub(crate) fn add(&mut self, other: Self) {
        self.own = plus(self.own, other.own);
        self.toast = plus(self.toast, other.toast);
        self.indexes = plus(self.indexes, other.indexes);
    }
}

const SIZES: &str = "select s.datid_read, s.relid,
        s.main_bytes + coalesce(s.fsm_bytes, 0) + coalesce(s.vm_bytes, 0) + coalesce(s.init_bytes, 0),
        s.toast_bytes, s.indexes_bytes
    from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
    join metrics.relation_size s on s.instance_id = $1 and s.time = r.time and s.datid_read = r.datid
    where s.relid is not null";

/// Sizes at the readings of databases.
pub(crate) async fn at(snapshot: &Snapshot, id: InstanceId, times: &Times) -> Result<HashMap<Key, Size>, Error> {
    let (datids, moments) = lists(times);
    let rows = snapshot.query(SIZES, &[&id, &datids, &moments]).await?;
    let size = |row: &tokio_postgres::Row| Size { own: row.get(2), toast: row.get(3), indexes: row.get(4) };
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), size(row))).collect())
}
