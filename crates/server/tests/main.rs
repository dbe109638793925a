//! The real router over a real store. The modules mirror the URLs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]
#![expect(clippy::shadow_unrelated, reason = "one answer after another is an answer")]

#[path = "main/auth.rs"]
mod auth;
#[path = "main/authorization.rs"]
mod authorization;
#[path = "main/batch.rs"]
mod batch;
#[path = "main/collectors.rs"]
mod collectors;
#[path = "main/conventions.rs"]
mod conventions;
#[path = "main/health.rs"]
mod health;
#[path = "main/limits.rs"]
mod limits;
#[path = "main/migrations.rs"]
mod migrations;
#[path = "main/openapi.rs"]
mod openapi;
#[path = "main/pages.rs"]
mod pages;
#[path = "main/serve.rs"]
mod serve;
#[path = "main/support.rs"]
mod support;
#[path = "main/users.rs"]
mod users;
