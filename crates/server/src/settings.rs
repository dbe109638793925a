//! What an operator can set. [`SETTINGS`] is the one table: parsing, `--print-config` and the reference come from it.
//!
//! ```text
//! environment (NAME, aliases, NAME_FILE) ─► Values (checked against the table) ─► Settings (typed)
//! ```

mod table;
mod value;

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use store::Layout;

use crate::accounts::passwords;
pub use table::{Kind, SETTINGS, Setting, Standing};
use value::Values;
pub use value::{Origin, Problem, SettingsError};

/// Shortest secret that production starts with, in bytes.
const SECRET_BYTES_LEAST: usize = 32;

/// Shortest registration secret anywhere, in bytes: it is guessed at over the network.
const REGISTRATION_BYTES_LEAST: usize = 16;

/// Where the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Missing secrets are made.
    Development,
    /// Missing or short secrets are refused.
    Production,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

/// Where the listener's certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

/// What is in force. The fields are [`SETTINGS`] by their names.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is a row of SETTINGS, whose help says what it is")]
pub struct Settings {
    pub bind_address: IpAddr,
    pub port: u16,
    pub data_dir: PathBuf,
    pub database_url: Option<Secret>,
    pub timescale_url: Option<Secret>,
    pub store_layout: Option<Layout>,
    pub environment: Environment,
    pub log_level: String,
    pub log_format: LogFormat,
    pub jwt_secret: Option<Secret>,
    pub jwt_expiration: Duration,
    pub jwt_refresh_expiration: Duration,
    pub registration_secret: Option<Secret>,
    pub admin_username: String,
    pub admin_password: Option<Secret>,
    pub cors_allowed_origins: Vec<String>,
    pub rate_limit_user_per_minute: NonZeroU32,
    pub rate_limit_collector_per_minute: NonZeroU32,
    pub rate_limit_address_per_minute: NonZeroU32,
    pub max_database_conns: usize,
    pub max_idle_database_conns: usize,
    pub metrics_buffer_size: usize,
    pub request_timeout: Duration,
    pub shutdown_timeout: Duration,
    pub max_connections: usize,
    pub catalog_dir: Option<PathBuf>,
    pub custom_sets: store::CustomSets,
    pub embedded_listen: Option<SocketAddr>,
    pub store_disk_bytes: Option<u64>,
    pub tls: Option<TlsFiles>,
    pub trusted_proxies: Vec<IpNet>,
    values: Values,
}

