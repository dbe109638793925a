//! Sums of `pg_stat_user_functions` and names of `pg_proc`.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Error;

use crate::infos;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::Key;
use crate::sums;

/// The set of the figures.
pub(super) const SET: &str = "pg_stat_user_functions";

/// Calls, and microseconds in all and in it alone.
pub(super) type Sums = [Option<f64>; 3];

/// What each function did over the range; one that was not called did nothing.
pub(super) async fn sums(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<Vec<(Key, Sums)>, Error> {
    let counters = ["calls", "total_time", "self_time"];
    let rows = sums::by_label(snapshot, id, SET, (&["datid_read", "funcid"], &counters), range).await?;
    let number = |label: &Option<String>| label.as_deref()?.parse().ok();
    let keyed = rows.into_iter().filter_map(|row| {
        let [datid, funcid] = row.labels.as_slice() else { return None };
        let sums: Sums = row.sums.try_into().ok()?;
        Some(((number(datid)?, number(funcid)?), sums))
    });
    Ok(keyed.filter(|(_, [calls, ..])| calls.is_none_or(|calls| calls > 0.0)).collect())
}

/// What a function is called.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub(super) schema: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) language: Option<String>,
}

/// Names as they were at a moment; of what is gone, its last one.
pub(super) async fn names(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<HashMap<Key, Named>, Error> {
    let sql = format!(
        "select n.datid_read, n.funcid, n.schema, n.proname, n.arguments, n.kind, n.language from ({}) n",
        infos::nearest("pg_proc", &["datid_read", "funcid"], "proname")
    );
    let rows = snapshot.query(&sql, &[&id, &at]).await?;
    let named = |row: &tokio_postgres::Row| Named {
        schema: row.get(2),
        name: row.get(3),
        arguments: row.get(4),
        kind: row.get(5),
        language: row.get(6),
    };
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), named(row))).collect())
}
