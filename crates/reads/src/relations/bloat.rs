//! Bloat of relations as it was estimated at the readings of `bloat`.

use std::collections::HashMap;

use tokio_postgres::Error;

use super::readings::{Times, lists};
use super::{Key, plus};
use crate::reader::{InstanceId, Snapshot};

/// The set.
pub(crate) const SET: &str = "bloat";

/// What a relation has beyond what its rows or entries would fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bloat {
    /// So many bytes.
    pub(crate) bytes: Option<i64>,
    /// Of so many pages.
    pages: Option<i64>,
}

impl Bloat {
    /// This and another one.
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes = plus(self.bytes, other.bytes);
        self.pages = plus(self.pages, other.pages);
    }

    /// Its share, 0 to 1.
    pub(crate) fn ratio(self, block_size: i64) -> Option<f64> {
        let bytes = self.pages?.saturating_mul(block_size);
        (bytes > 0).then_some(self.bytes? as f64 / bytes as f64)
    }
}

const BLOAT: &str = "select b.datid_read, b.relid, b.bloat_bytes, b.pages
    from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
    join metrics.bloat b on b.instance_id = $1 and b.time = r.time and b.datid_read = r.datid
    where b.relid is not null and b.bloat_bytes is not null";

/// Bloat at the readings of databases; only what could be estimated is there.
pub(crate) async fn at(snapshot: &Snapshot, id: InstanceId, times: &Times) -> Result<HashMap<Key, Bloat>, Error> {
    let (datids, moments) = lists(times);
    let rows = snapshot.query(BLOAT, &[&id, &datids, &moments]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), Bloat { bytes: row.get(2), pages: row.get(3) })).collect())
}
