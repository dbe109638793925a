//! Collectors in schema `pganalytics`.

use deadpool_postgres::{Client, GenericClient};
use jiff::{SignedDuration, Timestamp};
use reads::instances::model::ReadingCollector;
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::model::{Collector, Registration, Status};
use crate::http::{KnownCollector, Paging};

/// `last_seen` is written at most this often, so that a busy collector does not cost a write per request.
const SEEN_RESOLUTION: SignedDuration = SignedDuration::from_secs(5);

/// A collector that may still call, and what it is to follow; notes that it was heard from. That may be lost with the store's machine: it
/// comes again with the next request, and nobody waits for the disk.
///
/// # Errors
/// When the store does not answer.
pub async fn seen(client: &Client, id: Uuid, now: Timestamp) -> Result<Option<KnownCollector>, Error> {
    let statement = client
        .prepare_cached(
            "with known as (select last_seen from pganalytics.collectors where id = $1 and revoked_at is null), \
                 noted as ( \
                     update pganalytics.collectors c set last_seen = greatest(c.last_seen, $2) \
                     from known k, (select set_config('synchronous_commit', 'off', true)) as unsynced \
                     where c.id = $1 and (k.last_seen is null \
                         or $2::timestamptz - k.last_seen >= make_interval(secs => $3::float8))) \
             select exists (select from known), \
                 (select max(version) from pganalytics.configurations where collector_id = $1)",
        )
        .await?;
    let row = client.query_one(&statement, &[&id, &now, &SEEN_RESOLUTION.as_secs_f64()]).await?;
    Ok(row.get::<_, bool>(0).then(|| KnownCollector { id, config_version: row.get(1) }))
}

/// Notes a delivery that was taken in: what the collector says of itself, and that nothing is wrong with it.
///
/// # Errors
/// When the store does not answer.
pub async fn delivered(client: &Client, id: Uuid, hostname: Option<&str>, version: Option<&str>) -> Result<(), Error> {
    let update = "update pganalytics.collectors \
                  set hostname = coalesce($2, hostname), version = coalesce($3, version), \
                      last_error = null, last_error_at = null \
                  where id = $1 and (hostname is distinct from coalesce($2, hostname) \
                      or version is distinct from coalesce($3, version) or last_error is not null)";
    let statement = client.prepare_cached(update).await?;
    client.execute(&statement, &[&id, &hostname, &version]).await.map(|_| ())
}

/// Notes what was wrong with a delivery.
///
/// # Errors
/// When the store does not answer.
pub async fn failed(client: &Client, id: Uuid, error: &str, now: Timestamp) -> Result<(), Error> {
    let update = "update pganalytics.collectors set last_error = $2, last_error_at = $3 where id = $1";
    let statement = client.prepare_cached(update).await?;
    client.execute(&statement, &[&id, &error, &now]).await.map(|_| ())
}

/// Makes a collector, or writes down anew what one says of itself.
///
/// # Errors
/// When the store does not answer.
pub async fn register(
    client: &impl GenericClient,
    id: Uuid,
    registration: &Registration,
    now: Timestamp,
    token_expires_at: Timestamp,
) -> Result<(), Error> {
    let statement = "insert into pganalytics.collectors (id, name, hostname, version, registered_at, token_expires_at) \
                     values ($1, $2, $3, $4, $5, $6) \
                     on conflict (id) do update set name = excluded.name, hostname = excluded.hostname, \
                         version = excluded.version, token_expires_at = excluded.token_expires_at";
    client
        .execute(
            statement,
            &[&id, &registration.name, &registration.hostname, &registration.version, &now, &token_expires_at],
        )
        .await
        .map(|_| ())
}

/// Notes until when a collector's newest token works.
///
/// # Errors
/// When the store does not answer.
pub async fn renewed(client: &Client, id: Uuid, token_expires_at: Timestamp) -> Result<(), Error> {
    let statement = "update pganalytics.collectors set token_expires_at = $2 where id = $1";
    client.execute(statement, &[&id, &token_expires_at]).await.map(|_| ())
}

