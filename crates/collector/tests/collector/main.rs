//! The collector against real servers of every major that is installed.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod catalogue;
