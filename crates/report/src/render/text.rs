//! For a terminal.

use std::fmt::Write as _;

use judgement::span::moment;

use super::{monitoring, one_line, parts, told, unread};
use crate::finding::{Evidence, Finding, Severity};
use crate::report::{Report, Statement};
use crate::words::{bytes, number, percent, seconds};

/// How a severity is coloured.
const fn colour_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1;31",
        Severity::Warning => "33",
        Severity::Notice => "36",
    }
}

struct Page {
    text: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn painted(&self, text: &str, code: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn heading(&mut self, text: &str) {
        let text = self.painted(text, "1");
        let _ = write!(self.text, "\n{text}\n\n");
    }

    /// Wraps words at the width; lines after the first are indented as deep.
    fn wrapped(&mut self, first: &str, indent: usize, text: &str) {
        let (blank, width) = (" ".repeat(indent), self.width.max(indent + 20));
        let mut line = first.to_owned();
        // The first may be painted; it is as wide as the indent.
        let mut used = indent;
        for word in text.split(' ') {
            let letters = word.chars().count();
            if used > indent && used + 1 + letters > width {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                line.clone_from(&blank);
                used = indent;
            }
            if used > indent {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += letters;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// SQL is not wrapped: it is to be copied.
    fn fix(&mut self, indent: usize, fix: &str, database: Option<&str>) {
        let within = database.map(|name| format!("[{}] ", catalog::one_line(name))).unwrap_or_default();
        let arrow = self.painted("→", "32");
        let _ = writeln!(self.text, "{}{arrow} {within}{}", " ".repeat(indent), catalog::one_line(fix));
    }
}

pub(super) fn render(report: &Report, width: usize, colour: bool) -> String {
    let mut page = Page { text: String::new(), width, colour };
    head(&mut page, report);
    page.heading("Findings");
    if report.findings.is_empty() {
        page.text.push_str("  none\n");
    }
    for finding in &report.findings {
        tell(&mut page, finding);
    }
    activity(&mut page, report);
    statements(&mut page, report);
    let unread = unread(report);
    if !unread.is_empty() {
        page.heading("Databases that were not read");
        for database in unread {
            let reason = database.reason.as_deref().unwrap_or_default();
            page.wrapped("  ", 2, &format!("{}: {}", catalog::one_line(&database.name), catalog::one_line(reason)));
        }
    }
    if !report.not_judged.is_empty() {
        page.heading("Not judged");
        for one in &report.not_judged {
            page.wrapped("  ", 2, &format!("{}: {}", one.id, catalog::one_line(&one.reason)));
        }
    }
    for (heading, list) in
        [("Not readable", &report.not_readable), ("Could be read besides, at a price", &report.hints)]
    {
        let list = told(list);
        if list.is_empty() {
            continue;
        }
        page.heading(heading);
        for one in list {
            page.wrapped("  ", 4, &format!("{} ({})", catalog::one_line(&one.reason), parts(one)));
            if let Some(fix) = &one.fix {
                page.fix(4, fix, None);
            }
        }
    }
    page.text
}

fn head(page: &mut Page, report: &Report) {
    let instance = &report.instance;
    let title = format!(
        "PostgreSQL {} at {}:{}",
        catalog::one_line(&instance.version),
        catalog::one_line(&instance.host),
        instance.port
    );
    let title = page.painted(&title, "1");
    let _ = writeln!(page.text, "{title}");
    let mut facts = vec![format!("{}, read as {}", instance.role, catalog::one_line(&instance.read_as))];
    facts.extend(instance.started_at.map(|at| format!("started {}", moment(at))));
    facts.push(match report.readings.seconds {
        Some(length) => format!("read twice, {} apart, until {}", seconds(length), moment(report.readings.last_at)),
        None => format!("read once, at {}", moment(report.readings.last_at)),
    });
    facts.push(format!("{}: {}", instance.version, instance.version_note));
    for fact in facts {
        page.wrapped("  ", 2, &fact);
    }
    for note in &report.readings.notes {
        let mark = page.painted("! ", "33");
        page.wrapped(&mark, 2, &catalog::one_line(note));
    }
    let summary = &report.summary;
    let counts = format!(
        "{} critical, {}, {}; {} found nothing, {} could not be judged",
        summary.critical,
        number(summary.warning, "warning"),
        number(summary.notice, "notice"),
        number(summary.fine, "rule"),
        summary.not_judged
    );
    page.text.push('\n');
    page.wrapped("  ", 2, &counts);
}

fn tell(page: &mut Page, finding: &Finding) {
    let mark = page.painted(&format!("{:<9}", finding.severity.word().to_uppercase()), colour_of(finding.severity));
    page.wrapped(&format!("  {mark}"), 11, &format!("{} [{}]", catalog::one_line(&finding.message), finding.id));
    for evidence in &finding.evidence {
        let line = evidence_line(evidence);
        page.wrapped("    ", 6, &line);
        if let Some(fix) = &evidence.fix {
            page.fix(6, fix, evidence.database.as_deref());
        }
    }
    if finding.more > 0 {
        page.wrapped("    ", 4, &format!("and {} more", finding.more));
    }
    for fix in &finding.fix {
        page.fix(4, fix, None);
    }
    let why = format!("threshold: {} ({})", finding.threshold, finding.source);
    let start = page.text.len();
    page.wrapped("    ", 4, &why);
    if page.colour {
        let dim = page.text.split_off(start);
        for line in dim.lines() {
            let _ = writeln!(page.text, "\u{1b}[2m{line}\u{1b}[0m");
        }
    }
    page.text.push('\n');
}

/// An object and its figures in a line.
pub(super) fn evidence_line(evidence: &Evidence) -> String {
    let figures: Vec<String> = evidence
        .figures
        .iter()
        .map(|figure| format!("{} {}", figure.name, one_line(&figure.value.words(), 200)))
        .collect();
    let figures = figures.join(", ");
    match (evidence.of.as_str(), figures.as_str()) {
        ("", _) => figures,
        (of, "") => catalog::one_line(of).into_owned(),
        (of, _) => format!("{}: {figures}", catalog::one_line(of)),
    }
}

fn activity(page: &mut Page, report: &Report) {
    if report.activity.is_empty() {
        return;
    }
    page.heading("Between the readings");
    let width = report.activity.iter().map(|figure| figure.name.chars().count()).max().unwrap_or(0);
    for figure in &report.activity {
        let _ = writeln!(page.text, "  {:<width$}  {:>14}", figure.name, figure.value.words());
    }
}

fn statements(page: &mut Page, report: &Report) {
    let statements = &report.statements;
    if let Some(reason) = &statements.reason {
        page.heading("Statements");
        page.wrapped("  ", 2, &catalog::one_line(reason));
        return;
    }
    if !statements.interval.is_empty() {
        page.heading("The costliest statements between the readings");
        table(page, &statements.interval);
    }
    if let Some(note) = monitoring(statements) {
        page.text.push('\n');
        page.wrapped("  ", 2, &note);
    }
    if !statements.since_reset.is_empty() {
        let since = statements.reset_at.map_or_else(|| "an unknown time".to_owned(), moment);
        page.heading(&format!("The costliest statements since the reset of their statistics ({since})"));
        table(page, &statements.since_reset);
    }
}

fn table(page: &mut Page, statements: &[Statement]) {
    let _ = writeln!(
        page.text,
        "  {:>6} {:>10} {:>12} {:>9}  {:<}",
        "share", "calls", "mean", "read", "database, role, statement"
    );
    for one in statements {
        let mean = seconds(one.mean_ms / 1000.0);
        // 8 kB each, unless compiled otherwise.
        let read = bytes(one.blocks_read as f64 * 8192.0);
        let figures = format!("  {:>6} {:>10} {mean:>12} {read:>9}  ", percent(one.share), one.calls);
        let room = page.width.saturating_sub(figures.chars().count()).max(30);
        let text = one.text.as_deref().map_or_else(|| format!("queryid {}", one.queryid), |text| one_line(text, 400));
        let line = format!("{}, {}: {text}", catalog::one_line(&one.database), catalog::one_line(&one.role));
        let _ = writeln!(page.text, "{figures}{}", one_line(&line, room - 1));
    }
}