const COLUMNS: &str = "id, name, hostname, version, registered_at, last_seen, token_expires_at, last_error, last_error_at, labels, \
     (select max(v.version) from pganalytics.configurations v where v.collector_id = collectors.id)";

fn collector(row: &Row, now: Timestamp) -> Collector {
    let last_seen: Option<Timestamp> = row.get(5);
    let last_error: Option<String> = row.get(7);
    Collector {
        id: row.get(0),
        name: row.get(1),
        hostname: row.get(2),
        version: row.get(3),
        status: Status::of(last_seen, last_error.is_some(), now),
        registered_at: row.get(4),
        last_seen,
        token_expires_at: row.get(6),
        last_error,
        last_error_at: row.get(8),
        labels: row.get::<_, Json<BTreeMap<String, String>>>(9).0,
        config_version: row.get(10),
        config_in_force: None,
        config_refused: None,
        config_error: None,
        config_error_since: None,
        instances: None,
        lag_ms: None,
        clock_ahead_ms: None,
        clock_message: None,
        discarded_rows: None,
        errors: None,
    }
}

/// One page of collectors by name, and how many there are.
///
/// # Errors
/// When the store does not answer.
pub async fn list(client: &Client, paging: Paging, now: Timestamp) -> Result<(Vec<Collector>, i64), Error> {
    let statement = format!(
        "select {COLUMNS} from pganalytics.collectors where revoked_at is null \
         order by name, registered_at, id limit $1 offset $2"
    );
    let rows = client.query(&statement, &[&paging.limit(), &paging.offset()]).await?;
    let count = "select count(*) from pganalytics.collectors where revoked_at is null";
    let total = client.query_one(count, &[]).await?.get(0);
    Ok((rows.iter().map(|row| collector(row, now)).collect(), total))
}

/// One collector.
///
/// # Errors
/// When the store does not answer.
pub async fn get(client: &Client, id: Uuid, now: Timestamp) -> Result<Option<Collector>, Error> {
    let statement = format!("select {COLUMNS} from pganalytics.collectors where id = $1 and revoked_at is null");
    Ok(client.query_opt(&statement, &[&id]).await?.map(|row| collector(&row, now)))
}

/// Removes a collector: its tokens open nothing from here on. Whether there was one.
///
/// # Errors
/// When the store does not answer.
pub async fn revoke(client: &Client, id: Uuid, now: Timestamp) -> Result<bool, Error> {
    let statement = "update pganalytics.collectors set revoked_at = $2 where id = $1 and revoked_at is null";
    Ok(client.execute(statement, &[&id, &now]).await? > 0)
}

const READING: &str = "select id, name, hostname, version, registered_at, last_seen, last_error is not null,
        revoked_at is not null
    from pganalytics.collectors where id = any($1)";

/// Those that read instances, by their id, also those that were deleted. `client` is of the store of schema `pganalytics`.
pub(crate) async fn reading(
    client: &Client,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<HashMap<Uuid, ReadingCollector>, Error> {
    let rows = client.query(READING, &[&ids]).await?;
    let collector = |row: &Row| {
        let (last_seen, failed, deleted): (Option<Timestamp>, bool, bool) = (row.get(5), row.get(6), row.get(7));
        let status = match Status::of(last_seen, failed, now) {
            _ if deleted => "deleted",
            Status::Registered => "registered",
            Status::Active => "active",
            Status::Offline => "offline",
            Status::Error => "error",
        };
        ReadingCollector {
            id: row.get(0),
            name: row.get(1),
            hostname: row.get(2),
            version: row.get(3),
            status,
            last_seen,
            registered_at: row.get(4),
        }
    };
    Ok(rows.iter().map(|row| (row.get(0), collector(row))).collect())
}
