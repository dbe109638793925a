//! The table of settings. The file's parser, the environment, `--print-config` and the reference
//! page all follow from it; a new setting is one entry here and one field of [`crate::Config`].

use crate::backend::BackendUrl;
use crate::dsn::Dsn;

/// The largest interval: a day.
pub const MAX_INTERVAL: u64 = 86_400;

/// Names of collectors and instances are shown in tables and kept in the store.
pub const MAX_NAME: usize = 100;

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A name of 1 to [`MAX_NAME`] characters.
    Name,
    /// A file or directory.
    Path,
    /// A backend's address.
    Url,
    /// An IP address and a port of this machine.
    Address,
    /// A connection string.
    Conninfo,
    /// A secret.
    Secret,
    /// `true` or `false`.
    Flag,
    /// Patterns with `*` and `?`.
    Patterns,
    /// Seconds, or a text such as `"15m"`, between two limits.
    Seconds(u64, u64),
    /// Bytes, or a text such as `"512MB"`, at least so many.
    Bytes(u64),
    /// A whole number between two limits.
    Integer(u64, u64),
    /// A share from 0 to 1.
    Share,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// One setting of the collector.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its table in the file.
    pub table: &'static str,
    /// Its key in that table.
    pub key: &'static str,
    /// Its environment variable, which wins over the file. With `_FILE` appended it names a file
    /// that holds a secret.
    pub env: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// As it would be written in the environment; `None`: not set.
    pub default: Option<&'static str>,
    /// For the reference page.
    pub help: &'static str,
}

impl Setting {
    /// Whether it is masked wherever it is shown, and may come from a file.
    pub fn secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Conninfo)
    }

    /// `table.key`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.table, self.key)
    }
}

const fn setting(
    table: &'static str,
    key: &'static str,
    env: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting { table, key, env, kind, default, help }
}

pub(crate) const NAME: &Setting = &setting(
    "collector",
    "name",
    "COLLECTOR_NAME",
    Kind::Name,
    None,
    "Shown in the product; the machine's host name when not set.",
);
pub(crate) const INTERVAL: &Setting = &setting(
    "collector",
    "interval",
    "COLLECTION_INTERVAL",
    Kind::Seconds(1, MAX_INTERVAL),
    Some("60"),
    "Seconds between two readings of a set that has no interval of its own.",
);
pub(crate) const PUSH_INTERVAL: &Setting = &setting(
    "collector",
    "push_interval",
    "PUSH_INTERVAL",
    Kind::Seconds(1, MAX_INTERVAL),
    Some("60"),
    "Seconds between two deliveries to the server.",
);
pub(crate) const CONFIG_PULL_INTERVAL: &Setting = &setting(
    "collector",
    "config_pull_interval",
    "CONFIG_PULL_INTERVAL",
    Kind::Seconds(1, MAX_INTERVAL),
    Some("300"),
    "Seconds between two looks for a new configuration on the server.",
);
pub(crate) const CONFIG_TRIAL: &Setting = &setting(
    "collector",
    "config_trial",
    "CONFIG_TRIAL",
    Kind::Seconds(1, MAX_INTERVAL),
    Some("5m"),
    "How long the server may not be reached with a configuration that it pushed, before the one before is followed again.",
);
pub(crate) const STATE_DIR: &Setting = &setting(
    "collector",
    "state_dir",
    "STATE_DIR",
    Kind::Path,
    Some("/var/lib/pganalytics-collector"),
    "Directory for the collector's id, token, key and spool.",
);
pub(crate) const CATALOG_DIR: &Setting = &setting(
    "collector",
    "catalog_dir",
    "CATALOG_DIR",
    Kind::Path,
    None,
    "Directory with sets of your own (`x_…`), in the catalogue's format.",
);
/// What a collector may do with pushed sets, the default first.
pub(crate) const ADMISSION: &[&str] = &["approve", "accept", "refuse"];

