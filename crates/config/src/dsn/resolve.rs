//! From keywords to a [`Dsn`]: defaults from service, environment and files, and the checks of values.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::conninfo::{Pairs, multi_host};
use super::keywords::{KEYWORDS, Use};
use super::{
    ChannelBinding, DEFAULT_PORT, Dsn, DsnError, Environment, Host, Keepalives, PasswordSource, RootCert, SslMode,
    SslNegotiation, TargetSessionAttrs, passfile, service,
};
use crate::nearest::hint;
use crate::secret::Secret;

/// Where distributions and PostgreSQL itself put the socket.
const SOCKET_DIRECTORIES: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// The longest path of a Unix socket, with the terminating zero byte.
const MAX_SOCKET_PATH: usize = 108;

/// libpq's own floor: less than two seconds would time out on clock granularity.
const LEAST_TIMEOUT: u64 = 2;

/// Values of the connection string, then of the service, then of the environment.
struct Values {
    given: Pairs,
    service: Pairs,
    environment: Pairs,
}

impl Values {
    /// The value in force, if it is not empty: an empty one asks for the default.
    fn get(&self, name: &str) -> Option<&str> {
        let last = |pairs: &'_ Pairs| pairs.iter().rposition(|(known, _)| *known == name);
        for pairs in [&self.given, &self.service, &self.environment] {
            if let Some(index) = last(pairs) {
                return Some(pairs[index].1.as_str()).filter(|value| !value.is_empty());
            }
        }
        None
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn only_in_environment(&self, name: &str) -> bool {
        [&self.given, &self.service].iter().all(|pairs| pairs.iter().all(|(known, _)| *known != name))
    }

    fn word<T>(&self, name: &str, words: &[&str], read: fn(&str) -> Option<T>) -> Result<Option<T>, DsnError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match read(value) {
            Some(found) => Ok(Some(found)),
            None => {
                let near = hint(value, words.iter().copied());
                Err(DsnError::new(format!("{name} must be one of {}{near}", words.join(", "))))
            }
        }
    }

    /// A whole number; negative ones count as 0, the system's default, as in libpq.
    fn number(&self, name: &str) -> Result<Option<u64>, DsnError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.trim().parse::<i32>() {
            Ok(number) => Ok(Some(u64::try_from(number).unwrap_or(0))),
            Err(_) => Err(DsnError::new(format!("{name} must be a whole number"))),
        }
    }
}

/// What the text alone decides, in the order in which it is checked.
struct Parsed {
    host: Option<Host>,
    hostaddr: Option<IpAddr>,
    port: u16,
    sslmode: Option<SslMode>,
    sslnegotiation: SslNegotiation,
    channel_binding: ChannelBinding,
    tls13_only: bool,
    target_session_attrs: TargetSessionAttrs,
    connect_timeout: Option<Duration>,
    keepalives: Keepalives,
    tcp_user_timeout: Option<Duration>,
}

/// Checks what needs nothing but the text.
pub(crate) fn check(pairs: &Pairs) -> Result<(), DsnError> {
    parsed(&Values { given: pairs.clone(), service: Vec::new(), environment: Vec::new() }).map(|_| ())
}

