//! Any bytes as a batch in JSON.
use std::sync::LazyLock;

use bytes::Bytes;
use ingest::{Batches, Compression, Encoding};
use jiff::Timestamp;
use store::Definitions;

static DEFINITIONS: LazyLock<Definitions> =
    LazyLock::new(|| Definitions::of(&catalog::Catalog::embedded().expect("the catalogue is whole")));

/// One input.
pub fn run(data: &[u8]) {
    let now = Timestamp::from_second(1_772_366_400).expect("a moment");
    let how = (Encoding::Json, Batches::One, Compression::None);
    let _ = ingest::examine(how, &Bytes::copy_from_slice(data), &DEFINITIONS, now);
}
