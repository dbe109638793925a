//! Standbys, archiving, subscriptions.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use judgement::limits::REPLAY_LAG_WARNING_US;
use judgement::span::spell;

use super::OURS;
use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};

fn text(row: &Row<'_>, column: &str) -> Option<Value> {
    row.text(column).filter(|text| !text.is_empty()).map(|text| Value::Text(text.to_owned()))
}

fn lag(us: i64) -> String {
    spell(SignedDuration::from_micros(us))
}

/// Who follows this instance.
pub(super) static SENDERS: Rule = Rule {
    id: "standbys",
    title: "Standbys that are behind",
    threshold: "a warning from 30 s of replay lag on",
    source: OURS,
    needs: &["pg_stat_replication"],
    over: &[],
    check: |look, judged| {
        let rows = look.rows("pg_stat_replication");
        if look.is_hidden("pg_stat_replication", "replay_lag") && !rows.is_empty() {
            return judged.unknown("How far standbys are is hidden from the role.");
        }
        for row in rows {
            let Some(lag_us) = row.int("replay_lag").filter(|lag| *lag > REPLAY_LAG_WARNING_US) else { continue };
            let name = row.text("application_name").unwrap_or_default();
            let behind =
                row.int("current_lsn").zip(row.int("replay_lsn")).map(|(now, replayed)| Value::Bytes(now - replayed));
            let evidence = Evidence::of(format!("standby {name}"))
                .with("replay lag", Value::Seconds(lag_us as f64 / 1e6))
                .maybe("WAL not replayed", behind)
                .maybe("state", text(&row, "state"))
                .maybe("client", text(&row, "client_addr"));
            judged.found(Severity::Warning, format!("Standby {name} replays {} behind.", lag(lag_us)), evidence);
        }
    },
};

/// The instance as a standby.
pub(super) static RECEIVER: Rule = Rule {
    id: "replay",
    title: "A standby that is behind or does not receive",
    threshold: "a warning when its replay is 30 s or more behind, is paused, or no WAL receiver runs though primary_conninfo is set",
    source: OURS,
    needs: &["pg_stat_wal_receiver"],
    over: &[],
    check: receiver,
};

fn receiver(look: &Look<'_>, judged: &mut Judged) {
    let Some(row) = look.row("pg_stat_wal_receiver") else { return };
    let evidence = || {
        Evidence::here()
            .maybe("status", text(&row, "status"))
            .maybe("from", text(&row, "sender_host"))
            .maybe("WAL not replayed", row.int("not_replayed_bytes").map(Value::Bytes))
            .maybe(
                "last transaction replayed",
                row.int("last_replayed_at").and_then(|us| Timestamp::from_microsecond(us).ok()).map(Value::Moment),
            )
    };
    if row.yes("replay_paused") {
        let resume = if look.major() >= 10 { "pg_wal_replay_resume" } else { "pg_xlog_replay_resume" };
        judged.found(Severity::Warning, "Replay is paused.", evidence().fix(format!("select {resume}();")));
    }
    if let Some(lag_us) = row.int("replay_lag").filter(|lag| *lag > REPLAY_LAG_WARNING_US) {
        let evidence = evidence().with("replay lag", Value::Seconds(lag_us as f64 / 1e6));
        judged.found(Severity::Warning, format!("Replay is {} behind.", lag(lag_us)), evidence);
    }
    // Where it is not shown, nothing is known of it.
    let streams = look.setting("primary_conninfo").is_some_and(|conninfo| !conninfo.is_empty());
    if look.version_num() >= 90_600 && row.int("pid").is_none() && streams {
        let fix = "-- look into the log: the connection to the primary fails, or WAL that is needed is gone there";
        judged.found(Severity::Warning, "No WAL receiver runs, although primary_conninfo is set.", evidence().fix(fix));
    }
}

/// The archive.
pub(super) static ARCHIVER: Rule = Rule {
    id: "archiver",
    title: "WAL that is not archived",
    threshold: "a warning when the last attempt failed, or archive_mode is on without a command or library",
    source: "PostgreSQL's pg_stat_archiver: WAL stays until it is archived, and there is no point-in-time recovery past it",
    needs: &["pg_stat_archiver", "pg_settings"],
    over: &[],
    check: archiver,
};

