//! How far a collector's clock is from ours, measured with each push, so that what it stamped is stored at the right
//! time and nothing is refused for a clock's sake.
//!
//! ```text
//! ours:       answer ──────────────── arrival      answer  − came in ≤ offset ≤ arrival − sent
//!                   ╲                ╱
//! collector's:       came in ──── sent             sent = created_us + age of the batch
//! ```
//! A request takes time, so its arrival alone says only how large the offset is at most; the time of the last answer,
//! which the collector tells with how long ago it came, how large it is at least. A slow request widens the range and
//! moves nothing: what was applied so far, or no offset at all, stays wherever the range allows it, give or take
//! [`CLOCK_TOLERANCE_US`], so that intervals of a series line up and no batch has a jitter of its own; else it moves
//! only as far as is proven. The age is that of the collector's own clock, which never jumps, where the machine was not
//! started anew since; else the difference of its times of day.
//!
//! Who tells of no answer (a script, the first exchange of a process) is bounded by the longest that a request takes;
//! after a few pushes the least that was measured counts.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use uuid::Uuid;
use wire::{Answered, ClockReading, Status};

use crate::encode::Prepared;
use crate::incoming::Incoming;
use store::{CLOCK_TOLERANCE_US, Store, StoreError};

/// The last pushes of which the least offset counts.
const MEASURED: usize = 3;

/// What a request takes at most: a collector waits no longer for its answer.
const LONGEST_REQUEST_US: i64 = 60_000_000;

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
    /// The last answer that the sender had.
    pub(crate) answered: Option<Answered>,
}

/// Between what the offset is, as one push has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    /// `None` where no answer is told of.
    least_us: Option<i64>,
    most_us: i64,
}

impl Stamp {
    /// From the clock as it stood when the batch was made, and what its sender told with it.
    pub(crate) fn new(made: Option<&ClockReading>, status: Option<&Status>) -> Self {
        let sent = status.and_then(|status| status.clock.as_ref());
        let clock = made.and_then(|made| Uuid::from_slice(&made.id).ok()).unwrap_or_default();
        let same_boot = made.zip(sent).filter(|(made, sent)| made.boot_id.len() == 16 && made.boot_id == sent.boot_id);
        let age_us = same_boot.and_then(|(made, sent)| sent.boottime_us.checked_sub(made.boottime_us));
        Self {
            clock,
            age_us: age_us.and_then(|age| i64::try_from(age).ok()),
            sent_us: status.and_then(|status| status.sent_us),
            answered: status.and_then(|status| status.answered),
        }
    }

    /// When it was sent, by the clock that stamped the batch, or the nearest that is told.
    fn sent_by_it(&self, created_us: i64) -> Option<i64> {
        self.age_us.map(|age| created_us.saturating_add(age)).or(self.sent_us)
    }

    /// What is to be added to the clock's times, as this push has it; `None` where nothing is told.
    fn measured(&self, created_us: i64, arrival_us: i64) -> Option<Bounds> {
        let sent = self.sent_by_it(created_us)?;
        let least_us = self.answered.map(|answered| {
            let came_in = sent.saturating_sub_unsigned(answered.ago_us);
            answered.server_us.saturating_sub(came_in)
        });
        Some(Bounds { least_us, most_us: arrival_us.saturating_sub(sent) })
    }
}

/// What is known of one clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    offset_us: i64,
    /// The last pushes' bounds from above.
    measured: Vec<i64>,
    /// What the store has.
    saved: Option<i64>,
}

