//! Roles that may more than most should, and pages that are damaged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use catalog::identifier;
use jiff::Timestamp;

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::Look;
use crate::words::number;

/// The role that initdb makes.
const BOOTSTRAP: i64 = 10;
/// Predefined roles that are as good as a superuser on the machine.
const POWERFUL: [&str; 3] = ["pg_execute_server_program", "pg_write_server_files", "pg_read_server_files"];

/// Who may do everything.
pub(super) static ROLES: Rule = Rule {
    id: "dangerous-rights",
    title: "Roles with dangerous rights",
    threshold: "a notice for each role that may log in and is, or may become, a superuser (but the first one), or may read or \
                write the server's files or run programs there",
    source: "PostgreSQL's documentation of predefined roles",
    needs: &["pg_roles", "pg_auth_members"],
    over: &[],
    check: roles,
};

fn roles(look: &Look<'_>, judged: &mut Judged) {
    let mut member_of: HashMap<i64, Vec<i64>> = HashMap::new();
    for row in look.rows("pg_auth_members") {
        if let (Some(role), Some(member)) = (row.int("roleid"), row.int("member")) {
            member_of.entry(member).or_default().push(role);
        }
    }
    let rows = look.rows("pg_roles");
    let superusers: BTreeSet<i64> =
        rows.iter().filter(|row| row.yes("rolsuper")).filter_map(|row| row.int("roleid")).collect();
    let mut evidence = Vec::new();
    for row in rows.iter().filter(|row| row.yes("rolcanlogin")) {
        let (Some(roleid), Some(name)) = (row.int("roleid"), row.text("rolname")) else { continue };
        if roleid == BOOTSTRAP {
            continue;
        }
        let quoted = identifier(name);
        if superusers.contains(&roleid) {
            let fix = format!("alter role {quoted} nosuperuser; -- with the rights that it needs instead");
            evidence
                .push(Evidence::of(format!("role {quoted}")).with("is", Value::Text("superuser".to_owned())).fix(fix));
            continue;
        }
        // All that it is a member of, whatever the way.
        let (mut all, mut next) = (BTreeSet::new(), vec![roleid]);
        while let Some(one) = next.pop() {
            next.extend(member_of.get(&one).into_iter().flatten().filter(|role| all.insert(**role)));
        }
        let mut through: BTreeMap<i64, String> = BTreeMap::new();
        for role in all {
            let name = look.role(role);
            if superusers.contains(&role) || POWERFUL.contains(&name.as_str()) {
                through.insert(role, name);
            }
        }
        if !through.is_empty() {
            let names: Vec<String> = through.values().map(|name| identifier(name)).collect();
            let fix = format!("revoke {} from {quoted}; -- or from the role through which it has it", names.join(", "));
            let evident =
                Evidence::of(format!("role {quoted}")).with("may become", Value::Text(names.join(", "))).fix(fix);
            evidence.push(evident);
        }
    }
    let message = |count| {
        let have = if count == 1 { "has" } else { "have" };
        let roles = number(count, "role");
        format!("{roles} that may log in {have} the rights of a superuser or of the server's account.")
    };
    judged.found_all(Severity::Notice, message, evidence);
}

/// Damage that checksums show.
pub(super) static CHECKSUMS: Rule = Rule {
    id: "checksums",
    title: "Damaged pages",
    threshold: "critical for any checksum failure since the reset of statistics (from 12 on); a notice where data_checksums is off",
    source: "PostgreSQL's pg_stat_database; without checksums damage is not seen",
    needs: &["pg_stat_database", "pg_settings"],
    over: &[],
    check: |look, judged| {
        if look.setting("data_checksums") == Some("off") {
            let evidence = Evidence::of("data_checksums").with("setting", Value::Text("off".to_owned()));
            let fix = "-- from 12 on: stop PostgreSQL, then: pg_checksums --enable; every block is rewritten";
            judged.found(Severity::Notice, "Pages have no checksums: damage is not seen.", evidence.fix(fix));
        }
        let mut evidence = Vec::new();
        for row in look.rows("pg_stat_database") {
            let Some(count) = row.int("checksum_failures").filter(|count| *count > 0) else { continue };
            let last = row.int("checksum_last_failure").and_then(|us| Timestamp::from_microsecond(us).ok());
            let name = match row.int("datid") {
                Some(0) | None => "shared objects".to_owned(),
                Some(datid) => format!("database {}", identifier(&look.database(datid))),
            };
            evidence
                .push(Evidence::of(name).with("failures", Value::Count(count)).maybe("last", last.map(Value::Moment)));
        }
        judged.found_all(Severity::Critical, |_| "Pages on disk are damaged.".to_owned(), evidence);
        if judged.found.iter().any(|(severity, ..)| *severity == Severity::Critical) {
            judged.mend(
                "-- copy the data directory first; then restore from a backup, or see what pg_amcheck and the log name",
            );
        }
    },
};