fn archiver(look: &Look<'_>, judged: &mut Judged) {
    let Some(row) = look.row("pg_stat_archiver") else { return };
    let mode = look.setting("archive_mode").unwrap_or("off");
    if mode == "off" || look.is_standby() && mode != "always" {
        return;
    }
    let directory = look.row("wal_directory");
    let evidence = || {
        let moment =
            |column: &str| row.int(column).and_then(|us| Timestamp::from_microsecond(us).ok()).map(Value::Moment);
        let waiting = directory.as_ref().and_then(|row| row.int("ready_files"));
        Evidence::here()
            .with("archive_mode", Value::Text(mode.to_owned()))
            .maybe("last archived", moment("last_archived_time"))
            .maybe("last failed", moment("last_failed_time"))
            .maybe("that was", text(&row, "last_failed_wal"))
            .maybe("failures since the reset", row.int("failed_count").map(Value::Count))
            .maybe("segments that wait", waiting.map(Value::Count))
            .maybe("WAL on disk", directory.as_ref().and_then(|row| row.int("size")).map(Value::Bytes))
    };
    let is_empty = |name: &str| look.setting(name).is_none_or(str::is_empty);
    if look.setting("archive_command").is_some_and(|command| matches!(command, "" | "(disabled)"))
        && is_empty("archive_library")
    {
        let fix = "-- set archive_command or archive_library, or archive_mode = off (which needs a restart)";
        let message = "archive_mode is on and nothing archives: WAL piles up.";
        judged.found(Severity::Warning, message, evidence().fix(fix));
    } else if row.int("last_failed_time") > row.int("last_archived_time") {
        let fix = "-- the log says why archive_command fails";
        judged.found(Severity::Warning, "Archiving WAL fails: the last attempt did.", evidence().fix(fix));
    }
}

/// Logical replication into this instance.
pub(super) static SUBSCRIPTIONS: Rule = Rule {
    id: "subscriptions",
    title: "Subscriptions that do not follow",
    threshold: "a warning for an enabled subscription without a worker, and for errors between the readings; a notice for a disabled one",
    source: "PostgreSQL's pg_stat_subscription and, from 15 on, pg_stat_subscription_stats",
    needs: &["pg_subscription"],
    over: &[],
    check: subscriptions,
};

fn subscriptions(look: &Look<'_>, judged: &mut Judged) {
    let mut works: HashMap<String, bool> = HashMap::new();
    for row in look.rows("pg_stat_subscription") {
        if let Some(name) = row.text("subname") {
            *works.entry(name.to_owned()).or_default() |= row.int("pid").is_some_and(|pid| pid > 0);
        }
    }
    let errors: HashMap<i64, i64> = look
        .moved("pg_stat_subscription_stats")
        .iter()
        .filter_map(|row| {
            let count = |column: &str| row.int(column).unwrap_or(0);
            Some((row.int("subid")?, count("apply_error_count") + count("sync_error_count")))
        })
        .collect();
    for row in look.rows("pg_subscription") {
        let Some(name) = row.text("subname") else { continue };
        let database = look.database(row.int("datid").unwrap_or(0));
        let failed = row.int("subid").and_then(|subid| errors.get(&subid)).copied().unwrap_or(0);
        let quoted = catalog::identifier(name);
        let evidence = || {
            Evidence::of(format!("subscription {quoted}"))
                .within(database.clone())
                .maybe("slot", text(&row, "slot_name"))
                .maybe("publications", text(&row, "publications"))
        };
        let in_the_log = "-- the log of this instance says why, as often as it tries";
        if row.flag("enabled") == Some(false) {
            let message =
                format!("Subscription {name} in {database} is disabled: nothing follows, and its slot holds WAL.");
            judged.found(Severity::Notice, message, evidence().fix(format!("alter subscription {quoted} enable;")));
        } else if failed > 0 {
            let message = format!("Subscription {name} in {database} failed between the readings.");
            judged.found(Severity::Warning, message, evidence().with("errors", Value::Count(failed)).fix(in_the_log));
        } else if works.get(name) == Some(&false) {
            let message = format!("Subscription {name} in {database} is enabled and has no worker at the moment.");
            judged.found(Severity::Warning, message, evidence().fix(in_the_log));
        }
    }
}
