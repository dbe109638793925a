//! The messages: hand-written structs with their protobuf field numbers.
//!
//! A batch is immutable once spooled. What is only known when it is sent ([`Status`]) is appended
//! as one more field: concatenated protobuf messages merge, and so do concatenated zstd frames.

use prost::Message;

/// The layout that this crate writes and reads; an unknown one is answered with 415.
pub const BATCH_FORMAT: u32 = 1;

/// One cycle of a collector. Its identity is (collector, epoch, sequence).
#[derive(Clone, PartialEq, Message)]
pub struct Batch {
    /// [`BATCH_FORMAT`].
    #[prost(uint32, tag = "1")]
    pub format: u32,
    /// The collector's UUID, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub collector_id: Vec<u8>,
    /// UUIDv7 of the spool, 16 bytes; new whenever the state directory is new, damaged, or older than what was sent.
    #[prost(bytes = "vec", tag = "3")]
    pub epoch: Vec<u8>,
    /// Counts up from one batch to the next. 0 is a sign of life: it has a status, no readings, and is not in the ledger.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
    /// When the cycle ended, microseconds since 1970.
    #[prost(sint64, tag = "5")]
    pub created_us: i64,
    /// The collector's version.
    #[prost(string, tag = "6")]
    pub collector_version: String,
    /// The collector's host name.
    #[prost(string, tag = "7")]
    pub hostname: String,
    /// The instances that were read, or tried.
    #[prost(message, repeated, tag = "8")]
    pub instances: Vec<Instance>,
    /// What was read.
    #[prost(message, repeated, tag = "9")]
    pub readings: Vec<Reading>,
    /// What was lost since the last batch, and why.
    #[prost(message, repeated, tag = "10")]
    pub discarded: Vec<Discarded>,
    /// The parts of time that those losses concern.
    #[prost(message, repeated, tag = "11")]
    pub lost: Vec<LostInterval>,
    /// The clock that every time of the collector in here is by, as it stood at `created_us`.
    #[prost(message, optional, tag = "13")]
    pub clock: Option<ClockReading>,
    /// Which of the collector's spools it is from, 16 bytes: each has epochs of its own. Empty from a collector that has
    /// one spool for all instances.
    #[prost(bytes = "vec", tag = "14")]
    pub lane: Vec<u8>,
    /// Appended when the batch is sent.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
}

/// The state of the collector at the moment of sending.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// Records in the spool that are not acknowledged, this one included.
    #[prost(uint64, tag = "1")]
    pub spool_records: u64,
    /// Their bytes.
    #[prost(uint64, tag = "2")]
    pub spool_bytes: u64,
    /// The most that the spool may hold, in bytes.
    #[prost(uint64, tag = "3")]
    pub spool_max_bytes: u64,
    /// Processor time of the collector since it started, in microseconds.
    #[prost(uint64, tag = "4")]
    pub cpu_us: u64,
    /// Peak resident memory in bytes.
    #[prost(uint64, tag = "5")]
    pub peak_memory_bytes: u64,
    /// Cycles that were skipped because they were late, since start.
    #[prost(uint64, tag = "6")]
    pub late_cycles: u64,
    /// Batches that the server refused for good, since start.
    #[prost(uint64, tag = "7")]
    pub refused_batches: u64,
    /// The machine's time of day at sending, microseconds since 1970. It may have been set since the batch was made.
    #[prost(sint64, optional, tag = "8")]
    pub sent_us: Option<i64>,
    /// The collector's clock at sending: with [`Batch::clock`] it tells how old the batch is, whatever the time of
    /// day was set to meanwhile.
    #[prost(message, optional, tag = "9")]
    pub clock: Option<ClockReading>,
    /// Why nothing can be written to the spool now; empty while it can.
    #[prost(string, tag = "12")]
    pub spool_error: String,
    /// Since when, microseconds since 1970.
    #[prost(sint64, optional, tag = "13")]
    pub spool_error_since_us: Option<i64>,
    /// Cycles that could not be spooled, since start: the next one covered their time.
    #[prost(uint64, tag = "14")]
    pub unspooled_cycles: u64,
    /// The batch that the server acknowledged last; absent where that is not known, or known to be missing there.
    #[prost(message, optional, tag = "15")]
    pub acknowledged: Option<BatchKey>,
    /// When the last answer was made; absent where none came yet.
    #[prost(message, optional, tag = "16")]
    pub answered: Option<Answered>,
    /// Why the newest configuration is not followed; empty while it is.
    #[prost(string, tag = "17")]
    pub config_error: String,
    /// Since when, microseconds since 1970.
    #[prost(sint64, optional, tag = "18")]
    pub config_error_since_us: Option<i64>,
    /// The version of the server's configuration that is followed; absent where none is.
    #[prost(uint64, optional, tag = "19")]
    pub config_version: Option<u64>,
    /// The version of it that cannot be followed, for which [`Status::config_error`] has the reason.
    #[prost(uint64, optional, tag = "20")]
    pub config_refused: Option<u64>,
}

