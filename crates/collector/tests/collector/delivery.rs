//! Every answer of the server, from a server of the test's own.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catalog::Catalog;
use collector::backend::Backend;
use collector::push::{Counters, Pusher};
use collector::spool::Bounds;
use collector::state::{Held, Registration, Shared, lock};
use collector::watch::Cycle;
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use wire::{Batch, Reading};

const STORED: &str = r#"{"duplicate":false,"store_id":"a","rejected":[]}"#;
/// Longer than any of these deliveries takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Status, headers and body.
type Said = (u16, &'static str, &'static str);

#[derive(Clone, Debug)]
struct Asked {
    path: String,
    token: String,
    sequence: Option<u64>,
    at: Instant,
}

/// Answers pushes from a list, then with "stored"; keeps what it was asked.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<VecDeque<Said>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    async fn start(self, answers: &[Said]) -> (Self, String) {
        self.answers.lock().unwrap().extend(answers.iter().copied());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(BufReader::new(stream)));
            }
        });
        (self, url)
    }

    async fn serve(self, mut stream: BufReader<tokio::net::TcpStream>) {
        loop {
            let (mut head, mut line) = (Vec::new(), String::new());
            loop {
                line.clear();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                if line == "\r\n" {
                    break;
                }
                head.push(line.trim().to_owned());
            }
            let header = |name: &str| {
                let found = head
                    .iter()
                    .filter_map(|line| line.split_once(": "))
                    .find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_owned()).unwrap_or_default()
            };
            let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
            stream.read_exact(&mut body).await.unwrap();
            let path = head[0].split(' ').nth(1).unwrap().to_owned();
            let push = path.ends_with("/metrics/push");
            let sequence = push.then(|| {
                let batch = Batch::decode(wire::decompress(&body, 1 << 20).unwrap().as_slice()).unwrap();
                assert!(batch.status.is_some() && batch.collector_id.len() == 16);
                batch.sequence
            });
            self.asked.lock().unwrap().push(Asked {
                path: path.clone(),
                token: header("authorization"),
                sequence,
                at: Instant::now(),
            });
            let far = r#"{"collector_id":"018f0000-0000-7000-8000-000000000001","token":"fresh","expires_at":"2999-01-01T00:00:00Z"}"#;
            let (status, headers, body) = match path.rsplit('/').next().unwrap() {
                "push" => self.answers.lock().unwrap().pop_front().unwrap_or((202, "", STORED)),
                "register" | "refresh-token" => (200, "", far),
                _ => (200, "", "{}"),
            };
            let answer = format!("HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn asked(&self, end: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path.ends_with(end)).cloned().collect()
    }

    fn sequences(&self) -> Vec<u64> {
        self.asked("/push").into_iter().filter_map(|asked| asked.sequence).collect()
    }
}

struct Delivery {
    shared: Shared,
    counters: Arc<Counters>,
    store_changed: Arc<AtomicBool>,
    pusher: Pusher,
}

fn spool(state_dir: &Path, records: usize) -> Shared {
    let bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
    let mut held = Held::open(state_dir, bounds, Arc::new(Catalog::embedded().unwrap()), "test".into()).unwrap();
    for _ in 0..records {
        let reading = Reading { set: "pg_stat_database".into(), rows: 3, ..Reading::default() };
        held.commit(Cycle { readings: vec![reading], ..Cycle::default() }).unwrap();
    }
    Arc::new(Mutex::new(held))
}

fn registered(state_dir: &Path, expires_at: &str, store_id: Option<&str>) {
    let registration = Registration {
        collector_id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        token: "old".into(),
        expires_at: expires_at.parse().unwrap(),
        store_id: store_id.map(str::to_owned),
    };
    registration.save(state_dir).unwrap();
}

fn prepare(state_dir: &Path, url: &str, records: usize) -> Delivery {
    let text = format!("[backend]\nurl = \"{url}\"\n[postgres]\ndsn = \"host=/nowhere user=u dbname=d\"\n");
    let config = config::Config::load(None, Some(text), &|_| None, &config::Names::default()).unwrap();
    let shared = spool(state_dir, records);
    let (counters, store_changed) = (Arc::new(Counters::default()), Arc::new(AtomicBool::new(false)));
    let pusher = Pusher {
        backend: Backend::new(&config).unwrap(),
        shared: Arc::clone(&shared),
        catalog: Arc::new(Catalog::embedded().unwrap()),
        state_dir: state_dir.to_owned(),
        name: "test".into(),
        hostname: "test".into(),
        secret: None,
        interval: Duration::from_secs(1),
        store_changed: Arc::clone(&store_changed),
        counters: Arc::clone(&counters),
        wake: Arc::new(Notify::new()),
    };
    Delivery { shared, counters, store_changed, pusher }
}

