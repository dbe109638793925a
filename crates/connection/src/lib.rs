//! From a connection string to tokio-postgres: parameters, and TLS with libpq's meaning of `sslmode`.
//!
//! Shared by the collector, which watches instances, and the server, which keeps its store in one. What each adds
//! (its name, its options, its timeouts) it adds to the parameters.

mod cancel;
mod tls;
mod unreachable;

use config::dsn::{ChannelBinding, Dsn, Host, SslMode, SslNegotiation};
use tokio_postgres::{Config, config as parameter};

pub use cancel::Canceller;
pub use tls::connector;
pub use unreachable::{describe, place, unreachable};

/// Whether connections may need TLS: never over a Unix socket, and not with `sslmode=disable`.
#[must_use]
pub fn may_use_tls(dsn: &Dsn) -> bool {
    !matches!(dsn.host, Host::Unix(_)) && dsn.sslmode != SslMode::Disable
}

/// The parameters that a connection string gives, its `options` and timeouts aside.
#[must_use]
pub fn parameters(dsn: &Dsn) -> Config {
    let mut config = Config::new();
    match &dsn.host {
        Host::Tcp(name) => config.host(name),
        Host::Unix(directory) => config.host_path(directory),
    };
    if let Some(address) = dsn.hostaddr {
        config.hostaddr(address);
    }
    config.port(dsn.port).user(&dsn.user).dbname(&dsn.dbname);
    if let Some(password) = &dsn.password {
        config.password(password.expose());
    }
    config.ssl_mode(match dsn.sslmode {
        SslMode::Disable => parameter::SslMode::Disable,
        SslMode::Allow | SslMode::Prefer => parameter::SslMode::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => parameter::SslMode::Require,
    });
    if dsn.sslnegotiation == SslNegotiation::Direct {
        config.ssl_negotiation(parameter::SslNegotiation::Direct);
    }
    config.channel_binding(match dsn.channel_binding {
        ChannelBinding::Disable => parameter::ChannelBinding::Disable,
        ChannelBinding::Prefer => parameter::ChannelBinding::Prefer,
        ChannelBinding::Require => parameter::ChannelBinding::Require,
    });
    config.keepalives(dsn.keepalives.enabled);
    if let Some(idle) = dsn.keepalives.idle {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = dsn.keepalives.interval {
        config.keepalives_interval(interval);
    }
    if let Some(count) = dsn.keepalives.count {
        config.keepalives_retries(count);
    }
    if let Some(limit) = dsn.tcp_user_timeout {
        config.tcp_user_timeout(limit);
    }
    config
}
