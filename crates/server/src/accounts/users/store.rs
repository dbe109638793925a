//! Users in schema `pganalytics`.

use deadpool_postgres::Client;
use jiff::Timestamp;
use tokio_postgres::{Error, Transaction};
use uuid::Uuid;

use super::model::ChangeUser;
use crate::accounts::Role;
use crate::accounts::model::User;
use crate::accounts::store::{USER_COLUMNS, user};
use crate::http::Paging;
use crate::migrations::violates;

/// Changes of who is an administrator wait for each other on this lock, so that two cannot remove the last two.
const ADMINISTRATORS_LOCK: i64 = 0x0070_6761_6164_6d00;

/// One page of users by name, and how many there are.
///
/// # Errors
/// When the store does not answer.
pub async fn list(client: &Client, paging: Paging) -> Result<(Vec<User>, i64), Error> {
    let statement = format!("select {USER_COLUMNS} from pganalytics.users order by lower(username) limit $1 offset $2");
    let rows = client.query(&statement, &[&paging.limit(), &paging.offset()]).await?;
    let total = client.query_one("select count(*) from pganalytics.users", &[]).await?.get(0);
    Ok((rows.iter().map(user).collect(), total))
}

/// One user.
///
/// # Errors
/// When the store does not answer.
pub async fn get(client: &Client, id: Uuid) -> Result<Option<User>, Error> {
    let statement = format!("select {USER_COLUMNS} from pganalytics.users where id = $1");
    Ok(client.query_opt(&statement, &[&id]).await?.as_ref().map(user))
}

/// What became of a change.
#[derive(Debug)]
pub enum Change<T> {
    /// It is made.
    Done(T),
    /// There is no such user.
    NoSuchUser,
    /// The name is another user's.
    NameTaken,
    /// It would leave no administrator.
    LastAdmin,
}

/// Makes a user.
///
/// # Errors
/// When the store does not answer.
pub async fn create(
    client: &Client,
    username: &str,
    password_hash: &str,
    role: Role,
    now: Timestamp,
) -> Result<Change<User>, Error> {
    let statement = format!(
        "insert into pganalytics.users (id, username, password_hash, role, created_at) \
         values ($1, $2, $3, $4, $5) returning {USER_COLUMNS}"
    );
    let row = client.query_one(&statement, &[&Uuid::now_v7(), &username, &password_hash, &role.as_str(), &now]).await;
    match row {
        Ok(row) => Ok(Change::Done(user(&row))),
        Err(error) if violates(&error, "users_username_key") => Ok(Change::NameTaken),
        Err(error) => Err(error),
    }
}

/// Changes a user's name or role.
///
/// # Errors
/// When the store does not answer.
pub async fn change(client: &mut Client, id: Uuid, change: &ChangeUser) -> Result<Change<User>, Error> {
    let transaction = client.transaction().await?;
    let demotes = change.role.is_some_and(|role| role != Role::Admin);
    if demotes && is_last_admin(&transaction, id).await? {
        return Ok(Change::LastAdmin);
    }
    let statement = format!(
        "update pganalytics.users set username = coalesce($2, username), role = coalesce($3, role) \
         where id = $1 returning {USER_COLUMNS}"
    );
    let row = transaction.query_opt(&statement, &[&id, &change.username, &change.role.map(Role::as_str)]).await;
    let changed = match row {
        Ok(Some(row)) => user(&row),
        Ok(None) => return Ok(Change::NoSuchUser),
        Err(error) if violates(&error, "users_username_key") => return Ok(Change::NameTaken),
        Err(error) => return Err(error),
    };
    transaction.commit().await?;
    Ok(Change::Done(changed))
}

/// Removes a user and ends that user's sessions.
///
/// # Errors
/// When the store does not answer.
pub async fn delete(client: &mut Client, id: Uuid) -> Result<Change<()>, Error> {
    let transaction = client.transaction().await?;
    if is_last_admin(&transaction, id).await? {
        return Ok(Change::LastAdmin);
    }
    let found = transaction.execute("delete from pganalytics.users where id = $1", &[&id]).await? > 0;
    transaction.commit().await?;
    Ok(if found { Change::Done(()) } else { Change::NoSuchUser })
}

/// Whether there is any user at all.
///
/// # Errors
/// When the store does not answer.
pub async fn any(client: &Client) -> Result<bool, Error> {
    Ok(client.query_one("select exists (select from pganalytics.users)", &[]).await?.get(0))
}

async fn is_last_admin(transaction: &Transaction<'_>, id: Uuid) -> Result<bool, Error> {
    transaction.execute("select pg_advisory_xact_lock($1)", &[&ADMINISTRATORS_LOCK]).await?;
    let statement = "select exists (select from pganalytics.users where id = $1 and role = 'admin') \
                     and not exists (select from pganalytics.users where id <> $1 and role = 'admin')";
    Ok(transaction.query_one(statement, &[&id]).await?.get(0))
}
