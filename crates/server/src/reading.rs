//! The handlers of reads: each takes what a request says, and answers with what `reads` makes of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use reads::cost::model::CollectorCost;
use reads::databases::model::Databases;
use reads::functions::model::{Functions, FunctionsQuery};
use reads::host::model::{Disks, Host};
use reads::indexes::model::{Indexes, IndexesQuery};
use reads::instances::model::{Coverage, FleetQuery, Instance, InstanceDetail, InstanceQuery};
use reads::io::model::Io;
use reads::jobs::model::Jobs;
use reads::locks::model::Locks;
use reads::logical::model::LogicalReplication;
use reads::metrics::catalog::{MeasuredSet, MeasuredSets};
use reads::metrics::count::{CountQuery, Counts};
use reads::metrics::rows::{RowsQuery, SetRows};
use reads::pg_settings::model::Settings;
use reads::progress::model::RunningCommands;
use reads::queries::model::{Ranking, RankingQuery, Statement, StatementQuery, Timeline};
use reads::replication::model::Replication;
use reads::schema::model::{Changes, ChangesQuery, Schema};
use reads::sessions::model::{ActiveSessions, ActivityQuery, Connections, Waits, WaitsQuery};
use reads::slots::model::Slots;
use reads::tables::model::{Tables, TablesQuery};
use reads::wal::model::Wal;
use reads::wraparound::model::Wraparound;
use reads::{Moment, Page, When};

use crate::app::App;
use crate::collectors;
use crate::http::{ApiError, OfInstance, PathValues, QueryValues, Reading};

pub(crate) async fn instances(
    State(app): State<Arc<App>>,
    Reading(snapshot): Reading,
    QueryValues(query): QueryValues<FleetQuery>,
) -> Result<Json<Page<Instance>>, ApiError> {
    let mut page = reads::instances::list(&snapshot, query).await?;
    drop(snapshot);
    add_collectors(&app, &mut page.data).await?;
    Ok(Json(page))
}

pub(crate) async fn instance(
    State(app): State<Arc<App>>,
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<InstanceQuery>,
) -> Result<Json<InstanceDetail>, ApiError> {
    let mut detail = reads::instances::get(&snapshot, id, query).await?;
    drop(snapshot);
    add_collectors(&app, std::slice::from_mut(&mut detail.instance)).await?;
    Ok(Json(detail))
}

/// Says who reads each instance.
async fn add_collectors(app: &App, instances: &mut [Instance]) -> Result<(), ApiError> {
    let ids: Vec<_> = instances.iter().map(|one| one.collector_id).collect();
    let collectors = collectors::store::reading(&app.pool.get().await?, &ids, app.clock.now()).await?;
    for one in instances {
        one.collector = collectors.get(&one.collector_id).cloned();
    }
    Ok(())
}

pub(crate) async fn sets(Reading(snapshot): Reading) -> Json<MeasuredSets> {
    Json(reads::metrics::list_sets(&snapshot))
}

pub(crate) async fn set(
    Reading(snapshot): Reading,
    PathValues(set): PathValues<String>,
) -> Result<Json<MeasuredSet>, ApiError> {
    Ok(Json(reads::metrics::get_set(&snapshot, &set)?))
}

pub(crate) async fn jobs(Reading(snapshot): Reading) -> Result<Json<Jobs>, ApiError> {
    Ok(Json(reads::jobs::list(&snapshot).await?))
}

