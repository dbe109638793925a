//! Sends what is spooled, oldest first; after an outage the newest in between, so that live data
//! does not wait for the backlog.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;
use jiff::SignedDuration;
use prost::Message;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use wire::{Batch, Status};

use crate::backend::{Accepted, Answer, Backend};
use crate::spool::{Pending, Record};
use crate::state::{Registration, Shared, lock};

/// A backlog beyond which every other batch is the newest one.
const BACKLOG: usize = 8;
/// The first pause after a failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause between two rounds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, also while the token is not accepted.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// How long before its end a token is refreshed, at the latest.
const EARLY: SignedDuration = SignedDuration::from_secs(60);
/// A token is also refreshed when less than this share of a year is left of it.
const REFRESH_BELOW: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many refused batches are kept for inspection.
const REFUSED_KEPT: usize = 16;

/// Numbers that the server is told with each batch.
#[derive(Debug, Default)]
pub struct Counters {
    /// Cycles skipped because they were late.
    pub late_cycles: AtomicU64,
    /// Batches that the server refused for good.
    pub refused_batches: AtomicU64,
}

/// Sends batches until it is told to stop.
#[derive(Debug)]
pub struct Pusher {
    /// The server.
    pub backend: Backend,
    /// Spool and baselines.
    pub shared: Shared,
    /// The sets, for telling the server what is measured.
    pub catalog: Arc<Catalog>,
    /// Where the registration is kept.
    pub state_dir: PathBuf,
    /// The collector's name, for registering.
    pub name: String,
    /// The machine's name.
    pub hostname: String,
    /// The secret for registering, where there is one.
    pub secret: Option<config::Secret>,
    /// How often batches are sent.
    pub interval: Duration,
    /// Set when the store is another one; the watches forget what they sent.
    pub store_changed: Arc<AtomicBool>,
    /// What is told with each batch.
    pub counters: Arc<Counters>,
    /// Says that something was spooled.
    pub wake: Arc<Notify>,
}

enum Step {
    Sent,
    Nothing,
    Wait(Duration),
}

