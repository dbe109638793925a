//! Rules over readings that are written down: a set's rows, a column each word.

use std::collections::BTreeMap;

use catalog::{Catalog, Type};
use jiff::Timestamp;
use proptest::prelude::*;
use wire::{Attributes, Frame, FrameColumn, SetState, State, StateCode};

use crate::{Finding, Format, Look, Readings, Report, Second, Severity, render};

/// When everything is read.
const NOW: i64 = 1_790_000_000_000_000;

/// Readings to be written down.
pub(crate) struct Written {
    catalog: Catalog,
    pub(crate) readings: Readings,
}

impl Written {
    pub(crate) fn new(version_num: u32) -> Self {
        let attributes = Attributes {
            version_num,
            version: "17.2".to_owned(),
            role: "primary".to_owned(),
            host: "db".to_owned(),
            port: 5432,
            max_connections: Some(100),
            ..Attributes::default()
        };
        let at = Timestamp::from_microsecond(NOW).unwrap();
        let readings = Readings {
            attributes,
            role: "monitor".to_owned(),
            first_at: at,
            last_at: at,
            second: Second::Done,
            ..Readings::default()
        };
        Self { catalog: Catalog::embedded().unwrap(), readings }
    }

    fn frame(&self, set: &str, rows: &[&[(&str, &str)]]) -> Frame {
        let definition = &self.catalog.get(set).unwrap_or_else(|| panic!("no set {set}")).definition;
        let named = |row: &[(&str, &str)], name: &str| {
            row.iter().find(|(column, _)| *column == name).map(|(_, v)| (*v).to_owned())
        };
        for (column, _) in rows.iter().flat_map(|row| row.iter()) {
            assert!(definition.column(column).is_some(), "{set} has no column {column}");
        }
        let columns = definition.columns.iter().map(|meta| {
            let mut column = FrameColumn::new(meta.column_type);
            for row in rows {
                match named(row, &meta.name) {
                    None => column.push_null(),
                    Some(value) => match meta.column_type {
                        Type::Bool => column.push_bool(value == "t"),
                        Type::Text => column.push_text(&value),
                        Type::Float8 => column.push_float(value.parse().unwrap()),
                        // Moments are seconds before now.
                        Type::Timestamptz => column.push_int(NOW - value.parse::<i64>().unwrap() * 1_000_000),
                        _ => column.push_int(value.parse().unwrap()),
                    },
                }
            }
            Some(column)
        });
        Frame { rows: rows.len(), columns: columns.collect() }
    }

    pub(crate) fn with(mut self, set: &str, datid: Option<i64>, rows: &[&[(&str, &str)]]) -> Self {
        let frame = self.frame(set, rows);
        self.readings.frames.insert((set.to_owned(), datid), (NOW, frame));
        self
    }

    pub(crate) fn moved(mut self, set: &str, seconds: u64, rows: &[&[(&str, &str)]]) -> Self {
        let frame = self.frame(set, rows);
        self.readings.moved.insert((set.to_owned(), None), (seconds * 1_000_000, frame, Vec::new()));
        self
    }

    fn settings(self, settings: &[(&str, &str)]) -> Self {
        let rows: Vec<Vec<(&str, &str)>> =
            settings.iter().map(|(name, value)| vec![("name", *name), ("setting", *value)]).collect();
        let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
        self.with("pg_settings", None, &rows)
    }

    pub(crate) fn report(&self) -> Report {
        Report::of(&Look::new(&self.catalog, &self.readings), "test")
    }

    fn findings(&self, id: &str) -> Vec<Finding> {
        self.report().findings.into_iter().filter(|finding| finding.id == id).collect()
    }

    fn severity(&self, id: &str) -> Option<Severity> {
        self.findings(id).first().map(|finding| finding.severity)
    }

    fn why_not(&self, id: &str) -> Option<String> {
        self.report().not_judged.into_iter().find(|one| one.id == id).map(|one| one.reason)
    }
}

