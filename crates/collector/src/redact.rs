//! Takes secrets out of text before anything reaches the spool.
//!
//! `pg_stat_statements` and `pg_stat_activity` keep `create role … password 'secret'` verbatim.
//!
//! ```text
//! text ─ words ─► does it speak of secrets? ─┐
//!   └─── lexer ─► can it be read at all? ────┴─► no, yes: unchanged, nothing is copied
//!                                            └─► else: every literal and comment becomes '***'
//! ```
//! - A statement that speaks of secrets anywhere, even inside a literal or comment, loses all its
//!   literals (strings, and numbers of more than [`SHORT_NUMBER`] digits) and all its comments.
//!   Nothing tries to find out which of them is the secret.
//! - What cannot be read for sure loses all its literals, and everything from the point of doubt on.
//! - A statement that sets a setting whose name speaks of secrets is one that does, also where it stands in the body
//!   of a function or in a comment: one list for both.
//! - In `set name = value` of such a statement the value goes even when it is a bare word.
//! - Other statements stay as they are: `pg_stat_statements` has replaced the constants of ordinary
//!   ones already, and what is left is what people need to recognise a statement.
//!
//! A secret whose statement has no word for it, `select login('hunter2')`, cannot be known.

mod conninfo;
mod settings;
mod words;

use std::borrow::Cow;

use catalog::lexer::{Kind, Lexer};
use words::Speech;

/// What stands where a literal stood.
pub const LITERAL: &str = "'***'";

/// What stands where a comment stood.
pub const COMMENT: &str = "/***/";

/// Numbers with at most so many digits stay: `limit 10`, `varchar(255)`.
pub const SHORT_NUMBER: usize = 3;

/// What stands where a part of a setting or connection string stood.
pub const VALUE: &str = "***";

/// Settings and connection strings longer than this are replaced as a whole.
pub const MAX_TEXT: usize = 16 * 1024;

/// Settings whose names speak of secrets but whose values are none.
const HARMLESS_SETTINGS: [&str; 4] =
    ["md5_password_warnings", "password_encryption", "scram_iterations", "ssl_passphrase_command_supports_reload"];

/// A text without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The text, borrowed when nothing was taken out.
    pub text: Cow<'a, str>,
    /// Whether anything was.
    pub changed: bool,
}

/// A statement's text, or that of several, without secrets.
pub fn statement(text: &str) -> Redacted<'_> {
    if !needs_redaction(text) {
        return Redacted { text: Cow::Borrowed(text), changed: false };
    }
    let redacted = rewrite(text);
    if redacted == text {
        return Redacted { text: Cow::Borrowed(text), changed: false };
    }
    Redacted { text: Cow::Owned(redacted), changed: true }
}

/// The beginning of a statement whose end is not known: without any literal and comment, whatever it speaks of.
#[must_use]
pub fn part(text: &str) -> String {
    rewrite(text)
}

/// A server setting's value without secrets: by its name, else as any text.
pub fn setting<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if value.is_empty() || HARMLESS_SETTINGS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless)) {
        return Cow::Borrowed(value);
    }
    // A conninfo is worth reading without its password.
    let is_conninfo = name.to_ascii_lowercase().ends_with("conninfo");
    if words::names_a_secret(name) && !is_conninfo {
        return Cow::Borrowed(VALUE);
    }
    text(value)
}

/// Any text without the secrets of connection strings, addresses and commands in it.
pub fn text(value: &str) -> Cow<'_, str> {
    if value.len() > MAX_TEXT {
        return Cow::Borrowed(VALUE);
    }
    conninfo::redact(value)
}

/// Whether a text speaks of secrets or cannot be read for sure.
fn needs_redaction(text: &str) -> bool {
    let speech = words::speech(text);
    if speech == Speech::Secrets || text.contains(char::REPLACEMENT_CHARACTER) {
        return true;
    }
    let mut lexer = Lexer::new(text);
    for token in lexer.by_ref() {
        match token.kind {
            Kind::Failure => return true,
            Kind::String if speech == Speech::Keys && words::looks_random(&text[token.start..token.end]) => {
                return true;
            }
            _ => {}
        }
    }
    lexer.is_obscure() || settings::names_a_secret(text)
}

/// How far a statement has come towards the value of a setting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Assignment {
    /// Nothing but blanks and comments yet.
    Start,
    /// A statement that may set a setting.
    Possible,
    /// Its `set` was seen.
    Set,
    /// The value comes now.
    Value,
    /// The value was replaced; what follows is part of it.
    Replaced,
    /// No statement that sets anything.
    Never,
}

/// The text without its literals and comments.
fn rewrite(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut assignment = Assignment::Start;
    let mut after_password = false;
    for token in Lexer::new(text) {
        let body = &text[token.start..token.end];
        if token.kind == Kind::Failure {
            push_literal(&mut out);
            break;
        }
        if token.kind == Kind::Space {
            if assignment != Assignment::Replaced {
                out.push_str(body);
            }
            continue;
        }
        if body == ";" {
            assignment = Assignment::Start;
        }
        match assignment {
            Assignment::Replaced => continue,
            Assignment::Value => {
                push_literal(&mut out);
                assignment = Assignment::Replaced;
                continue;
            }
            _ => {}
        }
        match token.kind {
            Kind::Comment => {
                // By it monitoring's own statements are known.
                out.push_str(if body == catalog::SIGNATURE { body } else { COMMENT });
                continue;
            }
            Kind::String => push_literal(&mut out),
            Kind::Number if digits(body) > SHORT_NUMBER => push_literal(&mut out),
            // Not PostgreSQL's syntax, but people's.
            Kind::Quoted if after_password => push_literal(&mut out),
            _ => out.push_str(body),
        }
        assignment = advance(assignment, token.kind, body);
        after_password = token.kind == Kind::Word && words::ends_with(body, "password");
    }
    out
}

fn advance(assignment: Assignment, kind: Kind, body: &str) -> Assignment {
    let word = |wanted: &str| kind == Kind::Word && body.eq_ignore_ascii_case(wanted);
    match assignment {
        Assignment::Start if body == ";" => Assignment::Start,
        Assignment::Start if word("set") => Assignment::Set,
        Assignment::Start if word("alter") || word("create") => Assignment::Possible,
        Assignment::Start => Assignment::Never,
        Assignment::Possible if word("set") => Assignment::Set,
        Assignment::Set if word("to") || body == "=" => Assignment::Value,
        other => other,
    }
}

fn digits(number: &str) -> usize {
    number.bytes().filter(u8::is_ascii_alphanumeric).count()
}

/// Appends the mark of a literal, so that the result reads back as exactly that.
fn push_literal(out: &mut String) {
    // Two marks side by side would be one literal with a quote in it.
    if out.ends_with('\'') {
        return;
    }
    // `e'…'` and `u&'…'` would be literals of another kind.
    if out.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '&') || !c.is_ascii()) {
        out.push(' ');
    }
    out.push_str(LITERAL);
}

#[cfg(test)]
mod tests;
