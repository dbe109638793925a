//! /users: managing them, and the first administrator.

use serde_json::{Value, json};
use server::accounts::{Role, add_user, ensure_first_admin, reset_password};
use server::{Clock, SystemClock};
use uuid::Uuid;

use crate::support::{PASSWORD, Server};

#[tokio::test]
async fn an_administrator_makes_changes_and_removes_users() {
    let server = Server::start().await;
    let admin = server.signed_in(Role::Admin).await;
    let new = json!({"username": "ada", "password": "correct horse", "role": "viewer"});
    let made = server.post("/users").bearer(&admin).json(new).send().await.expect(201);
    assert_eq!(made["role"], "viewer");
    assert_eq!(made["created_at"], "2026-03-01T12:00:00Z");
    assert_eq!(made["last_login_at"], Value::Null);
    assert!(made.get("password_hash").is_none());

    let path = format!("/users/{}", made["id"].as_str().unwrap());
    assert_eq!(server.get(&path).bearer(&admin).send().await.expect(200), made);
    let changed = server.call("PATCH", &path).bearer(&admin).json(json!({"role": "user"})).send().await.expect(200);
    assert_eq!((&changed["role"], &changed["username"]), (&json!("user"), &json!("ada")));
    let list = server.get("/users?page_size=1").bearer(&admin).send().await.expect(200);
    assert_eq!(list["data"][0]["username"], "ada");
    assert_eq!((&list["count"], &list["total"], &list["total_pages"]), (&json!(1), &json!(2), &json!(2)));

    let login = json!({"username": "ada", "password": "correct horse"});
    let session = server.post("/auth/login").json(login).send().await.expect(200);
    server.call("DELETE", &path).bearer(&admin).send().await.expect(204);
    let token = session["access_token"].as_str().unwrap();
    server.get("/auth/me").bearer(token).send().await.refused(401, "unauthorized");
    server.get(&path).bearer(&admin).send().await.refused(404, "not_found");
    server.call("DELETE", &path).bearer(&admin).send().await.refused(404, "not_found");
}

#[tokio::test]
async fn a_role_acts_from_the_next_request_on() {
    let server = Server::start().await;
    let admin = server.signed_in(Role::Admin).await;
    let user = server.user("ada", Role::Admin).await;
    let token = server.session(user).await;
    server.get("/users").bearer(&token).send().await.expect(200);
    let path = format!("/users/{user}");
    server.call("PATCH", &path).bearer(&admin).json(json!({"role": "viewer"})).send().await.expect(200);
    server.get("/users").bearer(&token).send().await.refused(403, "forbidden");
}

