//! A value that must not be printed by accident.

use std::fmt;

/// What stands where a secret would be printed.
pub const MASK: &str = "***";

/// A password, token or key. Neither `Debug` nor any other formatting shows it; [`Secret::expose`]
/// is the one way to its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
