//! What went wrong or cost too much between the readings, and checkpoints since their statistics began.

use jiff::{SignedDuration, Timestamp};
use judgement::span::{moment, spell};

use crate::activity::{ENOUGH_BLOCKS, hit_ratio, sum, whole};
use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};
use crate::words::{number, percent};

const DATABASES: &[&str] = &["pg_stat_database"];

/// Below this share of hits shared_buffers is worth a look.
const HITS: f64 = 0.9;
/// So many bytes a second in temporary files are worth a look.
const TEMPORARY: f64 = 1_048_576.0;
/// From this share of rollbacks on.
const ROLLBACKS: f64 = 0.1;
/// Fewer transactions than this tell nothing.
const SOME_TRANSACTIONS: f64 = 100.0;
/// Over a shorter time a checkpoint more or less decides.
const SOME_CHECKPOINTS: i64 = 10;
/// A rate over less tells nothing.
const ENOUGH_S: f64 = 10.0;

/// The interval in seconds, where it is long enough to say something.
fn interval(rows: &[Row<'_>], judged: &mut Judged) -> Option<f64> {
    let seconds = rows.first()?.interval_us? as f64 / 1e6;
    if seconds < ENOUGH_S {
        judged
            .unknown(format!("Not enough data: the readings are {seconds:.1} s apart, and it takes {ENOUGH_S:.0} s."));
        return None;
    }
    Some(seconds)
}

/// What was looked for in the cache and not found.
pub(super) static CACHE: Rule = Rule {
    id: "cache",
    title: "Blocks that are not in shared_buffers",
    threshold: "a notice below 90 % found, of 10 000 blocks or more in 10 s or more",
    source: "pgAnalytics; the operating system may have had them in its own cache, so this alone proves nothing",
    needs: DATABASES,
    over: DATABASES,
    check: |look, judged| {
        let rows = look.moved("pg_stat_database");
        let Some(seconds) = interval(&rows, judged) else { return };
        let read = sum(&rows, "blks_read").unwrap_or(0.0);
        match hit_ratio(&rows) {
            None => judged.unknown(format!("Not enough data: fewer than {ENOUGH_BLOCKS:.0} blocks were looked for.")),
            Some(ratio) if ratio < HITS => {
                let evidence = Evidence::here()
                    .with("found", Value::Ratio(ratio))
                    .with("read", Value::PerSecond(read / seconds))
                    .maybe("shared_buffers", look.bytes("shared_buffers").map(Value::Bytes));
                let message = format!("Only {} of the blocks were found in shared_buffers.", percent(ratio));
                judged.found(Severity::Notice, message, evidence);
            }
            Some(_) => {}
        }
    },
};

/// Sorts and hashes that did not fit.
pub(super) static TEMPORARY_FILES: Rule = Rule {
    id: "temporary-files",
    title: "Temporary files",
    threshold: "a notice from 1 MB a second on",
    source: "pgAnalytics; what does not fit into work_mem goes to disk",
    needs: DATABASES,
    over: DATABASES,
    check: |look, judged| {
        let rows = look.moved("pg_stat_database");
        let Some(seconds) = interval(&rows, judged) else { return };
        let bytes = sum(&rows, "temp_bytes").unwrap_or(0.0);
        if bytes / seconds >= TEMPORARY {
            let evidence = each(look, &rows, "temp_bytes", |bytes| Value::BytesPerSecond(bytes / seconds));
            let first = Evidence::here()
                .with("written", Value::BytesPerSecond(bytes / seconds))
                .maybe("files", sum(&rows, "temp_files").map(whole))
                .maybe("work_mem", look.bytes("work_mem").map(Value::Bytes));
            let evidence = std::iter::once(first).chain(evidence).collect();
            judged.found_all(Severity::Notice, |_| "Sorts and hashes go to disk.".to_owned(), evidence);
            judged.mend("alter system set log_temp_files = '10MB'; select pg_reload_conf(); -- tells which; then work_mem for the roles that need it: alter role … set work_mem");
        }
    },
};

/// Deadlocks.
pub(super) static DEADLOCKS: Rule = Rule {
    id: "deadlocks",
    title: "Deadlocks",
    threshold: "a warning for any between the readings",
    source: "PostgreSQL's pg_stat_database: each ended a transaction with an error",
    needs: DATABASES,
    over: DATABASES,
    check: |look, judged| {
        let rows = look.moved("pg_stat_database");
        let count = sum(&rows, "deadlocks").unwrap_or(0.0);
        if count > 0.0 {
            let evidence = each(look, &rows, "deadlocks", whole).collect();
            let deadlocks = if count < 2.0 { "1 deadlock".to_owned() } else { format!("{count:.0} deadlocks") };
            let message = |_| format!("{deadlocks} between the readings.");
            judged.found_all(Severity::Warning, message, evidence);
            judged.mend(
                "-- the log has the statements of each; log_lock_waits = on tells long waits before they become one",
            );
        }
    },
};

/// Transactions in vain.
pub(super) static ROLLED_BACK: Rule = Rule {
    id: "rollbacks",
    title: "Transactions that are rolled back",
    threshold: "a notice from 10 % on, of 100 transactions or more in 10 s or more",
    source: "pgAnalytics; an application may mean to",
    needs: DATABASES,
    over: DATABASES,
    check: |look, judged| {
        let rows = look.moved("pg_stat_database");
        if interval(&rows, judged).is_none() {
            return;
        }
        let of = |row: &Row<'_>| {
            Some((row.float("xact_rollback")?, row.float("xact_rollback")? + row.float("xact_commit")?))
        };
        let mut evidence = Vec::new();
        for row in &rows {
            let (Some((back, all)), Some(datid)) = (of(row), row.int("datid")) else { continue };
            if all >= SOME_TRANSACTIONS && back / all >= ROLLBACKS {
                let name = format!("database {}", catalog::identifier(&look.database(datid)));
                let one =
                    Evidence::of(name).with("rolled back", Value::Ratio(back / all)).with("transactions", whole(all));
                evidence.push(one);
            }
        }
        judged.found_all(Severity::Notice, |_| "Many transactions are rolled back.".to_owned(), evidence);
    },
};

