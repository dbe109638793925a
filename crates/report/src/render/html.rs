//! A page in one file, without scripts.

use std::fmt::Write as _;

use judgement::span::moment;

use super::{monitoring, one_line, parts, told, unread};
use crate::finding::Finding;
use crate::report::{NotReadable, Report, Statement};
use crate::words::{number, percent, seconds};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--dim:#777}body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;\
padding:0 1rem}h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}article{border:1px solid var(--line);border-left:5px \
solid;border-radius:4px;padding:.2rem 1rem;margin:1rem 0}.critical{border-left-color:#c22}.warning{border-left-color:#c80}\
.notice{border-left-color:#38a}h3{font-size:1rem;margin:.6rem 0}h3 b{text-transform:uppercase;font-size:.8rem;margin-right:.5rem}\
code,pre{font-family:ui-monospace,monospace;font-size:.85rem}pre{white-space:pre-wrap;word-break:break-word;background:#8881;\
padding:.4rem .6rem;border-radius:4px;margin:.3rem 0}small{color:var(--dim)}table{border-collapse:collapse;width:100%}\
td,th{border-bottom:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top;word-break:break-word}\
.n{text-align:right;white-space:nowrap}";

/// A text as text.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in catalog::one_line(text).chars() {
        match letter {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '"' => plain.push_str("&quot;"),
            '\'' => plain.push_str("&#39;"),
            letter => plain.push(letter),
        }
    }
    plain
}

