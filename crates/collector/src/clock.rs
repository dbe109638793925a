//! The wall clock of readings, in the unit of the wire.

/// Microseconds since 1970.
#[must_use]
pub fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
