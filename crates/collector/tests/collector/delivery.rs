//! Every answer of the server, from a server of the test's own.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catalog::Catalog;
use collector::backend::Backend;
use collector::baseline::{Advance, Baseline, Incarnation, Place, ReadingTime};
use collector::lanes::{Lane, Lanes};
use collector::push::{Counters, Pusher};
use collector::spool::Bounds;
use collector::state::{Held, Registration, ServerKnows, Shared, lock};
use collector::watch::Cycle;
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use wire::{Batch, Frame, Reading};

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
    body: Vec<u8>,
    at: Instant,
}

/// Answers pushes from a list, then with "stored"; keeps what it was asked.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<VecDeque<Said>>>,
    /// What a sign of life is answered, where it is not the same as a batch.
    knows: Arc<Mutex<Option<String>>>,
    /// The batches that arrived, but not as signs of life.
    batches: Arc<Mutex<Vec<Batch>>>,
    signs: Arc<Mutex<Vec<wire::Status>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// How many batches each push had.
    pushes: Arc<Mutex<Vec<usize>>>,
    /// Whether it knows nothing of several batches in one request.
    is_of_before: bool,
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
            if push && header("content-type").ends_with("; batches=many") {
                let (status, body) = self.answer_several(&header("authorization"), &body);
                let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            let sequence = push.then(|| {
                let batch = Batch::decode(wire::decompress(&body, 1 << 20).unwrap().as_slice()).unwrap();
                assert!(batch.status.is_some() && batch.collector_id.len() == 16);
                let sequence = batch.sequence;
                if sequence == 0 {
                    assert!(batch.readings.is_empty() && batch.epoch.len() == 16);
                    self.signs.lock().unwrap().extend(batch.status);
                } else {
                    self.batches.lock().unwrap().push(batch);
                }
                sequence
            });
            if sequence == Some(0) {
                let body = self.knows.lock().unwrap().clone().unwrap_or_else(|| STORED.to_owned());
                let answer = format!("HTTP/1.1 202 Said\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            self.pushes.lock().unwrap().extend(push.then_some(1));
            self.asked.lock().unwrap().push(Asked {
                path: path.clone(),
                token: header("authorization"),
                sequence,
                body,
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

    /// Each batch is answered as it is alone.
    fn answer_several(&self, token: &str, body: &[u8]) -> (u16, String) {
        if self.is_of_before {
            self.pushes.lock().unwrap().push(0);
            return (400, r#"{"error":"invalid_body","message":"no batch"}"#.to_owned());
        }
        let body = wire::decompress(body, 64 << 20).unwrap();
        let (mut rest, mut answers) = (body.as_slice(), Vec::new());
        while !rest.is_empty() {
            let batch = Batch::decode_length_delimited(&mut rest).unwrap();
            if batch.sequence == 0 {
                self.signs.lock().unwrap().extend(batch.status);
                let lane = uuid::Uuid::from_slice(&batch.lane).ok();
                let body = serde_json::json!({ "status": "accepted", "lane": lane });
                answers.push(serde_json::json!({ "status": 202, "body": body }));
                continue;
            }
            assert!(batch.status.is_some() && batch.collector_id.len() == 16);
            let (sequence, at) = (Some(batch.sequence), Instant::now());
            let (path, token, body) = ("/metrics/push".to_owned(), token.to_owned(), batch.encode_to_vec());
            self.asked.lock().unwrap().push(Asked { path, token, sequence, body, at });
            self.batches.lock().unwrap().push(batch);
            let (status, headers, body) = self.answers.lock().unwrap().pop_front().unwrap_or((202, "", STORED));
            let after = headers.strip_prefix("retry-after: ").map(|seconds| seconds.trim().parse::<u64>().unwrap());
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            answers.push(serde_json::json!({ "status": status, "retry_after_seconds": after, "body": body }));
        }
        self.pushes.lock().unwrap().push(answers.len());
        (200, serde_json::json!({ "answers": answers }).to_string())
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

/// A collector that has spoken to the server, and whose batches may have arrived.
fn sent_before(state_dir: &Path, records: usize) {
    let shared = spool(state_dir, 0);
    lock(&shared).compare(ServerKnows::default()).unwrap();
    for _ in 0..records {
        lock(&shared).commit(Cycle::default()).unwrap();
    }
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
    let shared = spool(state_dir, records);
    let counters = Arc::new(Counters::default());
    let pusher = pusher(Lanes::of(state_dir, Arc::clone(&shared)), url, &counters);
    Delivery { shared, counters, pusher }
}

fn pusher(lanes: Lanes, url: &str, counters: &Arc<Counters>) -> Pusher {
    let text = format!("[backend]\nurl = \"{url}\"\n[postgres]\ndsn = \"host=/nowhere user=u dbname=d\"\n");
    let config = config::Config::load(None, Some(text), &|_| None, &config::Names::default()).unwrap();
    Pusher {
        backend: Backend::new(&config).unwrap(),
        lanes: Arc::new(lanes),
        catalog: Arc::new(Catalog::embedded().unwrap()),
        name: "test".into(),
        hostname: "test".into(),
        secret: None,
        interval: Duration::from_secs(1),
        counters: Arc::clone(counters),
        wake: Arc::new(Notify::new()),
    }
}

/// Delivers until nothing waits.
async fn deliver(delivery: Delivery) -> (Shared, Arc<Counters>) {
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
    (delivery.shared, delivery.counters)
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

/// What waits was read by an earlier version, and the store is a new one.
#[tokio::test]
async fn older_definitions_are_told_and_what_nobody_knows_any_more_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    drop(spool(dir.path(), 1));
    let file = dir.path().join("spool/definitions.json");
    let kept = |name: &str| std::fs::read_to_string(&file).unwrap().contains(name);
    let mut earlier = Catalog::embedded().unwrap().get("pg_stat_database").unwrap().definition.clone();
    earlier.columns.pop();
    earlier.name = "of_before".to_owned();
    std::fs::write(&file, serde_json::to_vec(&[&earlier]).unwrap()).unwrap();
    let unknown = (409, "", r#"{"error":"unknown_definition","message":""}"#);
    let (server, url) = Server::default().start(&[unknown, unknown]).await;
    let (shared, ..) = deliver(prepare(dir.path(), &url, 1)).await;
    let told = server.asked("/definitions");
    assert_eq!(told.len(), 2);
    let names = |nth: usize| String::from_utf8_lossy(&told[nth].body).contains("of_before");
    assert!(names(0) && !names(1));
    assert_eq!(server.sequences(), [1, 1, 2], "what follows is delivered");
    let lost = lock(&shared).spool.take_lost().to_wire();
    let refused = |one: &wire::Discarded| (one.set.clone(), one.reason.clone(), one.rows);
    let expected = ("pg_stat_database".to_owned(), "refused".to_owned(), 3);
    assert_eq!(lost.iter().map(refused).collect::<Vec<_>>(), [expected]);
    drop(shared);
    assert!(kept("of_before"));
    spool(dir.path(), 0);
    assert!(!kept("of_before") && kept("pg_stat_database"), "nothing waits that it was needed for");
}

#[tokio::test]
async fn what_is_refused_is_kept_apart_within_a_bound_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let refusals: Vec<_> = [400, 413, 415, 422].iter().cycle().take(20).map(|status| (*status, "", "{}")).collect();
    let (server, url) = Server::default().start(&refusals).await;
    let (shared, counters) = deliver(prepare(dir.path(), &url, 21)).await;
    assert_eq!(server.sequences().len(), 21, "none is sent twice");
    assert_eq!(counters.refused_batches.load(std::sync::atomic::Ordering::Relaxed), 20);
    let kept = std::fs::read_dir(dir.path().join("refused")).unwrap().count();
    assert_eq!(kept, 32, "16 batches, each with its reason");
    let lost = lock(&shared).spool.take_lost().to_wire();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].set.as_str(), lost[0].reason.as_str(), lost[0].rows), ("pg_stat_database", "refused", 60));
    assert_eq!(lost[0].readings, 20);
    assert!(lock(&shared).take_repeat(), "infos in them are sent again");
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
        let delivery = prepare(dir.path(), &url, 1);
        texts_sent(&delivery.shared);
        let (shared, _) = deliver(delivery).await;
        assert_eq!((repeats(&shared), knows_texts(&shared)), (changed, !changed), "{known:?}");
        let kept = Registration::load(dir.path()).unwrap().unwrap();
        assert_eq!(kept.store_id.as_deref(), Some("a"));
        // Registered anew, it still knows which store it spoke to.
        registered(dir.path(), "2999-01-01T00:00:00Z", None);
        assert_eq!(Registration::load(dir.path()).unwrap().unwrap().store_id.as_deref(), Some("a"));
    }
}

/// Texts were sent, and the collector knows which.
fn texts_sent(shared: &Shared) {
    let catalog = Catalog::embedded().unwrap();
    let definition = &catalog.get("pg_stat_statements_text").unwrap().definition;
    let place = Place { instance: "one".into(), set: definition.name.clone(), datid: None };
    let at = ReadingTime {
        incarnation: Incarnation::default(),
        started_us: 1,
        time_us: 1,
        instance_time_us: 1,
        since_previous_us: None,
    };
    let baseline = Baseline::new(definition, Frame::new(definition), None, &at).unwrap();
    let advances = vec![Advance::whole(&place, definition, &baseline)];
    lock(shared).commit(Cycle { advances, next: vec![(place, baseline)], ..Cycle::default() }).unwrap();
}

fn repeats(shared: &Shared) -> bool {
    lock(shared).take_repeat()
}

fn knows_texts(shared: &Shared) -> bool {
    lock(shared).baselines().keys().any(|place| place.set == "pg_stat_statements_text")
}

/// With each batch goes the one that was acknowledged last. Where the server lacks it, what is sent once is sent again,
/// once for each loss, whatever is killed meanwhile.
#[tokio::test]
async fn what_the_server_lacks_is_sent_again_once() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", Some("a"));
    let forgotten = r#"{"store_id":"a","forgotten":true}"#;
    let told = |server: &Server| -> Vec<Option<u64>> {
        let batches = server.batches.lock().unwrap();
        let key = |batch: &Batch| batch.status.clone().unwrap().acknowledged.map(|key| key.sequence);
        batches.iter().map(key).collect()
    };
    let signs = |server: &Server| -> Vec<Option<u64>> {
        let signs = server.signs.lock().unwrap();
        signs.iter().map(|status| status.acknowledged.clone().map(|key| key.sequence)).collect()
    };
    // While it runs.
    let (server, url) = Server::default().start(&[(202, "", STORED), (202, "", forgotten)]).await;
    let delivery = prepare(dir.path(), &url, 3);
    texts_sent(&delivery.shared);
    assert!(knows_texts(&delivery.shared));
    let (shared, _) = deliver(delivery).await;
    assert_eq!((signs(&server), told(&server)), (vec![None], vec![None, Some(1), Some(2), Some(3)]));
    assert!(repeats(&shared) && !repeats(&shared));
    assert!(!knows_texts(&shared));
    drop(shared);
    let shared = spool(dir.path(), 0);
    assert!(!knows_texts(&shared), "also after a start");
    texts_sent(&shared);
    drop(shared);
    // After a start: the sign of life asks, and no batch asks again.
    let (server, url) = Server::default().start(&[]).await;
    *server.knows.lock().unwrap() = Some(forgotten.to_owned());
    let (shared, _) = deliver(prepare(dir.path(), &url, 1)).await;
    assert_eq!((signs(&server), told(&server)), (vec![Some(4)], vec![None, Some(5)]));
    assert!(repeats(&shared) && !knows_texts(&shared));
    drop(shared);
    // Nothing is lost.
    let (server, url) = Server::default().start(&[]).await;
    let delivery = prepare(dir.path(), &url, 1);
    texts_sent(&delivery.shared);
    let (shared, _) = deliver(delivery).await;
    assert_eq!((signs(&server), told(&server)), (vec![Some(6)], vec![Some(6), Some(7)]));
    assert!(!repeats(&shared) && knows_texts(&shared));
}

/// Of a batch that was refused the server never had anything.
#[tokio::test]
async fn what_was_dropped_is_not_taken_for_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (_server, url) = Server::default().start(&[(202, "", STORED), (422, "", "{}")]).await;
    let (shared, _) = deliver(prepare(dir.path(), &url, 2)).await;
    let epoch = lock(&shared).spool.epoch();
    assert_eq!(lock(&shared).spool.acknowledged(), None, "all is sent again anyway");
    drop(shared);
    assert_eq!(lock(&spool(dir.path(), 0)).spool.acknowledged(), Some((epoch, 1)));
}

#[tokio::test]
async fn a_backlog_does_not_starve_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[]).await;
    deliver(prepare(dir.path(), &url, 150)).await;
    let expected = std::iter::once(150).chain(1..=64).chain([149]).chain(65..=128).chain([148]).chain(129..=147);
    assert_eq!(server.sequences(), expected.collect::<Vec<u64>>());
    assert_eq!(*server.pushes.lock().unwrap(), [1, 64, 1, 64, 1, 19]);
}

