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
            let is_late = |cycle| shared.plan.is_late(collector, cycle);
            let cycles = self.spool.take(shared.batches_per_request, is_late);
            self.taken.clone_from(&cycles);
            if cycles.is_empty() {
                if self.next == shared.plan.cycles {
                    return;
                }
                sleep(self.until(self.next)).await;
                continue;
            }
            let twice = cycles.iter().filter_map(|cycle| Some((*cycle, shared.plan.twice(collector, *cycle)?)));
            let twice: Vec<_> = twice.collect();
            let at_once = matches!(twice.first(), Some((_, Twice::AtOnce)));
            let wanted = if at_once { 2.min(shared.most_connections) } else { 1 };
            let Ok(connections) = shared.connections.acquire_many(wanted).await else { return };
            // Boxed: of thousands of collectors a few send at a time.
            let sent = Box::pin(self.send(&shared, &cycles, &twice)).await;
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
            Answer::Later { reason, .. } | Answer::InstanceLater { reason, .. } => shared.counted.said(&reason),
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
    async fn send(&mut self, shared: &Shared, cycles: &[u32], twice: &[(u32, Twice)]) -> Option<Duration> {
        let (sums, answers) = self.ask(shared, cycles, twice).await;
        let answers =
            cycles.iter().copied().zip(sums).zip(answers).map(|((cycle, sums), answer)| (cycle, sums, answer));
        let answers: Vec<_> = answers.collect();
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
                Answer::Later { reason, after } | Answer::InstanceLater { reason, after } => {
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

    /// Sends batches in one request, and what is to come twice in another; answers what is in each, and the answers.
    async fn ask(&mut self, shared: &Shared, cycles: &[u32], twice: &[(u32, Twice)]) -> (Vec<BySet>, Vec<Answer>) {
        let (mut all, mut again, mut sums) = (Request::default(), Request::default(), Vec::with_capacity(cycles.len()));
        for cycle in cycles {
            let (bytes, of) = self.bytes(shared, *cycle);
            if twice.iter().any(|(one, _)| one == cycle) {
                again.add(&bytes);
            }
            all.add(&bytes);
            sums.push(of);
        }
        let began = Instant::now();
        // Thousands may wait for their answers: from here on there are only the compressed ones.
        let (all, again) = (all.send(shared, &self.token), again.send(shared, &self.token));
        let (mut answers, repeated) = match twice.first().map(|(_, how)| how) {
            None => (all.await, Vec::new()),
            Some(Twice::AtOnce) => tokio::join!(all, again),
            Some(Twice::Later) => {
                let answers = all.await;
                let are_stored = answers.iter().all(|answer| matches!(answer, Answer::Accepted(_)));
                (answers, if are_stored { again.await } else { Vec::new() })
            }
        };
        add(&shared.counted.requests, 1 + u64::from(!repeated.is_empty()));
        shared.counted.took(began.elapsed());
        add(&shared.counted.sent_twice, repeated.len() as u64);
        for ((cycle, _), second) in twice.iter().zip(repeated) {
            if let Some(first) = cycles.iter().position(|one| one == cycle).and_then(|at| answers.get_mut(at)) {
                *first = self.one_of_two(std::mem::replace(first, later("")), second);
            }
        }
        if twice.is_empty() && answers.iter().any(|answer| matches!(answer, Answer::Accepted(_))) {
            shared.counted.answered(began.elapsed());
        }
        (sums, answers)
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

/// Batches that travel together.
#[derive(Default)]
struct Request {
    bytes: Vec<u8>,
    /// The length of each; one that is alone travels as it is.
    lengths: Vec<usize>,
}

impl Request {
    fn add(&mut self, batch: &[u8]) {
        self.bytes.extend(batch);
        self.lengths.push(batch.len());
    }

    /// Compresses, and answers what sends it: an answer for each batch.
    fn send<'a>(self, shared: &'a Shared, token: &'a str) -> impl Future<Output = Vec<Answer>> + use<'a> {
        let batches = self.lengths.len();
        let body = if batches == 1 { self.bytes } else { self.delimited() };
        let body = wire::compress(&body);
        async move {
            let Ok(body) = body else { return vec![later(UNCOMPRESSED); batches] };
            match batches {
                0 => Vec::new(),
                1 => vec![shared.backend.push(token, body).await],
                _ => match shared.backend.push_many(token, body).await {
                    Ok(answers) if answers.len() == batches => answers,
                    Ok(_) => vec![later("there are not as many answers as batches"); batches],
                    Err(answer @ (Answer::Later { .. } | Answer::Refused(_) | Answer::Unauthorized(_))) => {
                        vec![answer; batches]
                    }
                    Err(_) => vec![later("the answer does not fit several batches"); batches],
                },
            }
        }
    }

    /// Each behind its length.
    fn delimited(&self) -> Vec<u8> {
        let mut joined = Vec::with_capacity(self.bytes.len() + 5 * self.lengths.len());
        let mut rest = self.bytes.as_slice();
        for length in &self.lengths {
            let (batch, behind) = rest.split_at(*length);
            // Writing to memory does not fail.
            let _ = prost::encode_length_delimiter(*length, &mut joined);
            joined.extend(batch);
            rest = behind;
        }
        joined
    }
}

fn later(reason: &str) -> Answer {
    Answer::Later { reason: reason.to_owned(), after: None }
}

/// Microseconds since 1970.
pub(super) fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
