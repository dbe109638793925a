//! /auth: signing in, going on, signing out.

use std::time::Duration;

use serde_json::{Value, json};
use server::accounts::Role;

use crate::support::{Answer, PASSWORD, Server};

async fn login(server: &Server, username: &str, password: &str) -> Answer {
    server.post("/auth/login").json(json!({"username": username, "password": password})).send().await
}

async fn refresh(server: &Server, token: &Value) -> Answer {
    server.post("/auth/refresh").json(json!({"refresh_token": token})).send().await
}

async fn me(server: &Server, token: &Value) -> Answer {
    server.get("/auth/me").bearer(token.as_str().unwrap()).send().await
}

#[tokio::test]
async fn login_gives_a_session_and_the_cookie() {
    let server = Server::start().await;
    server.user("Ada", Role::User).await;
    let answer = login(&server, "ada", PASSWORD).await;
    let session = answer.expect(200);
    assert_eq!(session["token"], session["access_token"]);
    assert_eq!(session["expires_in"], 900);
    assert_eq!(session["expires_at"], "2026-03-01T12:15:00Z");
    assert_eq!(session["user"]["username"], "Ada");
    assert_eq!(session["user"]["last_login_at"], "2026-03-01T12:00:00Z");
    let token = session["refresh_token"].as_str().unwrap();
    let cookie = format!("pganalytics_refresh={token}; Path=/api/v1/auth; Max-Age=604800; HttpOnly; SameSite=Strict");
    assert_eq!(answer.header("set-cookie"), cookie);
    let user = me(&server, &session["access_token"]).await.expect(200);
    assert_eq!(user, session["user"]);
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_get_the_same_answer() {
    let server = Server::start().await;
    server.user("ada", Role::User).await;
    let mut wrong_password = login(&server, "ada", "wrong horse").await.refused(401, "unauthorized");
    let mut wrong_name = login(&server, "bob", PASSWORD).await.refused(401, "unauthorized");
    wrong_password["request_id"].take();
    wrong_name["request_id"].take();
    // What bcrypt does not look at is a wrong password like any other; what it stops at is no text.
    login(&server, "ada", &format!("{PASSWORD}{}", "x".repeat(72))).await.refused(401, "unauthorized");
    login(&server, "ada", &format!("{PASSWORD}\0x")).await.refused(400, "invalid_request");
    assert_eq!(wrong_password, wrong_name);
}

#[tokio::test]
async fn an_access_token_ends_after_its_time() {
    let server = Server::start().await;
    let token = json!(server.signed_in(Role::Viewer).await);
    server.pass(Duration::from_secs(899));
    me(&server, &token).await.expect(200);
    server.pass(Duration::from_secs(1));
    me(&server, &token).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn logout_revokes_at_once() {
    let server = Server::start().await;
    server.user("ada", Role::User).await;
    let session = login(&server, "ada", PASSWORD).await.expect(200);
    let other = login(&server, "ada", PASSWORD).await.expect(200);
    let answer = server.post("/auth/logout").json(json!({"refresh_token": session["refresh_token"]})).send().await;
    answer.expect(204);
    assert!(answer.header("set-cookie").starts_with("pganalytics_refresh=; Path=/api/v1/auth; Max-Age=0;"));
    me(&server, &session["access_token"]).await.refused(401, "unauthorized");
    refresh(&server, &session["refresh_token"]).await.refused(401, "unauthorized");
    me(&server, &other["access_token"]).await.expect(200);
}

#[tokio::test]
async fn logout_takes_an_access_token_too_and_nothing_is_401() {
    let server = Server::start().await;
    let token = json!(server.signed_in(Role::Viewer).await);
    server.post("/auth/logout").bearer(token.as_str().unwrap()).send().await.expect(204);
    me(&server, &token).await.refused(401, "unauthorized");
    server.post("/auth/logout").send().await.refused(401, "unauthorized");
}

#[tokio::test]
async fn refresh_rotates_in_body_and_cookie() {
    let server = Server::start().await;
    server.user("ada", Role::User).await;
    let first = login(&server, "ada", PASSWORD).await.expect(200);
    let second = refresh(&server, &first["refresh_token"]).await.expect(200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(second["user"]["username"], "ada");
    let cookie = format!("theme=dark; pganalytics_refresh={}", second["refresh_token"].as_str().unwrap());
    let third = server.post("/auth/refresh").header("Cookie", &cookie).send().await.expect(200);
    assert_ne!(third["refresh_token"], second["refresh_token"]);
    me(&server, &third["access_token"]).await.expect(200);
    // The same session all along: its first access token still works.
    me(&server, &first["access_token"]).await.expect(200);
}

#[tokio::test]
async fn an_old_token_gets_the_same_successor_for_ten_seconds_and_then_ends_the_session() {
    let server = Server::start().await;
    server.user("ada", Role::User).await;
    let first = login(&server, "ada", PASSWORD).await.expect(200);
    let second = refresh(&server, &first["refresh_token"]).await.expect(200);
    server.pass(Duration::from_secs(10));
    let again = refresh(&server, &first["refresh_token"]).await.expect(200);
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    server.pass(Duration::from_secs(1));
    refresh(&server, &first["refresh_token"]).await.refused(401, "token_reused");
    refresh(&server, &second["refresh_token"]).await.refused(401, "unauthorized");
    me(&server, &second["access_token"]).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn of_two_refreshes_at_once_both_get_the_same_successor() {
    let server = Server::start().await;
    server.user("ada", Role::User).await;
    let first = login(&server, "ada", PASSWORD).await.expect(200);
    let trade = || server.post("/auth/refresh").json(json!({"refresh_token": first["refresh_token"]}));
    let [one, two] = server.at_once("select from pganalytics.sessions for update", [trade(), trade()]).await;
    assert_eq!(one.expect(200)["refresh_token"], two.expect(200)["refresh_token"]);
}

#[tokio::test]
async fn a_refresh_token_ends_after_its_time() {
    let server = Server::start().await;
    server.user("ada", Role::User).await;
    let first = login(&server, "ada", PASSWORD).await.expect(200);
    server.pass(Duration::from_secs(604_800));
    refresh(&server, &first["refresh_token"]).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_refresh_without_a_token_is_204_and_with_an_unknown_one_401() {
    let server = Server::start().await;
    let nobody = server.post("/auth/refresh").send().await;
    assert_eq!((nobody.status.as_u16(), nobody.text.as_str()), (204, ""));
    refresh(&server, &json!("pgr_nobodys")).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn only_hashes_are_stored() {
    let server = Server::start().await;
    server.user("ada", Role::User).await;
    let session = login(&server, "ada", PASSWORD).await.expect(200);
    let client = server.app.pool.get().await.unwrap();
    for table in ["users", "sessions", "refresh_tokens"] {
        let rows = client.query(&format!("select t::text from pganalytics.{table} t"), &[]).await.unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            let text: String = row.get(0);
            assert!(!text.contains(PASSWORD), "{text}");
            assert!(!text.contains(session["refresh_token"].as_str().unwrap()), "{text}");
        }
    }
}

#[tokio::test]
async fn changing_the_password_ends_the_other_sessions() {
    let server = Server::start().await;
    let user = server.user("ada", Role::Viewer).await;
    let (mine, other) = (server.session(user).await, server.session(user).await);
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        server.post("/auth/change-password").bearer(&mine).json(body)
    };
    let wrong = change("wrong horse", "battery staple").send().await.refused(400, "invalid_request");
    assert_eq!(wrong["details"][0]["path"], "current_password");
    let short = change(PASSWORD, "short").send().await.refused(400, "invalid_request");
    assert_eq!(short["details"], json!([{"path": "new_password", "reason": "expected 8 characters or more"}]));
    let long = change(PASSWORD, &"ä".repeat(37)).send().await.refused(400, "invalid_request");
    assert!(long["details"][0]["reason"].as_str().unwrap().contains("72 bytes"));

    change(PASSWORD, "battery staple").send().await.expect(204);
    me(&server, &json!(mine)).await.expect(200);
    me(&server, &json!(other)).await.refused(401, "unauthorized");
    login(&server, "ada", PASSWORD).await.refused(401, "unauthorized");
    login(&server, "ada", "battery staple").await.expect(200);
}

#[tokio::test]
async fn many_wrong_passwords_at_once_are_answered_at_once_and_a_known_user_gets_in() {
    let server = Server::with(&[("RATE_LIMIT_ADDRESS_PER_MINUTE", "10000")]).await;
    server.user("ada", Role::User).await;
    server.user("eve", Role::User).await;
    login(&server, "ada", PASSWORD).await.expect(200);
    // Some at a name that is, some at names that are not, some at the known user's own: nothing tells them apart.
    let calls = (0..60).map(|index| {
        let name = match index % 3 {
            0 => "eve".to_owned(),
            1 => "ada".to_owned(),
            _ => format!("nobody-{index}"),
        };
        let body = json!({"username": name, "password": "wrong horse"});
        tokio::spawn(server.post("/auth/login").json(body).send())
    });
    let calls: Vec<_> = calls.collect();
    login(&server, "ada", PASSWORD).await.expect(200);
    let mut counts = std::collections::BTreeMap::<u16, usize>::new();
    for call in calls {
        let answer = call.await.unwrap();
        if answer.status == 429 {
            answer.refused(429, "rate_limited");
            answer.header("retry-after");
        }
        *counts.entry(answer.status.as_u16()).or_default() += 1;
    }
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [401, 429], "{counts:?}");
    assert!(counts[&401] >= 2 && counts[&429] > 40, "{counts:?}");
}
