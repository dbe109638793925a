//! How far a collector's clock is from ours, measured with each push, so that what it stamped is stored at the right
//! time and nothing is refused for a clock's sake.
//!
//! ```text
//! offset = (arrival − age of the batch) − created_us
//! ```
//! The age is that of the collector's own clock, which never jumps, where the machine was not started anew since;
//! else the difference of its times of day. What the network takes only makes an offset larger, so the least of the
//! last few counts. One within [`CLOCK_TOLERANCE_US`] of none, or of the last one, changes nothing: intervals of a series
//! line up, and no batch has a jitter of its own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;
use wire::ClockReading;

use crate::incoming::Incoming;
use store::{Store, StoreError};

use store::CLOCK_TOLERANCE_US;

/// The last pushes of which the least offset counts.
const MEASURED: usize = 3;

/// The most clocks that are remembered; the store knows the others.
const MOST: usize = 20_000;

/// What a batch tells of the clock that stamped it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which clock; nil where the batch does not tell.
    pub(crate) clock: Uuid,
    /// How old the batch is by that clock.
    pub(crate) age_us: Option<i64>,
    /// The machine's time of day at sending.
    pub(crate) sent_us: Option<i64>,
}

impl Stamp {
    /// From the clock as it stood when the batch was made, and when it was sent.
    pub(crate) fn new(made: Option<&ClockReading>, sent: Option<&ClockReading>, sent_us: Option<i64>) -> Self {
        let clock = made.and_then(|made| Uuid::from_slice(&made.id).ok()).unwrap_or_default();
        let same_boot = made.zip(sent).filter(|(made, sent)| made.boot_id.len() == 16 && made.boot_id == sent.boot_id);
        let age_us = same_boot.and_then(|(made, sent)| sent.boottime_us.checked_sub(made.boottime_us));
        Self { clock, age_us: age_us.and_then(|age| i64::try_from(age).ok()), sent_us }
    }

    /// What is to be added to the clock's times, as this push has it; `None` where nothing is told.
    fn measured(&self, created_us: i64, arrival_us: i64) -> Option<i64> {
        match (self.age_us, self.sent_us) {
            (Some(age), _) => Some(arrival_us.saturating_sub(age).saturating_sub(created_us)),
            (None, Some(sent)) => Some(arrival_us.saturating_sub(sent)),
            (None, None) => None,
        }
    }
}

/// What is known of one clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    offset_us: i64,
    measured: Vec<i64>,
}

impl Kept {
    /// Takes one more measurement; `last` is what was applied to the collector before this clock.
    fn take(&mut self, measured_us: i64, last: Option<i64>) -> i64 {
        if self.measured.len() == MEASURED {
            self.measured.remove(0);
        }
        self.measured.push(measured_us);
        let best = self.measured.iter().copied().min().unwrap_or(measured_us);
        let is_near = |offset: &i64| best.abs_diff(*offset) <= CLOCK_TOLERANCE_US.unsigned_abs();
        let known = [Some(0), Some(self.offset_us), last];
        self.offset_us = known.into_iter().flatten().find(is_near).unwrap_or(best);
        best
    }
}

/// The clocks of all collectors.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    known: Mutex<HashMap<(Uuid, Uuid), Kept>>,
}

/// What follows for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Correction {
    /// What is added to its times.
    pub(crate) offset_us: i64,
    /// How far the machine's time of day is ahead of ours; `None` where it is not told.
    pub(crate) ahead_us: Option<i64>,
}

impl Clocks {
    /// Measures with this batch, and answers how it is to be corrected.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn correct(
        &self,
        store: &Store,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Result<Correction, StoreError> {
        let (stamp, created_us, arrival_us) = (incoming.stamp, incoming.created_us, now.as_microsecond());
        let Some(measured) = stamp.measured(created_us, arrival_us) else { return Ok(Correction::default()) };
        let collector = incoming.collector_id;
        let key = (collector, stamp.clock);
        let known = self.lock().get(&key).cloned();
        let (mut kept, stored, last) = match known {
            Some(kept) => (kept.clone(), Some(kept.offset_us), None),
            None => {
                let (stored, last) = load(store, collector, stamp.clock).await?;
                (Kept { offset_us: stored.unwrap_or(0), measured: Vec::new() }, stored, last)
            }
        };
        // Across a start of the machine the times of day tell of today's clock; what was measured then is better.
        let guess = stamp.age_us.is_none() && !stamp.clock.is_nil();
        let best = if guess && stored.is_some() { measured } else { kept.take(measured, last) };
        if stored != Some(kept.offset_us) {
            let since = created_us.saturating_add(kept.offset_us);
            save(store, collector, stamp.clock, since, kept.offset_us).await?;
        }
        let offset_us = kept.offset_us;
        let mut all = self.lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, kept);
        let ahead_us = stamp.sent_us.map(|sent| match stamp.age_us {
            Some(age) => sent.saturating_sub(created_us.saturating_add(age).saturating_add(best)),
            None => sent.saturating_sub(arrival_us),
        });
        Ok(Correction { offset_us, ahead_us })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Uuid, Uuid), Kept>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The offset that is kept for a clock, and the last one of the collector.
