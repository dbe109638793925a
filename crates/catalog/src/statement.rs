//! What the statement of a set may be: one that only reads, as far as its text shows.
//!
//! It keeps mistakes out and says why; it is no wall. PostgreSQL holds the rest: the session and the transaction are
//! read only, time and rows are bounded, and the role has the rights that somebody gave it.

use crate::lexer::{Kind, Lexer, Token};

/// The longest statement, in bytes.
pub const MAX_STATEMENT: usize = 64 * 1024;

/// What a statement begins with.
const FIRST_WORDS: [&str; 4] = ["select", "with", "values", "table"];

/// Functions that do more than read, by their names or what those begin with (`*`), and what they do.
const REFUSED: &[(&[&str], &str)] = &[
    (&["pg_sleep*"], "waits"),
    (
        &[
            "pg_terminate_backend",
            "pg_cancel_backend",
            "pg_reload_conf",
            "pg_rotate_logfile*",
            "pg_promote",
            "pg_switch_wal",
            "pg_switch_xlog",
            "pg_create_restore_point",
            "pg_start_backup",
            "pg_stop_backup",
            "pg_backup_start",
            "pg_backup_stop",
            "pg_wal_replay_pause",
            "pg_wal_replay_resume",
            "pg_xlog_replay_pause",
            "pg_xlog_replay_resume",
            "pg_log_backend_memory_contexts",
            "pg_log_standby_snapshot",
            "pg_notify",
            "pg_prewarm",
            "autoprewarm*",
            "pg_import_system_collations",
            "pg_export_snapshot",
            "pg_logical_emit_message",
            "pg_sync_replication_slots",
        ],
        "acts on the server",
    ),
    (
        &[
            "pg_create_*",
            "pg_drop_replication_slot",
            "pg_copy_*",
            "pg_replication_slot_advance",
            "pg_logical_slot_*",
            "pg_replication_origin_create",
            "pg_replication_origin_drop",
            "pg_replication_origin_advance",
            "pg_replication_origin_session_*",
            "pg_replication_origin_xact_*",
        ],
        "acts on replication",
    ),
    (
        &[
            "brin_summarize_*",
            "brin_desummarize_*",
            "gin_clean_pending_list",
            "pg_truncate_visibility_map",
            "heap_force_*",
            "pg_buffercache_evict*",
            "pg_nextoid",
            "repack_*",
            "pg_background_*",
        ],
        "writes, although a transaction is read only",
    ),
    (&["pg_wait_for_*"], "waits"),
    (
        &[
            "pg_set_relation_stats",
            "pg_set_attribute_stats",
            "pg_restore_relation_stats",
            "pg_restore_attribute_stats",
            "pg_clear_relation_stats",
            "pg_clear_attribute_stats",
        ],
        "changes statistics",
    ),
    (&["pg_stat_reset*", "pg_stat_statements_reset", "pg_stat_force_next_flush"], "changes statistics"),
    (&["pg_advisory_*", "pg_try_advisory_*"], "takes locks"),
    (&["set_config", "nextval", "setval", "txid_current", "pg_current_xact_id"], "changes something"),
    (
        &["pg_read_file", "pg_read_binary_file", "pg_file_*", "lo_*", "loread", "lowrite", "pg_logdir_ls"],
        "reads or writes files",
    ),
    (
        &[
            "query_to_xml*",
            "cursor_to_xml*",
            "table_to_xml*",
            "schema_to_xml*",
            "database_to_xml*",
            "dblink*",
            "crosstab*",
            "connectby",
            "ts_stat",
            "ts_rewrite",
            "xpath_table",
        ],
        "runs a text as another statement",
    ),
];

/// Words after which a `for` locks the rows that are read.
const LOCKING: [&str; 4] = ["update", "no", "share", "key"];

/// What writes where it stands in parentheses, as in `with a as (delete …)`.
const WRITING: [&str; 4] = ["insert", "update", "delete", "merge"];

/// What is wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Mistake {
    /// The line, from 1; none where it is about all of it.
    pub line: Option<usize>,
    /// The reason.
    pub reason: String,
}

impl From<String> for Mistake {
    fn from(reason: String) -> Self {
        Self { line: None, reason }
    }
}

