//! The newest row of each setting at one moment, and the size of a block.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::Setting;
use crate::infos;
use crate::reader::{InstanceId, Snapshot};

/// A row comes with any change: only another value is a change of the setting.
const SETTINGS: &str = "select s.name, s.setting, s.unit, s.boot_val, s.source, s.category, s.short_desc,
        s.pending_restart, s.changed_at
    from (
        select v.*, max(v.valid_from) filter (where v.setting <> v.before) over (partition by v.name) as changed_at
        from (
            select h.*, lag(h.setting) over (partition by h.name order by h.valid_from) as before,
                row_number() over (partition by h.name order by h.valid_from desc) as newest
            from metrics.pg_settings h where h.instance_id = $1 and h.valid_from <= $2
                and h.valid_from >= (select metrics.cluster_since($1, $2))) v) s
    where s.newest = 1 and not s.removed
    order by s.name";

/// Settings as they were last read at or before `at`.
pub(crate) async fn at(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Vec<Setting>, Error> {
    let setting = |row: &Row| Setting {
        name: row.get(0),
        setting: row.get(1),
        unit: row.get(2),
        boot_val: row.get(3),
        source: row.get(4),
        category: row.get(5),
        short_desc: row.get(6),
        pending_restart: row.get(7),
        changed_at: row.get(8),
    };
    Ok(snapshot.query(SETTINGS, &[&id, &at]).await?.iter().map(setting).collect())
}

/// What settings were last read to be at or before `at`, by name.
pub(crate) async fn values(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<HashMap<String, String>, Error> {
    let valid = infos::valid("pg_settings");
    let sql = format!("select n.name, n.setting from ({valid}) n where not n.removed and n.setting is not null");
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The bytes of a block where nothing else was read: what PostgreSQL is compiled with unless told otherwise.
const BLOCK_SIZE: i64 = 8192;

const BLOCK_SIZE_READ: &str = "select s.setting from metrics.pg_settings s
    where s.instance_id = $1 and s.name = 'block_size' and not s.removed order by s.valid_from desc limit 1";

/// The bytes of a block. They are decided when PostgreSQL is compiled, so that the moment does not matter.
pub(crate) async fn block_size(snapshot: &Snapshot, id: InstanceId) -> Result<i64, Error> {
    let read: Option<String> = snapshot.query_opt(BLOCK_SIZE_READ, &[&id]).await?.and_then(|row| row.get(0));
    Ok(read.and_then(|size| size.parse().ok()).unwrap_or(BLOCK_SIZE))
}
