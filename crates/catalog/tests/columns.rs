//! Each SQL file against the columns that real servers have, without a server.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Catalog, Set, Version};

/// Written by reading `pg_attribute` of real servers.
const COLUMNS: &str = include_str!("pg-columns.tsv");
/// The majors that the file covers, with the version of `pg_stat_statements` that came with each.
const MAJORS: [(&str, &str); 12] = [
    ("9.4", "1.2"),
    ("9.5", "1.3"),
    ("9.6", "1.4"),
    ("10", "1.6"),
    ("11", "1.6"),
    ("12", "1.7"),
    ("13", "1.8"),
    ("14", "1.9"),
    ("15", "1.10"),
    ("16", "1.10"),
    ("17", "1.11"),
    ("18", "1.12"),
];
/// Functions that the setup script makes where PostgreSQL does not have them yet, with the same columns.
const MADE_BY_SCRIPT: [&str; 1] = ["pg_catalog.pg_ls_waldir"];
/// Relations that take part in the check are called in this way.
const SCHEMAS: [(&str, &str); 2] = [("pg_catalog.", "pg_catalog."), ("{extension}.", "public.")];

/// A statement without its comments.
pub(crate) fn code(sql: &str) -> String {
    sql.lines().map(|line| line.split("--").next().unwrap_or_default().trim_end()).collect::<Vec<_>>().join("\n")
}

/// A statement without what its quotes hold.
pub(crate) fn unquoted(statement: &str) -> String {
    let mut quote = None;
    let mut bare = String::new();
    for c in statement.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None => bare.push(c),
        }
    }
    bare
}

