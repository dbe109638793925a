//! The names of settings that a statement sets: `set x.y = …`, `alter … set x.y to …`, `set_config('x.y', …)`.

use super::lexer::Kind;
use super::words;

/// The longest name that is looked at; PostgreSQL's are shorter.
const MAX_NAME: usize = 1024;

/// Finds them, token by token.
#[derive(Default)]
pub(super) struct Named {
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
    pub(super) fn is_secret_after(&mut self, kind: Kind, body: &str) -> bool {
        if kind == Kind::Word && ["set", "set_config"].iter().any(|word| body.eq_ignore_ascii_case(word)) {
            self.place = if body.len() == 3 { Place::Set } else { Place::Call };
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
