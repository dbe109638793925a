//! Configuration files.

use std::path::Path;

use config::{Config, Names, Pushed};
use proptest::prelude::*;

use crate::cases;

/// A set without an interval of its own, as cases ask for it.
const NO_DEFAULT: &str = "x_own";

fn names() -> Names {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Names {
        groups: owned(&["pg_query_stats", "pg_stats", "pg_replication", "pg_settings"]),
        sets: owned(&["pg_stat_statements", "pg_stat_database", "pg_stat_replication", "pg_settings"]),
    }
}

#[test]
fn configuration_files() {
    for case in cases::read("file.txt") {
        case.write_files();
        let lookup = |name: &str| case.env(name);
        let text = case.part("toml").unwrap().to_owned() + "\n";
        let overridden = case.part("override").is_some();
        let loaded = Config::load(Some(Path::new("c.toml")), Some(text), &lookup, &names());
        let result = loaded.and_then(|mut config| {
            if overridden {
                config.override_intervals()?;
            }
            Ok(render(&config))
        });
        case.compare(result.map_err(|error| error.to_string()));
    }
}

#[test]
fn files_over_what_was_pushed() {
    for case in cases::read("layers.txt") {
        let part = |name: &str| case.part(name).unwrap_or_default().to_owned() + "\n";
        let pushed = Pushed { version: 7, text: part("pushed") };
        let lookup = |name: &str| case.env(name);
        let loaded = Config::load_over(Some(&pushed), Some(Path::new("c.toml")), Some(part("toml")), &lookup, &names());
        case.compare(loaded.map(|config| render(&config)).map_err(|error| error.to_string()));
    }
}

#[test]
fn pushed_configurations() {
    for case in cases::read("pushed.txt") {
        let result = Config::check_pushed(&(case.part("toml").unwrap().to_owned() + "\n"), &names());
        case.compare(result.map(|()| "fine".to_owned()).map_err(|error| error.to_string()));
    }
}

#[test]
fn merged_configurations() {
    for case in cases::read("merge.txt") {
        let part = |heading: &str| case.part(heading).unwrap().to_owned() + "\n";
        let merged = config::merge(&part("over"), &part("under"));
        if let Ok(text) = &merged {
            Config::check_pushed(text, &names()).unwrap_or_else(|error| panic!("{}: {error}\n{text}", case.name));
            assert_eq!(config::merge("", text).unwrap(), *text, "{}: what is merged stays as it is", case.name);
        }
        let expected = case.part("expect").map(|whole| whole.to_owned() + "\n");
        match (&merged, expected) {
            (Ok(text), Some(whole)) => assert_eq!(*text, whole, "{}", case.name),
            _ => case.compare(merged.map_err(|error| error.to_string())),
        }
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let env = |name: &str| (name == "POSTGRES_DSN").then(|| "host=h user=u".to_owned());
    let error = Config::load(Some(Path::new("/nowhere/c.toml")), None, &env, &names()).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/c.toml: cannot be read: "), "{error}");
}

#[test]
fn a_file_is_read_from_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.toml");
    std::fs::write(&path, b"[postgres]\ndsn = \"host=h user=u\"\n# \xff\n").unwrap();
    let error = Config::load(Some(&path), None, &|_| None, &names()).unwrap_err();
    assert_eq!((error.line, error.reason.as_str()), (Some(3), "is not UTF-8"));
    std::fs::write(&path, "[postgres]\ndsn = \"host=h user=u\"\n").unwrap();
    let config = Config::load(Some(&path), None, &|_| None, &names()).unwrap();
    assert_eq!(config.path.as_deref(), Some(path.as_path()));
    assert!(config.print().contains(&format!("# {} line 2", path.display())), "{}", config.print());
}

#[test]
fn no_secret_is_printed() {
    let env = |name: &str| (name == "REGISTRATION_SECRET").then(|| "hunter2-registration".to_owned());
    let text =
        "[postgres]\nname = \"one\"\ndsn = \"postgresql://u:hunter2-password@h/db?options=-c%20x.y%3Dhunter2\"\n";
    let config = Config::load(None, Some(text.to_owned()), &env, &names()).unwrap();
    let shown = format!("{}\n{config:?}\n{:?}", config.print(), config.lines());
    // Options are the one thing besides that may hold anything; they are masked where settings are shown.
    assert!(!config.print().contains("hunter2"), "{}", config.print());
    assert!(!shown.contains("hunter2-"), "{shown}");
    assert_eq!(config.registration_secret.unwrap().expose(), "hunter2-registration");
}

