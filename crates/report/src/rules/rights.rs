//! What the role that looks may not read, and extensions that are older than the server's.

use std::collections::BTreeMap;

use catalog::identifier;
use wire::{State, StateCode};

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::Look;
use crate::words::{are, number};

/// Rights that are missing.
pub(super) static RIGHTS: Rule = Rule {
    id: "missing-rights",
    title: "What the role may not read",
    threshold: "a warning for each grant that would show more, a notice where that is sizes of files or rows of sequences only",
    source: "what PostgreSQL refused, or shows to nobody without the grant",
    needs: &[],
    over: &[],
    check: rights,
};

fn rights(look: &Look<'_>, judged: &mut Judged) {
    let mut grants: BTreeMap<&str, (Vec<&str>, &str)> = BTreeMap::new();
    for state in &look.readings().states {
        if state.code == StateCode::Privilege as i32 && state.state != State::Works as i32 {
            let (sets, _) = grants.entry(&state.fix).or_insert_with(|| (Vec::new(), &state.message));
            if !sets.contains(&state.set.as_str()) {
                sets.push(&state.set);
            }
        }
    }
    for (fix, (sets, why)) in grants {
        // Without it all but these is there.
        let is_small = sets.iter().all(|set| matches!(*set, "relation_size" | "pg_sequences" | "bloat"));
        let severity = if is_small { Severity::Notice } else { Severity::Warning };
        let mut evidence =
            Evidence::here().with("sets", Value::Text(sets.join(", "))).with("because", Value::Text(why.to_owned()));
        evidence.fix = (!fix.is_empty()).then(|| fix.to_owned());
        judged.found(
            severity,
            format!("{} not shown, or not in whole, to the role that looks.", figures(sets.len())),
            evidence,
        );
    }
}

fn figures(count: usize) -> String {
    let are = if count == 1 { "is" } else { "are" };
    format!("{} of figures {are}", number(count, "set"))
}

/// What failed.
pub(super) static FAILED: Rule = Rule {
    id: "not-read",
    title: "What could not be read",
    threshold: "a warning for each set whose reading raised an error, or took too long",
    source: "what PostgreSQL said",
    needs: &[],
    over: &[],
    check: |look, judged| {
        let mut errors: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((set, datid), error) in &look.readings().failures {
            let place = datid.map(|datid| format!(" in {}", look.database(datid))).unwrap_or_default();
            errors.entry(error).or_default().push(format!("{set}{place}"));
        }
        for (error, places) in errors {
            let evidence = Evidence::here().with("sets", Value::Text(places.join(", ")));
            judged.found(Severity::Warning, format!("{} not read: {error}.", figures(places.len())), evidence);
        }
    },
};

/// Figures of statements.
pub(super) static STATEMENTS: Rule = Rule {
    id: "no-statement-figures",
    title: "No figures of statements",
    threshold: "a notice where pg_stat_statements is not loaded or not created",
    source: "PostgreSQL comes with it, and it is off until somebody loads it",
    needs: &[],
    over: &[],
    check: |look, judged| {
        let state = look.state("pg_stat_statements", "").filter(|state| state.code == StateCode::Extension as i32);
        if let Some(state) = state {
            let mut evidence = Evidence::here().with("because", Value::Text(state.message.clone()));
            evidence.fix = (!state.fix.is_empty()).then(|| state.fix.clone());
            judged.found(Severity::Notice, "Nobody can say which statements cost most.", evidence);
        }
    },
};

/// Extensions that were not updated.
pub(super) static EXTENSIONS: Rule = Rule {
    id: "extension-updates",
    title: "Extensions that are older than the server's",
    threshold: "a notice for each extension whose version is not the one that the server would install (from 12 on)",
    source: "PostgreSQL's pg_available_extensions",
    needs: &["pg_extension"],
    over: &[],
    check: |look, judged| {
        let old = look.rows("pg_extension").into_iter().filter_map(|row| {
            let (name, here, there) = (row.text("extname")?, row.text("extversion")?, row.text("default_version")?);
            let quoted = identifier(name);
            (here != there).then(|| {
                Evidence::of(quoted.clone())
                    .within(look.database(row.datid.unwrap_or(0)))
                    .with("version", Value::Text(here.to_owned()))
                    .with("the server's", Value::Text(there.to_owned()))
                    .fix(format!("alter extension {quoted} update;"))
            })
        });
        let message = |count| format!("{} older than the server's.", are(count, "extension"));
        judged.found_all(Severity::Notice, message, old.collect());
    },
};

/// Clocks that differ.
pub(super) static CLOCK: Rule = Rule {
    id: "clock",
    title: "A clock that is off",
    threshold: "a warning when PostgreSQL's clock differs from that of the machine that looks by more than 10 s",
    source: super::OURS,
    needs: &[],
    over: &[],
    check: |look, judged| {
        let offset = look.readings().attributes.clock_offset_us.unwrap_or(0);
        if offset.unsigned_abs() > judgement::limits::CLOCK_WARNING_US {
            let ahead = Value::Seconds(offset as f64 / 1e6);
            let evidence = Evidence::here().with("PostgreSQL's clock minus this machine's", ahead);
            judged.found(Severity::Warning, "PostgreSQL's clock and that of the machine that looks differ.", evidence);
        }
    },
};