#[test]
fn a_major_has_its_last_day() {
    // It is 2026-09-21.
    let of = |version| Written::new(version).severity("end-of-life");
    assert_eq!([90_426, 90_600, 130_023].map(of), [Some(Severity::Warning); 3]);
    assert_eq!((of(140_001), of(150_000), of(180_001)), (Some(Severity::Notice), None, None));
    assert!(Written::new(190_000).why_not("end-of-life").unwrap().contains("newer than this program"));
    assert!(Written::new(90_324).why_not("end-of-life").unwrap().contains("older"));
}

#[test]
fn what_endangers_data_is_critical() {
    let with = |name, value| Written::new(170_002).settings(&[(name, value)]).severity("durability");
    assert_eq!(with("fsync", "off"), Some(Severity::Critical));
    assert_eq!(with("zero_damaged_pages", "on"), Some(Severity::Critical));
    assert_eq!(with("fsync", "on"), None);
}

#[test]
fn nothing_is_fine_that_was_not_read() {
    let report = Written::new(170_002).report();
    assert!(
        report
            .fine
            .iter()
            .all(|id| ["end-of-life", "missing-rights", "not-read", "no-statement-figures", "clock"].contains(id)),
        "{:?}",
        report.fine
    );
    assert!(report.findings.is_empty());
}

#[test]
fn connections_count_up_to_those_that_are_reserved() {
    let with = |sessions: &str| {
        Written::new(170_002)
            .settings(&[("superuser_reserved_connections", "3"), ("reserved_connections", "0")])
            .with("pg_stat_database", None, &[])
            .with("sessions", None, &[&[("backend_type", "client backend"), ("datid", "1"), ("sessions", sessions)]])
            .severity("connections")
    };
    assert_eq!(with("77"), None);
    assert_eq!([with("78"), with("92")], [Some(Severity::Warning); 2]);
    assert_eq!(with("93"), Some(Severity::Critical));
}

#[test]
fn a_root_is_found_behind_those_that_wait() {
    let row = |pid, blocker, waited| {
        [("pid", pid), ("blocker_pid", blocker), ("waitstart", waited), ("blocker_state", "idle in transaction")]
    };
    let rows = [row("2", "1", "4"), row("3", "2", "2")];
    let written = Written::new(170_002).with("lock_waits", None, &[&rows[0], &rows[1]]);
    let found = written.findings("blocked");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].severity, found[0].message.as_str()),
        (Severity::Notice, "2 sessions wait for session 1, for 4 s at most.")
    );
    assert_eq!(found[0].evidence[0].fix.as_deref(), Some("select pg_terminate_backend(1);"));
    let severity =
        |waited| Written::new(170_002).with("lock_waits", None, &[&row("2", "1", waited)]).severity("blocked");
    assert_eq!([severity("5"), severity("300")], [Some(Severity::Warning), Some(Severity::Critical)]);
    // Two that wait for each other are no root, and no endless search.
    let circle = Written::new(170_002).with("lock_waits", None, &[&row("2", "3", "1"), &row("3", "2", "1")]);
    assert!(circle.findings("blocked").is_empty());
}

#[test]
fn a_transaction_is_old_by_the_instances_clock() {
    let row =
        [("pid", "7"), ("state", "idle in transaction"), ("state_change", "301"), ("backend_type", "client backend")];
    let mut written = Written::new(170_002).with("pg_stat_activity", None, &[&row]);
    assert_eq!(written.severity("idle-in-transaction"), Some(Severity::Warning));
    written.readings.attributes.clock_offset_us = Some(-2_000_000);
    assert_eq!(written.severity("idle-in-transaction"), None);
    written.readings.attributes.clock_offset_us = Some(11_000_000);
    assert_eq!(written.severity("clock"), Some(Severity::Warning));
}

