//! How far the oldest rows are from where PostgreSQL stops.

use judgement::wraparound::{mxid_stop, xid_stop};

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};

/// The share of what there is at which a look is due, in percent.
const WARNING: i64 = 50;
/// Near where PostgreSQL's own failsafe begins, in percent.
const CRITICAL: i64 = 75;

/// Transaction ids and multixacts.
pub(super) static WRAPAROUND: Rule = Rule {
    id: "wraparound",
    title: "Transaction ids and multixacts running out",
    threshold: "a warning from 50 % of the ids on after which PostgreSQL takes no more writes, critical from 75 % on",
    source: "PostgreSQL stops 3 million ids before 2^31 (1 million before 14); vacuum_failsafe_age is 75 % of it",
    needs: &["wraparound"],
    over: &[],
    check: wraparound,
};

fn wraparound(look: &Look<'_>, judged: &mut Judged) {
    let version = Some(look.version_num());
    for row in look.rows("wraparound") {
        of(look, judged, &row, "xid_age", "freeze_max_age", xid_stop(version));
        of(look, judged, &row, "mxid_age", "multixact_freeze_max_age", mxid_stop(version));
    }
}

fn of(look: &Look<'_>, judged: &mut Judged, row: &Row<'_>, column: &str, freeze: &str, stop: i64) {
    let (Some(datid), Some(age)) = (row.int("datid"), row.int(column)) else { return };
    let share = age.saturating_mul(100) / stop;
    let severity = match share {
        CRITICAL.. => Severity::Critical,
        WARNING.. => Severity::Warning,
        _ => return,
    };
    let what = if column == "xid_age" { "transaction ids" } else { "multixacts" };
    let database = look.database(datid);
    let mut oldest: Vec<Row<'_>> = look.rows("freeze_age").into_iter().filter(|row| row.datid == Some(datid)).collect();
    oldest.sort_by_key(|row| std::cmp::Reverse(row.int(column)));
    let mut evidence = vec![
        Evidence::of(format!("database {}", catalog::identifier(&database)))
            .with("age", Value::Count(age))
            .with("PostgreSQL stops at", Value::Count(stop))
            .with("share", Value::Ratio(age as f64 / stop as f64))
            .maybe(freeze, row.int(freeze).map(Value::Count)),
    ];
    evidence.extend(oldest.into_iter().take(5).map(|row| {
        let (schema, name) = (row.text("schema").unwrap_or_default(), row.text("relname").unwrap_or_default());
        let name = format!("{}.{}", catalog::identifier(schema), catalog::identifier(name));
        let one = Evidence::of(name.clone()).within(database.clone()).maybe("age", row.int(column).map(Value::Count));
        match row.int("session_pid") {
            // Nobody but its session can vacuum a temporary table.
            Some(pid) => {
                one.fix(format!("select pg_terminate_backend({pid}); -- it is a temporary table of this session"))
            }
            None => {
                // The TOAST table of a table is vacuumed with it.
                let main = row.int("main_relid").and_then(|main| look.relation(datid, main));
                one.fix(format!("vacuum (freeze, verbose) {};", main.unwrap_or(name)))
            }
        }
    }));
    let message = format!("Database {database} has used up {share} % of the {what} that there are before writes stop.");
    judged.found_all(severity, |_| message, evidence);
    if look.is_standby() {
        judged.mend("-- to be run on the primary");
    }
    judged.mend("-- first end what holds rows back: old transactions, prepared transactions, replication slots");
}
