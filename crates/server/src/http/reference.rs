//! What a person reads: `docs/reference/api.md` and the page at `/api/v1/docs`, both made from the endpoint table.

use std::fmt::Write;

use utoipa::openapi::Required;
use utoipa::openapi::path::ParameterIn;

use super::API_BASE;
use super::endpoint::Endpoint;
use super::table::endpoints;

/// `docs/reference/api.md`.
#[must_use]
pub fn reference_markdown() -> String {
    let mut text = String::from(
        "# HTTP API\n\nGenerated from the endpoint table by `make generate`; do not edit.\n\n\
         Every path stands below `/api/v1`. The full description with all schemas is served at \
         `/api/v1/openapi.json`, and to read at `/api/v1/docs`.\n",
    );
    let mut tag = "";
    for endpoint in endpoints() {
        if endpoint.tag != tag {
            tag = endpoint.tag;
            let _ = write!(text, "\n## {tag}\n\n| method and path | who | limit | what it does |\n|---|---|---|---|\n");
        }
        let _ = writeln!(
            text,
            "| `{} {}` | {} | {} | {} |",
            endpoint.method.as_str(),
            endpoint.path,
            endpoint.who.as_str(),
            endpoint.limit.as_str(),
            endpoint.summary,
        );
    }
    text
}

/// The page at `/api/v1/docs`: no script, no style of its own, nothing from elsewhere.
pub(super) fn docs_page() -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>pgAnalytics API</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <link rel=\"stylesheet\" href=\"/api/v1/docs/style.css\"></head><body><h1>pgAnalytics API</h1>\
         <p>For programs: <a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a>.</p>",
    );
    let mut tag = "";
    for endpoint in endpoints() {
        if endpoint.tag != tag {
            tag = endpoint.tag;
            let _ = write!(html, "<h2>{}</h2>", escape(tag));
        }
        write_endpoint(&mut html, &endpoint);
    }
    html.push_str("</body></html>");
    html
}

fn write_endpoint(html: &mut String, endpoint: &Endpoint) {
    let _ = write!(
        html,
        "<details><summary><code>{} {API_BASE}{}</code> <span class=\"who\">{}</span></summary><p>{}</p>",
        endpoint.method.as_str(),
        escape(endpoint.path),
        escape(endpoint.who.as_str()),
        escape(endpoint.summary),
    );
    if !endpoint.parameters.is_empty() {
        html.push_str("<table><tr><th>parameter<th>in<th>required<th>meaning");
        for parameter in &endpoint.parameters {
            let place = match parameter.parameter_in {
                ParameterIn::Query => "query",
                ParameterIn::Path => "path",
                ParameterIn::Header => "header",
                ParameterIn::Cookie => "cookie",
            };
            let required = if parameter.required == Required::True { "yes" } else { "no" };
            let help = parameter.description.as_deref().unwrap_or_default();
            let _ = write!(
                html,
                "<tr><td><code>{}</code><td>{place}<td>{required}<td>{}",
                escape(&parameter.name),
                escape(help)
            );
        }
        html.push_str("</table>");
    }
    for request in &endpoint.requests {
        write_schemas(html, &format!("Takes {}", request.content_type), &request.named);
    }
    for answer in &endpoint.answers {
        let title = format!("Answers {} {}", answer.status, answer.help);
        write_schemas(html, &title, answer.shape.as_ref().map_or(&[], |shape| shape.named.as_slice()));
    }
    html.push_str("</details>");
}

fn write_schemas<S: serde::Serialize>(html: &mut String, title: &str, schemas: &[(String, S)]) {
    let _ = write!(html, "<h3>{}</h3>", escape(title));
    for (name, schema) in schemas {
        let json = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(html, "<p><code>{}</code></p><pre>{}</pre>", escape(name), escape(&json));
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
