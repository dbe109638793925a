//! Every set that comes with the binary: it parses, and keeps the rules that its SQL must keep.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Availability, Catalog, Kind, Set, Type, Version, WithoutGrant};

use crate::columns::{code, outputs, unquoted};

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

#[test]
fn the_whole_catalogue_parses() {
    let catalog = Catalog::embedded().unwrap();
    let names: Vec<_> = catalog.sets().map(Set::name).collect();
    for name in [
        "lock_waits",
        "pg_class",
        "pg_database",
        "pg_index",
        "pg_replication_slots",
        "pg_roles",
        "pg_settings",
        "pg_stat_activity",
        "pg_stat_all_indexes",
        "pg_stat_all_tables",
        "pg_stat_archiver",
        "pg_stat_bgwriter",
        "pg_stat_checkpointer",
        "pg_stat_database",
        "pg_stat_replication",
        "pg_stat_statements",
        "pg_stat_statements_info",
        "pg_stat_statements_text",
        "pg_stat_wal",
        "pg_stat_wal_receiver",
        "relation_size",
        "sessions",
        "wal",
        "wal_directory",
        "wal_io",
        "wraparound",
        "host_cpu",
        "collector_sets",
    ] {
        assert!(names.contains(&name), "{name} is missing from {names:?}");
    }
}

#[test]
fn every_sql_file_puts_out_exactly_the_columns_that_its_version_has() {
    for set in Catalog::embedded().unwrap().sets() {
        for (served, sql) in &set.sql {
            let put_out: Vec<_> = outputs(sql).into_iter().map(|(name, _)| name).collect();
            let expected: BTreeSet<_> = set
                .definition
                .columns
                .iter()
                .filter(|column| column.since.is_none_or(|since| since <= *served))
                .map(|column| column.name.clone())
                .collect();
            assert_eq!(put_out.iter().cloned().collect::<BTreeSet<_>>(), expected, "{} {served}.sql", set.name());
            assert_eq!(put_out.len(), expected.len(), "{} {served}.sql names a column twice", set.name());
        }
    }
}

#[test]
fn every_output_column_is_cast_to_its_own_type() {
    for set in Catalog::embedded().unwrap().sets() {
        for (served, sql) in &set.sql {
            for (name, expression) in outputs(sql) {
                let (_, column) = set.definition.column(&name).unwrap();
                let casts: &[&str] = match column.column_type {
                    Type::Bool => &["::boolean"],
                    Type::Int4 => &["::integer"],
                    Type::Int8 | Type::Oid | Type::Lsn | Type::Duration => &["::bigint"],
                    Type::Float8 => &["::float8"],
                    Type::Text => &["::text"],
                    Type::Timestamptz => &["::timestamptz"],
                };
                let is_cast = casts.iter().any(|cast| expression.ends_with(cast));
                assert!(is_cast, "{} {served}.sql: {name} ends in none of {casts:?}: {expression}", set.name());
            }
        }
    }
}

#[test]
fn sql_is_lower_case_reads_only_and_leaves_no_name_to_the_search_path() {
    const FORBIDDEN: [&str; 9] =
        ["insert ", "update ", "delete ", "truncate ", "lock ", "alter ", "create ", "drop ", "for update"];
    for set in Catalog::embedded().unwrap().sets() {
        for (served, sql) in &set.sql {
            let place = format!("{} {served}.sql", set.name());
            let statement = code(sql);
            let bare = unquoted(&statement);
            assert_eq!(bare, bare.to_lowercase(), "{place} is not in lower case");
            assert!(bare.starts_with("select"), "{place} does not begin with select");
            assert!(!bare.contains(';'), "{place} has more than one statement");
            for word in FORBIDDEN {
                assert!(!bare.contains(word), "{place} contains {word:?}");
            }
            for after_from in bare.split_inclusive(char::is_whitespace).collect::<Vec<_>>().windows(2) {
                if after_from[0].trim() != "from" || after_from[1].starts_with("(") {
                    continue;
                }
                let relation = after_from[1].trim();
                // Neither extract(epoch from x.y) nor a is distinct from x.y names a relation, and a common table has
                // no schema.
                let known = relation.starts_with("pg_catalog.")
                    || relation.starts_with("{extension}.")
                    || bare.contains(&format!("epoch from {relation}"))
                    || bare.contains(&format!("distinct from {relation}"))
                    || bare.contains(&format!("{relation} as ("));
                assert!(known, "{place}: {relation} has no schema");
            }
        }
    }
}

