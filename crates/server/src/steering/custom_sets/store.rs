//! What collectors say of custom sets.

use std::collections::BTreeMap;

use catalog::DefinitionHash;
use reads::Snapshot;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, GenericClient, Row};
use uuid::Uuid;

use super::model::{CustomSetInstance, CustomSetState};
use crate::collectors::deliveries;
use crate::http::ApiError;
use crate::steering::model::AppliedTemplate;

/// Whether some version of a custom set has this definition: an administrator wrote it here.
pub(super) async fn has_definition(client: &impl GenericClient, hash: DefinitionHash) -> Result<bool, Error> {
    let statement = "select exists (select from pganalytics.custom_sets where definition_hash = $1)";
    Ok(client.query_one(statement, &[&hash.0.as_slice()]).await?.get(0))
}

/// How one goes at the collectors that have it in a configuration that they follow or are to follow.
pub(super) async fn states(
    snapshot: &Snapshot,
    client: &deadpool_postgres::Client,
    name: &str,
) -> Result<Vec<CustomSetState>, ApiError> {
    let deliveries = deliveries::deliveries(snapshot, client).await?;
    let mut instances: BTreeMap<Uuid, Vec<CustomSetInstance>> = BTreeMap::new();
    for row in said(snapshot, name).await? {
        instances.entry(row.get(0)).or_default().push(instance(&row));
    }
    let newest = "select c.id, c.name, v.custom_sets from pganalytics.collectors c
        left join lateral (select custom_sets from pganalytics.configurations
            where collector_id = c.id order by version desc limit 1) v on true
        where c.revoked_at is null order by c.name, c.id";
    let rows = client.query(newest, &[]).await.map_err(ApiError::from)?;
    let followed: Vec<(Uuid, Option<i64>)> = rows
        .iter()
        .map(|row| row.get(0))
        .map(|id| (id, deliveries.config(id).and_then(|said| said.in_force)))
        .collect();
    let in_force = in_versions(&***client, &followed, name).await?;
    let mut states = Vec::new();
    for row in rows {
        let id: Uuid = row.get(0);
        let wanted = row.get::<_, Option<Json<Vec<AppliedTemplate>>>>(2).and_then(|Json(sets)| version_of(&sets, name));
        let (version_in_force, instances) = (in_force.get(&id).copied(), instances.remove(&id).unwrap_or_default());
        if wanted.is_none() && version_in_force.is_none() {
            continue;
        }
        states.push(CustomSetState {
            collector_id: id,
            collector: row.get(1),
            version_wanted: wanted,
            version_in_force,
            config_error: deliveries.config(id).and_then(|said| said.error),
            instances,
        });
    }
    Ok(states)
}

/// What collectors said of a set, and how its last reading went.
async fn said(snapshot: &Snapshot, name: &str) -> Result<Vec<Row>, ApiError> {
    let statement = "select i.collector_id, i.id, i.name, s.state, s.code, s.message, s.fix,
            l.last_reading_time, l.rows,
            case when l.error_at > coalesce(l.last_reading_started, '-infinity') then l.error end
        from metrics.set_states s
        join metrics.instances i on i.id = s.instance_id
        left join metrics.latest l on l.instance_id = s.instance_id and l.set_name = s.set_name
        where s.set_name = $1 and s.column_name = ''
        order by i.name, i.id";
    Ok(snapshot.query(statement, &[&name]).await?)
}

fn instance(row: &Row) -> CustomSetInstance {
    let (state, failed): (String, Option<String>) = (row.get(3), row.get(9));
    let said = CustomSetInstance {
        instance_id: row.get(1),
        instance: row.get(2),
        state,
        code: row.get(4),
        message: row.get(5),
        fix: row.get(6),
        last_reading: row.get(7),
        rows: row.get(8),
    };
    match failed.filter(|_| said.state == "works") {
        Some(error) => {
            CustomSetInstance { state: "error".to_owned(), code: "failed".to_owned(), message: error, ..said }
        }
        None => said,
    }
}

/// The version of a set in each of these versions of configurations.
async fn in_versions(
    client: &impl GenericClient,
    configurations: &[(Uuid, Option<i64>)],
    name: &str,
) -> Result<BTreeMap<Uuid, i64>, ApiError> {
    let known = configurations.iter().filter_map(|(id, version)| Some((*id, (*version)?)));
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = known.unzip();
    let statement = "select c.collector_id, c.custom_sets from pganalytics.configurations c
        join unnest($1::uuid[], $2::int8[]) as n (id, version) on c.collector_id = n.id and c.version = n.version";
    let rows = client.query(statement, &[&ids, &versions]).await.map_err(ApiError::from)?;
    let found = rows.iter().filter_map(|row| {
        let sets = row.get::<_, Json<Vec<AppliedTemplate>>>(1).0;
        Some((row.get(0), version_of(&sets, name)?))
    });
    Ok(found.collect())
}

fn version_of(sets: &[AppliedTemplate], name: &str) -> Option<i64> {
    sets.iter().find(|set| set.name == name).map(|set| set.version)
}
