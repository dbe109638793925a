//! Why a PostgreSQL cannot be reached, as a sentence that names where it was looked for. Pure.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use config::dsn::{Dsn, Host};
use tokio_postgres::error::SqlState;

/// The text of a PostgreSQL error with its SQLSTATE, or of what failed on the way.
#[must_use]
pub fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        // Whoever raised it may have written several lines.
        Some(db) => format!("{} (SQLSTATE {})", catalog::one_line(db.message()), db.code().code()),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// Why no connection came about, where the way is to blame or the password: with the place.
#[must_use]
pub fn unreachable(error: &tokio_postgres::Error, dsn: &Dsn) -> Option<String> {
    match error.as_db_error() {
        Some(_) if is_about_password(error) => {
            Some(format!("password of role {} refused by {} (SQLSTATE 28P01)", dsn.user, place(dsn)))
        }
        Some(_) => None,
        None => Some(on_the_way(error, dsn)),
    }
}

fn is_about_password(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_PASSWORD)
}

/// What failed before the instance said anything.
fn on_the_way(error: &tokio_postgres::Error, dsn: &Dsn) -> String {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(io) => of_network(io, dsn),
        None => format!("{} cannot be reached: {}", place(dsn), describe(error)),
    }
}

fn of_network(error: &io::Error, dsn: &Dsn) -> String {
    let place = place(dsn);
    match (error.kind(), &dsn.host) {
        (ErrorKind::ConnectionRefused, _) => format!("connection refused by {place}"),
        (ErrorKind::NotFound, Host::Unix(_)) => format!("{place} does not exist"),
        (ErrorKind::PermissionDenied, Host::Unix(_)) => {
            format!("{place} may not be opened by this operating system user")
        }
        (ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable, _) => format!("no route to {place}"),
        (ErrorKind::TimedOut, _) => format!("{place} does not answer"),
        (ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe, _) => {
            format!("{place} closed the connection before it answered")
        }
        (ErrorKind::UnexpectedEof, _) => format!("{place} closed the connection before it answered"),
        // The system's resolver says what it found in words of its own.
        (_, Host::Tcp(name)) if dsn.hostaddr.is_none() && error.to_string().contains("lookup address") => {
            format!("host name {name} is not known: {}", resolver(error))
        }
        _ => format!("{place} cannot be reached: {error}"),
    }
}

/// What the resolver said, without the words around it.
fn resolver(error: &io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(": ").map_or(text.clone(), |(_, reason)| reason.to_owned())
}

/// Where a connection string points.
#[must_use]
pub fn place(dsn: &Dsn) -> String {
    match (&dsn.host, dsn.hostaddr) {
        (Host::Unix(directory), _) => {
            format!("socket {}", directory.join(format!(".s.PGSQL.{}", dsn.port)).display())
        }
        (Host::Tcp(name), Some(address)) if *name != address.to_string() => format!("{name}:{} ({address})", dsn.port),
        (Host::Tcp(name), _) if name.contains(':') => format!("[{name}]:{}", dsn.port),
        (Host::Tcp(name), _) => format!("{name}:{}", dsn.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsn(text: &str) -> Dsn {
        Dsn::parse(text, &config::dsn::Environment::new(&|_| None)).unwrap()
    }

    #[test]
    fn a_network_error_names_the_place() {
        let tcp = dsn("host=db-1 port=6000 user=m");
        let unix = dsn("host=/run/pg port=6000 user=m");
        let said = |kind: ErrorKind, dsn: &Dsn| of_network(&io::Error::from(kind), dsn);
        assert_eq!(said(ErrorKind::ConnectionRefused, &tcp), "connection refused by db-1:6000");
        assert_eq!(said(ErrorKind::ConnectionRefused, &unix), "connection refused by socket /run/pg/.s.PGSQL.6000");
        assert_eq!(said(ErrorKind::NotFound, &unix), "socket /run/pg/.s.PGSQL.6000 does not exist");
        assert_eq!(said(ErrorKind::NetworkUnreachable, &tcp), "no route to db-1:6000");
        assert_eq!(said(ErrorKind::ConnectionRefused, &dsn("host=::1 port=1 user=m")), "connection refused by [::1]:1");
        let unknown = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(of_network(&unknown, &tcp), "host name db-1 is not known: Name or service not known");
    }
}
