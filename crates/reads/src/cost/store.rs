//! Sums of the collector's own sets.

use jiff::Timestamp;
use tokio_postgres::Error;

use super::model::{CollectorProcess, SetCost};
use crate::covered::Covered;
use crate::parts::Parts;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::spread::{Columns, ratio};

/// The process.
pub(crate) const PROCESS: Columns =
    Columns { set: "collector_process", key: None, counters: &["cpu_time"], gauges: &[] };
/// The time of all sets.
pub(crate) const SETS: Columns =
    Columns { set: "collector_sets", key: Some("set_name"), counters: &["statement_time"], gauges: &[] };

const BY_SET: &str = "select s.set_name, sum(s.readings)::int8, sum(s.errors)::int8, sum(s.rows)::int8,
        sum(s.bytes)::int8, sum(s.late_cycles)::int8, sum(s.statement_time)::float8 / 1000
    from ({}) s where s.interval_us > 0 and s.set_name is not null
    group by s.set_name
    order by 7 desc nulls last, 1";

/// What each set took over the time that was read.
pub(crate) async fn sets(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    covered: &Covered,
) -> Result<Vec<SetCost>, Error> {
    let Some(tiered) = snapshot.tiered(SETS.set) else { return Ok(Vec::new()) };
    let columns = ["interval_us", "set_name", "readings", "errors", "rows", "bytes", "late_cycles", "statement_time"];
    let rows = Parts::of(snapshot, id, tiered, range).await?.rows(&columns);
    let rows = snapshot.query_of(&BY_SET.replace("{}", &rows), id).await?;
    let sets = rows.iter().map(|row| {
        let statement_time_ms: Option<f64> = row.get(6);
        let number = |place: usize| row.get::<_, Option<i64>>(place).unwrap_or(0);
        SetCost {
            set: row.get(0),
            readings: number(1),
            errors: number(2),
            rows: number(3),
            bytes: number(4),
            late_cycles: number(5),
            statement_time_ms,
            statement_share: ratio(statement_time_ms, Some(covered.ms)),
        }
    });
    Ok(sets.collect())
}

const NEWEST: &str = "select p.time, p.resident_bytes, p.peak_resident_bytes, p.instances, p.spool_records,
        p.spool_bytes, p.spool_max_bytes
    from metrics.collector_process p where p.instance_id = $1 and p.time = $2 limit 1";

/// The process at a moment.
pub(crate) async fn process(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<Option<CollectorProcess>, Error> {
    let Some(time) = readings::at(snapshot, id, PROCESS.set, at).await? else { return Ok(None) };
    let row = snapshot.query_opt(NEWEST, &[&id, &time]).await?;
    Ok(row.map(|row| CollectorProcess {
        at: row.get(0),
        resident_bytes: row.get(1),
        peak_resident_bytes: row.get(2),
        instances: row.get(3),
        spool_records: row.get(4),
        spool_bytes: row.get(5),
        spool_max_bytes: row.get(6),
    }))
}
