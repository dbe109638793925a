//! The table of settings.

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything but nothing.
    Text,
    /// A connection string of PostgreSQL.
    PostgresUrl,
    /// A path.
    Path,
    /// A whole number within bounds.
    Number {
        /// Least.
        least: u64,
        /// Most.
        most: u64,
        /// What it counts.
        unit: &'static str,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An address to listen on.
    Address,
    /// Addresses and networks, separated by commas.
    Networks,
    /// An address and a port.
    SocketAddress,
    /// Origins (`https://host:port`), separated by commas.
    Origins,
    /// A level, or several as in `info,server=debug`.
    LogLevels,
}

impl Kind {
    /// What was expected, as a phrase.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::PostgresUrl => {
                "a PostgreSQL connection string, as in postgresql://user@host:5432/database".to_owned()
            }
            Self::Path => "a path".to_owned(),
            Self::Number { least, most, unit } => format!("a whole number from {least} to {most} ({unit})"),
            Self::Flag => "true or false".to_owned(),
            Self::OneOf(words) => words.join(" or "),
            Self::Address => "an address of this machine, as in 127.0.0.1, ::1 or 0.0.0.0".to_owned(),
            Self::Networks => {
                "addresses or networks, none of them everybody, as in 10.0.0.7,192.168.0.0/16, separated by commas"
                    .to_owned()
            }
            Self::SocketAddress => "an address with a port, as in 127.0.0.1:5433 or [::1]:5433".to_owned(),
            Self::LogLevels => {
                "error, warn, info, debug, trace or off, also per module as in info,server=debug".to_owned()
            }
            Self::Origins => "origins as in https://host:port, separated by commas".to_owned(),
        }
    }
}

/// Whether a setting does something in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Built,
    /// It is promised; until then a value is refused rather than ignored.
    Later,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// Older names that work too.
    pub aliases: &'static [&'static str],
    /// What a value must look like.
    pub kind: Kind,
    /// The value when nothing is said.
    pub default: Option<&'static str>,
    /// What happens when nothing is said, where no fixed value can tell.
    pub default_help: Option<&'static str>,
    /// Whether it is masked, and may come from `NAME_FILE`.
    pub secret: bool,
    /// Whether it does something yet.
    pub standing: Standing,
    /// What it does, in a sentence or two.
    pub help: &'static str,
}

const fn row(name: &'static str, kind: Kind, default: Option<&'static str>, help: &'static str) -> Setting {
    Setting { name, aliases: &[], kind, default, default_help: None, secret: false, standing: Standing::Built, help }
}

const fn later(name: &'static str, kind: Kind, default: Option<&'static str>, help: &'static str) -> Setting {
    Setting { standing: Standing::Later, ..row(name, kind, default, help) }
}

impl Setting {
    const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn absent(self, default_help: &'static str) -> Self {
        Self { default_help: Some(default_help), ..self }
    }
}

const fn number(least: u64, most: u64, unit: &'static str) -> Kind {
    Kind::Number { least, most, unit }
}

const MINUTE_MOST: u64 = 1_000_000;
const YEAR_SECONDS: u64 = 366 * 86_400;
const GIBIBYTE: u64 = 1 << 30;

