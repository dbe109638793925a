//! The server, as the collector speaks to it over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use catalog::Definition;
use config::BackendUrl;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::state::{Registration, ServerKnows};

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// How long to wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// What mends a registration that the server does not take any more.
pub const REGISTER_AGAIN: &str = "`pganalytics collector register --again` registers it anew";
/// The header that carries the registration secret.
const SECRET_HEADER: &str = "x-registration-secret";
/// The error of a server that has no configuration for a collector.
const NO_CONFIGURATION: &str = "no_configuration";
/// The header that tells the version of a configuration.
const CONFIG_VERSION: &str = "x-config-version";
/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The way to the server.
#[derive(Clone, Debug)]
pub struct Backend {
    client: Client,
    base: String,
    /// What `ca_file` held.
    authorities: Vec<u8>,
}

/// What the server answered to a batch.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is stored, or was already.
    Accepted(Accepted),
    /// The server does not know a definition yet.
    UnknownDefinition,
    /// Nothing of it can ever be stored, and why.
    Refused(String),
    /// The token is not accepted.
    Unauthorized(String),
    /// Another process has this collector's identity, and began later.
    Replaced(String),
    /// What is of this instance later; others are taken.
    InstanceLater {
        /// Why.
        reason: String,
        /// The pause that the server asks for.
        after: Option<Duration>,
    },
    /// Later, perhaps not before a while.
    Later {
        /// Why.
        reason: String,
        /// The pause that the server asks for.
        after: Option<Duration>,
    },
}

/// How a collector stands with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its token is accepted.
    Registered,
    /// It is not registered, and its secret is accepted.
    MayRegister,
    /// It is not registered, and has no secret.
    Unregistered,
}

/// What the server wants to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configured {
    /// What is known.
    AsKnown,
    /// It has nothing to say.
    Nothing,
    /// This, with its entity tag.
    Pushed {
        /// The configuration.
        pushed: config::Pushed,
        /// By which it is known.
        tag: String,
    },
}

/// The answer to a stored batch.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Accepted {
    /// Whether it was stored before.
    #[serde(default)]
    pub duplicate: bool,
    /// The store: texts and infos are sent again when it changes.
    #[serde(default)]
    pub store_id: Option<String>,
    /// The highest sequence number that is stored of the batch's epoch.
    #[serde(default)]
    pub last_sequence: Option<u64>,
    /// The newest epoch that something is stored of.
    #[serde(default)]
    pub last_epoch: Option<Uuid>,
    /// Whether the batch that was acknowledged last is missing there; never where the server does not look.
    #[serde(default)]
    pub forgotten: bool,
    /// The spool that the server knows that epoch of; absent where it knows nothing of several.
    #[serde(default)]
    pub lane: Option<Uuid>,
    /// The process that delivered last, by the id of its clock.
    #[serde(default)]
    pub last_process: Option<Uuid>,
    /// How long ago that was.
    #[serde(default)]
    pub last_process_ago_ms: Option<f64>,
    /// When the answer was made, by the server's clock; absent where the server does not tell.
    #[serde(default)]
    pub answered_at: Option<jiff::Timestamp>,
    /// The version of the configuration that the server wants to be followed, where it has one.
    #[serde(default)]
    pub next_config_version: Option<i64>,
    /// What was not stored.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
}

impl Accepted {
    /// What the server knows of a spool of this collector, which was this old when it asked.
    #[must_use]
    pub fn knows(&self, age: Duration, lane: Option<Uuid>) -> ServerKnows {
        let since_start = |ago_ms: f64| ago_ms < age.as_secs_f64() * 1000.0;
        ServerKnows {
            last_sequence: self.last_sequence,
            // Of a server that knows nothing of several spools it is the newest of all of them.
            last_epoch: self.last_epoch.filter(|_| self.lane == lane),
            last_process: self.last_process,
            delivered_since_start: self.last_process_ago_ms.is_some_and(since_start),
        }
    }
}

/// A part of a batch that was not stored.
#[derive(Clone, Debug, Deserialize)]
pub struct Rejected {
    /// The set.
    pub set: String,
    /// The column, where it is about one.
    #[serde(default)]
    pub column: Option<String>,
    /// Why.
    pub reason: String,
    /// How many rows.
    #[serde(default)]
    pub rows: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    error: String,
    #[serde(default)]
    message: String,
}

/// The answers to several batches.
#[derive(Deserialize)]
struct Answers {
    answers: Vec<OneAnswer>,
}

#[derive(Deserialize)]
struct OneAnswer {
    status: u16,
    #[serde(default)]
    retry_after_seconds: Option<u64>,
    body: Box<RawValue>,
}

#[derive(Deserialize)]
struct Registered {
    collector_id: Uuid,
    token: String,
    expires_at: jiff::Timestamp,
}

#[derive(Deserialize)]
struct Refreshed {
    token: String,
    expires_at: jiff::Timestamp,
}