#[test]
fn wraparound_is_told_with_the_oldest_tables() {
    let written = |age| {
        Written::new(170_002)
            .with("pg_database", None, &[&[("datid", "5"), ("datname", "shop")]])
            .with("wraparound", None, &[&[("datid", "5"), ("xid_age", age), ("freeze_max_age", "200000000")]])
            .with(
                "freeze_age",
                Some(5),
                &[&[("relid", "9"), ("schema", "public"), ("relname", "user"), ("xid_age", age)]],
            )
    };
    assert_eq!(written("1000000000").severity("wraparound"), None);
    assert_eq!(written("1100000000").severity("wraparound"), Some(Severity::Warning));
    let found = written("1700000000").findings("wraparound").remove(0);
    assert_eq!(found.severity, Severity::Critical);
    assert_eq!(found.evidence[1].fix.as_deref(), Some("vacuum (freeze, verbose) public.\"user\";"));
}

#[test]
fn a_sequence_that_ends_gets_a_wider_type() {
    let written = |used: &str, cycles: &str| {
        Written::new(170_002)
            .with("pg_database", None, &[&[("datid", "5"), ("datname", "shop")]])
            .with("pg_class", Some(5), &[&[("relid", "8"), ("schema", "public"), ("relname", "orders")]])
            .with(
                "pg_sequence",
                Some(5),
                &[&[
                    ("seqrelid", "9"),
                    ("schema", "public"),
                    ("relname", "orders_id_seq"),
                    ("data_type", "integer"),
                    ("cycles", cycles),
                    ("owner_relid", "8"),
                    ("owner_column", "id"),
                    ("owner_column_type", "integer"),
                ]],
            )
            .with(
                "pg_sequences",
                Some(5),
                &[&[("seqrelid", "9"), ("status", "read"), ("used", used), ("remaining", "3")]],
            )
    };
    assert_eq!(
        [written("0.79", "f"), written("0.8", "f"), written("0.97", "f")].map(|one| one.severity("sequences")),
        [None, Some(Severity::Warning), Some(Severity::Critical)]
    );
    assert_eq!(written("1", "t").severity("sequences"), None);
    let fix = written("0.9", "f").findings("sequences").remove(0).evidence.remove(0).fix.unwrap();
    assert!(
        fix.starts_with(
            "alter sequence public.orders_id_seq as bigint no maxvalue; alter table public.orders alter column id type bigint;"
        ),
        "{fix}"
    );
}

#[test]
fn unused_takes_a_week_and_a_primary() {
    let written = |seconds: &str| {
        Written::new(170_002)
            .with("pg_class", Some(5), &[&[("relid", "8"), ("schema", "public"), ("relname", "t")]])
            .with(
                "pg_index",
                Some(5),
                &[&[
                    ("indexrelid", "9"),
                    ("relid", "8"),
                    ("schema", "public"),
                    ("relname", "i"),
                    ("is_valid", "t"),
                    ("columns", "a"),
                    ("signature", "1"),
                ]],
            )
            .with(
                "pg_stat_all_indexes",
                Some(5),
                &[&[("indexrelid", "9"), ("relid", "8"), ("scans", "0"), ("stats_since", seconds)]],
            )
    };
    let found = written("700000").findings("unused-indexes");
    assert_eq!(found[0].evidence[0].fix.as_deref(), Some("drop index concurrently public.i;"));
    assert!(written("500000").findings("unused-indexes").is_empty());
    assert!(written("500000").why_not("unused-indexes").unwrap().starts_with("Not enough data"));
    let mut standby = written("700000");
    standby.readings.attributes.role = "standby".to_owned();
    assert!(standby.findings("unused-indexes").is_empty());
    assert!(standby.why_not("unused-indexes").unwrap().contains("standby"));
    // A crash emptied the statistics since.
    let crashed = written("700000").with("pg_stat_archiver", None, &[&[("stats_reset", "60")]]);
    assert!(crashed.findings("unused-indexes").is_empty());
}

/// Columns with their values.
type Columns<'a> = [(&'a str, &'a str)];