#[tokio::test]
async fn of_several_batches_each_answer_does_what_it_does_alone() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let stored = (202, "", STORED);
    let unknown = (409, "", r#"{"error":"unknown_definition","message":""}"#);
    let later = (503, "retry-after: 1\r\n", "{}");
    let answers = [stored, stored, (422, "", "{}"), unknown, later, stored];
    let (server, url) = Server::default().start(&answers).await;
    let (shared, counters) = deliver(prepare(dir.path(), &url, 12)).await;
    let expected = std::iter::once(12).chain(1..=11).chain([3, 4]);
    assert_eq!(server.sequences(), expected.collect::<Vec<u64>>(), "what was not taken goes again, and nothing else");
    let at: Vec<Instant> = server.asked("/push").into_iter().map(|asked| asked.at).collect();
    assert!(at[12].duration_since(at[11]) >= Duration::from_secs(1), "not before the server asked for it");
    assert_eq!(*server.pushes.lock().unwrap(), [1, 11, 1, 1]);
    assert_eq!(counters.refused_batches.load(std::sync::atomic::Ordering::Relaxed), 1);
    let lost = lock(&shared).spool.take_lost().to_wire();
    assert_eq!((lost.len(), lost[0].reason.as_str(), lost[0].readings), (1, "refused", 1));
}

