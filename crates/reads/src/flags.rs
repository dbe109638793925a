//! Flagged intervals: parts of time in which something is known to be missing, and the sentence that says so.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Error;
use utoipa::ToSchema;

use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use judgement::span::moment;

/// Flags that are looked at in one read at most, the newest.
const FLAGS_MOST: i64 = 10_000;
/// Keys that one interval names at most.
const ENTRIES_MOST: usize = 100;

/// A part of time in which something is known to be missing; figures are a lower bound there.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct FlaggedInterval {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) start: Timestamp,
    /// To when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) end: Timestamp,
    /// Why: `reset`, `evicted`, `entry_reset`, `restart`, `crash_restart`, `replaced` or `gap`; or what the collector
    /// lost: `spool_full`, `spool_age`, `refused`, `damaged` or `restored`.
    pub(crate) reason: String,
    /// The same as a sentence; its times are UTC.
    pub(crate) message: String,
    /// The entries concerned, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub(crate) entries: Option<Vec<Value>>,
    /// How many entries are concerned; 0 where that is not known.
    pub(crate) entries_total: i32,
}

/// The flagged intervals of a set that touch a range, in order. Neighbours of one reason are one interval.
pub(crate) async fn read(
    snapshot: &Snapshot,
    instance: InstanceId,
    set: &str,
    range: Range,
) -> Result<Vec<FlaggedInterval>, Error> {
    let sql = "select distinct f.start, f.\"end\", f.reason, f.entries, f.entries_total from metrics.flags f
             where f.instance_id = $1 and f.set_name = $2 and f.\"end\" > $3 and f.start <= $4
             order by f.start desc, f.\"end\" desc, f.reason, f.entries limit $5";
    let rows = snapshot.query(sql, &[&instance, &set, &range.start, &range.end, &FLAGS_MOST]).await?;
    let mut merged: Vec<FlaggedInterval> = Vec::new();
    for row in rows.iter().rev() {
        let entries = match row.get(3) {
            Some(Value::Array(entries)) => Some(entries),
            _ => None,
        };
        merge(
            &mut merged,
            FlaggedInterval {
                start: row.get(0),
                end: row.get(1),
                reason: row.get(2),
                message: String::new(),
                entries,
                entries_total: row.get(4),
            },
        );
    }
    for flag in &mut merged {
        flag.message = message(&flag.reason, flag.start, flag.end);
    }
    Ok(merged)
}

/// Adds the next flag, or lengthens the last one of its reason if they touch.
fn merge(merged: &mut Vec<FlaggedInterval>, flag: FlaggedInterval) {
    let last = merged.iter_mut().rev().find(|other| other.reason == flag.reason);
    let Some(last) = last.filter(|last| flag.start <= last.end) else {
        merged.push(flag);
        return;
    };
    last.end = last.end.max(flag.end);
    let all_named = |flag: &FlaggedInterval| {
        flag.entries.as_ref().is_some_and(|entries| usize::try_from(flag.entries_total) == Ok(entries.len()))
    };
    let are_named = all_named(last) && all_named(&flag);
    let mut entries = last.entries.take().unwrap_or_default();
    for entry in flag.entries.into_iter().flatten() {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    // Keys that are not named cannot be told apart, so that their number is not known.
    last.entries_total = if are_named { i32::try_from(entries.len()).unwrap_or(0) } else { 0 };
    entries.truncate(ENTRIES_MOST);
    last.entries = Some(entries).filter(|entries| !entries.is_empty());
}

fn message(reason: &str, start: Timestamp, end: Timestamp) -> String {
    let (from, to) = (moment(start), moment(end));
    let bound = "figures are a lower bound";
    match reason {
        "reset" => format!("Statistics were reset at {to}. Work from {from} to {to} may be missing; {bound}."),
        "evicted" => format!("Entries were evicted between {from} and {to}; {bound}."),
        "entry_reset" => format!("Single entries were reset between {from} and {to}; {bound}."),
        "restart" => format!("The instance was restarted between {from} and {to}; {bound}."),
        "crash_restart" => {
            format!("The instance crashed and recovered between {from} and {to}, which zeroes statistics; {bound}.")
        }
        "replaced" => format!(
            "Another cluster answers since {to}; work from {from} to {to} is not known, and what has names is told from \
             then on."
        ),
        "gap" if start < end => format!("Nothing was read between {from} and {to}; work in it is not known."),
        "gap" => format!("Nothing was read before {to}."),
        "spool_full" => format!("What was read from {from} to {to} was lost: the collector's spool was full; {bound}."),
        "spool_age" => {
            format!(
                "What was read from {from} to {to} was lost: it waited longer than the collector keeps it; {bound}."
            )
        }
        "refused" => format!("What was read from {from} to {to} was lost: the server refused it; {bound}."),
        "damaged" => format!("What was read from {from} to {to} was lost: the collector's spool was damaged; {bound}."),
        "restored" => {
            format!(
                "What was read from {from} to {to} was lost: the collector's state directory was an older one; {bound}."
            )
        }
        _ => format!("Something is missing between {from} and {to}; {bound}."),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flag(start: &str, end: &str, reason: &str, entries: &[i64]) -> FlaggedInterval {
        let at = |text: &str| format!("2026-03-01T{text}Z").parse().unwrap();
        let named = || entries.iter().map(|id| json!({"queryid": id})).collect();
        FlaggedInterval {
            start: at(start),
            end: at(end),
            reason: reason.to_owned(),
            message: String::new(),
            entries: (!entries.is_empty()).then(named),
            entries_total: i32::try_from(entries.len()).unwrap(),
        }
    }

    #[test]
    fn neighbours_of_one_reason_are_one_interval() {
        let mut merged = Vec::new();
        for one in [
            flag("10:31:00", "10:32:00", "entry_reset", &[1]),
            flag("10:31:00", "10:32:00", "reset", &[]),
            flag("10:32:00", "10:33:00", "entry_reset", &[1, 2]),
            flag("10:40:00", "10:41:00", "entry_reset", &[3]),
        ] {
            merge(&mut merged, one);
        }
        assert_eq!(
            merged,
            [
                flag("10:31:00", "10:33:00", "entry_reset", &[1, 2]),
                flag("10:31:00", "10:32:00", "reset", &[]),
                flag("10:40:00", "10:41:00", "entry_reset", &[3]),
            ]
        );
        merge(&mut merged, flag("10:41:00", "10:42:00", "entry_reset", &[]));
        assert_eq!(merged[2].entries_total, 0, "how many is not known");
    }

    #[test]
    fn a_sentence_tells_what_it_means_for_figures() {
        let one = flag("10:31:00", "10:32:05", "evicted", &[]);
        assert_eq!(
            message(&one.reason, one.start, one.end),
            "Entries were evicted between 2026-03-01 10:31:00 UTC and 2026-03-01 10:32:05 UTC; figures are a lower bound."
        );
    }
}
