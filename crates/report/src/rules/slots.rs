//! Replication slots: they hold WAL and dead rows for whoever streams through them, also when nobody does.

use catalog::literal;
use jiff::SignedDuration;
use judgement::limits::SLOT_UNUSED_FOR_S;

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};

/// What an instance has at least where nothing says how much WAL it keeps.
const SOME_WAL: i64 = 1 << 30;

/// Slots that are lost, or hold something back for nobody.
pub(super) static SLOTS: Rule = Rule {
    id: "replication-slots",
    title: "Replication slots that are lost, or that nobody uses",
    threshold: "a warning when WAL that a slot needs is gone or may go, or when nobody uses it (from 17 on for 5 min, before at \
                the moment of reading) and it holds rows back or more WAL than max_wal_size; a notice for any other one \
                that nobody uses",
    source: "PostgreSQL's wal_status and max_wal_size; the time as pgAnalytics has it for health on its pages",
    needs: &["pg_replication_slots"],
    over: &[],
    check: slots,
};

fn slots(look: &Look<'_>, judged: &mut Judged) {
    let keeps = look.bytes("max_wal_size").filter(|bytes| *bytes > 0).unwrap_or(SOME_WAL);
    // One that the primary's was copied to waits to be used after a promotion.
    for row in look.rows("pg_replication_slots").into_iter().filter(|row| !row.yes("temporary") && !row.yes("synced")) {
        let Some(name) = row.text("slot_name") else { continue };
        let gone = row.text("wal_status").filter(|status| matches!(*status, "lost" | "unreserved"));
        let unused = row.flag("active") == Some(false)
            && look.age(&row, "inactive_since").is_none_or(|age| age >= SignedDuration::from_secs(SLOT_UNUSED_FOR_S));
        let retained = row.int("retained_bytes").unwrap_or(0);
        let held = row.int("xmin_age").max(row.int("catalog_xmin_age"));
        let (severity, message) = match gone {
            Some("lost") => (
                Severity::Warning,
                format!(
                    "Replication slot {name} has lost WAL that it needs: what streamed through it has to be made anew."
                ),
            ),
            Some(_) => (
                Severity::Warning,
                format!("Replication slot {name} needs WAL that may be removed at the next checkpoint."),
            ),
            None if unused && (retained > keeps || held.is_some()) => {
                let what = if retained > keeps { "WAL" } else { "dead rows" };
                (Severity::Warning, format!("Replication slot {name} is used by nobody and holds back {what}."))
            }
            None if unused => (Severity::Notice, format!("Replication slot {name} is used by nobody.")),
            None => continue,
        };
        judged.found(severity, message, evidence(look, &row, name, retained, held));
        if look.version_num() >= 130_000 && look.number("max_slot_wal_keep_size").is_none_or(|most| most < 0) {
            judged.mend("alter system set max_slot_wal_keep_size = '100GB'; select pg_reload_conf(); -- so that a slot cannot fill the disk: less than its room");
        }
    }
}

fn evidence(look: &Look<'_>, row: &Row<'_>, name: &str, retained: i64, held: Option<i64>) -> Evidence {
    let text = |column: &str| row.text(column).map(|text| Value::Text(text.to_owned()));
    let since = look.age(row, "inactive_since").map(|age| Value::Seconds(age.as_secs_f64()));
    Evidence::of(format!("slot {}", literal(name)))
        .maybe("type", text("slot_type"))
        .maybe("WAL", text("wal_status"))
        .maybe("reason", text("invalidation_reason"))
        .with("WAL that it holds", Value::Bytes(retained))
        .maybe("holds back, in transactions", held.map(Value::Count))
        .maybe("unused for", since)
        .fix(format!(
            "select pg_drop_replication_slot({}); -- only if nothing is to stream through it any more",
            literal(name)
        ))
}