fn client(url: &BackendUrl) -> ClientBuilder {
    Client::builder()
        .timeout(REQUEST_LIMIT)
        .connect_timeout(CONNECT_LIMIT)
        .user_agent(concat!("pganalytics-collector/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .https_only(url.https)
}

fn base(url: &BackendUrl) -> String {
    format!("{}/api/v1", url.text.trim_end_matches('/'))
}

impl Backend {
    /// The way to the configured server.
    ///
    /// # Errors
    /// When none is configured, or its certificate authority cannot be read.
    pub fn new(config: &config::Config) -> Result<Self> {
        let Some(url) = &config.backend_url else {
            bail!("no server is configured: set [backend] url, or BACKEND_URL");
        };
        let (mut client, mut pem) = (client(url), Vec::new());
        if let Some(path) = &config.tls_ca_file {
            pem = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("understand {}", path.display()))?;
            if authorities.is_empty() {
                bail!("{} has no certificate in PEM", path.display());
            }
            // These and no other: who gives an authority of one's own wants no public one to speak for the server.
            client = client.tls_certs_only(authorities);
        }
        if !config.tls_verify {
            client = client.danger_accept_invalid_certs(true);
        }
        let with = config.tls_ca_file.as_ref().map(|path| format!(" with {}", path.display())).unwrap_or_default();
        let client = client.build().with_context(|| format!("prepare the HTTP client{with}"))?;
        Ok(Self { client, base: base(url), authorities: pem })
    }

    /// Whether it trusts the same authorities as another one.
    #[must_use]
    pub fn trusts_as(&self, other: &Self) -> bool {
        self.authorities == other.authorities
    }

    /// The way to a server by its address alone: certificates are those that this machine trusts.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn at(url: &BackendUrl) -> Result<Self> {
        let client = client(url).build().context("prepare the HTTP client")?;
        Ok(Self { client, base: base(url), authorities: Vec::new() })
    }

    /// Registers the collector.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn register(&self, name: &str, hostname: &str, secret: &str) -> Result<Registration> {
        let body = serde_json::json!({
            "name": name,
            "hostname": hostname,
            "version": env!("CARGO_PKG_VERSION"),
        });
        let response = self
            .client
            .post(format!("{}/collectors/register", self.base))
            .header(SECRET_HEADER, secret)
            .json(&body)
            .send()
            .await
            .context("reach the server")?;
        let registered: Registered = expect_success(response).await.context("register with the server")?;
        Ok(Registration {
            collector_id: registered.collector_id,
            token: registered.token,
            expires_at: registered.expires_at,
            store_id: None,
        })
    }

    /// Whether the server would take what this collector sends, which it is not sent: with its token where it is
    /// registered, else with the secret that it would register with.
    ///
    /// # Errors
    /// When the server cannot be reached, is none of ours, or refuses.
    pub async fn probe(&self, registration: Option<&Registration>, secret: Option<&str>) -> Result<Standing> {
        let version = self.client.get(format!("{}/version", self.base)).send().await;
        let version = version.map_err(|error| anyhow::anyhow!(reason(&error))).context("reach the server")?;
        let known: Result<serde_json::Value> = expect_success(version).await;
        known.context("understand who answers: is it a pgAnalytics server?")?;
        if let Some(registration) = registration {
            let used = self.define(&registration.token, &[]).await;
            used.with_context(|| {
                format!("use the registration as {}; if it was removed, {REGISTER_AGAIN}", registration.collector_id)
            })?;
            return Ok(Standing::Registered);
        }
        let Some(secret) = secret else { return Ok(Standing::Unregistered) };
        // The secret is looked at before what is registered, and nobody can be registered without a name.
        let request = self.client.post(format!("{}/collectors/register", self.base)).header(SECRET_HEADER, secret);
        let response = request.json(&serde_json::json!({ "name": "", "hostname": "", "version": "" })).send().await;
        let response = response.map_err(|error| anyhow::anyhow!(reason(&error))).context("reach the server")?;
        if response.status() == StatusCode::BAD_REQUEST {
            return Ok(Standing::MayRegister);
        }
        let refused: Result<serde_json::Value> = expect_success(response).await;
        refused.context("use the registration secret")?;
        bail!("the server registers a collector without a name");
    }

    /// Gets a new token for the one that is about to end.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn refresh(&self, registration: &Registration) -> Result<Registration> {
        let response = self
            .client
            .post(format!("{}/collectors/refresh-token", self.base))
            .header(AUTHORIZATION, format!("Bearer {}", registration.token))
            .send()
            .await
            .context("reach the server")?;
        let refreshed: Refreshed = expect_success(response).await.context("refresh the token")?;
        Ok(Registration { token: refreshed.token, expires_at: refreshed.expires_at, ..registration.clone() })
    }

    /// The configuration that the server has for the collector, if it is not the version that is known.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn configuration(&self, registration: &Registration, known: Option<&str>) -> Result<Configured> {
        let url = format!("{}/config/{}", self.base, registration.collector_id);
        let mut request = self.client.get(url).header(AUTHORIZATION, format!("Bearer {}", registration.token));
        if let Some(known) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        let response = request.send().await.map_err(|error| anyhow::anyhow!(reason(&error)))?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Configured::AsKnown);
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let version = header(CONFIG_VERSION).and_then(|version| version.parse().ok());
        let tag = header(ETAG.as_str()).unwrap_or_default();
        if !response.status().is_success() {
            let status = response.status();
            let problem: Problem = serde_json::from_slice(&read_bounded(response).await?).unwrap_or_default();
            // Whatever else answers there has nothing to say of configurations.
            if problem.error == NO_CONFIGURATION {
                return Ok(Configured::Nothing);
            }
            bail!("the server does not tell its configuration: {status} {}", problem.message);
        }
        let version = version.context("the server does not tell the version of its configuration")?;
        let text = config::Config::text(read_bounded(response).await?)?;
        Ok(Configured::Pushed { pushed: config::Pushed { version, text }, tag })
    }

    /// Sends one batch: protobuf in zstd frames.
    pub async fn push(&self, token: &str, body: Vec<u8>) -> Answer {
        match self.send(token, "application/x-protobuf", body).await {
            Ok(response) => understand(response).await,
            Err(error) => Answer::Later { reason: reason(&error), after: None },
        }
    }

    /// Sends several batches in one request, each behind its length as protobuf delimits messages, in zstd frames.
    /// Answers for each in their order.
    ///
    /// # Errors
    /// One answer for all, where they could not be told apart.
    pub async fn push_many(&self, token: &str, body: Vec<u8>) -> Result<Vec<Answer>, Answer> {
        let response = self
            .send(token, "application/x-protobuf; batches=many", body)
            .await
            .map_err(|error| Answer::Later { reason: reason(&error), after: None })?;
        if response.status() != StatusCode::OK {
            return Err(understand(response).await);
        }
        let later = |reason: String| Answer::Later { reason, after: None };
        let body = read_bounded(response).await.map_err(|error| later(format!("{error:#}")))?;
        let answers: Answers =
            serde_json::from_slice(&body).map_err(|_| later("the answers are not understood".to_owned()))?;
        Ok(answers
            .answers
            .into_iter()
            .map(|one| {
                let status = StatusCode::from_u16(one.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                meaning(status, one.retry_after_seconds.map(Duration::from_secs), one.body.get().as_bytes())
            })
            .collect())
    }

    async fn send(&self, token: &str, content_type: &str, body: Vec<u8>) -> reqwest::Result<Response> {
        self.client
            .post(format!("{}/metrics/push", self.base))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, content_type)
            .header(CONTENT_ENCODING, "zstd")
            .body(body)
            .send()
            .await
    }

    /// Tells the server the definitions of sets.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn define(&self, token: &str, definitions: &[&Definition]) -> Result<()> {
        let response = self
            .client
            .post(format!("{}/metrics/definitions", self.base))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .json(&serde_json::json!({ "definitions": definitions }))
            .send()
            .await
            .context("reach the server")?;
        let _: serde_json::Value = expect_success(response).await.context("tell the server what is measured")?;
        Ok(())
    }
}

