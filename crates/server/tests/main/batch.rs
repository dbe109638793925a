//! POST /batch: several reads at once, each with its own status.

use serde_json::json;
use server::accounts::Role;

use crate::support::Server;

#[tokio::test]
async fn each_read_gets_what_it_gets_alone() {
    let server = Server::start().await;
    let viewer = server.signed_in(Role::Viewer).await;
    let paths = ["/auth/me", "/users", "/collectors?page_size=0", "/nothing", "/docs", "/version"];
    let requests: Vec<_> = paths.iter().map(|path| json!({"path": path})).collect();
    let answer = server.post("/batch").bearer(&viewer).json(json!({"requests": requests})).send().await.expect(200);
    let responses = answer["responses"].as_array().unwrap();
    let statuses: Vec<u64> = responses.iter().map(|response| response["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 403, 400, 404, 400, 200]);
    assert_eq!(responses[0]["body"]["role"], "viewer");
    assert_eq!(responses[1]["body"]["error"], "forbidden");
    assert_eq!(responses[2]["body"]["details"][0]["path"], "page_size");
    assert_eq!(responses[3]["body"]["error"], "not_found");
    assert_eq!(responses[4]["body"]["error"], "not_json");
    assert_eq!(responses[5]["body"]["api_version"], "v1");
}

#[tokio::test]
async fn a_batch_counts_as_one_request() {
    let server = Server::with(&[("RATE_LIMIT_USER_PER_MINUTE", "10")]).await;
    let viewer = server.signed_in(Role::Viewer).await;
    let requests = vec![json!({"path": "/auth/me"}); 20];
    let answer = server.post("/batch").bearer(&viewer).json(json!({"requests": requests})).send().await;
    assert!(answer.expect(200)["responses"].as_array().unwrap().iter().all(|response| response["status"] == 200));
    assert_eq!(answer.header("x-ratelimit-remaining"), "9");
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    let server = Server::start().await;
    let viewer = server.signed_in(Role::Viewer).await;
    let send = |body| server.post("/batch").bearer(&viewer).json(body).send();
    send(json!({"requests": []})).await.refused(400, "invalid_request");
    send(json!({"requests": vec![json!({"path": "/version"}); 21]})).await.refused(400, "invalid_request");
    let answer = send(json!({"requests": [{"path": "/version"}, {"path": "version"}, {"path": "/a b"}]})).await;
    let details = answer.refused(400, "invalid_request")["details"].clone();
    assert_eq!((&details[0]["path"], &details[1]["path"]), (&json!("requests[1].path"), &json!("requests[2].path")));
    let answer = send(json!({"requests": [{"path": "/version", "method": "POST"}]})).await;
    assert_eq!(answer.refused(400, "invalid_request")["details"][0]["path"], "requests[0].method");
}

#[tokio::test]
async fn batches_do_not_nest_and_only_read() {
    let server = Server::start().await;
    let viewer = server.signed_in(Role::Viewer).await;
    let requests = json!([{"path": "/batch"}, {"path": "/auth/logout"}]);
    let answer = server.post("/batch").bearer(&viewer).json(json!({"requests": requests})).send().await.expect(200);
    assert_eq!(answer["responses"][0]["status"], 404);
    assert_eq!(answer["responses"][1]["status"], 404);
    server.get("/auth/me").bearer(&viewer).send().await.expect(200);
}
