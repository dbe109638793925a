//! From files to a spool: what is whole, what is missing, and what that means.
//!
//! | found | what is done |
//! |---|---|
//! | a tail that was being written | cut; its cycle was never told to have happened |
//! | a record missing that the server has, covered by the checkpoint | nothing: nobody needs it |
//! | a record missing that nobody has | a new epoch; the time between its neighbours is flagged and counted |
//! | a record missing that the checkpoint does not cover, or no checkpoint | a new epoch; all baselines are given up |
//!
//! Records that are whole are kept and sent, whatever stood between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use prost::Message as _;
use uuid::Uuid;

use super::record::Note;
use super::segment::{self, Content, Entry, Header, Place as Spot, Segment};
use super::{Bounds, DAMAGED, Lost, Opened, Pending, Spool, SpoolError, read_checkpoint, read_epoch};
use crate::baseline::{Advance, Place};
use crate::clock::Clock;

/// Stands for the sets of a record that nobody knows anything of.
const UNKNOWN_SET: &str = "unknown";

/// What stands in the files.
#[derive(Default)]
struct Found {
    segments: BTreeMap<u64, Segment>,
    records: Vec<(Spot, Header)>,
    /// Acknowledged, whether or not the record is there.
    acknowledged: BTreeSet<u64>,
    /// Acknowledged by the server, in that order.
    delivered: Vec<u64>,
    /// Dropped, which an acknowledgement follows too.
    dropped: BTreeSet<u64>,
    notes: Vec<Note>,
    /// Records up to it were removed, as far as files say so.
    removed: Option<u64>,
    verified: u64,
    /// Bytes that were entries once.
    is_damaged: bool,
}

impl Found {
    fn read(dir: &Path) -> Result<Self, SpoolError> {
        let mut contents: Vec<Content> = Vec::new();
        for path in segment::list(dir)? {
            contents.extend(Segment::read(&path)?);
        }
        // One that was being begun.
        while contents.last().is_some_and(|content| content.entries.is_empty()) {
            if let Some(content) = contents.pop() {
                content.segment.remove()?;
            }
        }
        let mut found = Self::default();
        let newest = contents.len().saturating_sub(1);
        for (nth, Content { segment, entries, torn_bytes }) in contents.into_iter().enumerate() {
            if torn_bytes > 0 {
                found.is_damaged |= nth < newest;
                tracing::warn!(
                    spool.segment = segment.first,
                    spool.torn_bytes = torn_bytes,
                    "cut the tail of a spool file"
                );
                segment.cut()?;
            }
            entries.into_iter().for_each(|entry| found.take(entry));
            found.segments.insert(segment.first, segment);
        }
        Ok(found)
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Record { place, header } => {
                let follows = self.records.last().is_none_or(|(_, last)| last.sequence < header.sequence);
                if follows {
                    self.records.push((place, header));
                } else {
                    self.is_damaged = true;
                }
            }
            Entry::Acknowledged(sequence) => {
                self.acknowledged.insert(sequence);
                if !self.dropped.contains(&sequence) {
                    self.delivered.push(sequence);
                }
            }
            Entry::Lost(note) => {
                self.dropped.insert(note.dropped);
                self.notes.push(note);
            }
            Entry::Removed(sequence) => self.removed = self.removed.max(Some(sequence)),
            Entry::Verified(sequence) => self.verified = self.verified.max(sequence),
            Entry::Damaged => self.is_damaged = true,
        }
    }

    /// The record that was delivered last of those that are there, and its epoch.
    fn delivered_last(&self) -> Option<(u64, Option<Uuid>)> {
        let record = |sequence: &u64| {
            let nth = self.records.binary_search_by_key(sequence, |(_, header)| header.sequence).ok()?;
            Some((*sequence, self.records[nth].1.epoch))
        };
        self.delivered.iter().rev().find_map(record)
    }

    /// The numbers that no record has between what was removed and the last one.
    fn missing(&self, gone: u64, covered: u64) -> BTreeSet<u64> {
        let mut missing = BTreeSet::new();
        let mut expected = gone + 1;
        for (_, header) in &self.records {
            missing.extend(expected..header.sequence);
            expected = expected.max(header.sequence + 1);
        }
        missing.extend(expected..covered + 1);
        missing
    }
}

