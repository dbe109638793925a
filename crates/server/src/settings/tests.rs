//! The table holds what it promises.

use super::{Environment, SETTINGS, Settings, Standing, reference_markdown};

const LONG: &str = "0123456789abcdef0123456789abcdef";

fn refused(pairs: &[(&str, &str)]) -> String {
    Settings::from_pairs(pairs).expect_err("these settings are bad").to_string()
}

#[test]
fn nothing_said_gives_the_defaults() {
    let settings = Settings::from_pairs::<&str, &str>(&[("DATA_DIR", "/tmp/x")]).unwrap();
    assert_eq!(settings.port, 8080);
    assert_eq!(settings.bind_address.to_string(), "127.0.0.1");
    assert_eq!(settings.jwt_expiration.as_secs(), 900);
    assert_eq!(settings.environment, Environment::Development);
    assert!(settings.database_url.is_none());
}

#[test]
fn a_bad_value_says_what_was_expected() {
    assert_eq!(
        refused(&[("PORT", "http")]),
        "PORT expected a whole number from 0 to 65535 (0 takes a free one), not \"http\""
    );
    assert!(refused(&[("BIND_ADDRESS", "all")]).contains("an address of this machine, as in"));
    for bad in ["10.0.0.0/8,proxy", "0.0.0.0/0", "::/0"] {
        assert!(refused(&[("TRUSTED_PROXIES", bad)]).contains("addresses or networks, none of them everybody"));
    }
    assert!(refused(&[("EMBEDDED_LISTEN", "5433")]).contains("an address with a port"));
    assert!(refused(&[("LOG_LEVEL", "loud")]).contains("error, warn, info"));
    assert!(refused(&[("LOG_LEVEL", "info,=debug")]).contains("error, warn, info"));
    assert!(Settings::from_pairs(&[("LOG_LEVEL", "warn,server::http=trace")]).is_ok());
    assert!(refused(&[("CORS_ALLOWED_ORIGINS", "*")]).contains("origins as in https://host:port"));
    assert!(refused(&[("RATE_LIMIT_USER_PER_MINUTE", "0")]).contains("from 1"));
}

