//! Background work: what it is, and who of several servers does it.
//!
//! ```text
//! due in metrics.jobs ─► taken, with a lease ─► work, while the lease is renewed ─► what it did, or why not; when next
//! ```
//! All times are by the store's clock, that of the work included: servers' clocks may be off. A lease keeps servers
//! from doing the same twice; that it would be harmless is the work's own affair.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::partitions::Expired;
use crate::{Store, StoreError};

/// How long a lease lasts that is not renewed.
const LEASE: Duration = Duration::from_secs(15);

/// How often a lease is renewed; also how long that may take.
const RENEW_EVERY: Duration = Duration::from_secs(4);

/// How long it is until what failed is tried again: for the first time, doubled with each failure in a row.
const RETRY_FIRST: Duration = Duration::from_secs(10);

/// And at most.
const RETRY_AT_MOST: Duration = Duration::from_secs(300);

/// A kind of background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Partitions of the days to come.
    Partitions,
    /// What is past its retention.
    Retention,
    /// Buckets of tiers.
    RollUp,
    /// What the store takes.
    Sizes,
    /// What is not written to any more.
    Compress,
}

impl Job {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Partitions, Self::Retention, Self::RollUp, Self::Sizes, Self::Compress];

    /// As in `metrics.jobs`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Partitions => "partitions",
            Self::Retention => "retention",
            Self::RollUp => "roll_up",
            Self::Sizes => "sizes",
            Self::Compress => "compress",
        }
    }

    /// What it does, in a sentence.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Partitions => "Makes the partitions of the days to come.",
            Self::Retention => "Drops what is past its retention.",
            Self::RollUp => "Makes figures per 5 minutes, hour, day and week from what was measured.",
            Self::Sizes => "Notes what the store takes on the disk, so that its growth can be told.",
            Self::Compress => "Compresses what is not written to any more, in a store with TimescaleDB.",
        }
    }

    /// How long after a run the next one is due.
    #[must_use]
    pub const fn every(self) -> Duration {
        match self {
            Self::Partitions | Self::Retention | Self::Compress => Duration::from_secs(600),
            Self::RollUp => Duration::from_secs(10),
            Self::Sizes => Duration::from_secs(86_400),
        }
    }

    /// How long after a run that failed for the so-manieth time in a row.
    fn retry_after(self, failures: i32) -> Duration {
        let doubled = u32::try_from(failures - 1).unwrap_or(0).min(16);
        RETRY_FIRST.saturating_mul(1 << doubled).min(RETRY_AT_MOST)
    }

    /// The longest that it is ever put off.
    fn put_off_at_most(self) -> Duration {
        self.every().max(RETRY_AT_MOST)
    }
}

/// A process of a server that does jobs.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Made anew at each start.
    pub id: Uuid,
    /// The name of its machine.
    pub host: String,
}

/// What came of looking after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is not due, or another server does it.
    Left {
        /// How many runs failed since one did not.
        failures: i32,
    },
    /// It is done.
    Done {
        /// Whether more is to be done at once.
        is_left: bool,
    },
    /// The lease was lost, so another server may do it.
    Lost,
}

/// What a run did.
struct Done {
    counts: Vec<(&'static str, u64)>,
    /// Whether more is to be done at once.
    is_left: bool,
}

impl Done {
    fn all(counts: impl Into<Vec<(&'static str, u64)>>) -> Self {
        Self { counts: counts.into(), is_left: false }
    }
}

impl Store {
    /// Does a job where it is due and no other server does it.
    ///
    /// # Errors
    /// When the store fails. Where that was the work, it stands in `metrics.jobs` too.
    pub async fn run_due(&self, job: Job, holder: &Holder) -> Result<Outcome, StoreError> {
        let (now, failures) = self.take(job, holder).await?;
        let Some(now) = now else { return Ok(Outcome::Left { failures }) };
        let began = Instant::now();
        let worked = tokio::select! {
            biased;
            () = self.hold(job, holder) => return Ok(Outcome::Lost),
            worked = self.work(job, now) => worked,
        };
        let took = began.elapsed();
        let is_mine = match &worked {
            Ok(done) => self.finish(job, holder, took, done).await?,
            // The work's own failure says more than that it could not be noted.
            Err(error) => self.fail(job, holder, took, failures.saturating_add(1), error).await.unwrap_or(true),
        };
        match worked? {
            _ if !is_mine => Ok(Outcome::Lost),
            done => Ok(Outcome::Done { is_left: done.is_left }),
        }
    }

    /// Lets go of all jobs of a process that stops, so that others need not wait for its leases to end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn release_jobs(&self, holder: &Holder) -> Result<(), StoreError> {
        let sql = "update metrics.jobs set holder = null, held_until = null where holder = $1";
        let client = self.working_client().await?;
        client.execute(sql, &[&holder.id]).await?;
        client.done();
        Ok(())
    }

