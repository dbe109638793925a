//! A report in one of its formats. What names and statements contain never becomes part of the format.

mod html;
mod markdown;
mod reference;
mod text;

use std::borrow::Cow;

pub use reference::reference_markdown;

use crate::report::Report;

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

/// A text in one line, in which nothing is hidden: what begins a line or drives a terminal is shown as its code.
fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(catalog::is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            letter if catalog::is_invisible(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// A statement's text in one line, its white space being one blank, cut after so many letters.
fn one_line(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = shown(&words);
    match words.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.into_owned(),
    }
}
