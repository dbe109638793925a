//! What becomes of an instance: another name, another collector, the end of its watching, and that it comes back. Each is
//! noted with who did it, when and why (`metrics.instance_changes`).

use catalog::names;
use deadpool_postgres::Object;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::{Store, StoreError};

/// An instance that was read within this time is watched.
const READ_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// Who changes something, and why.
#[derive(Clone, Copy, Debug, Default)]
pub struct By<'a> {
    /// The name of an administrator; none where the server does by itself.
    pub who: Option<&'a str>,
    /// The reason, where one is given.
    pub why: Option<&'a str>,
}

/// What is noted of a change beside who, when and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    kind: &'static str,
    by: By<'a>,
    other_id: Option<i32>,
}

impl Change<'_> {
    /// An instance that goes on under a new name.
    pub(crate) const ADOPTED: Change<'static> =
        Change { kind: "adopted", by: By { who: None, why: None }, other_id: None };
}

/// Why an instance was not changed.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none of this number.
    #[error("No such instance.")]
    Unknown,
    /// It may not be, as things stand.
    #[error("{message}")]
    Refused {
        /// A word for programs.
        code: &'static str,
        /// A sentence for people.
        message: String,
    },
}

impl From<tokio_postgres::Error> for LifeError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

fn refused(code: &'static str, message: String) -> LifeError {
    LifeError::Refused { code, message }
}

/// An instance that nobody else changes until the transaction ends.
struct Held {
    id: i32,
    name: String,
    collector_id: Uuid,
    retired_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
    continued_as: Option<i32>,
}

async fn hold(transaction: &Transaction<'_>, id: i32) -> Result<Held, LifeError> {
    let sql = "select i.name, i.collector_id, i.retired_at, i.attributes_at, i.continued_as,
             coalesce(i.error_at > i.attributes_at, false)
         from metrics.instances i where i.id = $1 for update";
    let row = transaction.query_opt(sql, &[&id]).await?.ok_or(LifeError::Unknown)?;
    let is_failing: bool = row.get(5);
    Ok(Held {
        id,
        name: row.get(0),
        collector_id: row.get(1),
        retired_at: row.get(2),
        read_at: row.get::<_, Option<Timestamp>>(3).filter(|_| !is_failing),
        continued_as: row.get(4),
    })
}

impl Held {
    /// When it was read last, if that is so lately that it is watched.
    fn watched(&self, now: Timestamp) -> Option<Timestamp> {
        self.read_at.filter(|read| now.duration_since(*read) < READ_WITHIN)
    }
}

