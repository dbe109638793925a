//! Transactions that stay open: they hold locks, and rows that VACUUM may not take.

use catalog::literal;
use jiff::SignedDuration;
use judgement::limits::HOLDING_WARNING_MS;
use judgement::span::spell;

use super::OURS;
use crate::finding::{Evidence, Rule, Severity, Value};
use crate::look::{Look, Row};
use crate::words::{are, subject};

/// A statement that runs for longer is a report, a backup, or stuck.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// Sessions that do nothing in a transaction.
pub(super) static IDLE: Rule = Rule {
    id: "idle-in-transaction",
    title: "Sessions idle in transaction",
    threshold: "a warning after 5 min in that state",
    source: OURS,
    needs: &["pg_stat_activity"],
    over: &[],
    check: |look, judged| {
        let holding = SignedDuration::try_from_secs_f64(HOLDING_WARNING_MS / 1000.0).unwrap_or(SignedDuration::MAX);
        let idle = |row: &Row<'_>| row.text("state").is_some_and(|state| state.starts_with("idle in transaction"));
        let mut sessions: Vec<(SignedDuration, Row<'_>)> = look
            .rows("pg_stat_activity")
            .into_iter()
            .filter(idle)
            .filter_map(|row| Some((look.age(&row, "state_change")?, row)))
            .filter(|(age, _)| *age > holding)
            .collect();
        sessions.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        let longest = sessions.first().map(|(age, _)| spell(*age)).unwrap_or_default();
        let evidence =
            sessions.iter().map(|(age, row)| session(look, row).with("idle for", Value::Seconds(age.as_secs_f64())));
        let evidence: Vec<Evidence> = evidence.collect();
        let message = |count| {
            let for_so_long = longest_of(count, &longest);
            format!("{} idle in transaction, {for_so_long}.", are(count, "session"))
        };
        judged.found_all(Severity::Warning, message, evidence);
        judged.mend("alter system set idle_in_transaction_session_timeout = '10min'; select pg_reload_conf(); -- from 9.6 on; mends the next ones");
    },
};

/// Sessions that work for long.
pub(super) static LONG_RUNNING: Rule = Rule {
    id: "long-transactions",
    title: "Transactions that are open for long",
    threshold: "a warning after 1 h; those that are idle are told apart",
    source: "pgAnalytics: rows that were deleted since stay, in every table",
    needs: &["pg_stat_activity"],
    over: &[],
    check: |look, judged| {
        let works = |row: &Row<'_>| {
            row.text("state").is_some_and(|state| !state.starts_with("idle"))
                && row.text("backend_type") == Some("client backend")
        };
        let mut sessions: Vec<(SignedDuration, Row<'_>)> = look
            .rows("pg_stat_activity")
            .into_iter()
            .filter(works)
            .filter_map(|row| Some((look.age(&row, "xact_start")?, row)))
            .filter(|(age, _)| *age > LONG)
            .collect();
        sessions.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        let longest = sessions.first().map(|(age, _)| spell(*age)).unwrap_or_default();
        let evidence =
            sessions.iter().map(|(age, row)| session(look, row).with("open for", Value::Seconds(age.as_secs_f64())));
        let evidence: Vec<Evidence> = evidence.collect();
        let message = |count| {
            let for_so_long = longest_of(count, &longest);
            format!("{} open for more than an hour, {for_so_long}.", are(count, "transaction"))
        };
        judged.found_all(Severity::Warning, message, evidence);
    },
};

/// A session with what it holds back and what ends it.
pub(super) fn session(look: &Look<'_>, row: &Row<'_>) -> Evidence {
    let pid = row.int("pid").unwrap_or(0);
    let text = |column: &str| row.text(column).filter(|text| !text.is_empty()).map(|text| Value::Text(text.to_owned()));
    let named = |oid: Option<i64>, name: String| oid.filter(|oid| *oid != 0).map(|_| Value::Text(name));
    let (datid, userid) = (row.int("datid"), row.int("userid"));
    Evidence::of(format!("session {pid}"))
        .maybe("database", named(datid, look.database(datid.unwrap_or(0))))
        .maybe("role", named(userid, look.role(userid.unwrap_or(0))))
        .maybe("application", text("application_name"))
        .maybe("client", text("client_addr"))
        .maybe("holds back, in transactions", row.int("xmin_age").max(row.int("xid_age")).map(Value::Count))
        .maybe("statement", text("query"))
        .fix(format!(
            "select pg_terminate_backend({pid}); -- ends the session, and what it did in the transaction is undone"
        ))
}

/// Transactions without a session.
pub(super) static PREPARED: Rule = Rule {
    id: "prepared-transactions",
    title: "Prepared transactions that nobody ends",
    threshold: "a warning after 5 min",
    source: OURS,
    needs: &["pg_prepared_xacts"],
    over: &[],
    check: |look, judged| {
        let mut old: Vec<(f64, Row<'_>)> = look
            .rows("pg_prepared_xacts")
            .into_iter()
            .filter(|row| row.int("xid").is_some())
            .filter_map(|row| Some((row.int("prepared_age")? as f64 / 1e6, row)))
            .filter(|(age, _)| age * 1000.0 > HOLDING_WARNING_MS)
            .collect();
        old.sort_by(|one, other| other.0.total_cmp(&one.0));
        let evidence = old.iter().map(|(age, row)| {
            let (gid, database) = (row.text("gid").unwrap_or_default(), look.database(row.int("datid").unwrap_or(0)));
            let evidence = Evidence::of(format!("prepared transaction {}", literal(gid)))
                .within(database)
                .with("prepared for", Value::Seconds(*age))
                .maybe("holds back, in transactions", row.int("xid_age").map(Value::Count));
            evidence.fix(format!("rollback prepared {}; -- or: commit prepared {0};", literal(gid)))
        });
        let evidence: Vec<Evidence> = evidence.collect();
        let message = |count| {
            let wait = ["waits for its", "wait for their"];
            format!("{} end, holding locks and dead rows.", subject(count, "prepared transaction", wait))
        };
        judged.found_all(Severity::Warning, message, evidence);
    },
};

/// For how long the longest of them, or the only one, is.
fn longest_of(count: usize, longest: &str) -> String {
    if count == 1 { format!("for {longest}") } else { format!("the longest for {longest}") }
}