#[test]
fn hidden_columns_are_those_that_postgresql_hides() {
    let catalog = Catalog::embedded().unwrap();
    assert_eq!(catalog.get("pg_stat_statements").unwrap().without_grant(), WithoutGrant::Set);
    assert_eq!(catalog.get("pg_stat_database").unwrap().without_grant(), WithoutGrant::Nothing);
    assert_eq!(catalog.get("pg_settings").unwrap().without_grant(), WithoutGrant::Part(vec!["sourcefile".to_owned()]));
    for set in catalog.sets() {
        let probed = set.member_of.is_some() || !set.executes.is_empty();
        assert_eq!(set.grant.is_some(), probed, "{}: a probe for its grant", set.name());
    }
}

#[test]
fn every_proposal_says_what_it_costs_and_nothing_else_does() {
    let catalog = Catalog::embedded().unwrap();
    let mut proposed: BTreeSet<String> = catalog.sets().filter_map(|set| set.grant.clone()).collect();
    proposed.extend(catalog.sets().flat_map(|set| &set.definition.columns).filter_map(|c| c.requires_setting.clone()));
    for extension in catalog.sets().filter_map(|set| set.extension.as_ref()) {
        proposed.extend(["create", "alter"].map(|verb| format!("{verb} extension {extension}")));
        proposed.insert("shared_preload_libraries".to_owned());
    }
    let costs: BTreeSet<_> = catalog::costs().map(|(what, _)| what.trim_end_matches(" update").to_owned()).collect();
    assert_eq!(costs, proposed);
    // What is on unless somebody switched it off is needed; a grant or an extension always is.
    let optional: BTreeSet<_> =
        catalog::costs().map(|(what, _)| what).filter(|what| catalog::is_optional(what)).collect();
    let left_off = [
        "data_checksums",
        "pg_stat_statements.track_planning",
        "track_functions",
        "track_io_timing",
        "track_wal_io_timing",
    ];
    assert_eq!(optional, BTreeSet::from(left_off));
    for (what, cost) in catalog::costs() {
        let is_fragment = cost.starts_with("costs ") || cost.starts_with("reads the clock ");
        // It stands behind a statement, up to the line's end.
        assert!(is_fragment && !cost.contains('\n') && !cost.ends_with('.'), "{what}: {cost}");
    }
}

#[test]
fn versions_choose_sql_by_number_and_say_what_is_needed() {
    let catalog = Catalog::embedded().unwrap();
    let statements = catalog.get("pg_stat_statements").unwrap();
    let puts_out = |at: &str, column: &str| match statements.sql_for(version(at)) {
        Availability::Sql(sql) => outputs(sql).iter().any(|(name, _)| name == column),
        Availability::Needs(lowest) => panic!("{at} needs {lowest}"),
    };
    assert!(!puts_out("1.7", "plans") && puts_out("1.8", "plans"));
    assert!(!puts_out("1.9", "jit_functions") && puts_out("1.10", "jit_functions"));
    assert!(puts_out("1.13", "wal_buffers_full"), "a newer extension is served by the newest SQL");
    let info = catalog.get("pg_stat_statements_info").unwrap();
    assert_eq!(info.sql_for(version("1.8")), Availability::Needs(version("1.9")));
    let database = catalog.get("pg_stat_database").unwrap();
    assert_eq!(database.sql_for(version("9.3")), Availability::Needs(version("9.4")));
}

#[test]
fn statement_figures_never_read_text() {
    let catalog = Catalog::embedded().unwrap();
    for sql in catalog.get("pg_stat_statements").unwrap().sql.values() {
        assert!(sql.contains("{extension}.pg_stat_statements(false)"));
        assert!(!sql.contains("query,") && !sql.contains("s.query "));
    }
}

#[test]
fn one_column_has_one_meaning_in_all_sets() {
    // A name that two sets share is joined on by people: it must have one type.
    let mut types = BTreeMap::new();
    for set in Catalog::embedded().unwrap().sets() {
        for column in set.definition.columns.iter().filter(|c| c.kind == Kind::Label) {
            let known = types.entry(column.name.clone()).or_insert(column.column_type);
            assert_eq!(*known, column.column_type, "{} in {}", column.name, set.name());
        }
    }
}