/// The last answer that a collector had: with the arrival of what it sends next it bounds how far the clocks are apart.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Answered {
    /// When it was made, by the server's clock, microseconds since 1970.
    #[prost(sint64, tag = "1")]
    pub server_us: i64,
    /// How long before [`Status::clock`] it came, by the collector's clock.
    #[prost(uint64, tag = "2")]
    pub ago_us: u64,
}

/// Which batch of a collector.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BatchKey {
    /// [`Batch::epoch`].
    #[prost(bytes = "vec", tag = "1")]
    pub epoch: Vec<u8>,
    /// [`Batch::sequence`].
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
}

/// A collector's clock at a moment. It is set once, when the process starts, and then follows the time since boot:
/// it may be wrong, but it never jumps.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ClockReading {
    /// Which clock: a UUID of the process, 16 bytes. In [`Status::clock`] it tells which process delivers.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// The machine's boot, 16 bytes; empty where it does not tell.
    #[prost(bytes = "vec", tag = "2")]
    pub boot_id: Vec<u8>,
    /// Microseconds since that boot, sleep included.
    #[prost(uint64, tag = "3")]
    pub boottime_us: u64,
}

/// A monitored PostgreSQL, by its name in the collector's configuration.
#[derive(Clone, PartialEq, Message)]
pub struct Instance {
    /// The name in the configuration.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it said of itself; absent when it could not be reached.
    #[prost(message, optional, tag = "2")]
    pub attributes: Option<Attributes>,
    /// Why it could not be reached.
    #[prost(string, optional, tag = "3")]
    pub error: Option<String>,
    /// What can be read, whole; sent when it changes and once a day.
    #[prost(message, repeated, tag = "4")]
    pub states: Vec<SetState>,
}

/// What an instance says of itself.
#[derive(Clone, PartialEq, Message)]
pub struct Attributes {
    /// `pg_control_system().system_identifier`, as text.
    #[prost(string, tag = "1")]
    pub system_identifier: String,
    /// `server_version_num`.
    #[prost(uint32, tag = "2")]
    pub version_num: u32,
    /// `server_version`.
    #[prost(string, tag = "3")]
    pub version: String,
    /// `primary` or `standby`.
    #[prost(string, tag = "4")]
    pub role: String,
    /// Host or socket directory as configured.
    #[prost(string, tag = "5")]
    pub host: String,
    /// Port as configured.
    #[prost(uint32, tag = "6")]
    pub port: u32,
    /// Timeline.
    #[prost(uint32, optional, tag = "7")]
    pub timeline: Option<u32>,
    /// `pg_postmaster_start_time()`, microseconds since 1970.
    #[prost(sint64, tag = "8")]
    pub postmaster_start_us: i64,
    /// The instance's clock minus the collector's, in microseconds.
    #[prost(sint64, optional, tag = "9")]
    pub clock_offset_us: Option<i64>,
    /// `max_connections`.
    #[prost(uint32, optional, tag = "10")]
    pub max_connections: Option<u32>,
    /// `pg_stat_statements.track`, where the extension is loaded.
    #[prost(string, optional, tag = "11")]
    pub track: Option<String>,
    /// The installed version of `pg_stat_statements`.
    #[prost(string, optional, tag = "12")]
    pub statements_version: Option<String>,
}