/// Resolves the keywords of a connection string.
pub(crate) fn resolve(given: Pairs, env: &Environment<'_>) -> Result<Dsn, DsnError> {
    let mut values = Values { given, service: Vec::new(), environment: Vec::new() };
    if let Some(name) = values.owned("service").or_else(|| env.get("PGSERVICE")) {
        values.service = service::read(&name, values.get("servicefile"), env)?;
    }
    let mut warnings = Vec::new();
    for keyword in KEYWORDS {
        let Some((variable, value)) = keyword.env.and_then(|variable| Some((variable, env.get(variable)?))) else {
            continue;
        };
        match keyword.usage {
            Use::Used | Use::Ignored => values.environment.push((keyword.name, value)),
            // Set for other programs of this machine, but still a wish that would not be fulfilled.
            Use::Refused(reason) => return Err(DsnError::new(format!("{variable} is set, but {reason}"))),
        }
    }
    let parsed = parsed(&values)?;
    let home = env.home();
    let own = |file: &str| home.as_deref().map(|home| home.join(".postgresql").join(file)).filter(|path| path.exists());

    let host = match (parsed.host, parsed.hostaddr) {
        (Some(host), _) => host,
        (None, Some(address)) => Host::Tcp(address.to_string()),
        (None, None) => Host::Unix(default_socket_directory(parsed.port)),
    };
    let sslrootcert = match values.get("sslrootcert") {
        Some("system") => Some(RootCert::System),
        Some(path) => Some(RootCert::File(PathBuf::from(path))),
        None => own("root.crt").map(RootCert::File),
    };
    let sslmode = parsed.sslmode.unwrap_or(match sslrootcert {
        Some(RootCert::System) => SslMode::VerifyFull,
        _ => SslMode::Prefer,
    });
    let sslcert = values.owned("sslcert").map(PathBuf::from).or_else(|| own("postgresql.crt"));
    let sslkey = values.owned("sslkey").map(PathBuf::from).or_else(|| own("postgresql.key"));
    if matches!(host, Host::Tcp(_)) && sslmode >= SslMode::VerifyCa && sslrootcert.is_none() {
        return Err(DsnError::new(format!(
            "sslmode={} needs sslrootcert: a file of authorities, or \"system\"",
            sslmode.word()
        )));
    }
    if sslcert.is_some() != sslkey.is_some() {
        let (there, lacking) = if sslcert.is_some() { ("sslcert", "sslkey") } else { ("sslkey", "sslcert") };
        return Err(DsnError::new(format!("{there} is given without {lacking}")));
    }
    let Some(user) = values.owned("user").or_else(|| env.user()) else {
        return Err(DsnError::new(
            "the connection string names no user, and the system has no name for this process's",
        ));
    };
    let password = values.owned("password").map(Secret::new);
    let password_source = match password {
        None => PasswordSource::None,
        Some(_) if values.only_in_environment("password") => PasswordSource::Environment,
        Some(_) => PasswordSource::Given,
    };
    let named_passfile = values.owned("passfile").map(PathBuf::from);
    let passfile_named = named_passfile.is_some();
    warnings.extend(values.get("client_encoding").and_then(encoding_warning));

    let mut dsn = Dsn {
        dbname: values.owned("dbname").unwrap_or_else(|| user.clone()),
        host,
        hostaddr: parsed.hostaddr,
        port: parsed.port,
        user,
        password,
        password_source,
        passfile: named_passfile.or_else(|| home.as_deref().map(|home| home.join(".pgpass"))),
        sslmode,
        sslnegotiation: parsed.sslnegotiation,
        sslrootcert,
        sslcert,
        sslkey,
        tls13_only: parsed.tls13_only,
        channel_binding: parsed.channel_binding,
        connect_timeout: parsed.connect_timeout,
        keepalives: parsed.keepalives,
        tcp_user_timeout: parsed.tcp_user_timeout,
        application_name: values.owned("application_name").or_else(|| values.owned("fallback_application_name")),
        options: values.owned("options"),
        target_session_attrs: parsed.target_session_attrs,
        warnings,
    };
    if dsn.password_source == PasswordSource::None {
        password_from_file(&mut dsn, passfile_named);
    }
    Ok(dsn)
}

/// Looks the password up in the password file; a file that cannot be used becomes a warning.
pub(crate) fn password_from_file(dsn: &mut Dsn, named: bool) {
    dsn.password = None;
    dsn.password_source = PasswordSource::None;
    let Some(path) = dsn.passfile.clone() else { return };
    let host = match &dsn.host {
        Host::Unix(directory) if SOCKET_DIRECTORIES.iter().any(|known| directory == Path::new(known)) => {
            "localhost".to_owned()
        }
        host => host.to_string(),
    };
    let target = passfile::Target { host: &host, port: dsn.port, dbname: &dsn.dbname, user: &dsn.user };
    match passfile::lookup(&path, named, target) {
        Ok(None) => {}
        Ok(Some(password)) => {
            dsn.password = Some(password);
            dsn.password_source = PasswordSource::Passfile;
        }
        Err(warning) => {
            if !dsn.warnings.contains(&warning) {
                dsn.warnings.push(warning);
            }
        }
    }
}

