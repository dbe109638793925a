//! Secrets in connection strings, addresses and commands, wherever they stand in a text: what
//! follows a word for a secret and `=` or `:`, what follows an option that asks for one, and the
//! password of an address. The rest stays readable.

use std::borrow::Cow;

use super::VALUE;
use super::words::{self, Speech};

/// Options of commands whose next word is a user and password.
const CREDENTIAL_OPTIONS: [&str; 3] = ["-u", "--user", "--proxy-user"];

/// Words whose value goes to the end of the line: `Authorization: Bearer …`.
const WHOLE_LINE: [&str; 2] = ["authorization", "bearer"];

/// The text with each secret replaced by [`VALUE`].
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = next_secret(text, at) {
        at = end;
        if &text[start..end] != VALUE {
            spans.push((start, end));
        }
    }
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (start, end) in spans {
        out.push_str(&text[copied..start]);
        out.push_str(VALUE);
        copied = end;
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The next secret at or after `from`. Never empty, so that the search goes on.
fn next_secret(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        if !is_name(bytes[at]) {
            let found = if bytes[at..].starts_with(b"://") { address(text, at + 3) } else { None };
            if found.is_some() {
                return found;
            }
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_name(bytes[at]) {
            at += 1;
        }
        let found = named(text, &text[start..at], at);
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The value that follows a name which ends at `end`, if it is a secret.
fn named(text: &str, name: &str, end: usize) -> Option<(usize, usize)> {
    if CREDENTIAL_OPTIONS.contains(&name) {
        return word(text, skip_blanks(text, end));
    }
    // `curl -uname:password`.
    if name.starts_with("-u") && text[end..].starts_with(':') {
        return word(text, end + 1);
    }
    let speech = words::speech(name);
    if speech == Speech::Plain {
        return verifier(text, name, end);
    }
    let whole_line = WHOLE_LINE.iter().any(|whole| words::ends_with(name, whole));
    let value = match separated(text, end) {
        Some(value) => value,
        None if whole_line || name.starts_with('-') => skip_blanks(text, end),
        None => return verifier(text, name, end),
    };
    if whole_line {
        let stop = text[value..].find(['\n', '\r']).map_or(text.len(), |length| value + length);
        return (stop > value).then_some((value, stop));
    }
    let found = word(text, value)?;
    if speech == Speech::Keys && !words::looks_random(&text[found.0..found.1]) {
        return None;
    }
    Some(found)
}

/// Where the value begins that a sign separates from a name, or from a quoted name as in
/// `"password": "x"` and `'password', 'x'`.
fn separated(text: &str, end: usize) -> Option<usize> {
    let mut after = skip_blanks(text, end);
    let quoted = text[after..].starts_with(['"', '\'']);
    if quoted {
        after = skip_blanks(text, after + 1);
    }
    let rest = &text[after..];
    if rest.starts_with("://") {
        return None;
    }
    let separator = ["=>", ":=", "=", ":"].into_iter().find(|separator| rest.starts_with(separator));
    let separator = separator.or_else(|| (quoted && rest.starts_with(',')).then_some(","))?;
    Some(skip_blanks(text, after + separator.len()))
}

/// A stored password that stands by itself: `SCRAM-SHA-256$…`, `md5…`, a token with its prefix.
fn verifier(text: &str, name: &str, end: usize) -> Option<(usize, usize)> {
    let start = end - name.len();
    let scram = name.eq_ignore_ascii_case("scram-sha-256") && text[end..].starts_with('$');
    let itself = words::is_secret_itself(name);
    (scram || itself).then(|| word(text, start)).flatten()
}

/// The value that begins at `start`: quoted up to its quote, and up to a blank. One that is not
/// ended goes to the end of the text.
fn word(text: &str, start: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut quote = bytes.get(start).copied().filter(|byte| matches!(byte, b'\'' | b'"'));
    let mut at = start + usize::from(quote.is_some());
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            byte if Some(byte) == quote => {
                // Doubled, it is part of the value.
                if bytes.get(at + 1) == quote.as_ref() { at += 1 } else { quote = None }
            }
            byte if quote.is_none() && byte.is_ascii_whitespace() => break,
            _ => {}
        }
        at += 1;
    }
    let mut end = at.min(bytes.len());
    // A backslash may have skipped into the middle of a character.
    while !text.is_char_boundary(end) {
        end += 1;
    }
    (end > start).then_some((start, end))
}

/// The password of an address whose user begins at `start`. Without a colon the whole of it goes,
/// unless it is PostgreSQL's, where it is a role.
fn address(text: &str, start: usize) -> Option<(usize, usize)> {
    let before = &text[..start - 3];
    let postgres = before.ends_with("postgresql") || before.ends_with("postgres");
    // libpq takes a blank in a password.
    let stop = |c: char| if postgres { c == '\n' } else { c.is_ascii_whitespace() };
    let length = text[start..].find(stop).unwrap_or(text.len() - start);
    let user_info = &text[start..start + text[start..start + length].rfind('@')?];
    let end = start + user_info.len();
    if let Some(colon) = user_info.find(':') {
        let password = start + colon + 1;
        return (password < end).then_some((password, end));
    }
    (!postgres && !user_info.is_empty()).then_some((start, end))
}

fn skip_blanks(text: &str, from: usize) -> usize {
    from + text[from..].bytes().take_while(u8::is_ascii_whitespace).count()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}
