//! From which figure on something is worth a look, and from which on it is wrong.

/// Shares of a limit of connections in percent. The instance's last few are reserved for superusers, so full comes
/// before 100.
pub const CONNECTIONS_CRITICAL: i64 = 95;
/// The share in percent that is worth a look.
pub const CONNECTIONS_WARNING: i64 = 80;

/// Replay lag above this is worth a look.
pub const REPLAY_LAG_WARNING_US: i64 = 30_000_000;

/// Waiting for a lock for longer than this is worth a look.
pub const BLOCKED_WARNING_MS: f64 = 60_000.0;
/// Waiting for a lock for longer than this is wrong.
pub const BLOCKED_CRITICAL_MS: f64 = 300_000.0;
/// Where who blocks does nothing: longer than any pause between two statements of one transaction should be.
pub const BLOCKED_BY_IDLE_MS: f64 = 5_000.0;

/// Idle in a transaction that holds back vacuum for longer than this is worth a look.
pub const HOLDING_WARNING_MS: f64 = 300_000.0;

/// A clock that is further off than this is to be set right.
pub const CLOCK_WARNING_US: u64 = 10_000_000;

/// What streams through a slot comes back within this, or it is nobody's.
pub const SLOT_UNUSED_FOR_S: i64 = 300;

/// From this share of a sequence's values on it is told.
pub const SEQUENCE_NEARLY: f64 = 0.8;
/// From this share on there is little time left, however slowly it is used up.
pub const SEQUENCE_ALMOST: f64 = 0.97;
