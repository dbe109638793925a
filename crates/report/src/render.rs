//! A report in one of its formats. What names and statements contain never becomes part of the format.

mod html;
mod markdown;
mod reference;
mod text;

pub use reference::reference_markdown;

use crate::report::{Database, NotReadable, Part, Report, Statements};
use crate::words::{number, percent};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal: its width, and whether it shows colours.
    Text {
        /// Columns.
        width: usize,
        /// Colours.
        colour: bool,
    },
    /// For documents and tickets.
    Markdown,
    /// A page in one file.
    Html,
    /// For programs.
    Json,
}

/// The report as a text of a format, with its last line's end.
///
/// # Errors
/// Never, but that JSON's library says so.
pub fn render(report: &Report, format: Format) -> Result<String, serde_json::Error> {
    Ok(match format {
        Format::Text { width, colour } => text::render(report, width, colour),
        Format::Markdown => markdown::render(report),
        Format::Html => html::render(report),
        Format::Json => serde_json::to_string_pretty(report)? + "\n",
    })
}

/// A statement's text in one line, its white space being one blank, cut after so many letters.
fn one_line(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = catalog::one_line(&words);
    match words.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.into_owned(),
    }
}

/// What cannot be read, by the reason, as far as somebody may want to know.
fn told(list: &[NotReadable]) -> Vec<&NotReadable> {
    list.iter().filter(|one| !matches!(one.kind, "role" | "disabled" | "machine")).collect()
}

/// The sets and columns of what cannot be read. What a newer version has is many, and only counted.
fn parts(one: &NotReadable) -> String {
    if one.kind == "version" {
        let columns: usize = one.sets.iter().map(|part| part.columns.len().max(1)).sum();
        return format!("{} of {}", number(columns, "column"), number(one.sets.len(), "set"));
    }
    let part = |part: &Part| match part.columns.as_slice() {
        [] => part.set.clone(),
        columns => format!("{}: {}", part.set, columns.join(", ")),
    };
    one.sets.iter().map(part).collect::<Vec<_>>().join("; ")
}

/// Databases that were not read and could be.
fn unread(report: &Report) -> Vec<&Database> {
    report.databases.iter().filter(|database| !database.read && !database.template).collect()
}

/// What is said below statements of the interval.
fn monitoring(statements: &Statements) -> Option<String> {
    let share = statements.monitoring_share.filter(|share| *share > 0.0)?;
    Some(format!(
        "Monitoring's own statements took {} of the time, this report's included; they are left out.",
        percent(share)
    ))
}
