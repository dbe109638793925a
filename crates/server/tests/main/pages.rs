//! What is no API: our pages, or a page that says they were not built.

use crate::support::Server;

#[tokio::test]
async fn every_path_of_the_pages_answers_html() {
    let server = Server::start().await;
    for path in ["//", "//instances/1/queries?order=calls", "//sign-in"] {
        let answer = server.get(path).send().await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    }
}

#[tokio::test]
async fn nothing_outside_the_pages_is_served() {
    let server = Server::start().await;
    for path in ["//assets/../../../Cargo.toml", "//assets/%2e%2e/%2e%2e/Cargo.toml", "//../Cargo.toml"] {
        let answer = server.get(path).send().await;
        assert!(!answer.text.contains("[package]"), "{path}: {}", answer.text);
    }
}
