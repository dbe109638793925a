//! A batch in the form that both encodings become, before its rows are looked at.

use std::sync::Arc;

use uuid::Uuid;
use wire::{Bitmap, Cut, Discarded, Flag, Frame, Instance, LostInterval, Status};

use crate::Rejected;
use crate::clock::Stamp;
use store::Known;

/// A batch.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) collector_id: Uuid,
    /// Epoch and sequence; absent for a batch of a script, and for a sign of life.
    pub(crate) key: Option<(Uuid, i64)>,
    /// The epoch that the collector spools under.
    pub(crate) epoch: Option<Uuid>,
    /// Which of its spools that is of; absent where it has one for all instances.
    pub(crate) lane: Option<Uuid>,
    /// Epoch and sequence of the batch that it takes for acknowledged last.
    pub(crate) acknowledged: Option<(Uuid, i64)>,
    /// When it was made, microseconds since 1970.
    pub(crate) created_us: i64,
    pub(crate) hostname: String,
    pub(crate) version: String,
    pub(crate) instances: Vec<Instance>,
    pub(crate) readings: Vec<IncomingReading>,
    pub(crate) discarded: Vec<Discarded>,
    pub(crate) lost: Vec<LostInterval>,
    pub(crate) status: Option<Status>,
    /// The process that delivers it; absent where it does not tell.
    pub(crate) process: Option<Uuid>,
    /// What it tells of the clock that all its times are by.
    pub(crate) stamp: Stamp,
    /// What was rejected before its rows were looked at.
    pub(crate) rejected: Vec<Rejected>,
}

/// A reading.
#[derive(Debug)]
pub(crate) struct IncomingReading {
    pub(crate) set: String,
    /// Absent where there are no rows.
    pub(crate) known: Option<Arc<Known>>,
    /// The position in [`Incoming::instances`].
    pub(crate) instance: usize,
    pub(crate) datid: Option<i64>,
    pub(crate) started_us: i64,
    pub(crate) time_us: i64,
    pub(crate) interval_us: Option<i64>,
    pub(crate) duration_us: i64,
    pub(crate) error: Option<String>,
    pub(crate) late_cycles: u32,
    pub(crate) flags: Vec<Flag>,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) rows: RowsOf,
}

/// Rows, decoded or not yet.
#[derive(Debug)]
pub(crate) enum RowsOf {
    /// As they came in protobuf; decoded one reading at a time, to bound memory.
    Wire(Box<wire::Reading>),
    /// As they came in JSON, with the rows whose key is gone.
    Frame(Frame, Bitmap),
}

impl Incoming {
    /// Moves all times that are by the collector's clock. Those that the instances told are by theirs.
    pub(crate) fn shift(&mut self, offset_us: i64) {
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
        let since =
            self.status.as_mut().map(|status| [&mut status.spool_error_since_us, &mut status.config_error_since_us]);
        since.into_iter().flatten().flatten().for_each(shift);
        for attributes in self.instances.iter_mut().filter_map(|instance| instance.attributes.as_mut()) {
            if let Some(offset) = &mut attributes.clock_offset_us {
                *offset = offset.saturating_sub(offset_us);
            }
        }
    }
}

impl RowsOf {
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Wire(reading) => u64::from(reading.rows),
            Self::Frame(frame, _) => frame.rows as u64,
        }
    }
}
