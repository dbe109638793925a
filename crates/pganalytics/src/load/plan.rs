//! When each collector reads what, with which clock, in which epoch: all of it follows from the arguments.

use std::time::Duration;

use anyhow::Result;
use catalog::Catalog;
use prost::Message as _;
use uuid::Uuid;
use wire::{
    Answered, Attributes, BATCH_FORMAT, Batch, BatchKey, ClockReading, Flag, FlagReason, Instance, Reading, SetState,
    State, StateCode, Status,
};

use super::arguments::LoadArguments;
use super::sums::Sums;
use super::workload::{Cycle, SETS, Workload, mix};

/// The name of each collector's one instance.
pub(super) const INSTANCE: &str = "load";

/// How long each machine is up when the load begins, backlog aside.
const UPTIME_US: i64 = 3_600_000_000;
/// After how many cycles what can be read is told again.
const STATES_EVERY: u32 = 1440;

/// Sums by set, in the order of [`SETS`].
pub(super) type BySet = [Sums; SETS.len()];

/// The plan of a load.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) workload: Workload,
    seed: u64,
    interval_us: i64,
    backlog: u32,
    /// Cycles in all, the backlog's first.
    pub(super) cycles: u32,
    restarts: u32,
    bursts: bool,
    duplicates: f64,
    out_of_order: f64,
    drift_us: i64,
    /// When the load begins, microseconds since 1970.
    start_us: i64,
}

impl Plan {
    pub(super) fn new(arguments: &LoadArguments, catalog: &Catalog, start_us: i64) -> Result<Self> {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let (backlog, before_us) = (arguments.backlog_cycles(), start_us - 30 * 86_400_000_000);
        Ok(Self {
            workload: Workload::new(catalog, arguments.seed, arguments.statements, before_us)?,
            seed: arguments.seed,
            interval_us: micros(arguments.interval),
            backlog,
            cycles: backlog + arguments.cycles(),
            restarts: arguments.restarts,
            bursts: arguments.bursts,
            duplicates: arguments.duplicates,
            out_of_order: arguments.out_of_order,
            drift_us: micros(arguments.clock_drift),
            start_us,
        })
    }

    /// The name that a collector registers under.
    pub(super) fn name(&self, collector: u32) -> String {
        format!("load-{}-{collector}", self.seed)
    }

    /// The cycle that the load begins with; those before are in the spool by then.
    pub(super) const fn first_live(&self) -> u32 {
        self.backlog
    }

    /// When a cycle is read, microseconds since 1970, truly.
    pub(super) fn time_us(&self, collector: u32, cycle: u32) -> i64 {
        let phase = match (self.bursts, u64::try_from(self.interval_us)) {
            (false, Ok(interval)) => i64::try_from(self.chance(&[collector.into(), 10]) % interval).unwrap_or(0),
            _ => 0,
        };
        self.start_us + phase + (i64::from(cycle) - i64::from(self.backlog)) * self.interval_us
    }

    fn chance(&self, parts: &[u64]) -> u64 {
        mix(&[self.seed, mix(parts)])
    }

    fn happens(&self, share: f64, parts: &[u64]) -> bool {
        const STEPS: u64 = 1 << 32;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let drawn = (self.chance(parts) % STEPS) as f64 / STEPS as f64;
        drawn < share
    }

    /// Whether a batch is sent twice, and how.
    pub(super) fn twice(&self, collector: u32, cycle: u32) -> Option<Twice> {
        let of = |what| [collector.into(), cycle.into(), what];
        let how = || if self.happens(0.5, &of(12)) { Twice::AtOnce } else { Twice::Later };
        self.happens(self.duplicates, &of(11)).then(how)
    }

    /// Whether a batch is sent after the one that follows it.
    pub(super) fn is_late(&self, collector: u32, cycle: u32) -> bool {
        cycle + 1 < self.cycles && self.happens(self.out_of_order, &[collector.into(), cycle.into(), 13])
    }

    /// The first cycle of an epoch.
    fn begins(&self, epoch: u32) -> u32 {
        let live = u64::from(self.cycles - self.backlog);
        let after = live * u64::from(epoch) / (u64::from(self.restarts) + 1);
        if epoch == 0 { 0 } else { self.backlog + u32::try_from(after).unwrap_or(0) }
    }

