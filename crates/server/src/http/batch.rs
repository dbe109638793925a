//! `POST /batch`: several reads in one request, run through the same router with the caller's identity.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use utoipa::ToSchema;

use super::API_BASE;
use super::authentication::Caller;
use super::enforce::Counted;
use reads::Detail;

use super::error::ApiError;
use super::extract::JsonBody;
use super::headers::{RequestId, write_error};

/// Reads in one batch at most.
const READS_MOST: usize = 20;
/// Reads of one batch that run at once: one caller does not take the connections of all.
const AT_ONCE: usize = 4;
/// Bytes of one read's answer at most.
const ANSWER_BYTES_MOST: usize = 64 * 1024 * 1024;

/// The routes that a batch may reach: every GET. It does not hold `/batch` itself, so batches do not nest.
#[derive(Clone, Debug)]
pub(super) struct Reads(pub(super) Router);

/// Several reads.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// 1 to 20 of them.
    #[schema(min_items = 1, max_items = 20)]
    requests: Vec<Read>,
}

/// One read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    /// Path and query below `/api/v1`, as in `/instances/1/queries?limit=100`.
    path: String,
}

/// The answers, in the order of the reads.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAnswers {
    responses: Vec<BatchAnswer>,
}

/// One read's answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAnswer {
    /// Its own HTTP status.
    status: u16,
    /// What the path answers when it is called alone.
    body: serde_json::Value,
}

pub(super) async fn batch(
    caller: Caller,
    Extension(id): Extension<RequestId>,
    Extension(Reads(reads)): Extension<Reads>,
    JsonBody(batch): JsonBody<Batch>,
) -> Result<Response, ApiError> {
    if batch.requests.is_empty() || batch.requests.len() > READS_MOST {
        return Err(ApiError::invalid_field("requests", format!("expected 1 to {READS_MOST} reads")));
    }
    let mut uris = Vec::with_capacity(batch.requests.len());
    let mut details = Vec::new();
    for (index, read) in batch.requests.iter().enumerate() {
        match uri(&read.path) {
            Some(uri) => uris.push(uri),
            None => details.push(Detail::new(
                format!("requests[{index}].path"),
                "expected a path below /api/v1, as in /instances/1/queries?limit=100",
            )),
        }
    }
    if !details.is_empty() {
        return Err(ApiError::invalid(details));
    }
    let answers = uris.into_iter().map(|uri| read(reads.clone(), uri, caller.clone(), &id));
    let answers: Vec<_> = stream::iter(answers).buffered(AT_ONCE).collect().await;
    Ok(joined(&answers))
}

fn uri(path: &str) -> Option<Uri> {
    if !path.starts_with('/') || path.starts_with("//") || path.starts_with(API_BASE) {
        return None;
    }
    format!("{API_BASE}{path}").parse().ok()
}

async fn read(reads: Router, uri: Uri, caller: Caller, id: &RequestId) -> (StatusCode, Bytes) {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Counted);
    request.extensions_mut().insert(id.clone());
    let Ok(response) = reads.oneshot(request).await;
    let response = match response.headers().get(CONTENT_TYPE) {
        Some(kind) if kind != "application/json" && response.status().is_success() => {
            ApiError::bad_request("not_json", "Only reads that answer JSON can stand in a batch.").into_response()
        }
        _ => response,
    };
    let response = write_error(response, id);
    let status = response.status();
    match to_bytes(response.into_body(), ANSWER_BYTES_MOST).await {
        Ok(body) if !body.is_empty() => (status, body),
        Ok(_) => (status, Bytes::from_static(b"null")),
        Err(error) => {
            let error = ApiError::internal(error);
            let body = serde_json::to_vec(&error.body(&id.0)).unwrap_or_else(|_| b"null".to_vec());
            (error.status(), Bytes::from(body))
        }
    }
}

/// Puts documents that are JSON already into one, without reading them again.
fn joined(answers: &[(StatusCode, Bytes)]) -> Response {
    let size = answers.iter().map(|(_, body)| body.len() + 32).sum::<usize>() + 32;
    let mut document = Vec::with_capacity(size);
    document.extend_from_slice(b"{\"responses\":[");
    for (index, (status, body)) in answers.iter().enumerate() {
        if index > 0 {
            document.push(b',');
        }
        document.extend_from_slice(format!("{{\"status\":{},\"body\":", status.as_u16()).as_bytes());
        document.extend_from_slice(body);
        document.push(b'}');
    }
    document.extend_from_slice(b"]}");
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
}
