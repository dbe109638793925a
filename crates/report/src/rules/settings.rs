//! Settings that endanger data, contradict each other, or wait for a restart.

use catalog::literal;

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::Look;
use crate::words::subject;

const SETTINGS: &[&str] = &["pg_settings"];

/// What is said of a setting without a value: the session's own is none of the server's.
const UNSEEN: &str = "is not known: it is hidden from the role, or the role or the database sets it for this session.";

/// Settings without which a crash loses data.
pub(super) static DURABILITY: Rule = Rule {
    id: "durability",
    title: "Settings with which a crash loses or damages data",
    threshold: "critical when fsync or full_page_writes is off, or zero_damaged_pages or ignore_checksum_failure on",
    source: "PostgreSQL's documentation of these settings",
    needs: SETTINGS,
    over: &[],
    check: durability,
};

fn durability(look: &Look<'_>, judged: &mut Judged) {
    let wrong = [
        ("fsync", "off", "on", "a crash of the machine can damage the whole cluster"),
        ("full_page_writes", "off", "on", "a crash of the machine can leave pages half written"),
        ("zero_damaged_pages", "on", "off", "damaged pages are emptied, and what was on them is lost"),
        ("ignore_checksum_failure", "on", "off", "damaged pages are used as if they were whole"),
    ];
    for (name, value, right, because) in wrong {
        if look.setting(name) == Some(value) {
            let evidence = Evidence::of(name).with("setting", Value::Text(value.to_owned()));
            let fix = format!("alter system set {name} = {right}; select pg_reload_conf();");
            judged.found(Severity::Critical, format!("{name} is {value}: {because}."), evidence.fix(fix));
        } else if look.setting(name).is_none() {
            judged.unknown(format!("{name} {UNSEEN}"));
        }
    }
}

/// Autovacuum, and what it needs.
pub(super) static AUTOVACUUM: Rule = Rule {
    id: "autovacuum-off",
    title: "Autovacuum switched off",
    threshold: "critical when autovacuum is off, or track_counts, without which it does nothing",
    source: "PostgreSQL's documentation: it then only comes to prevent wraparound",
    needs: SETTINGS,
    over: &[],
    check: |look, judged| {
        for name in ["autovacuum", "track_counts"] {
            if look.setting(name) == Some("off") {
                let evidence = Evidence::of(name).with("setting", Value::Text("off".to_owned()));
                let fix = format!("alter system set {name} = on; select pg_reload_conf();");
                let message = format!("{name} is off: dead rows stay, and plans rest on old statistics.");
                judged.found(Severity::Critical, message, evidence.fix(fix));
            }
        }
    },
};

/// Settings that wait.
pub(super) static PENDING_RESTART: Rule = Rule {
    id: "pending-restart",
    title: "Settings that wait for a restart",
    threshold: "a warning for each setting with pending_restart in pg_settings (from 9.5 on)",
    source: "PostgreSQL's own pg_settings",
    needs: SETTINGS,
    over: &[],
    check: |look, judged| {
        let waiting = look.rows("pg_settings").into_iter().filter(|row| row.yes("pending_restart"));
        let evidence = waiting.map(|row| {
            let text = |column: &str| row.text(column).map(|text| Value::Text(text.to_owned()));
            let name = Evidence::of(row.text("name").unwrap_or_default());
            name.maybe("in force", text("setting")).maybe("unit", text("unit")).maybe("file", text("sourcefile"))
        });
        let evidence: Vec<Evidence> = evidence.collect();
        let message = |count| {
            let settings = subject(count, "setting", ["waits", "wait"]);
            format!("{settings} for a restart: the files say something else than what is in force.")
        };
        judged.found_all(Severity::Warning, message, evidence);
        judged.mend("-- restart PostgreSQL, or take the change back; select name, setting, error from pg_file_settings; shows the files");
    },
};