/// Delivers until nothing waits.
async fn deliver(delivery: Delivery) -> (Shared, Arc<Counters>, Arc<AtomicBool>) {
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(delivery.pusher.run(stopped));
    let shared = Arc::clone(&delivery.shared);
    let drained = async {
        while lock(&shared).spool.pending_len() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, drained).await.expect("everything is delivered or refused");
    stop.send(true).unwrap();
    running.await.unwrap();
    (delivery.shared, delivery.counters, delivery.store_changed)
}

#[tokio::test]
async fn what_is_not_stored_now_is_kept_and_sent_again() {
    for (status, headers, least) in [
        (503, "retry-after: 2\r\n", Duration::from_secs(2)),
        (429, "", Duration::from_millis(500)),
        (408, "", Duration::from_millis(500)),
        (500, "", Duration::from_millis(500)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        registered(dir.path(), "2999-01-01T00:00:00Z", None);
        let (server, url) = Server::default().start(&[(status, headers, "{}")]).await;
        deliver(prepare(dir.path(), &url, 1)).await;
        let asked = server.asked("/push");
        assert_eq!(server.sequences(), [1, 1], "{status}");
        assert!(asked[1].at.duration_since(asked[0].at) >= least, "{status}: too early");
    }
}

#[tokio::test]
async fn an_unknown_definition_is_told_once_and_the_batch_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let unknown = (409, "", r#"{"error":"unknown_definition","message":""}"#);
    let (server, url) = Server::default().start(&[unknown]).await;
    deliver(prepare(dir.path(), &url, 2)).await;
    assert_eq!(server.sequences(), [1, 1, 2]);
    assert_eq!(server.asked("/definitions").len(), 1);
}

#[tokio::test]
async fn what_is_refused_is_kept_apart_within_a_bound_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let refusals: Vec<_> = [400, 413, 415, 422].iter().cycle().take(20).map(|status| (*status, "", "{}")).collect();
    let (server, url) = Server::default().start(&refusals).await;
    let (shared, counters, _) = deliver(prepare(dir.path(), &url, 21)).await;
    assert_eq!(server.sequences().len(), 21, "none is sent twice");
    assert_eq!(counters.refused_batches.load(std::sync::atomic::Ordering::Relaxed), 20);
    let kept = std::fs::read_dir(dir.path().join("refused")).unwrap().count();
    assert_eq!(kept, 32, "16 batches, each with its reason");
    let lost = lock(&shared).spool.take_lost().to_wire();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].set.as_str(), lost[0].reason.as_str(), lost[0].rows), ("pg_stat_database", "refused", 60));
}

#[tokio::test]
async fn a_token_that_is_not_accepted_or_about_to_end_is_refreshed() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[(401, "", "{}")]).await;
    deliver(prepare(dir.path(), &url, 1)).await;
    let tokens: Vec<_> = server.asked("").into_iter().map(|asked| (asked.token, asked.sequence)).collect();
    assert_eq!(tokens, [("Bearer old".into(), Some(1)), ("Bearer old".into(), None), ("Bearer fresh".into(), Some(1))]);
    assert_eq!(Registration::load(dir.path()).unwrap().unwrap().token, "fresh");

    let dir = tempfile::tempdir().unwrap();
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)).to_string();
    registered(dir.path(), &soon, None);
    let (server, url) = Server::default().start(&[]).await;
    deliver(prepare(dir.path(), &url, 2)).await;
    let tokens: Vec<_> = server.asked("/push").into_iter().map(|asked| asked.token).collect();
    assert_eq!((tokens, server.asked("/refresh-token").len()), (vec!["Bearer fresh".to_owned(); 2], 1));
}

#[tokio::test]
async fn another_store_is_noticed() {
    for (known, changed) in [(None, false), (Some("a"), false), (Some("b"), true)] {
        let dir = tempfile::tempdir().unwrap();
        registered(dir.path(), "2999-01-01T00:00:00Z", known);
        let (_server, url) = Server::default().start(&[]).await;
        let (_, _, flag) = deliver(prepare(dir.path(), &url, 1)).await;
        assert_eq!(flag.load(std::sync::atomic::Ordering::Relaxed), changed, "{known:?}");
        let kept = Registration::load(dir.path()).unwrap().unwrap();
        assert_eq!(kept.store_id.as_deref(), Some("a"));
        // Registered anew, it still knows which store it spoke to.
        registered(dir.path(), "2999-01-01T00:00:00Z", None);
        assert_eq!(Registration::load(dir.path()).unwrap().unwrap().store_id.as_deref(), Some("a"));
    }
}

#[tokio::test]
async fn a_backlog_does_not_starve_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[]).await;
    deliver(prepare(dir.path(), &url, 12)).await;
    assert_eq!(server.sequences(), [12, 1, 11, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}
