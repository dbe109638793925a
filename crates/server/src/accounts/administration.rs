//! What the command line does with users: the first administrator, `admin user add`, `admin user reset`.

use anyhow::{Context, bail};
use deadpool_postgres::Client;
use jiff::Timestamp;
use tokio_postgres::error::SqlState;

use super::keys::random_text;
use super::model::User;
use super::passwords::{self, Passwords};
use super::users::model::name_problem;
use super::users::store::{self as users, Change};
use super::{Role, store};
use crate::app::App;
use crate::settings::Secret;

/// Letters and digits of a password that is made: 119 bits.
const GENERATED_CHARACTERS: usize = 20;

/// The administrator that the first start made.
#[derive(Debug)]
pub struct FirstAdmin {
    /// The name to sign in with.
    pub username: String,
    /// The password, where it was made here: to be printed once. `None` when it came from `ADMIN_PASSWORD`.
    pub generated_password: Option<Secret>,
}

/// Makes the first administrator where there is no user yet; `None` where there is one.
///
/// # Errors
/// When `ADMIN_USERNAME` or `ADMIN_PASSWORD` is not acceptable, or the store does not answer.
pub async fn ensure_first_admin(app: &App) -> anyhow::Result<Option<FirstAdmin>> {
    let client = app.pool.get().await.context("connect to the store")?;
    if users::any(&client).await.context("look for users")? {
        return Ok(None);
    }
    let username = app.settings.admin_username.clone();
    let given = app.settings.admin_password.as_ref().map(|password| password.reveal().to_owned());
    if let Some(password) = &given {
        passwords::check(password).context("ADMIN_PASSWORD")?;
    }
    let now = app.clock.now();
    match add(&client, &app.passwords, &username, given.clone(), Role::Admin, now).await? {
        Some((user, password)) => {
            let generated_password = if given.is_some() { None } else { Some(Secret::from(password)) };
            Ok(Some(FirstAdmin { username: user.username, generated_password }))
        }
        // Another server that started at the same moment made it.
        None => Ok(None),
    }
}

/// Makes a user; without a password one is made. Gives back the password in force.
///
/// # Errors
/// When the name is taken or not acceptable, or the store does not answer.
pub async fn add_user(
    client: &Client,
    username: &str,
    password: Option<String>,
    role: Role,
    now: Timestamp,
) -> anyhow::Result<(User, Secret)> {
    let added = add(client, &Passwords::default(), username, password, role, now).await?;
    let (user, in_force) = added.with_context(|| format!("there is a user {username} already"))?;
    Ok((user, Secret::from(in_force)))
}

/// Gives a user a new password and ends that user's sessions; without a password one is made. Gives back the
/// password in force.
///
/// # Errors
/// When there is no such user, the password is not acceptable, or the store does not answer.
pub async fn reset_password(
    client: &mut Client,
    username: &str,
    password: Option<String>,
    now: Timestamp,
) -> anyhow::Result<Secret> {
    let Some((user, _)) = store::by_name(client, username).await.context("look for the user")? else {
        bail!("there is no user {username}");
    };
    let password = accepted(password)?;
    let hash = Passwords::default().hash(password.clone()).await.context("hash the password")?;
    store::set_password(client, user.id, &hash, None, now).await.context("set the password")?;
    Ok(Secret::from(password))
}

fn accepted(password: Option<String>) -> anyhow::Result<String> {
    match password {
        Some(password) => {
            passwords::check(&password).context("the password")?;
            Ok(password)
        }
        None => random_text(GENERATED_CHARACTERS),
    }
}

async fn add(
    client: &Client,
    passwords: &Passwords,
    username: &str,
    password: Option<String>,
    role: Role,
    now: Timestamp,
) -> anyhow::Result<Option<(User, String)>> {
    if let Err(reason) = name_problem(username) {
        bail!("the user name {username:?}: {reason}");
    }
    let password = accepted(password)?;
    let hash = passwords.hash(password.clone()).await.context("hash the password")?;
    match users::create(client, username, &hash, role, now).await {
        Ok(Change::Done(user)) => Ok(Some((user, password))),
        Ok(Change::NameTaken | Change::NoSuchUser | Change::LastAdmin) => Ok(None),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            bail!("the store has not been migrated yet: run `pganalytics migrate`")
        }
        Err(error) => Err(error).context("make the user"),
    }
}
