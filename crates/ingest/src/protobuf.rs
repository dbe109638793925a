//! The collector's own encoding: a [`wire::Batch`].

use std::collections::BTreeSet;

use catalog::DefinitionHash;
use prost::Message;
use uuid::Uuid;
use wire::{BATCH_FORMAT, Batch, BatchKey};

use crate::check::clean;
use crate::clock::Stamp;
use crate::incoming::{Incoming, IncomingReading, RowsOf};
use crate::{PushError, Rejected};
use store::Definitions;

/// The most messages (instances, readings, columns, flags …) in one batch: a message of two bytes
/// unfolds to hundreds in memory.
const MAX_MESSAGES: usize = 200_000;

/// The most instances in one batch.
const MAX_INSTANCES: usize = 10_000;

/// The longest name of an instance, in bytes.
const MAX_INSTANCE_NAME: usize = 255;

/// The longest host name or version, in bytes.
const MAX_WORD: usize = 255;

/// Parses a body.
///
/// # Errors
/// 400 when it is no batch, 413 when it would unfold too far, 415 for another format.
pub(crate) fn parse(body: &[u8]) -> Result<Batch, PushError> {
    let messages = count_messages(body, 0, MAX_MESSAGES).ok_or_else(malformed)?;
    if messages > MAX_MESSAGES {
        return Err(PushError::TooLarge { reason: format!("more than {MAX_MESSAGES} messages in one batch") });
    }
    let batch = Batch::decode(body).map_err(|_| malformed())?;
    if batch.format != BATCH_FORMAT {
        return Err(PushError::Unsupported {
            reason: format!("batch format {} is not supported", batch.format),
            supported: vec![BATCH_FORMAT.to_string()],
        });
    }
    Ok(batch)
}

fn malformed() -> PushError {
    PushError::Malformed { reason: "the body is not a batch: it is cut off or damaged".to_owned() }
}

/// The hashes in a batch that are not known.
pub(crate) fn unknown_hashes(batch: &Batch, definitions: &Definitions) -> Result<Vec<DefinitionHash>, PushError> {
    let mut unknown = BTreeSet::new();
    for reading in batch.readings.iter().filter(|reading| reading.rows > 0) {
        let hash = hash_of(&reading.definition)?;
        if definitions.get(hash).is_none() {
            unknown.insert(hash);
        }
    }
    Ok(unknown.into_iter().collect())
}

fn hash_of(bytes: &[u8]) -> Result<DefinitionHash, PushError> {
    let hash = bytes.try_into().map_err(|_| invalid("a definition's hash has 16 bytes"))?;
    Ok(DefinitionHash(hash))
}

fn invalid(reason: &str) -> PushError {
    PushError::Invalid { code: "invalid_batch", reason: reason.to_owned() }
}

/// The common form of a batch whose definitions are known, or were refused.
///
/// # Errors
/// 422 when the batch contradicts itself.
pub(crate) fn unfold(batch: Batch, definitions: &Definitions) -> Result<Incoming, PushError> {
    let uuid = |bytes: &[u8], what: &str| {
        Uuid::from_slice(bytes).map_err(|_| invalid(&format!("{what} must be a UUID of 16 bytes")))
    };
    let collector_id = uuid(&batch.collector_id, "collector_id")?;
    let epoch = uuid(&batch.epoch, "epoch")?;
    let lane = if batch.lane.is_empty() { None } else { Some(uuid(&batch.lane, "lane")?) };
    let sequence = i64::try_from(batch.sequence).ok().filter(|sequence| (0..i64::MAX).contains(sequence));
    let sequence = sequence.ok_or_else(|| invalid("sequence must be between 0 and 2^63 - 2"))?;
    let says_something = !batch.readings.is_empty() || !batch.discarded.is_empty() || !batch.lost.is_empty();
    if sequence == 0 && says_something {
        return Err(invalid("a batch with sequence 0 is a sign of life: it has a status and nothing to store"));
    }
    if batch.instances.len() > MAX_INSTANCES {
        return Err(PushError::TooLarge { reason: format!("more than {MAX_INSTANCES} instances in one batch") });
    }
    let named = |name: &str| !name.is_empty() && name.len() <= MAX_INSTANCE_NAME && !name.contains('\0');
    let names = batch.instances.iter().map(|instance| &instance.name);
    if !names.chain(batch.lost.iter().map(|lost| &lost.instance)).all(|name| named(name)) {
        return Err(invalid("an instance's name has 1 to 255 bytes without NUL"));
    }
    let mut readings = Vec::with_capacity(batch.readings.len());
    let mut rejected = Vec::new();
    for mut reading in batch.readings {
        if reading.instance as usize >= batch.instances.len() {
            return Err(invalid("a reading names an instance that the batch does not have"));
        }
        let known = if reading.rows > 0 {
            let hash = hash_of(&reading.definition)?;
            let Some(known) = definitions.get(hash) else {
                // A definition that was refused before: its rows are rejected, the others are stored.
                let set = clean(&reading.set, catalog::MAX_NAME);
                let rows = u64::from(reading.rows);
                rejected.push(Rejected { set, column: None, reason: "unknown_set".to_owned(), rows });
                continue;
            };
            if known.definition.name != reading.set {
                return Err(invalid("a reading's set is not that of its definition"));
            }
            Some(known)
        } else {
            None
        };
        let length = |value: u64| i64::try_from(value).map_err(|_| invalid("a length of time is out of range"));
        readings.push(IncomingReading {
            set: clean(&reading.set, catalog::MAX_NAME),
            known,
            instance: reading.instance as usize,
            datid: reading.datid,
            started_us: reading.started_us,
            time_us: reading.time_us,
            interval_us: reading.interval_us.map(length).transpose()?,
            duration_us: length(reading.duration_us)?,
            error: reading.error.take(),
            late_cycles: reading.late_cycles,
            flags: std::mem::take(&mut reading.flags),
            cuts: std::mem::take(&mut reading.cuts),
            rows: RowsOf::Wire(Box::new(reading)),
        });
    }
    let sent_by = batch.status.as_ref().and_then(|status| status.clock.as_ref());
    Ok(Incoming {
        collector_id,
        process: sent_by.and_then(|clock| Uuid::from_slice(&clock.id).ok()).filter(|id| !id.is_nil()),
        key: (sequence > 0).then_some((epoch, sequence)),
        epoch: Some(epoch),
        lane,
        acknowledged: batch.status.as_ref().and_then(|status| key(status.acknowledged.as_ref()?)),
        created_us: batch.created_us,
        hostname: clean(&batch.hostname, MAX_WORD),
        version: clean(&batch.collector_version, MAX_WORD),
        instances: batch.instances,
        readings,
        discarded: batch.discarded,
        stamp: Stamp::new(batch.clock.as_ref(), batch.status.as_ref()),
        lost: batch.lost,
        status: batch.status,
        rejected,
    })
}

