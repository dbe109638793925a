//! `GET /instances/{id}/wraparound`, with its SQL.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::limits::{mxid_stop, xid_stop};
use super::model::{Age, AgeSeries, DatabaseAge, Wraparound};
use crate::app::App;
use crate::holders::freeze;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::queries::names::Names;
use crate::readings;
use crate::series::{self, Source};
use crate::when::{Fineness, When};

const SET: &str = "wraparound";

const AGES: &str = "select datid, xid_age, freeze_max_age, mxid_age, multixact_freeze_max_age
    from metrics.wraparound where instance_id = $1 and time = $2 and datid is not null";

const TREND: Source<'_> = Source { from: "metrics.wraparound", key: "datid", values: &["xid_age", "mxid_age"] };

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Wraparound>, ApiError> {
    app.store()?;
    let (id, now) = (visible.id, app.clock.now());
    let range = when.range(now)?;
    let mut client = app.metrics.get().await?;
    let transaction = instances::snapshot(&mut client).await?;
    let grid = when.grid(&transaction, id, SET, now, Fineness::READ).await?;
    let moment = when.moment(now);
    let at = readings::at(&transaction, id, SET, moment).await?;
    let version_num = instances::one(&transaction, id).await?.and_then(|one| one.version_num);
    let (xid_stop_age, mxid_stop_age) = (xid_stop(version_num), mxid_stop(version_num));
    let mut data = Vec::new();
    if let Some(time) = at {
        let names = Names::databases(&transaction, id, time).await?;
        let mut trends = series::gauges(&transaction, TREND, id, range, grid).await?;
        let mut holders = freeze::oldest(&transaction, id, moment).await?;
        let statement = transaction.prepare_cached(AGES).await?;
        for row in transaction.query(&statement, &[&id, &time]).await? {
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
    let states = instances::states(&transaction, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    note_missing(&mut unmeasured, "data", &states, SET, "");
    for name in ["xid_holder", "mxid_holder"] {
        note_missing(&mut unmeasured, name, &states, freeze::SET, "");
    }
    Ok(Json(Wraparound { at, grid, xid_stop_age, mxid_stop_age, data, unmeasured }))
}
