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
    /// The parts of time of those losses.
    #[prost(message, repeated, tag = "7")]
    pub lost: Vec<wire::LostInterval>,
    /// Written before the server had said, since the collector's start, what it knows of this spool. Nobody can have
    /// sent it: when the server knows its number, it was given to another batch before.
    #[prost(bool, tag = "8")]
    pub unverified: bool,
    /// Its increments go on from a baseline of before the collector's start.
    #[prost(bool, tag = "9")]
    pub carried: bool,
    /// The batch's epoch; absent in those of older versions.
    #[prost(bytes = "vec", tag = "10")]
    pub epoch: Vec<u8>,
}

/// Losses on disk that no record tells yet.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Note {
    /// The record that tells them.
    #[prost(uint64, tag = "1")]
    pub(super) told_by: u64,
    #[prost(message, repeated, tag = "2")]
    pub(super) discarded: Vec<wire::Discarded>,
    #[prost(message, repeated, tag = "3")]
    pub(super) lost: Vec<wire::LostInterval>,
    /// Counts up from one note to the next: a checkpoint says which it has in it.
    #[prost(uint64, tag = "4")]
    pub(super) nth: u64,
    /// The record that was dropped.
    #[prost(uint64, tag = "5")]
    pub(super) dropped: u64,
}
