//! The words by which a text shows that it holds a secret.
//!
//! A text is cut into runs of ASCII letters and digits, whatever they are part of: keywords, names,
//! literals, comments. `user_password`, `userPassword` and `'password=x'` all have a run with
//! `password` in it. A word in several pieces counts however it is spelled: `accessKey`, `ACCESS_KEY`,
//! `access-key` and `access.key` are one.

/// A run that contains one of these speaks of secrets. Sorted; lower case, without what separates pieces.
pub(super) const SECRET_PARTS: [&str; 33] = [
    "accesskey",
    "accountkey",
    "apikey",
    "authkey",
    "authorization",
    "bearer",
    "connectionstring",
    "conninfo",
    "connstr",
    "contrase",
    "credential",
    "dblink",
    "decrypt",
    "encrypt",
    "hmac",
    "jwt",
    "kennwort",
    "licensekey",
    "masterkey",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwort",
    "privatekey",
    "pwd",
    "scram",
    "secret",
    "senha",
    "sharedkey",
    "signingkey",
    "sshkey",
    "token",
];

/// Parts shorter than this are words of one piece: `select p.wd` has no password.
const PIECED: usize = 5;
/// The most that separates two pieces of a word: `access__key`.
const MAX_SEPARATORS: usize = 2;

/// What else a setting that users made (`app.key`) is taken for a secret by, anywhere in its name.
const CUSTOM_PARTS: [&str; 3] = ["cred", "key", "pass"];
/// And as the last piece of it.
const CUSTOM_ENDS: [&str; 7] = ["auth", "hash", "otp", "pin", "pw", "salt", "signature"];

/// A run that is one of these speaks of secrets: too short or too common to be looked for in
/// longer ones. Options of servers and user mappings may have any name; so have a program's arguments.
pub(super) const SECRET_WORDS: [&str; 12] = [
    "connection",
    "crypt",
    "digest",
    "identified",
    "mapping",
    "options",
    "pass",
    "pgp",
    "program",
    "pw",
    "salt",
    "subscription",
];

/// A run that ends so speaks of keys: secrets only beside a literal that looks random, because
/// `primary key` and `where key = 'colour'` are everywhere.
const KEY_ENDS: [&str; 6] = ["key", "keys", "auth", "hash", "signature", "pin"];

/// The length from which letters and digits without a blank look random.
const RANDOM_LENGTH: usize = 16;

/// How secrets themselves begin, and how long such a run is: AWS key ids, JSON web tokens, GitHub,
/// GitLab, Slack.
const SECRET_PREFIXES: [(&str, usize, usize); 8] = [
    ("AKIA", 20, 20),
    ("ASIA", 20, 20),
    ("eyJ", 20, usize::MAX),
    ("ghp", 3, 3),
    ("gho", 3, 3),
    ("glpat", 5, 5),
    ("xoxb", 4, 4),
    ("xoxp", 4, 4),
];

/// An MD5 password as PostgreSQL stores it.
const MD5_LENGTH: usize = 35;

/// What a text speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Speech {
    /// Nothing of the kind.
    Plain,
    /// Keys, which may be secret ones.
    Keys,
    /// Secrets.
    Secrets,
}

/// Places of [`SECRET_PARTS`] by first letter.
const BY_LETTER: [(usize, usize); 26] = by_letter();

const fn by_letter() -> [(usize, usize); 26] {
    let mut places = [(0, 0); 26];
    let mut index = 0;
    while index < SECRET_PARTS.len() {
        let letter = (SECRET_PARTS[index].as_bytes()[0] - b'a') as usize;
        if places[letter].1 == 0 {
            places[letter].0 = index;
        }
        places[letter].1 = index + 1;
        index += 1;
    }
    places
}

/// What a text speaks of.
pub(super) fn speech(text: &str) -> Speech {
    let bytes = text.as_bytes();
    let mut found = Speech::Plain;
    let mut at = 0;
    let mut address = false;
    while at < bytes.len() {
        if bytes[at].is_ascii_alphanumeric() {
            let start = at;
            while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
                at += 1;
            }
            if (start..at).any(|from| has_secret_part_at(&bytes[from..])) {
                return Speech::Secrets;
            }
            match run(&bytes[start..at]) {
                Speech::Secrets => return Speech::Secrets,
                other => found = found.max(other),
            }
            continue;
        }
        match bytes[at] {
            b'\n' => address = false,
            b':' => address |= bytes[at..].starts_with(b"://"),
            // `://…@`: an address with a user, and probably a password. A blank in it should be
            // escaped, but libpq takes it.
            b'@' if address => return Speech::Secrets,
            b'-' if bytes[at..].starts_with(b"-----BEGIN ") => return Speech::Secrets,
            _ => {}
        }
        at += 1;
    }
    found
}

fn run(run: &[u8]) -> Speech {
    let is = |word: &&str| run.eq_ignore_ascii_case(word.as_bytes());
    if SECRET_WORDS.iter().any(is) || tail(run, "pass") || secret_itself(run) {
        return Speech::Secrets;
    }
    if KEY_ENDS.iter().any(|end| tail(run, end)) { Speech::Keys } else { Speech::Plain }
}