async fn understand(response: Response) -> Answer {
    let status = response.status();
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let body = match read_bounded(response).await {
        Ok(body) => body,
        Err(error) => return Answer::Later { reason: format!("{error:#}"), after },
    };
    meaning(status, after, &body)
}

/// What a batch was answered.
fn meaning(status: StatusCode, after: Option<Duration>, body: &[u8]) -> Answer {
    let problem = || serde_json::from_slice::<Problem>(body).unwrap_or_default();
    match status {
        StatusCode::ACCEPTED => match serde_json::from_slice(body) {
            Ok(accepted) => Answer::Accepted(accepted),
            Err(_) => Answer::Later { reason: "the answer is not understood".to_owned(), after },
        },
        StatusCode::CONFLICT if problem().error == "unknown_definition" => Answer::UnknownDefinition,
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Answer::Refused(format!("{status}: {}", problem().message)),
        StatusCode::FORBIDDEN if problem().error == "identity_in_use" => Answer::Replaced(problem().message),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Answer::Unauthorized(format!("{status}: {}", problem().message))
        }
        StatusCode::SERVICE_UNAVAILABLE if problem().error == "instance_undecided" => {
            Answer::InstanceLater { reason: problem().message, after }
        }
        _ => Answer::Later { reason: format!("{status}: {}", problem().message), after },
    }
}

async fn expect_success<T: serde::de::DeserializeOwned>(response: Response) -> Result<T> {
    let status = response.status();
    let body = read_bounded(response).await?;
    if !status.is_success() {
        let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        bail!("the server answered {status}: {}", problem.message);
    }
    if body.is_empty() {
        return serde_json::from_str("null").context("understand the answer");
    }
    serde_json::from_slice(&body).context("understand the answer")
}

async fn read_bounded(mut response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.context("read the answer")? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            bail!("the answer is longer than {MAX_ANSWER_BYTES} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn reason(error: &reqwest::Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    reason
}
