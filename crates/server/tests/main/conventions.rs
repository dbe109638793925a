//! What holds for every answer: headers, request ids, the one shape of failures, CORS.

use serde_json::json;
use server::accounts::Role;
use uuid::Uuid;

use crate::support::{Answer, Server};

#[track_caller]
fn assert_headers(answer: &Answer) {
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-xss-protection"), "1; mode=block");
    assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(Uuid::parse_str(answer.header("x-request-id")).is_ok());
    assert!(!answer.headers.contains_key("strict-transport-security"), "only with TLS");
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "CORS is off");
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let server = Server::start().await;
    for (method, path, status) in [
        ("GET", "/version", 200),
        ("HEAD", "/version", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/version", 405),
        ("GET", "/auth/me", 401),
        ("GET", "//", 200),
        ("GET", "//assets/missing.js", 404),
        ("GET", "//api", 404),
        ("POST", "//anything", 405),
        ("OPTIONS", "/version", 405),
    ] {
        let answer = server.call(method, path).header("Origin", "https://evil.example").send().await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_headers(&answer);
        if !path.starts_with("//") {
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
        }
        if status >= 400 {
            assert_eq!(answer.header("content-type"), "application/json", "{method} {path}");
            assert_eq!(answer.json()["code"], status);
        }
    }
}

#[tokio::test]
async fn a_405_says_what_is_allowed() {
    let server = Server::start().await;
    let answer = server.call("DELETE", "/version").send().await;
    answer.refused(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_valid_request_id_is_taken_over_and_another_is_not() {
    let server = Server::start().await;
    let id = "6f2c1f0a-8c5e-4d57-9d0e-0a4f7b1c2d3e";
    let answer = server.get("/version").header("X-Request-ID", id).send().await;
    assert_eq!(answer.header("x-request-id"), id);
    let answer = server.get("/version").header("X-Request-ID", "<script>").send().await;
    assert!(Uuid::parse_str(answer.header("x-request-id")).is_ok());
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_its_reason() {
    let server = Server::start().await;
    let login = || server.post("/auth/login");
    login().body("{}").send().await.refused(415, "unsupported_media_type");
    let json = |body: &'static str| login().header("Content-Type", "application/json; charset=utf-8").body(body);
    json("{").send().await.refused(400, "invalid_json");
    json(r#"{"username":"a","password":"b"} x"#).send().await.refused(400, "invalid_json");
    let missing = json(r#"{"username":"a"}"#).send().await.refused(400, "invalid_request");
    assert_eq!(missing["details"][0]["reason"], "missing field `password`");
    let wrong = json(r#"{"username":1,"password":"b"}"#).send().await.refused(400, "invalid_request");
    assert_eq!(wrong["details"][0]["path"], "username");
    let large = format!(r#"{{"username":"{}","password":"b"}}"#, "a".repeat(1024 * 1024));
    let large = login().header("Content-Type", "application/json").body(large).send().await;
    large.refused(413, "payload_too_large");
    let cookie = server.post("/auth/refresh").body("x".repeat(9 * 1024)).send().await;
    cookie.refused(413, "payload_too_large");
}

#[tokio::test]
async fn a_bad_query_string_names_the_parameter() {
    let server = Server::start().await;
    let admin = server.signed_in(Role::Admin).await;
    let ask = |query: &str| server.get(&format!("/users{query}")).bearer(&admin).send();
    let answer = ask("?page=one").await.refused(400, "invalid_request");
    assert_eq!(answer["details"], json!([{"path": "page", "reason": "expected a whole number"}]));
    let answer = ask("?page=0&page_size=101").await.refused(400, "invalid_request");
    assert_eq!(answer["details"].as_array().unwrap().len(), 2);
    let answer = ask("?pages=1").await.refused(400, "invalid_request");
    assert!(answer["details"][0]["reason"].as_str().unwrap().contains("unknown field `pages`"), "{answer}");
    let list = ask("?page=7").await.expect(200);
    assert_eq!((&list["count"], &list["total_pages"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn an_identifier_that_is_none_names_nothing() {
    let server = Server::start().await;
    let admin = server.signed_in(Role::Admin).await;
    server.get("/users/1").bearer(&admin).send().await.refused(404, "not_found");
}

#[tokio::test]
async fn cors_is_for_the_listed_origins_only() {
    let server = Server::with(&[("CORS_ALLOWED_ORIGINS", "https://pages.example")]).await;
    let ask = |origin: &str| server.get("/version").header("Origin", origin).send();
    assert_eq!(ask("https://pages.example").await.header("access-control-allow-origin"), "https://pages.example");
    assert!(!ask("https://evil.example").await.headers.contains_key("access-control-allow-origin"));
    let preflight = server
        .call("OPTIONS", "/auth/me")
        .header("Origin", "https://pages.example")
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "authorization");
    let answer = preflight.send().await;
    answer.expect(200);
    assert_eq!(answer.header("access-control-allow-headers"), "authorization,content-type,if-match,if-none-match");
}

#[tokio::test]
async fn a_token_that_is_none_is_401() {
    let server = Server::start().await;
    for value in ["Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", "bearer pga_0123456789"] {
        let answer = server.get("/auth/me").header("Authorization", value).send().await;
        answer.refused(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}
