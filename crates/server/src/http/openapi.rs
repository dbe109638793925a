//! The OpenAPI 3.1 document, made from the endpoint table, and the page that shows it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Required, ResponseBuilder,
    ServerBuilder,
};

use super::API_BASE;
use super::endpoint::{Endpoint, Method, Shape, Who};
use super::error::ErrorBody;
use super::reference::docs_page;
use super::table::endpoints;

const USER_TOKEN: &str = "user";
const COLLECTOR_TOKEN: &str = "collector";
const REGISTRATION_SECRET: &str = "registration";

/// The document.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let mut paths = PathsBuilder::new();
    let error = Shape::json::<ErrorBody>();
    schemas.extend(error.named.iter().cloned());
    for endpoint in endpoints() {
        let shapes = endpoint.requests.iter().chain(endpoint.answers.iter().filter_map(|answer| answer.shape.as_ref()));
        for shape in shapes {
            schemas.extend(shape.named.iter().cloned());
        }
        paths = paths.path(endpoint.path, PathItem::new(http_method(endpoint.method), operation(&endpoint, &error)));
    }
    let components = schemas
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| components.schema(name, schema))
        .security_scheme(USER_TOKEN, bearer("A user's access token, from /auth/login."))
        .security_scheme(COLLECTOR_TOKEN, bearer("A collector's token, from /collectors/register."))
        .security_scheme(
            REGISTRATION_SECRET,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Registration-Secret"))),
        );
    let info = InfoBuilder::new().title("pgAnalytics").version("v1").description(Some(
        "What the pages and scripts call. Times are RFC 3339 in UTC, durations milliseconds, sizes bytes.",
    ));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url(API_BASE).build()]))
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

/// The document as text, as committed and served.
///
/// # Panics
/// Never: the document is made of strings.
#[must_use]
pub fn openapi_json() -> String {
    let mut text = openapi().to_pretty_json().expect("the document is made of strings");
    text.push('\n');
    text
}

fn bearer(help: &str) -> SecurityScheme {
    let mut scheme = Http::new(HttpAuthScheme::Bearer);
    scheme.bearer_format = Some("JWT".to_owned());
    scheme.description = Some(help.to_owned());
    SecurityScheme::Http(scheme)
}

fn http_method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Put => HttpMethod::Put,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    }
}

/// As in `get_instances_id_queries`: stable, because clients are generated from it.
fn operation_id(endpoint: &Endpoint) -> String {
    let path: String = endpoint.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let words: Vec<&str> = path.split('_').filter(|word| !word.is_empty()).collect();
    format!("{}_{}", endpoint.method.as_str().to_ascii_lowercase(), words.join("_"))
}

fn operation(endpoint: &Endpoint, error: &Shape) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(endpoint)))
        .tag(endpoint.tag)
        .summary(Some(endpoint.summary))
        .description(Some(format!("Who: {}. Limit: {}.", endpoint.who.as_str(), endpoint.limit.as_str())));
    for parameter in &endpoint.parameters {
        operation = operation.parameter(parameter.clone());
    }
    if !endpoint.requests.is_empty() {
        let required = if endpoint.who == Who::Holder { Required::False } else { Required::True };
        let mut body = RequestBodyBuilder::new().required(Some(required));
        for shape in &endpoint.requests {
            body = body.content(shape.content_type, ContentBuilder::new().schema(Some(shape.schema.clone())).build());
        }
        operation = operation.request_body(Some(body.build()));
    }
    for answer in &endpoint.answers {
        let mut response = ResponseBuilder::new().description(answer.help);
        if let Some(shape) = &answer.shape {
            response =
                response.content(shape.content_type, ContentBuilder::new().schema(Some(shape.schema.clone())).build());
        }
        operation = operation.response(answer.status.to_string(), response.build());
    }
    let failure = ResponseBuilder::new()
        .description("Every failure.")
        .content(error.content_type, ContentBuilder::new().schema(Some(error.schema.clone())).build());
    operation = operation.response("default", failure.build());
    for scheme in schemes(endpoint.who) {
        operation = operation.security(SecurityRequirement::new(*scheme, Vec::<String>::new()));
    }
    operation.build()
}

fn schemes(who: Who) -> &'static [&'static str] {
    match who {
        Who::Anyone | Who::Holder => &[],
        Who::Viewer | Who::User | Who::Admin => &[USER_TOKEN],
        Who::Collector => &[COLLECTOR_TOKEN],
        Who::CollectorOrAdmin => &[COLLECTOR_TOKEN, USER_TOKEN],
        Who::RegistrationSecret => &[REGISTRATION_SECRET],
    }
}

// Anyone may ask for these, so they are made once.
static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_json);
static PAGE: LazyLock<String> = LazyLock::new(docs_page);

pub(super) async fn serve_document() -> Response {
    with_type("application/json", &DOCUMENT)
}

pub(super) async fn serve_page() -> Response {
    with_type("text/html; charset=utf-8", &PAGE)
}

pub(super) async fn serve_style() -> Response {
    with_type("text/css; charset=utf-8", include_str!("docs.css"))
}

fn with_type(content_type: &'static str, body: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_schemas_have_one_name() {
        let mut schemas: BTreeMap<String, String> = BTreeMap::new();
        let mut taken = Vec::new();
        for endpoint in endpoints() {
            let answers = endpoint.answers.iter().filter_map(|answer| answer.shape.as_ref());
            for (name, schema) in endpoint.requests.iter().chain(answers).flat_map(|shape| &shape.named) {
                let schema = serde_json::to_string(schema).unwrap();
                let first = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
                if *first != schema {
                    taken.push(format!("{name} of {} {}", endpoint.method.as_str(), endpoint.path));
                }
            }
        }
        assert!(schemas.len() > 50, "{} schemas: is it the right table?", schemas.len());
        assert_eq!(taken, Vec::<String>::new(), "two types have one name, and one of them would be lost");
    }
}
