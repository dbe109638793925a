//! Our own pages: the files of `web/dist`, inside the binary. Paths that are no file open the pages' `index.html`,
//! because every view of the pages is a URL.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// Vite puts a hash of the content into the names of the files below it.
const HASHED: &str = "assets/";
/// What programs ask for at the root: a page there would read as "all is well".
const MACHINES: [&str; 8] =
    ["/metrics", "/health", "/healthz", "/livez", "/ready", "/readyz", "/status", "/openapi.json"];
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>pgAnalytics</title>\
    <h1>Pages not built</h1><p>This binary was built without its pages: run <code>make build</code>. \
    The API works: <a href=\"/api/v1/docs\">/api/v1/docs</a>.</p></html>";

/// Answers whatever the endpoint table does not know.
pub(super) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    if MACHINES.contains(&path) || path == "/api" || path.starts_with("/api/") {
        return ApiError::from_status(StatusCode::NOT_FOUND).into_response();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let error = ApiError::from_status(StatusCode::METHOD_NOT_ALLOWED).into_response();
        return ([(ALLOW, HeaderValue::from_static("GET, HEAD"))], error).into_response();
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Dist::get(name) {
        return page(name, file, request.headers());
    }
    // A missing hashed file is a page from an older build: saying so beats sending HTML as a script.
    if name.starts_with(HASHED) {
        return ApiError::from_status(StatusCode::NOT_FOUND).into_response();
    }
    match Dist::get("index.html") {
        Some(index) => page("index.html", index, request.headers()),
        None => ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")], NOT_BUILT).into_response(),
    }
}

fn page(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    answer(name, file.data, &file.metadata.sha256_hash(), file.metadata.mimetype(), headers)
}

fn answer(name: &str, data: Cow<'static, [u8]>, hash: &[u8], mime: &str, headers: &HeaderMap) -> Response {
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let cache = if name.starts_with(HASHED) { FOREVER } else { ASK_EACH_TIME };
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let (status, body) = match (unchanged, data) {
        (true, _) => (StatusCode::NOT_MODIFIED, Body::empty()),
        (false, Cow::Borrowed(bytes)) => (StatusCode::OK, Body::from(Bytes::from_static(bytes))),
        (false, Cow::Owned(bytes)) => (StatusCode::OK, Body::from(bytes)),
    };
    let described = [(CONTENT_TYPE, content_type(mime)), (CACHE_CONTROL, cache.to_owned()), (ETAG, etag)];
    (status, described, body).into_response()
}

fn content_type(mime: &str) -> String {
    let is_text = mime.starts_with("text/") || mime == "application/json" || mime == "application/javascript";
    if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, asked: &HeaderMap) -> Response {
        answer(name, Cow::Borrowed(b"content"), &[7; 32], "text/javascript", asked)
    }

    #[test]
    fn a_name_with_a_hash_is_kept_for_ever_and_another_is_asked_for() {
        let none = HeaderMap::new();
        assert_eq!(file("assets/index-4f2a.js", &none).headers()[CACHE_CONTROL], FOREVER);
        assert_eq!(file("index.html", &none).headers()[CACHE_CONTROL], "no-cache");
        assert_eq!(file("index.html", &none).headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
    }

    #[test]
    fn what_is_built_is_served() {
        let built = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/dist/index.html"));
        assert_eq!(Dist::get("index.html").is_some(), built.exists());
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let etag = file("index.html", &HeaderMap::new()).headers()[ETAG].clone();
        let asked = |tags: &str| HeaderMap::from_iter([(IF_NONE_MATCH, tags.parse().unwrap())]);
        let same = asked(&format!("\"other\", W/{}", etag.to_str().unwrap()));
        assert_eq!(file("index.html", &same).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(file("index.html", &asked("\"other\"")).status(), StatusCode::OK);
    }
}