async fn load(store: &Store, collector: Uuid, clock: Uuid) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let client = store.client().await?;
    let statement = client
        .prepare_cached(
            "select (select offset_us from metrics.clocks where collector_id = $1 and clock = $2
                     order by since desc limit 1),
                 (select offset_us from metrics.clocks where collector_id = $1 order by since desc limit 1)",
        )
        .await?;
    let row = client.query_one(&statement, &[&collector, &clock]).await?;
    Ok((row.get(0), row.get(1)))
}

async fn save(store: &Store, collector: Uuid, clock: Uuid, since_us: i64, offset_us: i64) -> Result<(), StoreError> {
    let since = Timestamp::from_microsecond(since_us).unwrap_or_default();
    let client = store.client().await?;
    let statement = client
        .prepare_cached(
            "insert into metrics.clocks (collector_id, clock, since, offset_us) values ($1, $2, $3, $4)
             on conflict (collector_id, clock, since) do update set offset_us = excluded.offset_us",
        )
        .await?;
    client.execute(&statement, &[&collector, &clock, &since, &offset_us]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn take(offsets: &[i64], last: Option<i64>) -> Vec<i64> {
        let mut kept = Kept::default();
        offsets.iter().map(|offset| (kept.take(*offset, last), kept.offset_us).1).collect()
    }

    #[test]
    fn what_the_network_takes_is_no_offset() {
        assert_eq!(take(&[0, S, 2 * S, -S, S / 2], None), [0; 5]);
        // Two slow deliveries between good ones are the network's.
        assert_eq!(take(&[0, 30 * S, 30 * S, 0, 40 * S], None), [0; 5]);
    }

    #[test]
    fn a_clock_that_is_wrong_has_one_offset_and_no_jitter() {
        let (ahead, behind) = (-7200 * S, 200 * S);
        assert_eq!(take(&[ahead, ahead + S, ahead + S / 2], None), [ahead; 3]);
        assert_eq!(take(&[behind + S, behind, behind + 9 * S], None), [behind + S; 3]);
        // A new process takes on from the one before.
        assert_eq!(take(&[ahead + S], Some(ahead)), [ahead]);
        // It is set right: nothing is corrected any more, however near the last one was.
        assert_eq!(take(&[S], Some(3 * S)), [0]);
    }

    #[test]
    fn a_step_begins_a_new_offset() {
        assert_eq!(take(&[0, -300 * S, -300 * S], None), [0, -300 * S, -300 * S]);
        // Backwards it looks like a slow network until it was seen a few times.
        assert_eq!(take(&[0, 300 * S, 300 * S, 300 * S, 301 * S], None), [0, 0, 0, 300 * S, 300 * S]);
    }

    #[test]
    fn the_age_is_told_by_the_clock_within_one_boot_only() {
        let reading = |boot: u8, boottime_us| ClockReading { id: vec![7; 16], boot_id: vec![boot; 16], boottime_us };
        let stamp = |made, sent| Stamp::new(Some(&made), Some(&sent), Some(50 * S));
        let same = stamp(reading(1, 5), reading(1, 9));
        assert_eq!((same.age_us, same.clock), (Some(4), Uuid::from_bytes([7; 16])));
        assert_eq!(same.measured(10, 1000), Some(986));
        let started_anew = stamp(reading(1, 5), reading(2, 9));
        assert_eq!((started_anew.age_us, started_anew.measured(10, 60 * S)), (None, Some(10 * S)));
        assert_eq!(stamp(reading(1, 9), reading(1, 5)).age_us, None);
        let silent = ClockReading { boot_id: Vec::new(), ..reading(1, 5) };
        assert_eq!(stamp(silent.clone(), silent).age_us, None);
        assert_eq!(Stamp::new(None, None, None).measured(10, 1000), None);
    }
}
