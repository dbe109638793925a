//! Connection strings as libpq understands them: URI and keywords, environment, service file and
//! password file, resolved to one [`Dsn`].
//!
//! ```text
//! text ─ conninfo ─► pairs ─┐
//! service file ─────────────┼─► first that has the keyword ─ resolve ─► Dsn ◄─ passfile
//! environment ──────────────┘
//! ```
//! Several hosts are refused: the collector must know which instance it reads.

mod conninfo;
mod environment;
mod keywords;
mod passfile;
mod resolve;
mod service;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use conninfo::MAX_CONNINFO;
pub use environment::Environment;
pub use keywords::{KEYWORDS, Keyword, Use};

use crate::secret::{MASK, Secret};

/// The port of PostgreSQL when nothing says otherwise.
pub const DEFAULT_PORT: u16 = 5432;

/// Why a connection string cannot be used. Never contains a value of the string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DsnError {
    reason: String,
}

impl DsnError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Where an instance listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an address.
    Tcp(String),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name) => f.write_str(name),
            Self::Unix(directory) => write!(f, "{}", directory.display()),
        }
    }
}

/// Declares an enum whose variants have the words of connection strings.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every word, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word of connection strings.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// How TLS is asked for, weakest first.
    SslMode {
        /// Never.
        Disable = "disable",
        /// Only when the server insists.
        Allow = "allow",
        /// When the server can.
        Prefer = "prefer",
        /// Always, without verifying the server unless a root certificate is there.
        Require = "require",
        /// The certificate must come from a trusted authority.
        VerifyCa = "verify-ca",
        /// And must be the host's.
        VerifyFull = "verify-full",
    }
}

words! {
    /// How TLS begins.
    SslNegotiation {
        /// Asked for in PostgreSQL's protocol.
        Postgres = "postgres",
        /// At once (PostgreSQL 17 or newer).
        Direct = "direct",
    }
}

words! {
    /// Whether the authentication is bound to the TLS connection.
    ChannelBinding {
        /// Never.
        Disable = "disable",
        /// When both sides can.
        Prefer = "prefer",
        /// Or no connection.
        Require = "require",
    }
}

words! {
    /// Which sessions the writer of the string wanted; the collector watches the instance whatever its role.
    TargetSessionAttrs {
        /// Any.
        Any = "any",
        /// One that can write.
        ReadWrite = "read-write",
        /// One that cannot.
        ReadOnly = "read-only",
        /// On a primary.
        Primary = "primary",
        /// On a standby.
        Standby = "standby",
        /// On a standby, if there is one.
        PreferStandby = "prefer-standby",
    }
}

/// Whom to trust when a server's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCert {
    /// The system's authorities (`sslrootcert=system`).
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

/// Keepalive of the TCP connection; `None` is the system's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether they are sent.
    pub enabled: bool,
    /// Silence before the first.
    pub idle: Option<Duration>,
    /// Time between two.
    pub interval: Option<Duration>,
    /// Lost ones until the connection counts as dead.
    pub count: Option<u32>,
}

/// Where the password was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// Nowhere.
    None,
    /// In the connection string or the service file.
    Given,
    /// In `PGPASSWORD`.
    Environment,
    /// In the password file, for this host, port, database and user.
    Passfile,
}

/// A connection string, resolved. `Debug` and `Display` mask the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    /// Where to connect, and the name that a certificate is compared with.
    pub host: Host,
    /// The address to connect to instead of looking the name up.
    pub hostaddr: Option<IpAddr>,
    /// Port, also of a Unix socket's file name.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Password, if one was found.
    pub password: Option<Secret>,
    /// Where it was found.
    pub password_source: PasswordSource,
    /// The password file, for other databases' lines.
    pub passfile: Option<PathBuf>,
    /// Database.
    pub dbname: String,
    /// How TLS is asked for.
    pub sslmode: SslMode,
    /// How TLS begins.
    pub sslnegotiation: SslNegotiation,
    /// Whom to trust; with [`SslMode::Require`] a given file makes it verify like `verify-ca`, as in libpq.
    pub sslrootcert: Option<RootCert>,
    /// Client certificate.
    pub sslcert: Option<PathBuf>,
    /// Its key.
    pub sslkey: Option<PathBuf>,
    /// Nothing below TLS 1.3.
    pub tls13_only: bool,
    /// Channel binding.
    pub channel_binding: ChannelBinding,
    /// Limit for one attempt; `None` waits for ever.
    pub connect_timeout: Option<Duration>,
    /// Keepalives.
    pub keepalives: Keepalives,
    /// `TCP_USER_TIMEOUT`.
    pub tcp_user_timeout: Option<Duration>,
    /// Name in `pg_stat_activity`, when the string gives one.
    pub application_name: Option<String>,
    /// Options for the backend, when the string gives some.
    pub options: Option<String>,
    /// Accepted, without effect.
    pub target_session_attrs: TargetSessionAttrs,
    /// What the writer should know: a password file that is not used, a keyword without effect.
    pub warnings: Vec<String>,
}

