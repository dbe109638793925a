//! Sessions and their refresh tokens in schema `pganalytics`.

use std::time::Duration;

use deadpool_postgres::Client;
use jiff::Timestamp;
use tokio_postgres::{Error, Row, Transaction};
use uuid::Uuid;

use super::Role;
use super::model::User;
use crate::http::SignedIn;

/// How long an old refresh token still gives the successor it gave: two tabs, or an answer that was lost.
const SAME_SUCCESSOR: Duration = Duration::from_secs(10);

/// The user of a session that has not ended.
///
/// # Errors
/// When the store does not answer.
pub async fn signed_in(client: &Client, user: Uuid, session: Uuid) -> Result<Option<SignedIn>, Error> {
    let statement = client
        .prepare_cached(
            "select u.username, u.role from pganalytics.sessions s join pganalytics.users u on u.id = s.user_id \
             where s.id = $1 and u.id = $2 and s.revoked_at is null",
        )
        .await?;
    let row = client.query_opt(&statement, &[&session, &user]).await?;
    Ok(row.map(|row| SignedIn { id: user, username: row.get(0), role: role(&row, 1), session }))
}

/// A stored role. The table's check constraint allows no other word.
pub(super) fn role(row: &Row, column: usize) -> Role {
    row.get::<_, &str>(column).parse().unwrap_or(Role::Viewer)
}

/// The columns of [`user`], in its order.
pub(super) const USER_COLUMNS: &str = "id, username, role, created_at, last_login_at";

/// A row of [`USER_COLUMNS`].
pub(super) fn user(row: &Row) -> User {
    User { id: row.get(0), username: row.get(1), role: role(row, 2), created_at: row.get(3), last_login_at: row.get(4) }
}

/// A user and the hash of the password, by name.
///
/// # Errors
/// When the store does not answer.
pub async fn by_name(client: &Client, username: &str) -> Result<Option<(User, String)>, Error> {
    let statement =
        format!("select {USER_COLUMNS}, password_hash from pganalytics.users where lower(username) = lower($1)");
    let row = client.query_opt(&statement, &[&username]).await?;
    Ok(row.map(|row| (user(&row), row.get(5))))
}

/// A user's hash of the password.
///
/// # Errors
/// When the store does not answer.
pub async fn password_hash(client: &Client, id: Uuid) -> Result<Option<String>, Error> {
    let row = client.query_opt("select password_hash from pganalytics.users where id = $1", &[&id]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// A session to begin.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// The hash of its first refresh token.
    pub token_hash: &'a [u8],
    /// Now.
    pub now: Timestamp,
    /// When that token expires.
    pub expires_at: Timestamp,
}

/// Begins a session, and forgets those that have expired.
///
/// # Errors
/// When the store does not answer.
pub async fn begin_session(client: &mut Client, session: &NewSession<'_>) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    transaction.execute("delete from pganalytics.sessions where expires_at < $1", &[&session.now]).await?;
    transaction
        .execute("update pganalytics.users set last_login_at = $2 where id = $1", &[&session.user, &session.now])
        .await?;
    transaction
        .execute(
            "insert into pganalytics.sessions (id, user_id, created_at, expires_at) values ($1, $2, $3, $4)",
            &[&session.id, &session.user, &session.now, &session.expires_at],
        )
        .await?;
    insert_token(&transaction, session.id, session.token_hash, session.expires_at).await?;
    transaction.commit().await
}

async fn insert_token(
    transaction: &Transaction<'_>,
    session: Uuid,
    hash: &[u8],
    expires_at: Timestamp,
) -> Result<u64, Error> {
    let statement = "insert into pganalytics.refresh_tokens (hash, session_id, expires_at) values ($1, $2, $3)";
    transaction.execute(statement, &[&hash, &session, &expires_at]).await
}

/// What became of a refresh token that was shown.
#[derive(Debug)]
pub enum Trade {
    /// Its successor is good, for this session and user.
    Done(Uuid, User),
    /// It is not known, has expired, or its session has ended.
    Unknown,
    /// It was traded before; the session has ended because of that.
    Reused,
}

/// A refresh token shown to get its successor.
#[derive(Debug)]
pub struct TokenTrade<'a> {
    /// The hash of the one shown.
    pub hash: &'a [u8],
    /// The hash of its successor.
    pub successor_hash: &'a [u8],
    /// Now.
    pub now: Timestamp,
    /// When the successor expires.
    pub expires_at: Timestamp,
}

