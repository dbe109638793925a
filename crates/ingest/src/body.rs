//! A request's body: its two encodings and three compressions, none of which can grow past a bound.

use std::io::Read;

use crate::PushError;

/// The longest body as it arrives.
pub const MAX_COMPRESSED: usize = 16 << 20;

/// The longest body after decompression.
pub const MAX_DECODED: usize = 64 << 20;

/// The content type of several batches in one body.
pub const MANY_CONTENT_TYPE: &str = "application/x-protobuf; batches=many";

/// How a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/x-protobuf`.
    Protobuf,
}

/// How many batches a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batches {
    /// One, that is the body.
    One,
    /// `batches=many`: several of one collector, each behind its length.
    Many,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// One or several zstd frames.
    Zstd,
}

pub(crate) fn too_long(limit: usize) -> PushError {
    PushError::TooLarge { reason: format!("the body is longer than {limit} bytes") }
}

impl Encoding {
    /// Reads `Content-Type`.
    ///
    /// # Errors
    /// 415 for anything else.
    pub fn from_header(content_type: Option<&str>) -> Result<Self, PushError> {
        let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if media.eq_ignore_ascii_case("application/x-protobuf") {
            Ok(Self::Protobuf)
        } else {
            Err(PushError::Unsupported {
                reason: "Content-Type must be application/x-protobuf or application/json".to_owned(),
                supported: vec!["application/x-protobuf".to_owned(), "application/json".to_owned()],
            })
        }
    }
}

impl Batches {
    /// Reads the parameter `batches` of `Content-Type`.
    ///
    /// # Errors
    /// 415 for anything but `one`, or `many` in protobuf.
    pub fn from_header(content_type: Option<&str>) -> Result<Self, PushError> {
        let parameters = content_type.unwrap_or_default().split(';').skip(1).filter_map(|word| word.split_once('='));
        let batches = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("batches"));
        let Some((_, value)) = batches.last() else { return Ok(Self::One) };
        let value = value.trim().trim_matches('"');
        if value.eq_ignore_ascii_case("one") {
            return Ok(Self::One);
        }
        if value.eq_ignore_ascii_case("many") && Encoding::from_header(content_type)? == Encoding::Protobuf {
            return Ok(Self::Many);
        }
        Err(PushError::Unsupported {
            reason: "the parameter batches of Content-Type must be one, or many with application/x-protobuf".to_owned(),
            supported: vec![MANY_CONTENT_TYPE.to_owned()],
        })
    }
}

impl Compression {
    /// Reads `Content-Encoding`.
    ///
    /// # Errors
    /// 415 for anything else.
    pub fn from_header(content_encoding: Option<&str>) -> Result<Self, PushError> {
        match content_encoding.map(str::trim).unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(PushError::Unsupported {
                reason: "Content-Encoding must be zstd, gzip or absent".to_owned(),
                supported: vec!["zstd".to_owned(), "gzip".to_owned()],
            }),
        }
    }

    /// Decompresses a body.
    ///
    /// # Errors
    /// 400 when it is corrupt or cut off, 413 when it is or becomes too long.
    pub fn decode(self, body: &[u8]) -> Result<Vec<u8>, PushError> {
        if body.len() > MAX_COMPRESSED {
            return Err(too_long(MAX_COMPRESSED));
        }
        match self {
            Self::None => Ok(body.to_vec()),
            Self::Gzip => {
                let mut decoded = Vec::new();
                let decoder = flate2::read::MultiGzDecoder::new(body);
                decoder
                    .take(MAX_DECODED as u64 + 1)
                    .read_to_end(&mut decoded)
                    .map_err(|error| PushError::Malformed { reason: format!("the body is not gzip: {error}") })?;
                if decoded.len() > MAX_DECODED { Err(too_long(MAX_DECODED)) } else { Ok(decoded) }
            }
            Self::Zstd => wire::decompress(body, MAX_DECODED).map_err(|error| match error {
                wire::CompressError::TooLong { limit } => too_long(limit),
                wire::CompressError::Corrupt(source) => {
                    PushError::Malformed { reason: format!("the body is not zstd: {source}") }
                }
            }),
        }
    }
}
