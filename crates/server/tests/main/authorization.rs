//! Every endpoint × who calls: one golden table, made by calling the real router.
//! `UPDATE_GOLDEN=1` writes it anew; read the difference before you commit it.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;
use server::accounts::Role;
use server::http::endpoints;

use crate::support::{REGISTRATION_SECRET, Server};

const HEADER: &str = "\
# Made from the endpoint table by tests/main/authorization.rs: the status that each caller gets.
# Bodies are {} and identifiers name nothing, so 400 and 404 mean that the caller was let through.
# \"refresh\" sends a refresh token as if it were an access token; \"secret\" sends X-Registration-Secret alone.
";

const CALLERS: [&str; 7] = ["nobody", "viewer", "user", "admin", "collector", "refresh", "secret"];

#[tokio::test]
async fn every_endpoint_answers_each_caller_as_the_golden_table_says() {
    let unlimited = "1000000";
    let server = Server::measuring(&[
        ("RATE_LIMIT_ADDRESS_PER_MINUTE", unlimited),
        ("RATE_LIMIT_USER_PER_MINUTE", unlimited),
        ("RATE_LIMIT_COLLECTOR_PER_MINUTE", unlimited),
    ])
    .await;
    let mut table = HEADER.to_owned();
    let _ = writeln!(table, "{:<60}{}", "", CALLERS.map(|caller| format!("{caller:<10}")).concat().trim_end());
    for endpoint in endpoints() {
        let mut line = format!("{:<60}", format!("{} {}", endpoint.method.as_str(), endpoint.path));
        for caller in CALLERS {
            let mut call = server.call(endpoint.method.as_str(), &endpoint.example_path());
            if endpoint.method.as_str() != "GET" {
                call = call.json(json!({}));
            }
            // A new session each time: one of the endpoints ends it.
            let call = match caller {
                "viewer" => call.bearer(&server.signed_in(Role::Viewer).await),
                "user" => call.bearer(&server.signed_in(Role::User).await),
                "admin" => call.bearer(&server.signed_in(Role::Admin).await),
                "collector" => call.bearer(&server.collector("golden").await.1),
                "refresh" => call.bearer("pgr_0123456789012345678901234567890123456789012"),
                "secret" => call.header("X-Registration-Secret", REGISTRATION_SECRET),
                _ => call,
            };
            let answer = call.send().await;
            let _ = write!(line, "{:<10}", answer.status.as_u16());
        }
        let _ = writeln!(table, "{}", line.trim_end());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authorization.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == table, "the table is now:\n{table}\nthe golden one was:\n{golden}");
}