/// A table with indexes: what stands in pg_index besides oids and names, and in pg_stat_all_indexes.
fn indexed(indexes: &[(&str, &Columns<'_>, &Columns<'_>)]) -> Written {
    let (mut rows, mut gauges) = (Vec::new(), Vec::new());
    for (oid, index, counted) in indexes {
        let known = [("indexrelid", *oid), ("relid", "8"), ("schema", "public"), ("columns", "a"), ("is_valid", "t")];
        let name = [("relname", *oid), ("signature", "1")];
        rows.push([*index, &known, &name].concat());
        if !counted.is_empty() {
            gauges.push([*counted, &[("indexrelid", *oid), ("relid", "8"), ("stats_since", "700000")]].concat());
        }
    }
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
    let gauges: Vec<&[(&str, &str)]> = gauges.iter().map(Vec::as_slice).collect();
    Written::new(170_002)
        .with("pg_class", Some(5), &[&[("relid", "8"), ("schema", "public"), ("relname", "t")]])
        .with("pg_index", Some(5), &rows)
        .with("pg_stat_all_indexes", Some(5), &gauges)
}

#[test]
fn an_index_that_is_younger_than_its_statistics_is_not_called_unused() {
    let written = |hit: &str, predicate: &str| {
        let counted = [("scans", "0"), ("idx_blks_read", "1"), ("idx_blks_hit", hit)];
        let table = [("relid", "8"), ("n_tup_ins", "900"), ("n_tup_upd", "150"), ("n_tup_hot_upd", "50")];
        indexed(&[("9", &[("has_predicate", predicate)], &counted)]).with("pg_stat_all_tables", Some(5), &[&table])
    };
    assert_eq!(written("999", "f").findings("unused-indexes").len(), 1);
    assert!(written("998", "f").findings("unused-indexes").is_empty());
    assert_eq!(
        written("998", "f").why_not("unused-indexes").unwrap(),
        "Not enough data to call 1 index without a scan unused, younger than the statistics of its table \
         (public.\"9\": 999 blocks of it looked at for 1000 rows written)."
    );
    assert_eq!(written("0", "t").findings("unused-indexes").len(), 1, "not every row is in an index of some rows");
}

#[test]
fn what_is_of_partitions_is_told_once_with_the_index_of_their_table() {
    let idle: &[(&str, &str)] = &[("scans", "0"), ("relpages", "1")];
    let scanned: &[(&str, &str)] = &[("scans", "3"), ("relpages", "1")];
    let part = |root| [("root_relid", root), ("signature", "2")];
    let written = |valid, of_second| {
        indexed(&[
            ("20", &[("root_relid", "20")], &[]),
            ("21", &part("20"), scanned),
            ("30", &[("root_relid", "30"), ("is_valid", valid)], &[]),
            ("31", &part("30"), idle),
            ("32", &part("30"), of_second),
        ])
    };
    let found = written("t", idle).findings("duplicate-indexes").remove(0);
    assert_eq!(found.evidence.len(), 1, "{:?}", found.evidence);
    assert_eq!(found.evidence[0].of, "public.\"30\"");
    let fix = found.evidence[0].fix.as_deref().unwrap();
    assert!(fix.starts_with("drop index public.\"30\"; "), "{fix}");
    // One of them is scanned.
    assert_eq!(written("t", scanned).findings("duplicate-indexes")[0].evidence[0].fix, None);
    // Not all are attached yet.
    let attaching = written("f", idle);
    assert!(attaching.findings("duplicate-indexes").is_empty());
    let found = attaching.findings("invalid-indexes").remove(0);
    assert_eq!(
        (found.severity, found.message.as_str()),
        (Severity::Notice, "1 index of a partitioned table is not valid yet: not every partition has attached one.")
    );
}

#[test]
fn each_database_says_why_it_was_not_read() {
    let row = |oid, name, open| [("datid", oid), ("datname", name), ("datallowconn", open), ("is_template", "f")];
    let rows = [row("5", "a", "t"), row("6", "b", "t"), row("7", "c", "f"), row("8", "d", "t")];
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(<[(&str, &str); 4]>::as_slice).collect();
    let mut written = Written::new(170_002).with("pg_database", None, &rows);
    written.readings.unread = [(5, "left out".to_owned()), (6, "over".to_owned())].into();
    written.readings.failures.insert(("pg_class".to_owned(), Some(6)), "it refused".to_owned());
    let reasons: Vec<Option<String>> = written.report().databases.into_iter().map(|one| one.reason).collect();
    let reasons: Vec<&str> = reasons.iter().map(|reason| reason.as_deref().unwrap()).collect();
    let unlisted = "it was not there when databases were listed";
    assert_eq!(reasons, ["left out", "it refused", "it takes no connections", unlisted]);
}