impl Pusher {
    /// Sends until `stop` says so; what is left then goes out first after the next start.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut registration = None;
        let mut failures = 0_u32;
        let mut newest = false;
        let mut round = Instant::now().checked_sub(self.interval).unwrap_or_else(Instant::now);
        loop {
            let step = match self.step(&mut registration, &mut newest).await {
                Ok(step) => step,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "cannot deliver");
                    Step::Wait(Duration::ZERO)
                }
            };
            let pause = match step {
                Step::Sent => {
                    failures = 0;
                    Duration::ZERO
                }
                Step::Nothing => {
                    failures = 0;
                    self.interval.saturating_sub(round.elapsed()).max(SHORTEST_PAUSE)
                }
                Step::Wait(asked) => {
                    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE);
                    failures += 1;
                    // Half of it by chance, so that many collectors do not come back at once.
                    asked.max(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0))
                }
            };
            if *stop.borrow() {
                return;
            }
            if pause.is_zero() {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
            }
            // A stop that ended the pause has been seen: waiting for another change would be for ever.
            if failures == 0 && !*stop.borrow() {
                // A round begins when its time has come and there is something to send.
                tokio::select! {
                    () = self.wake.notified() => {}
                    _ = stop.changed() => {}
                }
                round = Instant::now();
            }
        }
    }

    /// Sends one batch, if there is one and the collector is registered.
    async fn step(&self, registration: &mut Option<Registration>, newest: &mut bool) -> Result<Step> {
        let Some((pending, record)) = self.next(newest)? else { return Ok(Step::Nothing) };
        if registration.is_none() {
            *registration = Some(self.registration().await?);
        }
        let Some(known) = registration else { return Ok(Step::Wait(Duration::ZERO)) };
        let left = known.expires_at.duration_since(jiff::Timestamp::now());
        if left < REFRESH_BELOW {
            match self.backend.refresh(known).await {
                Ok(fresh) => {
                    fresh.save(&self.state_dir)?;
                    *known = fresh;
                }
                Err(error) if left > EARLY => {
                    tracing::warn!(error = format!("{error:#}"), "the token was not refreshed")
                }
                Err(error) => return Err(error),
            }
        }
        let Some(record) = record else {
            // Its file cannot be read any more: it is lost, and that is counted.
            lock(&self.shared).spool.acknowledge(pending.sequence)?;
            return Ok(Step::Sent);
        };
        let body = self.body(&record, known)?;
        let mut answer = self.backend.push(&known.token, body.clone()).await;
        if matches!(answer, Answer::UnknownDefinition) {
            let definitions: Vec<_> = self.catalog.sets().map(|set| &set.definition).collect();
            self.backend.define(&known.token, &definitions).await?;
            answer = self.backend.push(&known.token, body).await;
        }
        match answer {
            Answer::Accepted(accepted) => {
                self.accepted(pending, &accepted, known)?;
                Ok(Step::Sent)
            }
            Answer::UnknownDefinition => {
                tracing::warn!(batch.sequence = pending.sequence, "the server still does not know what is measured");
                Ok(Step::Wait(Duration::ZERO))
            }
            Answer::Refused(reason) => {
                tracing::error!(batch.sequence = pending.sequence, reason, "the server refused a batch for good");
                self.refuse(pending, &record, &reason)?;
                Ok(Step::Sent)
            }
            Answer::Unauthorized(reason) => {
                tracing::warn!(reason, "the server does not accept the token");
                *registration = None;
                let kept = Registration::load(&self.state_dir)?;
                if let Some(kept) = kept {
                    let fresh = self
                        .backend
                        .refresh(&kept)
                        .await
                        .context("the collector was revoked? `pganalytics collector register` registers it anew")?;
                    fresh.save(&self.state_dir)?;
                }
                Ok(Step::Wait(Duration::ZERO))
            }
            Answer::Later { reason, after } => {
                tracing::warn!(batch.sequence = pending.sequence, reason, "the server takes nothing now");
                Ok(Step::Wait(after.unwrap_or_default().min(LONGEST_ASKED)))
            }
        }
    }

    /// The batch to send now, with its record.
    fn next(&self, newest: &mut bool) -> Result<Option<(Pending, Option<Record>)>> {
        let held = lock(&self.shared);
        let backlog = held.spool.pending_len() > BACKLOG;
        *newest = backlog && !*newest;
        let pending = if *newest { held.spool.pending().next_back() } else { held.spool.pending().next() };
        pending.map(|pending| Ok((pending, held.spool.read(pending)?))).transpose()
    }

    /// The kept registration, or a new one.
    async fn registration(&self) -> Result<Registration> {
        if let Some(kept) = Registration::load(&self.state_dir)? {
            return Ok(kept);
        }
        let secret = self.secret.as_ref().context(
            "not registered: set [backend] registration_secret_file, or run `pganalytics collector register`",
        )?;
        let registration = self.backend.register(&self.name, &self.hostname, secret.expose()).await?;
        registration.save(&self.state_dir)?;
        tracing::info!(collector.id = %registration.collector_id, "registered");
        // What was saved knows the store of the registration before.
        Ok(Registration::load(&self.state_dir)?.unwrap_or(registration))
    }

    /// The record's batch, and behind it what is known only now.
    fn body(&self, record: &Record, registration: &Registration) -> Result<Vec<u8>> {
        let status = {
            let held = lock(&self.shared);
            Status {
                spool_records: held.spool.pending_len() as u64,
                spool_bytes: held.spool.pending_bytes(),
                spool_max_bytes: held.spool.max_bytes(),
                late_cycles: self.counters.late_cycles.load(Ordering::Relaxed),
                refused_batches: self.counters.refused_batches.load(Ordering::Relaxed),
                sent_us: Some(held.clock().time_of_day_us()),
                clock: Some(held.clock().reading()),
                ..crate::cost::own()
            }
        };
        let behind = Batch {
            collector_id: registration.collector_id.as_bytes().to_vec(),
            status: Some(status),
            ..Batch::default()
        };
        let mut body = record.batch.clone();
        body.extend(wire::compress(&behind.encode_to_vec()).context("compress the status")?);
        Ok(body)
    }

    fn accepted(&self, pending: Pending, accepted: &Accepted, known: &mut Registration) -> Result<()> {
        for rejected in &accepted.rejected {
            tracing::warn!(
                set.name = rejected.set,
                column.name = rejected.column,
                reason = rejected.reason,
                rows = rejected.rows,
                "the server did not store a part of a batch"
            );
        }
        if accepted.store_id.is_some() && known.store_id != accepted.store_id {
            if known.store_id.is_some() {
                tracing::info!("the server's store is another one: texts and infos are sent again");
                self.store_changed.store(true, Ordering::Relaxed);
            }
            known.store_id.clone_from(&accepted.store_id);
            known.save(&self.state_dir)?;
        }
        Ok(lock(&self.shared).spool.acknowledge(pending.sequence)?)
    }

    /// Keeps a refused batch for inspection, bounded, and counts what it had.
    fn refuse(&self, pending: Pending, record: &Record, reason: &str) -> Result<()> {
        let directory = self.state_dir.join("refused");
        std::fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        let slot = usize::try_from(self.counters.refused_batches.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        let path = directory.join(format!("{:02}", slot % REFUSED_KEPT));
        std::fs::write(path.with_extension("zst"), &record.batch)
            .and_then(|()| std::fs::write(path.with_extension("txt"), reason))
            .with_context(|| format!("write {}", path.display()))?;
        let mut held = lock(&self.shared);
        held.spool.lose(record, "refused");
        Ok(held.spool.acknowledge(pending.sequence)?)
    }
}
