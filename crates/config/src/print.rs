//! `--print-config`: what is in force and where each value came from, secrets masked. The output
//! is a configuration file again.

use std::fmt::Write;
use std::path::Path;

use crate::dsn;
use crate::secret::MASK;
use crate::settings::{Kind, Value};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file, at this line if it is known.
    File(Option<usize>),
    /// What the server pushed: its version, and the line.
    Pushed(i64, usize),
    /// An environment variable.
    Environment(String),
    /// A file that a line of the configuration names.
    SecretFile(String, Option<usize>),
}

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Table of the file; in brackets for one of a list.
    pub table: String,
    /// Key.
    pub key: String,
    /// As TOML, secrets masked; `None`: not set.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// A value as TOML; of a secret only that there is one.
pub(crate) fn mask_value(kind: Kind, value: &Value) -> String {
    match (kind, value) {
        (Kind::Secret, _) => quoted(MASK),
        (Kind::Conninfo, Value::Text(text)) => quoted(&dsn::mask(text)),
        (_, Value::Text(text)) => quoted(text),
        (_, Value::Number(number)) => number.to_string(),
        (_, Value::Share(share)) => format!("{share:?}"),
        (_, Value::Flag(flag)) => flag.to_string(),
        (_, Value::List(list)) => {
            format!("[{}]", list.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", "))
        }
    }
}

pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// The lines as a file.
pub(crate) fn print(lines: &[Line], path: Option<&Path>) -> String {
    const COMMENT_COLUMN: usize = 48;
    let file = path.map_or("the given text".to_owned(), |path| path.display().to_string());
    let mut text = String::new();
    let mut table: Option<&str> = None;
    for line in lines {
        // Each of a list begins with its name.
        let next_of_list = line.table.starts_with('[') && line.key == "name";
        if table != Some(line.table.as_str()) || next_of_list {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{}{}", line.table, "]".repeat(line.table.matches('[').count().max(1)));
            table = Some(&line.table);
        }
        let written = match &line.value {
            Some(value) => format!("{} = {value}", line.key),
            None => format!("# {}", line.key),
        };
        let origin = match (&line.origin, &line.value) {
            (_, None) => "not set".to_owned(),
            (Origin::Default, _) => "default".to_owned(),
            (Origin::File(None), _) => file.clone(),
            (Origin::File(Some(number)), _) => format!("{file} line {number}"),
            (Origin::Pushed(version, number), _) => format!("pushed by the server, version {version} line {number}"),
            (Origin::Environment(name), _) => format!("environment {name}"),
            (Origin::SecretFile(secret, _), _) => format!("file {secret}"),
        };
        let _ = writeln!(text, "{written:<COMMENT_COLUMN$} # {origin}");
    }
    text
}
