//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// A configuration that cannot be used: where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, when the text came from one.
    pub path: Option<PathBuf>,
    /// The line of the text, from 1, when it is about one.
    pub line: Option<usize>,
    /// What is wrong and what was expected; a sentence that a person can act upon.
    pub reason: String,
}

impl ConfigError {
    pub(crate) fn new(line: Option<usize>, reason: impl Into<String>) -> Self {
        Self { path: None, line, reason: reason.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.line) {
            (Some(path), Some(line)) => write!(f, "{}:{line}: {}", path.display(), self.reason),
            (Some(path), None) => write!(f, "{}: {}", path.display(), self.reason),
            (None, Some(line)) => write!(f, "line {line}: {}", self.reason),
            (None, None) => f.write_str(&self.reason),
        }
    }
}
