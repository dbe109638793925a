//! The names of settings that a statement sets: `set x.y = …`, `alter … set x.y to …`, `set_config('x.y', …)`.

use std::borrow::Cow;

use super::words;
use catalog::lexer::{Kind, Lexer};

/// The longest name that is looked at; PostgreSQL's are shorter.
const MAX_NAME: usize = 1024;

/// How many literals in literals are looked into; who writes more of them hides something.
const MAX_DEPTH: usize = 8;

/// Whether a text sets a setting that holds a secret, itself or in a literal or comment: bodies of functions and
/// statements for `execute` are literals.
pub(super) fn names_a_secret(text: &str) -> bool {
    names_a_secret_within(text, MAX_DEPTH)
}

fn names_a_secret_within(text: &str, depth: usize) -> bool {
    if !mentions_set(text) {
        return false;
    }
    let Some(depth) = depth.checked_sub(1) else { return true };
    let mut setting = Named::default();
    Lexer::new(text).any(|token| {
        let body = &text[token.start..token.end];
        let inside = matches!(token.kind, Kind::String | Kind::Comment | Kind::Failure);
        setting.is_secret_after(token.kind, body) || inside && names_a_secret_within(&opened(token.kind, body), depth)
    })
}

fn mentions_set(text: &str) -> bool {
    text.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"set"))
}

/// What stands in a literal or comment.
fn opened(kind: Kind, body: &str) -> Cow<'_, str> {
    if kind == Kind::String && !body.starts_with('$') {
        let inner = body.split_once('\'').map_or("", |(_, inner)| inner.strip_suffix('\'').unwrap_or(inner));
        return inner.replace("''", "'").replace("\\'", "'").into();
    }
    if let Some(after) = body.strip_prefix('$') {
        let tag = after.find('$').map_or(body.len(), |length| length + 2);
        return body[tag..].strip_suffix(&body[..tag]).unwrap_or(&body[tag..]).into();
    }
    // The signs that begin a comment, or whatever could not be read: one at least, so that there is an end.
    let mut letters = body.chars();
    letters.next();
    letters.as_str().trim_start_matches(['-', '*', '/']).into()
}

/// Finds them, token by token.
#[derive(Default)]
struct Named {
    place: Place,
    name: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Elsewhere,
    /// After `set`, where a name may stand.
    Set,
    /// After `set_config`, whose name is a literal.
    Call,
}

impl Named {
    /// Whether this token ends or is the name of a setting that holds a secret.
    fn is_secret_after(&mut self, kind: Kind, body: &str) -> bool {
        let word = |wanted: &str| kind == Kind::Word && body.eq_ignore_ascii_case(wanted);
        let place = if word("set") {
            Some(Place::Set)
        } else if word("set_config") || body == "\"set_config\"" {
            Some(Place::Call)
        } else {
            None
        };
        if let Some(place) = place {
            self.place = place;
            self.name.clear();
            return false;
        }
        match (self.place, kind) {
            (Place::Call, Kind::String) => words::names_a_secret(body),
            (Place::Set, Kind::Word) if body.eq_ignore_ascii_case("to") => self.end(),
            (Place::Set, Kind::Word | Kind::Quoted | Kind::Number) => {
                if self.name.len() < MAX_NAME {
                    self.name.push_str(body);
                }
                false
            }
            (Place::Set, Kind::Sign) if body == "=" => self.end(),
            (Place::Set, Kind::Sign) if matches!(body, "." | "-") => {
                self.name.push_str(body);
                false
            }
            // `set local x`, and blanks around a dot.
            (Place::Set, Kind::Space | Kind::Comment) => {
                if ["local", "session"].iter().any(|word| self.name.eq_ignore_ascii_case(word)) {
                    self.name.clear();
                }
                false
            }
            (_, Kind::Sign) if body == ";" => {
                self.place = Place::Elsewhere;
                false
            }
            _ => false,
        }
    }

    /// The name is complete. Another one may follow: `update … set a = 1, b.key = 2` has columns, whose values
    /// are theirs.
    fn end(&mut self) -> bool {
        self.place = Place::Elsewhere;
        words::names_a_secret(&self.name)
    }
}
