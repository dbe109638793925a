//! The catalogue as a whole, and what its model refuses.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod broken;
mod columns;
mod definitions;
mod folder;
mod never_panics;
mod reference;
mod whole;
