//! What is no input, over every endpoint of the table: arrays in place of objects, texts that PostgreSQL cannot hold.

use serde_json::{Value, json};
use server::accounts::Role;
use server::http::{Endpoint, Who, endpoints, openapi_json};

use crate::support::{Answer, REGISTRATION_SECRET, Server};

const ROOMY: [(&str, &str); 3] = [
    ("RATE_LIMIT_ADDRESS_PER_MINUTE", "100000"),
    ("RATE_LIMIT_USER_PER_MINUTE", "100000"),
    ("RATE_LIMIT_COLLECTOR_PER_MINUTE", "100000"),
];

/// Texts that a careless statement could stumble over, as they stand in a URL.
const ODD_TEXTS: [&str; 9] = ["%00", "a%00b", "%5C", "%25", "%27", "%EF%BF%BF", "%ED%A0%80", "%FF", "%0A%1B%5B31m"];

struct Caller {
    server: Server,
    admin: String,
    collector: String,
    document: Value,
}

impl Caller {
    async fn new() -> Self {
        let server = Server::measuring(&ROOMY).await;
        let admin = server.signed_in(Role::Admin).await;
        let (_, collector) = server.collector("one").await;
        let document = serde_json::from_str(&openapi_json()).unwrap();
        Self { server, admin, collector, document }
    }

    /// Sends it as somebody who may.
    async fn send(&self, endpoint: &Endpoint, path: &str, body: Option<&Value>) -> Answer {
        let call = self.server.call(endpoint.method.as_str(), path);
        let call = match endpoint.who {
            Who::Anyone | Who::Holder => call,
            Who::RegistrationSecret => call.header("X-Registration-Secret", REGISTRATION_SECRET),
            Who::Viewer | Who::User | Who::Admin => call.bearer(&self.admin),
            Who::Collector | Who::CollectorOrAdmin => call.bearer(&self.collector),
        };
        match body {
            Some(body) => call.json(body.clone()).send().await,
            None => call.send().await,
        }
    }

    fn operation(&self, endpoint: &Endpoint) -> &Value {
        let path = format!("/api/v1{}", endpoint.path);
        let paths = &self.document["paths"];
        let found = paths.get(&path).or_else(|| paths.get(endpoint.path)).unwrap_or_else(|| panic!("no {path}"));
        &found[endpoint.method.as_str().to_lowercase()]
    }

    /// A body as the document describes it; `None` where there is no JSON body.
    fn body(&self, endpoint: &Endpoint) -> Option<Value> {
        let schema = self.operation(endpoint)["requestBody"]["content"]["application/json"].get("schema")?;
        Some(self.example(schema))
    }

    fn example(&self, schema: &Value) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return self.example(&self.document["components"]["schemas"][name]);
        }
        if let Some(one) = schema["oneOf"].as_array().and_then(|all| all.iter().rfind(|one| one["type"] != "null")) {
            return self.example(one);
        }
        if let Some(word) = schema["enum"].as_array().and_then(|words| words.first()) {
            return word.clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap(),
            kind => kind,
        };
        match kind.as_str() {
            Some("object") => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                Value::Object(fields.map(|(name, schema)| (name.clone(), self.example(schema))).collect())
            }
            Some("array") => json!([self.example(&schema["items"])]),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(true),
            _ if schema["format"] == "uuid" => json!("00000000-0000-7000-8000-000000000000"),
            _ if schema["format"] == "date-time" => json!("2026-03-01T12:00:00Z"),
            _ => json!("some text"),
        }
    }
}

/// The value with one of its parts replaced, once for each part that `change` changes.
fn variants(value: &Value, change: &impl Fn(&Value) -> Option<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = change(value).into_iter().collect();
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                for changed in variants(field, change) {
                    let mut copy = fields.clone();
                    copy.insert(name.clone(), changed);
                    all.push(Value::Object(copy));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for changed in variants(item, change) {
                    let mut copy = items.clone();
                    copy[index] = changed;
                    all.push(Value::Array(copy));
                }
            }
        }
        _ => {}
    }
    all
}

#[tokio::test]
async fn an_array_is_never_taken_for_an_object() {
    let caller = Caller::new().await;
    // The one of the example paths: what is not there is told before a body is read.
    let sql = "insert into metrics.instances (collector_id, name) values (gen_random_uuid(), 'one')";
    caller.server.app.metrics.get().await.unwrap().execute(sql, &[]).await.unwrap();
    let mut tried = 0;
    for endpoint in endpoints() {
        let Some(body) = caller.body(&endpoint) else { continue };
        let as_array = |value: &Value| {
            let fields = value.as_object().filter(|fields| !fields.is_empty())?;
            Some(Value::Array(fields.values().cloned().collect()))
        };
        for array in variants(&body, &as_array) {
            let answer = caller.send(&endpoint, &endpoint.example_path(), Some(&array)).await;
            assert_eq!(answer.status.as_u16(), 400, "{endpoint:?} {array}: {}", answer.text);
            assert!(answer.text.contains("expected an object"), "{endpoint:?} {array}: {}", answer.text);
            tried += 1;
        }
    }
    assert!(tried >= 10, "every endpoint with a body was tried: {tried}");
    caller.server.user("ada", Role::Admin).await;
    let login = caller.server.post("/auth/login").json(json!(["ada", crate::support::PASSWORD])).send().await;
    login.refused(400, "invalid_request");
}

#[tokio::test]
async fn no_text_makes_the_server_fail() {
    let caller = Caller::new().await;
    for endpoint in endpoints() {
        let path = endpoint.example_path();
        if let Some(body) = caller.body(&endpoint) {
            for text in ["a\0b", "\0", "\u{ffff}", "\u{1b}[31m\n", &"x".repeat(100_000)] {
                let odd = |value: &Value| value.is_string().then(|| json!(text));
                for body in variants(&body, &odd) {
                    let answer = caller.send(&endpoint, &path, Some(&body)).await;
                    assert!(answer.status.as_u16() < 500, "{endpoint:?} {text:.10?}: {}", answer.text);
                }
            }
        }
        let parameters = caller.operation(&endpoint)["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            for text in ODD_TEXTS {
                let odd = match parameter["in"].as_str() {
                    Some("query") => format!("{path}?{name}={text}"),
                    Some("path") => format!("{}{text}{}", endpoint.path.split('{').next().unwrap(), {
                        endpoint.path.split('}').next_back().unwrap()
                    }),
                    _ => continue,
                };
                let answer = caller.send(&endpoint, &odd, None).await;
                assert!(answer.status.as_u16() < 500, "{endpoint:?} {odd}: {}", answer.text);
                if text.contains("%00") {
                    assert!(answer.status.is_client_error(), "{endpoint:?} {odd}: {}", answer.text);
                }
            }
        }
    }
    let lone = caller.server.post("/auth/login").header("Content-Type", "application/json");
    lone.body(r#"{"username":"\ud800","password":"x"}"#).send().await.refused(400, "invalid_json");
    let nul = json!({"username": "a\0", "password": "x"});
    caller.server.post("/auth/login").json(nul).send().await.refused(400, "invalid_request");
}