pub(crate) const CUSTOM_SETS: &Setting = &setting(
    "collector",
    "custom_sets",
    "CUSTOM_SETS",
    Kind::OneOf(ADMISSION),
    Some(ADMISSION[0]),
    "What is done with sets (`x_…`) that the server pushes: read once they are approved on this machine \
     (`pganalytics collector approve`), read at once, or not read.",
);
pub(crate) const MAX_QUERIES_PER_DB: &Setting = &setting(
    "collector",
    "max_queries_per_db",
    "MAX_QUERIES_PER_DB",
    Kind::Integer(1, 1_000_000),
    Some("1000"),
    "Statements kept per database and reading, largest first; the rest is summed into one row \"others\".",
);
pub(crate) const MAX_SESSION_GROUPS_PER_DB: &Setting = &setting(
    "collector",
    "max_session_groups_per_db",
    "MAX_SESSION_GROUPS_PER_DB",
    Kind::Integer(1, 1_000_000),
    Some("200"),
    "Groups of sampled sessions kept per database and reading, largest first; the rest is summed by kind of process, \
     state and wait event type.",
);
pub(crate) const QUERY_LIMIT_ALERT_THRESHOLD: &Setting = &setting(
    "collector",
    "query_limit_alert_threshold",
    "QUERY_LIMIT_ALERT_THRESHOLD",
    Kind::Share,
    Some("0.05"),
    "Share of a database's time in \"others\" above which the limit is reported as too low.",
);
pub(crate) const SPOOL_MAX_BYTES: &Setting = &setting(
    "collector",
    "spool_max_bytes",
    "SPOOL_MAX_BYTES",
    Kind::Bytes(1024 * 1024),
    Some("1GB"),
    "Disk for what is not delivered yet; when full, the oldest is dropped and counted.",
);
pub(crate) const SPOOL_MAX_AGE: &Setting = &setting(
    "collector",
    "spool_max_age",
    "SPOOL_MAX_AGE",
    Kind::Seconds(60, 366 * MAX_INTERVAL),
    Some("7d"),
    "How long what is not delivered yet is kept; less than the server keeps raw figures.",
);
pub(crate) const LISTEN: &Setting = &setting(
    "collector",
    "listen",
    "METRICS_LISTEN",
    Kind::Address,
    None,
    "Where the last readings are shown in the OpenMetrics format, at `/metrics`, without a password: an address of this \
     machine, such as `127.0.0.1:9187`.",
);
pub(crate) const LISTEN_EXCLUDE: &Setting = &setting(
    "collector",
    "listen_exclude",
    "METRICS_LISTEN_EXCLUDE",
    Kind::Patterns,
    Some("pg_stat_statements,pg_stat_activity,lock_waits,progress"),
    "Sets that are not shown there; by default those of statements and single sessions, which would make very many series.",
);
pub(crate) const BACKEND_URL: &Setting = &setting(
    "backend",
    "url",
    "BACKEND_URL",
    Kind::Url,
    None,
    "The server's address; `http` is refused unless it is on this machine.",
);
pub(crate) const REGISTRATION_SECRET: &Setting = &setting(
    "backend",
    "registration_secret",
    "REGISTRATION_SECRET",
    Kind::Secret,
    None,
    "Lets the collector register by itself at its first start.",
);
pub(crate) const TLS_VERIFY: &Setting = &setting(
    "tls",
    "verify",
    "TLS_VERIFY",
    Kind::Flag,
    Some("true"),
    "Whether the server's certificate is verified; `false` is accepted for a server on this machine only.",
);
pub(crate) const TLS_CA_FILE: &Setting = &setting(
    "tls",
    "ca_file",
    "TLS_CA_FILE",
    Kind::Path,
    None,
    "PEM file with the authorities of the server's certificate: these alone are trusted then, and none of the system's.",
);
pub(crate) const INSTANCE_NAME: &Setting = &setting(
    "postgres",
    "name",
    "POSTGRES_NAME",
    Kind::Name,
    None,
    "Name of the instance, which identifies it for ever; the collector's name when not set, required in `[[instances]]`.",
);
pub(crate) const DSN: &Setting = &setting(
    "postgres",
    "dsn",
    "POSTGRES_DSN",
    Kind::Conninfo,
    None,
    "Connection string of the instance: libpq's URI or keywords.",
);
pub(crate) const DATABASES: &Setting = &setting(
    "postgres",
    "databases",
    "POSTGRES_DATABASES",
    Kind::Patterns,
    Some("*"),
    "Databases to read one by one; patterns with `*` and `?`.",
);
pub(crate) const EXCLUDE_DATABASES: &Setting = &setting(
    "postgres",
    "exclude_databases",
    "POSTGRES_EXCLUDE_DATABASES",
    Kind::Patterns,
    Some(""),
    "Databases among those not to read. Those that providers keep to themselves (`rdsadmin`, `cloudsqladmin`, \
     `alloydbadmin`, `azure_maintenance`) are left out unless `databases` has their whole name.",
);