#[test]
fn a_foreign_key_needs_an_index_that_begins_with_it() {
    let written = |columns: &str, valid: &str| {
        Written::new(170_002)
            .with("pg_class", Some(5), &[&[("relid", "8"), ("schema", "public"), ("relname", "t")]])
            .with(
                "pg_index",
                Some(5),
                &[&[("indexrelid", "9"), ("relid", "8"), ("is_valid", valid), ("columns", columns)]],
            )
            .with("pg_stat_all_tables", Some(5), &[&[("relid", "8"), ("reltuples", "20000")]])
            .with(
                "pg_constraint",
                Some(5),
                &[&[("conid", "3"), ("contype", "f"), ("relid", "8"), ("columns", "a, \"b,c\"")]],
            )
            .severity("foreign-keys-without-index")
    };
    assert_eq!([written("\"b,c\" desc, a, d", "t"), written("a, \"b,c\"", "t")], [None, None]);
    assert_eq!([written("a, d, \"b,c\"", "t"), written("a, \"b,c\"", "f")], [Some(Severity::Notice); 2]);
}

#[test]
fn a_short_interval_says_nothing_of_rates() {
    let written = |seconds| {
        let row = [("datid", "5"), ("xact_commit", "100"), ("xact_rollback", "100"), ("deadlocks", "1")];
        Written::new(170_002).with("pg_stat_database", None, &[&row]).moved("pg_stat_database", seconds, &[&row])
    };
    assert_eq!((written(60).severity("rollbacks"), written(3).severity("rollbacks")), (Some(Severity::Notice), None));
    assert!(written(3).why_not("rollbacks").unwrap().starts_with("Not enough data"));
    assert_eq!(written(3).severity("deadlocks"), Some(Severity::Warning), "one is one, however short it was");
}

#[test]
fn slots_of_nobody_are_told_by_what_they_hold() {
    let of = |more: &[(&str, &str)]| {
        let row = [&[("slot_name", "s"), ("active", "f")], more].concat();
        Written::new(170_002).with("pg_replication_slots", None, &[&row]).severity("replication-slots")
    };
    assert_eq!(of(&[("retained_bytes", "5")]), Some(Severity::Notice));
    assert_eq!(of(&[("retained_bytes", "2000000000")]), Some(Severity::Warning));
    assert_eq!(of(&[("xmin_age", "7")]), Some(Severity::Warning));
    assert_eq!(of(&[("xmin_age", "7"), ("inactive_since", "299")]), None);
    assert_eq!(of(&[("wal_status", "lost"), ("inactive_since", "1")]), Some(Severity::Warning));
    assert_eq!(of(&[("xmin_age", "7"), ("synced", "t")]), None);
}

#[test]
fn who_may_become_a_superuser_is_told_whatever_the_way() {
    let role = |id, name, superuser, login| {
        [("roleid", id), ("rolname", name), ("rolsuper", superuser), ("rolcanlogin", login)]
    };
    let roles = [
        role("10", "postgres", "t", "t"),
        role("20", "boss", "t", "f"),
        role("21", "team", "f", "f"),
        role("22", "ann", "f", "t"),
        role("23", "bob", "f", "t"),
    ];
    let roles: Vec<&[(&str, &str)]> = roles.iter().map(|role| &role[..]).collect();
    let written = Written::new(170_002)
        .with("pg_roles", None, &roles)
        // In a circle, as old versions allowed none, but a catalog may be damaged.
        .with(
            "pg_auth_members",
            None,
            &[
                &[("roleid", "20"), ("member", "21")],
                &[("roleid", "21"), ("member", "22")],
                &[("roleid", "22"), ("member", "21")],
            ],
        );
    let found = written.findings("dangerous-rights");
    let who: Vec<&str> = found[0].evidence.iter().map(|evidence| evidence.of.as_str()).collect();
    assert_eq!(who, ["role ann"]);
}

