//! What the version before left while its server was away: today's collector delivers it, into a new store and into
//! the one of the version before.
//!
//! `tests/upgrade/before.tar.gz` is of commit 9fc174b (PostgreSQL 15): `registration.json` and `spool/` of its
//! collector's state directory, with batches that wait, and `store.sql`, its store as `pg_dump` wrote it. Made by
//! `scripts/golden-spool`, with the binary of that commit; the next version is given its own in the same way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::store::{PoolSettings, Store};
use catalog::{Catalog, Column, Definition, DefinitionHash, Kind, SetKind, Type};
use collector::backend::Backend;
use collector::clock::{Clock, Machine};
use collector::lanes::Lanes;
use collector::push::{Counters, Pusher};
use collector::spool::{Bounds, Record};
use collector::state::{Held, Registration, lock};
use config::{Config, Names};
use ingest::MAX_DECODED;
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use server::{App, Settings};
use testkit::StoreDatabase;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use uuid::Uuid;
use wire::{Batch, FlagReason, SetState};

/// As in `scripts/golden-spool`.
const REGISTRATION_SECRET: &str = "registration-of-the-golden-store";
const JWT_SECRET: &str = "signs-the-tokens-of-the-golden-store";
const ROOMY: Bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
/// Longer than the delivery takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The moment of the delivery: soon after the spool was written, however long ago that is.
#[derive(Clone, Copy, Debug)]
struct At(Timestamp);

impl server::Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Machine for At {
    fn time_of_day_us(&self) -> i64 {
        self.0.as_microsecond()
    }

    fn boottime_us(&self) -> u64 {
        0
    }

    fn boot_id(&self) -> Option<Uuid> {
        None
    }
}

/// What the version before left, unpacked: the state directory of its collector, and its store.
struct Left(tempfile::TempDir);

impl Left {
    fn unpack() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/before.tar.gz");
        let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(directory.path()).status().unwrap();
        assert!(unpacked.success());
        Self(directory)
    }

    fn state_dir(&self) -> &Path {
        self.0.path()
    }

    /// Its store, not upgraded yet.
    async fn store(&self) -> StoreDatabase {
        let database = testkit::store().await.unwrap();
        let sql = fs::read_to_string(self.state_dir().join("store.sql")).unwrap();
        database.connect().await.unwrap().simple_query(&sql).await.unwrap();
        database
    }
}

/// A server of today over a store, which it brings up to date.
struct Server {
    store: Client,
    url: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<anyhow::Result<()>>,
    _data_dir: tempfile::TempDir,
}

impl Server {
    async fn start(database: &StoreDatabase, at: At) -> Self {
        let mut store = database.connect().await.unwrap();
        server::migrations::migrate(&mut store).await.unwrap();
        let settings = PoolSettings { url: database.dsn.clone(), max_connections: 4 };
        let pool = ::store::open(&settings).await.unwrap();
        let data_dir = tempfile::tempdir().unwrap();
        let settings = Settings::from_pairs(&[
            ("DATA_DIR", data_dir.path().to_str().unwrap()),
            ("REGISTRATION_SECRET", REGISTRATION_SECRET),
            ("JWT_SECRET", JWT_SECRET),
        ]);
        let catalog = Catalog::embedded().unwrap();
        let app = App::new(settings.unwrap(), pool.clone(), pool.clone(), pool.clone().into(), catalog, Arc::new(at))
            .unwrap();
        app.start_ingest(Arc::new(Store::prepare(pool, Arc::clone(&app.catalog)).await.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server::serve(app, listener, async {
            let _ = stopped.await;
        }));
        Self { store, url, stop, serving, _data_dir: data_dir }
    }

    async fn stop(self) -> Client {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
        self.store
    }
}

/// What is in a spool, or in a store.
#[derive(Debug, Default, PartialEq)]
struct Content {
    /// Readings by set.
    readings: BTreeMap<String, i64>,
    /// Rows by set, texts aside.
    rows: BTreeMap<String, i64>,
    /// Sums of counters by set and column.
    sums: BTreeMap<(String, String), i64>,
    /// Flagged intervals by reason.
    flags: BTreeMap<String, i64>,
    /// Texts, by `dbid` and `queryid`.
    texts: BTreeSet<(i64, i64)>,
}

impl Content {
    /// Adds what a batch has.
    fn add(&mut self, batch: &Batch, definitions: &HashMap<DefinitionHash, Definition>) {
        for reading in &batch.readings {
            *self.readings.entry(reading.set.clone()).or_default() += 1;
            for flag in &reading.flags {
                let reason = FlagReason::try_from(flag.reason).unwrap().word();
                *self.flags.entry(reason.to_owned()).or_default() += 1;
            }
            // One that failed names nothing that it was read by.
            let Ok(hash) = <[u8; 16]>::try_from(reading.definition.as_slice()) else {
                assert_eq!(reading.rows, 0);
                continue;
            };
            let definition = &definitions[&DefinitionHash(hash)];
            let frame = reading.decode_rows(definition).unwrap();
            if definition.kind() == SetKind::Texts {
                let column = |name: &str| frame.column(definition.column(name).unwrap().0).unwrap();
                let key = |row| (column("dbid").int(row).unwrap(), column("queryid").int(row).unwrap());
                self.texts.extend((0..frame.rows).map(key));
                continue;
            }
            *self.rows.entry(reading.set.clone()).or_default() += i64::from(reading.rows);
            for (place, column) in counters(definition) {
                let Some(values) = frame.column(place) else { continue };
                let sum: i64 = (0..frame.rows).filter_map(|row| values.int(row)).sum();
                *self.sums.entry((reading.set.clone(), column.to_owned())).or_default() += sum;
            }
        }
    }

