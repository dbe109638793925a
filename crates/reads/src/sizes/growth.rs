//! How much it becomes in a day, and when there is no room any more.

use jiff::{SignedDuration, Timestamp};
use store::sizes::LOOK_BACK_DAYS;

use super::model::{Disk, NotedSize, StoreDisk};

/// Two notes that are closer say nothing of a day; one a day is a little early or late.
const APART_LEAST: SignedDuration = SignedDuration::from_hours(20);

/// A moment that is farther away is not told: nothing grows for so long as it did.
const FORESEEN: SignedDuration = SignedDuration::from_hours(24 * 3652);

/// Two notes to compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Window {
    /// The newest note, and the oldest that is not too long before it.
    pub(super) fn of(history: &[NotedSize]) -> Option<Self> {
        let last = history.last()?.at;
        let oldest = last.checked_sub(SignedDuration::from_hours(24 * LOOK_BACK_DAYS)).ok()?;
        let first = history.iter().find(|note| note.at >= oldest)?.at;
        (last.duration_since(first) >= APART_LEAST).then_some(Self { first, last })
    }

    /// What was added from one to the other, by day. Nobody noted it before: then it took nothing.
    pub(super) fn per_day(self, before: Option<i64>, after: i64) -> f64 {
        let days = self.last.duration_since(self.first).as_secs_f64() / 86_400.0;
        (after - before.unwrap_or(0)) as f64 / days
    }
}

/// The disk, and the day on which it is full.
pub(super) fn disk(disk: &Disk, now: Timestamp, bytes: i64, per_day: Option<f64>) -> StoreDisk {
    let (size_bytes, free_bytes) = match disk {
        Disk::Seen { size_bytes, free_bytes } => (*size_bytes, *free_bytes),
        Disk::Said { size_bytes } => (*size_bytes, size_bytes.saturating_sub(bytes).max(0)),
        Disk::Unknown { reason } => {
            return StoreDisk { size_bytes: None, free_bytes: None, full_at: None, reason: Some(reason.clone()) };
        }
    };
    let full = match per_day {
        None => Err("It is not known yet how the store grows."),
        Some(per_day) if per_day <= 0.0 => Err("The store does not grow."),
        Some(per_day) => SignedDuration::try_from_secs_f64(free_bytes as f64 / per_day * 86_400.0)
            .ok()
            .filter(|length| *length <= FORESEEN)
            .and_then(|length| now.checked_add(length).ok())
            .ok_or("The disk is not full within ten years if the store grows on as it did."),
    };
    StoreDisk {
        size_bytes: Some(size_bytes),
        free_bytes: Some(free_bytes),
        full_at: full.ok(),
        reason: full.err().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn notes(days: &[i32]) -> Vec<NotedSize> {
        days.iter().map(|day| NotedSize { at: Timestamp::UNIX_EPOCH + DAY * *day, bytes: 0 }).collect()
    }

    #[test]
    fn growth_needs_two_notes_and_looks_back_a_month() {
        let window = |days: &[i32]| {
            let day = |at: Timestamp| at.as_second() / 86_400;
            Window::of(&notes(days)).map(|window| (day(window.first), day(window.last)))
        };
        assert_eq!([window(&[]), window(&[5]), window(&[5, 5])], [None, None, None]);
        assert_eq!(window(&[5, 6]), Some((5, 6)));
        assert_eq!(window(&[0, 9, 10, 39]), Some((9, 39)), "what is older is another time");
        assert_eq!(window(&[0, 100]), None, "one note in a month");
    }

    #[test]
    fn what_was_not_there_before_grew_from_nothing() {
        let window = Window::of(&notes(&[0, 2])).unwrap();
        assert_eq!([window.per_day(None, 100), window.per_day(Some(200), 100)], [50.0, -50.0]);
    }

    #[test]
    fn a_disk_is_full_when_what_is_free_is_taken() {
        let now = Timestamp::UNIX_EPOCH;
        let seen = Disk::Seen { size_bytes: 1000, free_bytes: 100 };
        assert_eq!(disk(&seen, now, 500, Some(50.0)).full_at, Some(now + DAY * 2));
        assert_eq!(disk(&Disk::Said { size_bytes: 1000 }, now, 500, Some(50.0)).full_at, Some(now + DAY * 10));
        let over = disk(&Disk::Said { size_bytes: 100 }, now, 500, Some(1.0));
        assert_eq!((over.free_bytes, over.full_at), (Some(0), Some(now)), "more than there should be");
        for (per_day, word) in [(None, "not known"), (Some(0.0), "does not grow"), (Some(-3.0), "does not grow")] {
            let told = disk(&seen, now, 500, per_day);
            assert!(told.full_at.is_none() && told.reason.unwrap().contains(word), "{per_day:?}");
        }
        for slow in [1e-3, 1e-300] {
            assert!(disk(&seen, now, 500, Some(slow)).reason.unwrap().contains("ten years"), "{slow}");
        }
        let unknown = disk(&Disk::Unknown { reason: "Because.".to_owned() }, now, 500, Some(1.0));
        assert_eq!((unknown.free_bytes, unknown.full_at, unknown.reason.as_deref()), (None, None, Some("Because.")));
    }
}
