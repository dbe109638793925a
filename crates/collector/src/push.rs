//! Sends what is spooled, of each lane the oldest first; after an outage many at a time (`drain.rs`), and the newest in
//! between, so that live data does not wait for the backlog. What waits in several lanes travels together.
//!
//! The first thing sent of a lane after a start is a sign of life, a batch without readings: its answer says what the
//! server has, and so whether this state directory is an older one. Another is sent when a cycle cannot be spooled, since
//! then there is no batch that could tell it.

mod counters;
mod drain;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;
use jiff::SignedDuration;
use prost::Message;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use wire::{Answered, Batch, BatchKey, Status};

pub use counters::Counters;

use crate::backend::{Accepted, Answer, Backend, REGISTER_AGAIN};
use crate::lanes::{Lane, Lanes};
use crate::spool::{Pending, Record};
use crate::state::{Registration, ServerKnows, lock};

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

/// Sends batches until it is told to stop.
#[derive(Debug)]
pub struct Pusher {
    /// The server.
    pub backend: Backend,
    /// Spools and baselines.
    pub lanes: Arc<Lanes>,
    /// The sets, for telling the server what is measured.
    pub catalog: Arc<Catalog>,
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
    /// There is nothing to send, or only what is left alone until then.
    Nothing(Option<Instant>),
    /// A spool is being written to: it is asked again.
    Busy,
    Wait(Duration),
    /// Another process is taken instead.
    Replaced,
}

/// What is remembered from one step to the next.
#[derive(Default)]
struct Progress {
    registration: Option<Registration>,
    /// How each lane goes, by its folder.
    lanes: HashMap<PathBuf, Going>,
    /// The lane that comes first next time.
    turn: usize,
    /// How many cycles the server was told of that could not be spooled.
    told_cycles: u64,
    /// When the last answer was made, by the server's clock, and when it came, by ours.
    answered: Option<(i64, i64)>,
    /// The server takes one batch in a request only, or did not take all of the last several: one goes alone.
    drain: drain::Drain,
}

/// How a lane goes.
#[derive(Default)]
struct Going {
    /// Whether its last batch was the newest one.
    newest: bool,
    /// How often in a row its spool could not be used, and until when it is left alone for that.
    failures: u32,
    paused_until: Option<Instant>,
}

impl Going {
    /// Until when it is left alone, where it is.
    fn paused(&self) -> Option<Instant> {
        self.paused_until.filter(|until| Instant::now() < *until)
    }
}

/// What was true when something was sent.
struct Sent {
    /// Cycles that could not be spooled.
    cycles: u64,
    /// How old this process was.
    age: Duration,
}

/// The other records of a request.
#[derive(Clone, Copy, Default)]
struct Beside {
    records: u64,
    bytes: u64,
}

/// Something to send: a record of a lane, where it can be read; without any a sign of life.
struct Waiting {
    lane: Arc<Lane>,
    batch: Option<(Pending, Option<Record>)>,
}

/// What is to be sent now.
#[derive(Default)]
struct Next {
    waiting: Vec<Waiting>,
    /// Whether there is a spool that was being written to.
    is_busy: bool,
    /// Until when the first of those is left alone that are.
    paused_until: Option<Instant>,
}

impl Progress {
    fn of(&mut self, lane: &Lane) -> &mut Going {
        self.lanes.entry(lane.folder().to_owned()).or_default()
    }