fn parsed(values: &Values) -> Result<Parsed, DsnError> {
    for name in ["host", "hostaddr", "port"] {
        if values.get(name).is_some_and(|value| value.contains(',')) {
            return Err(multi_host());
        }
    }
    let port = match values.get("port").map(|port| port.trim().parse::<u16>()) {
        None => DEFAULT_PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(DsnError::new("port must be a number from 1 to 65535")),
    };
    let hostaddr = match values.get("hostaddr").map(str::parse::<IpAddr>) {
        None => None,
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => return Err(DsnError::new("hostaddr must be an IPv4 or IPv6 address (names belong in host)")),
    };
    let sslmode = values.word("sslmode", SslMode::WORDS, SslMode::from_word)?;
    let sslnegotiation = values
        .word("sslnegotiation", SslNegotiation::WORDS, SslNegotiation::from_word)?
        .unwrap_or(SslNegotiation::Postgres);
    let system = values.get("sslrootcert") == Some("system");
    if system && sslmode.is_some_and(|mode| mode != SslMode::VerifyFull) {
        return Err(DsnError::new("sslrootcert=system needs sslmode=verify-full: anybody can get a certificate there"));
    }
    if sslnegotiation == SslNegotiation::Direct && !system && sslmode.unwrap_or(SslMode::Prefer) < SslMode::Require {
        return Err(DsnError::new("sslnegotiation=direct needs sslmode=require or stronger"));
    }
    for name in ["gssencmode", "sslcertmode"] {
        if values.get(name) == Some("require") {
            return Err(DsnError::new(format!("{name}=require is not supported")));
        }
    }
    if values.get("min_protocol_version").is_some_and(|version| version != "3.0") {
        return Err(DsnError::new("min_protocol_version above 3.0 is not supported"));
    }
    let tls13_only = match values.get("ssl_min_protocol_version") {
        None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => false,
        Some("TLSv1.3") => true,
        Some(_) => return Err(DsnError::new("ssl_min_protocol_version must be TLSv1.2 or TLSv1.3")),
    };
    let seconds = |name| Ok(values.number(name)?.filter(|value| *value > 0).map(Duration::from_secs));
    let keepalives = Keepalives {
        enabled: values.number("keepalives")? != Some(0),
        idle: seconds("keepalives_idle")?,
        interval: seconds("keepalives_interval")?,
        count: values
            .number("keepalives_count")?
            .filter(|value| *value > 0)
            .and_then(|value| u32::try_from(value).ok()),
    };
    Ok(Parsed {
        host: values.get("host").map(|value| host(value, port)).transpose()?,
        hostaddr,
        port,
        sslmode,
        sslnegotiation,
        channel_binding: values
            .word("channel_binding", ChannelBinding::WORDS, ChannelBinding::from_word)?
            .unwrap_or(ChannelBinding::Prefer),
        tls13_only,
        target_session_attrs: values
            .word("target_session_attrs", TargetSessionAttrs::WORDS, TargetSessionAttrs::from_word)?
            .unwrap_or(TargetSessionAttrs::Any),
        connect_timeout: values
            .number("connect_timeout")?
            .filter(|value| *value > 0)
            .map(|value| Duration::from_secs(value.max(LEAST_TIMEOUT))),
        keepalives,
        tcp_user_timeout: values.number("tcp_user_timeout")?.filter(|value| *value > 0).map(Duration::from_millis),
    })
}

fn host(value: &str, port: u16) -> Result<Host, DsnError> {
    if value.starts_with('@') {
        return Err(DsnError::new("a Unix socket in the abstract namespace (host=@…) is not supported"));
    }
    if !value.starts_with('/') {
        return Ok(Host::Tcp(value.to_owned()));
    }
    if socket_path(Path::new(value), port).as_os_str().len() >= MAX_SOCKET_PATH {
        return Err(DsnError::new(format!(
            "the path of the Unix socket is longer than the {} bytes that the system allows",
            MAX_SOCKET_PATH - 1
        )));
    }
    Ok(Host::Unix(PathBuf::from(value)))
}

fn socket_path(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

/// Where a local instance of that port listens; libpq has this compiled in, and builds differ.
fn default_socket_directory(port: u16) -> PathBuf {
    let listening = SOCKET_DIRECTORIES.iter().find(|directory| socket_path(Path::new(directory), port).exists());
    let present = || SOCKET_DIRECTORIES.iter().find(|directory| Path::new(directory).is_dir());
    PathBuf::from(listening.or_else(present).unwrap_or(&SOCKET_DIRECTORIES[0]))
}

fn encoding_warning(encoding: &str) -> Option<String> {
    let utf8 = matches!(encoding.to_ascii_lowercase().replace('-', "").as_str(), "utf8" | "auto" | "unicode");
    (!utf8).then(|| "client_encoding has no effect: the collector always reads UTF-8".to_owned())
}
