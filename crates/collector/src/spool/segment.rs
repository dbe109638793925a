//! One file of the spool: framed entries, each with its length and checksum.
//!
//! `kind (1) · length (4, little-endian) · CRC-32 of kind, length and content (4) · content`

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use super::record::Record;
use super::{SpoolError, io, sync_dir};

const RECORD: u8 = 1;
const ACKNOWLEDGEMENT: u8 = 2;
const HEADER_BYTES: usize = 9;
/// No record is longer: a length beyond it is a torn one.
const MAX_ENTRY_BYTES: u32 = 256 << 20;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) len: u32,
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
pub(super) struct Header {
    pub(super) sequence: u64,
    pub(super) created_us: i64,
}

/// What stands in a file.
pub(super) enum Entry {
    Record { place: Place, header: Header },
    Acknowledged(u64),
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

    /// Reads a file, cutting a torn tail. `None` when not even its name is one of ours or nothing is in it.
    pub(super) fn read(path: &Path) -> Result<Option<(Self, Vec<Entry>)>, SpoolError> {
        let Some(first) = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()) else {
            return Ok(None);
        };
        let mut file =
            OpenOptions::new().read(true).write(true).open(path).map_err(|source| io("open", path, source))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(|source| io("read", path, source))?;
        let mut entries = Vec::new();
        let mut offset = 0;
        while let Some((kind, entry)) = next_entry(&content[offset..]) {
            let len = HEADER_BYTES + entry.len();
            match kind {
                RECORD => {
                    let Ok(record) = Record::decode(entry) else { break };
                    let place = Place { segment: first, offset: offset as u64, len: u32::try_from(len).unwrap_or(0) };
                    let header = Header { sequence: record.sequence, created_us: record.created_us };
                    entries.push(Entry::Record { place, header });
                }
                ACKNOWLEDGEMENT => {
                    let Ok(bytes) = <[u8; 8]>::try_from(entry) else { break };
                    entries.push(Entry::Acknowledged(u64::from_le_bytes(bytes)));
                }
                _ => break,
            }
            offset += len;
        }
        if offset < content.len() {
            tracing::warn!(
                spool.file = %path.display(),
                spool.torn_bytes = content.len() - offset,
                "cut the torn tail of a spool file"
            );
            file.set_len(offset as u64).map_err(|source| io("cut", path, source))?;
            file.sync_all().map_err(|source| io("sync", path, source))?;
        }
        if entries.is_empty() {
            return Ok(None);
        }
        Ok(Some((Self { first, len: offset as u64, path: path.to_owned(), file }, entries)))
    }

    /// Appends bytes; a failed or partial write is cut off again.
    pub(super) fn append(&mut self, bytes: &[u8], durable: bool) -> Result<Place, SpoolError> {
        let place = Place { segment: self.first, offset: self.len, len: u32::try_from(bytes.len()).unwrap_or(0) };
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

    pub(super) fn record(&self, place: Place) -> Result<Option<Record>, SpoolError> {
        let mut bytes = vec![0; place.len as usize];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| io("read", &self.path, source))?;
        Ok(next_entry(&bytes).and_then(|(_, entry)| Record::decode(entry).ok()))
    }

    pub(super) fn remove(self) -> Result<(), SpoolError> {
        fs::remove_file(&self.path).map_err(|source| io("remove", &self.path, source))
    }
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

pub(super) fn frame_record(record: &Record) -> Vec<u8> {
    frame(RECORD, &record.encode_to_vec())
}

pub(super) fn frame_acknowledgement(sequence: u64) -> Vec<u8> {
    frame(ACKNOWLEDGEMENT, &sequence.to_le_bytes())
}

/// A whole file as one entry.
pub(super) fn seal(content: &[u8]) -> Vec<u8> {
    frame(RECORD, content)
}

/// What [`seal`] wrote, when it is whole.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    next_entry(bytes).map(|(_, content)| content)
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