/// Trades a refresh token for its successor.
///
/// # Errors
/// When the store does not answer.
pub async fn trade(client: &mut Client, trade: &TokenTrade<'_>) -> Result<Trade, Error> {
    let transaction = client.transaction().await?;
    // The session's row is the lock: of two trades at once the second sees what the first did.
    let locked = transaction
        .query_opt(
            "select id from pganalytics.sessions \
             where id = (select session_id from pganalytics.refresh_tokens where hash = $1) and revoked_at is null \
             for update",
            &[&trade.hash],
        )
        .await?;
    let Some(session) = locked.map(|row| row.get::<_, Uuid>(0)) else { return Ok(Trade::Unknown) };
    let row = transaction
        .query_opt("select expires_at, used_at from pganalytics.refresh_tokens where hash = $1", &[&trade.hash])
        .await?;
    let Some((expires_at, used_at)) = row.map(|row| (row.get::<_, Timestamp>(0), row.get::<_, Option<Timestamp>>(1)))
    else {
        return Ok(Trade::Unknown);
    };
    if expires_at <= trade.now {
        return Ok(Trade::Unknown);
    }
    match used_at {
        None => {
            let used = "update pganalytics.refresh_tokens set used_at = $2 where hash = $1";
            transaction.execute(used, &[&trade.hash, &trade.now]).await?;
            insert_token(&transaction, session, trade.successor_hash, trade.expires_at).await?;
            let longer = "update pganalytics.sessions set expires_at = $2 where id = $1";
            transaction.execute(longer, &[&session, &trade.expires_at]).await?;
            let expired = "delete from pganalytics.refresh_tokens where session_id = $1 and expires_at < $2";
            transaction.execute(expired, &[&session, &trade.now]).await?;
        }
        Some(used_at) if trade.now.duration_since(used_at).unsigned_abs() <= SAME_SUCCESSOR => {}
        Some(_) => {
            let revoke = "update pganalytics.sessions set revoked_at = $2 where id = $1";
            transaction.execute(revoke, &[&session, &trade.now]).await?;
            transaction.commit().await?;
            return Ok(Trade::Reused);
        }
    }
    let statement = format!(
        "select {USER_COLUMNS} from pganalytics.users \
         where id = (select user_id from pganalytics.sessions where id = $1)"
    );
    let owner = transaction.query_one(&statement, &[&session]).await?;
    transaction.commit().await?;
    Ok(Trade::Done(session, user(&owner)))
}

/// Ends the session of a refresh token; whether there was one.
///
/// # Errors
/// When the store does not answer.
pub async fn end_session_of(client: &Client, token_hash: &[u8], now: Timestamp) -> Result<bool, Error> {
    let statement = "update pganalytics.sessions set revoked_at = coalesce(revoked_at, $2) \
                     where id = (select session_id from pganalytics.refresh_tokens where hash = $1)";
    Ok(client.execute(statement, &[&token_hash, &now]).await? > 0)
}

/// Ends a session.
///
/// # Errors
/// When the store does not answer.
pub async fn end_session(client: &Client, session: Uuid, now: Timestamp) -> Result<(), Error> {
    let statement = "update pganalytics.sessions set revoked_at = coalesce(revoked_at, $2) where id = $1";
    client.execute(statement, &[&session, &now]).await.map(|_| ())
}

/// Sets a user's password and ends all sessions but `keep`; whether there is such a user.
///
/// # Errors
/// When the store does not answer.
pub async fn set_password(
    client: &mut Client,
    user: Uuid,
    hash: &str,
    keep: Option<Uuid>,
    now: Timestamp,
) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    let update = "update pganalytics.users set password_hash = $2 where id = $1";
    let found = transaction.execute(update, &[&user, &hash]).await? > 0;
    transaction
        .execute(
            "update pganalytics.sessions set revoked_at = $3 \
             where user_id = $1 and id is distinct from $2 and revoked_at is null",
            &[&user, &keep, &now],
        )
        .await?;
    transaction.commit().await?;
    Ok(found)
}
