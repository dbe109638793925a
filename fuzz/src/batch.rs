//! Any bytes as batches of the wire: the first byte says whether as one, as many, or compressed.
use std::sync::LazyLock;

use bytes::Bytes;
use ingest::{Batches, Compression, Encoding};
use jiff::Timestamp;
use store::Definitions;

static DEFINITIONS: LazyLock<Definitions> =
    LazyLock::new(|| Definitions::of(&catalog::Catalog::embedded().expect("the catalogue is whole")));

/// One input.
pub fn run(data: &[u8]) {
    let Some((how, body)) = data.split_first() else { return };
    let batches = if how & 1 == 0 { Batches::One } else { Batches::Many };
    let compression = match how >> 1 & 3 {
        0 => Compression::None,
        1 => Compression::Gzip,
        _ => Compression::Zstd,
    };
    let now = Timestamp::from_second(1_772_366_400).expect("a moment");
    let _ =
        ingest::examine((Encoding::Protobuf, batches, compression), &Bytes::copy_from_slice(body), &DEFINITIONS, now);
}
