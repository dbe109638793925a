//! What was read and is not yet acknowledged, on disk.
//!
//! A cycle ends with one record: the batch, its sequence number, and the advance of the baselines.
//! Only after its fsync do the baselines in memory move, so `kill -9` at any point loses nothing
//! and doubles nothing.
//!
//! ```text
//! state_dir/spool/epoch                 UUIDv7 of this spool
//!                 checkpoint            all baselines as of a sequence number
//!                 <first sequence>.log  records and acknowledgements, appended
//! ```
//! A segment goes when all its records are acknowledged and a checkpoint covers them. A torn tail
//! is found by its checksum and cut.

mod record;
mod segment;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use prost::Message;
use uuid::Uuid;

use crate::baseline::Advance;
pub use record::{Lost, Record};
use segment::{Entry, Place, Segment};

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
}

/// The spool of one collector.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    bounds: Bounds,
    epoch: Uuid,
    last_sequence: u64,
    segments: BTreeMap<u64, Segment>,
    pending: BTreeMap<u64, Pending>,
    covered: u64,
    since_checkpoint: u64,
    checkpoint_bytes: u64,
    lost: Lost,
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
}

/// What a spool held when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The spool.
    pub spool: Spool,
    /// All advances, checkpoint first, in order.
    pub advances: Vec<Advance>,
    /// Whether this is a new epoch: no baseline was found.
    pub new_epoch: bool,
}