#[test]
fn what_is_printed_is_a_configuration() {
    let text = "[collector]\ninterval = 5\nname = \"a \\\"b\\\"\"\n[[instances]]\nname = \"one\"\ndsn = \"host=h user=u\"\n\
                [instances.pg_stats]\ninterval = 7\n[[instances]]\nname = \"two\"\ndsn = \"host=i user=u\"\n\
                [pg_replication]\nenabled = false\n[sets.pg_settings]\ninterval = 9\n";
    let config = Config::load(None, Some(text.to_owned()), &|_| None, &names()).unwrap();
    let again = Config::load(None, Some(config.print()), &|_| None, &names()).unwrap();
    let in_force = |loaded: &Config| {
        let shown = render(loaded);
        shown.lines().filter(|line| !line.contains(" from ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(in_force(&config), in_force(&again), "{}", config.print());
}

#[test]
fn the_reference_names_every_setting() {
    let page = config::reference_markdown();
    for setting in config::SETTINGS {
        assert!(page.contains(&format!("| `{}`", setting.key)) && page.contains(&format!("`{}`", setting.env)));
    }
    for keyword in config::dsn::KEYWORDS {
        assert!(page.contains(&format!("| `{}` |", keyword.name)), "{}", keyword.name);
    }
}

proptest! {
    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = Config::check_pushed(&text, &names());
    }

    #[test]
    fn never_panics_near_the_grammar(text in "(\\[{1,2}(collector|postgres|instances|tls|backend|sets\\.x_a|pg_stats)\\]{1,2}\n|(interval|name|dsn|url|verify|enabled|databases) ?= ?(-?[0-9_]{0,22}|true|\"[a-z=/:@ ]{0,9}\"|\\[\"a\"?\\])\n){0,9}") {
        let _ = Config::check_pushed(&text, &names());
        let _ = Config::load(None, Some(text), &|_| None, &names());
    }

    #[test]
    fn intervals_round_trip(seconds in 1u32..=86_400, push in 1u32..=86_400) {
        let text = format!("[collector]\ninterval = {seconds}\npush_interval = \"{push}s\"\n[postgres]\ndsn = \"host=h user=u\"\n");
        let config = Config::load(None, Some(text), &|_| None, &names()).unwrap();
        prop_assert_eq!((config.interval, config.push_interval), (seconds, push));
    }
}

fn render(config: &Config) -> String {
    let mut lines = vec![
        format!("name {}", config.name),
        format!("interval {}", config.interval),
        format!("push_interval {}", config.push_interval),
        format!("config_pull_interval {}", config.config_pull_interval),
        format!("state_dir {}", config.state_dir.display()),
        format!("catalog_dir {:?}", config.catalog_dir),
        format!("max_queries_per_db {}", config.max_queries_per_db),
        format!("row_limit {:?}", config.row_limit("MAX_QUERIES_PER_DB")),
        format!("query_limit_alert_threshold {}", config.query_limit_alert_threshold),
        format!("spool_max_bytes {}", config.spool_max_bytes),
        format!("spool_max_age {:?}", config.spool_max_age),
        format!("backend {}", config.backend_url.as_ref().map_or("(none)", |url| &url.text)),
        format!(
            "registration_secret {}",
            config.registration_secret.as_ref().map_or("(none)", |secret| secret.expose())
        ),
        format!("tls_verify {}", config.tls_verify),
        format!("tls_ca_file {:?}", config.tls_ca_file),
    ];
    lines.extend(config.warnings.iter().map(|warning| format!("warning {warning}")));
    for instance in &config.instances {
        lines.push(format!("instance {} {}", instance.name, instance.dsn));
        lines.push(format!("databases {:?} but {:?}", instance.databases, instance.exclude_databases));
        for (set, group, default) in [
            ("pg_stat_statements", "pg_query_stats", Some(60)),
            ("pg_stat_database", "pg_stats", Some(60)),
            ("pg_stat_replication", "pg_replication", Some(10)),
            (NO_DEFAULT, "pg_stats", None),
        ] {
            let interval = instance.interval_of(set, group, default);
            let read = if instance.enabled(set, group) { format!("every {interval}") } else { "off".to_owned() };
            lines.push(format!("{} {set} {read}", instance.name));
        }
    }
    lines.extend(config.lines().iter().map(|line| {
        format!("{}.{} = {} from {:?}", line.table, line.key, line.value.as_deref().unwrap_or("(not set)"), line.origin)
    }));
    lines.join("\n")
}
