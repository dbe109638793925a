//! `GET /instances/{id}/waits`: average active sessions over a range, by what they wait for or by whose they are.
//!
//! They are means over the samples of the range. Where sessions were not sampled, each reading of `sessions` is one sample,
//! which knows neither application nor statement.

use super::answer::Both;
use super::model::{SessionSeries, Waits, WaitsBy, WaitsQuery};
use super::samples::{self, IS_CUT, SAMPLES, Whose};
use super::series::{OTHERS, in_order, most};
use super::store::{self, CLASSES, SESSIONS, Sums};
use crate::clusters::OfOneCluster;
use crate::error::{Detail, ReadError};
use crate::flags;
use crate::gaps::Gaps;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::{Reason, Unmeasured};
use crate::queries::names::Texts;
use crate::queries::store as queries;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::readings::Counted;
use crate::when::{Fineness, When};

/// Series of one answer unless asked otherwise, and at most.
const LIMIT: usize = 10;
const LIMIT_MOST: usize = 50;
/// Of those that work, in samples; walsenders are not sampled.
const WORKS: &str = "s.state in ('active', 'fastpath function call')";
/// States of sessions that are sampled, in the order in which they are stacked.
const STATES: [&str; 4] = ["active", "fastpath function call", "idle in transaction", "idle in transaction (aborted)"];
/// What a statement without a queryid is called.
const NO_QUERYID: &str = "no queryid";

/// Active sessions over a range.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn waits(snapshot: &Snapshot, id: InstanceId, query: WaitsQuery) -> Result<Waits, ReadError> {
    let now = snapshot.now();
    let when = When { start: query.start, end: query.end, step: query.step, at: None };
    let asked = when.range(now)?;
    let (limit, queryid) = checked(&query)?;
    let by = query.by.unwrap_or(if query.class.is_some() { WaitsBy::Event } else { WaitsBy::Class });
    // What is told by oid is of one cluster.
    let range = OfOneCluster::read(snapshot, id, asked).await?.range;
    let names = Both::read(snapshot, id, range.end).await?;
    let of = names.of(query.database.as_deref(), query.user.as_deref());
    let whose = Whose { of, application: query.application.clone(), queryid };
    let condition = |works: &str| match &query.class {
        Some(class) => format!("{works} and {}", store::is_of_class(class)),
        None => works.to_owned(),
    };
    let mut grid = when.grid(snapshot, id, SAMPLES, now, Fineness::FINE).await?;
    let sampled = samples::taken(snapshot, id, range, grid).await?;
    let set = if sampled.is_some() { SAMPLES } else { SESSIONS };
    let mut unmeasured = unmeasured(snapshot, id, set).await?;
    let (counted, samples, sums) = match sampled {
        Some((counted, samples)) => {
            let condition = condition(if by == WaitsBy::State { "true" } else { WORKS });
            let what = of_samples(by, query.class.is_some());
            let sums = samples::sums(snapshot, id, range, grid, &what, &whose, &condition).await?;
            let mut samples = samples;
            if whose.is_of_some() {
                samples.note_cut(samples::cut(snapshot, id, range, grid, &condition).await?);
            }
            (counted, Some(samples), sums)
        }
        None => {
            grid = when.grid(snapshot, id, SESSIONS, now, Fineness::FINE).await?;
            let counted = Counted::read(snapshot, id, SESSIONS, range, grid).await?;
            let what = of_sessions(by, query.class.is_some()).filter(|_| whose.is_known_of_sessions());
            let sums = match what {
                Some(what) => {
                    let condition = condition(if by == WaitsBy::State { NOT_IDLE } else { store::WORKS });
                    store::sums(snapshot, id, range, grid, what, &whose.of, &condition).await?
                }
                None => {
                    unmeasured.entry("series".to_owned()).or_insert_with(not_sampled);
                    Sums::new()
                }
            };
            (counted, None, sums)
        }
    };
    let mut series = match by {
        WaitsBy::Class => in_order(&counted, sums, &CLASSES, store::class_of),
        WaitsBy::State => in_order(&counted, sums, &STATES, state_of),
        _ => most(&counted, sums, limit),
    };
    if unmeasured.get("series").is_some_and(|reason| reason.code == NOT_SAMPLED) {
        series.clear();
    }
    match by {
        WaitsBy::Database => rename(&mut series, |oid| names.databases.of(oid), "no database"),
        WaitsBy::User => rename(&mut series, |oid| names.roles.of(oid), "no role"),
        WaitsBy::Query => add_texts(snapshot, id, range, &mut series).await?,
        _ => {}
    }
    let mean = series.iter().map(|series| series.mean).sum::<Option<f64>>();
    let is_known = counted.mean(0.0).is_some() && !unmeasured.contains_key("series");
    Ok(Waits {
        grid,
        series,
        mean: mean.filter(|_| is_known).map(|mean| mean + 0.0),
        samples,
        unmeasured,
        flagged_intervals: flags::read(snapshot, id, set, asked).await?,
        gaps: Gaps::read(snapshot, snapshot.catalog(), id, set, asked, now).await?.listed,
    })
}

