use proptest::prelude::*;

use super::conninfo::{parse, quote};
use super::*;

fn nothing(_: &str) -> Option<String> {
    None
}

proptest! {
    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = parse(&text);
        let _ = mask(&text);
        let _ = Dsn::check(&text);
    }

    #[test]
    fn never_panics_near_the_grammar(text in "(postgres(ql)?://)?[a-z'\\\\@:/?&=%\\[\\], ]{0,40}") {
        let _ = parse(&text);
        let _ = mask(&text);
    }

    #[test]
    fn keywords_round_trip(user in "[^\0]{1,20}", password in "[^\0]{1,20}", gap in "[ \t\n]{0,2}") {
        let text = format!("user{gap}={gap}{}{gap} password={}", quote(&user), quote(&password));
        let pairs = parse(&text).unwrap();
        prop_assert_eq!(pairs, vec![("user", user), ("password", password)]);
    }

    #[test]
    fn uri_round_trip(user in "[^\0]{1,20}", password in "[^\0]{1,20}", options in "[^\0]{1,20}") {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let text = format!(
            "postgresql://{}:{}@[::1]:6543/app?options={}", encode(&user), encode(&password), encode(&options)
        );
        let expected: Vec<(&str, String)> = vec![
            ("user", user), ("password", password), ("host", "::1".into()), ("port", "6543".into()),
            ("dbname", "app".into()), ("options", options),
        ];
        prop_assert_eq!(parse(&text).unwrap(), expected);
    }

    /// Whatever is wrong with a string, its password is in no error and no masked form.
    #[test]
    fn no_error_repeats_a_password(
        before in "(postgresql://u:|password=|user=u password=')", after in "(@h/db|@h:x/|' port=x|' hots=h| b=1|/@h|@h@h|'|,h2)"
    ) {
        let secret = "q7Zk0wPx";
        let text = format!("{before}{secret}{after}");
        prop_assert!(!mask(&text).contains(secret));
        match Dsn::parse(&text, &Environment::new(&nothing)) {
            Ok(dsn) => {
                let shown = format!("{dsn} {dsn:?}");
                prop_assert!(!shown.contains(secret), "shown");
            }
            Err(error) => prop_assert!(!error.to_string().contains(secret)),
        }
    }
}

#[test]
fn another_database_has_its_own_password() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".pgpass");
    std::fs::write(&path, "*:*:one:*:first\n*:*:two:*:second\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let lookup = |name: &str| (name == "HOME").then(|| home.path().display().to_string());
    let dsn = Dsn::parse("host=h user=u dbname=one", &Environment::new(&lookup)).unwrap();
    let exposed = |found: &Dsn| found.password.as_ref().map(|password| password.expose().to_owned());
    assert_eq!(exposed(&dsn).as_deref(), Some("first"));
    assert_eq!(exposed(&dsn.for_database("two")).as_deref(), Some("second"));
    assert_eq!(exposed(&dsn.for_database("three")), None);
    let given = Dsn::parse("host=h user=u dbname=one password=given", &Environment::new(&lookup)).unwrap();
    assert_eq!(exposed(&given.for_database("two")).as_deref(), Some("given"));
}
