//! Cases that a user could write (`tests/redact/*.txt`), and properties.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// A secret's first and last letters: nothing else in the generated statements has them.
const HEAD: &str = "Zq7xK";
const TAIL: &str = "pL9wV";

/// Cases of a file: name, input, expectation.
fn cases(file: &str) -> Vec<(String, String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redact").join(file)).unwrap();
    let cases: Vec<_> = text
        .split("\n=== ")
        .skip(1)
        .map(|case| {
            let (name, rest) = case.split_once('\n').unwrap();
            let (input, expected) = rest.split_once("\n---").unwrap_or_else(|| panic!("{file}: {name} has no ---"));
            let expected = match expected.trim_end().strip_prefix(" unchanged") {
                Some(_) => input,
                None => expected.trim(),
            };
            (format!("{file}: {name}"), input.to_owned(), expected.to_owned())
        })
        .collect();
    assert!(!cases.is_empty());
    cases
}

#[test]
fn the_signature_stays_where_other_comments_go() {
    let text = format!("select password from t /* secret */ {}", catalog::SIGNATURE);
    assert_eq!(statement(&text).text, format!("select password from t {COMMENT} {}", catalog::SIGNATURE));
}

#[test]
fn long_texts_take_linear_time() {
    // Each would take hours if something were searched again and again.
    for piece in ["://", "$a", "e'", "/*", "key=", "password ", "'\n'", "$$x", "--\n", "set x = "] {
        let long = piece.repeat(100_000);
        let redacted = statement(&long);
        assert!(!statement(&redacted.text).changed, "{piece:?}");
        assert!(text(&long).len() <= MAX_TEXT);
    }
}

#[test]
fn statements() {
    for (name, input, expected) in cases("statements.txt") {
        let redacted = statement(&input);
        assert_eq!(redacted.text, expected, "{name}");
        assert_eq!(redacted.changed, input != expected, "{name}");
        assert_eq!(matches!(redacted.text, Cow::Borrowed(_)), !redacted.changed, "{name}");
        assert_eq!(statement(&expected).text, expected, "{name}, again");
    }
}

#[test]
fn texts() {
    for (name, input, expected) in cases("texts.txt") {
        assert_eq!(text(&input), expected, "{name}");
        assert_eq!(text(&expected), expected, "{name}, again");
    }
}

#[test]
fn settings() {
    for (name, input, expected) in cases("settings.txt") {
        let (key, value) = input.split_once(" = ").unwrap();
        let (_, redacted) = expected.split_once(" = ").unwrap();
        assert_eq!(setting(key, value), redacted, "{name}");
    }
}

/// A secret between its marks, with everything that could end a literal early.
fn secret() -> impl Strategy<Value = String> {
    "[a-z0-9 '\"\\\\$;äé\n/*-]{0,12}".prop_map(|middle| format!("{HEAD}{middle}{TAIL}"))
}

/// Text between two tokens.
fn gap() -> impl Strategy<Value = String> {
    select(vec![" ", "\n", "\t \n", " /* c */ ", " -- c 'x\n", "/* a /* b */ ' */", " /**/ "]).prop_map(str::to_owned)
}

/// A literal of that text, in one of PostgreSQL's ways.
fn quote(text: &str, style: usize, tag: &str) -> String {
    match style {
        0 => format!("'{}'", text.replace('\'', "''")),
        1 => format!("e'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        2 => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        3 => format!("U&'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        4 => format!("u&'{}' uescape '!'", text.replace('!', "!!").replace('\'', "''")),
        5 if !text.contains('$') => format!("${tag}${text}${tag}$"),
        6 => {
            let middle = (1..text.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let (one, two) = text.split_at(middle);
            format!("E'{}'\n  '{}'", escape(one), escape(two))
        }
        _ => format!("'{}'", text.replace('\'', "''")),
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "''")
}

/// Statements that hold a secret. `~` is a gap, `S` a literal of the secret, `C` one of a connection
/// string with it, `U` of an address, `P` of a command, `B` of a body that creates a role, `R` the
/// text itself without its special letters.
const GRAMMAR: [&str; 34] = [
    "create~role~x~password~S",
    "create~user~x~with~encrypted~password~S~valid~until~'infinity'",
    "alter~role~x~password~S",
    "alter~group~x~password~S;~select~1",
    "select~1;~alter~user~\"X\"~encrypted~password~S",
    "alter~role~x~set~app.secret~=~S",
    "alter~role~x~in~database~d~set~app.token~to~R",
    "create~user~mapping~for~u~server~s~options~(user~'u',~password~S)",
    "alter~user~mapping~for~u~server~s~options~(set~api~S)",
    "create~server~s~foreign~data~wrapper~w~options~(host~'h',~anything~S)",
    "alter~server~s~options~(add~x~S)",
    "create~subscription~s~connection~C~publication~p",
    "alter~subscription~s~connection~C",
    "select~dblink_connect(C)",
    "select~*~from~dblink(C,~'select 1')~as~t(a~int)",
    "select~public.dblink_exec~(~'name',~S~)",
    "select~f(U)",
    "alter~system~set~primary_conninfo~=~C",
    "alter~system~set~primary_conninfo~to~U",
    "set~app.password~=~S",
    "set~local~app.jwt_secret~to~R",
    "begin;~set~session~my.token~=~R,~R;~commit",
    "select~set_config('app.password',~S,~true)",
    "copy~t~from~program~P",
    "copy~t~to~program~P~with~(format~csv)",
    "do~B",
    "do~language~plpgsql~B",
    "create~or~replace~function~f()~returns~void~language~sql~as~B",
    "select~pgp_sym_encrypt('x',~S)",
    "select~crypt(S,~gen_salt('bf'))",
    "select~encode(hmac('a',~S,~'sha256'),~'hex')",
    "select~f(secret~=>~S,~n~=>~12)",
    "update~t~set~password~=~S~where~id~=~1",
    "insert~into~api_keys~(access_token)~values~(S)~--R",
];

