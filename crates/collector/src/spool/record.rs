//! One record: a batch ready to be sent, and how the baselines move when it is on disk.

use std::collections::BTreeMap;

use prost::Message;

use crate::baseline::Advance;

/// What one cycle leaves on disk.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    /// The batch's sequence number.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// When it was written, microseconds since 1970.
    #[prost(sint64, tag = "2")]
    pub created_us: i64,
    /// The batch as it is sent: protobuf in one zstd frame.
    #[prost(bytes = "vec", tag = "3")]
    pub batch: Vec<u8>,
    /// How the baselines move.
    #[prost(message, repeated, tag = "4")]
    pub advances: Vec<Advance>,
    /// How many rows of each set the batch has, for counting when it is lost.
    #[prost(btree_map = "string, uint64", tag = "5")]
    pub rows_by_set: BTreeMap<String, u64>,
    /// The losses that the batch tells of: when it is lost itself, the next one tells them.
    #[prost(message, repeated, tag = "6")]
    pub discarded: Vec<wire::Discarded>,
}

/// Rows that were lost, by set and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    rows: BTreeMap<(String, String), u64>,
}

impl Lost {
    /// Counts rows.
    pub fn add(&mut self, set: &str, reason: &str, rows: u64) {
        *self.rows.entry((set.to_owned(), reason.to_owned())).or_default() += rows;
    }

    /// Counts what a batch was to tell.
    pub fn add_wire(&mut self, discarded: &[wire::Discarded]) {
        for lost in discarded {
            self.add(&lost.set, &lost.reason, lost.rows);
        }
    }

    /// Counts what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for ((set, reason), rows) in &other.rows {
            self.add(set, reason, *rows);
        }
    }

    /// As it stands in a batch.
    #[must_use]
    pub fn to_wire(&self) -> Vec<wire::Discarded> {
        self.rows
            .iter()
            .map(|((set, reason), rows)| wire::Discarded { set: set.clone(), reason: reason.clone(), rows: *rows })
            .collect()
    }
}
