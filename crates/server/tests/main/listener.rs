//! The listener over real connections: bounds, and our own answer to what is no request.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::Server;

const PATIENCE: Duration = Duration::from_secs(30);

struct Listening {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Listening {
    async fn with(settings: &[(&str, &str)]) -> Self {
        let server = Server::with(settings).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let app = server.app.clone();
            let served = server::serve(app, listener, async {
                let _ = stopped.await;
            });
            let served = served.await;
            drop(server);
            served
        });
        Self { address, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What the server answers to these bytes until it closes.
    async fn says_to(&self, bytes: &[u8]) -> String {
        let mut connection = self.connect().await;
        // Part of it may be refused before all of it is sent.
        let _ = connection.write_all(bytes).await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
        let answer = String::from_utf8(answer).unwrap();
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert!(matches!(read, Ok(Ok(_))), "{read:?} after {sent:?}: {answer}");
        answer
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.serving).await.unwrap().unwrap().unwrap();
    }
}

const VERSION: &[u8] = b"GET /api/v1/version HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn what_is_no_request_gets_our_answer_too() {
    let listening = Listening::with(&[]).await;
    let long = "x".repeat(200_000);
    let many = "a: b\r\n".repeat(200);
    let cases = [
        ("no http at all\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), 400, "bad_request"),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), 400, "bad_request"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431, "headers_too_large"),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nlong: {long}\r\n\r\n"), 431, "headers_too_large"),
        ("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(), 404, "not_found"),
        ("PUT /api/v1/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(), 405, "method_not_allowed"),
    ];
    for (request, status, error) in cases {
        let answer = listening.says_to(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request:.30}: {answer:?}"));
        let head = head.to_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{request:.30}: {answer}");
        for header in
            ["x-request-id: ", "x-frame-options: deny", "content-security-policy: ", "nosniff", "application/json"]
        {
            assert!(head.contains(header), "{request:.30}: no {header} in {head}");
        }
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((body["code"].as_u64(), body["error"].as_str()), (Some(status), Some(error)), "{body}");
        assert!(head.contains(body["request_id"].as_str().unwrap()));
    }
    listening.stop().await;
}

#[tokio::test]
async fn thousands_that_say_nothing_keep_nobody_out() {
    // Sixteen places: more than that say nothing, or send half a head.
    let listening = Listening::with(&[("MAX_CONNECTIONS", "16")]).await;
    let mut silent = Vec::new();
    for index in 0..200 {
        let mut connection = listening.connect().await;
        if index % 2 == 0 {
            connection.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
        }
        silent.push(connection);
    }
    for _ in 0..20 {
        let answer = listening.says_to(VERSION).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let mut buffer = [0; 16];
    let first = timeout(PATIENCE, silent[1].read(&mut buffer)).await.unwrap();
    assert!(matches!(first, Ok(0) | Err(_)), "the first to come has given way");
    listening.stop().await;
}

#[tokio::test]
async fn half_a_head_is_told_that_it_took_too_long_and_silence_is_closed() {
    let listening = Listening::with(&[]).await;
    let (mut half, mut silent) = (listening.connect().await, listening.connect().await);
    half.write_all(b"GET / HTTP/1.1\r\nHost: h").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, half.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    let mut nothing = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut nothing)).await.unwrap().unwrap();
    assert!(nothing.is_empty());
    listening.stop().await;
}
