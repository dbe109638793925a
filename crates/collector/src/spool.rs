//! What was read and is not yet acknowledged, on disk.
//!
//! A cycle ends with one record: the batch, its sequence number, and the advance of the baselines.
//! Only after its fsync do the baselines in memory move, so `kill -9` at any point loses nothing
//! and doubles nothing.
//!
//! ```text
//! spool/epoch                 UUIDv7 of this spool
//!       checkpoint            all baselines as of a sequence number
//!       definitions.json      what the records were read by
//!       <first sequence>.log  records, acknowledgements and losses, appended
//! ```
//! Segments go from the oldest on, each when all its records are acknowledged and a checkpoint covers them; the
//! newest one stays, since it says which are gone. So the records on disk have numbers without a hole, and a hole is
//! damage (`replay.rs`). Only a tail that was being written is cut without a word: what it held is read again.
//!
//! Numbers go on through epochs. A record is sent under the epoch that it was written in, unless it was written into
//! a state directory older than what the server has: then under the epoch that began when that was noticed.

mod lost;
mod quota;
mod record;
mod replay;
mod segment;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use uuid::Uuid;

use crate::baseline::Advance;
pub use lost::Lost;
pub use quota::Quota;
use record::Note;
pub use record::Record;
use segment::{Place, Segment};

/// The reason of what was lost by damage.
pub(crate) const DAMAGED: &str = "damaged";
/// The reason of what was lost since the state directory is an older one.
pub(crate) const RESTORED: &str = "restored";

/// The share of the spool's bound that one segment takes at most: what is dropped at once when full.
const SEGMENTS: u64 = 16;
/// The least that a segment holds before the next one is begun.
const MIN_SEGMENT_BYTES: u64 = 64 << 10;
/// The most that a segment holds.
const MAX_SEGMENT_BYTES: u64 = 16 << 20;
/// The bytes of records after which a checkpoint is due, at least; more where baselines are large.
const CHECKPOINT_AFTER_BYTES: u64 = 4 << 20;

/// How much may wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes on disk.
    pub max_bytes: u64,
    /// Microseconds since a record was written.
    pub max_age_us: i64,
}

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file operation failed.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another collector uses the directory.
    #[error("{path} is in use by another collector")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Nobody could read it back.
    #[error("{bytes} bytes are too long for the spool, which takes {most} at once")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
}

/// A spool.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    bounds: Bounds,
    /// What it shares its bound with, and its number there.
    quota: Option<(Arc<Quota>, usize)>,
    epoch: Uuid,
    last_sequence: u64,
    /// Under which epoch records are sent that were written under another one.
    moved: Vec<Moved>,
    /// Records up to this number were removed.
    gone: u64,
    /// The first record that nobody can have sent.
    unverified_from: u64,
    segments: BTreeMap<u64, Segment>,
    pending: BTreeMap<u64, Pending>,
    /// Epoch and number of the record that the server acknowledged last, where they are known.
    acknowledged: Option<(Uuid, u64)>,
    covered: u64,
    since_checkpoint: u64,
    checkpoint_bytes: u64,
    lost: Lost,
    /// What the record tells that is being written.
    telling: Lost,
    /// How many losses were noted on disk.
    noted: u64,
    _lock: nix::fcntl::Flock<File>,
}

/// A record that waits for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its sequence number.
    pub sequence: u64,
    /// When it was written, microseconds since 1970.
    pub created_us: i64,
    place: Place,
    carried: bool,
    /// Where it is known.
    epoch: Option<Uuid>,
}

impl Pending {
    /// What it takes of the spool.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.place.len as u64
    }
}

/// What a spool held when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The spool.
    pub spool: Spool,
    /// All advances, checkpoint first, in order.
    pub advances: Vec<Advance>,
    /// Whether this is a new epoch: there was no spool, or it was damaged.
    pub new_epoch: bool,
    /// What was damaged, as a sentence.
    pub damage: Option<String>,
    /// Where the damage took all baselines: the sets that they were of, as far as is known, each of which is counted.
    pub given_up: Option<BTreeSet<String>>,
}

