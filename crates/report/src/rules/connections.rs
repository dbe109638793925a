//! Limits of connections and what is used of them.

use std::collections::HashMap;

use catalog::identifier;
use judgement::limits::{CONNECTIONS_CRITICAL, CONNECTIONS_WARNING};

use super::OURS;
use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::Look;

const WHO: &str = "select usename, application_name, client_addr, state, count(*) from pg_stat_activity group by 1, 2, 3, 4 order by 5 desc;";
const THRESHOLD: &str =
    "a warning from 80 % of the limit on, critical from 95 % on, those left aside that are reserved";

/// The instance's limit.
pub(super) static CONNECTIONS: Rule = Rule {
    id: "connections",
    title: "Connections near max_connections",
    threshold: THRESHOLD,
    source: OURS,
    needs: &["pg_stat_database"],
    over: &[],
    check: connections,
};

fn connections(look: &Look<'_>, judged: &mut Judged) {
    let Some(limit) = look.readings().attributes.max_connections.map(i64::from) else {
        return judged.unknown("max_connections is not known.");
    };
    let used = match clients(look) {
        Some(clients) => clients.values().sum(),
        // Without rights on sessions this counts workers of autovacuum too.
        None => look.rows("pg_stat_database").iter().filter_map(|row| row.int("numbackends")).sum(),
    };
    let reserved = ["superuser_reserved_connections", "reserved_connections"];
    let reserved: i64 = reserved.iter().filter_map(|name| look.number(name)).sum();
    let Some(severity) = severity(used, limit - reserved) else { return };
    let evidence = Evidence::here()
        .with("in use", Value::Count(used))
        .with("max_connections", Value::Count(limit))
        .with("reserved", Value::Count(reserved));
    judged.found(severity, format!("{used} of {limit} connections are in use; {reserved} are reserved."), evidence);
    judged.mend(format!("{WHO} -- who holds them; a pooler shares them, idle_session_timeout (14+) ends idle ones"));
}

/// Databases and roles with limits of their own.
pub(super) static LIMITS: Rule = Rule {
    id: "connection-limits",
    title: "Connections near the limit of a database or role",
    threshold: THRESHOLD,
    source: OURS,
    needs: &["sessions", "pg_database", "pg_roles"],
    over: &[],
    check: limits,
};

fn limits(look: &Look<'_>, judged: &mut Judged) {
    let Some(clients) = clients(look) else { return };
    let sum = |of: &dyn Fn(&(i64, i64)) -> bool| -> i64 {
        clients.iter().filter(|(key, _)| of(key)).map(|(_, sessions)| sessions).sum()
    };
    let mut tell = |what: &str, name: &str, used: i64, limit: i64| {
        if let Some(severity) = severity(used, limit) {
            let evidence = Evidence::of(format!("{what} {}", identifier(name)))
                .with("in use", Value::Count(used))
                .with("limit", Value::Count(limit))
                .fix(format!("alter {what} {} connection limit {};", identifier(name), limit.saturating_mul(2)));
            judged.found(severity, format!("{used} of {limit} connections of {what} {name} are in use."), evidence);
        }
    };
    for row in look.rows("pg_database") {
        if let (Some(datid), Some(name), Some(limit @ 1..)) =
            (row.int("datid"), row.text("datname"), row.int("datconnlimit"))
        {
            tell("database", name, sum(&|key| key.0 == datid), limit);
        }
    }
    for row in look.rows("pg_roles").into_iter().filter(|row| !row.yes("rolsuper")) {
        if let (Some(roleid), Some(name), Some(limit @ 1..)) =
            (row.int("roleid"), row.text("rolname"), row.int("rolconnlimit"))
        {
            tell("role", name, sum(&|key| key.1 == roleid), limit);
        }
    }
}

/// Sessions of clients by database and role; `None` where they are not shown.
fn clients(look: &Look<'_>) -> Option<HashMap<(i64, i64), i64>> {
    let mut clients = HashMap::new();
    for row in look.rows("sessions").into_iter().filter(|row| row.text("backend_type") == Some("client backend")) {
        let key = (row.int("datid").unwrap_or(0), row.int("userid").unwrap_or(0));
        *clients.entry(key).or_default() += row.int("sessions").unwrap_or(0);
    }
    look.was_read("sessions").then_some(clients)
}

fn severity(used: i64, limit: i64) -> Option<Severity> {
    let (percent, limit) = (used.saturating_mul(100), limit.max(1));
    if percent >= limit.saturating_mul(CONNECTIONS_CRITICAL) {
        Some(Severity::Critical)
    } else {
        (percent >= limit.saturating_mul(CONNECTIONS_WARNING)).then_some(Severity::Warning)
    }
}
