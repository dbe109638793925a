//! zstd with a bound on what comes out.

use std::io::Read;

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

/// Compresses bytes into one zstd frame.
///
/// # Errors
/// When the compressor cannot allocate.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>, CompressError> {
    Ok(zstd::bulk::compress(bytes, LEVEL)?)
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