    /// What a store has of these sets and columns.
    async fn stored(like: &Self, store: &Client) -> Self {
        let one = async |sql: &str| store.query_one(sql, &[]).await.unwrap().get::<_, Option<i64>>(0).unwrap_or(0);
        let mut content = Self::default();
        for set in like.readings.keys() {
            let count = format!("select count(*) from metrics.readings where set_name = '{set}'");
            content.readings.insert(set.clone(), one(&count).await);
        }
        for set in like.rows.keys() {
            content.rows.insert(set.clone(), one(&format!("select count(*) from metrics.{set}")).await);
        }
        for (set, column) in like.sums.keys() {
            let sum = one(&format!("select sum({column})::int8 from metrics.{set}")).await;
            content.sums.insert((set.clone(), column.clone()), sum);
        }
        for reason in like.flags.keys() {
            let count = format!("select count(*) from metrics.flags where reason = '{reason}'");
            content.flags.insert(reason.clone(), one(&count).await);
        }
        let texts = store.query("select dbid, queryid from metrics.texts", &[]).await.unwrap();
        content.texts =
            texts.iter().map(|row| (row.get(0), row.get(1))).filter(|key| like.texts.contains(key)).collect();
        content
    }

    /// What came to it.
    fn since(self, before: Self) -> Self {
        let mut since = self;
        before.readings.iter().for_each(|(set, count)| *since.readings.get_mut(set).unwrap() -= count);
        before.rows.iter().for_each(|(set, count)| *since.rows.get_mut(set).unwrap() -= count);
        before.sums.iter().for_each(|(column, sum)| *since.sums.get_mut(column).unwrap() -= sum);
        before.flags.iter().for_each(|(reason, count)| *since.flags.get_mut(reason).unwrap() -= count);
        since
    }
}

/// Columns of whole numbers that are summed, with their places.
fn counters(definition: &Definition) -> impl Iterator<Item = (usize, &str)> {
    let is_summed = |column: &Column| {
        matches!(column.kind, Kind::Counter | Kind::Count)
            && matches!(column.column_type, Type::Int4 | Type::Int8 | Type::Duration)
    };
    let columns = definition.columns.iter().enumerate().filter(move |(_, column)| is_summed(column));
    columns.map(|(place, column)| (place, column.name.as_str()))
}

/// Whom a store knows.
#[derive(Clone, Copy, PartialEq)]
enum Knows {
    /// The collector, with its token and what it delivered before.
    Collector,
    /// It is new.
    Nobody,
}

/// Delivers what waits into a store. Everything arrives once, and nothing is lost on the way.
async fn deliver(left: &Left, database: &StoreDatabase, knows: Knows) {
    let catalog = Arc::new(Catalog::embedded().unwrap());
    let held = Held::open(left.state_dir(), ROOMY, Arc::clone(&catalog), "db.example".to_owned()).unwrap();
    let epoch = held.spool.epoch();
    assert_eq!(fs::read_to_string(left.state_dir().join("spool/epoch")).unwrap(), epoch.to_string());
    assert!(!held.baselines().is_empty());

    let all = held.older_definitions().iter().chain(catalog.sets().map(|set| &set.definition));
    let definitions: HashMap<DefinitionHash, Definition> = all.map(|one| (one.hash(), one.clone())).collect();
    let batches: Vec<Batch> =
        held.spool.pending().map(|pending| batch(&held.spool.read(pending).unwrap().unwrap())).collect();
    let mut waiting = Content::default();
    batches.iter().for_each(|batch| waiting.add(batch, &definitions));
    let calls = waiting.sums[&("pg_stat_statements".to_owned(), "calls".to_owned())];
    let changes = batches.iter().filter_map(told).count();
    assert!(calls > 0 && waiting.rows["pg_settings"] > 0 && waiting.flags.contains_key("reset") && changes > 1);

    let newest = held.spool.pending().next_back().unwrap().created_us;
    let at = At(Timestamp::from_microsecond(newest).unwrap() + SignedDuration::from_mins(1));
    let server = Server::start(database, at).await;
    let before = Content::stored(&waiting, &server.store).await;
    let lost = "select (select count(*) from metrics.discards) + (select count(*) from metrics.rejected)";
    let lost = async |store: &Client| store.query_one(lost, &[]).await.unwrap().get::<_, i64>(0);
    let lost_before = lost(&server.store).await;

    if knows == Knows::Nobody {
        // As `pganalytics collector register` does.
        let registration = backend(&server.url).register("golden", "db.example", REGISTRATION_SECRET).await.unwrap();
        registration.save(left.state_dir()).unwrap();
    }
    let collector_id = Registration::load(left.state_dir()).unwrap().unwrap().collector_id;
    let shared = Arc::new(Mutex::new(held.with_clock(Clock::of(Arc::new(at)))));
    let counters = Arc::new(Counters::default());
    let pusher = Pusher {
        backend: backend(&server.url),
        lanes: Arc::new(Lanes::of(left.state_dir(), Arc::clone(&shared))),
        catalog,
        name: "golden".to_owned(),
        hostname: "db.example".to_owned(),
        secret: None,
        interval: Duration::from_secs(1),
        counters: Arc::clone(&counters),
        wake: Arc::new(Notify::new()),
    };
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(pusher.run(stopped));
    let drained = async {
        while lock(&shared).spool.pending_len() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, drained).await.expect("no batch waits for ever");
    stop.send(true).unwrap();
    running.await.unwrap();
    let store = server.stop().await;

    assert_eq!(Content::stored(&waiting, &store).await.since(before), waiting);
    assert_eq!(states(&store).await, batches.iter().rev().find_map(told).unwrap());
    let numbers = batches.iter().map(|batch| i64::try_from(batch.sequence).unwrap());
    let numbers: Vec<i64> = match knows {
        Knows::Nobody => numbers.collect(),
        // With what was delivered before, all that was ever written.
        Knows::Collector => (1..=numbers.max().unwrap()).collect(),
    };
    let seen = "select n from metrics.ledger, unnest($3::int8[]) n
        where collector_id = $1 and epoch = $2 and seen @> n order by n";
    let seen = store.query(seen, &[&collector_id, &epoch, &numbers]).await.unwrap();
    assert_eq!(seen.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), numbers);
    assert_eq!(lost(&store).await, lost_before);
    assert!(lock(&shared).spool.take_lost().is_empty() && !left.state_dir().join("refused").exists());
    assert_eq!((counters.refused_batches.load(Ordering::Relaxed), lock(&shared).spool.epoch()), (0, epoch));
}

