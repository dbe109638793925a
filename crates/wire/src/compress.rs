//! zstd with a bound on what comes out.

use std::io::Read;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::Compressor;

/// The level that records are compressed with: measured, higher ones cost more than they save.
const LEVEL: i32 = 1;

/// Why bytes could not be (de)compressed.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// The content is longer than allowed.
    #[error("decompressed body is longer than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// The bytes are no zstd frames, or cut off.
    #[error("body is not zstd: {0}")]
    Corrupt(#[from] std::io::Error),
}

/// The compressor that was used last: making one takes longer than a small record.
static KEPT: Mutex<Option<Compressor<'static>>> = Mutex::new(None);

/// Compresses bytes into one zstd frame, which says how long they are.
///
/// # Errors
/// When the compressor cannot allocate.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>, CompressError> {
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = kept().take();
    let mut compressor = taken.map_or_else(|| Compressor::new(LEVEL), Ok)?;
    let compressed = compressor.compress(bytes)?;
    *kept() = Some(compressor);
    Ok(compressed)
}

/// How long the content of one frame is, as it says itself.
#[must_use]
pub fn content_len(frame: &[u8]) -> Option<usize> {
    zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().and_then(|len| usize::try_from(len).ok())
}

/// Decompresses one or several zstd frames, reading no more than `limit` bytes out of them.
///
/// # Errors
/// When they are corrupt, cut off, or longer than `limit`.
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CompressError> {
    let mut content = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(27)?;
    decoder.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(CompressError::TooLong { limit });
    }
    Ok(content)
}
