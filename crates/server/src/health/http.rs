//! `GET /health` and `GET /version`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deadpool_postgres::Pool;
use store::{NO_ANSWER, NO_CONNECTION, READ_ONLY, StoreError};
use tokio::time::timeout;

use super::model::{Health, IngestQueue, State as Word, Timescale, Version};
use crate::app::App;

/// A store that takes longer than this to say yes is not well.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

pub(crate) async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let now = app.clock.now();
    let (database, metrics) = tokio::join!(ask(&app.pool, "select null"), ask(&app.metrics, TIMESCALE));
    let queue_bytes = app.ingest_bytes();
    let queue_capacity_bytes = u64::try_from(app.settings.metrics_buffer_size).unwrap_or(u64::MAX);
    let only_reads = [&database, &metrics].into_iter().flatten().any(|answer| answer.only_reads);
    if database.is_ok() && metrics.is_ok() {
        app.troubles.answered(!only_reads);
    }
    let mut reasons = app.troubles.sentences();
    if only_reads && reasons.is_empty() {
        reasons.push(format!("Nothing can be stored: {READ_ONLY}."));
    }
    if queue_bytes >= queue_capacity_bytes {
        reasons.push("As many bytes of batches wait as may wait: collectors are asked to come again.".to_owned());
    }
    reasons.extend(app.tls().and_then(|tls| tls.trouble(now)));
    let outage = app.store_outage();
    let asked = [("The store", &database), ("TIMESCALE_URL", &metrics)];
    let unanswered = asked.iter().find_map(|(which, answer)| Some((which, answer.as_ref().err()?)));
    if let Some(outage) = &outage {
        reasons.insert(0, format!("The store's {}.", outage.sentence(Instant::now())));
    } else if let Some((which, why)) = unanswered {
        reasons.insert(0, format!("{which} cannot be asked: {why}."));
    }
    let does_answer = unanswered.is_none();
    let status = if outage.is_some() || !does_answer {
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
        database_ok: does_answer,
        timescale: metrics.map(|answer| Timescale::of(answer.word)).unwrap_or_default(),
        ingest: IngestQueue { queue_bytes, queue_capacity_bytes },
    };
    let code = if status == Word::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(health))
}

pub(crate) async fn version(State(app): State<Arc<App>>) -> Json<Version> {
    Json(Version { version: app.build.version, commit: app.build.commit, api_version: "v1" })
}

/// The version of TimescaleDB in the metrics store.
const TIMESCALE: &str = "select extversion from pg_catalog.pg_extension where extname = 'timescaledb'";

/// What a database answers.
struct Answer {
    /// To what it was asked, where that has an answer.
    word: Option<String>,
    only_reads: bool,
}

/// Asks for one word; or why there is no answer, as a clause.
async fn ask(pool: &Pool, question: &str) -> Result<Answer, String> {
    let sql = format!("select current_setting('transaction_read_only') = 'on', ({question})::text");
    let asked = timeout(STORE_ANSWERS_WITHIN, async {
        let client = pool.get().await?;
        Ok::<_, StoreError>(client.query_one(&sql, &[]).await?)
    });
    match asked.await {
        Ok(Ok(row)) => Ok(Answer { only_reads: row.get(0), word: row.get(1) }),
        Ok(Err(error)) => Err(error.why().to_owned()),
        Err(_) if pool.status().waiting > 0 => Err(NO_CONNECTION.to_owned()),
        Err(_) => Err(format!("{NO_ANSWER} within {} s", STORE_ANSWERS_WITHIN.as_secs())),
    }
}
