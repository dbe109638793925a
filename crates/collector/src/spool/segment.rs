//! One file of the spool: framed entries, each with its length and checksum.
//!
//! `kind (1) · length (4, little-endian) · CRC-32 of kind, length and content (4) · content`
//!
//! Bytes at the end of a file that are no entry are a tail that was being written; bytes that entries follow were
//! damaged later. Reading goes on behind them.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use uuid::Uuid;

use super::record::{Note, Record};
use super::{SpoolError, io, sync_dir};

const RECORD: u8 = 1;
const ACKNOWLEDGEMENT: u8 = 2;
const LOSSES: u8 = 3;
const REMOVED: u8 = 4;
const VERIFIED: u8 = 5;
const HEADER_BYTES: usize = 9;
/// Nothing longer is written: a length beyond it is a torn one.
const MAX_ENTRY_BYTES: u32 = 256 << 20;

/// Sequence numbers stay below: the server keeps them in 63 bits.
const MOST_SEQUENCE: u64 = i64::MAX.unsigned_abs();

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) len: usize,
}

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    /// The sequence number of its first record; also its name.
    pub(super) first: u64,
    pub(super) len: u64,
    path: PathBuf,
    file: File,
}

/// What is known of a record without its content.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) sequence: u64,
    pub(super) created_us: i64,
    pub(super) unverified: bool,
    pub(super) carried: bool,
    pub(super) epoch: Option<Uuid>,
}

/// What stands in a file.
pub(super) enum Entry {
    Record {
        place: Place,
        header: Header,
    },
    Acknowledged(u64),
    /// Losses that no record has told yet.
    Lost(Note),
    /// All records up to this one were removed, since nothing needed them.
    Removed(u64),
    /// The server knew nothing of the records before it said so: see `Record::unverified`.
    Verified(u64),
    /// Bytes that were an entry once.
    Damaged,
}

/// A file, read.
pub(super) struct Content {
    pub(super) segment: Segment,
    pub(super) entries: Vec<Entry>,
    /// How many bytes at the end are no entry.
    pub(super) torn_bytes: u64,
}

impl Segment {
    pub(super) fn create(dir: &Path, first: u64) -> Result<Self, SpoolError> {
        let path = dir.join(format!("{first:020}.log"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| io("create", &path, source))?;
        sync_dir(dir)?;
        Ok(Self { first, len: 0, path, file })
    }

    /// The records that are in it now.
    pub(super) fn records(&self) -> Result<Vec<(Place, Header)>, SpoolError> {
        let entries = Self::read(&self.path)?.map(|content| content.entries).unwrap_or_default();
        let records = entries.into_iter().filter_map(|entry| match entry {
            Entry::Record { place, header } => Some((place, header)),
            _ => None,
        });
        Ok(records.collect())
    }

    /// Reads a file. `None` when not even its name is one of ours.
    pub(super) fn read(path: &Path) -> Result<Option<Content>, SpoolError> {
        let Some(first) = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()) else {
            return Ok(None);
        };
        let mut file =
            OpenOptions::new().read(true).write(true).open(path).map_err(|source| io("open", path, source))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(|source| io("read", path, source))?;
        let mut entries = Vec::new();
        let (mut offset, mut end) = (0, 0);
        while offset < content.len() {
            match understand(first, &content, offset) {
                Some((entry, len)) => {
                    if end < offset {
                        entries.push(Entry::Damaged);
                    }
                    entries.push(entry);
                    offset += len;
                    end = offset;
                }
                None => offset = next_start(first, &content, offset),
            }
        }
        let segment = Self { first, len: end as u64, path: path.to_owned(), file };
        Ok(Some(Content { segment, entries, torn_bytes: (content.len() - end) as u64 }))
    }

    /// Cuts what stands behind the last entry.
    pub(super) fn cut(&self) -> Result<(), SpoolError> {
        self.file.set_len(self.len).map_err(|source| io("cut", &self.path, source))?;
        self.file.sync_all().map_err(|source| io("sync", &self.path, source))
    }

    /// Appends bytes; a failed or partial write is cut off again.
    pub(super) fn append(&mut self, bytes: &[u8], durable: bool) -> Result<Place, SpoolError> {
        let place = Place { segment: self.first, offset: self.len, len: bytes.len() };
        let written = self
            .file
            .seek(SeekFrom::Start(self.len))
            .and_then(|_| self.file.write_all(bytes))
            .and_then(|()| if durable { self.file.sync_data() } else { Ok(()) });
        if let Err(source) = written {
            self.file.set_len(self.len).map_err(|error| io("cut", &self.path, error))?;
            return Err(io("write", &self.path, source));
        }
        self.len += bytes.len() as u64;
        Ok(place)
    }

    /// The record of a place; `None` when it is damaged.
    pub(super) fn record(&self, place: Place) -> Result<Option<Record>, SpoolError> {
        let mut bytes = vec![0; place.len];
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(place.offset)).and_then(|_| file.read_exact(&mut bytes));
        match read {
            Ok(()) => Ok(next_entry(&bytes).and_then(|(_, entry)| Record::decode(entry).ok())),
            // Somebody shortened the file.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(io("read", &self.path, source)),
        }
    }

    pub(super) fn remove(self) -> Result<(), SpoolError> {
        fs::remove_file(&self.path).map_err(|source| io("remove", &self.path, source))
    }
}