    /// Leaves a lane alone for a while.
    fn pause(&mut self, lane: &Lane, error: &anyhow::Error) {
        let going = self.of(lane);
        let length = pause(&mut going.failures, LONGEST_PAUSE);
        going.paused_until = Some(Instant::now() + length);
        tracing::warn!(
            instance.name = lane.instance,
            error = format!("{error:#}"),
            "a spool cannot be used; the others go on"
        );
    }

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
            let (mut waits_for_news, mut paused_until) = (false, None);
            let length = match step {
                Step::Sent => {
                    failures = 0;
                    Duration::ZERO
                }
                Step::Nothing(until) => {
                    failures = 0;
                    (waits_for_news, paused_until) = (true, until);
                    self.interval.saturating_sub(round.elapsed()).max(SHORTEST_PAUSE)
                }
                Step::Busy => SHORTEST_PAUSE,
                Step::Wait(asked) => asked.max(pause(&mut failures, LONGEST_PAUSE)),
                Step::Replaced => pause(&mut failures, LONGEST_PAUSE_REPLACED),
            };
            if *stop.borrow() {
                return;
            }
            if length.is_zero() {
                continue;
            }
            // Also while the server is away.
            self.lanes.tidy();
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                _ = stop.changed() => {}
            }
            // A stop that ended the pause has been seen: waiting for another change would be for ever.
            if waits_for_news && !*stop.borrow() {
                // A round begins when its time has come and there is something to send.
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep_until(paused_until.unwrap_or(round)), if paused_until.is_some() => {}
                    _ = stop.changed() => {}
                }
                round = Instant::now();
            }
        }
    }

    /// Sends what is next, if there is something and the collector is registered.
    async fn step(&self, progress: &mut Progress) -> Result<Step> {
        let Next { mut waiting, is_busy, paused_until } = self.next(progress);
        if waiting.is_empty() {
            return Ok(if is_busy { Step::Busy } else { Step::Nothing(paused_until) });
        }
        self.registered(progress).await?;
        let sent = Sent { cycles: self.lanes.standing().unspooled_cycles, age: self.lanes.age() };
        if waiting.len() > 1 {
            return self.drain(progress, waiting, &sent).await;
        }
        match waiting.pop() {
            Some(one) => self.send(progress, one, &sent).await,
            None => Ok(Step::Nothing(None)),
        }
    }

    /// Sends one alone.
    async fn send(&self, progress: &mut Progress, Waiting { lane, batch }: Waiting, sent: &Sent) -> Result<Step> {
        let batch = match batch {
            Some((pending, None)) => {
                let sequence = pending.sequence;
                tracing::error!(batch.sequence = sequence, "a batch cannot be read any more: it is lost, and counted");
                if let Err(error) = lock(&lane.held).give_up(pending, "damaged") {
                    progress.pause(&lane, &error);
                }
                return Ok(Step::Sent);
            }
            Some((pending, Some(record))) => Some((pending, record)),
            None => None,
        };
        let record = batch.as_ref().map(|(_, record)| record);
        let mut body = record.map(|record| record.batch.clone()).unwrap_or_default();
        let behind = self.behind(&lane, record, progress, Beside::default()).encode_to_vec();
        body.extend(wire::compress(&behind).context("compress the status")?);
        let token = progress.token();
        let mut answer = self.backend.push(&token, body.clone()).await;
        if matches!(answer, Answer::UnknownDefinition) {
            self.define(&token).await?;
            answer = self.backend.push(&token, body).await;
        }
        self.settle(progress, answer, &lane, batch, sent).await
    }

    /// Does what an answer says; of a sign of life there is no batch.
    async fn settle(
        &self,
        progress: &mut Progress,
        answer: Answer,
        lane: &Arc<Lane>,
        batch: Option<(Pending, Record)>,
        sent: &Sent,
    ) -> Result<Step> {
        let sequence = batch.as_ref().map_or(0, |(pending, _)| pending.sequence);
        match (answer, batch) {
            (Answer::Accepted(accepted), batch) => {
                self.accepted(&accepted, progress, lane);
                progress.told_cycles = sent.cycles;
                let noted = match batch {
                    Some((pending, _)) => lock(&lane.held).spool.acknowledge(pending.sequence).map_err(Into::into),
                    None => self.lanes.compare(lane, accepted.knows(sent.age, lane.id())),
                };
                match noted {
                    Ok(()) => progress.of(lane).failures = 0,
                    Err(error) => progress.pause(lane, &error),
                }
                Ok(Step::Sent)
            }
            (Answer::UnknownDefinition, Some((pending, record))) => {
                let reason = "Nobody knows any more what it was read by.";
                tracing::error!(
                    batch.sequence = sequence,
                    "nobody knows any more what a batch was read by: it is lost"
                );
                self.refuse(progress, lane, pending, &record, reason);
                Ok(Step::Sent)
            }
            (Answer::UnknownDefinition, None) => {
                tracing::warn!("the server does not understand a sign of life");
                Ok(Step::Wait(Duration::ZERO))
            }
            (Answer::Refused(reason), Some((pending, record))) => {
                tracing::error!(batch.sequence = sequence, reason, "the server refused a batch for good");
                self.refuse(progress, lane, pending, &record, &reason);
                Ok(Step::Sent)
            }
            (Answer::Refused(reason), None) => {
                tracing::warn!(reason, "the server takes no sign of life: it is an older one");
                if let Err(error) = self.lanes.compare(lane, ServerKnows::default()) {
                    progress.pause(lane, &error);
                }
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
                let kept = Registration::load(self.lanes.state_dir())?;
                if let Some(kept) = kept {
                    let fresh = self.backend.refresh(&kept).await.with_context(|| {
                        format!("no other token is to be had; if the collector was removed, {REGISTER_AGAIN}")
                    })?;
                    fresh.save(self.lanes.state_dir())?;
                }
                Ok(Step::Wait(Duration::ZERO))
            }
            (Answer::InstanceLater { reason, after }, _) => {
                tracing::info!(instance.name = lane.instance, reason, "the server takes it later; the others go on");
                let length = after.unwrap_or(FIRST_PAUSE).clamp(FIRST_PAUSE, LONGEST_ASKED);
                progress.of(lane).paused_until = Some(Instant::now() + length);
                Ok(Step::Sent)
            }
            (Answer::Later { reason, after }, _) => {
                tracing::warn!(batch.sequence = sequence, reason, "the server takes nothing now");
                Ok(Step::Wait(after.unwrap_or_default().min(LONGEST_ASKED)))
            }
        }
    }

    /// Tells the server what is measured, and what was when the batches that wait were read.
    async fn define(&self, token: &str) -> Result<()> {
        let lanes = self.lanes.all();
        let mut older: Vec<_> = lanes.iter().flat_map(|lane| lock(&lane.held).older_definitions().to_vec()).collect();
        older.sort_by_key(catalog::Definition::hash);
        older.dedup_by_key(|definition| definition.hash());
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

    /// What to send now, in one request: signs of life before anything else, and of each lane the oldest that waits or,
    /// every other time while there is a backlog, the newest.
    fn next(&self, progress: &mut Progress) -> Next {
        let (mut next, mut signs, mut waiting) = (Next::default(), Vec::new(), Vec::new());
        let mut lanes = self.lanes.all();
        // What the server says of the spool for all holds for those that go on from it.
        let is_first = |lane: &&Arc<Lane>| lane.is_of_before() && !lock(&lane.held).is_verified();
        if let Some(first) = lanes.iter().find(is_first).map(Arc::clone) {
            lanes = vec![first];
        }
        let all = lanes.len().max(1);
        progress.turn %= all;
        lanes.rotate_left(progress.turn);
        let most = progress.drain.most();
        let (mut records, mut bytes) = (0, 0);
        for lane in lanes {
            // What does not fit is not read either: those behind are first the next time.
            if records >= most || bytes >= drain::MOST_BYTES {
                break;
            }
            progress.turn += 1;
            let going = progress.of(&lane);
            if let Some(until) = going.paused() {
                next.paused_until = Some(next.paused_until.map_or(until, |first| first.min(until)));
                continue;
            }
            let Some(held) = lane.try_lock() else {
                next.is_busy = true;
                continue;
            };
            if !held.is_verified() {
                signs.push(Waiting { lane: Arc::clone(&lane), batch: None });
                continue;
            }
            let read = |pending| match held.spool.read(pending) {
                Ok(record) => (pending, record),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the spool cannot be read");
                    (pending, None)
                }
            };
            let backlog = held.spool.pending_len() > BACKLOG;
            going.newest = backlog && !going.newest;
            let of_lane: Vec<_> = if going.newest {
                held.spool.pending().next_back().map(read).into_iter().collect()
            } else {
                let share = if backlog { (most / all).max(1) } else { 1 };
                drain::together(held.spool.pending().take(share).map(read))
            };
            records += of_lane.len();
            bytes += of_lane.iter().filter_map(|(_, record)| Some(record.as_ref()?.batch.len())).sum::<usize>();
            let of_lane = of_lane.into_iter().map(|batch| Waiting { lane: Arc::clone(&lane), batch: Some(batch) });
            waiting.push(of_lane.collect::<Vec<_>>());
        }
        next.waiting = if !signs.is_empty() {
            signs.truncate(most);
            signs
        } else {
            drain::side_by_side(waiting, most)
        };
        if next.waiting.is_empty()
            && !next.is_busy
            && self.lanes.standing().unspooled_cycles > progress.told_cycles
            && let Some(lane) = self.lanes.all().into_iter().find(|lane| !lane.drains())
        {
            next.waiting.push(Waiting { lane, batch: None });
        }
        next
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
                    fresh.save(self.lanes.state_dir())?;
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
        if let Some(kept) = Registration::load(self.lanes.state_dir())? {
            return Ok(kept);
        }
        let secret = self.secret.as_ref().context(
            "not registered: set [backend] registration_secret_file, or run `pganalytics collector register`",
        )?;
        let registration = self.backend.register(&self.name, &self.hostname, secret.expose()).await?;
        registration.save(self.lanes.state_dir())?;
        tracing::info!(collector.id = %registration.collector_id, "registered");
        // What was saved knows the store of the registration before.
        Ok(Registration::load(self.lanes.state_dir())?.unwrap_or(registration))
    }

    /// What goes behind a record's batch, since it is known only now. Without a record: a sign of life.
    /// `beside` is what travels with it, and so waits no longer when this has arrived.
    fn behind(&self, lane: &Lane, record: Option<&Record>, progress: &Progress, beside: Beside) -> Batch {
        let collector_id = progress.registration.as_ref().map(|known| known.collector_id.as_bytes().to_vec());
        let mut behind = Batch { collector_id: collector_id.unwrap_or_default(), ..Batch::default() };
        let standing = self.lanes.standing();
        let held = lock(&lane.held);
        let trouble = standing.trouble.as_ref();
        let (not_followed, (in_force, refused)) = (self.counters.not_followed(), self.counters.numbers());
        let ago = |came_in_us: i64| u64::try_from(held.clock().now_us() - came_in_us).unwrap_or(0);
        behind.status = Some(Status {
            spool_records: standing.records.saturating_sub(beside.records) + u64::from(record.is_none()),
            spool_bytes: standing.bytes.saturating_sub(beside.bytes),
            spool_max_bytes: standing.max_bytes,
            late_cycles: self.counters.late_cycles.load(Ordering::Relaxed),
            refused_batches: self.counters.refused_batches.load(Ordering::Relaxed),
            answered: progress.answered.map(|(server_us, came_in_us)| Answered { server_us, ago_us: ago(came_in_us) }),
            sent_us: Some(held.clock().time_of_day_us()),
            clock: Some(held.clock().reading()),
            spool_error: trouble.map(|trouble| trouble.error.clone()).unwrap_or_default(),
            spool_error_since_us: trouble.map(|trouble| trouble.since_us),
            unspooled_cycles: standing.unspooled_cycles,
            config_error_since_us: not_followed.as_ref().map(|trouble| trouble.since_us),
            config_error: not_followed.map(|trouble| trouble.error).unwrap_or_default(),
            config_version: in_force.and_then(|version| u64::try_from(version).ok()),
            config_refused: refused.and_then(|version| u64::try_from(version).ok()),
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
            behind.lane = held.lane().map(|lane| lane.as_bytes().to_vec()).unwrap_or_default();
            behind.created_us = held.clock().now_us();
            behind.clock = Some(held.clock().reading());
            behind.collector_version = env!("CARGO_PKG_VERSION").to_owned();
            behind.hostname.clone_from(&self.hostname);
        }
        behind
    }

    fn accepted(&self, accepted: &Accepted, progress: &mut Progress, lane: &Lane) {
        if let Some(made) = accepted.answered_at {
            progress.answered = Some((made.as_microsecond(), lock(&lane.held).clock().now_us()));
        }
        self.counters.note_told(accepted.next_config_version);
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
            self.lanes.all().iter().for_each(|lane| lock(&lane.held).send_again());
        } else if accepted.forgotten {
            let mut held = lock(&lane.held);
            // Each of several batches in one request says so.
            if !held.is_to_send_again() {
                tracing::warn!(
                    instance.name = lane.instance,
                    "the server has not got what it acknowledged, or has it as another instance's: its store was put back \
                     to a copy, the collector is registered anew, or the instance goes on with an older history; texts and \
                     infos are sent again"
                );
            }
            held.send_again();
        }
        if is_other {
            known.store_id.clone_from(&accepted.store_id);
            if let Err(error) = known.save(self.lanes.state_dir()) {
                // What is stored is stored; the next start sends texts and infos once more.
                tracing::warn!(error = format!("{error:#}"), "which store was seen is not on disk");
            }
        }
    }

    /// Keeps a refused batch for inspection, bounded, and counts what it had.
    fn refuse(&self, progress: &mut Progress, lane: &Lane, pending: Pending, record: &Record, reason: &str) {
        let nth = self.counters.refused_batches.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.keep_refused(nth, record, reason) {
            tracing::warn!(error = format!("{error:#}"), "a refused batch is not kept for inspection");
        }
        if let Err(error) = lock(&lane.held).give_up(pending, "refused") {
            progress.pause(lane, &error);
        }
    }

    fn keep_refused(&self, nth: u64, record: &Record, reason: &str) -> Result<()> {
        let directory = self.lanes.state_dir().join("refused");
        std::fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        let slot = usize::try_from(nth).unwrap_or(0);
        let path = directory.join(format!("{:02}", slot % REFUSED_KEPT));
        std::fs::write(path.with_extension("zst"), &record.batch)
            .and_then(|()| std::fs::write(path.with_extension("txt"), reason))
            .with_context(|| format!("write {}", path.display()))
    }
}
