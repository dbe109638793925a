//! /openapi.json, /docs and the reference: what is made from the endpoint table.

use std::collections::BTreeSet;

use serde_json::Value;
use server::http::{endpoints, reference_markdown};

use crate::support::Server;

#[tokio::test]
async fn the_document_describes_every_row() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").send().await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for endpoint in endpoints() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{endpoint:?}");
        assert_eq!(operation["summary"], endpoint.summary);
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{endpoint:?}: its id is taken");
        assert!(operation["responses"]["default"].is_object(), "{endpoint:?}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for name in endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let explained = parameters.iter().any(|parameter| parameter["name"] == name && parameter["in"] == "path");
            assert!(explained, "{endpoint:?}: {{{name}}} is not explained");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").send().await.expect(200);
    let mut stack = vec![&document];
    let mut seen = 0;
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    seen += 1;
                }
                stack.extend(fields.values());
            }
            Value::Array(items) => stack.extend(items),
            _ => {}
        }
    }
    assert!(seen > 20, "{seen} references: is it the right document?");
    let page = &document["components"]["schemas"]["UserPage"]["properties"]["data"]["items"]["$ref"];
    assert_eq!(page, "#/components/schemas/User");
}

#[test]
fn every_row_is_complete() {
    let mut rows = BTreeSet::new();
    for endpoint in endpoints() {
        assert!(!endpoint.tag.is_empty(), "{endpoint:?}: no tag");
        assert!(endpoint.summary.ends_with('.'), "{endpoint:?}: the summary is a sentence");
        assert!(!endpoint.example_path().contains('{'), "{endpoint:?}: a path parameter is not explained");
        assert!(rows.insert((endpoint.method, endpoint.path)), "{endpoint:?} stands twice");
    }
}

#[tokio::test]
async fn the_page_and_the_reference_name_every_row_without_script() {
    let server = Server::start().await;
    let page = server.get("/docs").send().await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(!page.text.contains("<script") && !page.text.contains("style=") && !page.text.contains("https://"));
    let reference = reference_markdown();
    for endpoint in endpoints() {
        let row = format!("{} {}", endpoint.method.as_str(), endpoint.path);
        assert!(reference.contains(&format!("| `{row}` |")), "{row}");
        assert!(page.text.contains(endpoint.path), "{row}");
    }
    let style = server.get("/docs/style.css").send().await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
}