/// The entry at an offset, and its length.
fn understand(segment: u64, content: &[u8], offset: usize) -> Option<(Entry, usize)> {
    let (kind, entry) = next_entry(content.get(offset..)?)?;
    let len = HEADER_BYTES + entry.len();
    // Numbers count from 1, and the server takes no larger one: whatever else has a right checksum, we did not write.
    let number = || <[u8; 8]>::try_from(entry).ok().map(u64::from_le_bytes).filter(|number| *number < MOST_SEQUENCE);
    let entry = match kind {
        RECORD => {
            let record = Record::decode(entry).ok().filter(|record| (1..MOST_SEQUENCE).contains(&record.sequence))?;
            let place = Place { segment, offset: offset as u64, len };
            let header = Header {
                sequence: record.sequence,
                created_us: record.created_us,
                unverified: record.unverified,
                carried: record.carried,
                epoch: Uuid::from_slice(&record.epoch).ok(),
            };
            Entry::Record { place, header }
        }
        ACKNOWLEDGEMENT => Entry::Acknowledged(number()?),
        LOSSES => Entry::Lost(Note::decode(entry).ok()?),
        REMOVED => Entry::Removed(number()?),
        VERIFIED => Entry::Verified(number()?),
        _ => return None,
    };
    Some((entry, len))
}

/// Where the next entry stands behind one that is damaged; the end where there is none.
fn next_start(segment: u64, content: &[u8], damaged: usize) -> usize {
    // Its length may have been spared.
    let said = content.get(damaged + 1..damaged + 5).and_then(|len| Some(u32::from_le_bytes(len.try_into().ok()?)));
    let behind = said.and_then(|len| damaged.checked_add(HEADER_BYTES)?.checked_add(len as usize));
    if let Some(behind) = behind.filter(|behind| understand(segment, content, *behind).is_some()) {
        return behind;
    }
    let starts = damaged + 1..content.len();
    starts.into_iter().find(|start| understand(segment, content, *start).is_some()).unwrap_or(content.len())
}

/// The files of a spool, oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(|source| io("read", dir, source))? {
        let path = entry.map_err(|source| io("read", dir, source))?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn frame_record(record: &Record) -> Result<Vec<u8>, SpoolError> {
    bounded(RECORD, &record.encode_to_vec())
}

pub(super) fn frame_acknowledgement(sequence: u64) -> Vec<u8> {
    frame(ACKNOWLEDGEMENT, &sequence.to_le_bytes())
}

pub(super) fn frame_losses(note: &Note) -> Result<Vec<u8>, SpoolError> {
    bounded(LOSSES, &note.encode_to_vec())
}

pub(super) fn frame_removed(sequence: u64) -> Vec<u8> {
    frame(REMOVED, &sequence.to_le_bytes())
}

pub(super) fn frame_verified(sequence: u64) -> Vec<u8> {
    frame(VERIFIED, &sequence.to_le_bytes())
}

/// A whole file as one entry.
pub(super) fn seal(content: &[u8]) -> Result<Vec<u8>, SpoolError> {
    bounded(RECORD, content)
}

/// What [`seal`] wrote, when it is whole.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    next_entry(bytes).map(|(_, content)| content)
}

/// An entry that can be read back.
fn bounded(kind: u8, content: &[u8]) -> Result<Vec<u8>, SpoolError> {
    let most = MAX_ENTRY_BYTES as usize;
    let bytes = content.len();
    if bytes <= most { Ok(frame(kind, content)) } else { Err(SpoolError::TooLong { bytes, most }) }
}

fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + content.len());
    bytes.push(kind);
    bytes.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    let checksum = checksum(&bytes, content);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(content);
    bytes
}

fn next_entry(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let header = bytes.get(..HEADER_BYTES)?;
    let kind = header[0];
    if !(RECORD..=VERIFIED).contains(&kind) {
        return None;
    }
    let len = u32::from_le_bytes(header[1..5].try_into().ok()?);
    let expected = u32::from_le_bytes(header[5..9].try_into().ok()?);
    if len > MAX_ENTRY_BYTES {
        return None;
    }
    let content = bytes.get(HEADER_BYTES..HEADER_BYTES + len as usize)?;
    (checksum(&header[..5], content) == expected).then_some((kind, content))
}

/// Of the header too: a tail of zeros would else be an empty record.
fn checksum(kind_and_length: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(kind_and_length);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_nobody_counted_is_none() {
        for (sequence, is_ours) in
            [(0, false), (1, true), (MOST_SEQUENCE - 1, true), (MOST_SEQUENCE, false), (u64::MAX, false)]
        {
            let framed = frame_record(&Record { sequence, ..Record::default() }).unwrap();
            assert_eq!(understand(1, &framed, 0).is_some(), is_ours, "{sequence}");
        }
        assert!(understand(1, &frame_acknowledgement(u64::MAX), 0).is_none());
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let refused = seal(&vec![0; MAX_ENTRY_BYTES as usize + 1]).unwrap_err().to_string();
        assert_eq!(refused, "268435457 bytes are too long for the spool, which takes 268435456 at once");
    }
}
