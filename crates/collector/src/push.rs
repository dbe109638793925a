//! Sends what is spooled, oldest first; after an outage many at a time (`drain.rs`), and the newest in between, so that
//! live data does not wait for the backlog.
//!
//! The first thing sent after a start is a sign of life, a batch without readings: its answer says what the server has,
//! and so whether this state directory is an older one. Another is sent when a cycle cannot be spooled, since then
//! there is no batch that could tell it.

mod drain;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;
use jiff::SignedDuration;
use prost::Message;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use wire::{Answered, Batch, BatchKey, Status};

use crate::backend::{Accepted, Answer, Backend, REGISTER_AGAIN};
use crate::spool::{Pending, Record};
use crate::state::{Registration, ServerKnows, Shared, lock};

/// A backlog beyond which every other batch is the newest one.
const BACKLOG: usize = 8;
/// The first pause after a failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause between two rounds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, also while the token is not accepted.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause while another process is taken instead. The server tells of it as long as this one comes.
const LONGEST_PAUSE_REPLACED: Duration = Duration::from_secs(300);
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
    /// What is told with each batch.
    pub counters: Arc<Counters>,
    /// Says that something was spooled.
    pub wake: Arc<Notify>,
}

enum Step {
    Sent,
    Nothing,
    Wait(Duration),
    /// Another process is taken instead.
    Replaced,
}

/// What is remembered from one step to the next.
#[derive(Default)]
struct Progress {
    registration: Option<Registration>,
    /// Whether the last batch was the newest one.
    newest: bool,
    /// How many cycles the server was told of that could not be spooled.
    told_cycles: u64,
    /// When the last answer was made, by the server's clock, and when it came, by ours.
    answered: Option<(i64, i64)>,
    /// The server takes one batch in a request only, or did not take all of the last several: one goes alone.
    drain: drain::Drain,
}

/// What was true when something was sent.
struct Sent {
    /// Cycles that could not be spooled.
    cycles: u64,
    /// How old this process was.
    age: Duration,
}

impl Progress {
    fn token(&self) -> String {
        self.registration.as_ref().map(|known| known.token.clone()).unwrap_or_default()
    }
}

/// The pause after one more failure: each twice as long, half of it by chance, so that many collectors do not come back
/// at once.
pub fn pause(failures: &mut u32, longest: Duration) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(9)).min(longest);
    *failures += 1;
    pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

