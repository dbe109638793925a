//! A set as its files, in one value: what travels and is stored where there is no folder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::set::{Set, SetError};

/// The most that the files of a set may take together, in bytes.
pub const MAX_SET: usize = 256 * 1024;

/// The files of a set, word for word.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFiles {
    /// `set.toml`.
    pub set: String,
    /// The statements by the lowest version that each serves, such as `12` for `12.sql`.
    pub sql: BTreeMap<String, String>,
}

/// What is wrong with the files of a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", place(.file, *.line))]
pub struct FilesError {
    /// The file; empty where it is about all of them.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The reason.
    pub reason: String,
}

fn place(file: &str, line: Option<usize>) -> String {
    match (file, line) {
        ("", _) => String::new(),
        (file, None) => format!("{file}: "),
        (file, Some(line)) => format!("{file} line {line}: "),
    }
}

impl SetFiles {
    /// The set that they make.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(&self, name: &str) -> Result<Set, FilesError> {
        let about = |file: &str, line, reason| FilesError { file: file.to_owned(), line, reason };
        let bytes = self.set.len() + self.sql.values().map(String::len).sum::<usize>();
        if bytes > MAX_SET {
            return Err(about("", None, format!("its files have more than {MAX_SET} bytes")));
        }
        let files: Vec<(String, &str)> =
            self.sql.iter().map(|(version, text)| (format!("{version}.sql"), text.as_str())).collect();
        let parsed = Set::parse(name, &self.set, files.iter().map(|(file, text)| (file.as_str(), *text)));
        let parsed = parsed.and_then(|set| {
            if set.is_users() {
                set.check_users().map_err(SetError::Rule)?;
            }
            Ok(set)
        });
        parsed.map_err(|error| match error {
            SetError::Toml(error) => {
                let before = error.span().map(|span| &self.set.as_bytes()[..span.start.min(self.set.len())]);
                let line = before.map(|before| before.iter().filter(|byte| **byte == b'\n').count() + 1);
                about("set.toml", line, error.message().to_owned())
            }
            SetError::FileName { file, source } => about(&file, None, source.to_string()),
            SetError::Statement { file, mistake } => about(&file, mistake.line, mistake.reason),
            SetError::Rule(reason) => about("", None, reason),
        })
    }

    /// What tells these files from any others, as 32 hexadecimal digits.
    #[must_use]
    pub fn hash(&self, name: &str) -> String {
        let mut digest = Sha256::new();
        let texts = self.sql.iter().flat_map(|(version, text)| [version.as_str(), text]);
        for part in [name, &self.set].into_iter().chain(texts) {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::SetFiles;

    const SET: &str = "help = \"Orders that wait.\"\nscope = \"instance\"\ngroup = \"x_shop\"\ninterval = 60\n\
        [[columns]]\nname = \"waiting\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"How many.\"\n";

    fn files(set: &str, sql: &str) -> SetFiles {
        SetFiles { set: set.to_owned(), sql: [("12".to_owned(), sql.to_owned())].into() }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let good = files(SET, "select 1::bigint as waiting");
        assert_eq!(good.parse("x_orders").unwrap().interval_seconds, 60);
        for (files, reason) in [
            (files(&SET.replace("60", "\"often\""), "select 1"), "set.toml line 4: invalid type"),
            (files(&SET.replace("int8", "money"), "select 1"), "set.toml line 7: unknown variant `money`"),
            (files(&SET.replace("instance", "host"), ""), "file 12.sql is empty"),
            (files(SET, "\n\nselect 1;\nselect 2"), "12.sql line 3: one statement only: there is a semicolon"),
            (
                SetFiles { sql: std::collections::BTreeMap::new(), ..files(&SET.replace("instance", "host"), "") },
                "scope: a set of your own is read by SQL",
            ),
            (files(&SET.replace("gauge", "text").replace("int8", "text").replace("count", ""), "select 1"), "set.toml"),
            (files(SET, &format!("select '{}'", "a".repeat(300_000))), "its files have more than 262144 bytes"),
        ] {
            let found = files.parse("x_orders").unwrap_err().to_string();
            assert!(found.contains(reason), "{found}");
        }
        let version = SetFiles { sql: [("../12".to_owned(), "select 1".to_owned())].into(), ..good.clone() };
        assert!(version.parse("x_orders").unwrap_err().to_string().starts_with("../12.sql: "));
        assert!(good.parse("x_Orders").unwrap_err().to_string().contains("is no name"));
    }

    #[test]
    fn the_hash_is_of_every_word() {
        let one = files(SET, "select 1");
        assert_eq!(one.hash("x_a"), one.clone().hash("x_a"));
        assert_ne!(one.hash("x_a"), one.hash("x_b"));
        assert_ne!(one.hash("x_a"), files(SET, "select  1").hash("x_a"));
        assert_ne!(
            one.hash("x_a"),
            SetFiles { sql: [("13".to_owned(), "select 1".to_owned())].into(), ..one }.hash("x_a")
        );
    }
}