/// The output columns of a statement as (name, expression): what stands between its first `select`
/// and the `from` of the same depth, split at commas of that depth.
pub(crate) fn outputs(sql: &str) -> Vec<(String, String)> {
    let statement = code(sql);
    let body = statement.strip_prefix("select").unwrap();
    let (mut depth, mut quoted, mut parts) = (0, false, vec![String::new()]);
    for (at, c) in body.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            'f' if !quoted && depth == 0 && body[at..].starts_with("from ") && body[..at].ends_with('\n') => break,
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts
        .iter()
        .map(|part| {
            let (expression, name) = part.trim().rsplit_once(" as ").unwrap_or_else(|| panic!("no name: {part}"));
            (name.to_owned(), expression.to_owned())
        })
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What a statement reads, as (relation, column): every `alias.column` whose alias stands for a
/// relation of a schema in `SCHEMAS`. Functions of an extension count as the view of their name.
fn reads(sql: &str) -> Vec<(String, String)> {
    let statement = code(sql);
    let mut aliases = BTreeMap::new();
    for (written, stored) in SCHEMAS {
        for after in statement.split(written).skip(1) {
            let relation: String = after.chars().take_while(|c| is_word(*c)).collect();
            let rest = after[relation.len()..].trim_start_matches("(false)").trim_start_matches("(true)");
            if let Some(alias) = rest.trim_start_matches("()").strip_prefix(" as ") {
                aliases.insert(
                    alias.chars().take_while(|c| is_word(*c)).collect::<String>(),
                    format!("{stored}{relation}"),
                );
            }
        }
    }
    let names_none = SCHEMAS.iter().all(|(written, _)| !statement.contains(&format!("from {written}")));
    assert!(names_none || !aliases.is_empty(), "no relation with an alias in {statement}");
    let mut found = Vec::new();
    for (alias, relation) in &aliases {
        for (at, _) in statement.match_indices(&format!("{alias}.")) {
            if !statement[..at].ends_with(is_word) {
                let column = statement[at + alias.len() + 1..].chars().take_while(|c| is_word(*c)).collect();
                found.push((relation.clone(), column));
            }
        }
    }
    found
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// (relation, column) → the majors that have it.
fn known() -> BTreeMap<(&'static str, &'static str), BTreeSet<Version>> {
    let mut columns = BTreeMap::<_, BTreeSet<Version>>::new();
    for line in COLUMNS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').collect();
        let [relation, column, _, first, last] = fields[..] else { panic!("five fields: {line:?}") };
        // A system column before 12, which is not listed among a relation's own.
        let hidden = column == "oid" && first == "12";
        let first = version(if hidden || MADE_BY_SCRIPT.contains(&relation) { MAJORS[0].0 } else { first });
        let have = MAJORS.iter().map(|(major, _)| version(major));
        let have = have.filter(|major| (first..=version(last)).contains(major));
        columns.entry((relation, column)).or_default().extend(have);
    }
    columns
}

/// The majors whose version of the server, or of the extension they came with, this file serves.
fn served(set: &Set, file: Version) -> Vec<Version> {
    let next = set.sql.range(file..).nth(1).map(|(version, _)| *version);
    let serves = |(major, statements): &&(&str, &str)| {
        let of = version(if set.extension.is_some() { statements } else { major });
        file <= of && next.is_none_or(|next| of < next)
    };
    MAJORS.iter().filter(serves).map(|(major, _)| version(major)).collect()
}

#[test]
fn every_column_that_sql_names_exists_in_every_major_that_it_serves() {
    let known = known();
    let mut looked_at = 0;
    for set in Catalog::embedded().unwrap().sets() {
        for (file, sql) in &set.sql {
            for (relation, column) in reads(sql) {
                for major in served(set, *file) {
                    let exists =
                        known.get(&(relation.as_str(), column.as_str())).is_some_and(|in_| in_.contains(&major));
                    assert!(exists, "{} {file}.sql: {relation}.{column} does not exist in {major}", set.name());
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 500, "looked at {looked_at} columns only: the check does not see the SQL");
}

#[test]
fn the_newest_sql_reads_every_figure_that_postgresql_offers() {
    // A column that a new major brings is seen here. What is left out is left out on purpose.
    const LEFT_OUT: &[(&str, &str)] = &[
        ("pg_stat_database", "datname"),
        ("pg_stat_replication", "usesysid"),
        ("pg_stat_replication", "client_hostname"),
        ("pg_stat_replication", "client_port"),
        ("pg_stat_replication", "backend_xmin"),
        ("pg_replication_slots", "database"),
        ("pg_stat_wal_receiver", "conninfo"),
        ("pg_stat_wal_receiver", "receive_start_lsn"),
        ("pg_stat_wal_receiver", "receive_start_tli"),
        ("pg_settings", "extra_desc"),
        ("pg_settings", "min_val"),
        ("pg_settings", "max_val"),
        ("pg_settings", "enumvals"),
        ("pg_settings", "reset_val"),
        ("pg_settings", "sourceline"),
        ("pg_stat_statements", "query"),
        ("pg_stat_all_tables", "schemaname"),
        ("pg_stat_all_tables", "relname"),
        ("pg_stat_all_indexes", "schemaname"),
        ("pg_stat_all_indexes", "relname"),
        ("pg_stat_all_indexes", "indexrelname"),
        ("pg_stat_user_functions", "schemaname"),
        ("pg_stat_user_functions", "funcname"),
        ("pg_stat_database_conflicts", "datname"),
        ("pg_stat_subscription_stats", "subname"),
        ("pg_subscription", "subconninfo"),
        ("pg_subscription", "subskiplsn"),
        ("pg_subscription", "subpasswordrequired"),
    ];
    let catalog = Catalog::embedded().unwrap();
    let newest = version(MAJORS[MAJORS.len() - 1].0);
    let (_, sql) = catalog.get("progress").unwrap().sql.last_key_value().unwrap();
    let progress: BTreeSet<_> = reads(sql).into_iter().collect();
    for ((relation, column), majors) in known() {
        let is_progress = relation.starts_with("pg_catalog.pg_stat_progress_") && majors.contains(&newest);
        if is_progress && column != "datname" {
            let is_read = progress.contains(&(relation.to_owned(), column.to_owned()));
            assert!(is_read, "progress: nobody reads {relation}.{column}");
        }
    }
    for name in [
        "pg_stat_statements",
        "pg_stat_statements_info",
        "pg_stat_database",
        "pg_stat_replication",
        "pg_settings",
        "pg_replication_slots",
        "pg_stat_archiver",
        "pg_stat_bgwriter",
        "pg_stat_checkpointer",
        "pg_stat_wal",
        "pg_stat_wal_receiver",
        "pg_stat_all_indexes",
        "pg_stat_all_tables",
        "pg_stat_io",
        "pg_stat_slru",
        "pg_stat_user_functions",
        "pg_stat_database_conflicts",
        "pg_stat_recovery_prefetch",
        "pg_stat_replication_slots",
        "pg_stat_subscription",
        "pg_stat_subscription_stats",
        "pg_publication",
        "pg_subscription",
    ] {
        let (_, sql) = catalog.get(name).unwrap().sql.last_key_value().unwrap();
        let read: BTreeSet<_> = reads(sql).into_iter().map(|(_, column)| column).collect();
        for ((relation, column), majors) in known() {
            let of_this_set = relation.split('.').next_back() == Some(name) && majors.contains(&newest);
            if of_this_set && !LEFT_OUT.contains(&(name, column)) {
                assert!(read.contains(column), "{name}: nobody reads {relation}.{column}");
            }
        }
    }
}

#[test]
fn the_check_sees_a_column_that_is_not_there() {
    let sql =
        "select\n  d.datid::bigint as datid,\n  d.active_time::bigint as x\nfrom pg_catalog.pg_stat_database as d";
    let read = reads(sql);
    assert!(read.contains(&("pg_catalog.pg_stat_database".to_owned(), "active_time".to_owned())));
    let majors = &known()[&("pg_catalog.pg_stat_database", "active_time")];
    assert!(!majors.contains(&version("13")) && majors.contains(&version("14")), "14 brought the times of sessions");
}