impl Pusher {
    /// Sends until `stop` says so; what is left then goes out first after the next start.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut progress = Progress::default();
        let mut failures = 0_u32;
        let mut round = Instant::now().checked_sub(self.interval).unwrap_or_else(Instant::now);
        loop {
            let step = match self.step(&mut progress).await {
                Ok(step) => step,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "cannot deliver");
                    Step::Wait(Duration::ZERO)
                }
            };
            let length = match step {
                Step::Sent => {
                    failures = 0;
                    Duration::ZERO
                }
                Step::Nothing => {
                    failures = 0;
                    self.interval.saturating_sub(round.elapsed()).max(SHORTEST_PAUSE)
                }
                Step::Wait(asked) => asked.max(pause(&mut failures, LONGEST_PAUSE)),
                Step::Replaced => pause(&mut failures, LONGEST_PAUSE_REPLACED),
            };
            if *stop.borrow() {
                return;
            }
            if length.is_zero() {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(length) => {}
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

    /// Sends what is next, if there is something and the collector is registered. The first of all is a sign of life,
    /// whose answer says what the server has of this spool.
    async fn step(&self, progress: &mut Progress) -> Result<Step> {
        let mut next = self.next(progress);
        if next.is_empty() && !self.has_news(progress) {
            return Ok(Step::Nothing);
        }
        self.registered(progress).await?;
        let sent = {
            let held = lock(&self.shared);
            Sent { cycles: held.unspooled_cycles(), age: held.age() }
        };
        if next.len() > 1 {
            return self.drain(progress, next, &sent).await;
        }
        let batch = match next.pop() {
            Some((pending, None)) => {
                let sequence = pending.sequence;
                tracing::error!(batch.sequence = sequence, "a batch cannot be read any more: it is lost, and counted");
                lock(&self.shared).give_up(pending, "damaged")?;
                return Ok(Step::Sent);
            }
            Some((pending, Some(record))) => Some((pending, record)),
            None => None,
        };
        let record = batch.as_ref().map(|(_, record)| record);
        let mut body = record.map(|record| record.batch.clone()).unwrap_or_default();
        body.extend(wire::compress(&self.behind(record, progress).encode_to_vec()).context("compress the status")?);
        let token = progress.token();
        let mut answer = self.backend.push(&token, body.clone()).await;
        if matches!(answer, Answer::UnknownDefinition) {
            self.define(&token).await?;
            answer = self.backend.push(&token, body).await;
        }
        self.settle(progress, answer, batch, &sent).await
    }

    /// Does what an answer says; of a sign of life there is no batch.
    async fn settle(
        &self,
        progress: &mut Progress,
        answer: Answer,
        batch: Option<(Pending, Record)>,
        sent: &Sent,
    ) -> Result<Step> {
        let sequence = batch.as_ref().map_or(0, |(pending, _)| pending.sequence);
        match (answer, batch) {
            (Answer::Accepted(accepted), batch) => {
                self.accepted(&accepted, progress);
                progress.told_cycles = sent.cycles;
                match batch {
                    Some((pending, _)) => lock(&self.shared).spool.acknowledge(pending.sequence)?,
                    None => lock(&self.shared).compare(accepted.knows(sent.age))?,
                }
                Ok(Step::Sent)
            }
            (Answer::UnknownDefinition, Some((pending, record))) => {
                let reason = "Nobody knows any more what it was read by.";
                tracing::error!(
                    batch.sequence = sequence,
                    "nobody knows any more what a batch was read by: it is lost"
                );
                self.refuse(pending, &record, reason)?;
                Ok(Step::Sent)
            }
            (Answer::UnknownDefinition, None) => {
                tracing::warn!("the server does not understand a sign of life");
                Ok(Step::Wait(Duration::ZERO))
            }
            (Answer::Refused(reason), Some((pending, record))) => {
                tracing::error!(batch.sequence = sequence, reason, "the server refused a batch for good");
                self.refuse(pending, &record, &reason)?;
                Ok(Step::Sent)
            }
            (Answer::Refused(reason), None) => {
                tracing::warn!(reason, "the server takes no sign of life: it is an older one");
                lock(&self.shared).compare(ServerKnows::default())?;
                Ok(Step::Sent)
            }
            (Answer::Replaced(reason), _) => {
                tracing::error!(
                    reason,
                    "another collector has this one's identity: what is read here stays in the spool"
                );
                // It may be registered anew while it runs.
                progress.registration = None;
                Ok(Step::Replaced)
            }
            (Answer::Unauthorized(reason), _) => {
                tracing::warn!(reason, "the server does not accept the token");
                progress.registration = None;
                let kept = Registration::load(&self.state_dir)?;
                if let Some(kept) = kept {
                    let fresh = self.backend.refresh(&kept).await.with_context(|| {
                        format!("no other token is to be had; if the collector was removed, {REGISTER_AGAIN}")
                    })?;
                    fresh.save(&self.state_dir)?;
                }
                Ok(Step::Wait(Duration::ZERO))
            }
            (Answer::Later { reason, after }, _) => {
                tracing::warn!(batch.sequence = sequence, reason, "the server takes nothing now");
                Ok(Step::Wait(after.unwrap_or_default().min(LONGEST_ASKED)))
            }
        }
    }

    /// Tells the server what is measured, and what was when the batches that wait were read.
    async fn define(&self, token: &str) -> Result<()> {
        let older = lock(&self.shared).older_definitions().to_vec();
        for definition in &older {
            // Where it refuses one, it rejects its rows alone, and says so.
            if let Err(error) = self.backend.define(token, &[definition]).await {
                tracing::warn!(
                    set.name = definition.name,
                    error = format!("{error:#}"),
                    "an older definition is refused"
                );
            }
        }
        let definitions: Vec<_> = self.catalog.sets().map(|set| &set.definition).collect();
        self.backend.define(token, &definitions).await
    }

    /// Whether there is something to say without a batch.
    fn has_news(&self, progress: &Progress) -> bool {
        let held = lock(&self.shared);
        !held.is_verified() || held.unspooled_cycles() > progress.told_cycles
    }

    /// The batches to send now, each with its record where that can be read.
    fn next(&self, progress: &mut Progress) -> Vec<(Pending, Option<Record>)> {
        let held = lock(&self.shared);
        if !held.is_verified() {
            return Vec::new();
        }
        let backlog = held.spool.pending_len() > BACKLOG;
        progress.newest = backlog && !progress.newest;
        let read = |pending| match held.spool.read(pending) {
            Ok(record) => (pending, record),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the spool cannot be read");
                (pending, None)
            }
        };
        if progress.newest {
            return held.spool.pending().next_back().map(read).into_iter().collect();
        }
        let most = if backlog { progress.drain.most() } else { 1 };
        drain::together(held.spool.pending().take(most).map(read))
    }

    /// Sees to a registration whose token lasts.
    async fn registered(&self, progress: &mut Progress) -> Result<()> {
        let known = match &mut progress.registration {
            Some(known) => known,
            none => none.insert(self.registration().await?),
        };
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
        Ok(())
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

    /// What goes behind a record's batch, since it is known only now. Without a record: a sign of life.
    fn behind(&self, record: Option<&Record>, progress: &Progress) -> Batch {
        let collector_id = progress.registration.as_ref().map(|known| known.collector_id.as_bytes().to_vec());
        let mut behind = Batch { collector_id: collector_id.unwrap_or_default(), ..Batch::default() };
        let held = lock(&self.shared);
        let trouble = held.trouble();
        let ago = |came_in_us: i64| u64::try_from(held.clock().now_us() - came_in_us).unwrap_or(0);
        behind.status = Some(Status {
            spool_records: held.spool.pending_len() as u64 + u64::from(record.is_none()),
            spool_bytes: held.spool.pending_bytes(),
            spool_max_bytes: held.spool.max_bytes(),
            late_cycles: self.counters.late_cycles.load(Ordering::Relaxed),
            refused_batches: self.counters.refused_batches.load(Ordering::Relaxed),
            answered: progress.answered.map(|(server_us, came_in_us)| Answered { server_us, ago_us: ago(came_in_us) }),
            sent_us: Some(held.clock().time_of_day_us()),
            clock: Some(held.clock().reading()),
            spool_error: trouble.map(|trouble| trouble.error.clone()).unwrap_or_default(),
            spool_error_since_us: trouble.map(|trouble| trouble.since_us),
            unspooled_cycles: held.unspooled_cycles(),
            acknowledged: held
                .spool
                .acknowledged()
                .map(|(epoch, sequence)| BatchKey { epoch: epoch.as_bytes().to_vec(), sequence }),
            ..crate::cost::own()
        });
        // Of two values of a field the later one counts.
        let moved = record.and_then(|record| held.spool.moved_to(record.sequence));
        behind.epoch = moved.map(<[u8]>::to_vec).unwrap_or_default();
        if record.is_none() {
            behind.format = wire::BATCH_FORMAT;
            behind.epoch = held.spool.epoch().as_bytes().to_vec();
            behind.created_us = held.clock().now_us();
            behind.clock = Some(held.clock().reading());
            behind.collector_version = env!("CARGO_PKG_VERSION").to_owned();
            behind.hostname.clone_from(&self.hostname);
        }
        behind
    }

    fn accepted(&self, accepted: &Accepted, progress: &mut Progress) {
        if let Some(made) = accepted.answered_at {
            progress.answered = Some((made.as_microsecond(), lock(&self.shared).clock().now_us()));
        }
        let Some(known) = &mut progress.registration else { return };
        for rejected in &accepted.rejected {
            tracing::warn!(
                set.name = rejected.set,
                column.name = rejected.column,
                reason = rejected.reason,
                rows = rejected.rows,
                "the server did not store a part of a batch"
            );
        }
        let is_other = accepted.store_id.is_some() && known.store_id != accepted.store_id;
        if is_other && known.store_id.is_some() {
            tracing::info!("the server's store is another one: texts and infos are sent again");
            lock(&self.shared).send_again();
        } else if accepted.forgotten {
            tracing::warn!(
                "the server has not got what it acknowledged: its store was put back to a copy, or the collector is \
                 registered anew; texts and infos are sent again"
            );
            lock(&self.shared).send_again();
        }
        if is_other {
            known.store_id.clone_from(&accepted.store_id);
            if let Err(error) = known.save(&self.state_dir) {
                // What is stored is stored; the next start sends texts and infos once more.
                tracing::warn!(error = format!("{error:#}"), "which store was seen is not on disk");
            }
        }
    }

    /// Keeps a refused batch for inspection, bounded, and counts what it had.
    fn refuse(&self, pending: Pending, record: &Record, reason: &str) -> Result<()> {
        let nth = self.counters.refused_batches.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.keep_refused(nth, record, reason) {
            tracing::warn!(error = format!("{error:#}"), "a refused batch is not kept for inspection");
        }
        lock(&self.shared).give_up(pending, "refused")
    }

    fn keep_refused(&self, nth: u64, record: &Record, reason: &str) -> Result<()> {
        let directory = self.state_dir.join("refused");
        std::fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        let slot = usize::try_from(nth).unwrap_or(0);
        let path = directory.join(format!("{:02}", slot % REFUSED_KEPT));
        std::fs::write(path.with_extension("zst"), &record.batch)
            .and_then(|()| std::fs::write(path.with_extension("txt"), reason))
            .with_context(|| format!("write {}", path.display()))
    }
}
