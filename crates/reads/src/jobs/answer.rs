//! `GET /jobs`, with its SQL.

use std::collections::HashMap;

use store::Job;
use store::tiers::{SETTLE_US, Tier};
use tokio_postgres::Row;

use super::model::{BackgroundJob, DueBuckets, JobState, Jobs};
use crate::error::ReadError;
use crate::reader::Snapshot;

const JOBS: &str = "select name, held_until > now(), holder, host, started_at, finished_at, duration_us, done, error,
        error_at, failures, next_at, next_at < now() - make_interval(secs => $1)
    from metrics.jobs";

/// What is due for longer is taken by nobody: servers look every few seconds, and the lease of one that is gone ends
/// within 15.
const OVERDUE_SECONDS: f64 = 30.0;

const DUE: &str = "select tier, count(*), min(first), max(least(last, now()))
    from metrics.due where first <= now() - make_interval(secs => $1) group by tier";

/// The jobs of all servers.
///
/// # Errors
/// When the store fails.
pub async fn list(snapshot: &Snapshot) -> Result<Jobs, ReadError> {
    let rows = snapshot.query(JOBS, &[&OVERDUE_SECONDS]).await?;
    let rows: HashMap<&str, &Row> = rows.iter().map(|row| (row.get(0), row)).collect();
    let mut data = Vec::new();
    for job in Job::ALL {
        if let Some(row) = rows.get(job.name()) {
            let due = if job == Job::RollUp { Some(due(snapshot).await?) } else { None };
            data.push(one(job, row, due));
        }
    }
    Ok(Jobs { data })
}

fn one(job: Job, row: &Row, due: Option<Vec<DueBuckets>>) -> BackgroundJob {
    let is_running = row.get::<_, Option<bool>>(1).unwrap_or(false);
    let failures: i32 = row.get(10);
    let state = match failures {
        _ if is_running => JobState::Running,
        _ if row.get(12) => JobState::Overdue,
        0 => JobState::Waiting,
        _ => JobState::Failed,
    };
    BackgroundJob {
        name: job.name(),
        help: job.help(),
        interval_seconds: job.every().as_secs(),
        state,
        holder: row.get::<_, Option<_>>(2).filter(|_| is_running),
        host: row.get(3),
        started_at: row.get(4),
        finished_at: row.get(5),
        duration_ms: row.get::<_, Option<i64>>(6).map(|micros| micros as f64 / 1000.0),
        done: row.get(7),
        error: row.get(8),
        error_at: row.get(9),
        failures,
        next_at: row.get(11),
        due,
    }
}

async fn due(snapshot: &Snapshot) -> Result<Vec<DueBuckets>, ReadError> {
    let settle_seconds = SETTLE_US as f64 / 1e6;
    let rows = snapshot.query(DUE, &[&settle_seconds]).await?;
    let of = |tier: Tier| {
        let row = rows.iter().find(|row| row.get::<_, i16>(0) == tier.number());
        DueBuckets {
            tier: tier.name(),
            count: row.map_or(0, |row| row.get(1)),
            oldest: row.map(|row| row.get(2)),
            newest: row.map(|row| row.get(3)),
        }
    };
    Ok(Tier::ALL.map(of).into())
}