#[tokio::test]
async fn instances_travel_together_and_none_waits_for_another() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[]).await;
    let bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
    let names = ["broken", "busy", "one", "two"];
    let lanes = Lanes::open(dir.path(), bounds, &names, &Arc::new(Catalog::embedded().unwrap()), "test").unwrap();
    let [broken, busy, one, two] = names.map(|name| lanes.lane_of(name).unwrap());
    let read = |lane: &Lane| {
        let reading = Reading { set: "pg_stat_database".into(), rows: 3, ..Reading::default() };
        let instance = wire::Instance { name: lane.instance.clone(), ..wire::Instance::default() };
        lock(&lane.held).commit(Cycle { instance, readings: vec![reading], ..Cycle::default() }).unwrap();
    };
    for lane in [&broken, &busy, &one, &two] {
        read(lane);
    }
    // What is on disk of one cannot be read; another one is being written to, for as long as this lasts.
    for entry in std::fs::read_dir(broken.folder().join("spool")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            std::fs::write(path, [0; 64]).unwrap();
        }
    }
    let (let_go, let_it_go) = std::sync::mpsc::channel::<()>();
    let (written, is_written) = std::sync::mpsc::channel();
    let writer = std::thread::spawn({
        let busy = Arc::clone(&busy);
        move || {
            let _written = lock(&busy.held);
            written.send(()).unwrap();
            let_it_go.recv().unwrap();
        }
    });
    is_written.recv().unwrap();
    let pusher = pusher(lanes, &url, &Arc::new(Counters::default()));
    let wake = Arc::clone(&pusher.wake);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(pusher.run(stopped));
    let waits = |lane: &Lane| lock(&lane.held).spool.pending_len();
    let until = async |is_so: &dyn Fn() -> bool| {
        let so = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, so).await.expect("it comes to that");
    };
    until(&|| waits(&one) + waits(&two) + waits(&broken) == 0).await;
    assert_eq!(server.signs.lock().unwrap().len(), 3, "of each that can be asked");
    let delivered = || -> Vec<String> {
        let batches = server.batches.lock().unwrap();
        batches.iter().map(|batch| batch.instances[0].name.clone()).collect()
    };
    let mut first = delivered();
    first.sort();
    assert_eq!(first, ["one", "two"]);
    let lost = lock(&broken.held).spool.take_lost().to_wire();
    assert_eq!(lost.iter().map(|lost| lost.reason.as_str()).collect::<Vec<_>>(), ["damaged"], "and counted");
    read(&one);
    wake.notify_one();
    until(&|| waits(&one) == 0).await;
    let_go.send(()).unwrap();
    writer.join().unwrap();
    until(&|| waits(&busy) == 0).await;
    assert_eq!(server.signs.lock().unwrap().len(), 4);
    let lanes: std::collections::BTreeSet<_> =
        server.batches.lock().unwrap().iter().map(|batch| batch.lane.clone()).collect();
    let expected = [&busy, &one, &two].map(|lane| lane.id().unwrap().as_bytes().to_vec());
    assert_eq!(lanes, std::collections::BTreeSet::from(expected));
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn backlogs_of_several_instances_go_out_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[]).await;
    let bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
    let names = ["one", "three", "two"];
    let lanes = Lanes::open(dir.path(), bounds, &names, &Arc::new(Catalog::embedded().unwrap()), "test").unwrap();
    let all = names.map(|name| lanes.lane_of(name).unwrap());
    for lane in &all {
        for _ in 0..50 {
            let instance = wire::Instance { name: lane.instance.clone(), ..wire::Instance::default() };
            lock(&lane.held).commit(Cycle { instance, ..Cycle::default() }).unwrap();
        }
    }
    let pusher = pusher(lanes, &url, &Arc::new(Counters::default()));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(pusher.run(stopped));
    let drained = async {
        while all.iter().any(|lane| lock(&lane.held).spool.pending_len() > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, drained).await.expect("all of it is delivered");
    let pushes = server.pushes.lock().unwrap().clone();
    assert_eq!(pushes.iter().sum::<usize>(), 150 + 3, "with a sign of life of each");
    assert!(pushes.iter().all(|batches| *batches <= 64) && pushes.len() < 20, "{pushes:?}");
    let batches = server.batches.lock().unwrap().clone();
    for name in names {
        let of_lane: Vec<u64> = batches
            .iter()
            .filter(|batch| batch.instances.first().is_some_and(|instance| instance.name == name))
            .map(|batch| batch.sequence)
            .collect();
        assert_eq!(of_lane.len(), 50, "{name}");
        assert_eq!(of_lane.first(), Some(&50), "the newest does not wait for the backlog");
    }
    let left = |batch: &Batch| batch.status.as_ref().map_or(0, |status| status.spool_records);
    assert_eq!(batches.last().map(left), Some(1), "what travels together waits no longer");
    let among_first: std::collections::BTreeSet<&str> =
        batches.iter().take(70).map(|batch| batch.instances[0].name.as_str()).collect();
    assert_eq!(among_first, std::collections::BTreeSet::from(names), "none waits for another's");
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn what_no_several_batches_can_be_told_to_is_sent_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server { is_of_before: true, ..Server::default() }.start(&[]).await;
    let (_, counters) = deliver(prepare(dir.path(), &url, 12)).await;
    let mut sequences = server.sequences();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=12).collect::<Vec<u64>>());
    assert_eq!(server.pushes.lock().unwrap().iter().filter(|batches| **batches == 0).count(), 1, "it is asked once");
    assert_eq!(counters.refused_batches.load(std::sync::atomic::Ordering::Relaxed), 0);
}