pub(super) fn open(dir: &Path, bounds: Bounds, lock: nix::fcntl::Flock<File>) -> Result<Opened, SpoolError> {
    let (named, checkpoint) = (read_epoch(dir), read_checkpoint(dir));
    let there = |name: &str| dir.join(name).exists();
    let found = Found::read(dir)?;
    let is_new = !there("checkpoint") && !there("epoch") && found.segments.is_empty();
    // Another epoch in its place says that files of two times were mixed.
    let checkpoint_epoch = checkpoint.as_ref().and_then(|checkpoint| Uuid::from_slice(&checkpoint.epoch).ok());
    let checkpoint = checkpoint.filter(|_| checkpoint_epoch.is_some() && checkpoint_epoch == named);
    let covered = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.sequence);
    let first = found.records.first().map(|(_, header)| header.sequence);
    let gone = found.removed.max(checkpoint.as_ref().and_then(|checkpoint| checkpoint.gone));
    // Older versions removed files from the middle too, and did not say so.
    let is_old = gone.is_none();
    let gone = gone.unwrap_or_else(|| first.map_or(covered, |first| first - 1));
    let missing = found.missing(gone, covered);
    let is_excused = |sequence: &u64| is_old && *sequence <= covered && !found.is_damaged;
    let unacknowledged: Vec<u64> =
        missing.iter().filter(|sequence| !found.acknowledged.contains(*sequence)).copied().collect();
    let lost_records: Vec<u64> = unacknowledged.iter().filter(|sequence| !is_excused(sequence)).copied().collect();
    let gives_up = checkpoint.is_none() || missing.iter().any(|sequence| *sequence > covered);
    let damage = (!is_new).then(|| describe(checkpoint.is_none(), &lost_records, gives_up)).flatten();

    let last = found.records.last().map_or(0, |(_, header)| header.sequence);
    let last_sequence = [last, covered, gone, found.acknowledged.last().copied().unwrap_or(0), found.verified];
    let last_sequence = last_sequence.into_iter().max().unwrap_or(0);
    let unverified = |header: &&(Spot, Header)| header.1.unverified && header.1.sequence > found.verified;
    let unverified_from =
        found.records.iter().find(unverified).map_or(last_sequence + 1, |(_, header)| header.sequence);
    let waits = |header: &Header| !found.acknowledged.contains(&header.sequence);
    let pending = found.records.iter().filter(|(_, header)| waits(header)).map(|(place, header)| {
        let Header { sequence, created_us, carried, epoch, .. } = *header;
        (sequence, Pending { sequence, created_us, place: *place, carried, epoch })
    });
    let mut spool = Spool {
        dir: dir.to_owned(),
        bounds,
        quota: None,
        epoch: named.or(checkpoint_epoch).unwrap_or_else(Uuid::now_v7),
        last_sequence,
        moved: checkpoint.as_ref().map(|checkpoint| checkpoint.moved.clone()).unwrap_or_default(),
        gone: if found.segments.is_empty() { last_sequence } else { gone },
        unverified_from,
        pending: pending.collect(),
        acknowledged: None,
        covered,
        since_checkpoint: 0,
        checkpoint_bytes: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.encoded_len() as u64),
        lost: Lost::default(),
        telling: Lost::default(),
        noted: 0,
        segments: BTreeMap::new(),
        _lock: lock,
    };
    spool.acknowledged = found.delivered_last().and_then(|(sequence, epoch)| spool.sent_under(sequence, epoch));
    let untold = checkpoint.as_ref().and_then(|checkpoint| checkpoint.untold.clone());
    spool.recount(&found.notes, untold, checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.noted), &lost_records);
    spool.segments = found.segments;
    let mut advances = checkpoint.map(|checkpoint| checkpoint.advances).unwrap_or_default();
    if !lost_records.is_empty() {
        let records = found.records.iter().copied();
        let mut times = Times::of(&spool.segments, records);
        advances.iter().for_each(|advance| times.add(Moment::Checkpoint(covered), advance));
        times.lose(&mut spool.lost, &lost_records);
    }
    // So that they are missed only once.
    for sequence in &unacknowledged {
        spool.note(&segment::frame_acknowledgement(*sequence))?;
    }
    if is_new {
        spool.epoch = Uuid::now_v7();
        spool.write_checkpoint(Vec::new(), 0)?;
        spool.write_epoch()?;
        return Ok(Opened { spool, advances, new_epoch: true, damage: None, given_up: None });
    }
    if let Some(damage) = &damage {
        tracing::error!(spool.dir = %dir.display(), damage, "the spool is damaged: a new epoch begins");
        if found.is_damaged {
            // Whether the server has them is not known any more: counted, but not sent.
            let waiting: Vec<Pending> = spool.pending.range(unverified_from..).map(|(_, pending)| *pending).collect();
            for pending in waiting {
                spool.give_up(pending, DAMAGED)?;
            }
            spool.unverified_from = spool.next_sequence();
        }
        spool.begin_epoch(checkpoint_epoch);
    }
    let covered_now = if gives_up { last_sequence } else { covered };
    let mut later = Vec::new();
    for (place, _) in found.records.iter().filter(|(_, header)| header.sequence > covered) {
        let record = spool.segments.get(&place.segment).map(|segment| segment.record(*place)).transpose()?.flatten();
        later.extend(record.map(|record| record.advances).unwrap_or_default());
        spool.since_checkpoint += place.len as u64;
    }
    let mut given_up = None;
    if gives_up {
        let places: BTreeSet<Place> = advances.iter().chain(&later).map(Advance::place).collect();
        places.iter().for_each(|place| spool.lose_baseline(&place.set, DAMAGED));
        if places.is_empty() && spool.lost.is_empty() {
            spool.lose_baseline(UNKNOWN_SET, DAMAGED);
        }
        (advances, later) = (Vec::new(), Vec::new());
        given_up = Some(places.into_iter().map(|place| place.set).collect());
    }
    if damage.is_some() {
        spool.write_checkpoint(advances.clone(), covered_now)?;
        spool.write_epoch()?;
    }
    advances.extend(later);
    spool.tidy()?;
    Ok(Opened { spool, advances, new_epoch: damage.is_some(), damage, given_up })
}

