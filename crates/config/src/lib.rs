//! The collector's configuration file and libpq's connection strings.
//!
//! ```text
//! file ─ toml ─► settings with lines ─┐
//! environment ────────────────────────┼─► Config ─► --print-config
//! table of settings ─ defaults ───────┘      └─► instances, each with a resolved Dsn
//!        └─► reference page
//! ```
//! Used by the collector, and by the server, which checks pushed configurations with the
//! collector's own parser. Nothing global is read: the environment is a closure that the caller
//! passes in, and so are the names of groups and sets, so that this crate does not depend on the
//! catalogue.

use std::path::{Path, PathBuf};
use std::time::Duration;

mod backend;
mod custom;
pub mod dsn;
mod error;
mod file;
mod layers;
mod load;
mod merge;
mod nearest;
mod patterns;
mod print;
mod pushed;
mod reference;
mod schedule;
mod secret;
mod settings;

pub use backend::BackendUrl;
pub use custom::{Admission, CustomSet, with_sets};
pub use dsn::{Dsn, DsnError, Environment, Host, RootCert, SslMode};
pub use error::ConfigError;
pub use file::MAX_FILE;
pub use layers::Pushed;
pub use load::{DEFAULT_PATH, open_to_everybody};
pub use merge::merge;
pub use patterns::{matches, selects};
pub use print::{Line, Origin};
pub use reference::reference_markdown;
pub use schedule::{Budget, Schedule, Switch, Switches};
pub use secret::{MASK, Secret};
pub use settings::{Kind, MAX_INTERVAL, MAX_NAME, SETTINGS, Setting, TABLES};

/// The names that tables of groups and sets may have; the caller knows the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Groups, such as `pg_replication`.
    pub groups: Vec<String>,
    /// Sets, such as `pg_stat_statements`; those that begin with `x_` are accepted besides.
    pub sets: Vec<String>,
}

/// The collector's configuration in force. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, if one was.
    pub path: Option<PathBuf>,
    /// The version of what the server pushed, where it lies under the file.
    pub pushed: Option<i64>,
    /// The collector's name: given, or the machine's host name.
    pub name: String,
    /// Seconds between two readings of sets without an interval of their own.
    pub interval: u32,
    interval_given: bool,
    /// Seconds between two deliveries.
    pub push_interval: u32,
    /// Seconds between two looks for a configuration on the server.
    pub config_pull_interval: u32,
    /// How long a pushed configuration may go without reaching the server.
    pub config_trial: Duration,
    /// Directory of id, token, key and spool.
    pub state_dir: PathBuf,
    /// Directory of the user's own sets.
    pub catalog_dir: Option<PathBuf>,
    /// What is done with sets that the server pushes.
    pub custom_sets: Admission,
    /// The sets that it has itself, by name: those of the file, and besides them those that were pushed.
    pub defined: Vec<CustomSet>,
    /// Statements kept per database and reading.
    pub max_queries_per_db: u32,
    /// Groups of sampled sessions kept per database and reading.
    pub max_session_groups_per_db: u32,
    /// Share in "others" above which the limit is reported, 0 to 1.
    pub query_limit_alert_threshold: f64,
    /// Bound of the spool.
    pub spool_max_bytes: u64,
    /// Bound of the spool's age.
    pub spool_max_age: Duration,
    /// Where the last readings are shown.
    pub listen: Option<std::net::SocketAddr>,
    /// Patterns of sets that are not.
    pub listen_exclude: Vec<String>,
    /// The server; absent, nothing can be delivered, but `check` and `once` work.
    pub backend_url: Option<BackendUrl>,
    /// With it the collector registers by itself.
    pub registration_secret: Option<Secret>,
    /// Whether the server's certificate is verified.
    pub tls_verify: bool,
    /// Authority of the server's certificate.
    pub tls_ca_file: Option<PathBuf>,
    /// What is watched; empty only where a server is configured, which may push some.
    pub instances: Vec<Instance>,
    /// What to do where there is no instance.
    pub nothing_to_watch: Option<String>,
    /// What the user should know although it works.
    pub warnings: Vec<String>,
    schedule: Schedule,
    lines: Vec<Line>,
}

/// One watched instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Identifies it for ever, together with the collector.
    pub name: String,
    /// The connection string as given, to resolve again when a password or service file changed.
    pub conninfo: Secret,
    /// The connection string, resolved.
    pub dsn: Dsn,
    /// Patterns of the databases to read one by one.
    pub databases: Vec<String>,
    /// Patterns of those not to read.
    pub exclude_databases: Vec<String>,
    /// The PgBouncer in front of it.
    pub pgbouncer: Option<Dsn>,
    /// What its statements may take.
    pub statement_budget: Budget,
    /// Its intervals and switches.
    pub schedule: Schedule,
}