impl Kept {
    /// Takes one more measurement; `last` is what was applied to the collector before this clock. Answers the offset as
    /// nearly as it is known.
    fn take(&mut self, Bounds { least_us, most_us }: Bounds, last: Option<i64>) -> i64 {
        let tolerance = CLOCK_TOLERANCE_US;
        // Our clock was set: what was measured before is of another time.
        if self
            .measured
            .iter()
            .any(|measured| least_us.is_some_and(|least| *measured < least.saturating_sub(tolerance)))
        {
            self.measured.clear();
        }
        if self.measured.len() == MEASURED {
            self.measured.remove(0);
        }
        self.measured.push(most_us);
        let most = self.measured.iter().copied().min().unwrap_or(most_us);
        let least = match least_us {
            Some(least) => least.min(most),
            None if self.measured.len() == MEASURED => most,
            None => most.saturating_sub(LONGEST_REQUEST_US),
        };
        let near = least.saturating_sub(tolerance)..=most.saturating_add(tolerance);
        let known = [Some(0), Some(self.offset_us), last].into_iter().flatten().find(|offset| near.contains(offset));
        // Without an answer the longest request is a guess; most are quick.
        let moved = if least_us.is_some() { self.offset_us.clamp(least, most) } else { most };
        self.offset_us = known.unwrap_or(moved);
        self.offset_us.clamp(least, most)
    }
}