    fn epoch(&self, cycle: u32) -> u32 {
        (0..=self.restarts).rev().find(|epoch| self.begins(*epoch) <= cycle).unwrap_or(0)
    }

    fn drift_of(&self, collector: u32) -> i64 {
        let range = u64::try_from(self.drift_us).unwrap_or(0) * 2 + 1;
        i64::try_from(self.chance(&[collector.into(), 14]) % range).unwrap_or(0) - self.drift_us
    }

    /// Which clock, and so which process, stamps a cycle.
    fn clock(&self, collector: u32, cycle: u32, now_us: i64) -> ClockReading {
        let id = |what| (u128::from(self.chance(&[collector.into(), what])) << 64) | u128::from(self.chance(&[what]));
        let process = Uuid::from_u128(id(1000 + u64::from(self.epoch(cycle))));
        let booted_us = self.start_us - i64::from(self.backlog) * self.interval_us - UPTIME_US;
        ClockReading {
            id: process.as_bytes().to_vec(),
            boot_id: Uuid::from_u128(id(15)).as_bytes().to_vec(),
            boottime_us: u64::try_from(now_us - booted_us).unwrap_or(0),
        }
    }

    /// A batch's identity.
    pub(super) fn key(&self, collector: u32, cycle: u32) -> BatchKey {
        let epoch = self.epoch(cycle);
        let since_1970_ms = u64::try_from(self.start_us / 1000).unwrap_or(0) + u64::from(epoch);
        let random = self.chance(&[collector.into(), 16]).to_le_bytes();
        let mut counter = [0; 10];
        counter[..8].copy_from_slice(&random);
        let epoch_id = uuid::Builder::from_unix_timestamp_millis(since_1970_ms, &counter).into_uuid();
        let sequence = u64::from(cycle - self.begins(epoch)) + 1;
        BatchKey { epoch: epoch_id.as_bytes().to_vec(), sequence }
    }

    /// One batch as it lies in the spool, and what is in it.
    pub(super) fn batch(&self, collector: u32, cycle: u32) -> (Batch, BySet) {
        let epoch = self.epoch(cycle);
        let first = cycle == self.begins(epoch);
        let drift_us = self.drift_of(collector);
        let true_us = self.time_us(collector, cycle);
        let BatchKey { epoch: epoch_id, sequence } = self.key(collector, cycle);
        let mut sums = BySet::default();
        let mut readings = Vec::with_capacity(SETS.len());
        for (definition, sums) in self.workload.definitions().iter().zip(&mut sums) {
            let (reading, of) = self.reading(definition, Cycle { collector, cycle, first }, true_us, drift_us);
            readings.extend(reading);
            *sums = of;
        }
        let batch = Batch {
            format: BATCH_FORMAT,
            epoch: epoch_id,
            sequence,
            created_us: true_us + drift_us,
            collector_version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: format!("{}.example", self.name(collector)),
            instances: vec![self.instance(collector, cycle, first)],
            readings,
            clock: Some(self.clock(collector, cycle, true_us)),
            ..Batch::default()
        };
        (batch, sums)
    }

    /// One set's reading in a cycle, and what it comes to; none where there is nothing to send.
    pub(super) fn reading(
        &self,
        definition: &catalog::Definition,
        cycle: Cycle,
        true_us: i64,
        drift_us: i64,
    ) -> (Option<Reading>, Sums) {
        let time_us = true_us + drift_us;
        let is_figures = definition.kind() == catalog::SetKind::Figures;
        let mut reading = Reading {
            set: definition.name.clone(),
            definition: definition.hash().0.to_vec(),
            started_us: time_us - 2000,
            time_us,
            duration_us: 1500,
            ..Reading::default()
        };
        if is_figures && cycle.first && cycle.cycle > 0 {
            // A new spool: what there was before is not known, and this reading is what the next one is compared with.
            let reason = FlagReason::Gap as i32;
            reading.flags = vec![Flag { reason, start_us: time_us, end_us: time_us, ..Flag::default() }];
            return (Some(reading), Sums::default());
        }
        let Some(frame) = self.workload.frame(definition, cycle) else { return (None, Sums::default()) };
        reading.interval_us = if is_figures { u64::try_from(self.interval_us).ok() } else { None };
        reading.encode_rows(&frame);
        // A name that is sent again is no row more.
        let is_repeated = definition.kind() == catalog::SetKind::Info && cycle.cycle > 0;
        let sums =
            if is_repeated { Sums::default() } else { Sums::of(definition, &frame, reading.interval_us, true_us) };
        (Some(reading), sums)
    }

