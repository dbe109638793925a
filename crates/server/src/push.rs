//! `POST /metrics/push`, one batch or several, and `POST /metrics/definitions`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Extension, FromRequest, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalog::Definition;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::collectors;
use crate::http::{ApiError, Caller, JsonBody, KnownCollector, RequestId};
use crate::listener::Arrived;
use crate::steering::custom_sets::definitions;
use ingest::{Batches, Compression, Encoding, MAX_COMPRESSED, Push, PushAnswer, PushError};
use reads::Detail;
use store::{NO_CONNECTION, Short};

/// The most definitions in one request.
const MAX_DEFINITIONS: usize = 1000;

/// Definitions of sets that the server asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDefinitions {
    /// As the catalogue has them: name, scope, help and columns.
    #[schema(value_type = Vec<Object>)]
    definitions: Vec<Definition>,
}

/// What became of definitions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DefinitionsAnswer {
    /// The hashes of those that are known now.
    accepted: Vec<String>,
    /// Those that were refused; readings of them will be rejected.
    rejected: Vec<RefusedDefinition>,
}

/// A definition that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedDefinition {
    /// The set.
    set: String,
    /// Why.
    reason: String,
}

/// What became of several batches that came in one request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PushAnswers {
    /// One for each batch, in their order.
    answers: Vec<OneAnswer>,
}

/// What became of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneAnswer {
    /// The status that it would have had alone.
    status: u16,
    /// When to send it again, where that is what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    retry_after_seconds: Option<u64>,
    /// The body that it would have had alone.
    #[schema(value_type = Object)]
    body: serde_json::Value,
}