/// With the arrival of what is sent next it bounds how far the clocks are apart.
#[tokio::test]
async fn the_time_of_the_last_answer_is_told_with_what_is_sent_next() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[]).await;
    *server.knows.lock().unwrap() = Some(r#"{"answered_at":"2026-03-01T12:00:00.000007Z"}"#.to_owned());
    deliver(prepare(dir.path(), &url, 1)).await;
    assert_eq!(server.signs.lock().unwrap()[0].answered, None, "there was none before");
    let batches = server.batches.lock().unwrap().clone();
    let told = batches[0].status.as_ref().unwrap().answered.unwrap();
    assert_eq!(told.server_us, 1_772_366_400_000_007);
    assert!(told.ago_us < u64::try_from(PATIENCE.as_micros()).unwrap());
}

/// A state directory of before: what was read since its start was written under numbers that the server has.
#[tokio::test]
async fn an_older_state_directory_begins_a_new_epoch() {
    for knows in ["\"last_sequence\":7", "\"last_sequence\":2,\"last_epoch\":\"ffffffff-ffff-7fff-8fff-fffffffffff0\""]
    {
        let dir = tempfile::tempdir().unwrap();
        registered(dir.path(), "2999-01-01T00:00:00Z", None);
        sent_before(dir.path(), 2);
        let (server, url) = Server::default().start(&[]).await;
        *server.knows.lock().unwrap() = Some(format!("{{\"store_id\":\"a\",{knows}}}"));
        let delivery = prepare(dir.path(), &url, 3);
        let before = lock(&delivery.shared).spool.epoch();
        let (shared, ..) = deliver(delivery).await;
        let after = lock(&shared).spool.epoch();
        assert!(after > before, "{knows}");
        let epochs: Vec<(u64, Vec<u8>)> =
            server.batches.lock().unwrap().iter().map(|batch| (batch.sequence, batch.epoch.clone())).collect();
        let (old, new) = (before.as_bytes().to_vec(), after.as_bytes().to_vec());
        let expected: Vec<_> =
            [(1, &old), (2, &old), (3, &new), (4, &new), (5, &new)].map(|(n, epoch)| (n, epoch.clone())).into();
        assert_eq!(epochs, expected, "{knows}");
        drop(shared);
        // It stays so.
        let held = lock(&spool(dir.path(), 0)).spool.epoch();
        assert_eq!(held, after, "{knows}");
    }
}