/// Whether a text begins with a word for secrets, in whatever pieces.
fn has_secret_part_at(text: &[u8]) -> bool {
    let Some(lower) = text.first().map(u8::to_ascii_lowercase).filter(u8::is_ascii_lowercase) else { return false };
    let (first, end) = BY_LETTER[usize::from(lower - b'a')];
    SECRET_PARTS[first..end].iter().any(
        |part| {
            if part.len() < PIECED { starts_with(text, part) } else { spells(text, part) }
        },
    )
}

/// Whether a text begins with the letters of a part, with little but separators between them.
fn spells(text: &[u8], part: &str) -> bool {
    let mut at = 0;
    for (nth, letter) in part.bytes().enumerate() {
        if nth > 0 {
            let separator = |byte: &&u8| matches!(**byte, b'_' | b'-' | b'.');
            at += text[at..].iter().take(MAX_SEPARATORS).take_while(separator).count();
        }
        if !text.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&letter)) {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a setting of that name, as it is written, holds a secret; the words that are too common for names of
/// settings do not count. One that users made, with a dot in its name, has more words for it.
pub(super) fn names_a_secret(name: &str) -> bool {
    let plain: Vec<u8> = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect();
    let contains = |part: &str| plain.windows(part.len()).any(|window| window == part.as_bytes());
    if SECRET_PARTS.iter().any(|part| contains(part)) {
        return true;
    }
    let mut pieces = name.as_bytes().split(|byte| !byte.is_ascii_alphanumeric()).filter(|piece| !piece.is_empty());
    let custom = name.contains('.');
    let last = pieces.clone().next_back().unwrap_or_default();
    pieces.any(|piece| tail(piece, "pass") || piece.eq_ignore_ascii_case(b"pw"))
        || custom && (CUSTOM_PARTS.iter().any(|part| contains(part)) || CUSTOM_ENDS.iter().any(|end| tail(last, end)))
}

/// Whether a run has the form of a stored password or of a well-known service's token.
fn secret_itself(run: &[u8]) -> bool {
    let begins = |(prefix, shortest, longest): &(&str, usize, usize)| {
        run.starts_with(prefix.as_bytes()) && (*shortest..=*longest).contains(&run.len())
    };
    let md5 = run.len() == MD5_LENGTH && starts_with(run, "md5") && run[3..].iter().all(u8::is_ascii_hexdigit);
    md5 || SECRET_PREFIXES.iter().any(begins)
}

/// Whether a name begins with a run of that form.
pub(super) fn is_secret_itself(name: &str) -> bool {
    let run = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
    secret_itself(&name.as_bytes()[..run])
}

fn starts_with(run: &[u8], part: &str) -> bool {
    run.get(..part.len()).is_some_and(|head| head.eq_ignore_ascii_case(part.as_bytes()))
}

fn tail(run: &[u8], end: &str) -> bool {
    run.len().checked_sub(end.len()).is_some_and(|from| run[from..].eq_ignore_ascii_case(end.as_bytes()))
}

/// Whether a word ends so, whatever its case.
pub(super) fn ends_with(word: &str, end: &str) -> bool {
    tail(word.as_bytes(), end)
}

/// Whether a literal has a part that looks like a key: long, of letters and digits both.
pub(super) fn looks_random(text: &str) -> bool {
    let of_a_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    text.split(|c: char| !of_a_key(c)).any(|part| {
        part.len() >= RANDOM_LENGTH
            && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_found() {
        assert!(SECRET_PARTS.is_sorted());
        for part in SECRET_PARTS {
            assert_eq!(speech(&format!("x_{}Y", part.to_uppercase())), Speech::Secrets, "{part}");
            assert!(names_a_secret(part), "{part}");
        }
        for word in SECRET_WORDS {
            assert_eq!(speech(&format!("a.{word}(")), Speech::Secrets, "{word}");
        }
    }

    #[test]
    fn a_word_is_one_however_it_is_spelled() {
        for spelled in ["accessKey", "ACCESS_KEY", "access-key", "access.key", "Access__Key", "pass_word", "to-ken"] {
            assert_eq!(speech(spelled), Speech::Secrets, "{spelled}");
            assert!(names_a_secret(spelled), "{spelled}");
        }
        for plain in ["access / key", "p.wd", "access, key", "access____key"] {
            assert!(speech(plain) < Speech::Secrets, "{plain}");
        }
        for custom in ["app.key", "app.KEY_ID", "\"my app\".\"Pass\"", "x.pin", "x.login_otp", "app . salt"] {
            assert!(names_a_secret(custom), "{custom}");
        }
        for harmless in ["ssl_key_file", "app.spinning", "work_mem", "app.tenant", "row_security", ""] {
            assert!(!names_a_secret(harmless), "{harmless}");
        }
    }

    #[test]
    fn ordinary_words_say_nothing() {
        for plain in ["select passenger from trips", "optional", "http://example.com/a", "a@b", "", "compassion"] {
            assert_eq!(speech(plain), Speech::Plain, "{plain}");
        }
        assert_eq!(speech("primary key"), Speech::Keys);
        assert_eq!(speech("'https://u@h'"), Speech::Secrets);
        assert_eq!(speech("'md50123456789abcdef0123456789abcdef'"), Speech::Secrets);
    }
}
