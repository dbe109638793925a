//! A server of a test's own: the router over a fresh store, a clock that stands still, and calls that read well.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::store::Store;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use catalog::Catalog;
use deadpool_postgres::{Manager, Pool};
use jiff::Timestamp;
use serde_json::Value;
use server::accounts::store::NewSession;
use server::accounts::{Role, store, users};
use server::{App, Clock, Settings};
use tokio_postgres::NoTls;
use tower::ServiceExt;
use uuid::Uuid;

pub(crate) const REGISTRATION_SECRET: &str = "let me in, I bring figures";
pub(crate) const PASSWORD: &str = "correct horse";
/// bcrypt of [`PASSWORD`] at cost 4: nobody waits for a strong hash to be made.
pub(crate) const PASSWORD_HASH_COST: u32 = 4;

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<TestClock>,
    /// Where its store is, where it was made for it.
    pub(crate) dsn: String,
    router: Router,
    _data_dir: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these settings over the usual ones of tests.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let database = testkit::store_from("pganalytics", |dsn| async move {
            let mut client = testkit::connect(&dsn).await?;
            server::migrations::migrate(&mut client).await?;
            Ok(())
        });
        let dsn = database.await.unwrap().dsn;
        Self { dsn: dsn.clone(), ..Self::over(pool(&dsn), settings) }
    }

    /// With a prepared metrics store, so that it takes batches in.
    pub(crate) async fn measuring(settings: &[(&str, &str)]) -> Self {
        let server = Self::with(settings).await;
        let store = Store::prepare(server.app.metrics.clone(), server.app.catalog.clone()).await.unwrap();
        server.app.start_ingest(Arc::new(store));
        server
    }

    /// Over this store.
    pub(crate) fn over(pool: Pool, settings: &[(&str, &str)]) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let data_path = data_dir.path().to_str().unwrap().to_owned();
        let mut pairs = settings.to_vec();
        pairs.push(("DATA_DIR", &data_path));
        pairs.push(("REGISTRATION_SECRET", REGISTRATION_SECRET));
        let clock = Arc::new(TestClock(Mutex::new("2026-03-01T12:00:00Z".parse().unwrap())));
        let app = App::new(
            Settings::from_pairs(&pairs).unwrap(),
            pool.clone(),
            pool.clone(),
            pool.into(),
            Catalog::embedded().unwrap(),
            clock.clone(),
        )
        .unwrap();
        let router = server::http::router(&app);
        Self { app, clock, dsn: String::new(), router, _data_dir: data_dir }
    }

    pub(crate) fn pass(&self, time: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }

    /// A user named after the role, with [`PASSWORD`].
    pub(crate) async fn user(&self, name: &str, role: Role) -> Uuid {
        let hash = bcrypt::hash(PASSWORD, PASSWORD_HASH_COST).unwrap();
        let client = self.app.pool.get().await.unwrap();
        let made = users::store::create(&client, name, &hash, role, self.clock.now()).await.unwrap();
        let users::store::Change::Done(user) = made else { panic!("{name} is taken") };
        user.id
    }

    /// An access token of a new session, without the wait for a password.
    pub(crate) async fn session(&self, user: Uuid) -> String {
        let id = Uuid::now_v7();
        let now = self.clock.now();
        let expires_at = now.checked_add(self.app.settings.jwt_refresh_expiration).unwrap();
        let session = NewSession { id, user, token_hash: id.as_bytes(), now, expires_at };
        store::begin_session(&mut self.app.pool.get().await.unwrap(), &session).await.unwrap();
        self.app.keys.user_token(user, id, now, self.app.settings.jwt_expiration).unwrap()
    }

    /// A new user of this role and an access token of theirs.
    pub(crate) async fn signed_in(&self, role: Role) -> String {
        let name = format!("{role}-{}", Uuid::new_v4().simple());
        let user = self.user(&name, role).await;
        self.session(user).await
    }

    /// A registered collector: its id and token.
    pub(crate) async fn collector(&self, name: &str) -> (Uuid, String) {
        let body = serde_json::json!({"name": name, "hostname": "db-1.example", "version": "4.0.0"});
        let call = self.post("/collectors/register").header("X-Registration-Secret", REGISTRATION_SECRET);
        let answer = call.json(body).send().await.expect(201);
        (answer["collector_id"].as_str().unwrap().parse().unwrap(), answer["token"].as_str().unwrap().to_owned())
    }

    /// Runs two calls that both wait for a lock which `blocker` takes, then lets them go at the same moment.
    pub(crate) async fn at_once(&self, blocker: &str, calls: [Call; 2]) -> [Answer; 2] {
        let mut holder = self.app.pool.get().await.unwrap();
        let transaction = holder.transaction().await.unwrap();
        transaction.execute(blocker, &[]).await.unwrap();
        let calls = calls.map(|call| tokio::spawn(call.send()));
        let observer = self.app.pool.get().await.unwrap();
        let waiting = "select count(*) from pg_stat_activity \
                       where datname = current_database() and wait_event_type = 'Lock'";
        let deadline = Instant::now() + Duration::from_secs(30);
        while observer.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {
            assert!(Instant::now() < deadline, "the calls do not wait for: {blocker}");
            tokio::task::yield_now().await;
        }
        transaction.commit().await.unwrap();
        let [first, second] = calls;
        [first.await.unwrap(), second.await.unwrap()]
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    /// A path below the API's base, or one that begins with `//` as it is, without one of the slashes.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let path = path.strip_prefix("//").map_or_else(|| format!("/api/v1{path}"), |path| format!("/{path}"));
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = path.parse().unwrap();
        Call { router: self.router.clone(), request }
    }
}

pub(crate) fn pool(dsn: &str) -> Pool {
    let manager = Manager::new(dsn.parse().unwrap(), NoTls);
    Pool::builder(manager).max_size(8).build().unwrap()
}

pub(crate) struct Call {
    router: Router,
    request: Request<Body>,
}

impl Call {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.router.oneshot(self.request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    /// The body of an answer with this status; null where it has none.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// A failure with this status and word, in our one shape.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, error: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(body["code"], status, "{body}");
        assert_eq!(body["error"], error, "{body}");
        assert_eq!(body["request_id"], self.header("x-request-id"), "{body}");
        assert!(
            body["message"].as_str().is_some_and(|message| message.ends_with('.') || message.contains(": ")),
            "{body}"
        );
        body
    }
}
