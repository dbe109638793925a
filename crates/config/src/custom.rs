//! Sets of the users' own in a configuration, `[custom_sets.x_…]`, and what a collector does with those that its
//! server pushes. What they say is for whoever knows the catalogue.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

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

/// A configuration with sets at its end, each as its name, its `set.toml` and its statements; what is before them stays
/// word for word.
///
/// # Errors
/// When they cannot be written.
pub fn with_sets<'a>(
    text: &str,
    sets: impl Iterator<Item = (&'a str, &'a str, &'a BTreeMap<String, String>)>,
) -> Result<String, ConfigError> {
    let mut tables = Table::new();
    for (name, set, sql) in sets {
        let statements: Table = sql.iter().map(|(version, text)| (version.clone(), text.as_str().into())).collect();
        let table =
            Table::from_iter([(KEYS[0].to_owned(), set.into()), (KEYS[1].to_owned(), Value::Table(statements))]);
        tables.insert(name.to_owned(), Value::Table(table));
    }
    let tables = Table::from_iter([(TABLE.to_owned(), Value::Table(tables))]);
    let tables = toml::to_string_pretty(&tables)
        .map_err(|error| ConfigError::new(None, format!("sets cannot be written as TOML: {error}")))?;
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{text}{gap}{tables}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Names;
    use crate::file::read_part;

    #[test]
    fn what_is_written_at_the_end_is_read_back() {
        let sql = BTreeMap::from([("9.6".to_owned(), "select 1\n-- €".to_owned()), ("12".to_owned(), String::new())]);
        let set = "help = 'a' \"\"\" ''' \\ \n";
        for before in ["", "# ours\n[collector]\ninterval=30", "[postgres]\n"] {
            let text = with_sets(before, [("x_b", set, &sql), ("x_a", "", &sql)].into_iter()).unwrap();
            assert!(text.starts_with(before), "{text}");
            let read = read_part(&text, &Names::default()).unwrap().custom_sets;
            assert_eq!(read.len(), 2);
            let found = read.iter().find(|found| found.name == "x_b").unwrap();
            assert_eq!((found.set.as_str(), &found.sql), (set, &sql));
        }
    }
}
