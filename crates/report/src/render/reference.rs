//! The page of what is looked for.

use std::fmt::Write as _;

use crate::rules::RULES;

/// The rules, as `docs/reference/report.md` has them.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page =
        "# What a report looks for\n\nGenerated from the rules: do not edit. How a report is made, its exit codes \
                    and the shape of its JSON are in [report.md](../report.md).\n"
            .to_owned();
    for rule in RULES {
        let _ = write!(page, "\n## {}\n\n`{}`\n\n", rule.title, rule.id);
        let _ = writeln!(page, "- Threshold: {}.", rule.threshold);
        let _ = writeln!(page, "- Source: {}.", rule.source);
        let names = |sets: &[&str]| sets.iter().map(|set| format!("`{set}`")).collect::<Vec<_>>().join(", ");
        if !rule.needs.is_empty() {
            let _ = writeln!(page, "- Reads {}.", names(rule.needs));
        }
        if !rule.over.is_empty() {
            let _ = writeln!(page, "- Takes two readings of {}.", names(rule.over));
        }
    }
    page
}
