//! `GET /instances/{id}/wraparound`, with its SQL.

use judgement::wraparound::{mxid_stop, xid_stop};

use super::model::{Age, AgeSeries, DatabaseAge, Wraparound};
use crate::error::ReadError;
use crate::holders::freeze;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::series::{self, Buckets, Source};
use crate::when::{Fineness, When};

const SET: &str = "wraparound";

const AGES: &str = "select datid, xid_age, freeze_max_age, mxid_age, multixact_freeze_max_age
    from metrics.wraparound where instance_id = $1 and time = $2 and datid is not null";

const TREND: Source<'_> = Source {
    set: SET,
    over: None,
    key: "datid",
    values: &["xid_age", "mxid_age"],
    buckets: Some(Buckets {
        columns: &["datid", "xid_age_max", "mxid_age_max"],
        over: None,
        values: &["xid_age_max", "mxid_age_max"],
        measured: &[],
    }),
};

/// The age of each database against the limits of transaction ids and multixacts.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Wraparound, ReadError> {
    let (id, now) = (id, snapshot.now());
    let range = when.range(now)?;
    let grid = when.grid(snapshot, id, SET, now, Fineness::READ).await?;
    let moment = when.moment(now);
    let at = readings::at(snapshot, id, SET, moment).await?;
    let version_num = instances::one(snapshot, id).await?.and_then(|one| one.version_num);
    let version = version_num.and_then(|version| u32::try_from(version).ok());
    let (xid_stop_age, mxid_stop_age) = (xid_stop(version), mxid_stop(version));
    let mut data = Vec::new();
    if let Some(time) = at {
        let names = Names::databases(snapshot, id, time).await?;
        let mut trends = series::gauges(snapshot, TREND, id, range, grid).await?;
        let mut holders = freeze::oldest(snapshot, id, moment, version_num).await?;
        for row in snapshot.query(AGES, &[&id, &time]).await? {
            let datid: i64 = row.get(0);
            let trend = trends.remove(&datid.to_string()).unwrap_or_else(|| series::empty(2, grid));
            let [xid_age, mxid_age] = <[_; 2]>::try_from(trend).unwrap_or_else(|_| [grid.empty(), grid.empty()]);
            data.push(DatabaseAge {
                datid,
                name: names.of(datid),
                xid: Age::of(row.get(1), row.get(2), xid_stop_age),
                xid_holder: holders.xid.remove(&datid),
                mxid: Age::of(row.get(3), row.get(4), mxid_stop_age),
                mxid_holder: holders.mxid.remove(&datid),
                series: AgeSeries { xid_age, mxid_age },
            });
        }
    }
    let worst = |one: &DatabaseAge| one.xid.share.unwrap_or(0.0).max(one.mxid.share.unwrap_or(0.0));
    data.sort_by(|a, b| worst(b).total_cmp(&worst(a)).then_with(|| a.name.cmp(&b.name)));
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    note_missing(&mut unmeasured, "data", &states, SET, "");
    for name in ["xid_holder", "mxid_holder"] {
        note_missing(&mut unmeasured, name, &states, freeze::SET, "");
    }
    Ok(Wraparound { at, grid, xid_stop_age, mxid_stop_age, data, unmeasured })
}
