//! For documents and tickets.

use std::fmt::Write as _;

use judgement::span::moment;

use super::{monitoring, one_line, parts, told, unread};
use crate::finding::Finding;
use crate::report::{NotReadable, Report, Statement};
use crate::words::{number, percent, seconds};

/// A text as text: nothing in it is a mark.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in catalog::one_line(text).chars() {
        if letter.is_ascii_punctuation()
            && !matches!(letter, '.' | ',' | ':' | ';' | '(' | ')' | '%' | '/' | '\'' | '"' | '?' | '=')
        {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}

/// A text as code, in one line, whatever backquotes it has.
fn code(text: &str) -> String {
    let text = catalog::one_line(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Code in a cell of a table, where a bar would end the cell.
fn cell(text: &str) -> String {
    code(&text.replace('|', "¦"))
}

pub(super) fn render(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    page.push_str("\n## Findings\n\n");
    if report.findings.is_empty() {
        page.push_str("None.\n");
    }
    for finding in &report.findings {
        tell(&mut page, finding);
    }
    if !report.activity.is_empty() {
        page.push_str("\n## Between the readings\n\n| figure | value |\n| --- | ---: |\n");
        for figure in &report.activity {
            let _ = writeln!(page, "| {} | {} |", plain(&figure.name), plain(&figure.value.words()));
        }
    }
    let statements = &report.statements;
    if let Some(reason) = &statements.reason {
        let _ = write!(page, "\n## Statements\n\n{}\n", plain(reason));
    }
    if !statements.interval.is_empty() {
        page.push_str("\n## The costliest statements between the readings\n\n");
        table(&mut page, &statements.interval);
    }
    if let Some(note) = monitoring(statements) {
        let _ = write!(page, "\n{}\n", plain(&note));
    }
    if !statements.since_reset.is_empty() {
        let since = statements.reset_at.map_or_else(|| "an unknown time".to_owned(), moment);
        let _ = write!(page, "\n## The costliest statements since the reset of their statistics ({since})\n\n");
        table(&mut page, &statements.since_reset);
    }
    let unread = unread(report);
    if !unread.is_empty() {
        page.push_str("\n## Databases that were not read\n\n");
        for database in unread {
            let reason = database.reason.as_deref().unwrap_or_default();
            let _ = writeln!(page, "- {}: {}", code(&database.name), plain(reason));
        }
    }
    if !report.not_judged.is_empty() {
        page.push_str("\n## Not judged\n\n");
        for one in &report.not_judged {
            let _ = writeln!(page, "- {}: {}", code(one.id), plain(&one.reason));
        }
    }
    readable(&mut page, "Not readable", &report.not_readable);
    readable(&mut page, "Could be read besides, at a price", &report.hints);
    page
}

fn head(page: &mut String, report: &Report) {
    let instance = &report.instance;
    let _ =
        write!(page, "# PostgreSQL {} at {}:{}\n\n", plain(&instance.version), plain(&instance.host), instance.port);
    let _ = writeln!(page, "- {}, read as {}", plain(&instance.role), code(&instance.read_as));
    if let Some(at) = instance.started_at {
        let _ = writeln!(page, "- started {}", moment(at));
    }
    let last = moment(report.readings.last_at);
    let _ = match report.readings.seconds {
        Some(length) => writeln!(page, "- read twice, {} apart, until {last}", seconds(length)),
        None => writeln!(page, "- read once, at {last}"),
    };
    let _ = writeln!(page, "- {}: {}", plain(&instance.version), instance.version_note);
    for note in &report.readings.notes {
        let _ = writeln!(page, "- **{}**", plain(note));
    }
    let summary = &report.summary;
    let _ = writeln!(
        page,
        "- {} critical, {}, {}; {} found nothing, {} could not be judged",
        summary.critical,
        number(summary.warning, "warning"),
        number(summary.notice, "notice"),
        number(summary.fine, "rule"),
        summary.not_judged
    );
}

fn tell(page: &mut String, finding: &Finding) {
    let _ = write!(page, "### {}: {}\n\n", finding.severity.word(), plain(&finding.message));
    for evidence in &finding.evidence {
        let figures: Vec<String> = evidence
            .figures
            .iter()
            .map(|figure| format!("{} {}", plain(&figure.name), plain(&one_line(&figure.value.words(), 200))))
            .collect();
        let of = if evidence.of.is_empty() { String::new() } else { format!("{}: ", code(&evidence.of)) };
        let _ = writeln!(page, "- {of}{}", figures.join(", "));
        if let Some(fix) = &evidence.fix {
            let within = evidence.database.as_ref().map(|name| format!(" (in {})", code(name))).unwrap_or_default();
            let _ = writeln!(page, "  - fix{within}: {}", code(fix));
        }
    }
    if finding.more > 0 {
        let _ = writeln!(page, "- and {} more", finding.more);
    }
    for fix in &finding.fix {
        let _ = writeln!(page, "- fix: {}", code(fix));
    }
    let _ = write!(page, "\n{}: {} ({}).\n\n", code(finding.id), plain(finding.threshold), plain(finding.source));
}

fn table(page: &mut String, statements: &[Statement]) {
    page.push_str("| share | calls | mean | blocks read | database | role | statement |\n");
    page.push_str("| ---: | ---: | ---: | ---: | --- | --- | --- |\n");
    for one in statements {
        let text = one.text.as_deref().map_or_else(|| format!("queryid {}", one.queryid), |text| one_line(text, 300));
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} |",
            percent(one.share),
            one.calls,
            seconds(one.mean_ms / 1000.0),
            one.blocks_read,
            cell(&one.database),
            cell(&one.role),
            cell(&text)
        );
    }
}

fn readable(page: &mut String, heading: &str, list: &[NotReadable]) {
    let list = told(list);
    if list.is_empty() {
        return;
    }
    let _ = write!(page, "\n## {heading}\n\n");
    for one in list {
        let _ = writeln!(page, "- {}", plain(&format!("{} ({})", one.reason, parts(one))));
        if let Some(fix) = &one.fix {
            let _ = writeln!(page, "  - fix: {}", code(fix));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_contains_is_no_mark() {
        assert_eq!(plain("a*b_<script>\n# x"), "a\\*b\\_\\<script\\>\\\\n\\# x");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(cell("a|b"), "`a¦b`");
    }
}
