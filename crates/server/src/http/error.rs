//! The one error that leaves this server, and the one place that turns failures into it.
//!
//! An [`ApiError`] becomes a response without a body that carries the error along; the outermost layer
//! (`headers.rs`) writes the body, because only it knows the request's id.

use std::borrow::Cow;
use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use deadpool_postgres::{PoolError, TimeoutType};
use reads::{Detail, NoSnapshot, ReadError};
use serde::Serialize;
use store::{NO_ANSWER, NO_CONNECTION, Short, StoreError, why};
use tokio_postgres::error::SqlState;
use utoipa::ToSchema;

use crate::accounts::passwords::HashError;

/// The body of every answer that is not a success.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// The HTTP status.
    pub code: u16,
    /// A word a program can branch on.
    pub error: String,
    /// A sentence for a person.
    pub message: String,
    /// Per field what is wrong, where fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub details: Vec<Detail>,
    /// The request's id, also in `X-Request-ID`.
    pub request_id: String,
}

/// A failed request. Never holds database text, paths or traces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct ApiError {
    status: StatusCode,
    slug: &'static str,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    retry_after_seconds: Option<u64>,
    /// What the failure says about the store, where it is the store's.
    store_trouble: Option<&'static str>,
}

impl ApiError {
    /// Any status, slug and message.
    pub fn new(status: StatusCode, slug: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            slug,
            message: message.into(),
            details: Vec::new(),
            retry_after_seconds: None,
            store_trouble: None,
        }
    }

    /// 400 `invalid_request` with what is wrong, per field.
    pub fn invalid(details: Vec<Detail>) -> Self {
        let message = match details.as_slice() {
            [only] => format!("{}: {}", only.path, only.reason),
            _ => format!("{} fields are not valid.", details.len()),
        };
        Self { details, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", message) }
    }

    /// 400 `invalid_request` about one field.
    pub fn invalid_field(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::invalid(vec![Detail::new(path, reason)])
    }

    /// 400 with a slug of its own.
    pub fn bad_request(slug: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, slug, message)
    }

    /// 401 `unauthorized`: nobody known is calling.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403 `forbidden`: known, but not allowed.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404 `not_found`.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 409 with a slug of its own.
    pub fn conflict(slug: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, slug, message)
    }

    /// 413 `payload_too_large`.
    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    /// 415 `unsupported_media_type`.
    pub fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 422 with a slug of its own.
    pub fn unprocessable(slug: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, slug, message)
    }

    /// 429 `rate_limited`, with when to come again.
    #[must_use]
    pub fn rate_limited(retry_after_seconds: u64) -> Self {
        let message = format!("Too many requests. Try again in {retry_after_seconds} s.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).retry_after(retry_after_seconds)
    }

    /// 503 `unavailable`, with when to come again.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after(RETRY_WHEN_UNAVAILABLE_SECONDS)
    }

    /// 500 `internal`. The cause is logged here, once, and not told.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "a request failed inside the server");
        Self::internal_silent()
    }

    /// What a bare status without a body of ours says, as the router or a limit makes it.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("There is nothing at this path."),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method_not_allowed", "This path does not know the method.")
            }
            StatusCode::REQUEST_TIMEOUT => Self::new(status, "request_timeout", "The request did not arrive in time."),
            StatusCode::URI_TOO_LONG => Self::new(status, "uri_too_long", "The path and query are too long."),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Self::new(status, "headers_too_large", "The headers are too long or too many.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large("The body is larger than this endpoint takes."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::unsupported_media_type("The content type is not supported."),
            StatusCode::SERVICE_UNAVAILABLE => Self::unavailable("The request took too long and was given up."),
            status if status.is_client_error() => Self::new(status, "bad_request", "The request cannot be read."),
            _ => Self::internal_silent(),
        }
    }

    /// Adds what is wrong, per field.
    #[must_use]
    pub fn with_details(mut self, details: Vec<Detail>) -> Self {
        self.details = details;
        self
    }

    /// Adds a `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The store failed, and this is why.
    #[must_use]
    pub(crate) fn for_the_stores_sake(mut self, why: &'static str) -> Self {
        self.store_trouble = Some(why);
        self
    }

    /// What the failure says about the store, where it is the store's.
    pub(crate) fn store_trouble(&self) -> Option<&'static str> {
        self.store_trouble
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The word a program can branch on.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        self.slug
    }

    /// Seconds until it is worth trying again.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_seconds
    }

    /// The body that the caller gets.
    #[must_use]
    pub fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            code: self.status.as_u16(),
            error: self.slug.to_owned(),
            message: self.message.clone().into_owned(),
            details: self.details.clone(),
            request_id: request_id.to_owned(),
        }
    }

    fn internal_silent() -> Self {
        let message = "Something went wrong inside the server; its log says what, under this request's id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

/// How long a caller is asked to wait when the store is not there.
const RETRY_WHEN_UNAVAILABLE_SECONDS: u64 = 5;

/// How long somebody is asked to wait who wants to sign in while many others do.
const RETRY_SIGN_IN_SECONDS: u64 = 2;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<tokio_postgres::Error> for ApiError {
    /// The log gets PostgreSQL's text, the caller does not.
    fn from(error: tokio_postgres::Error) -> Self {
        let class = error.code().map(|state| &state.code()[..2]);
        // Without a state: the connection, or this server that does not understand what it was sent.
        let is_lost = error.is_closed() || error.source().is_some_and(<dyn Error>::is::<std::io::Error>);
        let transient = is_lost || matches!(class, Some("08" | "25" | "40" | "53" | "57" | "58"));
        let state = error.code().map_or("none", SqlState::code);
        let text = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        tracing::error!(error = text, sqlstate = state, "the store refused a statement");
        let why = match error.code() {
            None if transient => Some(NO_ANSWER),
            None => None,
            Some(state) => why(state),
        };
        let answer = match (transient, why) {
            (true, Some(why)) => Self::unavailable(format!("The store is not available: {why}.")),
            (true, None) => Self::unavailable("The store is not available."),
            (false, _) => Self::internal_silent(),
        };
        match why {
            Some(why) => answer.for_the_stores_sake(why),
            None => answer,
        }
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        if matches!(error, PoolError::Timeout(TimeoutType::Wait)) {
            let words = Short::Connections.words();
            tracing::warn!(why = words, "a request is put off");
            return Self::unavailable(format!("Try again: {words}.")).for_the_stores_sake(NO_CONNECTION);
        }
        tracing::error!(error = %error, "no connection to the store");
        let why = match &error {
            PoolError::Backend(error) => error.code().and_then(why),
            _ => None,
        };
        let why = why.unwrap_or(NO_ANSWER);
        Self::unavailable(format!("The store is not available: {why}.")).for_the_stores_sake(why)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Postgres(error) => error.into(),
            StoreError::Pool(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Invalid(details) => Self::invalid(details),
            ReadError::NotFound(sentence) => Self::not_found(sentence),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<NoSnapshot> for ApiError {
    fn from(error: NoSnapshot) -> Self {
        match error {
            NoSnapshot::Busy => Self::unavailable("Too many reads are under way. Try again in a moment."),
            NoSnapshot::Pool(error) => error.into(),
            NoSnapshot::Store(error) => error.into(),
        }
    }
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "Too many sign-ins at once. Try again in a moment.",
            )
            .retry_after(RETRY_SIGN_IN_SECONDS),
            HashError::Failed(_) | HashError::Stopping => Self::internal(error),
        }
    }
}