async fn note(
    transaction: &Transaction<'_>,
    id: i32,
    change: Change<'_>,
    names: (Option<&str>, Option<&str>),
    collector_id: Uuid,
    now: Timestamp,
) -> Result<(), tokio_postgres::Error> {
    let sql = "insert into metrics.instance_changes
             (instance_id, at, change, by, why, from_name, to_name, collector_id, other_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let Change { kind, by, other_id } = change;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
        [&id, &now, &kind, &by.who, &by.why, &names.0, &names.1, &collector_id, &other_id];
    transaction.execute(sql, &values).await.map(|_| ())
}

/// From here on another name delivers an instance. What the one before read until then is still of it.
pub(crate) async fn hand_over(
    transaction: &Transaction<'_>,
    id: i32,
    (collector_id, name): (Uuid, &str),
    until: Timestamp,
    change: Change<'_>,
    now: Timestamp,
) -> Result<(), tokio_postgres::Error> {
    let sql = "update metrics.sources set until = $2 where instance_id = $1 and until is null";
    transaction.execute(sql, &[&id, &until]).await?;
    let sql = "insert into metrics.sources (collector_id, name, instance_id, since, is_sent_again)
         values ($1, $2, $3, $4, $5)";
    transaction.execute(sql, &[&collector_id, &name, &id, &until, &change.other_id.is_some()]).await?;
    let before: String =
        transaction.query_one("select name from metrics.instances where id = $1", &[&id]).await?.get(0);
    let sql = "update metrics.instances i
         set collector_id = $2, name = case when i.named_by is null then $3 else i.name end,
             retired_at = null, retired_by = null, retired_why = null
         where i.id = $1 returning i.name";
    let after: String = transaction.query_one(sql, &[&id, &collector_id, &name]).await?.get(0);
    note(transaction, id, change, (Some(&before), Some(&after)), collector_id, now).await
}

impl Store {
    /// Gives an instance another name; none is that of the configuration again.
    ///
    /// # Errors
    /// When another instance has the name, there is no such instance, or the store fails.
    pub async fn rename_instance(
        &self,
        id: i32,
        name: Option<&str>,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<(), LifeError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        // Of two that want the same name at once the second sees the first.
        transaction.execute("lock table metrics.instance_changes in share row exclusive mode", &[]).await?;
        let held = hold(&transaction, id).await?;
        let wanted = match name {
            Some(name) => name.to_owned(),
            None => {
                let sql = "select s.name from metrics.sources s where s.instance_id = $1
                     order by s.until desc nulls first limit 1";
                let row = transaction.query_opt(sql, &[&id]).await?;
                row.map_or_else(|| held.name.clone(), |row| row.get(0))
            }
        };
        if name.is_some() {
            let sql =
                "select i.id, i.name from metrics.instances i where i.id <> $1 and i.retired_at is null order by i.id";
            let (others, key) = (transaction.query(sql, &[&id]).await?, names::key(&wanted));
            if let Some(other) = others.iter().find(|other| names::key(other.get(1)) == key) {
                let (other, other_name): (i32, &str) = (other.get(0), other.get(1));
                let like = if other_name == wanted { "this name" } else { "a name that looks like this one" };
                let message = format!("Instance {other} has {like}: no two in the fleet may be given the same one.");
                return Err(refused("name_taken", message));
            }
        }
        let sql = "update metrics.instances set name = $2, named_by = $3 where id = $1";
        transaction.execute(sql, &[&id, &wanted, &name.and(by.who)]).await?;
        let change = Change { kind: "renamed", by, other_id: None };
        note(&transaction, id, change, (Some(&held.name), Some(&wanted)), held.collector_id, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes an instance out of the fleet until it is read again.
    ///
    /// # Errors
    /// When it is still read, there is no such instance, or the store fails.
    pub async fn retire_instance(&self, id: i32, by: By<'_>, now: Timestamp) -> Result<(), LifeError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let held = hold(&transaction, id).await?;
        if held.retired_at.is_some() {
            return Err(refused("already_retired", "It is retired already.".to_owned()));
        }
        if held.watched(now).is_some() {
            let message = "It is still read, and would come back with its next reading: take it out of the \
                           configuration of its collector first.";
            return Err(refused("still_read", message.to_owned()));
        }
        let sql = "update metrics.instances set retired_at = $2, retired_by = $3, retired_why = $4 where id = $1";
        transaction.execute(sql, &[&id, &now, &by.who, &by.why]).await?;
        let change = Change { kind: "retired", by, other_id: None };
        note(&transaction, id, change, (None, None), held.collector_id, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Puts an instance back into the fleet.
    ///
    /// # Errors
    /// When it is in it, its deliveries went on as another's, there is no such instance, or the store fails.
    pub async fn unretire_instance(&self, id: i32, by: By<'_>, now: Timestamp) -> Result<(), LifeError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let held = hold(&transaction, id).await?;
        if held.retired_at.is_none() {
            return Err(refused("not_retired", "It is not retired.".to_owned()));
        }
        if let Some(other) = held.continued_as {
            let message = format!("What is delivered of it goes on as instance {other}.");
            return Err(refused("continued", message));
        }
        let sql = "update metrics.instances set retired_at = null, retired_by = null, retired_why = null where id = $1";
        transaction.execute(sql, &[&id]).await?;
        let change = Change { kind: "returned", by, other_id: None };
        note(&transaction, id, change, (None, None), held.collector_id, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Notes that a collector was removed: another one may go on with its instances at once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_sources(&self, collector_id: Uuid) -> Result<(), StoreError> {
        let sql = "update metrics.sources set is_over = true where collector_id = $1 and until is null";
        self.client().await?.execute(sql, &[&collector_id]).await?;
        Ok(())
    }

    /// Has an instance go on with what is delivered as another, which is retired: its own history stays with it.
    ///
    /// # Errors
    /// When the first is still read, one of them is not there or is gone on from already, or the store fails.
    pub async fn continue_instance(&self, id: i32, from: i32, by: By<'_>, now: Timestamp) -> Result<(), LifeError> {
        if id == from {
            return Err(refused("same_instance", "These are the same instance.".to_owned()));
        }
        let mut client: Object = self.client().await?;
        let transaction = client.transaction().await?;
        // In the order of their numbers, so that no two wait for each other.
        let (first, second) = (hold(&transaction, id.min(from)).await?, hold(&transaction, id.max(from)).await?);
        let (into, other) = if first.id == id { (first, second) } else { (second, first) };
        for held in [&into, &other] {
            if let Some(next) = held.continued_as {
                let message = format!("What was delivered of instance {} went on as instance {next}.", held.id);
                return Err(refused("continued", message));
            }
        }
        if into.watched(now).is_some() {
            let message = "It is still read itself: both would be counted. Take it out of the configuration of its \
                           collector first.";
            return Err(refused("still_read", message.to_owned()));
        }
        let sql = "update metrics.sources set until = $2 where instance_id = $1 and until is null returning collector_id, name";
        let Some(row) = transaction.query_opt(sql, &[&from, &now]).await? else {
            return Err(refused("not_delivered", "Nothing is delivered of the other one any more.".to_owned()));
        };
        let (collector_id, name): (Uuid, String) = (row.get(0), row.get(1));
        let change = Change { kind: "continued", by, other_id: Some(from) };
        hand_over(&transaction, id, (collector_id, &name), now, change, now).await?;
        let sql = "update metrics.instances
             set retired_at = $2, retired_by = $3, retired_why = $4, continued_as = $5 where id = $1";
        transaction.execute(sql, &[&from, &now, &by.who, &by.why, &id]).await?;
        let change = Change { kind: "retired", by, other_id: Some(id) };
        note(&transaction, from, change, (None, None), collector_id, now).await?;
        transaction.commit().await?;
        self.instances.forget();
        Ok(())
    }
}
