//! The real router over a real store. The modules mirror the URLs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]
#![expect(clippy::shadow_unrelated, reason = "one answer after another is an answer")]

mod auth;
mod authorization;
mod batch;
mod collectors;
mod conventions;
mod health;
mod limits;
mod migrations;
mod openapi;
mod pages;
mod serve;
mod support;
mod users;