/// What is damaged, as a sentence; `None` when nothing is.
fn describe(no_checkpoint: bool, lost: &[u64], gives_up: bool) -> Option<String> {
    if no_checkpoint {
        return Some("The checkpoint cannot be read.".to_owned());
    }
    match (lost.first().zip(lost.last()), gives_up) {
        (Some((first, last)), _) => Some(format!("{} records between {first} and {last} are gone.", lost.len())),
        (None, true) => Some("Records that were delivered, and that say how figures go on, are gone.".to_owned()),
        (None, false) => None,
    }
}

impl Spool {
    /// Losses that no record on disk tells.
    fn recount(&mut self, notes: &[Note], untold: Option<Note>, noted: u64, lost_records: &[u64]) {
        let is_untold =
            |note: &&Note| note.told_by > self.last_sequence || lost_records.binary_search(&note.told_by).is_ok();
        let mut lost = Lost::default();
        for note in notes.iter().filter(|note| note.nth > noted).chain(&untold).filter(is_untold) {
            lost.add_wire(&note.discarded, &note.lost);
        }
        self.noted = notes.iter().map(|note| note.nth).max().unwrap_or(0).max(noted);
        self.lost = lost;
    }
}

/// When each set was read, by records around those that are gone.
#[derive(Default)]
struct Times(BTreeMap<Place, BTreeMap<u64, i64>>);

/// What says when a set was read.
#[derive(Clone, Copy)]
enum Moment {
    Record(u64),
    /// As of this record and those before it.
    Checkpoint(u64),
}

impl Moment {
    /// A checkpoint stands between the last record that it covers and the next one.
    fn order(self) -> u64 {
        match self {
            Self::Record(sequence) => sequence.saturating_mul(2),
            Self::Checkpoint(sequence) => sequence.saturating_mul(2).saturating_add(1),
        }
    }
}

impl Times {
    fn of(segments: &BTreeMap<u64, Segment>, records: impl Iterator<Item = (Spot, Header)>) -> Self {
        let mut times = Self::default();
        for (place, header) in records {
            let record = segments.get(&place.segment).and_then(|segment| segment.record(place).ok().flatten());
            for advance in record.map(|record| record.advances).unwrap_or_default() {
                times.add(Moment::Record(header.sequence), &advance);
            }
        }
        times
    }

    fn add(&mut self, moment: Moment, advance: &Advance) {
        self.0.entry(advance.place()).or_default().insert(moment.order(), advance.time_us);
    }

    /// Counts records that are gone, in ascending order, with the time from the reading before to the one after.
    fn lose(&self, lost: &mut Lost, gone: &[u64]) {
        for run in gone.chunk_by(|one, next| one + 1 == *next) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            for (place, times) in &self.0 {
                let before = times.range(..Moment::Record(*first).order()).next_back().map(|(_, time)| *time);
                let after = times.range(Moment::Checkpoint(*last).order()..).next().map(|(_, time)| *time);
                // Where nothing was read before, the server knows what it has.
                let end = after.unwrap_or_else(|| Clock::here().now_us());
                lost.add_interval(place, DAMAGED, before.unwrap_or(end), end);
            }
            if self.0.is_empty() {
                lost.add(UNKNOWN_SET, DAMAGED, 0);
            }
        }
    }
}

/// Counts a record that waited and cannot be read any more.
pub(super) fn lose_unread(lost: &mut Lost, segments: &BTreeMap<u64, Segment>, sequence: u64) {
    // Its own file and those beside it: what else there is was not written near it.
    let before = segments.range(..=sequence).rev().take(2);
    let near: Vec<&Segment> =
        before.chain(segments.range(sequence + 1..).take(1)).map(|(_, segment)| segment).collect();
    let records = near.into_iter().flat_map(|segment| segment.records().unwrap_or_default());
    let mut records: Vec<(Spot, Header)> = records.collect();
    records.retain(|(_, header)| header.sequence != sequence);
    Times::of(segments, records.into_iter()).lose(lost, &[sequence]);
}