/// That a clock has an offset, to be written with the rows that it is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockNote {
    pub(crate) clock: Uuid,
    pub(crate) since_us: i64,
    pub(crate) offset_us: i64,
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
    /// What the store does not have yet.
    pub(crate) note: Option<ClockNote>,
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
        let (stamp, created_us) = (incoming.stamp, incoming.created_us);
        let measured = stamp.sent_by_it(created_us).zip(stamp.measured(created_us, now.as_microsecond()));
        let Some((sent_by_it, bounds)) = measured else { return Ok(Correction::default()) };
        let collector = incoming.collector_id;
        let key = (collector, stamp.clock);
        let known = self.lock().get(&key).cloned();
        let (mut kept, last) = match known {
            Some(kept) => (kept, None),
            None => {
                let (saved, last) = load(store, collector, stamp.clock).await?;
                (Kept { offset_us: saved.unwrap_or(0), measured: Vec::new(), saved }, last)
            }
        };
        // Across a start of the machine the times of day tell of today's clock; what was measured then is better.
        let guess = stamp.age_us.is_none() && !stamp.clock.is_nil();
        let best =
            if guess && kept.saved.is_some() { Kept::default().take(bounds, None) } else { kept.take(bounds, last) };
        let Kept { offset_us, saved, .. } = kept;
        let since_us = created_us.saturating_add(offset_us);
        let note = (saved != Some(offset_us)).then_some(ClockNote { clock: stamp.clock, since_us, offset_us });
        let mut all = self.lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, kept);
        let ahead_us = stamp.sent_us.map(|sent| sent.saturating_sub(sent_by_it.saturating_add(best)));
        Ok(Correction { offset_us, ahead_us, note })
    }

    /// The store has what was noted of a collector's clock.
    pub(crate) fn saved(&self, collector: Uuid, note: ClockNote) {
        if let Some(kept) = self.lock().get_mut(&(collector, note.clock)) {
            kept.saved = Some(note.offset_us);
        }
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

/// Writes what batches noted of their clocks, of each collector one.
pub(crate) async fn save(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let noted: Vec<(Uuid, ClockNote)> =
        batches.iter().filter_map(|batch| Some((batch.collector_id, batch.clock?))).collect();
    if noted.is_empty() {
        return Ok(());
    }
    let collectors: Vec<Uuid> = noted.iter().map(|(collector, _)| *collector).collect();
    let clocks: Vec<Uuid> = noted.iter().map(|(_, note)| note.clock).collect();
    let since: Vec<Timestamp> =
        noted.iter().map(|(_, note)| Timestamp::from_microsecond(note.since_us).unwrap_or_default()).collect();
    let offsets: Vec<i64> = noted.iter().map(|(_, note)| note.offset_us).collect();
    // Batches that came together may all have noted the same.
    let statement = transaction
        .prepare_cached(
            "insert into metrics.clocks (collector_id, clock, since, offset_us)
             select n.collector_id, n.clock, n.since, n.offset_us
             from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int8[])
                 as n (collector_id, clock, since, offset_us)
             where n.offset_us is distinct from (
                 select c.offset_us from metrics.clocks c where c.collector_id = n.collector_id and c.clock = n.clock
                 order by c.since desc limit 1)
             order by n.collector_id
             on conflict (collector_id, clock, since) do update set offset_us = excluded.offset_us",
        )
        .await?;
    transaction.execute(&statement, &[&collectors, &clocks, &since, &offsets]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    /// What is applied after each measurement that tells of no answer.
    fn take(offsets: &[i64], last: Option<i64>) -> Vec<i64> {
        let bounds: Vec<(Option<i64>, i64)> = offsets.iter().map(|offset| (None, *offset)).collect();
        applied(&bounds, last)
    }

    fn applied(bounds: &[(Option<i64>, i64)], last: Option<i64>) -> Vec<i64> {
        let mut kept = Kept::default();
        let mut one = |(least_us, most_us): (Option<i64>, i64)| {
            kept.take(Bounds { least_us, most_us }, last);
            kept.offset_us
        };
        bounds.iter().map(|bounds| one(*bounds)).collect()
    }

    #[test]
    fn a_slow_request_is_no_slow_clock() {
        assert_eq!(take(&[8 * S, 59 * S], None), [0, 0], "no answer yet: it may all be the network");
        // The answer was as quick as the request was slow.
        assert_eq!(applied(&[(None, 8 * S), (Some(-S / 10), 11 * S), (Some(0), 30 * S), (Some(0), 1)], None), [0; 4]);
        // A clock that is wrong, over a line of any speed.
        let (behind, ahead) = (200 * S, -200 * S);
        assert_eq!(
            applied(&[(Some(behind - S), behind + 9 * S), (Some(behind - 1), behind + 1)], None),
            [behind - S, behind - S]
        );
        assert_eq!(applied(&[(Some(ahead - 9 * S), ahead + S), (Some(ahead), ahead + 1)], None), [ahead + S; 2]);
        // The first exchange took its slowness for the clock's; the second knows better.
        assert_eq!(
            applied(&[(None, behind + 9 * S), (Some(behind - 1), behind + 1)], None),
            [behind + 9 * S, behind + 1]
        );
    }

    #[test]
    fn our_own_clock_may_be_set_or_another_servers_be_off() {
        // An hour forward: told at once by the next answer.
        let hour = 3600 * S;
        assert_eq!(applied(&[(Some(0), 1), (Some(0), hour + 1), (Some(hour), hour + 1)], None), [0, 0, hour]);
        // Back again.
        assert_eq!(applied(&[(Some(hour), hour + 1), (Some(hour), 1), (Some(0), 1)], None), [hour, 0, 0]);
        // Whatever is told, nothing overflows.
        for extreme in [i64::MIN, i64::MAX] {
            applied(
                &[(Some(extreme), 0), (Some(0), extreme), (Some(extreme), extreme), (None, extreme)],
                Some(extreme),
            );
        }
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
        let stamp = |made, sent| {
            let answered = Some(Answered { server_us: 980, ago_us: 3 });
            let status = Status { clock: Some(sent), sent_us: Some(50 * S), answered, ..Status::default() };
            Stamp::new(Some(&made), Some(&status))
        };
        let same = stamp(reading(1, 5), reading(1, 9));
        assert_eq!((same.age_us, same.clock), (Some(4), Uuid::from_bytes([7; 16])));
        assert_eq!(same.measured(10, 1000), Some(Bounds { least_us: Some(980 - (14 - 3)), most_us: 1000 - 14 }));
        let started_anew = stamp(reading(1, 5), reading(2, 9));
        let measured = started_anew.measured(10, 60 * S).unwrap();
        assert_eq!((started_anew.age_us, measured.most_us), (None, 10 * S));
        assert_eq!(stamp(reading(1, 9), reading(1, 5)).age_us, None);
        let silent = ClockReading { boot_id: Vec::new(), ..reading(1, 5) };
        assert_eq!(stamp(silent.clone(), silent).age_us, None);
        assert_eq!(Stamp::new(None, None).measured(10, 1000), None);
    }
}