impl Instance {
    /// Whether a database is to be read.
    pub fn selects(&self, database: &str) -> bool {
        selects(&self.databases, &self.exclude_databases, database)
    }

    /// Seconds between two readings of a set of this instance; see [`Schedule::interval_of`].
    pub fn interval_of(&self, set: &str, group: &str, set_default_seconds: Option<u32>) -> u32 {
        self.schedule.interval_of(set, group, set_default_seconds)
    }

    /// Whether a set is read more often than by its own default, because somebody wants it so.
    pub fn hastened(&self, set: &str, group: &str, set_default_seconds: u32) -> bool {
        self.interval_of(set, group, Some(set_default_seconds)) < set_default_seconds
    }

    /// Whether a set of this instance is read.
    pub fn enabled(&self, set: &str, group: &str) -> bool {
        self.schedule.enabled(set, group)
    }
}

impl Config {
    /// Loads a configuration: `text` when given (`path` is then only its name), else the file at
    /// `path`, else the one at [`DEFAULT_PATH`], which may be absent when the environment has
    /// `POSTGRES_DSN`. The environment is asked through `env` only.
    pub fn load(
        path: Option<&Path>,
        text: Option<String>,
        env: &dyn Fn(&str) -> Option<String>,
        names: &Names,
    ) -> Result<Self, ConfigError> {
        load::load(path, text, env, names, None)
    }

    /// The same over a configuration that the server pushed: what the environment or the file says wins over it.
    pub fn load_over(
        pushed: Option<&Pushed>,
        path: Option<&Path>,
        text: Option<String>,
        env: &dyn Fn(&str) -> Option<String>,
        names: &Names,
    ) -> Result<Self, ConfigError> {
        load::load(path, text, env, names, pushed)
    }

    /// The state directory alone, by file and environment: what the server pushed lies there.
    pub fn state_dir(
        path: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
        names: &Names,
    ) -> Result<PathBuf, ConfigError> {
        load::state_dir(path, env, names)
    }

    /// Checks a configuration that a server hands to collectors: neither environment nor files are looked at, what a
    /// collector takes from its own machine alone is refused, and an instance may leave out what that machine has.
    pub fn check_pushed(text: &str, names: &Names) -> Result<(), ConfigError> {
        pushed::check(text, names)
    }

    /// The same of what somebody writes on a server, who writes sets of the users' own apart.
    pub fn check_written(text: &str, names: &Names) -> Result<(), ConfigError> {
        pushed::check_written(text, names)
    }

    /// The text of a configuration that came as bytes.
    ///
    /// # Errors
    /// When it is not UTF-8, or longer than [`MAX_FILE`].
    pub fn text(bytes: Vec<u8>) -> Result<String, ConfigError> {
        file::text(bytes)
    }

    /// Lets `[collector] interval` apply to every set (`--override-intervals`); it must be given.
    pub fn override_intervals(&mut self) -> Result<(), ConfigError> {
        if !self.interval_given {
            return Err(ConfigError::new(
                None,
                "--override-intervals needs an interval: [collector] interval or COLLECTION_INTERVAL",
            ));
        }
        self.schedule.override_intervals = true;
        for instance in &mut self.instances {
            instance.schedule.override_intervals = true;
        }
        Ok(())
    }

    /// Seconds between two readings of a set that belongs to no instance; see [`Schedule::interval_of`].
    pub fn interval_of(&self, set: &str, group: &str, set_default_seconds: Option<u32>) -> u32 {
        self.schedule.interval_of(set, group, set_default_seconds)
    }

    /// Whether a set that belongs to no instance is read.
    pub fn enabled(&self, set: &str, group: &str) -> bool {
        self.schedule.enabled(set, group)
    }

    /// The number of a row limit by the name that the catalogue uses, such as `MAX_QUERIES_PER_DB`.
    pub fn row_limit(&self, setting: &str) -> Option<u32> {
        let limits = [
            (settings::MAX_QUERIES_PER_DB, self.max_queries_per_db),
            (settings::MAX_SESSION_GROUPS_PER_DB, self.max_session_groups_per_db),
        ];
        limits.iter().find(|(limit, _)| limit.env == setting).map(|(_, most)| *most)
    }

    /// The files that it came from: its own, and those of secrets and certificates.
    pub fn files(&self) -> Vec<PathBuf> {
        let secrets = self.lines.iter().filter_map(|line| match &line.origin {
            Origin::SecretFile(path, _) => Some(PathBuf::from(path)),
            Origin::Default | Origin::File(_) | Origin::Pushed(..) | Origin::Environment(_) => None,
        });
        self.path.iter().cloned().chain(self.tls_ca_file.clone()).chain(secrets).collect()
    }

    /// Every setting in force and where it came from, secrets masked.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The same as a commented configuration file, for `--print-config`.
    pub fn print(&self) -> String {
        print::print(&self.lines, self.path.as_deref())
    }
}
