//! The server's life over a listener: serve until told to stop, and keep small what grows with traffic.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::http::EVICTION_SECONDS;
use crate::{http, listener};

/// Serves until `shutdown` resolves; requests under way get `SHUTDOWN_TIMEOUT`, then they are dropped.
///
/// # Errors
/// None today: a connection that cannot be accepted is no reason to stop.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let upkeep = tokio::spawn(upkeep(app.clone()));
    let follow = app.tls().map(|tls| tokio::spawn(async move { tls.follow().await }));
    listener::listen(&app, http::router(&app), listener, shutdown).await;
    upkeep.abort();
    if let Some(follow) = follow {
        follow.abort();
    }
    Ok(())
}

/// Keeps what grows with traffic small.
async fn upkeep(app: Arc<App>) {
    let mut ticks = interval(Duration::from_secs(EVICTION_SECONDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        app.limits.evict_idle();
        app.trim_idle_connections();
    }
}
