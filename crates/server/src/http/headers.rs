//! The outermost layer: every answer, whatever made it, leaves with a request id, the security headers, and, when
//! it is a failure, our one body.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

use super::error::ApiError;
use crate::listener::Secure;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Own files only. Nothing inline, no frames, no forms to elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                                       frame-ancestors 'none'; form-action 'self'";

/// On every answer.
const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "1; mode=block"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("content-security-policy", CONTENT_SECURITY_POLICY),
];

/// What makes browsers come by TLS alone from then on.
const TLS_FOR_A_YEAR: &str = "max-age=31536000";

/// The request's id, in the log and in `X-Request-ID`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(super) String);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Wraps the whole router.
pub(super) async fn finish(mut request: Request, next: Next) -> Response {
    let sent = request.headers().get(X_REQUEST_ID).and_then(|value| Uuid::parse_str(value.to_str().ok()?).ok());
    let id = RequestId(sent.unwrap_or_else(Uuid::new_v4).to_string());
    request.extensions_mut().insert(id.clone());
    let is_api = request.uri().path().starts_with("/api/");
    // Told of localhost, a browser would refuse whatever else listens there in clear text.
    let is_local = host(&request).is_some_and(|host| host.starts_with("localhost"));
    let is_secure = request.extensions().get::<Secure>().is_some() && !is_local;
    let span =
        tracing::info_span!("request", request.id = id.0, method = %request.method(), path = request.uri().path());
    let started = std::time::Instant::now();
    let mut response = write_error(next.run(request).instrument(span.clone()).await, &id);
    span.in_scope(|| {
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(status = response.status().as_u16(), duration_ms, "answered");
    });
    dress(response.headers_mut(), &id, is_api, is_secure);
    response
}

fn host(request: &Request) -> Option<&str> {
    request.headers().get(HOST)?.to_str().ok()
}

/// What every answer carries.
fn dress(headers: &mut HeaderMap, id: &RequestId, is_api: bool, is_secure: bool) {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    // Answers hold tokens and what a role may see: no cache keeps them, unless their handler says so.
    if is_api && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for &(name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if is_secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_FOR_A_YEAR));
    }
}

/// A whole answer, to the byte, to what never became a request: the connection closes after it.
pub(crate) fn bare_answer(error: &ApiError) -> Vec<u8> {
    let id = RequestId(Uuid::new_v4().to_string());
    let status = error.status();
    let body = serde_json::to_vec(&error.body(&id.0)).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(seconds) = error.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    dress(&mut headers, &id, true, false);
    let reason = status.canonical_reason().unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    answer
}

/// Gives a failure its body.
pub(super) fn write_error(response: Response, id: &RequestId) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let ours = response.extensions().get::<ApiError>().cloned();
    let has_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    let error = match ours {
        Some(error) => error,
        // A handler's own document with a failing status, such as an unhealthy /health.
        None if has_json => return response,
        None => ApiError::from_status(status),
    };
    let body = serde_json::to_vec(&error.body(&id.0)).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CONTENT_ENCODING);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = error.retry_after_seconds() {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Response::from_parts(parts, Body::from(body))
}