/// Refuses what does more than read.
///
/// # Errors
/// The first thing that does.
pub fn check(sql: &str) -> Result<(), Mistake> {
    if sql.len() > MAX_STATEMENT {
        return Err(format!("the statement is longer than {MAX_STATEMENT} bytes").into());
    }
    let line = |at: usize| sql.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let refused = |at: usize, reason: String| Err(Mistake { line: Some(line(at)), reason });
    let mut lexer = Lexer::new(sql);
    let tokens: Vec<Token> =
        lexer.by_ref().filter(|token| !matches!(token.kind, Kind::Space | Kind::Comment)).collect();
    if lexer.is_obscure() {
        return Err("a name or literal is written by character numbers or in pieces: write it plainly"
            .to_owned()
            .into());
    }
    let words: Vec<String> = tokens.iter().map(|token| word(sql, *token)).collect();
    let parentheses = |token: &&Token| matches!(&sql[token.start..token.end], "(");
    let first = tokens.iter().position(|token| !parentheses(&token)).map_or("", |at| words[at].as_str());
    if !FIRST_WORDS.contains(&first) {
        return Err(format!("a set's statement begins with {}", FIRST_WORDS.join(", ")).into());
    }
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        let next = words.get(at + 1).map_or("", String::as_str);
        let before = at.checked_sub(1).map_or("", |before| words[before].as_str());
        match (token.kind, words[at].as_str()) {
            (Kind::Failure, _) => {
                return refused(token.start, "a quote or comment has no end, or is unclear".to_owned());
            }
            (Kind::Parameter, word) => return refused(token.start, format!("{word} is a parameter: there are none")),
            (Kind::Sign, "(") => depth += 1,
            (Kind::Sign, ")") => match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return refused(token.start, "a closing parenthesis too many".to_owned()),
            },
            (Kind::Sign, ";") => return refused(token.start, "one statement only: there is a semicolon".to_owned()),
            (Kind::Word, "into") => return refused(token.start, "into: it would write".to_owned()),
            (Kind::Word, "for") if LOCKING.contains(&next) => {
                return refused(token.start, format!("for {next}: it would lock rows"));
            }
            (Kind::Word, word) if before == "(" && WRITING.contains(&word) => {
                return refused(token.start, format!("{word}: it would write"));
            }
            (Kind::Word | Kind::Quoted, name) if next == "(" => {
                if let Some(why) = refusal(name) {
                    return refused(token.start, format!("{name}() is refused: it {why}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A token as PostgreSQL compares it.
fn word(sql: &str, token: Token) -> String {
    let text = &sql[token.start..token.end];
    match token.kind {
        Kind::Quoted => text.trim_matches('"').replace("\"\"", "\""),
        Kind::Word => text.to_ascii_lowercase(),
        _ => text.to_owned(),
    }
}

fn refusal(name: &str) -> Option<&'static str> {
    let is = |pattern: &&str| pattern.strip_suffix('*').map_or(*pattern == name, |start| name.starts_with(start));
    REFUSED.iter().find(|(names, _)| names.iter().any(is)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::{Mistake, check};
    use crate::Catalog;

    #[test]
    fn what_only_reads_is_taken() {
        for sql in [
            "select count(*) from app.orders as o",
            "-- of today\nwith a as (select 1) select * from a",
            "values (1), (2)",
            "(select 1) union all (select 2)",
            "select ';' as semicolon, $$ ; $$, 'it''s', \"into\", substring('abc' from 1 for 2) /* ; */",
            "select nextval from app.counters",
            "select \"update\" from t",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
        let catalog = Catalog::embedded().unwrap();
        for (set, sql) in catalog.sets().flat_map(|set| set.sql.values().map(move |sql| (set.name(), sql))) {
            assert_eq!(check(sql), Ok(()), "{set}");
        }
    }

    #[test]
    fn what_does_more_is_refused_with_line_and_reason() {
        for (sql, reason) in [
            ("delete from t", "a set's statement begins with select, with, values, table"),
            ("", "a set's statement begins with"),
            ("do $$ begin end $$", "a set's statement begins with"),
            ("explain analyze select 1", "a set's statement begins with"),
            ("select 1;\ndrop table t", "line 1: one statement only: there is a semicolon"),
            ("select 1\n;select 2", "line 2: one statement only"),
            ("select 1 into t", "line 1: into: it would write"),
            ("with a as (\ndelete from t returning 1) select 1", "line 2: delete: it would write"),
            ("select 1 from t for update", "line 1: for update: it would lock rows"),
            ("select 1 from t for no key update", "line 1: for no: it would lock rows"),
            ("select pg_sleep(1)", "line 1: pg_sleep() is refused: it waits"),
            ("select pg_catalog.PG_SLEEP_FOR ('1 s')", "line 1: pg_sleep_for() is refused: it waits"),
            ("select \"pg_sleep\"/**/(1)", "line 1: pg_sleep() is refused: it waits"),
            ("select u&\"pg\\005fsleep\"(1)", "written by character numbers"),
            ("select set_config('a', 'b', false)", "set_config() is refused: it changes something"),
            ("select query_to_xml('delete from t', true, true, '')", "runs a text as another statement"),
            ("select dblink_exec('', 'delete from t')", "runs a text as another statement"),
            ("select 1) as a, (select 2", "line 1: a closing parenthesis too many"),
            ("select $1", "line 1: $1 is a parameter"),
            ("select 'a", "line 1: a quote or comment has no end"),
            ("select 1 /*", "line 1: a quote or comment has no end"),
            ("select 'a\\'; drop table t; --'", "line 1: a quote or comment has no end, or is unclear"),
            ("select 1\0", "line 1: a quote or comment has no end, or is unclear"),
        ] {
            let found = match check(sql).unwrap_err() {
                Mistake { line: Some(line), reason } => format!("line {line}: {reason}"),
                Mistake { line: None, reason } => reason,
            };
            assert!(found.contains(reason), "{sql:?}: {found}");
        }
        let long = check(&format!("select '{}'", "a".repeat(70_000))).unwrap_err();
        assert!(long.reason.contains("longer than 65536 bytes"));
    }
}
