//! Our own pages: the files of `web/dist`, inside the binary. Paths that are no file open the pages' `index.html`,
//! because every view of the pages is a URL.

use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
#[allow_missing = true]
struct Dist;

/// Vite puts a hash of the content into the names of the files below it.
const HASHED: &str = "assets/";
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>pgAnalytics</title>\
    <h1>Pages not built</h1><p>This binary was built without its pages: run <code>make build</code>. \
    The API works: <a href=\"/api/v1/docs\">/api/v1/docs</a>.</p></html>";

/// Answers whatever the endpoint table does not know.
pub(super) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return ApiError::from_status(StatusCode::NOT_FOUND).into_response();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let error = ApiError::from_status(StatusCode::METHOD_NOT_ALLOWED).into_response();
        return ([(ALLOW, HeaderValue::from_static("GET, HEAD"))], error).into_response();
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Dist::get(name) {
        return answer(name, &file, request.headers());
    }
    // A missing hashed file is a page from an older build: saying so beats sending HTML as a script.
    if name.starts_with(HASHED) {
        return ApiError::from_status(StatusCode::NOT_FOUND).into_response();
    }
    match Dist::get("index.html") {
        Some(index) => answer("index.html", &index, request.headers()),
        None => ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")], NOT_BUILT).into_response(),
    }
}

fn answer(name: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let cache = if name.starts_with(HASHED) { FOREVER } else { ASK_EACH_TIME };
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let status = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if unchanged { Vec::new() } else { file.data.to_vec() };
    let kind = content_type(file.metadata.mimetype());
    (status, [(CONTENT_TYPE, kind), (CACHE_CONTROL, cache.to_owned()), (ETAG, etag)], body).into_response()
}

fn content_type(mime: &str) -> String {
    let is_text = mime.starts_with("text/") || mime == "application/json" || mime == "application/javascript";
    if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}
