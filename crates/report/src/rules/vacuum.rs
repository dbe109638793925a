//! Tables that autovacuum does not keep up with, or does not come to.

use std::collections::{HashMap, HashSet};

use judgement::autovacuum::{Because, State, distance};

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};
use crate::words::{are, number, subject};

/// So many times the threshold a worker should have been there.
const BEHIND: f64 = 2.0;
/// A smaller number of rows is seen in a moment.
const SOME_ROWS: i64 = 10_000;

const SETS: &[&str] = &["pg_stat_all_tables", "pg_class", "pg_settings"];

/// A table with what is known of it.
struct Table<'a> {
    row: Row<'a>,
    datid: i64,
    name: String,
    options: Option<&'a str>,
}

/// The tables of users.
fn tables<'a>(look: &'a Look<'a>) -> Vec<Table<'a>> {
    let mut options: HashMap<(i64, i64), Option<&str>> = HashMap::new();
    for row in look.rows("pg_class") {
        if let (Some(datid), Some(relid)) = (row.datid, row.int("relid")) {
            options.insert((datid, relid), row.text("reloptions"));
        }
    }
    let table = |row: Row<'a>| {
        let (datid, relid) = (row.datid?, row.int("relid")?);
        let name = look.relation(datid, relid).filter(|_| !look.is_system(datid, relid))?;
        Some(Table { row, datid, name, options: options.get(&(datid, relid)).copied().flatten() })
    };
    look.rows("pg_stat_all_tables").into_iter().filter_map(table).collect()
}

/// Tables past their threshold.
pub(super) static BEHIND_WITH: Rule = Rule {
    id: "autovacuum-behind",
    title: "Tables that autovacuum does not keep up with",
    threshold: "a warning for tables with 10 000 dead rows or more, and twice as many as where autovacuum comes",
    source: "the threshold is PostgreSQL's own, by the formula of its major, with the settings and the table's options",
    needs: SETS,
    over: &[],
    check: behind,
};

fn behind(look: &Look<'_>, judged: &mut Judged) {
    if look.is_standby() {
        return judged.unknown("A standby does not know the dead rows of its tables: look at the primary.");
    }
    let settings = look.settings();
    let mut late: Vec<(f64, Evidence)> = Vec::new();
    for Table { row, datid, name, options, .. } in tables(look) {
        let number = |column: &str| row.float(column);
        let state = State {
            dead: number("n_dead_tup"),
            inserted: number("n_ins_since_vacuum"),
            tuples: number("reltuples"),
            pages: number("relpages"),
            frozen_pages: number("relallfrozen"),
            xid_age: number("xid_age"),
            mxid_age: number("mxid_age"),
            options,
        };
        let Some(distance) = distance(look.major(), &settings, state) else { continue };
        let (Some(dead), true) = (row.int("n_dead_tup").filter(|dead| *dead >= SOME_ROWS), distance.enabled) else {
            continue;
        };
        let share = dead as f64 / distance.dead_threshold.max(1.0);
        if share < BEHIND {
            continue;
        }
        let moment = |column: &str| row.int(column).and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
        let last = moment("last_autovacuum").max(moment("last_vacuum"));
        let because = match distance.because {
            Because::DeadRows => "dead rows",
            Because::Inserts => "inserts",
            Because::XidAge | Because::MxidAge => "age",
        };
        let evidence = Evidence::of(name.clone())
            .within(look.database(datid))
            .with("dead rows", Value::Count(dead))
            .maybe("live rows", row.int("n_live_tup").map(Value::Count))
            .with("times the threshold", Value::Text(format!("{share:.1}")))
            .with("autovacuum is to come for", Value::Text(because.to_owned()))
            .with("last vacuum", last.map_or_else(|| Value::Text("none known".to_owned()), Value::Moment))
            .fix(format!("vacuum (analyze, verbose) {name};"));
        late.push((share, evidence));
    }
    late.sort_by(|one, other| other.0.total_cmp(&one.0));
    let message = |count| format!("Autovacuum is behind with {}.", number(count, "table"));
    judged.found_all(Severity::Warning, message, late.into_iter().map(|(_, evidence)| evidence).collect());
    judged.mend(
        "-- if rows stay after vacuum, something holds them back: old transactions, slots, prepared transactions",
    );
    judged.mend("alter system set autovacuum_vacuum_cost_limit = 2000; select pg_reload_conf(); -- lets the workers work faster");
}

/// Tables without autovacuum.
pub(super) static SWITCHED_OFF: Rule = Rule {
    id: "autovacuum-off-for-table",
    title: "Tables that autovacuum leaves out",
    threshold: "a warning for each table with autovacuum_enabled = off and 10 000 rows or more",
    source: "PostgreSQL's documentation: it then comes only to prevent wraparound",
    needs: SETS,
    over: &[],
    check: |look, judged| {
        let is_off = |table: &Table<'_>| {
            let mut options = table.options.unwrap_or_default().split(',');
            let off = options.any(|option| {
                matches!(
                    option,
                    "autovacuum_enabled=false"
                        | "autovacuum_enabled=off"
                        | "autovacuum_enabled=no"
                        | "autovacuum_enabled=0"
                )
            });
            off && rows(table) >= SOME_ROWS as f64
        };
        let evidence = tables(look).into_iter().filter(is_off).map(|table| {
            Evidence::of(table.name.clone())
                .within(look.database(table.datid))
                .with("rows", crate::activity::whole(rows(&table)))
                .maybe("dead rows", table.row.int("n_dead_tup").map(Value::Count))
                .fix(format!("alter table {} reset (autovacuum_enabled);", table.name))
        });
        let message = |count| format!("Autovacuum is switched off for {}.", number(count, "table"));
        judged.found_all(Severity::Warning, message, evidence.collect());
    },
};

