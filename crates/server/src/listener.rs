//! The listener: accepts within bounds, gives each connection its time, and stops in order.
//!
//! ```text
//! accept ─► places (in all, per address; who waits gives way) ─► conversation (head, idle and stall time-outs) ─► router
//! ```
//! TLS goes between accept and conversation, which takes any stream of bytes.

mod conversation;
mod descriptors;
mod places;
mod wire;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::http;
pub(crate) use conversation::Arrived;
use places::{Bounds, Places};
pub(crate) use places::{OnReserve, Place};

/// How long is waited when the system cannot give one more connection.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `shutdown` resolves; requests under way get `SHUTDOWN_TIMEOUT`, then they are dropped.
pub(crate) async fn listen(app: &App, router: Router, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let places = Arc::new(Places::new(bounds(app)));
    let stall = app.settings.request_timeout + conversation::STALLS_AFTER;
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => match places.admit(address.ip()) {
                    Some(place) => {
                        let visit = conversation::Visit {
                            router: router.clone(),
                            address,
                            place: Arc::new(place),
                            stopped: stopped.clone(),
                            stall,
                        };
                        connections.spawn(begin(stream, visit));
                    }
                    None => refuse(stream, address),
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

async fn begin(stream: TcpStream, visit: conversation::Visit) {
    // Answers are written whole: waiting for more to send with them costs 40 ms and gains nothing.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended as it began");
    }
    conversation::converse(stream, visit).await;
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

/// Says in one write that there is no place; who does not read it loses it.
fn refuse(stream: TcpStream, address: SocketAddr) {
    tracing::debug!(%address, "no place for a connection: all are at work");
    let answer = http::bare_answer(StatusCode::SERVICE_UNAVAILABLE);
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
