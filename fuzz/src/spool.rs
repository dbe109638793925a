//! Any bytes as a file of the spool, and as entries whose checksums are right: it opens, says what it lost, gives what is
//! left, goes on, and opens again.
use std::fs;
use std::path::Path;

use collector::spool::{Bounds, Record, Spool};
use prost::Message;

/// Numbers beyond are not tried: whoever writes a right checksum counts from 1.
const MOST: u64 = 1 << 16;

/// The entries of an input, framed: kind, length and content of each.
fn framed(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    while let [kind, low, high, rest @ ..] = data {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (content, after) = rest.split_at(length);
        let kind = 1 + kind % 5;
        let number = match kind {
            1 => Record::decode(content).map_or(0, |record| record.sequence),
            3 => 0,
            _ => <[u8; 8]>::try_from(content).map_or(0, u64::from_le_bytes),
        };
        if number > MOST {
            return None;
        }
        let header_at = file.len();
        file.push(kind);
        file.extend(u32::try_from(length).ok()?.to_le_bytes());
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&file[header_at..]);
        checksum.update(content);
        file.extend(checksum.finalize().to_le_bytes());
        file.extend(content);
        data = after;
    }
    Some(file)
}

fn open(dir: &Path) -> Spool {
    let bounds = Bounds { max_bytes: 1 << 20, max_age_us: i64::MAX };
    Spool::open(dir, bounds).expect("whatever stands in its files, a spool opens").spool
}

/// One input.
pub fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let Some(content) = (if how & 1 == 0 { Some(rest.to_vec()) } else { framed(rest) }) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    if how & 2 == 0 {
        // A spool is there, with its epoch and its checkpoint.
        drop(open(dir.path()));
    }
    fs::create_dir_all(dir.path()).expect("a directory");
    fs::write(dir.path().join(format!("{:020}.log", 1)), content).expect("a file");
    let mut spool = open(dir.path());
    let pending: Vec<_> = spool.pending().collect();
    for one in &pending {
        let _ = spool.read(*one).expect("a file that is there is read");
    }
    let sequence = spool.next_sequence();
    spool.append(&Record { sequence, ..Record::default() }).expect("it goes on");
    spool.acknowledge(sequence).expect("it is acknowledged");
    let left = spool.pending_len();
    drop(spool);
    assert_eq!(open(dir.path()).pending_len(), left, "it opens as it was left");
}
