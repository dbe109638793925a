//! Signing in and out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use uuid::Uuid;

use super::keys::{first_refresh_token, refresh_hash};
use super::model::{ChangePassword, Login, RefreshToken, Session, User};
use super::store::{self, NewSession, TokenTrade, Trade};
use super::{passwords, users};
use crate::app::App;
use crate::http::{ApiError, Caller, JsonBody, Peer, SignedIn, parse_json};
use crate::listener::Secure;

/// Carries the refresh token to browsers, out of reach of their scripts.
#[derive(Clone, Copy)]
pub(crate) struct Cookie {
    name: &'static str,
    path: &'static str,
    flags: &'static str,
}

/// Over clear text, which is this machine's own: only these routes ever see it.
const PLAIN: Cookie = Cookie { name: "pganalytics_refresh", path: "/api/v1/auth", flags: "HttpOnly; SameSite=Strict" };

/// Over TLS: by this name no other host can set it, which demands the path.
const HOST_ONLY: Cookie =
    Cookie { name: "__Host-pganalytics_refresh", path: "/", flags: "Secure; HttpOnly; SameSite=Strict" };

impl Cookie {
    fn of(extensions: &Extensions) -> Self {
        if extensions.get::<Secure>().is_some() { HOST_ONLY } else { PLAIN }
    }

    fn read(self, headers: &HeaderMap) -> Option<String> {
        let values = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, value)| *name == self.name && !value.is_empty()).map(|(_, value)| value.to_owned())
    }

    fn set(self, response: impl IntoResponse, token: &str, life: Duration) -> Result<Response, ApiError> {
        let Self { name, path, flags } = self;
        let text = format!("{name}={token}; Path={path}; Max-Age={}; {flags}", life.as_secs());
        let value = HeaderValue::from_str(&text).map_err(ApiError::internal)?;
        let mut response = response.into_response();
        response.headers_mut().append(SET_COOKIE, value);
        Ok(response)
    }

    fn clear(self, response: impl IntoResponse) -> Result<Response, ApiError> {
        self.set(response, "", Duration::ZERO)
    }
}

impl<S: Sync> FromRequestParts<S> for Cookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Largest body of a refresh or logout, in bytes.
const HOLDER_BODY_BYTES: usize = 8 * 1024;

/// The same for a wrong name and a wrong password.
const WRONG: &str = "The user name or the password is wrong.";
const NO_SESSION: &str = "The session has ended. Sign in again.";

/// The refresh token that a holder shows: in the body, else in the cookie.
pub(crate) struct Held(Option<String>);

impl<S: Send + Sync> FromRequest<S> for Held {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let cookie = Cookie::of(request.extensions()).read(request.headers());
        let body = to_bytes(request.into_body(), HOLDER_BODY_BYTES)
            .await
            .map_err(|_| ApiError::too_large("The body is larger than a refresh token."))?;
        let named = if body.is_empty() { None } else { parse_json::<RefreshToken>(&body)?.refresh_token };
        Ok(Self(named.or(cookie)))
    }
}

pub(crate) async fn login(
    State(app): State<Arc<App>>,
    Extension(Peer(address)): Extension<Peer>,
    cookie: Cookie,
    JsonBody(login): JsonBody<Login>,
) -> Result<Response, ApiError> {
    let known = store::by_name(&app.pool.get().await?, login.username.trim()).await?;
    let hash = known.as_ref().map(|(_, hash)| hash.clone());
    // No connection is held meanwhile: many waiting for a hash must not empty the pool.
    let right = app.passwords.sign_in(login.username.trim(), address, login.password, hash).await?;
    let Some((mut user, _)) = known.filter(|_| right) else {
        return Err(ApiError::unauthorized(WRONG));
    };
    let refresh_token = first_refresh_token().map_err(ApiError::internal)?;
    let now = app.clock.now();
    let id = Uuid::now_v7();
    let expires_at = later(now, app.settings.jwt_refresh_expiration)?;
    let token_hash = refresh_hash(&refresh_token);
    let session = NewSession { id, user: user.id, token_hash: &token_hash, now, expires_at };
    store::begin_session(&mut app.pool.get().await?, &session).await?;
    user.last_login_at = Some(now);
    answer(&app, cookie, user, id, refresh_token, now)
}

pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    cookie: Cookie,
    Held(token): Held,
) -> Result<Response, ApiError> {
    // Pages ask on every start whether somebody is signed in; that nobody is, is no failure to log.
    let Some(token) = token else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let successor = app.keys.successor(&token).map_err(ApiError::internal)?;
    let now = app.clock.now();
    let trade = TokenTrade {
        hash: &refresh_hash(&token),
        successor_hash: &refresh_hash(&successor),
        now,
        expires_at: later(now, app.settings.jwt_refresh_expiration)?,
    };
    match store::trade(&mut app.pool.get().await?, &trade).await? {
        Trade::Done(session, user) => answer(&app, cookie, user, session, successor, now),
        Trade::Unknown => cookie.clear(ApiError::unauthorized(NO_SESSION)),
        Trade::Reused => {
            tracing::warn!("a refresh token was used again: its session is ended");
            cookie.clear(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "token_reused",
                "This refresh token was used before, so the session has ended. Sign in again.",
            ))
        }
    }
}

pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    caller: Caller,
    cookie: Cookie,
    Held(token): Held,
) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let client = app.pool.get().await?;
    let mut ended = false;
    if let Some(token) = token {
        ended = store::end_session_of(&client, &refresh_hash(&token), now).await?;
    }
    if let Caller::User(user) = caller {
        store::end_session(&client, user.session, now).await?;
        ended = true;
    }
    if ended { cookie.clear(StatusCode::NO_CONTENT) } else { cookie.clear(ApiError::unauthorized(NO_SESSION)) }
}

pub(crate) async fn me(State(app): State<Arc<App>>, caller: SignedIn) -> Result<Json<User>, ApiError> {
    let user = users::store::get(&app.pool.get().await?, caller.id).await?;
    user.map(Json).ok_or_else(|| ApiError::unauthorized(NO_SESSION))
}

pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    JsonBody(change): JsonBody<ChangePassword>,
) -> Result<StatusCode, ApiError> {
    passwords::check(&change.new_password)
        .map_err(|problem| ApiError::invalid_field("new_password", problem.to_string()))?;
    let hash = store::password_hash(&app.pool.get().await?, caller.id).await?;
    let right = app.passwords.verify(change.current_password, hash).await?;
    if !right {
        return Err(ApiError::invalid_field("current_password", "is wrong"));
    }
    let new_hash = app.passwords.hash(change.new_password).await?;
    let mut client = app.pool.get().await?;
    store::set_password(&mut client, caller.id, &new_hash, Some(caller.session), app.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(
    app: &App,
    cookie: Cookie,
    user: User,
    session: Uuid,
    refresh_token: String,
    now: Timestamp,
) -> Result<Response, ApiError> {
    let life = app.settings.jwt_expiration;
    let access_token = app.keys.user_token(user.id, session, now, life).map_err(ApiError::internal)?;
    let body = Session {
        token: access_token.clone(),
        access_token,
        refresh_token: refresh_token.clone(),
        expires_in: life.as_secs(),
        expires_at: later(now, life)?,
        user,
    };
    cookie.set(Json(body), &refresh_token, app.settings.jwt_refresh_expiration)
}

fn later(now: Timestamp, life: Duration) -> Result<Timestamp, ApiError> {
    now.checked_add(life).map_err(ApiError::internal)
}
