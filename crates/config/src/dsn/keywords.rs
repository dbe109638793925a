//! libpq's connection keywords: their environment variables and what becomes of each here.

/// What becomes of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Has its effect.
    Used,
    /// Accepted without effect, because nothing about the connection gets weaker without it.
    Ignored,
    /// Refused with this reason, because the connection would not be what was asked for.
    Refused(&'static str),
}

/// One keyword of a connection string.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// As it is written in connection strings and service files.
    pub name: &'static str,
    /// The environment variable that stands in when the string does not have it.
    pub env: Option<&'static str>,
    /// What becomes of it.
    pub usage: Use,
    /// For the reference page.
    pub help: &'static str,
}

const fn used(name: &'static str, env: Option<&'static str>, help: &'static str) -> Keyword {
    Keyword { name, env, usage: Use::Used, help }
}

const fn ignored(name: &'static str, env: Option<&'static str>, help: &'static str) -> Keyword {
    Keyword { name, env, usage: Use::Ignored, help }
}

const fn refused(name: &'static str, env: Option<&'static str>, reason: &'static str) -> Keyword {
    Keyword { name, env, usage: Use::Refused(reason), help: "" }
}

/// Every keyword that libpq 18 knows, in the order of its documentation.
pub const KEYWORDS: &[Keyword] = &[
    used("host", Some("PGHOST"), "host name, address, or directory of a Unix socket; one only"),
    used("hostaddr", Some("PGHOSTADDR"), "address to connect to; `host` is then only the name to verify"),
    used("port", Some("PGPORT"), "port, 5432"),
    used("dbname", Some("PGDATABASE"), "database, the user's name"),
    used("user", Some("PGUSER"), "role, the name of the operating system's user"),
    used("password", Some("PGPASSWORD"), "password; better in a passfile"),
    used("passfile", Some("PGPASSFILE"), "file of passwords, `~/.pgpass`; ignored unless only its owner can read it"),
    refused("require_auth", Some("PGREQUIREAUTH"), "the choice of authentication methods is not supported"),
    used("channel_binding", Some("PGCHANNELBINDING"), "`disable`, `prefer`, `require`"),
    used("connect_timeout", Some("PGCONNECT_TIMEOUT"), "seconds; 0 waits for ever"),
    ignored("client_encoding", Some("PGCLIENTENCODING"), "the collector always reads UTF-8"),
    used("options", Some("PGOPTIONS"), "options for the backend, such as `-c geqo=off`"),
    used("application_name", Some("PGAPPNAME"), "shown in `pg_stat_activity`"),
    used("fallback_application_name", None, "used when `application_name` is not given"),
    used("keepalives", None, "1 or 0"),
    used("keepalives_idle", None, "seconds; 0 is the system's default"),
    used("keepalives_interval", None, "seconds; 0 is the system's default"),
    used("keepalives_count", None, "lost keepalives; 0 is the system's default"),
    used("tcp_user_timeout", None, "milliseconds; 0 is the system's default"),
    refused("replication", None, "a replication connection cannot read statistics"),
    ignored("gssencmode", Some("PGGSSENCMODE"), "GSSAPI encryption is not used; `require` is refused"),
    used("sslmode", Some("PGSSLMODE"), "`disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`"),
    refused("requiressl", Some("PGREQUIRESSL"), "it is obsolete: write sslmode=require"),
    used("sslnegotiation", Some("PGSSLNEGOTIATION"), "`postgres` or `direct`"),
    ignored("sslcompression", Some("PGSSLCOMPRESSION"), "TLS compression is never used"),
    used("sslcert", Some("PGSSLCERT"), "client certificate, `~/.postgresql/postgresql.crt` when it exists"),
    used("sslkey", Some("PGSSLKEY"), "its key, `~/.postgresql/postgresql.key` when it exists"),
    refused("sslkeylogfile", None, "session keys are never written to a file"),
    refused("sslpassword", None, "encrypted client keys are not supported: give the collector a key file of its own"),
    ignored(
        "sslcertmode",
        Some("PGSSLCERTMODE"),
        "a client certificate is sent when there is one; `require` is refused",
    ),
    used(
        "sslrootcert",
        Some("PGSSLROOTCERT"),
        "file of authorities, `~/.postgresql/root.crt` when it exists, or `system`",
    ),
    refused("sslcrl", Some("PGSSLCRL"), "certificate revocation lists are not supported"),
    refused("sslcrldir", Some("PGSSLCRLDIR"), "certificate revocation lists are not supported"),
    ignored("sslsni", Some("PGSSLSNI"), "the host's name is always sent"),
    refused("requirepeer", Some("PGREQUIREPEER"), "the check of a Unix socket's peer is not supported"),
    used("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), "`TLSv1.2` (never less) or `TLSv1.3`"),
    refused("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), "TLS cannot be limited to old versions"),
    ignored("min_protocol_version", Some("PGMINPROTOCOLVERSION"), "protocol 3.0 is spoken; more is refused"),
    ignored("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), "protocol 3.0 is spoken"),
    ignored("krbsrvname", Some("PGKRBSRVNAME"), "GSSAPI is not used"),
    ignored("gsslib", Some("PGGSSLIB"), "GSSAPI is not used"),
    ignored("gssdelegation", Some("PGGSSDELEGATION"), "GSSAPI is not used"),
    refused("scram_client_key", None, "SCRAM keys in place of a password are not supported"),
    refused("scram_server_key", None, "SCRAM keys in place of a password are not supported"),
    used("service", Some("PGSERVICE"), "section of the service file"),
    used("servicefile", Some("PGSERVICEFILE"), "the service file, `~/.pg_service.conf`, then the system's"),
    used("target_session_attrs", Some("PGTARGETSESSIONATTRS"), "accepted: an instance is watched whatever its role"),
    ignored("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), "there is one host"),
    refused("oauth_issuer", None, "OAuth is not supported"),
    refused("oauth_client_id", None, "OAuth is not supported"),
    refused("oauth_client_secret", None, "OAuth is not supported"),
    refused("oauth_scope", None, "OAuth is not supported"),
];

/// The keyword of that name.
pub(crate) fn keyword(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|known| known.name == name)
}