/// Progress of a checkpoint file: which records it covers, and the baselines.
#[derive(Clone, PartialEq, Message)]
struct Checkpoint {
    #[prost(bytes = "vec", tag = "1")]
    epoch: Vec<u8>,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(message, repeated, tag = "3")]
    advances: Vec<Advance>,
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
        let epoch = read_epoch(dir);
        let checkpoint = epoch.and_then(|epoch| read_checkpoint(dir, epoch));
        match (epoch, checkpoint) {
            (Some(epoch), Some(checkpoint)) => Self::resume(dir, bounds, lock, epoch, checkpoint),
            (epoch, _) => Self::begin(dir, bounds, lock, epoch.is_some()),
        }
    }

    fn begin(
        dir: &Path,
        bounds: Bounds,
        lock: nix::fcntl::Flock<File>,
        unreadable: bool,
    ) -> Result<Opened, SpoolError> {
        if unreadable {
            tracing::warn!(spool.dir = %dir.display(), "the spool is unreadable: a new epoch begins");
        }
        // Without the epoch and the baselines that they belong to, records cannot be told from others.
        let lost = remove_all(dir)?;
        let mut spool = Self {
            dir: dir.to_owned(),
            bounds,
            epoch: Uuid::now_v7(),
            last_sequence: 0,
            segments: BTreeMap::new(),
            pending: BTreeMap::new(),
            covered: 0,
            since_checkpoint: 0,
            checkpoint_bytes: 0,
            lost,
            _lock: lock,
        };
        write_durably(dir, "epoch", spool.epoch.to_string().as_bytes())?;
        spool.checkpoint(Vec::new())?;
        Ok(Opened { spool, advances: Vec::new(), new_epoch: true })
    }

    fn resume(
        dir: &Path,
        bounds: Bounds,
        lock: nix::fcntl::Flock<File>,
        epoch: Uuid,
        checkpoint: Checkpoint,
    ) -> Result<Opened, SpoolError> {
        let mut spool = Self {
            dir: dir.to_owned(),
            bounds,
            epoch,
            last_sequence: checkpoint.sequence,
            segments: BTreeMap::new(),
            pending: BTreeMap::new(),
            covered: checkpoint.sequence,
            since_checkpoint: 0,
            checkpoint_bytes: checkpoint.encoded_len() as u64,
            lost: Lost::default(),
            _lock: lock,
        };
        let mut advances = checkpoint.advances;
        let mut expected = spool.covered + 1;
        for path in segment::list(dir)? {
            let Some((segment, entries)) = Segment::read(&path)? else {
                fs::remove_file(&path).map_err(|source| io("remove", &path, source))?;
                continue;
            };
            for entry in entries {
                match entry {
                    Entry::Record { place, header } => {
                        if header.sequence > spool.covered {
                            if header.sequence != expected {
                                tracing::error!(
                                    spool.dir = %dir.display(),
                                    expected,
                                    found = header.sequence,
                                    "a record is missing from the spool: all baselines are given up"
                                );
                                // What it moved is unknown: to go on from before it could count twice.
                                advances.clear();
                            }
                            expected = header.sequence + 1;
                            advances.extend(segment.record(place)?.map(|record| record.advances).unwrap_or_default());
                            spool.since_checkpoint += u64::from(place.len);
                        }
                        spool.last_sequence = spool.last_sequence.max(header.sequence);
                        let (sequence, created_us) = (header.sequence, header.created_us);
                        spool.pending.insert(sequence, Pending { sequence, created_us, place });
                    }
                    Entry::Acknowledged(sequence) => {
                        spool.pending.remove(&sequence);
                    }
                }
            }
            spool.segments.insert(segment.first, segment);
        }
        spool.tidy()?;
        Ok(Opened { spool, advances, new_epoch: false })
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
        let bytes = segment::frame_record(record);
        self.make_room(bytes.len() as u64)?;
        let segment_bytes = (self.bounds.max_bytes / SEGMENTS).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
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
        let pending = Pending { sequence: record.sequence, created_us: record.created_us, place };
        self.pending.insert(record.sequence, pending);
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
        let checkpoint = Checkpoint { epoch: self.epoch.as_bytes().to_vec(), sequence: self.last_sequence, advances };
        let bytes = segment::seal(&checkpoint.encode_to_vec());
        write_durably(&self.dir, "checkpoint", &bytes)?;
        self.checkpoint_bytes = bytes.len() as u64;
        self.covered = self.last_sequence;
        self.since_checkpoint = 0;
        self.tidy()
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
        self.pending.values().map(|pending| u64::from(pending.place.len)).sum()
    }

    /// The bound on [`Self::bytes`].
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.bounds.max_bytes
    }

    /// Reads a record that waits.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, pending: Pending) -> Result<Option<Record>, SpoolError> {
        match self.segments.get(&pending.place.segment) {
            Some(segment) => segment.record(pending.place),
            None => Ok(None),
        }
    }

    /// Notes that the server has a record, or has refused it for good. Not fsynced: when this is
    /// forgotten, the record is sent again and answered as a duplicate.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn acknowledge(&mut self, sequence: u64) -> Result<(), SpoolError> {
        self.forget(sequence)?;
        self.tidy()
    }

    fn forget(&mut self, sequence: u64) -> Result<(), SpoolError> {
        self.pending.remove(&sequence);
        if let Some(segment) = self.segments.values_mut().next_back() {
            segment.append(&segment::frame_acknowledgement(sequence), false)?;
        }
        Ok(())
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
            self.drop_record(oldest, "spool_age")?;
        }
        self.tidy()
    }

    /// Counts rows that were lost, and the losses that they were to tell of, for the next record.
    pub fn lose(&mut self, record: &Record, reason: &str) {
        self.lost.add_wire(&record.discarded);
        for (set, rows) in &record.rows_by_set {
            self.lost.add(set, reason, *rows);
        }
    }

    /// What was lost since this was last asked. Call it for the record that tells it.
    #[must_use]
    pub fn take_lost(&mut self) -> Lost {
        std::mem::take(&mut self.lost)
    }

    /// Puts back what could not be told.
    pub fn put_back_lost(&mut self, lost: &Lost) {
        self.lost.merge(lost);
    }

    /// Drops the oldest records until `more` bytes fit. Baselines of dropped records must be
    /// covered, so the caller checkpoints whenever [`Self::must_checkpoint`] says so.
    fn make_room(&mut self, more: u64) -> Result<(), SpoolError> {
        while self.bytes() + more > self.bounds.max_bytes && self.segments.len() > 1 {
            let Some(oldest) = self.segments.keys().next().copied() else { break };
            let next = self.segments.keys().nth(1).copied().unwrap_or(u64::MAX);
            if self.covered + 1 < next {
                break;
            }
            let waiting: Vec<Pending> = self.pending.range(oldest..next).map(|(_, pending)| *pending).collect();
            for pending in waiting {
                self.drop_record(pending, "spool_full")?;
            }
            self.tidy()?;
        }
        Ok(())
    }

    /// Whether dropping the oldest segment for room needs a checkpoint first.
    #[must_use]
    pub fn must_checkpoint(&self, more: u64) -> bool {
        self.bytes() + more > self.bounds.max_bytes && self.covered < self.last_sequence
    }

    fn drop_record(&mut self, pending: Pending, reason: &str) -> Result<(), SpoolError> {
        if let Some(record) = self.read(pending)? {
            self.lose(&record, reason);
        }
        // Noted on disk too, so that it is neither sent nor counted again.
        self.forget(pending.sequence)
    }

    /// Removes segments of which nothing waits and which a checkpoint covers.
    fn tidy(&mut self) -> Result<(), SpoolError> {
        let firsts: Vec<u64> = self.segments.keys().copied().collect();
        for (nth, first) in firsts.iter().enumerate() {
            let last = firsts.get(nth + 1).map_or(self.last_sequence, |next| next - 1);
            let waits = self.pending.range(*first..=last.max(*first)).next().is_some();
            if waits || last > self.covered {
                continue;
            }
            if let Some(segment) = self.segments.remove(first) {
                segment.remove()?;
            }
        }
        Ok(())
    }
}

