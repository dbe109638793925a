//! What every session is told in its start-up packet, so that nothing that a role, a database or the cluster presets
//! changes a reading, and everything that bounds the session holds from the first moment.
//!
//! The packet wins over all presets. An unknown setting in it refuses the session, so those that a later PostgreSQL
//! brought go with it only once the version is known; and only those that every role may set.

use std::fmt::Write as _;

/// How long a statement waits for a lock on a catalog.
pub const LOCK_TIMEOUT_MS: u32 = 100;
/// How long a statement may take.
pub const STATEMENT_TIMEOUT_MS: u32 = 15_000;

/// What a session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What bounds it, and where names resolve.
    Bounds(Option<u32>),
    /// All that a version has, if it is known.
    All(Option<u32>),
}

/// A setting, the value that it gets, and the version numbers from which it is there: one for each major that got it in
/// a minor release, the last for all later ones. None: from PostgreSQL 9.4 on.
type Preset = (&'static str, &'static str, &'static [u32]);

/// What bounds a session and decides what a statement answers.
const PRESETS: [Preset; 52] = [
    // A standby refuses every statement of a serializable session, and a deferrable one waits for a safe snapshot.
    // 9.4 cannot be told a value with a blank.
    ("default_transaction_isolation", "read committed", &[90_500]),
    ("default_transaction_deferrable", "off", &[]),
    ("default_transaction_read_only", "on", &[]),
    ("idle_in_transaction_session_timeout", "30000", &[90_600]),
    // The open connection is idle from one cycle to the next.
    ("idle_session_timeout", "0", &[140_000]),
    ("transaction_timeout", "0", &[170_000]),
    // Each set sees one state of the statistics.
    ("stats_fetch_consistency", "cache", &[150_000]),
    // An error ends a statement, not the session.
    ("exit_on_error", "off", &[]),
    // Which rows and views are seen, and how statements are read.
    ("row_security", "on", &[90_500]),
    ("restrict_nonsystem_relation_kind", "", &[120_020, 130_016, 140_013, 150_008, 160_004, 170_000]),
    ("quote_all_identifiers", "off", &[]),
    ("transform_null_equals", "off", &[]),
    ("standard_conforming_strings", "on", &[]),
    ("backslash_quote", "safe_encoding", &[]),
    ("escape_string_warning", "off", &[]),
    ("array_nulls", "on", &[]),
    ("client_min_messages", "error", &[]),
    // How values are written.
    ("TimeZone", "UTC", &[]),
    ("timezone_abbreviations", "Default", &[]),
    ("DateStyle", "ISO, MDY", &[90_500]),
    ("IntervalStyle", "postgres", &[]),
    ("bytea_output", "hex", &[]),
    ("extra_float_digits", "1", &[]),
    ("xmlbinary", "base64", &[]),
    ("lc_monetary", "C", &[]),
    ("lc_numeric", "C", &[]),
    ("lc_time", "C", &[]),
    // A plan without one of its ways may take longer than a statement may; compiling and workers cost the instance.
    ("jit", "off", &[110_000]),
    ("max_parallel_workers_per_gather", "0", &[90_600]),
    ("force_parallel_mode", "off", FORCE_PARALLEL_MODE),
    ("debug_parallel_query", "off", &[160_000]),
    ("from_collapse_limit", "8", &[]),
    ("join_collapse_limit", "8", &[]),
    ("plan_cache_mode", "auto", &[120_000]),
    ("enable_bitmapscan", "on", &[]),
    ("enable_distinct_reordering", "on", &[180_000]),
    ("enable_gathermerge", "on", &[100_000]),
    ("enable_group_by_reordering", "on", &[170_000]),
    ("enable_hashagg", "on", &[]),
    ("enable_hashjoin", "on", &[]),
    ("enable_incremental_sort", "on", &[130_000]),
    ("enable_indexonlyscan", "on", &[]),
    ("enable_indexscan", "on", &[]),
    ("enable_material", "on", &[]),
    ("enable_memoize", "on", &[140_000]),
    ("enable_mergejoin", "on", &[]),
    ("enable_nestloop", "on", &[]),
    ("enable_presorted_aggregate", "on", &[160_000]),
    ("enable_self_join_elimination", "on", &[180_000]),
    ("enable_seqscan", "on", &[]),
    ("enable_sort", "on", &[]),
    ("enable_tidscan", "on", &[]),
];

/// It was renamed in 16; up to there it is told like those that came later.
const FORCE_PARALLEL_MODE: &[u32] = &[90_600, 100_000, 110_000, 120_000, 130_000, 140_000, 150_000, u32::MAX];

/// The options of a start-up packet.
#[must_use]
pub fn options(told: Told) -> String {
    let mut options = format!(
        "-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS} -c search_path=pg_catalog"
    );
    let (Told::All(version_num) | Told::Bounds(version_num)) = told;
    let all = matches!(told, Told::All(_));
    for (name, value, since) in PRESETS {
        if is_there(since, version_num) && (all || name.ends_with("_timeout")) {
            // A blank separates options.
            let _ = write!(options, " -c {name}={}", value.replace(' ', "\\ "));
        }
    }
    options
}

/// Whether a version has a setting; while it is not known, only what all have.
fn is_there(since: &[u32], version_num: Option<u32>) -> bool {
    let Some(last) = since.last() else { return true };
    version_num.is_some_and(|version| {
        let same_major = |first: &&u32| *first / 10_000 == version / 10_000;
        since.iter().find(same_major).map_or(version >= *last, |first| version >= *first)
    })
}

/// `server_version_num` of a `server_version` such as `12.20 (Debian 12.20-1)`, `18beta1` or `9.6.24`.
#[must_use]
pub fn version_num(server_version: &str) -> Option<u32> {
    let mut parts = server_version.split('.').map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        (part[..digits].parse::<u32>().ok(), digits == part.len())
    });
    let (major, more) = parts.next()?;
    let major = major.filter(|major| (9..1000).contains(major))?;
    // What follows a part that is not only digits belongs to a package's version.
    let mut more = more;
    let mut next = || {
        let (number, goes_on) = parts.next().filter(|_| more)?;
        more = goes_on;
        number
    };
    let second = next().unwrap_or(0);
    if major >= 10 {
        return Some(major * 10_000 + second);
    }
    Some(major * 10_000 + second * 100 + next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_told_what_it_has() {
        assert_eq!(version_num("12.20 (Debian 12.20-1.pgdg)"), Some(120_020));
        assert_eq!(version_num("18beta1"), Some(180_000));
        assert_eq!(version_num("17"), Some(170_000));
        assert_eq!(version_num("9.6.24"), Some(90_624));
        assert_eq!(version_num("9.4.26 (Debian 9.4.26-0+deb8u1)"), Some(90_426));
        assert_eq!(version_num("9.6beta1"), Some(90_600));
        assert_eq!(version_num("8.4.22"), None);
        assert_eq!(version_num(""), None);
        let has = |name: &str, version| options(Told::All(version)).contains(&format!("-c {name}="));
        for (name, lacks, first) in [
            ("transaction_timeout", 160_009, 170_000),
            ("idle_session_timeout", 130_020, 140_000),
            ("restrict_nonsystem_relation_kind", 120_019, 120_020),
            ("restrict_nonsystem_relation_kind", 160_003, 160_004),
            ("restrict_nonsystem_relation_kind", 110_099, 190_001),
            ("idle_in_transaction_session_timeout", 90_525, 90_600),
            ("default_transaction_isolation", 90_426, 90_500),
            ("force_parallel_mode", 90_525, 90_624),
            ("jit", 100_023, 110_000),
            ("plan_cache_mode", 110_022, 120_000),
            ("debug_parallel_query", 150_010, 160_000),
            ("force_parallel_mode", 160_000, 150_010),
        ] {
            assert!(!has(name, Some(lacks)) && has(name, Some(first)) && !has(name, None), "{name}");
        }
        assert!(options(Told::All(Some(90_600))).contains(r"-c default_transaction_isolation=read\ committed -c "));
        assert!(!options(Told::All(Some(90_426))).contains('\\'), "9.4 takes every blank for an end");
    }
}