/// Whether a set, or one column of it, can be read.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SetState {
    /// The set.
    #[prost(string, tag = "1")]
    pub set: String,
    /// The column; empty for the set as a whole.
    #[prost(string, tag = "2")]
    pub column: String,
    /// Works, degraded or missing.
    #[prost(enumeration = "State", tag = "3")]
    pub state: i32,
    /// The kind of reason.
    #[prost(enumeration = "StateCode", tag = "4")]
    pub code: i32,
    /// The reason, as a sentence.
    #[prost(string, tag = "5")]
    pub message: String,
    /// The SQL that mends it.
    #[prost(string, tag = "6")]
    pub fix: String,
}

/// How well something can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum State {
    /// All of it.
    Works = 0,
    /// Some of it.
    Degraded = 1,
    /// None of it.
    Missing = 2,
    /// Reading it failed.
    Error = 3,
}

/// Why something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum StateCode {
    /// It can.
    None = 0,
    /// A setting is off.
    Setting = 1,
    /// The version is too old.
    Version = 2,
    /// A privilege is missing.
    Privilege = 3,
    /// Not on an instance of this role.
    Role = 4,
    /// The extension is not there.
    Extension = 5,
    /// It raised an error.
    Failed = 6,
    /// Switched off in the configuration.
    Disabled = 7,
    /// The collector runs on another machine.
    Machine = 8,
    /// It is read less often, to keep the budget.
    Budget = 9,
    /// It is for somebody on the collector's machine to allow it.
    Approval = 10,
}

/// One set, read once.
#[derive(Clone, PartialEq, Message)]
pub struct Reading {
    /// The set.
    #[prost(string, tag = "1")]
    pub set: String,
    /// The hash of its definition, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub definition: Vec<u8>,
    /// The position in [`Batch::instances`].
    #[prost(uint32, tag = "3")]
    pub instance: u32,
    /// The database that was read, for sets of scope `database`.
    #[prost(sint64, optional, tag = "4")]
    pub datid: Option<i64>,
    /// When the reading began, microseconds since 1970.
    #[prost(sint64, tag = "5")]
    pub started_us: i64,
    /// The end of the interval: the time of every row.
    #[prost(sint64, tag = "6")]
    pub time_us: i64,
    /// The length of the interval; absent where only a baseline was taken.
    #[prost(uint64, optional, tag = "7")]
    pub interval_us: Option<u64>,
    /// How many rows follow.
    #[prost(uint32, tag = "8")]
    pub rows: u32,
    /// How long the statement took, seen from the collector.
    #[prost(uint64, tag = "9")]
    pub duration_us: u64,
    /// Why nothing was read.
    #[prost(string, optional, tag = "10")]
    pub error: Option<String>,
    /// What is known to be missing from the interval.
    #[prost(message, repeated, tag = "11")]
    pub flags: Vec<Flag>,
    /// The columns, each all rows long; one that is missing is all NULL.
    #[prost(message, repeated, tag = "12")]
    pub columns: Vec<EncodedColumn>,
    /// Rows of an info set whose key is gone, by position.
    #[prost(uint32, repeated, tag = "13")]
    pub removed: Vec<u32>,
    /// Rows that the limit summed into "others".
    #[prost(message, repeated, tag = "14")]
    pub cuts: Vec<Cut>,
    /// Cycles of this set that were skipped because they were late, since the last reading.
    #[prost(uint32, tag = "15")]
    pub late_cycles: u32,
}

/// What a row limit cut away within one value of its `per` label.
#[derive(Clone, PartialEq, Message)]
pub struct Cut {
    /// The value of the `per` label.
    #[prost(sint64, tag = "1")]
    pub per: i64,
    /// How many rows are summed in the row "others".
    #[prost(uint32, tag = "2")]
    pub rows: u32,
    /// The identities of those rows (the label that the limit names).
    #[prost(sfixed64, repeated, tag = "3")]
    pub ids: Vec<i64>,
}

