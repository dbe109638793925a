//! Names and texts as they stand in a statement: whatever they contain, the statement means them, and can be read.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Words that are no names unless they are quoted (the reserved ones of PostgreSQL's `kwlist.h`, those of functions and
/// types too).
const RESERVED: [&str; 101] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// A name.
#[must_use]
pub fn identifier(name: &str) -> String {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(letter) && bytes.all(|byte| letter(byte) || byte.is_ascii_digit());
    if plain && !RESERVED.contains(&name) {
        name.to_owned()
    } else if name.chars().any(is_invisible) {
        let mut quoted = "U&\"".to_owned();
        for letter in name.chars() {
            match letter {
                '"' => quoted.push_str("\"\""),
                '\\' => quoted.push_str("\\\\"),
                letter if is_invisible(letter) => drop(write!(quoted, "\\+{:06X}", u32::from(letter))),
                letter => quoted.push(letter),
            }
        }
        quoted + "\""
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A text.
#[must_use]
pub fn literal(text: &str) -> String {
    if !text.chars().any(|letter| letter == '\\' || is_invisible(letter)) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = "E'".to_owned();
    for letter in text.chars() {
        match letter {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            letter if is_invisible(letter) => drop(write!(quoted, "\\U{:08X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted + "'"
}

/// Whether a letter would not be seen, or would change how what is around it is seen: it begins a line, drives a
/// terminal, or turns the direction of writing. Those that Unicode counts among the formatting, besides signs that are seen
/// although it does; separators of lines; and letters that fill a place with nothing.
#[must_use]
pub fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'..='\u{e007f}')
}

/// A text in one line, in which nothing is hidden: what begins a line or drives a terminal is shown as its code.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            letter if is_invisible(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must() {
        assert_eq!(identifier("orders_2"), "orders_2");
        assert_eq!(
            ["user", "Shop", "1a", "", "a\"b", "é"].map(identifier),
            ["\"user\"", "\"Shop\"", "\"1a\"", "\"\"", "\"a\"\"b\"", "\"é\""]
        );
        assert_eq!(identifier("a\nb\\\u{1b}\""), "U&\"a\\+00000Ab\\\\\\+00001B\"\"\"");
    }

    #[test]
    fn texts_are_quoted() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b'\n"), "E'a\\\\b''\\U0000000A'");
    }

    #[test]
    fn a_text_in_one_line_hides_nothing() {
        assert_eq!(one_line("plain é"), "plain é");
        assert_eq!(one_line("a\r\n\tb\u{1b}[31m\u{202e}"), "a\\r\\n\\tb\\u{1b}[31m\\u{202e}");
    }

    #[test]
    fn words_are_in_order() {
        assert!(RESERVED.is_sorted());
    }
}