/// Each database with its part, the largest first.
fn each<'a>(
    look: &'a Look<'a>,
    rows: &[Row<'a>],
    column: &'static str,
    value: impl Fn(f64) -> Value + 'a,
) -> impl Iterator<Item = Evidence> + 'a {
    let mut parts: Vec<(f64, i64)> = rows
        .iter()
        .filter_map(|row| Some((row.float(column).filter(|part| *part > 0.0)?, row.int("datid")?)))
        .collect();
    parts.sort_by(|one, other| other.0.total_cmp(&one.0));
    parts.into_iter().map(move |(part, datid)| {
        let name = format!("database {}", catalog::identifier(&look.database(datid)));
        Evidence::of(name).with(column, value(part))
    })
}

/// Checkpoints that come too often.
pub(super) static CHECKPOINTS: Rule = Rule {
    id: "checkpoints",
    title: "Checkpoints that come because of WAL",
    threshold: "a notice when more were asked for than came by time, of 10 or more since their statistics began; a warning when \
                they come more often than every 5 min on average",
    source: "PostgreSQL's documentation of max_wal_size and checkpoint_timeout: after each, pages are written whole into WAL",
    needs: &["pg_stat_checkpointer", "pg_settings"],
    over: &[],
    check: checkpoints,
};

fn checkpoints(look: &Look<'_>, judged: &mut Judged) {
    let Some(row) = look.row("pg_stat_checkpointer") else { return };
    if look.is_standby() {
        return;
    }
    let (Some(timed), Some(asked)) = (row.int("num_timed"), row.int("num_requested")) else { return };
    let since = look.age(&row, "stats_reset");
    if timed + asked < SOME_CHECKPOINTS {
        let counted = row.int("stats_reset").and_then(|us| Timestamp::from_microsecond(us).ok());
        let counted = counted.map(|at| format!(" since {}", moment(at))).unwrap_or_default();
        return judged.unknown(format!(
            "Not enough data: {}{counted}, and it takes {SOME_CHECKPOINTS}.",
            number(usize::try_from(timed + asked).unwrap_or(0), "checkpoint")
        ));
    }
    if asked <= timed {
        return;
    }
    let mean = since.map(|since| since.as_secs_f64() / (timed + asked) as f64);
    let severity = if mean.is_some_and(|mean| mean < 300.0) { Severity::Warning } else { Severity::Notice };
    let often =
        mean.map(|mean| format!(", one every {}", spell(SignedDuration::try_from_secs_f64(mean).unwrap_or_default())));
    let wal = look.bytes("max_wal_size");
    let doubled = wal.map(|bytes| {
        format!("alter system set max_wal_size = '{}MB'; select pg_reload_conf();", (bytes >> 20).saturating_mul(2))
    });
    let mut evidence = Evidence::here()
        .with("asked for", Value::Count(asked))
        .with("by time", Value::Count(timed))
        .maybe("counted for", since.map(|since| Value::Seconds(since.as_secs_f64())))
        .maybe("max_wal_size", wal.map(Value::Bytes));
    evidence.fix = doubled;
    let message =
        format!("Most checkpoints come because max_wal_size is reached or somebody asks{}.", often.unwrap_or_default());
    judged.found(severity, message, evidence);
}