#[tokio::test]
async fn what_is_wrong_is_said_per_field() {
    let server = Server::start().await;
    let admin = server.signed_in(Role::Admin).await;
    let bad = json!({"username": " ada ", "password": "short", "role": "viewer"});
    let answer = server.post("/users").bearer(&admin).json(bad).send().await.refused(400, "invalid_request");
    let paths: Vec<&str> =
        answer["details"].as_array().unwrap().iter().map(|detail| detail["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["username", "password"]);

    let bad = json!({"username": "ada", "password": PASSWORD, "role": "root"});
    let answer = server.post("/users").bearer(&admin).json(bad).send().await.refused(400, "invalid_request");
    assert_eq!(answer["details"][0]["path"], "role");
    assert!(answer["details"][0]["reason"].as_str().unwrap().contains("unknown variant `root`"));

    let bad = json!({"username": "ada", "password": PASSWORD, "role": "user", "admin": true});
    let answer = server.post("/users").bearer(&admin).json(bad).send().await.refused(400, "invalid_request");
    assert_eq!(answer["details"][0]["path"], "admin");
    assert!(answer["details"][0]["reason"].as_str().unwrap().contains("unknown field `admin`"));
}

#[tokio::test]
async fn two_names_differ_by_more_than_case() {
    let server = Server::start().await;
    let admin = server.signed_in(Role::Admin).await;
    server.user("ada", Role::Viewer).await;
    let bob = server.user("bob", Role::Viewer).await;
    let new = json!({"username": "ADA", "password": "correct horse", "role": "viewer"});
    server.post("/users").bearer(&admin).json(new).send().await.refused(409, "name_taken");
    let rename = server.call("PATCH", &format!("/users/{bob}")).bearer(&admin).json(json!({"username": "Ada"}));
    rename.send().await.refused(409, "name_taken");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let server = Server::start().await;
    let first = server.user("first", Role::Admin).await;
    let token = server.session(first).await;
    let path = format!("/users/{first}");
    let demote = || server.call("PATCH", &path).bearer(&token).json(json!({"role": "user"})).send();
    demote().await.refused(409, "last_admin");
    server.call("DELETE", &path).bearer(&token).send().await.refused(409, "own_account");
    let second = server.user("second", Role::Admin).await;
    demote().await.expect(200);
    let token = server.session(second).await;
    server
        .call("PATCH", &format!("/users/{second}"))
        .bearer(&token)
        .json(json!({"role": "viewer"}))
        .send()
        .await
        .refused(409, "last_admin");
}

#[tokio::test]
async fn of_two_administrators_who_remove_each_other_at_once_one_stays() {
    let server = Server::start().await;
    let (one, two) = (server.user("one", Role::Admin).await, server.user("two", Role::Admin).await);
    let (token_of_one, token_of_two) = (server.session(one).await, server.session(two).await);
    let remove = |id: Uuid, token: &str| server.call("DELETE", &format!("/users/{id}")).bearer(token);
    let calls = [remove(two, &token_of_one), remove(one, &token_of_two)];
    let [a, b] = server.at_once("lock table pganalytics.users in share mode", calls).await;
    let (done, refused) = if a.status == 204 { (a, b) } else { (b, a) };
    done.expect(204);
    refused.refused(409, "last_admin");
}

#[tokio::test]
async fn a_new_password_ends_all_sessions() {
    let server = Server::start().await;
    let admin = server.signed_in(Role::Admin).await;
    let user = server.user("ada", Role::Viewer).await;
    let token = server.session(user).await;
    let path = format!("/users/{user}/reset-password");
    server.post(&path).bearer(&admin).json(json!({"new_password": "battery staple"})).send().await.expect(204);
    server.get("/auth/me").bearer(&token).send().await.refused(401, "unauthorized");
    let login = json!({"username": "ada", "password": "battery staple"});
    server.post("/auth/login").json(login).send().await.expect(200);
    let nobody = format!("/users/{}/reset-password", Uuid::new_v4());
    let answer = server.post(&nobody).bearer(&admin).json(json!({"new_password": "battery staple"})).send().await;
    answer.refused(404, "not_found");
}

#[tokio::test]
async fn the_first_administrator_gets_a_password_of_their_own_once() {
    let server = Server::start().await;
    let first = ensure_first_admin(&server.app).await.unwrap().unwrap();
    let password = first.generated_password.unwrap();
    assert_eq!(first.username, "admin");
    assert_eq!(password.reveal().len(), 20);
    let login = json!({"username": "admin", "password": password.reveal()});
    let session = server.post("/auth/login").json(login).send().await.expect(200);
    assert_eq!(session["user"]["role"], "admin");
    assert!(ensure_first_admin(&server.app).await.unwrap().is_none());
}

#[tokio::test]
async fn the_first_administrator_may_come_from_the_settings() {
    let server = Server::with(&[("ADMIN_USERNAME", "root"), ("ADMIN_PASSWORD", "battery staple")]).await;
    let first = ensure_first_admin(&server.app).await.unwrap().unwrap();
    assert_eq!((first.username.as_str(), first.generated_password), ("root", None));
    let login = json!({"username": "root", "password": "battery staple"});
    server.post("/auth/login").json(login).send().await.expect(200);
}

#[tokio::test]
async fn the_command_line_adds_and_resets_users() {
    let server = Server::start().await;
    let mut client = server.app.pool.get().await.unwrap();
    let now = SystemClock.now();
    let (user, made) = add_user(&client, "ada", None, Role::User, now).await.unwrap();
    assert_eq!(user.role, Role::User);
    let login =
        |password: &str| server.post("/auth/login").json(json!({"username": "ada", "password": password})).send();
    login(made.reveal()).await.expect(200);
    let again = add_user(&client, "Ada", None, Role::User, now).await.unwrap_err();
    assert_eq!(again.to_string(), "there is a user Ada already");
    reset_password(&mut client, "ada", Some("battery staple".to_owned()), now).await.unwrap();
    login(made.reveal()).await.refused(401, "unauthorized");
    login("battery staple").await.expect(200);
    assert!(reset_password(&mut client, "bob", None, now).await.is_err());
}