fn rows(table: &Table<'_>) -> f64 {
    table.row.float("reltuples").unwrap_or(0.0).max(table.row.float("n_live_tup").unwrap_or(0.0))
}

/// Tables that nobody looked at.
pub(super) static NEVER_ANALYZED: Rule = Rule {
    id: "never-analyzed",
    title: "Tables that were never vacuumed or analyzed",
    threshold: "a notice for tables with 10 000 rows or more of which PostgreSQL has no count",
    source: "reltuples in pg_class: −1 from 14 on, before 0 without a page; it survives a reset of statistics",
    needs: SETS,
    over: &[],
    check: |look, judged| {
        if look.is_standby() {
            return judged.unknown("A standby does not know the rows of its tables: look at the primary.");
        }
        let unknown = |table: &Table<'_>| {
            let never = match table.row.float("reltuples") {
                None => true,
                Some(tuples) => tuples <= 0.0 && look.version_num() < 140_000 && table.row.int("relpages") == Some(0),
            };
            never && table.row.int("n_live_tup").is_some_and(|live| live >= SOME_ROWS)
        };
        let evidence = tables(look).into_iter().filter(unknown).map(|table| {
            Evidence::of(table.name.clone())
                .within(look.database(table.datid))
                .maybe("rows", table.row.int("n_live_tup").map(Value::Count))
                .fix(format!("vacuum (analyze) {};", table.name))
        });
        let message = |count| {
            let tables = subject(count, "table", ["was", "were"]);
            format!("{tables} never vacuumed or analyzed: plans are guesses until autovacuum comes round.")
        };
        judged.found_all(Severity::Notice, message, evidence.collect());
    },
};

/// Smaller tables are not estimated.
const ESTIMATED_PAGES: i64 = 128;
/// How many bytes a bloated relation has too much at least.
const BLOAT_BYTES: i64 = 100 << 20;
/// And which share of it.
const BLOAT: f64 = 0.5;

/// Room that nothing uses.
pub(super) static BLOATED: Rule = Rule {
    id: "bloat",
    title: "Tables and indexes that are mostly empty",
    threshold: "a notice for relations with an estimated 100 MB of bloat or more that are half of them or more",
    source: "pgAnalytics; an estimate from statistics by https://github.com/ioguix/pgsql-bloat-estimation",
    needs: &["bloat", "pg_stat_all_tables", "pg_class"],
    over: &[],
    check: |look, judged| {
        let estimated: HashSet<(i64, i64)> =
            look.rows("bloat").into_iter().filter_map(|row| Some((row.datid?, row.int("relid")?))).collect();
        let unknown = tables(look)
            .iter()
            .filter(|table| table.row.int("relpages").is_some_and(|pages| pages >= ESTIMATED_PAGES))
            .filter(|table| table.row.int("relid").is_none_or(|relid| !estimated.contains(&(table.datid, relid))))
            .count();
        if unknown > 0 {
            judged.unknown(format!(
                "Bloat of {} cannot be estimated: never analyzed, or the role may not see the statistics of {} columns \
                 (from 14 on: grant pg_read_all_data to {}; it then reads all tables).",
                number(unknown, "table"),
                if unknown == 1 { "its" } else { "their" },
                catalog::identifier(&look.readings().role)
            ));
        }
        let mut bloated: Vec<(i64, Evidence)> = Vec::new();
        for row in look.rows("bloat") {
            let (Some(datid), Some(relid), Some(bytes), Some(share)) =
                (row.datid, row.int("relid"), row.int("bloat_bytes"), row.float("bloat"))
            else {
                continue;
            };
            if bytes < BLOAT_BYTES || share < BLOAT {
                continue;
            }
            let name = look.relation(datid, relid).unwrap_or_else(|| format!("relation {relid}"));
            let fix = match row.text("relkind") {
                Some("i") if look.major() >= 12 => format!("reindex index concurrently {name};"),
                Some("i") => format!("reindex index {name}; -- locks its table for writes meanwhile"),
                _ => format!("vacuum (full, analyze) {name}; -- locks the table meanwhile; pg_repack does not"),
            };
            let evidence = Evidence::of(name)
                .within(look.database(datid))
                .with("estimated bloat", Value::Bytes(bytes))
                .with("share", Value::Ratio(share))
                .fix(fix);
            bloated.push((bytes, evidence));
        }
        bloated.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let message = |count| format!("By an estimate from statistics {} mostly empty.", are(count, "relation"));
        judged.found_all(Severity::Notice, message, bloated.into_iter().map(|(_, evidence)| evidence).collect());
    },
};
