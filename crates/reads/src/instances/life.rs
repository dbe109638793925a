//! What became of an instance: its names, its collectors, who retired it, and which other one it looks like.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio_postgres::{Error, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::ReadError;
use crate::reader::{InstanceId, Snapshot};
use judgement::span::moment;

/// An instance that nothing came of for so long is not delivered any more.
const SILENT: SignedDuration = SignedDuration::from_mins(2);

/// Since when an instance is out of the fleet, and who took it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Retired {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// The administrator.
    pub(crate) by: Option<String>,
    /// The reason that was given.
    pub(crate) why: Option<String>,
    /// The instance that what is delivered of it goes on as.
    pub(crate) continued_as: Option<i32>,
}

impl Retired {
    /// From four columns of `metrics.instances`.
    pub(crate) fn from_row(row: &Row, first: usize) -> Option<Self> {
        let at = row.get::<_, Option<Timestamp>>(first)?;
        Some(Self { at, by: row.get(first + 1), why: row.get(first + 2), continued_as: row.get(first + 3) })
    }

    /// As a sentence.
    pub(crate) fn sentence(&self) -> String {
        let by = self.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let went_on = self.continued_as.map(|id| format!("; it goes on as instance {id}")).unwrap_or_default();
        let why = self.why.as_ref().map(|why| format!(": {}", why.trim_end_matches('.'))).unwrap_or_default();
        format!("Retired since {}{by}{went_on}{why}.", moment(self.at))
    }
}

/// The life of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InstanceLife {
    /// The instance.
    #[schema(value_type = i32)]
    id: InstanceId,
    /// The name that is shown.
    name: String,
    /// Who gave it; null where it is that of the configuration.
    named_by: Option<String>,
    /// Since when it is out of the fleet; null while it is in it.
    retired: Option<Retired>,
    /// The names in configurations of collectors that delivered it, the newest first.
    delivered_as: Vec<DeliveredAs>,
    /// Instances of the same cluster that were watched before and are not any more, of which it may be one.
    looks_like: Vec<LooksLike>,
    /// What was changed, the newest first.
    changes: Vec<LifeChange>,
}

/// A name under which an instance was delivered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeliveredAs {
    collector_id: Uuid,
    /// Its name in the configuration of the collector.
    name: String,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// What was read until then is of this instance; null while it is the name that delivers.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// An instance that another one may be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LooksLike {
    #[schema(value_type = i32)]
    id: InstanceId,
    name: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
}

/// A change in the life of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LifeChange {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `renamed`, `retired`, `returned`, `adopted` (by the server, under another name or by another collector) or
    /// `continued` (by an administrator).
    change: String,
    /// The administrator; null where the server did by itself.
    by: Option<String>,
    /// The reason that was given.
    why: Option<String>,
    /// The name before.
    from: Option<String>,
    /// The name after.
    to: Option<String>,
    /// The collector that delivers, or did.
    collector_id: Option<Uuid>,
    /// The other instance.
    other: Option<i32>,
}

/// What else is watched, or was, and is the same PostgreSQL or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    /// Another instance is the same postmaster, and read now too.
    Beside { id: InstanceId, name: String },
    /// Another one was of the same cluster, and is not read any more.
    Before { id: InstanceId, name: String, last_seen: Option<Timestamp> },
}

impl Twin {
    /// As a sentence.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Beside { id, name } => {
                format!("The same PostgreSQL is watched as instance {id} ({name}), too: its work is counted in both.")
            }
            Self::Before { id, name, last_seen } => {
                let seen = last_seen.map(|seen| format!(", last seen {}", moment(seen))).unwrap_or_default();
                format!(
                    "It looks like instance {id} ({name}){seen}: an administrator can let that one go on with what is \
                     delivered here."
                )
            }
        }
    }
}

/// A standby has the cluster of its primary, and a clone that of its source: so the postmaster, the name or the address
/// must be the same as well.
const TWINS: &str = "select i.id, o.id, o.name, o.last_seen, o.last_seen > $2
    from metrics.instances i
    join metrics.instances o on o.system_identifier = i.system_identifier and o.id <> i.id
    where i.id = any($1) and i.system_identifier <> '' and i.last_seen > $2
        and i.retired_at is null and o.retired_at is null
        and case when o.last_seen > $2 then o.postmaster_start = i.postmaster_start and o.role = i.role
                 else o.first_seen < i.first_seen and (o.postmaster_start = i.postmaster_start or o.name = i.name
                     or (o.host = i.host and o.port = i.port)) end
    order by i.id, o.last_seen desc nulls last, o.id";

/// What is the same as instances that are read now, or may be.
pub(crate) async fn twins(
    snapshot: &Snapshot,
    ids: &[InstanceId],
    now: Timestamp,
) -> Result<HashMap<InstanceId, Vec<Twin>>, Error> {
    let since = now.saturating_sub(SILENT).unwrap_or(now);
    let mut all: HashMap<InstanceId, Vec<Twin>> = HashMap::new();
    for row in snapshot.query(TWINS, &[&ids, &since]).await? {
        let other: InstanceId = row.get(1);
        if !snapshot.sees(other) {
            continue;
        }
        let (id, name) = (other, row.get(2));
        let is_read = row.get::<_, Option<bool>>(4).unwrap_or(false);
        let twin = if is_read { Twin::Beside { id, name } } else { Twin::Before { id, name, last_seen: row.get(3) } };
        all.entry(row.get(0)).or_default().push(twin);
    }
    Ok(all)
}

/// The life of one instance.
///
/// # Errors
/// When the store fails.
pub async fn get_life(snapshot: &Snapshot, id: InstanceId) -> Result<InstanceLife, ReadError> {
    let sql = "select i.name, i.named_by, i.retired_at, i.retired_by, i.retired_why, i.continued_as
         from metrics.instances i where i.id = $1";
    let row = snapshot.query_one(sql, &[&id]).await?;
    let sql = "select s.collector_id, s.name, s.since, s.until from metrics.sources s
         where s.instance_id = $1 order by s.until desc nulls first, s.since desc";
    let sources = snapshot.query(sql, &[&id]).await?;
    let sql = "select c.at, c.change, c.by, c.why, c.from_name, c.to_name, c.collector_id, c.other_id
         from metrics.instance_changes c where c.instance_id = $1 order by c.at desc limit 100";
    let changes = snapshot.query(sql, &[&id]).await?;
    let twins = twins(snapshot, &[id], snapshot.now()).await?;
    let before = twins.into_values().flatten().filter_map(|twin| match twin {
        Twin::Before { id, name, last_seen } => Some(LooksLike { id, name, last_seen }),
        Twin::Beside { .. } => None,
    });
    let delivered =
        |row: &Row| DeliveredAs { collector_id: row.get(0), name: row.get(1), since: row.get(2), until: row.get(3) };
    let change = |row: &Row| LifeChange {
        at: row.get(0),
        change: row.get(1),
        by: row.get(2),
        why: row.get(3),
        from: row.get(4),
        to: row.get(5),
        collector_id: row.get(6),
        other: row.get(7),
    };
    Ok(InstanceLife {
        id,
        name: row.get(0),
        named_by: row.get(1),
        retired: Retired::from_row(&row, 2),
        delivered_as: sources.iter().map(delivered).collect(),
        looks_like: before.collect(),
        changes: changes.iter().map(change).collect(),
    })
}