/// A checkpoint file: which records it covers, the baselines, and what else is true of the spool then.
#[derive(Clone, PartialEq, Message)]
struct Checkpoint {
    #[prost(bytes = "vec", tag = "1")]
    epoch: Vec<u8>,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(message, repeated, tag = "3")]
    advances: Vec<Advance>,
    /// Absent in those of older versions.
    #[prost(uint64, optional, tag = "4")]
    gone: Option<u64>,
    #[prost(message, optional, tag = "5")]
    untold: Option<Note>,
    #[prost(message, repeated, tag = "6")]
    moved: Vec<Moved>,
    /// The last note whose losses are told or in `untold`.
    #[prost(uint64, tag = "7")]
    noted: u64,
}

/// Records that are sent under another epoch than the one that they were written in.
#[derive(Clone, PartialEq, Message)]
struct Moved {
    #[prost(uint64, tag = "1")]
    first: u64,
    #[prost(uint64, tag = "2")]
    last: u64,
    #[prost(bytes = "vec", tag = "3")]
    epoch: Vec<u8>,
}

impl Spool {
    /// Opens the spool in a directory, making it when it is not there, and reads what it holds.
    ///
    /// # Errors
    /// When the directory cannot be written or another collector holds it.
    pub fn open(dir: &Path, bounds: Bounds) -> Result<Opened, SpoolError> {
        fs::create_dir_all(dir).map_err(|source| io("create", dir, source))?;
        let lock_path = dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|source| io("open", &lock_path, source))?;
        let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusiveNonblock)
            .map_err(|_| SpoolError::Locked { path: dir.to_owned() })?;
        replay::open(dir, bounds, lock)
    }

    /// The epoch of this spool.
    #[must_use]
    pub fn epoch(&self) -> Uuid {
        self.epoch
    }

    /// The number that the next record will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.last_sequence + 1
    }

    /// Appends a record and waits until it is on disk. Its sequence must be [`Self::next_sequence`].
    ///
    /// # Errors
    /// When it cannot be written: then nothing has happened, and the baselines must not move.
    pub fn append(&mut self, record: &Record) -> Result<(), SpoolError> {
        // What is written to files that were removed would be there until the end of the process, and no longer.
        fs::metadata(&self.dir).map_err(|source| io("find", &self.dir, source))?;
        let bytes = segment::frame_record(record)?;
        // The batch is made: what is dropped for it stands in the one behind it.
        self.make_room(bytes.len() as u64, record.sequence + 1)?;
        let share = self.quota.as_ref().map_or(self.bounds.max_bytes, |(quota, _)| quota.share());
        let segment_bytes = (share / SEGMENTS).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
        let full = self.segments.values().next_back().is_none_or(|last| last.len >= segment_bytes);
        if full {
            let segment = Segment::create(&self.dir, record.sequence)?;
            self.segments.insert(segment.first, segment);
        }
        let Some(segment) = self.segments.values_mut().next_back() else {
            return Ok(());
        };
        let place = segment.append(&bytes, true)?;
        self.last_sequence = record.sequence;
        self.since_checkpoint += bytes.len() as u64;
        let (sequence, created_us, carried) = (record.sequence, record.created_us, record.carried);
        let epoch = Uuid::from_slice(&record.epoch).ok();
        let pending = Pending { sequence, created_us, place, carried, epoch };
        self.pending.insert(record.sequence, pending);
        self.telling = Lost::default();
        Ok(())
    }

    /// Whether enough was written since the last checkpoint to make a new one worth its bytes.
    #[must_use]
    pub fn checkpoint_due(&self) -> bool {
        self.since_checkpoint >= CHECKPOINT_AFTER_BYTES.max(self.checkpoint_bytes * 2)
            || self.pending.is_empty() && self.since_checkpoint >= CHECKPOINT_AFTER_BYTES / 4
    }

    /// Writes all baselines, as of the last record, and drops what is no longer needed.
    ///
    /// # Errors
    /// When it cannot be written; the previous checkpoint is then still in force.
    pub fn checkpoint(&mut self, advances: Vec<Advance>) -> Result<(), SpoolError> {
        self.write_checkpoint(advances, self.last_sequence)?;
        self.tidy()
    }

    fn write_checkpoint(&mut self, advances: Vec<Advance>, sequence: u64) -> Result<(), SpoolError> {
        self.moved.retain(|moved| moved.last > self.gone);
        let mut lost = self.lost.clone();
        lost.merge(&self.telling);
        let untold = (!lost.is_empty()).then(|| Note {
            told_by: self.next_sequence(),
            discarded: lost.to_wire(),
            lost: lost.intervals(),
            nth: self.noted,
            dropped: 0,
        });
        let checkpoint = Checkpoint {
            epoch: self.epoch.as_bytes().to_vec(),
            sequence,
            advances,
            gone: Some(self.gone),
            untold,
            moved: self.moved.clone(),
            noted: self.noted,
        };
        let bytes = segment::seal(&checkpoint.encode_to_vec())?;
        write_durably(&self.dir, "checkpoint", &bytes)?;
        self.checkpoint_bytes = bytes.len() as u64;
        self.covered = sequence;
        self.since_checkpoint = 0;
        Ok(())
    }

    /// Begins another epoch, later than `after` and than the one so far. In force with the next checkpoint.
    fn begin_epoch(&mut self, after: Option<Uuid>) {
        let after = after.map_or(self.epoch, |after| after.max(self.epoch));
        let fresh = Uuid::now_v7();
        // The clock may have stepped back meanwhile.
        self.epoch = if fresh > after { fresh } else { Uuid::from_u128(after.as_u128().saturating_add(1)) };
    }

    /// The first record that nobody can have sent: when the server knows its number, this spool is older than what
    /// the server has.
    #[must_use]
    pub fn unverified_from(&self) -> u64 {
        self.unverified_from
    }

    /// Notes that the server knows no record that nobody can have sent: from here on they are sent.
    ///
    /// # Errors
    /// When that cannot be noted: then they must not be sent.
    pub fn verify(&mut self) -> Result<(), SpoolError> {
        if self.unverified_from <= self.last_sequence
            && let Some(segment) = self.segments.values_mut().next_back()
        {
            segment.append(&segment::frame_verified(self.last_sequence), true)?;
        }
        self.unverified_from = self.next_sequence();
        Ok(())
    }

    /// This spool is older than what the server has. What nobody can have sent moves to a new epoch, save what goes
    /// on from a baseline of before: the server may have counted its time already. Where another process delivered
    /// from a copy of it (`is_shared`), that goes for all that waits. In force with the next checkpoint, which must be
    /// written before anything is sent.
    ///
    /// # Errors
    /// When what is dropped cannot be noted.
    pub fn move_on(&mut self, after: Option<Uuid>, is_shared: bool) -> Result<(), SpoolError> {
        let first = self.unverified_from;
        let is_counted = |pending: &Pending| is_shared || pending.sequence >= first && pending.carried;
        let waiting: Vec<Pending> = self.pending().collect();
        for pending in waiting.iter().filter(|pending| is_counted(pending)) {
            self.drop_record(*pending, RESTORED, self.next_sequence())?;
        }
        let before = self.epoch;
        self.begin_epoch(after);
        if waiting.iter().any(|pending| pending.sequence >= first && !is_counted(pending)) {
            let last = self.last_sequence;
            self.moved.push(Moved { first, last, epoch: self.epoch.as_bytes().to_vec() });
        }
        tracing::error!(
            spool.dir = %self.dir.display(),
            spool.epoch_before = %before,
            spool.epoch = %self.epoch,
            is_shared,
            "the state directory is older than what the server has: a new epoch begins, and what was read between them \
             is not known"
        );
        Ok(())
    }

    /// Writes down which epoch is in force. Call it behind the checkpoint that follows [`Self::move_on`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_epoch(&self) -> Result<(), SpoolError> {
        write_durably(&self.dir, "epoch", self.epoch.to_string().as_bytes())
    }

    /// The epoch that a record is sent under, where it is not the one that it was written in.
    #[must_use]
    pub fn moved_to(&self, sequence: u64) -> Option<&[u8]> {
        let moved = self.moved.iter().rev().find(|moved| (moved.first..=moved.last).contains(&sequence))?;
        Some(&moved.epoch)
    }

    /// The records that wait, oldest first.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = Pending> + '_ {
        self.pending.values().copied()
    }

    /// How many records wait.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.len).sum::<u64>() + self.checkpoint_bytes
    }

    /// The bytes of records that wait.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.pending.values().map(|pending| pending.place.len as u64).sum()
    }

    /// Shares its bound with others.
    pub fn share(&mut self, quota: Arc<Quota>) {
        let number = quota.join();
        self.quota = Some((quota, number));
        self.limit();
    }

    /// The bound on [`Self::bytes`] now.
    fn limit(&self) -> u64 {
        self.quota.as_ref().map_or(self.bounds.max_bytes, |(quota, number)| quota.limit(*number, self.bytes()))
    }

    /// Drops what is above the bound since others need their share.
    ///
    /// # Errors
    /// When what is dropped cannot be noted.
    pub fn shrink(&mut self) -> Result<(), SpoolError> {
        self.make_room(0, self.next_sequence())
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bounds it otherwise.
    pub fn bound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Its bounds, apart from what it shares.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Whether something was lost that no record tells yet.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The bound on [`Self::bytes`], shared or not.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.bounds.max_bytes
    }

    /// Reads a record that waits; `None` when it is damaged.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, pending: Pending) -> Result<Option<Record>, SpoolError> {
        match self.segments.get(&pending.place.segment) {
            Some(segment) => segment.record(pending.place),
            None => Ok(None),
        }
    }

    /// Notes that the server has a record. Not fsynced: when this is forgotten, the record is sent again and answered
    /// as a duplicate. On a full disk it is only remembered.
    ///
    /// # Errors
    /// When a file that is no longer needed cannot be removed.
    pub fn acknowledge(&mut self, sequence: u64) -> Result<(), SpoolError> {
        let written = self.pending.get(&sequence).and_then(|pending| pending.epoch);
        self.acknowledged = self.sent_under(sequence, written);
        if let Err(error) = self.forget(sequence) {
            tracing::debug!(%error, batch.sequence = sequence, "an acknowledgement is not on disk");
        }
        self.tidy()
    }

    /// Epoch and number of the record that the server acknowledged last; `None` where they are not known.
    #[must_use]
    pub fn acknowledged(&self) -> Option<(Uuid, u64)> {
        self.acknowledged
    }

    /// What was acknowledged is missing at the server, and known to be: it is not asked for again.
    pub fn disown_acknowledged(&mut self) {
        self.acknowledged = None;
    }

    fn sent_under(&self, sequence: u64, written: Option<Uuid>) -> Option<(Uuid, u64)> {
        let moved = self.moved_to(sequence).and_then(|epoch| Uuid::from_slice(epoch).ok());
        Some((moved.or(written)?, sequence))
    }

    /// A record that waits is lost, for a reason in a word: it is not sent, and the next one tells what it had.
    ///
    /// # Errors
    /// When that cannot be noted.
    pub fn give_up(&mut self, pending: Pending, reason: &str) -> Result<(), SpoolError> {
        self.drop_record(pending, reason, self.next_sequence())?;
        self.tidy()
    }

    fn forget(&mut self, sequence: u64) -> Result<(), SpoolError> {
        self.pending.remove(&sequence);
        self.note(&segment::frame_acknowledgement(sequence))
    }

    fn note(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        match self.segments.values_mut().next_back() {
            Some(segment) => segment.append(bytes, false).map(drop),
            None => Ok(()),
        }
    }

    /// Drops records that are older than the bound.
    ///
    /// # Errors
    /// When they cannot be read for counting.
    pub fn expire(&mut self, now_us: i64) -> Result<(), SpoolError> {
        while let Some(oldest) = self.pending.values().next().copied() {
            if now_us.saturating_sub(oldest.created_us) <= self.bounds.max_age_us {
                break;
            }
            self.drop_record(oldest, "spool_age", self.next_sequence())?;
        }
        self.tidy()
    }

    /// Counts a reading of a set that was lost with its baseline.
    pub fn lose_baseline(&mut self, set: &str, reason: &str) {
        self.lost.add(set, reason, 0);
    }

    /// What was lost since this was last asked. Call it for the record that tells it.
    #[must_use]
    pub fn take_lost(&mut self) -> Lost {
        self.telling = std::mem::take(&mut self.lost);
        self.telling.clone()
    }

    /// Puts back what could not be told.
    pub fn put_back_lost(&mut self, lost: &Lost) {
        self.telling = Lost::default();
        self.lost.merge(lost);
    }

    /// Drops the oldest records until `more` bytes fit. Baselines of dropped records must be
    /// covered, so the caller checkpoints whenever [`Self::must_checkpoint`] says so. `told_by` is the
    /// record that tells what is dropped.
    fn make_room(&mut self, more: u64, told_by: u64) -> Result<(), SpoolError> {
        while self.bytes() + more > self.limit() && self.segments.len() > 1 {
            let Some(oldest) = self.segments.keys().next().copied() else { break };
            let next = self.segments.keys().nth(1).copied().unwrap_or(u64::MAX);
            if self.covered + 1 < next {
                break;
            }
            let waiting: Vec<Pending> = self.pending.range(oldest..next).map(|(_, pending)| *pending).collect();
            for pending in waiting {
                self.drop_record(pending, "spool_full", told_by)?;
            }
            self.tidy()?;
        }
        Ok(())
    }

    /// Whether dropping the oldest segment for room needs a checkpoint first.
    #[must_use]
    pub fn must_checkpoint(&self, more: u64) -> bool {
        self.bytes() + more > self.limit() && self.covered < self.last_sequence
    }

    fn drop_record(&mut self, pending: Pending, reason: &str, told_by: u64) -> Result<(), SpoolError> {
        let mut lost = Lost::default();
        // A disk that cannot be read keeps nothing either.
        match self.read(pending).unwrap_or_default() {
            Some(record) => lost.add_record(&record, reason),
            None => replay::lose_unread(&mut lost, &self.segments, pending.sequence),
        }
        self.lost.merge(&lost);
        // Noted on disk too, so that it is neither sent nor forgotten.
        self.noted += 1;
        let (nth, dropped) = (self.noted, pending.sequence);
        let note = Note { told_by, discarded: lost.to_wire(), lost: lost.intervals(), nth, dropped };
        self.pending.remove(&pending.sequence);
        self.note(&segment::frame_losses(&note)?)?;
        self.forget(pending.sequence)
    }

    /// Removes the oldest segments as long as nothing of them waits and a checkpoint covers them. The newest stays.
    fn tidy(&mut self) -> Result<(), SpoolError> {
        while let Some((first, next)) = self.segments.keys().zip(self.segments.keys().skip(1)).next() {
            let (first, last) = (*first, next - 1);
            if self.pending.range(first..=last).next().is_some() || last > self.covered {
                break;
            }
            self.gone = last;
            // On a full disk the file has to go before this can be noted.
            let noted = self.note(&segment::frame_removed(last)).is_ok();
            if let Some(segment) = self.segments.remove(&first) {
                segment.remove()?;
            }
            if !noted && let Err(error) = self.note(&segment::frame_removed(last)) {
                tracing::warn!(%error, "that a spool file was removed is not on disk");
            }
        }
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some((quota, number)) = &self.quota {
            quota.leave(*number);
        }
    }
}

fn read_epoch(dir: &Path) -> Option<Uuid> {
    fs::read_to_string(dir.join("epoch")).ok()?.trim().parse().ok()
}

fn read_checkpoint(dir: &Path) -> Option<Checkpoint> {
    let bytes = fs::read(dir.join("checkpoint")).ok()?;
    Checkpoint::decode(segment::unseal(&bytes)?).ok()
}

/// Writes a file so that after a crash it is either the old or the new one.
pub(crate) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), SpoolError> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.new")));
    let mut file = File::create(&temporary).map_err(|source| io("create", &temporary, source))?;
    file.write_all(bytes).map_err(|source| io("write", &temporary, source))?;
    file.sync_all().map_err(|source| io("sync", &temporary, source))?;
    fs::rename(&temporary, &path).map_err(|source| io("rename", &temporary, source))?;
    sync_dir(dir)
}

/// Waits until what is in a directory is there after a crash.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(|source| io("sync", dir, source))
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> SpoolError {
    SpoolError::Io { action, path: path.to_owned(), source }
}