pub(crate) async fn push(
    State(app): State<Arc<App>>,
    caller: Caller,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Response, ApiError> {
    let KnownCollector { id: collector_id, config_version } = caller.collector()?;
    // Before the caller was asked for and the body: neither is a clock that is behind.
    let arrived = match request.extensions().get::<Arrived>() {
        Some(Arrived(since)) => (before(app.clock.now(), since.elapsed()), *since),
        None => (app.clock.now(), Instant::now()),
    };
    let batches = Batches::from_header(header(request.headers(), &CONTENT_TYPE))?;
    let push = arrive(&app, collector_id, request, arrived).await?;
    let ingest = app.ingest()?;
    match batches {
        Batches::One => {
            let mut answer = ingest.push(push).await;
            tell_config(&mut answer, config_version);
            note(&app, collector_id, &answer).await;
            Ok((StatusCode::ACCEPTED, Json(answer?)).into_response())
        }
        Batches::Many => {
            let mut answers = ingest.push_many(push).await?;
            answers.iter_mut().for_each(|answer| tell_config(answer, config_version));
            let last = answers.len() - 1;
            for (_, answer) in answers.iter().enumerate().filter(|(nth, answer)| *nth == last || answer.is_err()) {
                note(&app, collector_id, answer).await;
            }
            several(answers, &id)
        }
    }
}

/// Says which configuration the collector is to follow.
fn tell_config(answer: &mut Result<PushAnswer, PushError>, version: Option<i64>) {
    if let Ok(answer) = answer {
        answer.next_config_version = version;
    }
}

fn before(now: Timestamp, long: Duration) -> Timestamp {
    now.checked_sub(long).unwrap_or(now)
}

/// The answers of several batches. What one says of the store's health, the whole says.
fn several(answers: Vec<Result<PushAnswer, PushError>>, id: &RequestId) -> Result<Response, ApiError> {
    let mut trouble = None;
    let one = |answer| match answer {
        Ok(answer) => {
            let body = serde_json::to_value::<PushAnswer>(answer).map_err(ApiError::internal)?;
            Ok(OneAnswer { status: StatusCode::ACCEPTED.as_u16(), retry_after_seconds: None, body })
        }
        Err(error) => {
            let error = ApiError::from(error);
            let body = serde_json::to_value(error.body(id.as_str())).map_err(ApiError::internal)?;
            let (status, retry_after_seconds) = (error.status().as_u16(), error.retry_after_seconds());
            if error.store_trouble().is_some() {
                trouble = Some(error);
            }
            Ok(OneAnswer { status, retry_after_seconds, body })
        }
    };
    let answers = answers.into_iter().map(one).collect::<Result<Vec<OneAnswer>, ApiError>>()?;
    let mut response = Json(PushAnswers { answers }).into_response();
    if let Some(trouble) = trouble {
        response.extensions_mut().insert(trouble);
    }
    Ok(response)
}

/// Room is asked for before the body is read: what waits at the door takes none.
async fn arrive(
    app: &Arc<App>,
    collector_id: Uuid,
    request: Request,
    (now, since): (Timestamp, Instant),
) -> Result<Push, ApiError> {
    let headers = request.headers();
    let encoding = Encoding::from_header(header(headers, &CONTENT_TYPE))?;
    let compression = Compression::from_header(header(headers, &CONTENT_ENCODING))?;
    let length = header(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let body_bytes = length.unwrap_or(MAX_COMPRESSED as u64);
    let room = app.ingest()?.admit(collector_id, body_bytes)?;
    let body =
        Bytes::from_request(request, app).await.map_err(|rejection| ApiError::from_status(rejection.status()))?;
    Ok(Push { collector_id, room, encoding, compression, body, now, since })
}

/// A header's text; one that is no text is none of those that are known.
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Shows at the collector how its delivery went. The batch's own answer does not depend on it.
async fn note(app: &App, collector_id: Uuid, answer: &Result<PushAnswer, PushError>) {
    let Ok(client) = app.pool.get().await else { return };
    let noted = match answer {
        Ok(answer) => {
            let hostname = Some(answer.said.hostname.as_str()).filter(|word| !word.is_empty());
            let version = Some(answer.said.version.as_str()).filter(|word| !word.is_empty());
            collectors::store::delivered(&client, collector_id, hostname, version).await
        }
        Err(
            PushError::Busy { .. }
            | PushError::Unavailable { .. }
            | PushError::Short { .. }
            | PushError::UnknownDefinition { .. },
        ) => return,
        Err(error @ PushError::IdentityInUse { .. }) => {
            // Nothing is wrong with the one that is taken.
            tracing::warn!(collector.id = %collector_id, error = %error, "a batch was refused");
            return;
        }
        Err(error) => {
            tracing::warn!(collector.id = %collector_id, error = %error, "a batch was refused");
            collectors::store::failed(&client, collector_id, &error.to_string(), app.clock.now()).await
        }
    };
    if let Err(error) = noted {
        tracing::warn!(collector.id = %collector_id, error = %error, "how a delivery went could not be noted");
    }
}

pub(crate) async fn define(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(body): JsonBody<NewDefinitions>,
) -> Result<Json<DefinitionsAnswer>, ApiError> {
    let collector_id = caller.collector()?.id;
    if body.definitions.len() > MAX_DEFINITIONS {
        return Err(ApiError::invalid_field("definitions", format!("expected at most {MAX_DEFINITIONS}")));
    }
    let mut answer = DefinitionsAnswer { accepted: Vec::new(), rejected: Vec::new() };
    for definition in body.definitions {
        let set: String = definition.name.chars().take(catalog::MAX_NAME).collect();
        match definitions::take(&app, collector_id, definition).await? {
            Ok(hash) => answer.accepted.push(hash.to_string()),
            Err(reason) => answer.rejected.push(RefusedDefinition { set, reason }),
        }
    }
    Ok(Json(answer))
}

impl From<PushError> for ApiError {
    fn from(error: PushError) -> Self {
        let message = sentence(&error.to_string());
        match error {
            PushError::Unsupported { supported, .. } => {
                let supported = supported.into_iter().map(|one| Detail::new("supported", one)).collect();
                Self::unsupported_media_type(message).with_details(supported)
            }
            PushError::Malformed { .. } => Self::bad_request("invalid_body", message),
            PushError::TooLarge { .. } => Self::too_large(message),
            PushError::WrongCollector => Self::new(StatusCode::FORBIDDEN, "wrong_collector", message),
            PushError::IdentityInUse { .. } => Self::new(StatusCode::FORBIDDEN, "identity_in_use", message),
            PushError::Invalid { code, .. } => Self::unprocessable(code, message),
            PushError::UnknownDefinition { hashes } => {
                let hashes = hashes.iter().map(|hash| Detail::new("definition", hash.to_string())).collect();
                Self::conflict("unknown_definition", message).with_details(hashes)
            }
            PushError::Busy { retry_after } => Self::unavailable(message).retry_after(u64::from(retry_after)),
            PushError::Short { retry_after, why } => {
                let error = match why {
                    Short::Connections => Self::unavailable(message).for_the_stores_sake(NO_CONNECTION),
                    Short::Stopping => Self::unavailable(message),
                    // Of this instance alone: the collector's others go on.
                    Short::Watcher => Self::new(StatusCode::SERVICE_UNAVAILABLE, "instance_undecided", message),
                };
                error.retry_after(u64::from(retry_after))
            }
            PushError::Unavailable { retry_after, why } => {
                Self::unavailable(message).retry_after(u64::from(retry_after)).for_the_stores_sake(why)
            }
        }
    }
}

/// An error's words as a sentence.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).chain(std::iter::once('.')).collect()
}