/// Another process delivered from a copy of the state directory: what waits here it may have counted too.
#[tokio::test]
async fn what_waits_beside_a_copy_that_delivered_is_given_up_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    sent_before(dir.path(), 2);
    let (server, url) = Server::default().start(&[]).await;
    let other = "{\"store_id\":\"a\",\"last_sequence\":2,\"last_process\":\"018f0000-0000-7000-8000-00000000000f\"}";
    *server.knows.lock().unwrap() = Some(other.to_owned());
    let delivery = prepare(dir.path(), &url, 3);
    let before = lock(&delivery.shared).spool.epoch();
    let (shared, ..) = deliver(delivery).await;
    assert!(lock(&shared).spool.epoch() > before);
    assert_eq!(server.sequences(), Vec::<u64>::new());
    let lost = lock(&shared).spool.take_lost().to_wire();
    let of_set = lost.iter().find(|one| one.set == "pg_stat_database").unwrap();
    assert_eq!((of_set.reason.as_str(), of_set.rows), ("restored", 9));
    drop(shared);
    // The next process goes on where this one was.
    deliver(prepare(dir.path(), &url, 1)).await;
    assert_eq!(server.sequences(), [6]);
}

#[tokio::test]
async fn what_waits_from_before_is_no_older_state_directory() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    sent_before(dir.path(), 2);
    let (server, url) = Server::default().start(&[]).await;
    let epoch = lock(&spool(dir.path(), 0)).spool.epoch();
    *server.knows.lock().unwrap() =
        Some(format!("{{\"store_id\":\"a\",\"last_sequence\":2,\"last_epoch\":\"{epoch}\"}}"));
    let (shared, ..) = deliver(prepare(dir.path(), &url, 2)).await;
    assert_eq!((lock(&shared).spool.epoch(), server.sequences()), (epoch, vec![1, 2, 3, 4]));
}

