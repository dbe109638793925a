//! Rows of `progress`.

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use super::model::RunningCommand;
use super::stage::{Numbers, stage};
use crate::locks::relations::Relations;
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::sessions::store::age_ms;

/// One row for each process.
pub(crate) const SET: &str = "progress";

/// All columns: which of them tell depends on the view and the phase.
const AT: &str = "select p.* from metrics.progress p
    where p.instance_id = $1 and p.time = $2 and p.pid is not null and p.view is not null
    order by p.query_start nulls last, p.pid";

impl Numbers for Row {
    fn of(&self, column: &str) -> Option<i64> {
        self.try_get::<_, Option<i64>>(column).ok().flatten()
    }
}

/// The commands of a reading.
pub(crate) async fn commands(
    snapshot: &Snapshot,
    id: InstanceId,
    time: Timestamp,
) -> Result<Vec<RunningCommand>, Error> {
    let rows = snapshot.query(AT, &[&id, &time]).await?;
    let read = readings::by_instance(snapshot, id, SET, time).await?;
    let databases = Names::databases(snapshot, id, time).await?;
    let roles = Names::roles(snapshot, id, time).await?;
    let relations = |row: &Row| {
        let datid = row.of("datid");
        ["relid", "index_relid"]
            .into_iter()
            .filter_map(move |column| Some((datid?, row.of(column)?)))
            .collect::<Vec<_>>()
    };
    let wanted: Vec<(i64, i64)> = rows.iter().flat_map(relations).collect();
    let relations = Relations::read(snapshot, id, &wanted, time).await?;
    Ok(rows.iter().map(|row| command(row, read, &databases, &roles, &relations)).collect())
}

fn command(row: &Row, read: Timestamp, databases: &Names, roles: &Names, relations: &Relations) -> RunningCommand {
    let named = |column: &str, names: &Names| row.of(column).filter(|oid| *oid != 0).map(|oid| names.of(oid));
    let relation = |column: &str| {
        let (datid, relid) = (row.of("datid").unwrap_or(0), row.of(column)?);
        Some(relations.name(datid, relid).map_or_else(|| relid.to_string(), str::to_owned))
    };
    let (view, phase): (String, Option<String>) = (row.get("view"), row.get("phase"));
    // Infinities are no moments.
    let query_start = row.try_get::<_, Option<Timestamp>>("query_start").ok().flatten();
    RunningCommand {
        pid: row.get("pid"),
        command: row.get("command"),
        stage: stage(&view, phase.as_deref().unwrap_or_default(), row),
        backend_type: row.get("backend_type"),
        database: named("datid", databases),
        user: named("userid", roles),
        relation: relation("relid"),
        index: relation("index_relid"),
        query_start,
        age_ms: age_ms(query_start, read),
        waits_for_pid: row.of("current_locker_pid").filter(|pid| *pid != 0),
        index_vacuum_count: row.of("index_vacuum_count"),
        view,
        phase,
    }
}
