//! PostgreSQL's lexical rules, as far as they decide where literals and comments begin and end.
//! Total: every text becomes tokens without a gap, and one that cannot be read for sure ends with
//! a [`Kind::Failure`] up to its end.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Blanks and ends of lines.
    Space,
    /// `-- …` or `/* … */`, nested.
    Comment,
    /// `'…'` with or without one of its prefixes, or `$tag$…$tag$`.
    String,
    /// `"…"`.
    Quoted,
    /// A keyword or name.
    Word,
    /// A number.
    Number,
    /// `$1`.
    Parameter,
    /// One character of anything else.
    Sign,
    /// The rest, which cannot be read for sure.
    Failure,
}

/// A token and its place.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

/// How the quotes inside a literal are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapes {
    /// Doubled only. A backslash before a quote is doubt: with `standard_conforming_strings` off it
    /// hides the quote.
    Doubled,
    /// By backslashes, too (`e'…'`).
    Backslash,
}

/// Iterates over the tokens of a text.
#[derive(Debug)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The kind of the literal that a `'` after nothing but blanks with an end of line would go on with.
    continues: Option<Escapes>,
    newline_since: bool,
    obscure: bool,
}

impl<'a> Lexer<'a> {
    /// From the beginning of a text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, continues: None, newline_since: false, obscure: false }
    }

    /// Whether so far something was written so that its words cannot be seen in the text:
    /// characters by number, or one literal in several pieces.
    #[must_use]
    pub fn is_obscure(&self) -> bool {
        self.obscure
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn token(&mut self, first: u8) -> Kind {
        match first {
            _ if is_space(first) => {
                let start = self.at;
                self.skip_while(is_space);
                self.newline_since |= self.bytes[start..self.at].iter().any(|byte| is_newline(*byte));
                Kind::Space
            }
            b'-' if self.peek(1) == Some(b'-') => {
                self.skip_while(|byte| !is_newline(byte));
                Kind::Comment
            }
            b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
            b'\'' => {
                let escapes = match self.continues.filter(|_| self.newline_since) {
                    Some(escapes) => {
                        self.obscure = true;
                        escapes
                    }
                    None => Escapes::Doubled,
                };
                self.quote(escapes)
            }
            b'"' => self.quoted_name(),
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            _ if is_letter(first) => self.word(),
            // A zero byte or another control character: nothing that PostgreSQL would have read.
            _ if first.is_ascii_control() => Kind::Failure,
            _ => {
                self.at += 1;
                Kind::Sign
            }
        }
    }

    fn block_comment(&mut self) -> Kind {
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Kind::Failure,
            }
        }
        Kind::Comment
    }

    /// A literal whose opening quote is next.
    fn quote(&mut self, escapes: Escapes) -> Kind {
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Kind::Failure,
                (Some(b'\\'), Some(b'\'')) if escapes == Escapes::Doubled => return Kind::Failure,
                (Some(b'\\'), next) if escapes == Escapes::Backslash => {
                    self.obscure |= matches!(next, Some(b'x' | b'u' | b'U' | b'0'..=b'7'));
                    self.at += 2;
                }
                (Some(b'\''), Some(b'\'')) => self.at += 2,
                (Some(b'\''), _) => {
                    self.at += 1;
                    self.continues = Some(escapes);
                    self.newline_since = false;
                    return Kind::String;
                }
                (Some(_), _) => self.at += 1,
            }
        }
    }

    fn quoted_name(&mut self) -> Kind {
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Kind::Failure,
                (Some(b'"'), Some(b'"')) => self.at += 2,
                (Some(b'"'), _) => {
                    self.at += 1;
                    return Kind::Quoted;
                }
                (Some(_), _) => self.at += 1,
            }
        }
    }

    fn dollar(&mut self) -> Kind {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip_while(|byte| byte.is_ascii_digit());
            return Kind::Parameter;
        }
        if self.peek(0).is_some_and(is_letter) {
            self.skip_while(|byte| is_letter(byte) || byte.is_ascii_digit());
        }
        if self.peek(0) != Some(b'$') {
            self.at = start + 1;
            return Kind::Sign;
        }
        self.at += 1;
        let tag = &self.bytes[start..self.at];
        while self.at < self.bytes.len() {
            if self.bytes[self.at] == b'$' && self.bytes[self.at..].starts_with(tag) {
                self.at += tag.len();
                return Kind::String;
            }
            self.at += 1;
        }
        Kind::Failure
    }

    fn number(&mut self) -> Kind {
        if self.peek(0) == Some(b'0') && matches!(self.peek(1), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B')) {
            self.at += 2;
            self.skip_while(|byte| byte.is_ascii_hexdigit() || byte == b'_');
            return Kind::Number;
        }
        self.skip_while(|byte| byte.is_ascii_digit() || byte == b'_' || byte == b'.');
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self.peek(1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1 + sign;
                self.skip_while(|byte| byte.is_ascii_digit() || byte == b'_');
            }
        }
        Kind::Number
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        self.skip_while(|byte| is_letter(byte) || byte.is_ascii_digit() || byte == b'$');
        let &[only] = &self.bytes[start..self.at] else { return Kind::Word };
        match (only.to_ascii_lowercase(), self.peek(0), self.peek(1)) {
            (b'e', Some(b'\''), _) => self.quote(Escapes::Backslash),
            (b'n' | b'b' | b'x', Some(b'\''), _) => self.quote(Escapes::Doubled),
            (b'u', Some(b'&'), Some(b'\'')) => {
                self.obscure = true;
                self.at += 1;
                self.quote(Escapes::Doubled)
            }
            (b'u', Some(b'&'), Some(b'"')) => {
                self.obscure = true;
                self.at += 1;
                self.quoted_name()
            }
            _ => Kind::Word,
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let first = self.peek(0)?;
        let kind = self.token(first);
        match kind {
            // An escape at the very end may have gone beyond it.
            Kind::Failure => self.at = self.bytes.len(),
            Kind::Space | Kind::Comment | Kind::String => {}
            _ => self.continues = None,
        }
        Some(Token { kind, start, end: self.at })
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Letters, as PostgreSQL has it: every byte beyond ASCII is one.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}