/// Epoch and sequence, where they can be those of a batch in the ledger.
fn key(key: &BatchKey) -> Option<(Uuid, i64)> {
    Some((Uuid::from_slice(&key.epoch).ok()?, i64::try_from(key.sequence).ok()?))
}

/// Counts the nested messages of a batch without unfolding them; `None` when the bytes are no protobuf.
fn count_messages(body: &[u8], depth: usize, most: usize) -> Option<usize> {
    /// The fields that hold messages or texts in lists: of a batch, and of an instance or reading.
    const LISTS: [&[u64]; 2] = [&[8, 9, 10, 11], &[4, 11, 12, 14]];
    /// The lists inside the lists: a flag's entries, a column's dictionary.
    const INNER: [u64; 2] = [4, 5];
    let mut count = 0_usize;
    let mut rest = body;
    while !rest.is_empty() && count <= most {
        let key = varint(&mut rest)?;
        match key & 7 {
            0 => drop(varint(&mut rest)?),
            1 => rest = rest.get(8..)?,
            5 => rest = rest.get(4..)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (inside, after) = rest.split_at_checked(length)?;
                rest = after;
                let field = key >> 3;
                match LISTS.get(depth) {
                    Some(lists) if lists.contains(&field) => {
                        count += 1 + count_messages(inside, depth + 1, most - count.min(most))?;
                    }
                    None if INNER.contains(&field) => count += 1,
                    _ => {}
                }
            }
            _ => return None,
        }
    }
    Some(count)
}

/// Takes a varint from the beginning; `None` where it is cut off or has no end.
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use wire::{BATCH_FORMAT, Batch, EncodedColumn, Instance, Reading};

    use super::{PushError, count_messages, parse};

    #[test]
    fn counts_what_unfolds() {
        let reading = Reading { columns: vec![EncodedColumn::default(); 3], ..Reading::default() };
        let batch = Batch {
            format: BATCH_FORMAT,
            instances: vec![Instance::default(); 2],
            readings: vec![reading; 4],
            ..Batch::default()
        };
        assert_eq!(count_messages(&batch.encode_to_vec(), 0, 1000), Some(2 + 4 + 4 * 3));
    }

    #[test]
    fn a_bomb_of_empty_messages_is_refused_before_it_unfolds() {
        let mut body = Batch { format: BATCH_FORMAT, ..Batch::default() }.encode_to_vec();
        body.extend([0x42, 0x00].repeat(1_000_000));
        assert!(matches!(parse(&body), Err(PushError::TooLarge { .. })));
    }

    #[test]
    fn what_is_cut_off_or_of_another_format_is_refused() {
        let batch = Batch { format: BATCH_FORMAT, hostname: "h".repeat(50), ..Batch::default() };
        let body = batch.encode_to_vec();
        assert!(parse(&body).is_ok());
        assert!(matches!(parse(&body[..body.len() - 1]), Err(PushError::Malformed { .. })));
        let other = Batch { format: 99, ..Batch::default() }.encode_to_vec();
        assert!(matches!(parse(&other), Err(PushError::Unsupported { supported, .. }) if supported == ["1"]));
    }
}
