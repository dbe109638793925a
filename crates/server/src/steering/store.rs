//! Configurations and labels of collectors in schema `pganalytics`.

use config::Names;
use deadpool_postgres::Client;
use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row, Transaction};
use uuid::Uuid;

use super::effective::{Effective, Labels, effective};
use super::model::{AppliedTemplate, ConfigVersion, ConfigVersionTexts, Newest, Steered, Why, tag};
use super::{InForce, names};
use crate::app::App;
use crate::http::Paging;

/// Changes of templates wait for everything else that makes versions, which goes on side by side: "pga" and "cfg".
const LOCK: i64 = 0x0070_6761_6366_6700;

/// What a change does to others that make versions at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    /// It concerns one collector.
    One,
    /// It may concern all.
    All,
}

/// Waits until nobody makes versions that this change should have seen.
pub(super) async fn lock(transaction: &Transaction<'_>, among: Among) -> Result<(), Error> {
    let statement = match among {
        Among::One => "select pg_advisory_xact_lock_shared($1)",
        Among::All => "select pg_advisory_xact_lock($1)",
    };
    transaction.execute(statement, &[&LOCK]).await.map(|_| ())
}

const STEERED: &str = "select c.id, c.name, c.labels, v.version, v.written, v.effective
    from pganalytics.collectors c
    left join lateral (select version, written, effective from pganalytics.configurations
        where collector_id = c.id order by version desc limit 1) v on true";

fn steered(row: &Row) -> Steered {
    let newest =
        row.get::<_, Option<i64>>(3).map(|version| Newest { version, written: row.get(4), effective: row.get(5) });
    Steered { id: row.get(0), name: row.get(1), labels: labels(row, 2), newest }
}

pub(super) fn labels(row: &Row, column: usize) -> Labels {
    row.get::<_, Json<Labels>>(column).0
}

/// A collector that nobody else changes until the transaction ends; none where it was removed.
pub(super) async fn hold(transaction: &Transaction<'_>, id: Uuid) -> Result<Option<Steered>, Error> {
    lock(transaction, Among::One).await?;
    let held = "select from pganalytics.collectors where id = $1 and revoked_at is null for no key update";
    if transaction.query_opt(held, &[&id]).await?.is_none() {
        return Ok(None);
    }
    let row = transaction.query_one(&format!("{STEERED} where c.id = $1"), &[&id]).await?;
    Ok(Some(steered(&row)))
}

/// All collectors that have one of these sets of labels.
pub(super) async fn chosen(transaction: &Transaction<'_>, selectors: &[&Labels]) -> Result<Vec<Steered>, Error> {
    let selectors: Vec<Json<&Labels>> = selectors.iter().map(|labels| Json(*labels)).collect();
    let statement =
        format!("{STEERED} where c.revoked_at is null and c.labels @> any($1::jsonb[]) order by c.name, c.id");
    Ok(transaction.query(&statement, &[&selectors]).await?.iter().map(steered).collect())
}

/// The newest version of a collector's configuration, also of one that was removed.
pub(super) async fn newest(client: &Client, id: Uuid) -> Result<Option<Newest>, Error> {
    let row = client.query_opt(&format!("{STEERED} where c.id = $1"), &[&id]).await?;
    Ok(row.and_then(|row| steered(&row).newest))
}

/// A version to make.
#[derive(Clone, Debug)]
pub(super) struct NewVersion {
    pub(super) collector_id: Uuid,
    pub(super) version: i64,
    pub(super) written: String,
    pub(super) effective: Effective,
}

/// How versions come to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making<'a> {
    pub(super) at: Timestamp,
    pub(super) by: Option<&'a str>,
    pub(super) why: Why,
    pub(super) restored_from: Option<i64>,
}

/// Makes versions.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    versions: &[NewVersion],
    making: Making<'_>,
) -> Result<(), Error> {
    let ids: Vec<Uuid> = versions.iter().map(|new| new.collector_id).collect();
    let numbers: Vec<i64> = versions.iter().map(|new| new.version).collect();
    let written: Vec<&str> = versions.iter().map(|new| new.written.as_str()).collect();
    let texts: Vec<&str> = versions.iter().map(|new| new.effective.text.as_str()).collect();
    let templates: Vec<Json<&[AppliedTemplate]>> =
        versions.iter().map(|new| Json(new.effective.templates.as_slice())).collect();
    let statement = "insert into pganalytics.configurations
            (collector_id, version, written, effective, templates, made_at, made_by, why, restored_from, custom_sets)
        select n.id, n.version, n.written, n.effective, n.templates, $6, $7, $8, $9, n.custom_sets
        from unnest($1::uuid[], $2::int8[], $3::text[], $4::text[], $5::jsonb[], $10::jsonb[])
            as n (id, version, written, effective, templates, custom_sets)";
    let sets: Vec<Json<&[AppliedTemplate]>> =
        versions.iter().map(|new| Json(new.effective.custom_sets.as_slice())).collect();
    let (why, from) = (making.why.as_str(), &making.restored_from);
    transaction
        .execute(statement, &[&ids, &numbers, &written, &texts, &templates, &making.at, &making.by, &why, from, &sets])
        .await
        .map(|_| ())
}