impl Dsn {
    /// Resolves a connection string with everything that libpq would take into account.
    pub fn parse(text: &str, env: &Environment<'_>) -> Result<Self, DsnError> {
        resolve::resolve(conninfo::parse(text)?, env)
    }

    /// Checks a connection string that is meant for another machine: its syntax, keywords and
    /// values, without environment, files or defaults.
    pub fn check(text: &str) -> Result<(), DsnError> {
        resolve::check(&conninfo::parse(text)?)
    }

    /// The same instance and role, another database: its line of the password file may be another.
    pub fn for_database(&self, dbname: &str) -> Self {
        let mut other = Self { dbname: dbname.to_owned(), ..self.clone() };
        if matches!(self.password_source, PasswordSource::None | PasswordSource::Passfile) {
            resolve::password_from_file(&mut other, false);
        }
        other
    }

    /// Whether the server's certificate is compared with an authority.
    pub fn verifies_authority(&self) -> bool {
        self.sslmode >= SslMode::VerifyCa || (self.sslmode == SslMode::Require && self.sslrootcert.is_some())
    }
}

/// Keywords that differ from their defaults, without the password.
impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs: Vec<(&str, String)> = vec![
            ("host", self.host.to_string()),
            ("port", self.port.to_string()),
            ("user", self.user.clone()),
            ("dbname", self.dbname.clone()),
            ("sslmode", self.sslmode.word().to_owned()),
        ];
        pairs.extend(self.hostaddr.map(|address| ("hostaddr", address.to_string())));
        match &self.sslrootcert {
            Some(RootCert::System) => pairs.push(("sslrootcert", "system".to_owned())),
            Some(RootCert::File(path)) => pairs.push(("sslrootcert", path.display().to_string())),
            None => {}
        }
        pairs.extend(self.application_name.clone().map(|name| ("application_name", name)));
        for (index, (name, value)) in pairs.iter().enumerate() {
            write!(f, "{}{name}={}", if index == 0 { "" } else { " " }, conninfo::quote(value))?;
        }
        if self.password.is_some() { write!(f, " password={MASK}") } else { Ok(()) }
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({self})")
    }
}

/// A connection string with other values for some of its keywords.
pub(crate) fn with<'a>(text: &str, values: impl Iterator<Item = (&'static str, &'a str)>) -> Result<String, DsnError> {
    let mut pairs = conninfo::parse(text)?;
    for (keyword, value) in values {
        pairs.retain(|(name, _)| *name != keyword && !(keyword == "host" && *name == "hostaddr"));
        conninfo::store(&mut pairs, keyword, value.to_owned())?;
    }
    let written = pairs.iter().map(|(name, value)| format!("{name}={}", conninfo::quote(value)));
    Ok(written.collect::<Vec<_>>().join(" "))
}

/// Whether a connection string carries a password, however it is written.
pub(crate) fn has_password(text: &str) -> bool {
    conninfo::parse(text).is_ok_and(|pairs| pairs.iter().any(|(name, _)| *name == "password"))
}

/// A connection string with its password masked, whatever else is wrong with it; for showing settings.
pub fn mask(text: &str) -> String {
    let Ok(pairs) = conninfo::parse(text) else {
        return MASK.to_owned();
    };
    let shown = pairs.iter().map(|(name, value)| match *name {
        "password" => format!("{name}={MASK}"),
        // Options may carry anything that a setting can hold.
        "options" => format!("{name}={MASK}"),
        _ => format!("{name}={}", conninfo::quote(value)),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
