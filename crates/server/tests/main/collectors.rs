//! /collectors: registering, tokens, and how they are.

use std::time::Duration;

use serde_json::{Value, json};
use server::accounts::Role;
use server::collectors::store;

use crate::support::{Answer, REGISTRATION_SECRET, Server};

fn registration() -> Value {
    json!({"name": "prod-db-01", "hostname": "db-1.example", "version": "4.0.0"})
}

async fn register(server: &Server, secret: &str, body: Value) -> Answer {
    server.post("/collectors/register").header("X-Registration-Secret", secret).json(body).send().await
}

#[tokio::test]
async fn the_secret_opens_registering() {
    let server = Server::start().await;
    let answer = register(&server, REGISTRATION_SECRET, registration()).await.expect(201);
    assert_eq!(answer["expires_at"], "2027-03-01T12:00:00Z");
    server.post("/collectors/register").json(registration()).send().await.refused(401, "unauthorized");
    register(&server, "let me in", registration()).await.refused(401, "unauthorized");
    register(&server, "", registration()).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn without_a_secret_on_the_server_nobody_registers() {
    let template = Server::start().await;
    let settings = [("REGISTRATION_SECRET", "")];
    let server = Server::over(template.app.pool.clone(), &settings);
    register(&server, "", registration()).await.refused(403, "registration_closed");
}

#[tokio::test]
async fn a_csr_is_not_supported_yet() {
    let server = Server::start().await;
    let mut body = registration();
    body["csr"] = json!("-----BEGIN CERTIFICATE REQUEST-----");
    register(&server, REGISTRATION_SECRET, body).await.refused(422, "not_supported");
    let mut body = registration();
    body["hostname"] = json!("");
    let answer = register(&server, REGISTRATION_SECRET, body).await.refused(400, "invalid_request");
    assert_eq!(answer["details"][0]["path"], "hostname");
}

#[tokio::test]
async fn the_same_name_again_is_another_collector_unless_it_shows_its_token() {
    let server = Server::start().await;
    let (first, token) = server.collector("prod-db-01").await;
    let (second, _) = server.collector("prod-db-01").await;
    assert_ne!(first, second);
    let call = server.post("/collectors/register").header("X-Registration-Secret", REGISTRATION_SECRET);
    let answer = call.bearer(&token).json(registration()).send().await.expect(201);
    assert_eq!(answer["collector_id"], first.to_string());
    assert_ne!(answer["token"], token);

    let admin = server.signed_in(Role::Admin).await;
    server.call("DELETE", &format!("/collectors/{first}")).bearer(&admin).send().await.expect(204);
    let call = server.post("/collectors/register").header("X-Registration-Secret", REGISTRATION_SECRET);
    let answer = call.bearer(&token).json(registration()).send().await.expect(201);
    assert_ne!(answer["collector_id"], first.to_string(), "a removed collector does not come back");
}

#[tokio::test]
async fn a_token_is_refreshed_and_lasts_a_year() {
    let server = Server::start().await;
    let (_, token) = server.collector("prod-db-01").await;
    server.pass(Duration::from_secs(86_400));
    let renewed = server.post("/collectors/refresh-token").bearer(&token).send().await.expect(200);
    assert_eq!(renewed["expires_at"], "2027-03-02T12:00:00Z");
    server.pass(Duration::from_secs(364 * 86_400));
    let again = |token: &str| server.post("/collectors/refresh-token").bearer(token).send();
    again(&token).await.refused(401, "unauthorized");
    again(renewed["token"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn a_removed_collector_is_out_at_once() {
    let server = Server::start().await;
    let (id, token) = server.collector("prod-db-01").await;
    let admin = server.signed_in(Role::Admin).await;
    let path = format!("/collectors/{id}");
    server.call("DELETE", &path).bearer(&admin).send().await.expect(204);
    server.post("/collectors/refresh-token").bearer(&token).send().await.refused(401, "unauthorized");
    server.get(&path).bearer(&admin).send().await.refused(404, "not_found");
    server.call("DELETE", &path).bearer(&admin).send().await.refused(404, "not_found");
}

#[tokio::test]
async fn the_status_follows_from_what_was_heard() {
    let server = Server::start().await;
    let viewer = server.signed_in(Role::Viewer).await;
    let (id, token) = server.collector("prod-db-01").await;
    let path = format!("/collectors/{id}");
    let look = || async { server.get(&path).bearer(&server.signed_in(Role::Viewer).await).send().await.expect(200) };
    let fresh = look().await;
    assert_eq!((&fresh["status"], &fresh["last_seen"]), (&json!("registered"), &Value::Null));

    server.post("/collectors/refresh-token").bearer(&token).send().await.expect(200);
    let active = look().await;
    assert_eq!((&active["status"], &active["last_seen"]), (&json!("active"), &json!("2026-03-01T12:00:00Z")));

    let client = server.app.pool.get().await.unwrap();
    store::failed(&client, id, "one set was refused", "2026-03-01T12:00:01Z".parse().unwrap()).await.unwrap();
    let failed = look().await;
    assert_eq!((&failed["status"], &failed["last_error"]), (&json!("error"), &json!("one set was refused")));
    store::delivered(&client, id, Some("db-2.example"), None).await.unwrap();
    let mended = look().await;
    assert_eq!((&mended["status"], &mended["hostname"]), (&json!("active"), &json!("db-2.example")));
    assert_eq!(mended["version"], "4.0.0");

    server.pass(Duration::from_secs(300));
    assert_eq!(look().await["status"], "offline");
    let list = server.get("/collectors").bearer(&viewer).send().await.expect(200);
    assert_eq!((&list["total"], &list["data"][0]["status"]), (&json!(1), &json!("offline")));
}