pub(crate) const PGBOUNCER_DSN: &Setting = &setting(
    "postgres",
    "pgbouncer_dsn",
    "PGBOUNCER_DSN",
    Kind::Conninfo,
    None,
    "Connection string of the PgBouncer in front of the instance, with a user of its `stats_users`; its console \
     `pgbouncer` is read. The instance itself is read past it.",
);
pub(crate) const STATEMENT_BUDGET: &Setting = &setting(
    "postgres",
    "statement_budget",
    "POSTGRES_STATEMENT_BUDGET",
    Kind::Share,
    Some("0.005"),
    "Share of one core that the statements of all sets may take of the instance, as measured: past it sets are read less \
     often, in the turns that the catalogue declares (`yields`). An interval that is set shorter than a set's own is kept. \
     0: no bound.",
);

/// Every setting, in the order of the file.
pub const SETTINGS: &[&Setting] = &[
    NAME,
    INTERVAL,
    PUSH_INTERVAL,
    CONFIG_PULL_INTERVAL,
    CONFIG_TRIAL,
    STATE_DIR,
    CATALOG_DIR,
    CUSTOM_SETS,
    MAX_QUERIES_PER_DB,
    MAX_SESSION_GROUPS_PER_DB,
    QUERY_LIMIT_ALERT_THRESHOLD,
    SPOOL_MAX_BYTES,
    SPOOL_MAX_AGE,
    LISTEN,
    LISTEN_EXCLUDE,
    BACKEND_URL,
    REGISTRATION_SECRET,
    TLS_VERIFY,
    TLS_CA_FILE,
    INSTANCE_NAME,
    DSN,
    DATABASES,
    EXCLUDE_DATABASES,
    STATEMENT_BUDGET,
    PGBOUNCER_DSN,
];

/// The tables of the file that hold settings, in order.
pub const TABLES: [&str; 4] = ["collector", "backend", "tls", "postgres"];

/// Variables by the names that version 3 has for them, which count where theirs is not set.
pub(crate) const EARLIER: [(&str, &str); 1] = [("COLLECTOR_NAME", "COLLECTOR_ID")];
/// Of version 3: the host of the connection string of `[postgres]`, where it is not in the environment as a whole.
pub(crate) const POSTGRES_HOST: &str = "POSTGRES_HOST";
/// Likewise the port.
pub(crate) const POSTGRES_PORT: &str = "POSTGRES_PORT";

/// The keys of a group's or set's table.
pub(crate) const ENABLED: (&str, Kind) = ("enabled", Kind::Flag);
/// The other one.
pub(crate) const SWITCH_INTERVAL: (&str, Kind) = ("interval", Kind::Seconds(1, MAX_INTERVAL));

/// A value as it was found, before its setting has judged it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    /// From the environment: a text that may stand for anything.
    Word(String),
    /// A string of the file.
    Text(String),
    /// An integer of the file.
    Integer(i128),
    /// A fraction of the file.
    Float(f64),
    /// A flag of the file.
    Flag(bool),
    /// A list of the file, if all its members are strings.
    Texts(Vec<String>),
    /// Anything else.
    Other(&'static str),
}

/// A value that its setting accepts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
    Share(f64),
    Flag(bool),
    List(Vec<String>),
}