/// Removes all segments and counts the records in them that nobody has.
fn remove_all(dir: &Path) -> Result<Lost, SpoolError> {
    let (mut waiting, mut lost) = (BTreeMap::new(), Lost::default());
    for path in segment::list(dir)? {
        if let Some((segment, entries)) = Segment::read(&path)? {
            for entry in entries {
                match entry {
                    Entry::Record { place, header } => {
                        // Without the batch: a spool may be larger than the memory.
                        let record = segment.record(place)?;
                        let counts = record.map(|record| (record.rows_by_set, record.discarded));
                        waiting.insert(header.sequence, counts);
                    }
                    Entry::Acknowledged(sequence) => {
                        waiting.remove(&sequence);
                    }
                }
            }
        }
    }
    for (rows_by_set, discarded) in waiting.into_values().flatten() {
        lost.add_wire(&discarded);
        rows_by_set.iter().for_each(|(set, rows)| lost.add(set, "torn", *rows));
    }
    for path in segment::list(dir)? {
        fs::remove_file(&path).map_err(|source| io("remove", &path, source))?;
    }
    Ok(lost)
}

fn read_epoch(dir: &Path) -> Option<Uuid> {
    fs::read_to_string(dir.join("epoch")).ok()?.trim().parse().ok()
}

fn read_checkpoint(dir: &Path, epoch: Uuid) -> Option<Checkpoint> {
    let bytes = fs::read(dir.join("checkpoint")).ok()?;
    let checkpoint = Checkpoint::decode(segment::unseal(&bytes)?).ok()?;
    (checkpoint.epoch == epoch.as_bytes()).then_some(checkpoint)
}

/// Writes a file so that after a crash it is either the old or the new one.
fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), SpoolError> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.new")));
    let mut file = File::create(&temporary).map_err(|source| io("create", &temporary, source))?;
    file.write_all(bytes).map_err(|source| io("write", &temporary, source))?;
    file.sync_all().map_err(|source| io("sync", &temporary, source))?;
    fs::rename(&temporary, &path).map_err(|source| io("rename", &temporary, source))?;
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(|source| io("sync", dir, source))
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> SpoolError {
    SpoolError::Io { action, path: path.to_owned(), source }
}
