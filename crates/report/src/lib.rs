//! From readings of an instance to a report. Pure: who reads is the collector, who prints the program.
//!
//! ```text
//! Readings ─► Look ─► rules ─► findings ─┐
//!              └────► activity, statements┴► Report ─► text · Markdown · HTML · JSON
//! ```

mod activity;
mod finding;
mod look;
mod render;
mod report;
mod rules;
#[cfg(test)]
mod tests;
mod words;

pub use finding::{Evidence, Figure, Finding, Judged, Rule, Severity, Value};
pub use look::{Key, Look, Readings, Row, Second};
pub use render::{Format, reference_markdown, render};
pub use report::{
    Database, FORMAT, Instance, NotJudged, NotReadable, Part, Report, Statement, Statements, Summary, When,
};
pub use rules::RULES;