/// Puts labels in place of those that a collector has.
pub(super) async fn set_labels(transaction: &Transaction<'_>, id: Uuid, labels: &Labels) -> Result<(), Error> {
    let statement = "update pganalytics.collectors set labels = $2 where id = $1";
    transaction.execute(statement, &[&id, &Json(labels)]).await.map(|_| ())
}

/// A version, and the texts of the one before it.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) version: ConfigVersionTexts,
    pub(super) written_before: String,
    pub(super) effective_before: String,
}

const COMPARED: &str = "select v.version, v.made_at, v.made_by, v.why, v.restored_from, v.templates, v.written,
        v.effective, coalesce(p.written, ''), coalesce(p.effective, ''), v.custom_sets
    from pganalytics.configurations v
    left join pganalytics.configurations p on p.collector_id = v.collector_id and p.version = v.version - 1
    where v.collector_id = $1";

fn compared(row: &Row) -> Compared {
    let why: &str = row.get(3);
    let of = ConfigVersion {
        version: row.get(0),
        made_at: row.get(1),
        made_by: row.get(2),
        // The table's check constraint allows no other word.
        why: Why::ALL.into_iter().find(|known| known.as_str() == why).unwrap_or(Why::Written),
        restored_from: row.get(4),
        templates: row.get::<_, Json<Vec<AppliedTemplate>>>(5).0,
        custom_sets: row.get::<_, Json<Vec<AppliedTemplate>>>(10).0,
        diff: String::new(),
    };
    let (written, effective): (String, String) = (row.get(6), row.get(7));
    let etag = tag(of.version, &written, &effective);
    Compared {
        version: ConfigVersionTexts { of, written, effective, etag },
        written_before: row.get(8),
        effective_before: row.get(9),
    }
}

/// One page of a collector's versions, the newest first, and how many there are.
pub(super) async fn versions(client: &Client, id: Uuid, paging: Paging) -> Result<(Vec<Compared>, i64), Error> {
    let statement = format!("{COMPARED} order by v.version desc limit $2 offset $3");
    let rows = client.query(&statement, &[&id, &paging.limit(), &paging.offset()]).await?;
    let count = "select count(*) from pganalytics.configurations where collector_id = $1";
    let total = client.query_one(count, &[&id]).await?.get(0);
    Ok((rows.iter().map(compared).collect(), total))
}

/// One version.
pub(super) async fn version(client: &Client, id: Uuid, version: i64) -> Result<Option<Compared>, Error> {
    let row = client.query_opt(&format!("{COMPARED} and v.version = $2"), &[&id, &version]).await?;
    Ok(row.as_ref().map(compared))
}

/// Whether there is or was such a collector.
pub(super) async fn is_known(client: &Client, id: Uuid) -> Result<bool, Error> {
    let statement = "select exists (select from pganalytics.collectors where id = $1)";
    Ok(client.query_one(statement, &[&id]).await?.get(0))
}

/// What a collector gets when this is written for it under these labels, and whether that makes a version.
pub(super) fn plan(
    names: &Names,
    steered: &Steered,
    written: Option<&str>,
    labels: &Labels,
    in_force: &InForce,
) -> Result<(Effective, bool), config::ConfigError> {
    let text = written.unwrap_or_else(|| steered.written());
    let found = effective(text, (steered.id, labels), in_force, names)?;
    let is_new = match &steered.newest {
        Some(newest) => newest.written != text || newest.effective != found.text,
        None => written.is_some() || !found.templates.is_empty() || !found.custom_sets.is_empty(),
    };
    Ok((found, is_new))
}

/// Makes the version that a plan came to.
pub(super) async fn make(
    transaction: &Transaction<'_>,
    steered: &Steered,
    written: String,
    effective: Effective,
    making: Making<'_>,
) -> Result<i64, Error> {
    let version = steered.next_version();
    let new = NewVersion { collector_id: steered.id, version, written, effective };
    insert(transaction, &[new], making).await?;
    Ok(version)
}

/// Gives a collector that registers what templates have for it. One whose templates cannot be followed registers too.
pub(crate) async fn register(app: &App, transaction: &Transaction<'_>, id: Uuid) -> Result<(), Error> {
    lock(transaction, Among::One).await?;
    let in_force = InForce::read(transaction).await?;
    if in_force.templates.is_empty() && in_force.sets.is_empty() {
        return Ok(());
    }
    let Some(steered) = hold(transaction, id).await? else { return Ok(()) };
    match plan(&names(&app.catalog), &steered, None, &steered.labels, &in_force) {
        Ok((effective, true)) => {
            let making = Making { at: app.clock.now(), by: None, why: Why::Registered, restored_from: None };
            make(transaction, &steered, steered.written().to_owned(), effective, making).await?;
        }
        Ok((_, false)) => {}
        Err(error) => {
            tracing::warn!(collector.id = %id, %error, "the templates for a collector that registers are refused");
        }
    }
    Ok(())
}
