//! What a rule is, and what it finds.

use serde::Serialize;

use crate::look::Look;

/// The most objects that a finding lists.
const MOST: usize = 20;

/// How grave something is, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data or service are in danger now.
    Critical,
    /// It will hurt, or does already.
    Warning,
    /// Worth knowing; nobody has to act.
    Notice,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// Something that is looked for.
#[derive(Debug)]
pub struct Rule {
    /// Its name, the same for ever.
    pub id: &'static str,
    /// What it looks for, as a heading.
    pub title: &'static str,
    /// From which figure on it finds something, and how grave that is.
    pub threshold: &'static str,
    /// Where the threshold comes from.
    pub source: &'static str,
    /// The sets without which nothing can be said.
    pub needs: &'static [&'static str],
    /// Those whose increments it needs: it takes two readings.
    pub over: &'static [&'static str],
    /// Looks.
    pub check: fn(&Look<'_>, &mut Judged),
}

/// A figure, in its unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "unit", content = "value", rename_all = "snake_case")]
pub enum Value {
    /// A number of things.
    Count(i64),
    /// Bytes.
    Bytes(i64),
    /// A length of time.
    Seconds(f64),
    /// A share of 1.
    Ratio(f64),
    /// So many in a second.
    PerSecond(f64),
    /// So many bytes in a second.
    BytesPerSecond(f64),
    /// A moment.
    Moment(jiff::Timestamp),
    /// Words.
    Text(String),
}

/// A figure with its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is of.
    pub name: String,
    /// How much.
    #[serde(flatten)]
    pub value: Value,
}

/// What a finding rests on: an object and its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// The object, as it stands in a statement where it is one of a database; empty for the instance.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The database that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What mends it: SQL, to be run in the database where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Evidence {
    /// Of the instance.
    #[must_use]
    pub fn here() -> Self {
        Self::default()
    }

    /// Of an object.
    #[must_use]
    pub fn of(what: impl Into<String>) -> Self {
        Self { of: what.into(), ..Self::default() }
    }

    /// In a database.
    #[must_use]
    pub fn within(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// With a figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.figures.push(Figure { name: name.to_owned(), value });
        self
    }

    /// With a figure where it is known.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With what mends it.
    #[must_use]
    pub fn fix(mut self, sql: impl Into<String>) -> Self {
        self.fix = Some(sql.into());
        self
    }
}

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The rule's.
    pub id: &'static str,
    /// How grave.
    pub severity: Severity,
    /// As a sentence.
    pub message: String,
    /// What it rests on, the worst first.
    pub evidence: Vec<Evidence>,
    /// How many more objects there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What mends all of it: SQL or a setting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
    /// The rule's threshold.
    pub threshold: &'static str,
    /// Where that comes from.
    pub source: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// What a rule said.
#[derive(Debug, Default)]
pub struct Judged {
    /// What it found: severity, sentence, evidence, fix.
    pub(crate) found: Vec<(Severity, String, Vec<Evidence>, Vec<String>)>,
    /// What it could not say, and why.
    pub(crate) unknown: Vec<String>,
}

impl Judged {
    /// Something of one object, or of the instance.
    pub fn found(&mut self, severity: Severity, message: impl Into<String>, evidence: Evidence) {
        self.found.push((severity, message.into(), vec![evidence], Vec::new()));
    }

    /// Something of several objects, the worst first; nothing where there are none.
    pub fn found_all(&mut self, severity: Severity, message: impl FnOnce(usize) -> String, evidence: Vec<Evidence>) {
        if !evidence.is_empty() {
            self.found.push((severity, message(evidence.len()), evidence, Vec::new()));
        }
    }

    /// What mends all of what was found last.
    pub fn mend(&mut self, sql: impl Into<String>) {
        if let Some((.., fix)) = self.found.last_mut() {
            fix.push(sql.into());
        }
    }

    /// What cannot be said.
    pub fn unknown(&mut self, why: impl Into<String>) {
        self.unknown.push(why.into());
    }
}

/// What became of a rule.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) findings: Vec<Finding>,
    pub(crate) unknown: Vec<String>,
    /// It is about something that an instance of this role does not have.
    pub(crate) is_beside: bool,
}

/// Applies a rule.
pub(crate) fn apply(rule: &'static Rule, look: &Look<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    for set in rule.needs {
        if !look.was_read(set) {
            let (why, is_meant) = look.why_not(set);
            if is_meant {
                return Outcome { is_beside: true, ..Outcome::default() };
            }
            outcome.unknown.push(why);
        }
    }
    for set in rule.over {
        if outcome.unknown.is_empty() && !look.has_moved(set) {
            outcome.unknown.push(format!("Not enough data: it takes two readings of {set}."));
        }
    }
    if !outcome.unknown.is_empty() {
        return outcome;
    }
    let mut judged = Judged::default();
    (rule.check)(look, &mut judged);
    outcome.unknown = judged.unknown;
    outcome.findings = judged
        .found
        .into_iter()
        .map(|(severity, message, mut evidence, fix)| {
            let more = evidence.len().saturating_sub(MOST);
            evidence.truncate(MOST);
            let Rule { id, threshold, source, .. } = rule;
            Finding { id, severity, message, evidence, more, fix, threshold, source }
        })
        .collect();
    outcome
}
