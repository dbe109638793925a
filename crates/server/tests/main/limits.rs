//! Rate limits: whose bucket, what the headers say, what an empty one answers.

use serde_json::json;
use server::accounts::Role;

use crate::support::{REGISTRATION_SECRET, Server};

#[tokio::test]
async fn an_empty_bucket_answers_429() {
    let server = Server::with(&[("RATE_LIMIT_ADDRESS_PER_MINUTE", "3")]).await;
    for left in ["2", "1", "0"] {
        let answer = server.get("/health").send().await;
        answer.expect(200);
        assert_eq!(answer.header("x-ratelimit-limit"), "3");
        assert_eq!(answer.header("x-ratelimit-remaining"), left);
    }
    // Whatever a client claims about its address.
    let answer = server.get("/version").header("X-Forwarded-For", "203.0.113.7").send().await;
    answer.refused(429, "rate_limited");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    let retry: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&retry), "{retry}");
    assert_eq!(answer.header("x-ratelimit-reset"), "60");
}

#[tokio::test]
async fn each_user_and_each_collector_has_a_bucket() {
    let settings = [("RATE_LIMIT_USER_PER_MINUTE", "2"), ("RATE_LIMIT_COLLECTOR_PER_MINUTE", "3")];
    let server = Server::with(&settings).await;
    let ada = server.user("ada", Role::Viewer).await;
    // Two sessions of one user share one bucket.
    let (one, two) = (server.session(ada).await, server.session(ada).await);
    let bob = server.signed_in(Role::Viewer).await;
    let me = |token: &str| server.get("/auth/me").bearer(token).send();
    me(&one).await.expect(200);
    me(&two).await.expect(200);
    me(&one).await.refused(429, "rate_limited");
    me(&bob).await.expect(200);
    let (_, collector) = server.collector("prod-db-01").await;
    let answer = server.post("/collectors/refresh-token").bearer(&collector).send().await;
    assert_eq!((answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")), ("3", "2"));
}

#[tokio::test]
async fn guesses_are_taken_from_the_address() {
    let server = Server::with(&[("RATE_LIMIT_ADDRESS_PER_MINUTE", "2")]).await;
    let viewer = server.signed_in(Role::Viewer).await;
    for _ in 0..2 {
        server.get("/auth/me").bearer("guess").send().await.refused(401, "unauthorized");
    }
    server.get("/auth/me").bearer("guess").send().await.refused(429, "rate_limited");
    let login = json!({"username": "ada", "password": "correct horse"});
    server.post("/auth/login").json(login).send().await.refused(429, "rate_limited");
    // Who is known is not shut out by those who guess from the same address.
    server.get("/auth/me").bearer(&viewer).send().await.expect(200);
}

#[tokio::test]
async fn who_knows_the_registration_secret_is_not_taken_for_a_guesser() {
    let server = Server::with(&[("RATE_LIMIT_ADDRESS_PER_MINUTE", "2")]).await;
    let register = |secret: &str| {
        let body = json!({"name": "one of many", "hostname": "db-1.example", "version": "4.0.0"});
        server.post("/collectors/register").header("X-Registration-Secret", secret).json(body).send()
    };
    for _ in 0..10 {
        let answer = register(REGISTRATION_SECRET).await;
        answer.expect(201);
        assert!(!answer.headers.contains_key("x-ratelimit-limit"), "nothing limits it: {answer:?}");
    }
    for left in ["1", "0"] {
        let answer = register("a guess").await;
        answer.refused(401, "unauthorized");
        assert_eq!(answer.header("x-ratelimit-remaining"), left);
    }
    register("a guess").await.refused(429, "rate_limited");
    register(REGISTRATION_SECRET).await.expect(201);
}

#[tokio::test]
async fn a_bucket_is_forgotten_when_it_is_full_again() {
    // At a million a minute one request is refilled in 60 microseconds.
    let server = Server::with(&[("RATE_LIMIT_ADDRESS_PER_MINUTE", "1000000")]).await;
    server.get("/version").send().await.expect(200);
    let limits = &server.app.limits;
    assert_eq!(limits.len(), 1);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !limits.is_empty() {
        limits.evict_idle();
        assert!(std::time::Instant::now() < deadline, "an idle bucket is kept");
    }
}