fn batch(record: &Record) -> Batch {
    Batch::decode(wire::decompress(&record.batch, MAX_DECODED).unwrap().as_slice()).unwrap()
}

fn backend(url: &str) -> Backend {
    let text = format!("[backend]\nurl = \"{url}\"\n[postgres]\ndsn = \"host=/nowhere user=u dbname=d\"\n");
    let config = Config::load(None, Some(text), &|_| None, &Names::default()).unwrap();
    Backend::new(&config).unwrap()
}

/// The states that a batch tells: they come whole. By set and column, in words.
fn told(batch: &Batch) -> Option<BTreeMap<(String, String), String>> {
    let states = &batch.instances.first()?.states;
    let key = |state: &SetState| ((state.set.clone(), state.column.clone()), state.message.clone());
    (!states.is_empty()).then(|| states.iter().map(key).collect())
}

/// The states that a store has of the newest instance.
async fn states(store: &Client) -> BTreeMap<(String, String), String> {
    let sql = "select set_name, column_name, message from metrics.set_states
        where instance_id = (select max(id) from metrics.instances)";
    let rows = store.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_of_the_version_before_is_delivered_into_its_store_upgraded() {
    let left = Left::unpack();
    deliver(&left, &left.store().await, Knows::Collector).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_of_the_version_before_is_delivered_into_a_new_store() {
    deliver(&Left::unpack(), &testkit::store().await.unwrap(), Knows::Nobody).await;
}
