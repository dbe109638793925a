//! The collector's clock: set once by the machine's time of day, then driven by the time since boot.
//!
//! So it never jumps, whatever sets the time of day meanwhile: times of one process are always in order and as far
//! apart as they truly were. It may be wrong as a whole; the server measures by how much, with each push.

use std::env;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use nix::time::{ClockId, clock_gettime};
use uuid::Uuid;
use wire::ClockReading;

/// What a clock is made from. Tests put their own in.
pub trait Machine: Debug + Send + Sync {
    /// The time of day, microseconds since 1970. Somebody may set it at any moment.
    fn time_of_day_us(&self) -> i64;
    /// Microseconds since boot, sleep included. Nobody sets it.
    fn boottime_us(&self) -> u64;
    /// Which boot; `None` where the machine does not tell.
    fn boot_id(&self) -> Option<Uuid>;
}

/// This machine.
#[derive(Clone, Copy, Debug)]
struct Here;

impl Machine for Here {
    fn time_of_day_us(&self) -> i64 {
        jiff::Timestamp::now().as_microsecond()
    }

    fn boottime_us(&self) -> u64 {
        let Ok(time) = clock_gettime(ClockId::CLOCK_BOOTTIME) else { return 0 };
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_nsec() / 1000).unwrap_or(0)
    }

    fn boot_id(&self) -> Option<Uuid> {
        Uuid::parse_str(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim()).ok()
    }
}

/// Names a file for tests of the whole program: how many seconds the time of day is off. No file: none.
pub const TIME_OF_DAY_OFF_FILE: &str = "PGANALYTICS_TEST_TIME_OF_DAY_OFF_FILE";

/// This machine with another time of day, as if somebody had set it. Only the collector believes it.
#[derive(Clone, Debug)]
struct Off(PathBuf);

impl Machine for Off {
    fn time_of_day_us(&self) -> i64 {
        let seconds = fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse::<i64>().ok());
        Here.time_of_day_us().saturating_add(seconds.unwrap_or(0).saturating_mul(1_000_000))
    }

    fn boottime_us(&self) -> u64 {
        Here.boottime_us()
    }

    fn boot_id(&self) -> Option<Uuid> {
        Here.boot_id()
    }
}

/// A clock that does not jump. Copies are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    machine: Arc<dyn Machine>,
    id: Uuid,
    boot_id: Option<Uuid>,
    /// What is added to the time since boot.
    began_us: i64,
    /// When it was set.
    set_at_us: i64,
}

impl Clock {
    /// A clock of this machine, set now.
    #[must_use]
    pub fn here() -> Self {
        match env::var_os(TIME_OF_DAY_OFF_FILE) {
            None => Self::of(Arc::new(Here)),
            Some(file) => Self::of(Arc::new(Off(file.into()))),
        }
    }

    /// A clock of a machine, set now.
    #[must_use]
    pub fn of(machine: Arc<dyn Machine>) -> Self {
        let set_at_us = machine.time_of_day_us();
        let began_us = set_at_us.saturating_sub_unsigned(machine.boottime_us());
        Self { id: Uuid::new_v4(), boot_id: machine.boot_id(), began_us, set_at_us, machine }
    }

    /// When it was set, and so when the process began.
    #[must_use]
    pub const fn set_at_us(&self) -> i64 {
        self.set_at_us
    }

    /// Which clock this is, and so which process.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Microseconds since 1970, as far as this clock knows.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.began_us.saturating_add_unsigned(self.machine.boottime_us())
    }

    /// The machine's time of day, microseconds since 1970.
    #[must_use]
    pub fn time_of_day_us(&self) -> i64 {
        self.machine.time_of_day_us()
    }

    /// Which clock this is and how it stands, so that the server can tell how long ago that was.
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        ClockReading {
            id: self.id.as_bytes().to_vec(),
            boot_id: self.boot_id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            boottime_us: self.machine.boottime_us(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A machine whose time of day is set by the test; its time since boot goes on by a second a look.
    #[derive(Debug, Default)]
    struct Set {
        time_of_day_us: AtomicI64,
        looks: AtomicI64,
    }

    impl Machine for Set {
        fn time_of_day_us(&self) -> i64 {
            self.time_of_day_us.load(Ordering::Relaxed)
        }

        fn boottime_us(&self) -> u64 {
            self.looks.fetch_add(1_000_000, Ordering::Relaxed).unsigned_abs()
        }

        fn boot_id(&self) -> Option<Uuid> {
            None
        }
    }

    #[test]
    fn the_clock_goes_on_whatever_the_time_of_day_is_set_to() {
        let machine = Arc::new(Set { time_of_day_us: AtomicI64::new(5_000_000), ..Set::default() });
        let clock = Clock::of(Arc::clone(&machine) as Arc<dyn Machine>);
        assert_eq!(clock.now_us(), 6_000_000);
        machine.time_of_day_us.store(7_200_000_000, Ordering::Relaxed);
        assert_eq!((clock.now_us(), clock.time_of_day_us()), (7_000_000, 7_200_000_000));
        machine.time_of_day_us.store(0, Ordering::Relaxed);
        assert_eq!(clock.now_us(), 8_000_000);
        assert_eq!((clock.reading().boottime_us, clock.clone().reading().id), (4_000_000, clock.reading().id));
    }

    #[test]
    fn this_machine_tells_its_boot() {
        let clock = Clock::here();
        let (before, after) = (clock.reading(), clock.reading());
        assert_eq!((before.boot_id.len(), before.id.len()), (16, 16));
        assert!(before.boottime_us > 0 && after.boottime_us >= before.boottime_us);
        assert!((clock.now_us() - clock.time_of_day_us()).abs() < 60_000_000);
    }
}
