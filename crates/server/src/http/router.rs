//! The router, made from the endpoint table.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension};
use axum::http::{HeaderName, HeaderValue, Method as HttpMethod, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use super::batch::Reads;
use super::endpoint::{Endpoint, Method};
use super::enforce::{Rule, enforce};
use super::error::ApiError;
use super::table::endpoints;
use super::{API_BASE, headers, pages};
use crate::app::App;
use crate::health::Doing;

/// Everything this server answers. Serve it with connect info: the address's bucket needs the peer.
pub fn router(app: &Arc<App>) -> Router {
    let reads = Reads(api(app, |endpoint| endpoint.method == Method::Get));
    let mut router = api(app, |_| true)
        .layer(Extension(reads))
        .fallback(pages::serve)
        .method_not_allowed_fallback(|| async { ApiError::from_status(StatusCode::METHOD_NOT_ALLOWED) })
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, app.settings.request_timeout))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new());
    if !app.settings.cors_allowed_origins.is_empty() {
        router = router.layer(cors(&app.settings.cors_allowed_origins));
    }
    router.layer(from_fn(headers::finish))
}

/// The rows that `wanted` picks, each behind what it demands.
fn api(app: &Arc<App>, wanted: impl Fn(&Endpoint) -> bool) -> Router {
    let mut router = Router::new();
    for endpoint in endpoints().into_iter().filter(wanted) {
        let doing = match (endpoint.path, endpoint.method) {
            ("/metrics/push", _) => Doing::Ingest,
            // A batch is of reads alone.
            ("/batch", _) | (_, Method::Get) => Doing::Read,
            _ => Doing::Write,
        };
        let rule = Rule { app: app.clone(), who: endpoint.who, limit: endpoint.limit, doing };
        let route = endpoint
            .route
            .layer(DefaultBodyLimit::max(endpoint.body_limit))
            .route_layer(from_fn_with_state(rule, enforce));
        router = router.route(&format!("{API_BASE}{}", endpoint.path), route);
    }
    router.with_state(app.clone())
}

fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    ApiError::internal(format!("panic: {}", text.unwrap_or("without a message"))).into_response()
}

/// How long a browser may remember a preflight's answer.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// What scripts of other origins may read of an answer, besides the usual few.
const EXPOSED_HEADERS: [&str; 7] = [
    "x-request-id",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "retry-after",
    "etag",
    "x-config-version",
];

fn cors(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([HttpMethod::GET, HttpMethod::POST, HttpMethod::PUT, HttpMethod::PATCH, HttpMethod::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH])
        .expose_headers(EXPOSED_HEADERS.map(HeaderName::from_static))
        .max_age(PREFLIGHT_AGE)
}