/// Every setting of the server, in the order of the reference.
pub const SETTINGS: &[Setting] = &[
    row(
        "BIND_ADDRESS",
        Kind::Address,
        Some("127.0.0.1"),
        "The address to listen on. One that others reach takes `TLS_ENABLED=true`, or `TRUSTED_PROXIES`.",
    ),
    row("PORT", number(0, 65_535, "0 takes a free one"), Some("8080"), "The port to listen on."),
    row("DATA_DIR", Kind::Path, None, "Embedded store, keys. Made when absent, and closed to others: 0700, or 0710 where root lets PostgreSQL's account pass.")
        .absent("`/var/lib/pganalytics` for root, else `pganalytics` in the user's data directory"),
    row("DATABASE_URL", Kind::PostgresUrl, None, "The store.").secret().absent("a private cluster in `DATA_DIR`"),
    row("TIMESCALE_URL", Kind::PostgresUrl, None, "Where samples are kept, if not in `DATABASE_URL`.")
        .secret()
        .absent("the same as `DATABASE_URL`"),
    row(
        "STORE_LAYOUT",
        Kind::OneOf(&["auto", "native", "timescale", "citus"]),
        Some("auto"),
        "How a store that is made now keeps what is measured: in partitions of PostgreSQL (`native`), in TimescaleDB or in \
         Citus, whose extension is created where it is missing. `auto` takes the extension that somebody has created in \
         its database, else `native`. A store that is there stays as it is; `pganalytics admin layout timescale` changes it.",
    ),
    row(
        "ENVIRONMENT",
        Kind::OneOf(&["development", "production"]),
        Some("development"),
        "`production` refuses to start with missing secrets, or with ones shorter than 32 bytes.",
    ),
    row(
        "LOG_LEVEL",
        Kind::LogLevels,
        Some("info"),
        "`error`, `warn`, `info`, `debug`, `trace`, or per module as in `info,server=debug`.",
    ),
    row("LOG_FORMAT", Kind::OneOf(&["text", "json"]), Some("text"), "How log lines look."),
    row("JWT_SECRET", Kind::Text, None, "What tokens are signed with, 32 bytes or more.")
        .aliases(&["JWT_SECRET_KEY"])
        .secret()
        .absent("made and kept in `DATA_DIR`, but not in production"),
    row("JWT_EXPIRATION", number(60, 86_400, "seconds"), Some("900"), "How long an access token works."),
    row(
        "JWT_REFRESH_EXPIRATION",
        number(300, YEAR_SECONDS, "seconds"),
        Some("604800"),
        "How long a refresh token can be traded for the next.",
    ),
    row("REGISTRATION_SECRET", Kind::Text, None, "The secret that collectors register with, 16 bytes or more.")
        .secret()
        .absent("collectors cannot register"),
    row("ADMIN_USERNAME", Kind::Text, Some("admin"), "The first administrator's name. Read at the first start only."),
    row(
        "ADMIN_PASSWORD",
        Kind::Text,
        None,
        "The first administrator's password, 8 characters or more. Read at the first start only.",
    )
    .secret()
    .absent("made, and printed once"),
    row("CORS_ALLOWED_ORIGINS", Kind::Origins, None, "Origins whose pages may call the API.").absent("none"),
    row("RATE_LIMIT_USER_PER_MINUTE", number(1, MINUTE_MOST, "requests"), Some("100"), "Requests a minute per user."),
    row(
        "RATE_LIMIT_COLLECTOR_PER_MINUTE",
        number(1, MINUTE_MOST, "requests"),
        Some("1000"),
        "Requests a minute per collector.",
    ),
    row(
        "RATE_LIMIT_ADDRESS_PER_MINUTE",
        number(1, MINUTE_MOST, "requests"),
        Some("100"),
        "Requests a minute per address where nobody is known. Who sends the right registration secret is not counted.",
    ),
    row(
        "MAX_DATABASE_CONNS",
        number(2, 10_000, "connections"),
        Some("200"),
        "Connections to the store at most; lowered to what the store allows. A quarter of them, two at least, only read.",
    ),
    row("MAX_IDLE_DATABASE_CONNS", number(1, 10_000, "connections"), Some("50"), "Idle connections that are kept."),
    row(
        "METRICS_BUFFER_SIZE",
        number(1 << 20, 64 * GIBIBYTE, "bytes"),
        Some("52428800"),
        "Bytes of batches in flight at most; past it collectors are asked to wait.",
    ),
    row("REQUEST_TIMEOUT", number(1, 3_600, "seconds"), Some("30"), "How long one request may take."),
    row(
        "SHUTDOWN_TIMEOUT",
        number(0, 3_600, "seconds"),
        Some("30"),
        "How long requests under way may finish when the server stops.",
    ),
    row(
        "MAX_CONNECTIONS",
        number(16, 1_000_000, "connections"),
        Some("10000"),
        "Connections to the listener at most; lowered to what the limit of open files allows. Past it those that wait \
         give way, strangers first.",
    ),
    row("CATALOG_DIR", Kind::Path, None, "A folder with more sets, over those in the binary.").absent("none"),
    row(
        "TRUSTED_PROXIES",
        Kind::Networks,
        None,
        "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Without TLS they and this machine alone may \
         connect, whatever `BIND_ADDRESS` is.",
    )
    .absent("nobody's is"),
    row(
        "EMBEDDED_LISTEN",
        Kind::SocketAddress,
        None,
        "Where the private cluster listens over TCP, without TLS, for Grafana: its role `pganalytics_grafana` reads what \
         was measured, with the password in `DATA_DIR/grafana-password`. Beyond this machine's own addresses each start warns.",
    )
    .absent("a Unix socket only"),
    row(
        "STORE_DISK_BYTES",
        number(1 << 20, 1 << 60, "bytes"),
        None,
        "What the store's disk holds, or what the store may take of it: `GET /store` tells from it when it is full.",
    )
    .absent("what this machine tells of `DATA_DIR`; not known for a store elsewhere"),
    row("TLS_ENABLED", Kind::Flag, Some("false"), "Whether the listener speaks TLS (1.3), and nothing else."),
    row(
        "TLS_CERT_PATH",
        Kind::Path,
        None,
        "The listener's certificate in PEM, followed by those between it and its authority. A file that was replaced is \
         in force for the next connection, some 10 s later.",
    )
    .aliases(&["TLS_CERT"])
    .absent("needed where TLS is spoken"),
    row("TLS_KEY_PATH", Kind::Path, None, "Its key in PEM, without a password; not readable by everybody.")
        .aliases(&["TLS_KEY"])
        .absent("needed where TLS is spoken"),
    later("TLS_CA_CERT", Kind::Path, None, "Who signs collectors' certificates."),
    later("ENABLE_MTLS", Kind::Flag, Some("false"), "Whether collectors must show a certificate."),
    later("CERT_ROTATION_DAYS", number(1, 3_650, "days"), Some("30"), "When certificates are renewed."),
    later("MAX_CONCURRENT_COLLECTORS", number(1, 1_000_000, "collectors"), None, "Collectors at once at most."),
    later("BATCH_SIZE", number(1, 1_000_000, "batches"), None, "Batches that share a transaction at most."),
    row(
        "CUSTOM_SETS",
        Kind::OneOf(&["approve", "accept", "refuse"]),
        Some("approve"),
        "What happens to sets of users' own (`x_…`) that collectors bring from their `CATALOG_DIR` and the server does not \
         know: taken once an administrator approved them, taken at once, or refused. With `refuse` none can be written on \
         the server either.",
    ),
    later("ENABLE_AUDIT_LOGGING", Kind::Flag, Some("false"), "Whether actions are written to the audit log."),
    later("AUDIT_LOG_RETENTION_DAYS", number(1, 36_500, "days"), Some("90"), "How long the audit log is kept."),
    later("BACKUP_KEY", Kind::Text, None, "What backups are encrypted with.").secret(),
];