impl Settings {
    /// From the environment of this process.
    ///
    /// # Errors
    /// Every bad value, with what was expected.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// From names and values; what is not named has its default.
    ///
    /// # Errors
    /// Every bad value, with what was expected.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> Result<Self, SettingsError> {
        Self::from_lookup(|name| {
            let found = pairs.iter().find(|(key, _)| key.as_ref() == name);
            found.map(|(_, value)| value.as_ref().to_owned())
        })
    }

    /// From anything that knows values by name.
    ///
    /// # Errors
    /// Every bad value, with what was expected.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut problems = Vec::new();
        let values = Values::read(SETTINGS, &lookup, &mut problems);
        refuse_weak_secrets(&values, &mut problems);
        refuse_clear_text(&values, &mut problems);
        if !problems.is_empty() {
            return Err(SettingsError(problems));
        }
        Ok(Self::from_values(values))
    }

    fn from_values(values: Values) -> Self {
        let limit = |name| NonZeroU32::new(values.number(name)).expect("the table says at least 1");
        Self {
            bind_address: values.parsed("BIND_ADDRESS"),
            port: values.number("PORT"),
            data_dir: PathBuf::from(values.text("DATA_DIR")),
            database_url: values.secret("DATABASE_URL"),
            timescale_url: values.secret("TIMESCALE_URL"),
            store_layout: Layout::ALL.into_iter().find(|layout| layout.name() == values.text("STORE_LAYOUT")),
            environment: match values.text("ENVIRONMENT").as_str() {
                "production" => Environment::Production,
                _ => Environment::Development,
            },
            log_level: values.text("LOG_LEVEL"),
            log_format: match values.text("LOG_FORMAT").as_str() {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            },
            jwt_secret: values.secret("JWT_SECRET"),
            jwt_expiration: values.seconds("JWT_EXPIRATION"),
            jwt_refresh_expiration: values.seconds("JWT_REFRESH_EXPIRATION"),
            registration_secret: values.secret("REGISTRATION_SECRET"),
            admin_username: values.text("ADMIN_USERNAME"),
            admin_password: values.secret("ADMIN_PASSWORD"),
            cors_allowed_origins: values.list("CORS_ALLOWED_ORIGINS"),
            rate_limit_user_per_minute: limit("RATE_LIMIT_USER_PER_MINUTE"),
            rate_limit_collector_per_minute: limit("RATE_LIMIT_COLLECTOR_PER_MINUTE"),
            rate_limit_address_per_minute: limit("RATE_LIMIT_ADDRESS_PER_MINUTE"),
            max_database_conns: values.number("MAX_DATABASE_CONNS"),
            max_idle_database_conns: values.number("MAX_IDLE_DATABASE_CONNS"),
            metrics_buffer_size: values.number("METRICS_BUFFER_SIZE"),
            request_timeout: values.seconds("REQUEST_TIMEOUT"),
            shutdown_timeout: values.seconds("SHUTDOWN_TIMEOUT"),
            max_connections: values.number("MAX_CONNECTIONS"),
            catalog_dir: values.optional("CATALOG_DIR").map(PathBuf::from),
            custom_sets: match values.text("CUSTOM_SETS").as_str() {
                "accept" => store::CustomSets::Accept,
                "refuse" => store::CustomSets::Refuse,
                _ => store::CustomSets::Approve,
            },
            embedded_listen: values.optional("EMBEDDED_LISTEN").and_then(|address| address.parse().ok()),
            store_disk_bytes: values.optional("STORE_DISK_BYTES").and_then(|bytes| bytes.parse().ok()),
            tls: (values.text("TLS_ENABLED") == "true").then(|| TlsFiles {
                certificate: PathBuf::from(values.text("TLS_CERT_PATH")),
                key: PathBuf::from(values.text("TLS_KEY_PATH")),
            }),
            trusted_proxies: values.list("TRUSTED_PROXIES").iter().filter_map(|text| value::network(text)).collect(),
            values,
        }
    }

    /// Whether nothing was said about a setting.
    #[must_use]
    pub fn is_default(&self, name: &str) -> bool {
        self.values.is_default(name)
    }

    /// What is allowed and still worth a word in the log, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.tls.is_none() && !self.bind_address.to_canonical().is_loopback() {
            warnings.push(
                "the listener speaks HTTP in clear text to TRUSTED_PROXIES: passwords, tokens and what was measured can be \
                 read on the way to them. Prefer TLS_ENABLED=true, or a proxy on this machine"
                    .to_owned(),
            );
        }
        if let Some(listen) = self.embedded_listen.filter(|listen| !listen.ip().is_loopback()) {
            warnings.push(format!(
                "EMBEDDED_LISTEN {listen} lets other machines reach the store, without TLS: what was measured travels \
                 in clear text, and the password of pganalytics_grafana is all that stands before it. Prefer 127.0.0.1 \
                 and a tunnel, or let a firewall decide who gets there"
            ));
        }
        let secret = self.registration_secret.as_ref().map_or(0, |secret| secret.reveal().len());
        if (1..SECRET_BYTES_LEAST).contains(&secret) {
            warnings.push(format!(
                "REGISTRATION_SECRET has {secret} bytes; production refuses fewer than {SECRET_BYTES_LEAST}"
            ));
        }
        warnings
    }

    /// What `--print-config` shows: every setting in force and where it came from, secrets masked.
    #[must_use]
    pub fn print_config(&self) -> String {
        let mut text = String::new();
        for setting in SETTINGS.iter().filter(|setting| setting.standing == Standing::Built) {
            let (value, origin) = self.values.shown(setting);
            let _ = writeln!(text, "{} = {value}  # {origin}", setting.name);
        }
        text
    }
}