pub(super) fn render(report: &Report) -> String {
    let instance = &report.instance;
    let title = format!("PostgreSQL {} at {}:{}", instance.version, instance.host, instance.port);
    let title = plain(&title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    head(&mut page, report);
    page.push_str("<h2>Findings</h2>\n");
    if report.findings.is_empty() {
        page.push_str("<p>None.</p>\n");
    }
    for finding in &report.findings {
        tell(&mut page, finding);
    }
    if !report.activity.is_empty() {
        page.push_str("<h2>Between the readings</h2>\n<table>\n");
        for figure in &report.activity {
            let (name, value) = (plain(&figure.name), plain(&figure.value.words()));
            let _ = writeln!(page, "<tr><td>{name}</td><td class=\"n\">{value}</td></tr>");
        }
        page.push_str("</table>\n");
    }
    let statements = &report.statements;
    if let Some(reason) = &statements.reason {
        let _ = writeln!(page, "<h2>Statements</h2>\n<p>{}</p>", plain(reason));
    }
    if !statements.interval.is_empty() {
        page.push_str("<h2>The costliest statements between the readings</h2>\n");
        table(&mut page, &statements.interval);
    }
    if let Some(note) = monitoring(statements) {
        let _ = writeln!(page, "<p>{}</p>", plain(&note));
    }
    if !statements.since_reset.is_empty() {
        let since = statements.reset_at.map_or_else(|| "an unknown time".to_owned(), moment);
        let _ = writeln!(page, "<h2>The costliest statements since the reset of their statistics ({since})</h2>");
        table(&mut page, &statements.since_reset);
    }
    let unread = unread(report);
    let unread = unread.iter().map(|one| (one.name.as_str(), one.reason.as_deref().unwrap_or_default()));
    list(&mut page, "Databases that were not read", unread);
    list(&mut page, "Not judged", report.not_judged.iter().map(|one| (one.id, one.reason.as_str())));
    readable(&mut page, "Not readable", &report.not_readable);
    readable(&mut page, "Could be read besides, at a price", &report.hints);
    page.push_str("</body>\n</html>\n");
    page
}

fn head(page: &mut String, report: &Report) {
    let (instance, readings, summary) = (&report.instance, &report.readings, &report.summary);
    let mut facts = vec![format!("{}, read as {}", instance.role, instance.read_as)];
    facts.extend(instance.started_at.map(|at| format!("started {}", moment(at))));
    facts.push(match readings.seconds {
        Some(length) => format!("read twice, {} apart, until {}", seconds(length), moment(readings.last_at)),
        None => format!("read once, at {}", moment(readings.last_at)),
    });
    facts.push(format!("{}: {}", instance.version, instance.version_note));
    facts.extend(readings.notes.iter().cloned());
    facts.push(format!(
        "{} critical, {}, {}; {} found nothing, {} could not be judged",
        summary.critical,
        number(summary.warning, "warning"),
        number(summary.notice, "notice"),
        number(summary.fine, "rule"),
        summary.not_judged
    ));
    page.push_str("<ul>\n");
    for fact in facts {
        let _ = writeln!(page, "<li>{}</li>", plain(&fact));
    }
    page.push_str("</ul>\n");
}

fn tell(page: &mut String, finding: &Finding) {
    let severity = finding.severity.word();
    let message = plain(&finding.message);
    let _ = write!(page, "<article class=\"{severity}\">\n<h3><b>{severity}</b>{message}</h3>\n<ul>\n");
    for evidence in &finding.evidence {
        let figures: Vec<String> = evidence
            .figures
            .iter()
            .map(|figure| format!("{} {}", plain(&figure.name), plain(&one_line(&figure.value.words(), 200))))
            .collect();
        let of = if evidence.of.is_empty() { String::new() } else { format!("<code>{}</code> ", plain(&evidence.of)) };
        let _ = write!(page, "<li>{of}{}", figures.join(", "));
        if let Some(fix) = &evidence.fix {
            let within = evidence.database.as_ref().map(|name| format!("<small>in {}</small> ", plain(name)));
            let _ = write!(page, "<pre>{}{}</pre>", within.unwrap_or_default(), plain(fix));
        }
        page.push_str("</li>\n");
    }
    if finding.more > 0 {
        let _ = writeln!(page, "<li>and {} more</li>", finding.more);
    }
    page.push_str("</ul>\n");
    for fix in &finding.fix {
        let _ = writeln!(page, "<pre>{}</pre>", plain(fix));
    }
    let (threshold, source) = (plain(finding.threshold), plain(finding.source));
    let _ = writeln!(page, "<p><small>{}: {threshold} ({source}).</small></p>\n</article>", finding.id);
}

fn table(page: &mut String, statements: &[Statement]) {
    page.push_str(
        "<table>\n<tr><th class=\"n\">share</th><th class=\"n\">calls</th><th class=\"n\">mean</th>\
         <th class=\"n\">blocks read</th><th>database</th><th>role</th><th>statement</th></tr>\n",
    );
    for one in statements {
        let text = one.text.as_deref().map_or_else(|| format!("queryid {}", one.queryid), |text| one_line(text, 1000));
        let _ = writeln!(
            page,
            "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            percent(one.share),
            one.calls,
            seconds(one.mean_ms / 1000.0),
            one.blocks_read,
            plain(&one.database),
            plain(&one.role),
            plain(&text)
        );
    }
    page.push_str("</table>\n");
}

fn list<'a>(page: &mut String, heading: &str, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    let entries: Vec<_> = entries.collect();
    if entries.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>{heading}</h2>\n<ul>\n");
    for (name, reason) in entries {
        let _ = writeln!(page, "<li><code>{}</code>: {}</li>", plain(name), plain(reason));
    }
    page.push_str("</ul>\n");
}

fn readable(page: &mut String, heading: &str, all: &[NotReadable]) {
    let all = told(all);
    if all.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>{heading}</h2>\n<ul>\n");
    for one in all {
        let fix = one.fix.as_ref().map(|fix| format!("<pre>{}</pre>", plain(fix))).unwrap_or_default();
        let _ = writeln!(page, "<li>{}{fix}</li>", plain(&format!("{} ({})", one.reason, parts(one))));
    }
    page.push_str("</ul>\n");
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_name_contains_is_no_mark() {
        assert_eq!(
            super::plain("<script>\"a\" & 'b'\n</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\\n&lt;/script&gt;"
        );
    }
}
