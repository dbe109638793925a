//! What travels from collector to server: columnar batches and their codec. Pure: no I/O, no clock.
//!
//! ```text
//! Frame (rows in columns) ─► codec ─► Reading ─► Batch ─► protobuf ─► zstd
//!                         ◄─       ◄─         ◄─       ◄─          ◄─
//! ```
//! The layout is frozen by golden bytes in `tests/wire/golden.rs`; field numbers are never reused.

mod batch;
mod codec;
mod compress;
mod frame;

pub use batch::{
    Answered, Attributes, BATCH_FORMAT, Batch, BatchKey, ClockReading, Cut, Discarded, EncodedColumn, Flag, FlagReason,
    Instance, LostInterval, Reading, SetState, State, StateCode, Status,
};
pub use codec::{DecodeError, MAX_ROWS};
pub use compress::{CompressError, compress, content_len, decompress};
pub use frame::{Bitmap, Frame, FrameColumn, Values};
