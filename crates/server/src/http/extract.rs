//! Reading a request's body, query string and path, with every refusal saying which field and why.

use std::error::Error;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use ingest::{Strict, Texts};
use reads::Detail;

/// A JSON body. The type says `#[serde(deny_unknown_fields)]`, so unknown fields are refused by name.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

/// The parameters of the query string. The type says `#[serde(deny_unknown_fields)]`.
#[derive(Clone, Copy, Debug)]
pub struct QueryValues<T>(pub T);

/// The `{names}` of the path, as a tuple or a struct.
#[derive(Clone, Copy, Debug)]
pub struct PathValues<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_json);
        if !is_json {
            return Err(ApiError::unsupported_media_type("The body must be application/json."));
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| ApiError::from_status(rejection.status()))?;
        parse_json(&bytes).map(Self)
    }
}

/// Parses a JSON document, naming the field that does not fit.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let strict = Strict::new(&mut deserializer, Texts::WithoutNul);
    let value = serde_path_to_error::deserialize(strict).map_err(|error| {
        let path = error.path().to_string();
        if error.inner().is_data() {
            return ApiError::invalid(vec![Detail::new(path, reason(error.inner()))]);
        }
        ApiError::bad_request("invalid_json", format!("The body is no JSON: {}.", error.inner()))
    })?;
    deserializer
        .end()
        .map_err(|error| ApiError::bad_request("invalid_json", format!("The body is no JSON: {error}.")))?;
    Ok(value)
}

/// serde's sentence, without the position that a document of one line does not need.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryValues<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let values = Query::<T>::try_from_uri(&parts.uri).map_err(|rejection| {
            let text = deepest(&rejection);
            match text.split_once(": ") {
                Some((path, reason)) => ApiError::invalid_field(path, expected(reason)),
                None => ApiError::invalid_field("query", text),
            }
        })?;
        Ok(Self(values.0))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathValues<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let values = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::not_found("There is nothing at this path: an identifier in it is not valid."))?;
        Ok(Self(values.0))
    }
}

/// Of what is no number the standard library says only what is wrong with it.
fn expected(reason: &str) -> &str {
    match reason {
        "invalid digit found in string" | "cannot parse integer from empty string" => "expected a whole number",
        "number too large to fit in target type" | "number too small to fit in target type" => {
            "expected a whole number that is not so large"
        }
        other => other,
    }
}

/// The innermost cause: axum wraps it in words of its own.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        // The wrapper around the path's error says "path: reason"; what is inside says the reason only.
        if source.source().is_none() {
            break;
        }
        current = source;
    }
    current.to_string()
}
