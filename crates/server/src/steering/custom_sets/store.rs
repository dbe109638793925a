//! Custom sets in schema `pganalytics`, and what collectors say of them.

use std::collections::BTreeMap;

use catalog::{DefinitionHash, SetFiles};
use jiff::Timestamp;
use reads::Snapshot;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, GenericClient, Row, Transaction};
use uuid::Uuid;

use super::model::{CustomSet, CustomSetInstance, CustomSetState};
use crate::collectors::deliveries;
use crate::http::ApiError;
use crate::steering::effective::OwnSet;
use crate::steering::model::AppliedTemplate;
use crate::steering::store::labels;
use crate::steering::tag::tag;

const COLUMNS: &str = "name, version, set_toml, sql, selector, collectors, note, made_at, made_by, is_deleted";

/// A version, and whether the set was removed by it.
fn version(row: &Row) -> (CustomSet, bool) {
    let (name, version): (String, i64) = (row.get(0), row.get(1));
    let files = SetFiles { set: row.get(2), sql: row.get::<_, Json<BTreeMap<String, String>>>(3).0 };
    let hash = files.hash(&name);
    let set = CustomSet {
        etag: tag(version, &[&hash]),
        hash,
        name,
        version,
        set: files.set,
        sql: files.sql,
        selector: labels(row, 4),
        collectors: row.get::<_, Json<Vec<Uuid>>>(5).0,
        note: row.get(6),
        made_at: row.get(7),
        made_by: row.get(8),
    };
    (set, row.get(9))
}

/// All that are in force, by name.
pub(in crate::steering) async fn all(client: &impl GenericClient) -> Result<Vec<CustomSet>, Error> {
    let statement = format!(
        "select {COLUMNS} from (select distinct on (name) {COLUMNS} from pganalytics.custom_sets
         order by name, version desc) newest where not is_deleted order by name"
    );
    Ok(client.query(&statement, &[]).await?.iter().map(|row| version(row).0).collect())
}

/// The same, as collectors' configurations are made of them.
pub(in crate::steering) async fn in_force(client: &impl GenericClient) -> Result<Vec<OwnSet>, Error> {
    Ok(all(client).await?.into_iter().map(OwnSet::from).collect())
}

impl From<CustomSet> for OwnSet {
    fn from(set: CustomSet) -> Self {
        let CustomSet { name, version, set, sql, selector, collectors, .. } = set;
        Self { name, version, files: SetFiles { set, sql }, selector, collectors }
    }
}

/// All versions of one, the newest first; whether it was removed by it stands beside each.
pub(super) async fn versions(client: &impl GenericClient, name: &str) -> Result<Vec<(CustomSet, bool)>, Error> {
    let statement = format!("select {COLUMNS} from pganalytics.custom_sets where name = $1 order by version desc");
    Ok(client.query(&statement, &[&name]).await?.iter().map(version).collect())
}

/// The newest version of one, also of one that was removed.
pub(super) async fn newest(client: &impl GenericClient, name: &str) -> Result<Option<(CustomSet, bool)>, Error> {
    let statement =
        format!("select {COLUMNS} from pganalytics.custom_sets where name = $1 order by version desc limit 1");
    Ok(client.query_opt(&statement, &[&name]).await?.as_ref().map(version))
}

/// Makes a version.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    set: &OwnSet,
    definition: DefinitionHash,
    (note, is_deleted): (Option<&str>, bool),
    (now, by): (Timestamp, &str),
) -> Result<(), Error> {
    let statement = "insert into pganalytics.custom_sets
            (name, version, set_toml, sql, definition_hash, selector, collectors, note, is_deleted, made_at, made_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let OwnSet { name, version, files, selector, collectors } = set;
    let (sql, selector, collectors) = (Json(&files.sql), Json(selector), Json(collectors));
    let hash = definition.0.as_slice();
    transaction
        .execute(
            statement,
            &[name, version, &files.set, &sql, &hash, &selector, &collectors, &note, &is_deleted, &now, &by],
        )
        .await
        .map(|_| ())
}

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
