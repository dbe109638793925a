//! One simulated collector: registers, reads at its times, delivers, and does what the answers say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use collector::backend::{Accepted, Answer, Backend};
use collector::push::{LONGEST_PAUSE, pause};
use collector::state::Registration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use super::counted::{Counted, add};
use super::plan::{BySet, Plan, Sender, Twice};
use super::spool::Spool;

/// Why a batch is not sent that cannot be made.
const UNCOMPRESSED: &str = "the batch cannot be compressed";

/// What all collectors share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) backend: Backend,
    pub(super) connections: Semaphore,
    pub(super) most_connections: u32,
    pub(super) batches_per_request: usize,
    pub(super) counted: Counted,
    /// When nothing is sent any more.
    pub(super) deadline: Instant,
}

/// What is left of a collector when the load ends.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) collector: u32,
    pub(super) id: Uuid,
    /// What was acknowledged.
    pub(super) sums: BySet,
    /// Cycles that were read and not acknowledged, or refused.
    pub(super) without: Vec<u32>,
    /// How many cycles were read.
    pub(super) read: u32,
    /// How many of them wait for an answer still.
    pub(super) unacknowledged: u64,
    /// Whether one was sent whose answer never came: the server may have it or not.
    pub(super) undecided: bool,
}

struct Collector {
    shared: Arc<Shared>,
    token: String,
    sender: Sender,
    spool: Spool,
    /// The next cycle to read.
    next: u32,
    sums: BySet,
    refused: Vec<u32>,
    /// Cycles that are out of the spool, and not answered yet.
    taken: Vec<u32>,
    /// Cycles that were sent and neither acknowledged nor refused yet: the server may have them.
    tried: BTreeSet<u32>,
    /// Whether the server did not know a definition when it was asked last.
    unknown: bool,
}

/// Registers until it is taken, or the time is over.
pub(super) async fn register(
    backend: &Backend,
    connections: &Semaphore,
    counted: &Counted,
    name: &str,
    secret: &str,
    deadline: Instant,
) -> Option<Registration> {
    let mut failures = 0;
    loop {
        let registered: Result<Registration> = {
            let _connection = connections.acquire().await.ok()?;
            // Boxed: of thousands that wait a few register at a time.
            let registers = Box::pin(async { backend.register(name, &format!("{name}.example"), secret).await });
            timeout_at(deadline, registers).await.ok()?
        };
        match registered {
            Ok(registration) => {
                add(&counted.registered, 1);
                return Some(registration);
            }
            Err(error) => counted.said(&format!("{error:#}")),
        }
        let again = Instant::now() + pause(&mut failures, LONGEST_PAUSE);
        if again >= deadline {
            return None;
        }
        sleep_until(again).await;
    }
}