#[test]
fn a_bad_secret_is_not_repeated() {
    let text = refused(&[("DATABASE_URL", "host=x port=hunter2")]);
    assert!(text.contains("DATABASE_URL expected a PostgreSQL connection string"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn what_does_nothing_yet_is_refused() {
    assert_eq!(refused(&[("ENABLE_MTLS", "true")]), "ENABLE_MTLS is not supported yet: leave it out");
    assert_eq!(refused(&[("TLS_CA_CERT", "/a")]), "TLS_CA_CERT is not supported yet: leave it out");
    assert!(Settings::from_pairs(&[("ENABLE_MTLS", "false")]).is_ok());
}

#[test]
fn nothing_travels_in_clear_text_beyond_this_machine() {
    let files = [("TLS_CERT", "/c"), ("TLS_KEY_PATH", "/k"), ("DATA_DIR", "/d")];
    let with = |more: &[(&'static str, &'static str)]| Settings::from_pairs(&[&files[..], more].concat());
    assert!(refused(&[("BIND_ADDRESS", "0.0.0.0")]).contains("BIND_ADDRESS reaches beyond this machine"));
    assert!(refused(&[("BIND_ADDRESS", "::ffff:192.0.2.1")]).contains("BIND_ADDRESS reaches beyond this machine"));
    assert!(refused(&[("TLS_ENABLED", "true"), ("TLS_CERT_PATH", "/c")]).starts_with("TLS_KEY_PATH is missing"));
    assert!(refused(&[("TLS_CERT_PATH", "/c")]).contains("is given, and TLS_ENABLED is not true"));
    let settings = with(&[("TLS_ENABLED", "true"), ("BIND_ADDRESS", "::")]).unwrap();
    assert_eq!(settings.tls.as_ref().map(|files| files.certificate.to_str()), Some(Some("/c")));
    assert_eq!(settings.warnings(), [] as [String; 0]);
    let proxied = [("BIND_ADDRESS", "0.0.0.0"), ("TRUSTED_PROXIES", "10.0.0.7, 192.168.0.0/16"), ("DATA_DIR", "/d")];
    let proxied = Settings::from_pairs(&proxied).unwrap();
    assert_eq!(proxied.trusted_proxies.len(), 2);
    assert!(proxied.warnings()[0].contains("in clear text"));
    assert!(Settings::from_pairs(&[("BIND_ADDRESS", "::ffff:127.0.0.1"), ("DATA_DIR", "/d")]).is_ok());
}

#[test]
fn production_needs_long_secrets() {
    let text = refused(&[("ENVIRONMENT", "production"), ("REGISTRATION_SECRET", "short")]);
    assert!(text.contains("JWT_SECRET is missing"), "{text}");
    assert!(text.contains("REGISTRATION_SECRET has 5 bytes"), "{text}");
    let fine = [("ENVIRONMENT", "production"), ("REGISTRATION_SECRET", LONG), ("JWT_SECRET_KEY", LONG)];
    assert_eq!(Settings::from_pairs(&fine).unwrap().environment, Environment::Production);
}

#[test]
fn a_name_and_its_alias_may_not_contradict() {
    let other = LONG.to_uppercase();
    let text = refused(&[("JWT_SECRET", LONG), ("JWT_SECRET_KEY", &other)]);
    assert_eq!(text, "JWT_SECRET_KEY contradicts JWT_SECRET: set one of them");
}

#[test]
fn a_secret_may_come_from_a_file_and_is_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{LONG}\n")).unwrap();
    let path = file.path().to_str().unwrap();
    let settings = Settings::from_pairs(&[("JWT_SECRET_FILE", path)]).unwrap();
    assert_eq!(settings.jwt_secret.as_ref().unwrap().reveal(), LONG);
    let shown = settings.print_config();
    assert!(shown.contains(&format!("JWT_SECRET = ***  # file {path}")), "{shown}");
    assert!(!shown.contains(LONG) && !format!("{settings:?}").contains(LONG));
}

#[test]
fn every_row_is_explained_and_in_the_reference() {
    let reference = reference_markdown();
    for setting in SETTINGS {
        assert!(setting.help.ends_with('.'), "{}: help is a sentence", setting.name);
        assert!(reference.contains(&format!("| `{}`", setting.name)), "{}", setting.name);
        let needs_a_word = setting.default.is_none() && setting.standing == Standing::Built;
        assert!(!needs_a_word || setting.default_help.is_some(), "{}: say what happens without it", setting.name);
    }
}

#[test]
fn short_secrets_are_refused_wherever_they_are() {
    assert_eq!(refused(&[("REGISTRATION_SECRET", "x")]), "REGISTRATION_SECRET has 1 bytes: expected 16 or more");
    assert!(refused(&[("JWT_SECRET", "0123456789abcdef")]).contains("expected 32 or more"));
    let text = refused(&[("ADMIN_PASSWORD", "short")]);
    assert_eq!(text, "ADMIN_PASSWORD cannot be a password: expected 8 characters or more");
    let settings = Settings::from_pairs(&[("REGISTRATION_SECRET", "0123456789abcdef")]).unwrap();
    assert!(settings.warnings()[0].contains("16 bytes"), "{:?}", settings.warnings());
}

#[test]
fn a_store_that_listens_to_others_is_warned_of() {
    for (address, warned) in [("0.0.0.0:5433", 1), ("[::]:5433", 1), ("192.0.2.7:5433", 1), ("127.0.0.1:5433", 0)] {
        let settings = Settings::from_pairs(&[("EMBEDDED_LISTEN", address)]).unwrap();
        assert_eq!(settings.warnings().len(), warned, "{address}");
    }
}

#[test]
fn a_secret_that_everybody_can_read_is_refused_for_every_setting() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), LONG).unwrap();
    let path = file.path().to_str().unwrap();
    for setting in SETTINGS.iter().filter(|setting| setting.secret) {
        let variable = format!("{}_FILE", setting.name);
        for (mode, fits) in
            [(0o644, false), (0o604, false), (0o606, false), (0o600, true), (0o640, true), (0o400, true)]
        {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let said = Settings::from_pairs(&[(variable.as_str(), path)]).err().map(|error| error.to_string());
            let wide = said.as_deref().is_some_and(|said| said.contains("chmod 600"));
            assert_eq!(wide, !fits, "{variable} {mode:o}: {said:?}");
        }
    }
}
