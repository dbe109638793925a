//! Who waits for whom, at the moment of reading.

use std::collections::{BTreeMap, BTreeSet};

use catalog::literal;
use jiff::SignedDuration;
use judgement::limits::{BLOCKED_BY_IDLE_MS, BLOCKED_CRITICAL_MS, BLOCKED_WARNING_MS};
use judgement::span::spell;

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};
use crate::words::subject;

/// Sessions that wait for locks.
pub(super) static BLOCKED: Rule = Rule {
    id: "blocked",
    title: "Sessions that wait for locks",
    threshold: "a notice for each root; a warning after 1 min of waiting, or 5 s where who blocks is idle in transaction; \
                critical after 5 min",
    source: super::OURS,
    needs: &["lock_waits"],
    over: &[],
    check: blocked,
};

fn blocked(look: &Look<'_>, judged: &mut Judged) {
    let rows = look.rows("lock_waits");
    let waiting: BTreeSet<i64> = rows.iter().filter_map(|row| row.int("pid")).collect();
    // Who waits behind whom, down to one that does not wait itself.
    let mut behind: BTreeMap<Root, BTreeSet<i64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !waiting.contains(&row.int("blocker_pid").unwrap_or(0))) {
        let waiters = behind.entry(root(row)).or_default();
        waiters.extend(row.int("pid"));
        loop {
            let more: Vec<i64> = rows
                .iter()
                .filter(|row| row.int("blocker_pid").is_some_and(|blocker| waiters.contains(&blocker)))
                .filter_map(|row| row.int("pid"))
                .filter(|pid| !waiters.contains(pid))
                .collect();
            if more.is_empty() {
                break;
            }
            waiters.extend(more);
        }
    }
    for (root, waiters) in behind {
        let of_it = rows.iter().filter(|row| row.int("pid").is_some_and(|pid| waiters.contains(&pid)));
        // Before 14 nobody says since when; the statement began before.
        let waited = of_it.filter_map(|row| look.age(row, "waitstart").or_else(|| look.age(row, "query_start"))).max();
        let Some(row) = rows.iter().find(|row| self::root(row) == root) else { continue };
        tell(look, judged, row, root, waiters.len(), waited);
    }
}

/// A session, or a prepared transaction by its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Root {
    Session(i64),
    Prepared(String),
}

fn root(row: &Row<'_>) -> Root {
    match row.text("blocker_gid") {
        Some(gid) => Root::Prepared(gid.to_owned()),
        None => Root::Session(row.int("blocker_pid").unwrap_or(0)),
    }
}

fn tell(
    look: &Look<'_>,
    judged: &mut Judged,
    row: &Row<'_>,
    root: Root,
    waiters: usize,
    waited: Option<SignedDuration>,
) {
    let ms = waited.map_or(0.0, |waited| waited.as_secs_f64() * 1000.0);
    let idle = row.text("blocker_state").is_some_and(|state| state.starts_with("idle in transaction"));
    let severity = if ms >= BLOCKED_CRITICAL_MS {
        Severity::Critical
    } else if ms >= BLOCKED_WARNING_MS || idle && ms >= BLOCKED_BY_IDLE_MS {
        Severity::Warning
    } else {
        Severity::Notice
    };
    let (who, fix) = match &root {
        Root::Session(0) => ("a session that is gone".to_owned(), None),
        Root::Session(pid) => (format!("session {pid}"), Some(format!("select pg_terminate_backend({pid});"))),
        Root::Prepared(gid) => {
            let gid = literal(gid);
            (
                format!("prepared transaction {gid}"),
                Some(format!("rollback prepared {gid}; -- or: commit prepared {gid};")),
            )
        }
    };
    let text = |column: &str| row.text(column).filter(|text| !text.is_empty()).map(|text| Value::Text(text.to_owned()));
    let since = |column: &str| look.age(row, column).map(|age| Value::Seconds(age.as_secs_f64()));
    let mut evidence = Evidence::of(who.clone())
        .maybe("role", row.int("blocker_userid").map(|role| Value::Text(look.role(role))))
        .maybe("application", text("blocker_application_name"))
        .maybe("state", text("blocker_state"))
        .maybe("in this state for", since("blocker_state_change"))
        .maybe("holds", text("blocker_mode"))
        .maybe("on", text("relation_name"))
        .maybe("statement", text("blocker_query"))
        .with("sessions that wait", Value::Count(waiters.try_into().unwrap_or(i64::MAX)))
        .maybe("longest wait", waited.map(|waited| Value::Seconds(waited.as_secs_f64())))
        .maybe("first of them runs", text("query"));
    evidence.fix = fix;
    evidence.database = match &root {
        Root::Prepared(_) => row.int("blocker_datid").map(|datid| look.database(datid)),
        Root::Session(_) => None,
    };
    let long = waited.map(|waited| format!(", for {} at most", spell(waited))).unwrap_or_default();
    judged.found(severity, format!("{} for {who}{long}.", subject(waiters, "session", ["waits", "wait"])), evidence);
}
