//! The readings of `pg_replication_slots`.

use jiff::Timestamp;
use tokio_postgres::Error;

use super::model::{Slot, SlotSeries};
use crate::queries::names::Names;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::series::{self, Source, lsn};

/// The set that all comes from.
pub(crate) const SET: &str = "pg_replication_slots";

/// Columns that some versions do not have.
pub(crate) const NEWER: [&str; 8] = [
    "wal_status",
    "safe_wal_size",
    "two_phase",
    "conflicting",
    "invalidation_reason",
    "inactive_since",
    "failover",
    "synced",
];

const SLOTS: &str = "select slot_name, slot_type, plugin, datid, temporary, active, active_pid, xmin_age,
        catalog_xmin_age, restart_lsn, confirmed_flush_lsn, retained_bytes, wal_status, safe_wal_size, two_phase,
        conflicting, invalidation_reason, case when isfinite(inactive_since) then inactive_since end, failover, synced
    from metrics.pg_replication_slots where instance_id = $1 and time = $2 and slot_name is not null
    order by retained_bytes desc nulls last, slot_name";

/// The slots of one reading, with their series over the range.
pub(crate) async fn at(
    snapshot: &Snapshot,
    id: InstanceId,
    time: Timestamp,
    range: Range,
    grid: Grid,
) -> Result<Vec<Slot>, Error> {
    let rows = snapshot.query(SLOTS, &[&id, &time]).await?;
    let names = Names::databases(snapshot, id, time).await?;
    let source = Source { from: "metrics.pg_replication_slots", key: "slot_name", values: &["retained_bytes"] };
    let mut retained = series::gauges(snapshot, source, id, range, grid).await?;
    let slot = |row: &tokio_postgres::Row| {
        let slot_name: String = row.get(0);
        let series = retained.remove(&slot_name).and_then(|series| series.into_iter().next());
        Slot {
            slot_type: row.get(1),
            plugin: row.get(2),
            database: row.get::<_, Option<i64>>(3).map(|datid| names.of(datid)),
            temporary: row.get(4),
            active: row.get(5),
            active_pid: row.get(6),
            xmin_age: row.get(7),
            catalog_xmin_age: row.get(8),
            restart_lsn: row.get::<_, Option<i64>>(9).map(lsn),
            confirmed_flush_lsn: row.get::<_, Option<i64>>(10).map(lsn),
            retained_bytes: row.get(11),
            wal_status: row.get(12),
            safe_wal_size: row.get(13),
            two_phase: row.get(14),
            conflicting: row.get(15),
            invalidation_reason: row.get(16),
            inactive_since: row.get(17),
            failover: row.get(18),
            synced: row.get(19),
            series: SlotSeries { retained_bytes: series.unwrap_or_else(|| grid.empty()) },
            slot_name,
        }
    };
    Ok(rows.iter().map(slot).collect())
}
