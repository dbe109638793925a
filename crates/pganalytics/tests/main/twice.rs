//! A proxy that delivers every batch twice and answers with what the second delivery was told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;

/// The longest request that is passed on.
const MAX_BODY: usize = 64 << 20;

/// The proxy.
pub(crate) struct Twice {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    duplicates: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Onward {
    upstream: String,
    client: reqwest::Client,
    duplicates: Arc<AtomicU64>,
}

impl Twice {
    /// Starts it before a server on a port of this machine.
    pub(crate) async fn start(port: u16) -> Self {
        let duplicates = Arc::new(AtomicU64::new(0));
        let onward = Onward {
            upstream: format!("http://127.0.0.1:{port}"),
            client: reqwest::Client::new(),
            duplicates: Arc::clone(&duplicates),
        };
        let router = Router::new().fallback(pass_on).with_state(onward);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, duplicates }
    }

    /// How many second deliveries the server called duplicates.
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }
}

async fn pass_on(State(onward): State<Onward>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let mut answer = onward.once(&parts.method, &parts.uri, &parts.headers, body.clone()).await;
    if parts.uri.path().ends_with("/metrics/push") && answer.status() == StatusCode::ACCEPTED {
        let second = onward.once(&parts.method, &parts.uri, &parts.headers, body).await;
        let (head, content) = second.into_parts();
        let content = to_bytes(content, MAX_BODY).await.unwrap_or_default();
        if String::from_utf8_lossy(&content).replace(' ', "").contains("\"duplicate\":true") {
            onward.duplicates.fetch_add(1, Ordering::Relaxed);
        }
        answer = Response::from_parts(head, Body::from(content));
    }
    answer
}

impl Onward {
    async fn once(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response {
        let mut headers = headers.clone();
        headers.remove("host");
        headers.remove("content-length");
        let sent =
            self.client.request(method.clone(), format!("{}{uri}", self.upstream)).headers(headers).body(body).send();
        match sent.await {
            Ok(answer) => {
                let mut response = Response::builder().status(answer.status());
                for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
            }
            Err(_) => Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap(),
        }
    }
}
