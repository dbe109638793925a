//! The listener's life: serve until told to stop, then let what is under way finish.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::app::App;
use crate::http::EVICTION_SECONDS;

/// Serves until `shutdown` resolves; requests under way get `SHUTDOWN_TIMEOUT`, then they are dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let patience = app.settings.shutdown_timeout;
    let (stopping, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        shutdown.await;
        tracing::info!("stopping: requests under way may finish");
        let _ = stopping.send(());
    };
    let upkeep = tokio::spawn(upkeep(app.clone()));
    let server = axum::serve(listener, crate::http::service(&app)).with_graceful_shutdown(shutdown);
    let mut server = std::pin::pin!(server.into_future());
    let result = tokio::select! {
        result = &mut server => result.context("serve HTTP"),
        _ = stopped => match timeout(patience, &mut server).await {
            Ok(result) => result.context("serve HTTP"),
            Err(_) => {
                tracing::warn!(timeout_s = patience.as_secs(), "requests were still under way and are dropped");
                Ok(())
            }
        },
    };
    upkeep.abort();
    result
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