#[test]
fn missing_rights_are_a_warning_with_their_grant() {
    let mut written = Written::new(170_002);
    let state = |set: &str, fix: &str| SetState {
        set: set.to_owned(),
        state: State::Missing as i32,
        code: StateCode::Privilege as i32,
        message: "No.".to_owned(),
        fix: fix.to_owned(),
        ..SetState::default()
    };
    written.readings.states =
        vec![state("lock_waits", "grant a;"), state("sessions", "grant a;"), state("relation_size", "grant b;")];
    let found = written.findings("missing-rights");
    assert_eq!(found.iter().map(|one| one.severity).collect::<Vec<_>>(), [Severity::Warning, Severity::Notice]);
    assert_eq!(written.why_not("blocked").as_deref(), Some("No."));
    assert!(written.report().needs_somebody());
}

/// Names of every kind.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("</script><script>alert(1)</script>".to_owned()),
        Just("a\u{1b}[31m\n# b | `c` \"d\" 'e' <f> & \\ \u{202e}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn no_name_becomes_a_part_of_a_format(name in hostile(), text in hostile()) {
        let written = Written::new(170_002)
            .with("pg_database", None, &[&[("datid", "5"), ("datname", &name)]])
            .with("pg_class", Some(5), &[&[("relid", "8"), ("schema", &name), ("relname", &name)]])
            .with("pg_index", Some(5), &[&[("indexrelid", "9"), ("relid", "8"), ("schema", &name), ("relname", &name), ("is_valid", "f"), ("columns", &text)]])
            .with("pg_stat_all_indexes", Some(5), &[&[("indexrelid", "9"), ("relid", "8"), ("scans", "0")]])
            .with("pg_stat_activity", None, &[&[("pid", "7"), ("state", "idle in transaction"), ("state_change", "900"), ("query", &text), ("application_name", &name)]]);
        let report = written.report();
        prop_assert_eq!(report.summary.warning, 2);
        let html = render(&report, Format::Html).unwrap();
        prop_assert!(!html.contains("<script") && !html.contains("<f>"));
        prop_assert_eq!(html.matches("<article").count(), 2);
        prop_assert!(html.chars().all(|letter| letter == '\n' || !catalog::is_invisible(letter)));
        let plain = render(&report, Format::Text { width: 80, colour: false }).unwrap();
        prop_assert!(plain.chars().all(|letter| letter == '\n' || !catalog::is_invisible(letter)));
        let markdown = render(&report, Format::Markdown).unwrap();
        prop_assert_eq!(markdown.lines().filter(|line| line.starts_with("# ")).count(), 1);
        let json: serde_json::Value = serde_json::from_str(&render(&report, Format::Json).unwrap()).unwrap();
        prop_assert_eq!(json["format"].as_u64(), Some(u64::from(crate::FORMAT)));
    }
}

#[test]
fn a_text_keeps_its_width() {
    let text =
        render(&Written::new(90_400).settings(&[("fsync", "off")]).report(), Format::Text { width: 80, colour: false })
            .unwrap();
    let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80 && !line.contains('→')).collect();
    assert!(long.is_empty(), "{long:?}");
    assert!(text.contains("CRITICAL fsync is off"), "{text}");
    let colours =
        render(&Written::new(90_400).settings(&[("fsync", "off")]).report(), Format::Text { width: 80, colour: true })
            .unwrap();
    assert!(colours.contains("\u{1b}[1;31mCRITICAL"));
}

#[test]
fn frames_have_an_order() {
    let written = Written::new(170_002)
        .with("pg_class", Some(7), &[&[("relid", "1"), ("schema", "a"), ("relname", "b")]])
        .with("pg_class", Some(5), &[&[("relid", "1"), ("schema", "c"), ("relname", "d")]]);
    let names: BTreeMap<i64, Option<String>> = {
        let look = Look::new(&written.catalog, &written.readings);
        [5, 7].into_iter().map(|datid| (datid, look.relation(datid, 1))).collect()
    };
    assert_eq!(names, [(5, Some("c.d".to_owned())), (7, Some("a.b".to_owned()))].into());
}
