//! The notes of sizes.

use std::collections::HashMap;

use jiff::Timestamp;
use store::sizes::DATABASE;
use tokio_postgres::Error;

use super::model::NotedSize;
use crate::reader::Snapshot;

/// Bytes and rows at one note.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) bytes: i64,
    pub(super) rows: Option<i64>,
}

/// What the database takes now, and what time it is there.
pub(super) async fn now(snapshot: &Snapshot) -> Result<(Timestamp, i64), Error> {
    let row = snapshot.query_one("select now(), pg_database_size(current_database())", &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// The whole database at each note, the oldest first.
pub(super) async fn history(snapshot: &Snapshot) -> Result<Vec<NotedSize>, Error> {
    let sql = "select at, bytes from metrics.sizes where table_name = $1 order by at";
    let rows = snapshot.query(sql, &[&DATABASE]).await?;
    Ok(rows.iter().map(|row| NotedSize { at: row.get(0), bytes: row.get(1) }).collect())
}

/// All tables at a note.
pub(super) async fn tables(snapshot: &Snapshot, at: Timestamp) -> Result<HashMap<String, Size>, Error> {
    let rows = snapshot.query("select table_name, bytes, rows from metrics.sizes where at = $1", &[&at]).await?;
    Ok(rows.iter().map(|row| (row.get(0), Size { bytes: row.get(1), rows: row.get(2) })).collect())
}

/// All instances at a note: the number and name of each, and its share.
pub(super) async fn instances(snapshot: &Snapshot, at: Timestamp) -> Result<Vec<(i32, String, Size)>, Error> {
    let sql = "select s.instance_id, i.name, s.bytes, s.rows
        from metrics.instance_sizes s join metrics.instances i on i.id = s.instance_id
        where s.at = $1 and ($2::int4[] is null or s.instance_id = any($2))
        order by s.bytes desc, s.instance_id";
    let rows = snapshot.query(sql, &[&at, &snapshot.visible()]).await?;
    let one = |row: &tokio_postgres::Row| (row.get(0), row.get(1), Size { bytes: row.get(2), rows: row.get(3) });
    Ok(rows.iter().map(one).collect())
}