/// What PostgreSQL does not count.
pub(super) static STATISTICS: Rule = Rule {
    id: "not-tracked",
    title: "Activity that is not tracked",
    threshold: "a warning when track_activities is off",
    source: "PostgreSQL's default is on, and nobody can be found without it",
    needs: SETTINGS,
    over: &[],
    check: |look, judged| {
        if look.setting("track_activities") == Some("off") {
            let evidence = Evidence::of("track_activities").with("setting", Value::Text("off".to_owned()));
            let fix = "alter system set track_activities = on; select pg_reload_conf();";
            let message = "track_activities is off: nobody sees what sessions do.";
            judged.found(Severity::Warning, message, evidence.fix(fix));
        }
    },
};

/// A machine with so much memory is no toy.
const SERIOUS_BYTES: i64 = 4 << 30;
/// What PostgreSQL has for shared_buffers when nobody says anything.
const DEFAULT_SHARED_BUFFERS: i64 = 128 << 20;

/// Memory that is promised.
pub(super) static MEMORY: Rule = Rule {
    id: "memory",
    title: "Memory that is promised against memory that is there",
    threshold: "a notice when shared_buffers is the default of 128 MB on 4 GB of memory or more, or when shared_buffers, \
                max_connections × work_mem and autovacuum_max_workers × maintenance_work_mem are more than the memory; \
                a warning when shared_buffers alone is more than 80 % of it",
    source: "PostgreSQL's documentation: 25 % of the memory for shared_buffers is a beginning; work_mem is for each \
             sort or hash, of which a statement may have several",
    needs: &["pg_settings", "host_memory"],
    over: &[],
    check: memory,
};

fn memory(look: &Look<'_>, judged: &mut Judged) {
    let Some(host) = look.row("host_memory") else { return };
    // In a container its limit counts, where it is the smaller one.
    let limit = host.int("memory_limit_bytes").filter(|limit| *limit > 0).unwrap_or(i64::MAX);
    let Some(total) = host.int("total_bytes").map(|total| total.min(limit)) else {
        return judged.unknown("The machine's memory is not known.");
    };
    let (Some(shared), Some(work)) = (look.bytes("shared_buffers"), look.bytes("work_mem")) else {
        return judged.unknown(format!("shared_buffers or work_mem {UNSEEN}"));
    };
    let connections = look.number("max_connections").unwrap_or(0);
    let workers = look.number("autovacuum_max_workers").unwrap_or(0);
    let maintenance = look.bytes("autovacuum_work_mem").filter(|bytes| *bytes > 0);
    let maintenance = maintenance.or_else(|| look.bytes("maintenance_work_mem")).unwrap_or(0);
    let promised =
        shared.saturating_add(connections.saturating_mul(work)).saturating_add(workers.saturating_mul(maintenance));
    let evidence = || {
        Evidence::here()
            .with("memory", Value::Bytes(total))
            .with("shared_buffers", Value::Bytes(shared))
            .with("max_connections", Value::Count(connections))
            .with("work_mem", Value::Bytes(work))
            .with("promised in all", Value::Bytes(promised))
    };
    let quarter = literal(&format!("{}MB", (total / 4) >> 20));
    let fix = format!("alter system set shared_buffers = {quarter}; -- a quarter; needs a restart");
    if shared / 4 > total / 5 {
        let message = "shared_buffers takes most of the memory: little is left for sessions and the operating system.";
        judged.found(Severity::Warning, message, evidence().fix(fix));
    } else if shared <= DEFAULT_SHARED_BUFFERS && total >= SERIOUS_BYTES {
        let message = "shared_buffers is as small as it comes, although there is memory for more.";
        judged.found(Severity::Notice, message, evidence().fix(fix));
    }
    if promised > total {
        let message = "If all connections used work_mem once, there would not be enough memory.";
        let fix = "alter system set work_mem = '4MB'; select pg_reload_conf(); -- and more for the roles that need it: alter role … set work_mem; or fewer connections, with a pooler";
        judged.found(Severity::Notice, message, evidence().fix(fix));
    }
}
