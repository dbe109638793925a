//! Sets of the users' own in a configuration, `[custom_sets.x_…]`, and what a collector does with those that its
//! server pushes. What they say is for whoever knows the catalogue.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::ConfigError;
use crate::layers::{Layer, about};
use crate::settings::ADMISSION;

/// The table of a configuration that has them.
pub(crate) const TABLE: &str = "custom_sets";

/// The keys of one of them: its `set.toml`, and its statements by versions.
pub(crate) const KEYS: [&str; 2] = ["set", "sql"];

/// What a collector does with sets that its server pushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// They are read once somebody approved them on the collector's machine.
    #[default]
    Approve,
    /// They are read.
    Accept,
    /// They are not.
    Refuse,
}

impl Admission {
    pub(crate) fn of(word: &str) -> Self {
        match ADMISSION.iter().position(|known| *known == word) {
            Some(1) => Self::Accept,
            Some(2) => Self::Refuse,
            _ => Self::Approve,
        }
    }
}

/// One set of the users' own, as it is written in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSet {
    /// Its name.
    pub name: String,
    /// Its `set.toml`.
    pub set: String,
    /// Its statements, by the lowest version that each serves.
    pub sql: BTreeMap<String, String>,
    /// The version of the pushed configuration that it is from; none where it is from the collector's own file.
    pub pushed: Option<i64>,
    /// The line where it begins.
    pub line: usize,
}

impl CustomSet {
    pub(crate) fn of(self, layer: Layer) -> Self {
        let pushed = match layer {
            Layer::File => None,
            Layer::Pushed(version) => Some(version),
        };
        Self { pushed, ..self }
    }

    /// A mistake in it, with its place.
    #[must_use]
    pub fn mistake(&self, file: Option<&Path>, reason: &str) -> ConfigError {
        let error = ConfigError::new(Some(self.line), format!("[{TABLE}.{}] {reason}", self.name));
        match self.pushed {
            Some(version) => about(version, error),
            None => ConfigError { path: file.map(Path::to_owned), ..error },
        }
    }
}