/// A record that is damaged while the collector runs.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[]).await;
    let delivery = prepare(dir.path(), &url, 3);
    let log = dir.path().join("spool/00000000000000000001.log");
    let mut content = std::fs::read(&log).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&log, content).unwrap();
    let (shared, ..) = deliver(delivery).await;
    assert_eq!(server.sequences(), [1, 3]);
    let lost = lock(&shared).spool.take_lost().to_wire();
    assert_eq!((lost.len(), lost[0].reason.as_str(), lost[0].readings), (1, "damaged", 1));
}

/// Where nothing can be spooled there is no batch to tell it with.
#[tokio::test]
async fn a_full_disk_is_told_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    registered(dir.path(), "2999-01-01T00:00:00Z", None);
    let (server, url) = Server::default().start(&[]).await;
    let delivery = prepare(dir.path(), &url, 0);
    let (shared, wake) = (Arc::clone(&delivery.shared), Arc::clone(&delivery.pusher.wake));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(delivery.pusher.run(stopped));
    let until = async |condition: &dyn Fn(&wire::Status) -> bool| {
        let told = async {
            while !server.signs.lock().unwrap().last().is_some_and(condition) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
    };
    until(&|status| status.spool_error.is_empty()).await;
    // No file can be made where its directory is gone.
    std::fs::rename(dir.path().join("spool"), dir.path().join("away")).unwrap();
    let cycle = || Cycle {
        readings: vec![Reading { set: "pg_stat_database".into(), ..Reading::default() }],
        ..Cycle::default()
    };
    lock(&shared).commit(cycle()).unwrap_err();
    wake.notify_one();
    until(&|status| status.spool_error.contains("No such file") && status.unspooled_cycles == 1).await;
    std::fs::rename(dir.path().join("away"), dir.path().join("spool")).unwrap();
    lock(&shared).commit(cycle()).unwrap();
    wake.notify_one();
    let stored = async {
        while lock(&shared).spool.pending_len() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.unwrap();
    let last = server.batches.lock().unwrap().last().unwrap().status.clone().unwrap();
    assert_eq!((last.spool_error.as_str(), last.unspooled_cycles), ("", 1));
    stop.send(true).unwrap();
    running.await.unwrap();
}
