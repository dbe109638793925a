//! The layout frozen by golden bytes, and what the codec promises of any input.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod codec;
mod compress;
mod frames;
mod garbage;
mod golden;
