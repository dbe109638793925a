//! A batch in the form that both encodings become, before its rows are looked at.

use std::sync::Arc;

use uuid::Uuid;
use wire::{Bitmap, Cut, Discarded, Flag, Frame, Instance, LostInterval, Status};

use super::Rejected;
use crate::store::Known;

/// A batch.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) collector_id: Uuid,
    /// Epoch and sequence; absent for a batch of a script, and for a sign of life.
    pub(super) key: Option<(Uuid, i64)>,
    /// The epoch that the collector spools under.
    pub(super) epoch: Option<Uuid>,
    /// When it was made, microseconds since 1970.
    pub(super) created_us: i64,
    pub(super) hostname: String,
    pub(super) version: String,
    pub(super) instances: Vec<Instance>,
    pub(super) readings: Vec<IncomingReading>,
    pub(super) discarded: Vec<Discarded>,
    pub(super) lost: Vec<LostInterval>,
    pub(super) status: Option<Status>,
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

impl RowsOf {
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Wire(reading) => u64::from(reading.rows),
            Self::Frame(frame, _) => frame.rows as u64,
        }
    }
}