/// Sessions that are not idle, in the words of `sessions`.
const NOT_IDLE: &str = "s.state in ('active', 'fastpath function call', 'idle in transaction', \
                        'idle in transaction (aborted)') and s.backend_type <> 'walsender'";
/// Why nothing is known of applications and statements.
const NOT_SAMPLED: &str = "not_sampled";

fn not_sampled() -> Reason {
    let message =
        "Sessions were not sampled in this range, and single readings tell neither application nor statement.";
    Reason { code: NOT_SAMPLED.to_owned(), message: message.to_owned(), fix: None }
}

/// The limit and the queryid that are asked for.
fn checked(query: &WaitsQuery) -> Result<(usize, Option<i64>), ReadError> {
    let mut wrong = Vec::new();
    if query.class.as_deref().is_some_and(|class| !CLASSES.contains(&class)) {
        wrong.push(Detail::new("class", format!("expected one of {}", CLASSES.join(", "))));
    }
    let limit = query.limit.unwrap_or(LIMIT);
    if !(2..=LIMIT_MOST).contains(&limit) {
        wrong.push(Detail::new("limit", format!("expected 2 to {LIMIT_MOST}")));
    }
    let queryid = query.queryid.as_deref().map(str::parse);
    if matches!(queryid, Some(Err(_))) {
        wrong.push(Detail::new("queryid", "expected a signed 64-bit number"));
    }
    if wrong.is_empty() { Ok((limit, queryid.and_then(Result::ok))) } else { Err(ReadError::invalid(wrong)) }
}

impl Whose {
    /// Whether the readings of `sessions` tell these from others.
    fn is_known_of_sessions(&self) -> bool {
        self.application.is_none() && self.queryid.is_none()
    }
}

/// What tells samples apart; empty where it is not known for a row limit.
fn of_samples(by: WaitsBy, of_one_class: bool) -> String {
    let known = |what: &str| format!("case when {IS_CUT} then '' else {what} end");
    match by {
        WaitsBy::Class | WaitsBy::Event | WaitsBy::Database | WaitsBy::State => {
            of_sessions(by, of_one_class).unwrap_or_default().to_owned()
        }
        WaitsBy::User => known("s.userid::text"),
        WaitsBy::Application => known("coalesce(nullif(s.application_name, ''), '(' || s.backend_type || ')')"),
        WaitsBy::Query => known(&format!("case when s.queryid = 0 then '{NO_QUERYID}' else s.queryid::text end")),
    }
}

/// What tells sessions apart, where that is known of single readings.
fn of_sessions(by: WaitsBy, of_one_class: bool) -> Option<&'static str> {
    Some(match by {
        WaitsBy::Class => "s.wait_event_type",
        WaitsBy::Event if of_one_class => "case when s.wait_event_type = '' then 'CPU' else s.wait_event end",
        WaitsBy::Event => {
            "case when s.wait_event_type = '' then 'CPU' when s.wait_event = '' then s.wait_event_type
                else s.wait_event_type || ':' || s.wait_event end"
        }
        WaitsBy::Database => "s.datid::text",
        WaitsBy::User => "s.userid::text",
        WaitsBy::State => "s.state",
        WaitsBy::Application | WaitsBy::Query => return None,
    })
}

fn state_of(state: &str) -> &str {
    STATES.into_iter().find(|known| *known == state).unwrap_or(STATES[0])
}

/// Names in the place of oids.
fn rename(series: &mut [SessionSeries], name: impl Fn(i64) -> String, none: &str) {
    for one in series.iter_mut().filter(|one| one.name != OTHERS) {
        one.name = match one.name.parse() {
            Ok(0) => none.to_owned(),
            Ok(oid) => name(oid),
            Err(_) => continue,
        };
    }
}

/// The texts of statements.
async fn add_texts(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    series: &mut [SessionSeries],
) -> Result<(), ReadError> {
    let queryids: Vec<i64> = series.iter().filter_map(|one| one.name.parse().ok()).collect();
    let readable = queries::conditions(snapshot, id).await?.texts_readable;
    let texts = Texts::of(snapshot, id, range.end, &queryids, readable).await?;
    for one in series {
        let Ok(queryid) = one.name.parse() else { continue };
        let (text, state) = texts.of_any(queryid);
        (one.query, one.query_state) = (text.map(str::to_owned), Some(state));
    }
    Ok(())
}

async fn unmeasured(snapshot: &Snapshot, id: InstanceId, set: &str) -> Result<Unmeasured, ReadError> {
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for column in ["", "samples"] {
        note_missing(&mut unmeasured, "series", &states, set, column);
    }
    Ok(unmeasured)
}