/// What travels over a network is encrypted, by us or by a proxy; and whoever names a certificate believes in it.
fn refuse_clear_text(values: &Values, problems: &mut Vec<Problem>) {
    let speaks_tls = values.optional("TLS_ENABLED").as_deref() == Some("true");
    for name in ["TLS_CERT_PATH", "TLS_KEY_PATH"] {
        match values.optional(name) {
            None if speaks_tls => problems.push(Problem::new(name, "is missing: TLS_ENABLED=true needs it")),
            Some(_) if !speaks_tls => problems.push(Problem::new(name, "is given, and TLS_ENABLED is not true")),
            _ => {}
        }
    }
    let bind = values.optional("BIND_ADDRESS").and_then(|address| address.parse::<IpAddr>().ok());
    let is_open = bind.is_some_and(|address| !address.to_canonical().is_loopback());
    if is_open && !speaks_tls && values.optional("TRUSTED_PROXIES").is_none() {
        let reason = "reaches beyond this machine, so it takes TLS_ENABLED=true, or TRUSTED_PROXIES that speak TLS to \
                      those who ask";
        problems.push(Problem::new("BIND_ADDRESS", reason));
    }
}

fn refuse_weak_secrets(values: &Values, problems: &mut Vec<Problem>) {
    let production = values.optional("ENVIRONMENT").as_deref() == Some("production");
    for name in ["JWT_SECRET", "REGISTRATION_SECRET"] {
        // A short key for tokens is refused everywhere: it was given by a person who believes in it.
        let must_be_long = production || name == "JWT_SECRET";
        let least = if must_be_long { SECRET_BYTES_LEAST } else { REGISTRATION_BYTES_LEAST };
        match values.optional(name) {
            None if production => problems.push(Problem::new(
                name,
                format!("is missing: ENVIRONMENT=production needs {SECRET_BYTES_LEAST} bytes or more"),
            )),
            Some(secret) if secret.len() < least => {
                problems.push(Problem::new(name, format!("has {} bytes: expected {least} or more", secret.len())));
            }
            _ => {}
        }
    }
    if let Some(Err(problem)) = values.optional("ADMIN_PASSWORD").map(|password| passwords::check(&password)) {
        problems.push(Problem::new("ADMIN_PASSWORD", format!("cannot be a password: {problem}")));
    }
}

/// `docs/reference/server-settings.md`.
#[must_use]
pub fn reference_markdown() -> String {
    let mut text = String::from(
        "# Settings of the server\n\nGenerated from the table of settings by `make generate`; do not edit.\n\n\
         Each is an environment variable. A secret may stand in a file instead: `NAME_FILE` names it, \
         and a file that everybody can read is refused (`chmod 600`; a group may read it). \
         `pganalytics server --print-config` shows what is in force and where it came from.\n\n\
         | name | value | default | what it does |\n|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let mut name = format!("`{}`", setting.name);
        for alias in setting.aliases {
            let _ = write!(name, " (`{alias}`)");
        }
        let default = setting.default.map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
        let default = setting.default_help.map_or(default, str::to_owned);
        let mut help = setting.help.to_owned();
        if setting.secret {
            help.push_str(" Secret.");
        }
        if setting.standing == Standing::Later {
            help.push_str(" **Not supported yet**: setting it is refused.");
        }
        let _ = writeln!(text, "| {name} | {} | {default} | {help} |", setting.kind.expected());
    }
    text
}

#[cfg(test)]
mod tests;