fn build(template: &str, secret: &str, gaps: &[String], style: usize, inner: usize, upper: &[bool]) -> String {
    let bare: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut gaps = gaps.iter().cycle();
    let mut upper = upper.iter().cycle();
    let mut out = String::new();
    let mut letters = template.chars().peekable();
    let mut last = ' ';
    while let Some(letter) = letters.next() {
        let whole = !last.is_ascii_alphanumeric() && !letters.peek().is_some_and(|next| next.is_ascii_alphanumeric());
        match letter {
            '~' => out.push_str(gaps.next().unwrap()),
            'S' if whole => out.push_str(&quote(secret, style, "t")),
            'C' if whole => out.push_str(&quote(&format!("host=h password='{}'", escape(secret)), style, "t")),
            'U' if whole => out.push_str(&quote(&format!("postgresql://u:{bare}@h/d"), style, "")),
            'P' if whole => out.push_str(&quote(&format!("curl -u user:{bare} https://h/"), style, "")),
            'R' if whole => out.push_str(&bare),
            'B' if whole => {
                let body = format!("begin\n  create role x password {};\nend", quote(secret, inner, "i"));
                out.push_str(&quote(&body, style, "body"));
            }
            _ if *upper.next().unwrap() => out.push(letter.to_ascii_uppercase()),
            _ => out.push(letter),
        }
        last = letter;
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_secret_never_remains(
        template in select(GRAMMAR.to_vec()),
        secret in secret(),
        gaps in proptest::collection::vec(gap(), 1..6),
        style in 0usize..7,
        inner in 0usize..7,
        upper in proptest::collection::vec(any::<bool>(), 1..9),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut built = build(template, &secret, &gaps, style, inner, &upper);
        // As `pg_stat_activity` cuts it off at its size.
        if let Some(cut) = cut {
            let mut at = cut.index(built.len());
            while !built.is_char_boundary(at) {
                at += 1;
            }
            built.truncate(at);
        }
        let redacted = statement(&built);
        prop_assert!(!redacted.text.contains(HEAD), "{} from {}", redacted.text, built);
        prop_assert!(!redacted.text.contains(TAIL), "{} from {}", redacted.text, built);
        let again = statement(&redacted.text);
        prop_assert!(!again.changed, "{} then {} from {}", redacted.text, again.text, built);
    }

    #[test]
    fn any_text_is_read(input in any::<String>()) {
        let once = statement(&input);
        prop_assert_eq!(once.changed, once.text != input);
        let twice = statement(&once.text);
        prop_assert!(!twice.changed, "{:?} then {:?}", once.text, twice.text);
        let plain = text(&input);
        prop_assert_eq!(text(&plain), plain.as_ref());
        let _ = setting("primary_conninfo", &input);
    }

    #[test]
    fn text_near_the_grammar_is_read(
        input in "(password|set|alter|=|to|;|e|u&|'|\"|\\$\\$|\\$a\\$|\\$1|--|/\\*|\\*/|\\\\|\n| |12345|7|x|://|@|:|options|key)(password|set|=|;|e|u&|'|\"|\\$\\$|--|/\\*|\\*/|\\\\|\n| |12345|x|u:p@h){0,14}"
    ) {
        let once = statement(&input);
        let twice = statement(&once.text);
        prop_assert!(!twice.changed, "{:?} then {:?}", once.text, twice.text);
        let plain = text(&input).into_owned();
        prop_assert_eq!(text(&plain), plain.as_str());
    }

    #[test]
    fn without_literals_nothing_changes(words in proptest::collection::vec(
        select(vec!["select", "password", "from", "users", "where", "id", "=", "$1", "and", "(", ")", ",", "token", "10", "options"]), 0..20)
    ) {
        let input = words.join(" ");
        let redacted = statement(&input);
        prop_assert!(!redacted.changed, "{} from {}", redacted.text, input);
    }

    #[test]
    fn a_connection_string_keeps_its_rest(secret in "[a-zA-Z0-9]{1,20}") {
        let input = format!("host=h password={HEAD}{secret} dbname=d");
        prop_assert_eq!(text(&input), "host=h password=*** dbname=d");
        let address = format!("postgresql://u:{HEAD}{secret}@h:5432/d?sslmode=require");
        prop_assert_eq!(text(&address), "postgresql://u:***@h:5432/d?sslmode=require");
    }
}
