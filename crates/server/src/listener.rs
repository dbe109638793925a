//! The listener: accepts within bounds, gives each connection its time, and stops in order.
//!
//! ```text
//! accept ─► places (in all, per address; who waits gives way) ─► TLS ─► conversation (head, idle and stall time-outs) ─► router
//! ```
//! The conversation takes any stream of bytes.

mod conversation;
mod descriptors;
mod places;
mod proxies;
mod tls;
mod wire;

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::http::{self, ApiError};
pub(crate) use conversation::{Arrived, Secure};
use places::{Bounds, Places};
pub(crate) use places::{OnReserve, Place};
pub(crate) use proxies::Proxies;
pub use tls::Tls;

/// What is said to whoever comes in clear text from elsewhere.
const NOT_A_PROXY: &str = "Without TLS only this machine and TRUSTED_PROXIES may connect.";

/// How long is waited when the system cannot give one more connection.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `shutdown` resolves; requests under way get `SHUTDOWN_TIMEOUT`, then they are dropped.
pub(crate) async fn listen(app: &App, router: Router, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let places = Arc::new(Places::new(bounds(app)));
    let proxies = Arc::new(Proxies::new(&app.settings.trusted_proxies));
    let tls = app.tls();
    // Beyond this machine nobody speaks to it in clear text but the proxies that are trusted.
    let is_admitted =
        |address: IpAddr| tls.is_some() || address.to_canonical().is_loopback() || proxies.trusts(address);
    let stall = app.settings.request_timeout + conversation::STALLS_AFTER;
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) if !is_admitted(address.ip()) => {
                    tracing::debug!(%address, "a connection in clear text that is none of TRUSTED_PROXIES");
                    refuse(stream, &ApiError::forbidden(NOT_A_PROXY));
                }
                Ok((stream, address)) => match places.admit(address.ip(), proxies.trusts(address.ip())) {
                    Some(place) => {
                        let visit = conversation::Visit {
                            router: router.clone(),
                            address,
                            proxies: Arc::clone(&proxies),
                            is_secure: tls.is_some(),
                            place: Arc::new(place),
                            stopped: stopped.clone(),
                            stall,
                        };
                        connections.spawn(begin(stream, tls.clone(), visit));
                    }
                    None => {
                        tracing::debug!(%address, "no place for a connection: all are at work");
                        // In clear text nobody who speaks TLS reads it.
                        if tls.is_none() {
                            refuse(stream, &ApiError::from_status(StatusCode::SERVICE_UNAVAILABLE));
                        }
                    }
                },
                Err(error) => survive(&error, &places).await,
            },
        }
    }
    tracing::info!(connections = connections.len(), "stopping: requests under way may finish");
    drop(listener);
    let _ = stopping.send(true);
    let patience = app.settings.shutdown_timeout;
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(patience, all_ended).await.is_err() {
        let timeout_s = patience.as_secs();
        tracing::warn!(timeout_s, connections = connections.len(), "requests were still under way and are dropped");
    }
    connections.shutdown().await;
}

async fn begin(stream: TcpStream, tls: Option<Arc<Tls>>, visit: conversation::Visit) {
    // Answers are written whole: waiting for more to send with them costs 40 ms and gains nothing.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended as it began");
    }
    let Some(tls) = tls else { return conversation::converse(stream, visit).await };
    let mut stopped = visit.stopped.clone();
    let hands_shaken = tokio::select! {
        biased;
        // Who has said nothing yet has nothing under way.
        () = visit.place.gives_way() => None,
        _ = stopped.wait_for(|stopped| *stopped) => None,
        stream = tls::shake_hands(stream, &tls) => stream,
    };
    if let Some(stream) = hands_shaken {
        conversation::converse(stream, visit).await;
    }
}

/// What the settings ask for, as far as descriptors reach.
fn bounds(app: &App) -> Bounds {
    let descriptors = descriptors::raise();
    let pools = app.pool.status().max_size + app.metrics.status().max_size;
    let wanted = app.settings.max_connections;
    let in_all = descriptors::left_for_connections(descriptors, pools).min(wanted);
    if in_all < wanted {
        tracing::warn!(wanted, in_all, descriptors, "fewer connections than wanted: raise the limit of open files");
    }
    Bounds::of(in_all)
}

/// Says in one write why there is no conversation; who does not read it loses it.
fn refuse(stream: TcpStream, error: &ApiError) {
    let answer = http::bare_answer(error);
    let _ = stream.into_std().and_then(|mut stream| stream.write(&answer));
}

/// A connection that cannot be accepted is no reason to stop: it has ended already, or others must go first.
async fn survive(error: &std::io::Error, places: &Places) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "a connection could not be accepted");
    places.make_room();
    sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
}