    /// Takes a job that is due; answers when, by the store's clock, and how many runs failed in a row. What is put off
    /// or held for longer than ever is so by a clock that was set back: by the clock as it is after waiting for who took it
    /// meanwhile.
    async fn take(&self, job: Job, holder: &Holder) -> Result<(Option<Timestamp>, i32), StoreError> {
        let sql = "with taken as (
                update metrics.jobs
                set holder = $2, host = $3, held_until = now() + make_interval(secs => $4), started_at = now()
                where name = $1
                    and (next_at <= now() or next_at > clock_timestamp() + make_interval(secs => $5))
                    and (held_until is null or held_until < now()
                        or held_until > clock_timestamp() + make_interval(secs => $4))
                returning started_at)
            select (select started_at from taken), failures from metrics.jobs where name = $1";
        let client = self.working_client().await?;
        let (lease, longest) = (LEASE.as_secs_f64(), job.put_off_at_most().as_secs_f64());
        let row = client.query_one(sql, &[&job.name(), &holder.id, &holder.host, &lease, &longest]).await?;
        client.done();
        Ok((row.get(0), row.get(1)))
    }

    /// Renews a lease until it is lost.
    async fn hold(&self, job: Job, holder: &Holder) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let asked = Instant::now();
            match tokio::time::timeout(RENEW_EVERY, self.renew(job, holder)).await {
                Ok(Ok(true)) => renewed = asked,
                Ok(Ok(false)) => return,
                Ok(Err(_)) | Err(_) if renewed.elapsed() < LEASE => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    async fn renew(&self, job: Job, holder: &Holder) -> Result<bool, StoreError> {
        let sql =
            "update metrics.jobs set held_until = now() + make_interval(secs => $3) where name = $1 and holder = $2";
        let client = self.working_client().await?;
        let renewed = client.execute(sql, &[&job.name(), &holder.id, &LEASE.as_secs_f64()]).await?;
        client.done();
        Ok(renewed > 0)
    }

    async fn work(&self, job: Job, now: Timestamp) -> Result<Done, StoreError> {
        Ok(match job {
            Job::Partitions => Done::all([("partitions_made", self.make_partitions_ahead(now).await?)]),
            Job::Retention => {
                let Expired { dropped, held_back } = self.drop_expired(now).await?;
                Done::all([("partitions_dropped", dropped), ("partitions_held_back", held_back)])
            }
            Job::Sizes => Done::all([("tables_noted", self.note_sizes(now).await?)]),
            Job::Compress => {
                let done = self.compress(now).await?;
                Done { is_left: done.is_left && done.chunks > 0, ..Done::all([("chunks_compressed", done.chunks)]) }
            }
            Job::RollUp => {
                let made = self.roll_up(now).await?;
                Done { is_left: made.is_left && made.buckets > 0, ..Done::all([("buckets", made.buckets)]) }
            }
        })
    }

    async fn finish(&self, job: Job, holder: &Holder, took: Duration, done: &Done) -> Result<bool, StoreError> {
        let sql = "update metrics.jobs
            set holder = null, held_until = null, finished_at = now(), duration_us = $3, done = $4, failures = 0,
                next_at = now() + make_interval(secs => $5)
            where name = $1 and holder = $2";
        let next = if done.is_left { Duration::ZERO } else { job.every() };
        let client = self.working_client().await?;
        let what: serde_json::Map<_, _> =
            done.counts.iter().map(|(what, count)| ((*what).to_owned(), json!(count))).collect();
        let what = serde_json::Value::Object(what);
        let noted = client.execute(sql, &[&job.name(), &holder.id, &micros(took), &what, &next.as_secs_f64()]).await?;
        client.done();
        Ok(noted > 0)
    }

    async fn fail(
        &self,
        job: Job,
        holder: &Holder,
        took: Duration,
        failures: i32,
        error: &StoreError,
    ) -> Result<bool, StoreError> {
        let sql = "update metrics.jobs
            set holder = null, held_until = null, finished_at = now(), duration_us = $3, failures = $4, error = $5,
                error_at = now(), next_at = now() + make_interval(secs => $6)
            where name = $1 and holder = $2";
        let retry = job.retry_after(failures).as_secs_f64();
        let client = self.working_client().await?;
        let noted =
            client.execute(sql, &[&job.name(), &holder.id, &micros(took), &failures, &sentence(error), &retry]).await?;
        client.done();
        Ok(noted > 0)
    }
}

/// Sees to it that each job has its row.
pub(crate) async fn prepare(client: &deadpool_postgres::Transaction<'_>) -> Result<(), StoreError> {
    let names = Job::ALL.map(Job::name).to_vec();
    let sql = "insert into metrics.jobs (name) select unnest($1::text[]) on conflict do nothing";
    client.execute(sql, &[&names]).await?;
    Ok(())
}

/// Why it failed, without words of the database.
fn sentence(error: &StoreError) -> String {
    let why = error.why();
    match error.sql_state() {
        Some(state) => format!("The store failed it: {why} (SQLSTATE {}).", state.code()),
        None => format!("The store failed it: {why}."),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_again_less_and_less_often() {
        let seconds = [1, 2, 3, 5, 6, 40, i32::MAX].map(|failures| Job::RollUp.retry_after(failures).as_secs());
        assert_eq!(seconds, [10, 20, 40, 160, 300, 300, 300]);
    }

    #[test]
    fn another_server_takes_over_within_half_a_minute() {
        assert!(LEASE + RENEW_EVERY < Duration::from_secs(20));
    }
}
