//! Reads one set over a connection: its statement, between two readings of its guard, and the times of both.

use std::time::{Duration, Instant};

use catalog::{Kind, Set, WithoutGrant};
use connection::describe;
use wire::{Frame, State, StateCode};

use super::recorder::{Interval, Taken, Took};
use super::source::At;
use crate::baseline::{Baseline, Place, ReadingTime};
use crate::clock::Clock;
use crate::connect::Session;
use crate::coverage::{self, Known, Plan};
use crate::custom;
use crate::identity::Identity;
use crate::increments::Guard;
use crate::read::{self, ReadError};
use crate::texts;

/// The set of the instance's settings, which a session shows as its own where it was told others.
pub(super) const SETTINGS: &str = "pg_settings";

/// One set's statement and what came of it, before increments.
struct Answer {
    frame: Frame,
    guard: Option<(Frame, Frame)>,
    started_us: i64,
    time_us: i64,
    duration: Duration,
    ended: Instant,
}

/// Reads a planned set into the cycle.
pub(super) async fn read_set(
    session: &Session,
    identity: &Identity,
    plan: &Plan<'_>,
    guard: Option<&Plan<'_>>,
    at: &mut At<'_>,
) -> Result<(), ReadError> {
    let (set, recorder, baselines) = (plan.set, &mut *at.recorder, at.baselines);
    // What is left of the cycle's own questions.
    session.take_marked();
    let place = recorder.place(set.name(), at.cycle.datid);
    let previous = baselines.get(&place);
    let expected = previous.map_or(0, |previous| previous.frame.rows);
    let began = Instant::now();
    let answer = ask(session, plan, guard, expected, &recorder.clock).await;
    if set.is_users() {
        recorder.took(&place, began.elapsed());
    }
    recorder.own.marked(set.name(), session.take_marked());
    let mut answer = answer?;
    if set.name() == SETTINGS {
        // Before the baseline, which goes to disk too.
        texts::redact_settings(&set.definition, &mut answer.frame);
    }
    refuse_hidden_rows(set, &answer.frame)?;
    let previous = previous.map(AsRef::as_ref);
    let here = recorder.since_previous_us(&place, previous, answer.ended);
    let instance_time_us = answer.time_us.saturating_add(identity.clock_offset_us);
    let time = ReadingTime {
        incarnation: identity.incarnation.clone(),
        started_us: answer.started_us,
        time_us: recorder.after_previous(&place, previous, answer.time_us),
        instance_time_us,
        // The collector's clock was set anew since it stopped; the instance's went on.
        since_previous_us: here.or_else(|| since_by_instance(previous?, instance_time_us)),
    };
    let Answer { frame, guard: guards, duration, ended, .. } = answer;
    let took = Took { at: &time, duration, ended };
    let guards = guard.zip(guards.as_ref()).map(|(plan, (before, after))| (&plan.set.definition, before, after));
    if let Some((definition, _, after)) = guards {
        let place = Place { set: definition.name.clone(), ..place.clone() };
        let interval = Interval::SincePrevious;
        let taken = Taken { place, definition, frame: after.clone(), guard: None, took, interval, plan: None };
        recorder.record(taken, baselines, at.cycle)?;
    }
    let guard = guards.map(|(definition, before, after)| Guard { definition, before, after });
    let interval = Interval::SincePrevious;
    let taken = Taken { place, definition: &set.definition, frame, guard, took, interval, plan: Some(plan) };
    recorder.record(taken, baselines, at.cycle)
}

/// The state of a set that was not read: how, the kind of reason, the reason, and what mends it.
pub(super) fn why_not_read(set: &Set, error: &ReadError, known: Known<'_>) -> (State, StateCode, String, String) {
    match error {
        ReadError::Denied { error, fix } => {
            let fix = if fix.is_empty() { coverage::grant(set, known) } else { fix.clone() };
            (State::Missing, StateCode::Privilege, describe(error), fix)
        }
        _ => (State::Error, StateCode::Failed, error.to_string(), String::new()),
    }
}

/// Asks for a set, between two readings of its guard; once more when the guard moved meanwhile.
async fn ask(
    session: &Session,
    plan: &Plan<'_>,
    guard: Option<&Plan<'_>>,
    expected: usize,
    clock: &Clock,
) -> Result<Answer, ReadError> {
    let sql = plan.sql.as_deref().unwrap_or_default();
    let Some((guard, guard_sql)) = guard.and_then(|guard| Some((guard, guard.sql.as_deref()?))) else {
        return timed(session, plan.set, sql, expected, clock).await;
    };
    let mut repeated = false;
    loop {
        let before = read::frame(session, &guard.set.definition, guard_sql, 1).await?;
        let mut answer = timed(session, plan.set, sql, expected, clock).await?;
        let after = read::frame(session, &guard.set.definition, guard_sql, 1).await?;
        if before == after || repeated {
            answer.guard = Some((before, after));
            return Ok(answer);
        }
        repeated = true;
    }
}

async fn timed(session: &Session, set: &Set, sql: &str, expected: usize, clock: &Clock) -> Result<Answer, ReadError> {
    let (started, started_us) = (Instant::now(), clock.now_us());
    let frame = if set.is_users() {
        custom::frame(session, &set.definition, sql).await?
    } else {
        read::frame(session, &set.definition, sql, expected).await?
    };
    let ended = Instant::now();
    let duration = ended.duration_since(started);
    Ok(Answer { frame, guard: None, started_us, time_us: clock.now_us(), duration, ended })
}

/// Rows whose key is hidden would be counted as new ones as soon as it is shown again.
fn refuse_hidden_rows(set: &Set, frame: &Frame) -> Result<(), ReadError> {
    if set.without_grant() != WithoutGrant::Set {
        return Ok(());
    }
    for (place, meta) in set.definition.columns.iter().enumerate() {
        let hidden = frame.column(place).is_some_and(|column| column.nulls.any());
        if meta.kind == Kind::Label && meta.needs_grant && hidden {
            let reason = "is hidden from the collector's role".to_owned();
            return Err(ReadError::Shape { column: meta.name.clone(), reason });
        }
    }
    Ok(())
}

/// How long ago a reading of an earlier process was, by the instance's clock; `None` where that went back.
fn since_by_instance(previous: &Baseline, instance_time_us: i64) -> Option<u64> {
    u64::try_from(instance_time_us.saturating_sub(previous.instance_time_us)).ok().filter(|since| *since > 0)
}
