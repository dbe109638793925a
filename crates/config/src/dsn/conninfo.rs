//! The two ways to write a connection string, to keywords and values: libpq's URI and its
//! `keyword = value` pairs. Nothing is looked up here, and no value is ever put into an error,
//! because with a quote or an escape forgotten any part of the text may be a password.

use percent_encoding::percent_decode_str;

use super::DsnError;
use super::keywords::{KEYWORDS, Use, keyword};
use crate::nearest::hint;

/// The longest connection string that is read.
pub const MAX_CONNINFO: usize = 64 * 1024;

/// The longest word that an error repeats as an unknown keyword.
const MAX_KEYWORD: usize = 40;

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Hint for URIs that break at a password's special letters.
const ESCAPES: &str =
    "in a URI, \"@\", \"/\", \":\" and \"?\" inside a user name or password are written %40, %2F, %3A and %3F";

/// Keywords and values in the order of the text; where a keyword comes twice the last one counts.
pub(crate) type Pairs = Vec<(&'static str, String)>;

/// Reads either form.
pub(crate) fn parse(text: &str) -> Result<Pairs, DsnError> {
    if text.len() > MAX_CONNINFO {
        return Err(DsnError::new(format!("the connection string is longer than {MAX_CONNINFO} bytes")));
    }
    if text.contains('\0') {
        return Err(DsnError::new("the connection string contains a zero byte"));
    }
    match SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => uri(rest),
        None if text.trim_start().contains("://") && !text.contains('=') => {
            Err(DsnError::new("a connection URI begins with postgresql:// or postgres://"))
        }
        None => pairs(text),
    }
}

/// Adds one keyword after checking that it is known and not refused.
pub(crate) fn store(found: &mut Pairs, name: &str, value: String) -> Result<(), DsnError> {
    let Some(known) = keyword(name) else {
        let readable = name.len() <= MAX_KEYWORD
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !readable {
            return Err(DsnError::new(
                "a keyword of the connection string is not one that libpq knows (a value with spaces needs quotes)",
            ));
        }
        let near = hint(name, KEYWORDS.iter().map(|keyword| keyword.name));
        return Err(DsnError::new(format!("unknown keyword \"{name}\" in the connection string{near}")));
    };
    if let Use::Refused(reason) = known.usage {
        return Err(DsnError::new(format!("{name} is not accepted: {reason}")));
    }
    found.push((known.name, value));
    Ok(())
}

fn uri(rest: &str) -> Result<Pairs, DsnError> {
    let mut found = Pairs::new();
    let mut rest = rest;
    let authority_end = rest.find('/').unwrap_or(rest.len());
    if let Some(at) = rest[..authority_end].find('@') {
        let (user, password) = match rest[..at].split_once(':') {
            Some((user, password)) => (user, password),
            None => (&rest[..at], ""),
        };
        store_decoded(&mut found, "user", user)?;
        store_decoded(&mut found, "password", password)?;
        rest = &rest[at + 1..];
    }

    let netloc_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let netloc = &rest[..netloc_end];
    if netloc.contains('@') {
        return Err(DsnError::new(format!("the URI has more than one \"@\": {ESCAPES}")));
    }
    if netloc.contains(',') {
        return Err(multi_host());
    }
    let (host, port) = host_and_port(netloc)?;
    store_decoded(&mut found, "host", host)?;
    if !port.is_empty() {
        let port = decode(port)?;
        if port.parse::<u16>().is_err() || port == "0" {
            return Err(DsnError::new(format!("the port of the URI is not a number from 1 to 65535 ({ESCAPES})")));
        }
        found.push(("port", port));
    }
    rest = &rest[netloc_end..];

    if let Some(path) = rest.strip_prefix('/') {
        let end = path.find('?').unwrap_or(path.len());
        // libpq takes it for the database's name; nearly always it is the end of a password.
        if path[..end].contains('@') {
            return Err(DsnError::new(format!("the URI has an \"@\" after its \"/\": {ESCAPES}")));
        }
        store_decoded(&mut found, "dbname", &path[..end])?;
        rest = &path[end..];
    }
    if let Some(query) = rest.strip_prefix('?').filter(|query| !query.is_empty()) {
        for parameter in query.split('&') {
            uri_parameter(&mut found, parameter)?;
        }
    }
    Ok(found)
}

