//! Who is calling: from the `Authorization` header to a [`Caller`] that the store still knows.
//!
//! In two steps, so that a limit can stand between them: [`claims`] checks the signature alone, [`load`] asks the
//! store whether the session or collector is still there. Roles come from the store, so a change acts at once.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::error::ApiError;
use crate::accounts::{Role, TokenClaims, TokenKind};
use crate::app::App;
use crate::{accounts, collectors};
use reads::View;

/// Who is calling. A handler takes it as an argument; the endpoint's row has already refused who may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody known.
    Nobody,
    /// A signed-in user.
    User(SignedIn),
    /// A registered collector.
    Collector(KnownCollector),
}

/// A registered collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCollector {
    /// Its id.
    pub id: Uuid,
    /// The newest version of the configuration that it is to follow; absent where there is none.
    pub config_version: Option<i64>,
}

/// A signed-in user. A handler of a user's route takes it as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The user's id.
    pub id: Uuid,
    /// The name that the user signs in with.
    pub username: String,
    /// What the user may do.
    pub role: Role,
    /// The session (family of refresh tokens) that the token belongs to.
    pub session: Uuid,
}

impl Caller {
    /// The collector, on a route that only collectors reach.
    ///
    /// # Errors
    /// 403 for anyone else.
    pub fn collector(&self) -> Result<KnownCollector, ApiError> {
        match self {
            Self::Collector(collector) => Ok(*collector),
            Self::Nobody | Self::User(_) => Err(wrong_kind("a collector's")),
        }
    }

    /// Which instances the caller may see.
    #[must_use]
    pub fn view(&self) -> View {
        match self {
            Self::User(_) => View::All,
            Self::Collector(_) | Self::Nobody => View::Only(Arc::from([])),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self::Nobody))
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::User(user)) => Ok(user.clone()),
            Some(Caller::Collector(_)) => Err(wrong_kind("a user's")),
            Some(Caller::Nobody) | None => Err(missing()),
        }
    }
}

/// The token of `Authorization: Bearer …`, if there is one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a well-signed token that has not expired claims.
pub(super) fn claims(app: &App, headers: &HeaderMap) -> Result<TokenClaims, ApiError> {
    let token = bearer(headers).ok_or_else(missing)?;
    app.keys
        .verify(token, app.clock.now())
        .ok_or_else(|| ApiError::unauthorized("The token is not valid or has expired. Sign in again, or refresh it."))
}

/// The caller that these claims name, if it may still call.
pub(super) async fn load(app: &App, claims: &TokenClaims) -> Result<Caller, ApiError> {
    match claims.kind {
        TokenKind::User => {
            let client = app.pool.get().await?;
            let user = accounts::store::signed_in(&client, claims.subject, claims.session).await?;
            user.map(Caller::User).ok_or_else(|| ApiError::unauthorized("The session has ended. Sign in again."))
        }
        TokenKind::Collector => {
            let client = app.pool.get().await?;
            let known = collectors::store::seen(&client, claims.subject, app.clock.now()).await?;
            known
                .map(Caller::Collector)
                .ok_or_else(|| ApiError::unauthorized("The collector was removed. Register it again."))
        }
    }
}

pub(super) fn missing() -> ApiError {
    ApiError::unauthorized("This needs `Authorization: Bearer <token>`.")
}

pub(super) fn wrong_kind(expected: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "wrong_token", format!("This opens with {expected} token only."))
}
