//! A batch in the form that both encodings become, before its rows are looked at.

use std::sync::Arc;

use uuid::Uuid;
use wire::{Bitmap, Cut, Discarded, Flag, Frame, Instance, LostInterval, Status};

use super::Rejected;
use super::clock::Stamp;
use crate::store::Known;

/// A batch.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) collector_id: Uuid,
    /// Epoch and sequence; absent for a batch of a script, and for a sign of life.
    pub(super) key: Option<(Uuid, i64)>,
    /// The epoch that the collector spools under.
    pub(super) epoch: Option<Uuid>,
    /// Epoch and sequence of the batch that it takes for acknowledged last.
    pub(super) acknowledged: Option<(Uuid, i64)>,
    /// When it was made, microseconds since 1970.
    pub(super) created_us: i64,
    pub(super) hostname: String,
    pub(super) version: String,
    pub(super) instances: Vec<Instance>,
    pub(super) readings: Vec<IncomingReading>,
    pub(super) discarded: Vec<Discarded>,
    pub(super) lost: Vec<LostInterval>,
    pub(super) status: Option<Status>,
    /// The process that delivers it; absent where it does not tell.
    pub(super) process: Option<Uuid>,
    /// What it tells of the clock that all its times are by.
    pub(super) stamp: Stamp,
    /// What was rejected before its rows were looked at.
    pub(super) rejected: Vec<Rejected>,
}

/// A reading.
#[derive(Debug)]
pub(super) struct IncomingReading {
    pub(super) set: String,
    /// Absent where there are no rows.
    pub(super) known: Option<Arc<Known>>,
    /// The position in [`Incoming::instances`].
    pub(super) instance: usize,
    pub(super) datid: Option<i64>,
    pub(super) started_us: i64,
    pub(super) time_us: i64,
    pub(super) interval_us: Option<i64>,
    pub(super) duration_us: i64,
    pub(super) error: Option<String>,
    pub(super) late_cycles: u32,
    pub(super) flags: Vec<Flag>,
    pub(super) cuts: Vec<Cut>,
    pub(super) rows: RowsOf,
}

/// Rows, decoded or not yet.
#[derive(Debug)]
pub(super) enum RowsOf {
    /// As they came in protobuf; decoded one reading at a time, to bound memory.
    Wire(Box<wire::Reading>),
    /// As they came in JSON, with the rows whose key is gone.
    Frame(Frame, Bitmap),
}

impl Incoming {
    /// Moves all times that are by the collector's clock. Those that the instances told are by theirs.
    pub(super) fn shift(&mut self, offset_us: i64) {
        if offset_us == 0 {
            return;
        }
        let shift = |time_us: &mut i64| *time_us = time_us.saturating_add(offset_us);
        shift(&mut self.created_us);
        for reading in &mut self.readings {
            shift(&mut reading.started_us);
            shift(&mut reading.time_us);
            for flag in &mut reading.flags {
                shift(&mut flag.start_us);
                shift(&mut flag.end_us);
            }
        }
        for lost in &mut self.lost {
            shift(&mut lost.start_us);
            shift(&mut lost.end_us);
        }
        if let Some(since) = self.status.as_mut().and_then(|status| status.spool_error_since_us.as_mut()) {
            shift(since);
        }
        for attributes in self.instances.iter_mut().filter_map(|instance| instance.attributes.as_mut()) {
            if let Some(offset) = &mut attributes.clock_offset_us {
                *offset = offset.saturating_sub(offset_us);
            }
        }
    }
}

impl RowsOf {
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Wire(reading) => u64::from(reading.rows),
            Self::Frame(frame, _) => frame.rows as u64,
        }
    }
}
