//! Connections to PostgreSQL, pooled and bounded.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// How long a request waits for a free connection.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that are left to others on the store's own server.
const LEFT_TO_OTHERS: usize = 10;

/// Where the store is and how many connections it may have.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// libpq's URI or keywords.
    pub url: String,
    /// `MAX_DATABASE_CONNS`; lowered to what the store allows.
    pub max_connections: usize,
}

/// Opens a pool and lowers its size to what the store allows.
///
/// # Errors
/// When the address is wrong or the store cannot be reached.
pub async fn open(settings: &PoolSettings) -> Result<Pool, StoreError> {
    // The parser's error may quote the address, and the address may hold a password.
    let wrong = |_: tokio_postgres::Error| StoreError::Address("not a PostgreSQL connection string".to_owned());
    let mut config: Config = settings.url.parse().map_err(wrong)?;
    config.application_name("pganalytics server");
    config.connect_timeout(CONNECT_TIMEOUT);
    let options = config.get_options().map(|set| format!("{set} ")).unwrap_or_default();
    config.options(format!("{options}-c timezone=UTC -c idle_in_transaction_session_timeout=120000"));
    let pool = build(config, settings.max_connections)?;
    let allowed: i64 = {
        let client = pool.get().await?;
        let row = client
            .query_one(
                "select least(
                     current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8,
                     (select case when datconnlimit < 0 then null else datconnlimit end
                      from pg_database where datname = current_database())::int8)",
                &[],
            )
            .await?;
        row.get(0)
    };
    let allowed = usize::try_from(allowed).unwrap_or(1).saturating_sub(LEFT_TO_OTHERS).max(2);
    if allowed < settings.max_connections {
        tracing::info!(wanted = settings.max_connections, allowed, "fewer connections than wanted: the store's limit");
        pool.resize(allowed);
    }
    Ok(pool)
}

fn build(config: Config, max_size: usize) -> Result<Pool, StoreError> {
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let manager = if local || config.get_ssl_mode() == SslMode::Disable {
        Manager::from_config(config, NoTls, manager_config)
    } else {
        Manager::from_config(config, tls()?, manager_config)
    };
    Pool::builder(manager)
        .max_size(max_size.max(2))
        .timeouts(Timeouts { wait: Some(WAIT_TIMEOUT), create: Some(CONNECT_TIMEOUT), recycle: Some(CONNECT_TIMEOUT) })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Address(error.to_string()))
}

fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One broken certificate of the system does not matter; none at all shows at the handshake.
        let _ = roots.add(certificate);
    }
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Address(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
