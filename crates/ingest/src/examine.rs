//! A body without a store: what a push does before it needs one. Tests and fuzzing give it any bytes.

use bytes::Bytes;
use jiff::Timestamp;
use store::Definitions;

use crate::clock::Correction;
use crate::{Batches, Compression, Encoding, PushError, encode, json, many, protobuf};

/// What a body would become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// Batches in it.
    pub batches: usize,
    /// Rows that would be written, those of readings, flags and losses included.
    pub rows: u64,
    /// Bytes that would be written.
    pub bytes: u64,
    /// Rows that would be rejected.
    pub rejected: u64,
}

/// Decompresses, parses, checks and encodes a body for the sets that are known.
///
/// # Errors
/// As a push would answer; a batch of several that fails, fails the whole.
pub fn examine(
    (encoding, batches, compression): (Encoding, Batches, Compression),
    body: &Bytes,
    definitions: &Definitions,
    now: Timestamp,
) -> Result<Examined, PushError> {
    let decoded = Bytes::from(compression.decode(body)?);
    let bodies = match batches {
        Batches::One => vec![decoded],
        Batches::Many => many::split(&decoded)?,
    };
    let mut examined = Examined { batches: bodies.len(), ..Examined::default() };
    for body in bodies {
        let incoming = match encoding {
            Encoding::Json => json::parse(&body, definitions, now)?,
            Encoding::Protobuf => {
                let batch = protobuf::parse(&body)?;
                protobuf::unknown_hashes(&batch, definitions)?;
                protobuf::unfold(batch, definitions)?
            }
        };
        encode::weigh(&incoming)?;
        let ids: Vec<i32> = (1..).take(incoming.instances.len() + incoming.lost.len()).collect();
        let prepared = encode::encode(incoming, &ids, now, Correction::default());
        examined.rows += prepared.rows();
        examined.bytes += prepared.bytes();
        examined.rejected += prepared.rejected.iter().map(|one| one.rows).sum::<u64>();
    }
    Ok(examined)
}