/// A part of time in which something is known to be missing.
#[derive(Clone, PartialEq, Message)]
pub struct Flag {
    /// Why.
    #[prost(enumeration = "FlagReason", tag = "1")]
    pub reason: i32,
    /// From when, microseconds since 1970.
    #[prost(sint64, tag = "2")]
    pub start_us: i64,
    /// To when.
    #[prost(sint64, tag = "3")]
    pub end_us: i64,
    /// The keys concerned, each a JSON object of labels; at most 100.
    #[prost(string, repeated, tag = "4")]
    pub entries: Vec<String>,
    /// How many keys are concerned; 0 where it is not known.
    #[prost(uint32, tag = "5")]
    pub entries_total: u32,
}

/// Why an interval is flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FlagReason {
    /// Not said.
    Unspecified = 0,
    /// Statistics were reset.
    Reset = 1,
    /// Entries were evicted.
    Evicted = 2,
    /// Single entries were reset, or their counters fell.
    EntryReset = 3,
    /// The instance was restarted.
    Restart = 4,
    /// The instance crashed and recovered.
    CrashRestart = 5,
    /// Another instance answers under this name.
    Replaced = 6,
    /// Nothing was read before: the collector is new here.
    Gap = 7,
    /// The collector's spool was full.
    SpoolFull = 8,
    /// It waited for longer than the collector keeps it.
    SpoolAge = 9,
    /// The server refused it for good.
    Refused = 10,
    /// The collector's spool was damaged.
    Damaged = 11,
    /// The collector's state directory was older than what it had sent.
    Restored = 12,
}

impl FlagReason {
    /// The word for it in the API and in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Reset => "reset",
            Self::Evicted => "evicted",
            Self::EntryReset => "entry_reset",
            Self::Restart => "restart",
            Self::CrashRestart => "crash_restart",
            Self::Replaced => "replaced",
            Self::Gap => "gap",
            Self::SpoolFull => "spool_full",
            Self::SpoolAge => "spool_age",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
            Self::Restored => "restored",
        }
    }

    /// The reason of a word; [`Self::Unspecified`] for one that is not known.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        let all = [Self::SpoolFull, Self::SpoolAge, Self::Refused, Self::Damaged, Self::Restored];
        all.into_iter().find(|reason| reason.word() == word).unwrap_or(Self::Unspecified)
    }
}

/// What a collector lost, and why.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Discarded {
    /// The set.
    #[prost(string, tag = "1")]
    pub set: String,
    /// Why, in a word: `spool_full`, `spool_age`, `refused`, `damaged`, `restored`.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// How many rows, as far as that is known.
    #[prost(uint64, tag = "3")]
    pub rows: u64,
    /// How many readings, at least; of a damaged one nobody knows how many rows it had.
    #[prost(uint64, tag = "4")]
    pub readings: u64,
}

/// A part of time whose readings of a set a collector lost.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LostInterval {
    /// The instance's name in the configuration.
    #[prost(string, tag = "1")]
    pub instance: String,
    /// The set.
    #[prost(string, tag = "2")]
    pub set: String,
    /// Why.
    #[prost(enumeration = "FlagReason", tag = "3")]
    pub reason: i32,
    /// From when, microseconds since 1970; where that is not known, the end: since the reading before.
    #[prost(sint64, tag = "4")]
    pub start_us: i64,
    /// To when.
    #[prost(sint64, tag = "5")]
    pub end_us: i64,
}

/// One column of a reading.
#[derive(Clone, PartialEq, Message)]
pub struct EncodedColumn {
    /// Its position in the definition.
    #[prost(uint32, tag = "1")]
    pub place: u32,
    /// How `data` is to be read; see `codec.rs`.
    #[prost(uint32, tag = "2")]
    pub encoding: u32,
    /// One bit per row, set where it is NULL; empty where none is.
    #[prost(bytes = "vec", tag = "3")]
    pub nulls: Vec<u8>,
    /// The values of the rows that are not NULL.
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
    /// The distinct texts, for dictionary encoding.
    #[prost(string, repeated, tag = "5")]
    pub dictionary: Vec<String>,
}