pub(crate) async fn collector_cost(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<CollectorCost>, ApiError> {
    Ok(Json(reads::cost::get(&snapshot, id, when).await?))
}

pub(crate) async fn databases(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Databases>, ApiError> {
    Ok(Json(reads::databases::list(&snapshot, id, when).await?))
}

pub(crate) async fn host(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Host>, ApiError> {
    Ok(Json(reads::host::get(&snapshot, id, when).await?))
}

pub(crate) async fn disks(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Disks>, ApiError> {
    Ok(Json(reads::host::disks(&snapshot, id, when).await?))
}

pub(crate) async fn indexes(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<IndexesQuery>,
) -> Result<Json<Indexes>, ApiError> {
    Ok(Json(reads::indexes::list(&snapshot, id, query).await?))
}

pub(crate) async fn io(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Io>, ApiError> {
    Ok(Json(reads::io::get(&snapshot, id, when).await?))
}

pub(crate) async fn functions(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<FunctionsQuery>,
) -> Result<Json<Functions>, ApiError> {
    Ok(Json(reads::functions::list(&snapshot, id, query).await?))
}

pub(crate) async fn changes(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<ChangesQuery>,
) -> Result<Json<Changes>, ApiError> {
    Ok(Json(reads::schema::changes(&snapshot, id, query).await?))
}

pub(crate) async fn schema(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(moment): QueryValues<Moment>,
) -> Result<Json<Schema>, ApiError> {
    Ok(Json(reads::schema::get(&snapshot, id, moment).await?))
}

pub(crate) async fn logical_replication(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<LogicalReplication>, ApiError> {
    Ok(Json(reads::logical::get(&snapshot, id, when).await?))
}

pub(crate) async fn coverage(OfInstance { snapshot, id }: OfInstance) -> Result<Json<Coverage>, ApiError> {
    Ok(Json(reads::instances::get_coverage(&snapshot, id).await?))
}

pub(crate) async fn locks(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Locks>, ApiError> {
    Ok(Json(reads::locks::get(&snapshot, id, when).await?))
}

pub(crate) async fn rows(
    Reading(snapshot): Reading,
    QueryValues(query): QueryValues<RowsQuery>,
) -> Result<Json<SetRows>, ApiError> {
    Ok(Json(reads::metrics::read_rows(&snapshot, query).await?))
}

pub(crate) async fn counts(
    Reading(snapshot): Reading,
    QueryValues(query): QueryValues<CountQuery>,
) -> Result<Json<Counts>, ApiError> {
    Ok(Json(reads::metrics::count_rows(&snapshot, query).await?))
}

pub(crate) async fn settings(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(moment): QueryValues<Moment>,
) -> Result<Json<Settings>, ApiError> {
    Ok(Json(reads::pg_settings::list(&snapshot, id, moment).await?))
}

pub(crate) async fn queries(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<RankingQuery>,
) -> Result<Json<Ranking>, ApiError> {
    Ok(Json(reads::queries::list(&snapshot, id, query).await?))
}

pub(crate) async fn query(
    OfInstance { snapshot, id }: OfInstance,
    PathValues((_, queryid)): PathValues<(String, String)>,
    QueryValues(query): QueryValues<StatementQuery>,
) -> Result<Json<Statement>, ApiError> {
    Ok(Json(reads::queries::get(&snapshot, id, &queryid, query).await?))
}

pub(crate) async fn query_timeline(
    OfInstance { snapshot, id }: OfInstance,
    PathValues((_, queryid)): PathValues<(String, String)>,
    QueryValues(query): QueryValues<StatementQuery>,
) -> Result<Json<Timeline>, ApiError> {
    Ok(Json(reads::queries::timeline(&snapshot, id, &queryid, query).await?))
}

pub(crate) async fn replication(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Replication>, ApiError> {
    Ok(Json(reads::replication::get(&snapshot, id, when).await?))
}

pub(crate) async fn activity(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<ActivityQuery>,
) -> Result<Json<ActiveSessions>, ApiError> {
    Ok(Json(reads::sessions::activity(&snapshot, id, query).await?))
}

pub(crate) async fn waits(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<WaitsQuery>,
) -> Result<Json<Waits>, ApiError> {
    Ok(Json(reads::sessions::waits(&snapshot, id, query).await?))
}

pub(crate) async fn connections(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Connections>, ApiError> {
    Ok(Json(reads::sessions::connections(&snapshot, id, when).await?))
}

pub(crate) async fn progress(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(moment): QueryValues<Moment>,
) -> Result<Json<RunningCommands>, ApiError> {
    Ok(Json(reads::progress::at(&snapshot, id, moment).await?))
}

pub(crate) async fn slots(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Slots>, ApiError> {
    Ok(Json(reads::slots::list(&snapshot, id, when).await?))
}

pub(crate) async fn tables(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(query): QueryValues<TablesQuery>,
) -> Result<Json<Tables>, ApiError> {
    Ok(Json(reads::tables::list(&snapshot, id, query).await?))
}

pub(crate) async fn wal(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Wal>, ApiError> {
    Ok(Json(reads::wal::get(&snapshot, id, when).await?))
}

pub(crate) async fn wraparound(
    OfInstance { snapshot, id }: OfInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Wraparound>, ApiError> {
    Ok(Json(reads::wraparound::list(&snapshot, id, when).await?))
}