    /// The cycle with what tells it from others.
    pub(super) fn cycle(&self, collector: u32, cycle: u32) -> Cycle {
        Cycle { collector, cycle, first: cycle == self.begins(self.epoch(cycle)) }
    }

    fn instance(&self, collector: u32, cycle: u32, first: bool) -> Instance {
        let works = |set: &&str| SetState {
            set: (*set).to_owned(),
            state: State::Works as i32,
            code: StateCode::None as i32,
            ..SetState::default()
        };
        let states =
            if first || cycle.is_multiple_of(STATES_EVERY) { SETS.iter().map(works).collect() } else { Vec::new() };
        Instance {
            name: INSTANCE.to_owned(),
            attributes: Some(Attributes {
                system_identifier: (self.chance(&[collector.into(), 17]) >> 1).to_string(),
                version_num: 150_006,
                version: "15.6".to_owned(),
                role: "primary".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: 5432,
                timeline: Some(1),
                postmaster_start_us: self.start_us - 30 * 86_400_000_000,
                clock_offset_us: Some(0),
                max_connections: Some(100),
                track: Some("top".to_owned()),
                statements_version: Some("1.10".to_owned()),
            }),
            error: None,
            states,
        }
    }

    /// What is only known when a batch is sent: whose it is, and how the spool and the clock stand now.
    pub(super) fn status(&self, sender: &Sender, waiting: usize, now_us: i64) -> Batch {
        let waiting = waiting as u64;
        Batch {
            collector_id: sender.id.as_bytes().to_vec(),
            status: Some(Status {
                spool_records: waiting,
                spool_bytes: waiting * 10_000,
                spool_max_bytes: 1 << 30,
                cpu_us: 50_000 * (u64::from(sender.newest) + 1),
                peak_memory_bytes: 30 << 20,
                sent_us: Some(now_us + self.drift_of(sender.collector)),
                answered: sender.answered.map(|(server_us, came_in_us)| Answered {
                    server_us,
                    ago_us: u64::try_from(now_us - came_in_us).unwrap_or(0),
                }),
                clock: Some(self.clock(sender.collector, sender.newest, now_us)),
                acknowledged: sender.acknowledged.map(|cycle| self.key(sender.collector, cycle)),
                ..Status::default()
            }),
            ..Batch::default()
        }
    }

    /// Whether clocks are off: then each process begins with a sign of life, as a collector does, whose answer tells the
    /// server's time.
    pub(super) const fn drifts(&self) -> bool {
        self.drift_us > 0
    }

    /// A batch without readings.
    pub(super) fn sign_of_life(&self, sender: &Sender, waiting: usize, now_us: i64) -> Vec<u8> {
        let sign = Batch {
            format: BATCH_FORMAT,
            epoch: self.key(sender.collector, sender.newest).epoch,
            created_us: now_us + self.drift_of(sender.collector),
            collector_version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: format!("{}.example", self.name(sender.collector)),
            clock: Some(self.clock(sender.collector, sender.newest, now_us)),
            ..self.status(sender, waiting, now_us)
        };
        sign.encode_to_vec()
    }

    /// A batch as it travels: the spool's bytes, and the status behind them.
    pub(super) fn bytes(&self, sender: &Sender, cycle: u32, waiting: usize, now_us: i64) -> (Vec<u8>, BySet) {
        let (batch, sums) = self.batch(sender.collector, cycle);
        let mut bytes = batch.encode_to_vec();
        bytes.extend(self.status(sender, waiting, now_us).encode_to_vec());
        (bytes, sums)
    }
}

/// How a batch is sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twice {
    /// On two connections.
    AtOnce,
    /// When the first was acknowledged.
    Later,
}

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub(super) collector: u32,
    pub(super) id: Uuid,
    /// The newest cycle that was read.
    pub(super) newest: u32,
    /// The batch that was acknowledged last.
    pub(super) acknowledged: Option<u32>,
    /// When the last answer was made, by the server's clock, and when it came in, truly.
    pub(super) answered: Option<(i64, i64)>,
}