const SECONDS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
/// As in PostgreSQL's own settings: powers of 1024.
const BYTES: [(&str, u64); 4] = [("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

impl Kind {
    /// What a value must be, for errors and the reference page.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Name => format!("a name of 1 to {MAX_NAME} characters"),
            Self::Path => "a path".to_owned(),
            Self::Url => "an address such as \"https://api.example.com:8080\"".to_owned(),
            Self::Address => "an IP address and a port such as \"127.0.0.1:9187\"".to_owned(),
            Self::Conninfo => "a connection string".to_owned(),
            Self::Secret => "a secret".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Patterns => "a list of patterns such as [\"app_*\"]".to_owned(),
            Self::Seconds(low, high) => format!("seconds from {low} to {high}, or a text such as \"15m\""),
            Self::Bytes(low) => format!("bytes, at least {low}, or a text such as \"512MB\""),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Share => "a number from 0 to 1".to_owned(),
            Self::OneOf(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
        }
    }

    /// The value, or what was expected instead. A reason never contains a secret.
    pub(crate) fn read(self, raw: &Raw) -> Result<Value, String> {
        let expected = || format!("expected {}", self.expected());
        let text = match raw {
            Raw::Word(text) | Raw::Text(text) => Some(text.as_str()),
            _ => None,
        };
        match self {
            Self::Name => {
                let name = text.map(str::trim).filter(|name| (1..=MAX_NAME).contains(&name.chars().count()));
                let name = name.ok_or_else(expected)?;
                catalog::names::check(name, MAX_NAME)?;
                Ok(Value::Text(name.to_owned()))
            }
            Self::Path | Self::Secret => {
                let found = text.filter(|found| !found.is_empty() && !found.contains('\0')).ok_or_else(expected)?;
                Ok(Value::Text(found.to_owned()))
            }
            Self::Url => {
                let url = BackendUrl::parse(text.ok_or_else(expected)?)
                    .map_err(|reason| format!("{reason}; expected {}", self.expected()))?;
                Ok(Value::Text(url.text))
            }
            Self::Address => {
                let address = text.and_then(|text| text.trim().parse::<std::net::SocketAddr>().ok());
                Ok(Value::Text(address.ok_or_else(expected)?.to_string()))
            }
            Self::Conninfo => {
                let conninfo = text.ok_or_else(expected)?;
                Dsn::check(conninfo).map_err(|error| error.to_string())?;
                Ok(Value::Text(conninfo.to_owned()))
            }
            Self::Flag => match (raw, text) {
                (Raw::Flag(flag), _) => Ok(Value::Flag(*flag)),
                (Raw::Word(_), Some("true" | "1" | "on" | "yes")) => Ok(Value::Flag(true)),
                (Raw::Word(_), Some("false" | "0" | "off" | "no")) => Ok(Value::Flag(false)),
                _ => Err(expected()),
            },
            Self::Patterns => {
                let list: Vec<String> = match raw {
                    Raw::Texts(list) => list.clone(),
                    Raw::Word(word) => {
                        word.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
                    }
                    _ => return Err(expected()),
                };
                if list.iter().any(String::is_empty) { Err(expected()) } else { Ok(Value::List(list)) }
            }
            Self::OneOf(words) => {
                let word = text.map(str::trim).filter(|word| words.contains(word));
                word.map(|word| Value::Text(word.to_owned())).ok_or_else(expected)
            }
            Self::Seconds(low, high) => whole(raw, &SECONDS, low, high).ok_or_else(expected),
            Self::Bytes(low) => whole(raw, &BYTES, low, i64::MAX.unsigned_abs()).ok_or_else(expected),
            Self::Integer(low, high) => whole(raw, &[], low, high).ok_or_else(expected),
            Self::Share => {
                let share = match raw {
                    Raw::Float(share) => Some(*share),
                    Raw::Integer(0) => Some(0.0),
                    Raw::Integer(1) => Some(1.0),
                    Raw::Word(word) => word.trim().parse().ok(),
                    _ => None,
                };
                share.filter(|share: &f64| (0.0..=1.0).contains(share)).map(Value::Share).ok_or_else(expected)
            }
        }
    }
}

/// A whole number, with one of the units when it is a text.
fn whole(raw: &Raw, units: &[(&str, u64)], low: u64, high: u64) -> Option<Value> {
    let number = match raw {
        Raw::Integer(number) => u64::try_from(*number).ok()?,
        Raw::Word(text) | Raw::Text(text) => {
            let text = text.trim();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let number: u64 = text[..digits].parse().ok()?;
            match text[digits..].trim() {
                "" if matches!(raw, Raw::Word(_)) => number,
                unit => number.checked_mul(units.iter().find(|(known, _)| *known == unit)?.1)?,
            }
        }
        _ => return None,
    };
    (low..=high).contains(&number).then_some(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_accepted_by_its_setting() {
        for setting in SETTINGS {
            assert!(TABLES.contains(&setting.table), "{}", setting.path());
            if let Some(default) = setting.default {
                setting.kind.read(&Raw::Word(default.to_owned())).unwrap();
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            for other in &SETTINGS[index + 1..] {
                assert_ne!(setting.env, other.env);
                assert_ne!(setting.path(), other.path());
            }
        }
    }
}