/// Reads and delivers until all is acknowledged, the time is over, or `stop` says so.
pub(super) async fn run(
    shared: Arc<Shared>,
    collector: u32,
    registration: Registration,
    mut stop: watch::Receiver<bool>,
) -> Delivered {
    let first = shared.plan.first_live();
    let id = registration.collector_id;
    let deadline = shared.deadline;
    let mut one = Collector {
        sender: Sender { collector, id, newest: first.saturating_sub(1), acknowledged: None, answered: None },
        spool: Spool::new(first),
        next: first,
        token: registration.token,
        sums: BySet::default(),
        refused: Vec::new(),
        taken: Vec::new(),
        tried: BTreeSet::new(),
        unknown: false,
        shared,
    };
    tokio::select! {
        () = one.deliver() => {}
        () = tokio::time::sleep_until(deadline) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let waiting: BTreeSet<u32> = one.spool.all().chain(one.taken).chain(one.tried.iter().copied()).collect();
    let unacknowledged = waiting.len() as u64;
    let without = waiting.into_iter().chain(one.refused).collect();
    Delivered {
        collector,
        id,
        sums: one.sums,
        without,
        read: one.next,
        unacknowledged,
        undecided: !one.tried.is_empty(),
    }
}

impl Collector {
    async fn deliver(&mut self) {
        let shared = Arc::clone(&self.shared);
        let collector = self.sender.collector;
        let mut failures = 0;
        if shared.plan.drifts() {
            Box::pin(self.show_life(&shared)).await;
        }
        loop {
            while self.next < shared.plan.cycles && self.until(self.next).is_zero() {
                self.spool.put(self.next, shared.plan.is_late(collector, self.next));
                self.sender.newest = self.next;
                self.next += 1;
            }
            let cycles = self.spool.take(shared.batches_per_request);
            self.taken.clone_from(&cycles);
            let Some(first) = cycles.first().copied() else {
                if self.next == shared.plan.cycles {
                    return;
                }
                sleep(self.until(self.next)).await;
                continue;
            };
            let twice = if cycles.len() == 1 { shared.plan.twice(collector, first) } else { None };
            let wanted = if twice == Some(Twice::AtOnce) { 2.min(shared.most_connections) } else { 1 };
            let Ok(connections) = shared.connections.acquire_many(wanted).await else { return };
            // Boxed: of thousands of collectors a few send at a time.
            let sent = Box::pin(self.send(&shared, &cycles, twice)).await;
            drop(connections);
            match sent {
                None => failures = 0,
                Some(asked) => sleep(asked.max(pause(&mut failures, LONGEST_PAUSE))).await,
            }
        }
    }

    /// What it is answered tells the server's time; where it is not, the first batch is answered.
    async fn show_life(&mut self, shared: &Shared) {
        let Ok(_connection) = shared.connections.acquire().await else { return };
        let sign = shared.plan.sign_of_life(&self.sender, self.spool.len(), now_us());
        let Ok(body) = wire::compress(&sign) else { return };
        match shared.backend.push(&self.token, body).await {
            Answer::Accepted(accepted) => self.told(&accepted),
            Answer::Refused(reason) | Answer::Unauthorized(reason) | Answer::Replaced(reason) => {
                shared.counted.said(&reason);
            }
            Answer::Later { reason, .. } => shared.counted.said(&reason),
            Answer::UnknownDefinition => {}
        }
    }

    fn told(&mut self, accepted: &Accepted) {
        if let Some(made) = accepted.answered_at {
            self.sender.answered = Some((made.as_microsecond(), now_us()));
        }
    }

    /// How long it is until a cycle is read.
    fn until(&self, cycle: u32) -> Duration {
        let us = self.shared.plan.time_us(self.sender.collector, cycle) - now_us();
        Duration::from_micros(u64::try_from(us).unwrap_or(0))
    }

    /// Sends batches; answers how long to wait where one is to be sent again.
    async fn send(&mut self, shared: &Shared, cycles: &[u32], twice: Option<Twice>) -> Option<Duration> {
        let answers = match cycles {
            [only] => self.send_one(shared, *only, twice).await,
            _ => self.send_many(shared, cycles).await,
        };
        let (mut again, mut unknown) = (None, false);
        // Those that are to be sent again go back in their order.
        for (cycle, sums, answer) in answers.into_iter().rev() {
            let reason = match answer {
                Answer::Accepted(accepted) => {
                    self.accepted(cycle, &sums, &accepted);
                    continue;
                }
                Answer::Refused(reason) | Answer::Replaced(reason) => {
                    shared.counted.said(&reason);
                    add(&shared.counted.refused, 1);
                    self.tried.remove(&cycle);
                    self.refused.push(cycle);
                    continue;
                }
                Answer::UnknownDefinition => {
                    unknown = true;
                    "409: unknown_definition".to_owned()
                }
                Answer::Unauthorized(reason) => {
                    again = again.max(Some(Duration::ZERO));
                    reason
                }
                Answer::Later { reason, after } => {
                    again = again.max(Some(after.unwrap_or_default()));
                    reason
                }
            };
            shared.counted.said(&reason);
            self.spool.put_back(cycle);
        }
        self.taken.clear();
        if unknown {
            let definitions: Vec<_> = shared.plan.workload.definitions().iter().collect();
            let defined = shared.backend.define(&self.token, &definitions).await;
            if let Err(error) = &defined {
                shared.counted.said(&format!("{error:#}"));
            }
            if defined.is_err() || self.unknown {
                again = again.max(Some(Duration::ZERO));
            }
        }
        self.unknown = unknown;
        again
    }

    async fn send_one(&mut self, shared: &Shared, cycle: u32, twice: Option<Twice>) -> Vec<(u32, BySet, Answer)> {
        let (bytes, sums) = self.bytes(shared, cycle);
        let Ok(body) = wire::compress(&bytes) else { return vec![(cycle, sums, later(UNCOMPRESSED))] };
        // Thousands may wait for their answers.
        drop(bytes);
        let began = Instant::now();
        let push = |body| shared.backend.push(&self.token, body);
        let (first, second) = match twice {
            Some(Twice::AtOnce) => {
                let (first, second) = tokio::join!(push(body.clone()), push(body));
                (first, Some(second))
            }
            Some(Twice::Later) => {
                let first = push(body.clone()).await;
                let second = if matches!(first, Answer::Accepted(_)) { Some(push(body).await) } else { None };
                (first, second)
            }
            None => (push(body).await, None),
        };
        add(&shared.counted.requests, 1 + u64::from(second.is_some()));
        shared.counted.took(began.elapsed());
        let answer = match second {
            Some(second) => {
                add(&shared.counted.sent_twice, 1);
                self.one_of_two(first, second)
            }
            None => first,
        };
        if twice.is_none() && matches!(answer, Answer::Accepted(_)) {
            shared.counted.answered(began.elapsed());
        }
        vec![(cycle, sums, answer)]
    }

    /// Of two answers to the same batch the better one; that the other was a duplicate is counted.
    fn one_of_two(&self, first: Answer, second: Answer) -> Answer {
        let counted = &self.shared.counted;
        match (first, second) {
            (Answer::Accepted(mut first), Answer::Accepted(second)) => {
                if first.duplicate && second.duplicate {
                    add(&counted.duplicates, 1);
                } else {
                    // One of them is the one that stored it.
                    add(&counted.duplicates, u64::from(first.duplicate || second.duplicate));
                    first.duplicate = false;
                    if !second.rejected.is_empty() {
                        first.rejected = second.rejected;
                    }
                }
                Answer::Accepted(first)
            }
            (first @ Answer::Accepted(_), _) => first,
            (_, second) => second,
        }
    }

    async fn send_many(&mut self, shared: &Shared, cycles: &[u32]) -> Vec<(u32, BySet, Answer)> {
        let mut sums = Vec::with_capacity(cycles.len());
        let mut joined = Vec::new();
        for cycle in cycles {
            let (bytes, of) = self.bytes(shared, *cycle);
            // Writing to memory does not fail.
            let _ = prost::encode_length_delimiter(bytes.len(), &mut joined);
            joined.extend(bytes);
            sums.push(of);
        }
        let began = Instant::now();
        let answers = match wire::compress(&joined) {
            Ok(body) => shared.backend.push_many(&self.token, body).await,
            Err(_) => Err(later(UNCOMPRESSED)),
        };
        add(&shared.counted.requests, 1);
        shared.counted.took(began.elapsed());
        let of_all = |answer: Answer| -> Vec<Answer> {
            let same: Box<dyn Fn() -> Answer> = match answer {
                Answer::Later { reason, after } => Box::new(move || Answer::Later { reason: reason.clone(), after }),
                Answer::Refused(reason) => Box::new(move || Answer::Refused(reason.clone())),
                Answer::Unauthorized(reason) => Box::new(move || Answer::Unauthorized(reason.clone())),
                Answer::Accepted(_) | Answer::UnknownDefinition | Answer::Replaced(_) => {
                    Box::new(|| later("the answer does not fit several batches"))
                }
            };
            cycles.iter().map(|_| same()).collect()
        };
        let answers = match answers {
            Ok(answers) if answers.len() == cycles.len() => {
                shared.counted.answered(began.elapsed());
                answers
            }
            Ok(_) => of_all(later("there are not as many answers as batches")),
            Err(answer) => of_all(answer),
        };
        cycles.iter().copied().zip(sums).zip(answers).map(|((cycle, sums), answer)| (cycle, sums, answer)).collect()
    }

    /// A batch, counted as sent when it is made for the first time.
    fn bytes(&mut self, shared: &Shared, cycle: u32) -> (Vec<u8>, BySet) {
        let waiting = self.spool.len() + 1;
        let (bytes, sums) = shared.plan.bytes(&self.sender, cycle, waiting, now_us());
        if self.tried.insert(cycle) {
            add(&shared.counted.batches, 1);
            add(&shared.counted.rows, sums.iter().map(|set| set.rows).sum());
        }
        (bytes, sums)
    }

    fn accepted(&mut self, cycle: u32, sums: &BySet, accepted: &Accepted) {
        let counted = &self.shared.counted;
        let rows: u64 = sums.iter().map(|set| set.rows).sum();
        add(&counted.batches_acknowledged, 1);
        add(&counted.rows_acknowledged, rows);
        add(&counted.duplicates, u64::from(accepted.duplicate));
        for rejected in &accepted.rejected {
            add(&counted.rows_rejected, rejected.rows);
            counted.said(&format!("{} rejected: {}", rejected.set, rejected.reason));
        }
        if accepted.forgotten {
            counted.said("the server does not have what it acknowledged");
        }
        counted.delivered(now_us() - self.shared.plan.time_us(self.sender.collector, cycle));
        for (mine, more) in self.sums.iter_mut().zip(sums) {
            mine.add(more);
        }
        self.tried.remove(&cycle);
        self.sender.acknowledged = Some(cycle);
        self.told(accepted);
    }
}

fn later(reason: &str) -> Answer {
    Answer::Later { reason: reason.to_owned(), after: None }
}

/// Microseconds since 1970.
pub(super) fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
