//! Whether an instance runs on the collector's machine.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use config::dsn::{Dsn, Host};

/// How long a name may take to be resolved.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);

/// Whether a connection string leads to this machine: a Unix socket, or an address that is one of its own.
/// `None` while a name cannot be resolved.
pub async fn is_here(dsn: &Dsn) -> Option<bool> {
    let name = match (&dsn.host, dsn.hostaddr) {
        (Host::Unix(_), _) => return Some(true),
        (Host::Tcp(_), Some(address)) => return Some(is_own(address)),
        (Host::Tcp(name), None) => name.as_str(),
    };
    let resolved = tokio::time::timeout(RESOLVE_LIMIT, tokio::net::lookup_host((name, dsn.port))).await;
    let addresses: Vec<IpAddr> = resolved.ok()?.ok()?.map(|address| address.ip()).collect();
    (!addresses.is_empty()).then(|| addresses.into_iter().all(is_own))
}

/// A port can be had only at an address of this machine.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}
