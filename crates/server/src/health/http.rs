//! `GET /health` and `GET /version`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deadpool_postgres::Pool;
use tokio::time::timeout;

use super::model::{Health, IngestQueue, State as Word, Timescale, Version};
use crate::app::App;

/// A store that takes longer than this to say yes is not well.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

pub(crate) async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let now = app.clock.now();
    let (database_ok, metrics) = tokio::join!(answers(&app.pool), timescale(&app.metrics));
    let queue_bytes = app.ingest_bytes();
    let queue_capacity_bytes = u64::try_from(app.settings.metrics_buffer_size).unwrap_or(u64::MAX);
    if database_ok && metrics.is_some() {
        app.troubles.answered();
    }
    let mut reasons = app.troubles.sentences();
    if queue_bytes >= queue_capacity_bytes {
        reasons.push("As many bytes of batches wait as may wait: collectors are asked to come again.".to_owned());
    }
    let outage = app.store_outage();
    if let Some(outage) = &outage {
        reasons.insert(0, format!("The store's {}.", outage.sentence(Instant::now())));
    } else if !database_ok || metrics.is_none() {
        let which = if database_ok { "TIMESCALE_URL" } else { "the store" };
        let seconds = STORE_ANSWERS_WITHIN.as_secs();
        reasons.insert(0, format!("A question to {which} was not answered within {seconds} s."));
    }
    let status = if outage.is_some() || !database_ok || metrics.is_none() {
        Word::Unhealthy
    } else if !reasons.is_empty() {
        Word::Degraded
    } else {
        Word::Healthy
    };
    let health = Health {
        status,
        version: app.build.version,
        timestamp: now,
        uptime_seconds: now.duration_since(app.started_at).as_secs().max(0),
        reasons,
        database_ok: database_ok && metrics.is_some(),
        timescale: metrics.unwrap_or_default(),
        ingest: IngestQueue { queue_bytes, queue_capacity_bytes },
    };
    let code = if status == Word::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(health))
}

pub(crate) async fn version(State(app): State<Arc<App>>) -> Json<Version> {
    Json(Version { version: app.build.version, commit: app.build.commit, api_version: "v1" })
}

async fn answers(pool: &Pool) -> bool {
    let asked = timeout(STORE_ANSWERS_WITHIN, async {
        let client = pool.get().await.ok()?;
        client.query_one("select 1", &[]).await.ok()
    });
    asked.await.ok().flatten().is_some()
}

/// Whether TimescaleDB is in the metrics store; `None` when that does not answer.
async fn timescale(pool: &Pool) -> Option<Timescale> {
    let asked = timeout(STORE_ANSWERS_WITHIN, async {
        let client = pool.get().await.ok()?;
        let statement = "select extversion from pg_catalog.pg_extension where extname = 'timescaledb'";
        let row = client.query_opt(statement, &[]).await.ok()?;
        let version: Option<String> = row.map(|row| row.get(0));
        Some(Timescale { available: version.is_some(), version })
    });
    asked.await.ok().flatten()
}