fn host_and_port(netloc: &str) -> Result<(&str, &str), DsnError> {
    if let Some(bracketed) = netloc.strip_prefix('[') {
        let Some((host, after)) = bracketed.split_once(']') else {
            return Err(DsnError::new("the URI lacks the \"]\" that ends an IPv6 address"));
        };
        if host.is_empty() {
            return Err(DsnError::new("the IPv6 address between \"[\" and \"]\" is empty"));
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if after.is_empty() => Ok((host, "")),
            None => Err(DsnError::new("after the \"]\" of an IPv6 address comes \":\" and a port, \"/\" or \"?\"")),
        };
    }
    Ok(netloc.split_once(':').unwrap_or((netloc, "")))
}

fn uri_parameter(found: &mut Pairs, parameter: &str) -> Result<(), DsnError> {
    let Some((name, value)) = parameter.split_once('=') else {
        return Err(DsnError::new("a parameter of the URI lacks its \"=\""));
    };
    if value.contains('=') {
        return Err(DsnError::new("a parameter of the URI has more than one \"=\" (inside a value it is written %3D)"));
    }
    let (name, value) = (decode(name)?, decode(value)?);
    // JDBC's way, which libpq accepts too.
    if name == "ssl" && value == "true" {
        return store(found, "sslmode", "require".to_owned());
    }
    store(found, &name, value)
}

fn store_decoded(found: &mut Pairs, name: &'static str, encoded: &str) -> Result<(), DsnError> {
    if !encoded.is_empty() {
        found.push((name, decode(encoded)?));
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, DsnError> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match digits {
            None => {
                return Err(DsnError::new("a \"%\" of the URI is not followed by two hex digits (itself it is %25)"));
            }
            Some(b"00") => return Err(DsnError::new("%00 is not allowed in a URI")),
            Some(_) => {}
        }
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(DsnError::new("the percent-encoded part of the URI is not UTF-8")),
    }
}

fn pairs(text: &str) -> Result<Pairs, DsnError> {
    let mut found = Pairs::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        let Some(after) = rest[end..].trim_start_matches(is_space).strip_prefix('=') else {
            return Err(DsnError::new(format!(
                "\"=\" is missing after the word at character {} (a value with spaces needs quotes: password='a b')",
                text[..text.len() - rest.len()].chars().count() + 1
            )));
        };
        let (value, after) = value(after.trim_start_matches(is_space))?;
        store(&mut found, name, value)?;
        rest = after.trim_start_matches(is_space);
    }
    Ok(found)
}

/// A value and what follows it. A backslash takes the next letter as it is, quoted or not.
fn value(text: &str) -> Result<(String, &str), DsnError> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut letters = body.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, &body[at + 1..])),
            _ if quoted.is_none() && is_space(letter) => return Ok((value, &body[at..])),
            _ => value.push(letter),
        }
    }
    match quoted {
        Some(_) => Err(DsnError::new("a quoted value of the connection string is not ended")),
        None => Ok((value, "")),
    }
}

/// Writes a value so that [`pairs`] reads it back.
pub(crate) fn quote(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains(|c: char| is_space(c) || c == '\'' || c == '\\');
    if plain { value.to_owned() } else { format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")) }
}

pub(crate) fn multi_host() -> DsnError {
    DsnError::new(
        "several hosts in one connection string are refused: the collector must know which instance it reads, \
         so give each one its own [[instances]]",
    )
}

/// C's `isspace` in the C locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}
