//! Whether an instance is (or was at a moment) read, and since when it is not. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use judgement::span::moment as said;

/// An instance is silent after this many intervals without a word, and not before [`SILENT_LEAST`].
const SILENT_INTERVALS: i32 = 2;
const SILENT_LEAST: SignedDuration = SignedDuration::from_mins(2);

/// Whether PostgreSQL is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WatchedState {
    /// It is read, or was at the moment.
    Read,
    /// The collector cannot reach it.
    Down,
    /// It answers, and does not let the collector in.
    Refused,
    /// Nothing arrives from the collector.
    Silent,
    /// Nothing was read at the moment.
    NotWatched,
}

/// How an instance is watched at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Watched {
    /// Whether it is read.
    pub(crate) state: WatchedState,
    /// Down and refused: the first attempt that failed after the last good reading. Silent: when something was heard last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<Timestamp>,
    /// The newest good reading of PostgreSQL up to the moment; what is read of its host does not count.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_reading: Option<Timestamp>,
    /// How old that was at the moment.
    pub(crate) last_reading_age_ms: Option<f64>,
    /// Down or refused, while figures of its host still come.
    pub(crate) host_still_read: bool,
    /// Down and refused: why, without a stop.
    pub(crate) error: Option<String>,
    /// What is to be said; null while it is read.
    pub(crate) message: Option<String>,
}

/// What is known of how it is watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word<'a> {
    /// When something was heard of it last, also that it could not be reached.
    pub(crate) last_seen: Option<Timestamp>,
    /// The shortest time between two readings of a set.
    pub(crate) interval: Option<SignedDuration>,
    /// Why it could not be reached, if that is the newest that is known.
    pub(crate) unreachable: Option<&'a str>,
    /// The first attempt that failed since it could be reached.
    pub(crate) failing_since: Option<Timestamp>,
    /// The newest good reading of PostgreSQL.
    pub(crate) last_reading: Option<Timestamp>,
    /// The newest good reading of its host.
    pub(crate) host_reading: Option<Timestamp>,
    /// The first reading ever.
    pub(crate) first_reading: Option<Timestamp>,
    /// Whether the moment is gone by: then nothing more can arrive.
    pub(crate) is_past: bool,
}

impl Watched {
    /// How it is watched at a moment.
    pub(crate) fn at(word: &Word<'_>, at: Timestamp) -> Self {
        let age = |time: Timestamp| (at.duration_since(time).as_secs_f64() * 1000.0).max(0.0);
        let mut watched = Self {
            state: WatchedState::Read,
            since: None,
            last_reading: word.last_reading,
            last_reading_age_ms: word.last_reading.map(age),
            host_still_read: false,
            error: None,
            message: None,
        };
        let least = word.interval.map_or(SILENT_LEAST, |interval| interval.saturating_mul(SILENT_INTERVALS));
        let silent_after = least.max(SILENT_LEAST);
        let is_silent = |seen: Timestamp| at.duration_since(seen) >= silent_after;
        match word.last_seen {
            None => {
                watched.state = if word.is_past { WatchedState::NotWatched } else { WatchedState::Silent };
                watched.message = Some(match word.first_reading {
                    Some(first) if word.is_past => {
                        format!("Not watched at {}: the first reading is of {}.", said(at), said(first))
                    }
                    _ => "Nothing has arrived from the collector yet.".to_owned(),
                });
            }
            Some(seen) if is_silent(seen) => {
                watched.since = Some(seen);
                watched.error = word.unreachable.map(|error| fragment(error).to_owned());
                if word.is_past {
                    watched.state = WatchedState::NotWatched;
                    let message = format!("Not watched at {}: nothing had arrived since {}.", said(at), said(seen));
                    watched.message = Some(message);
                } else {
                    watched.state = WatchedState::Silent;
                    watched.message = Some(format!("The collector is silent since {}.", said(seen)));
                }
            }
            Some(_) => {
                if let Some(error) = word.unreachable {
                    let since = word.failing_since;
                    let when = since.map(|since| format!(" since {}", said(since))).unwrap_or_default();
                    let (state, what) = if is_answer(error) {
                        (WatchedState::Refused, "PostgreSQL refuses the collector")
                    } else {
                        (WatchedState::Down, "Down")
                    };
                    watched.state = state;
                    watched.since = since;
                    watched.error = Some(fragment(error).to_owned());
                    watched.host_still_read = word.host_reading.is_some_and(|read| !is_silent(read));
                    watched.message = Some(format!("{what}{when}: {}.", fragment(error)));
                }
            }
        }
        watched
    }

    /// Whether its figures are of the moment.
    pub(crate) fn is_read(&self) -> bool {
        self.state == WatchedState::Read
    }

    /// The kind of reason why there are no figures.
    pub(crate) const fn code(&self) -> &'static str {
        match self.state {
            WatchedState::Read => "not_enough_data",
            WatchedState::Down => "down",
            WatchedState::Refused => "refused",
            WatchedState::Silent => "silent",
            WatchedState::NotWatched => "not_watched",
        }
    }
}

/// Whether PostgreSQL itself said so, and not because it starts or stops.
fn is_answer(error: &str) -> bool {
    let code = error.split_once("(SQLSTATE ").and_then(|(_, code)| code.get(..5));
    code.is_some_and(|code| !["57P01", "57P02", "57P03"].contains(&code))
}

/// An error as a part of a sentence.
fn fragment(error: &str) -> &str {
    error.trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_366_400 + second).unwrap()
    }

    #[test]
    fn down_is_told_since_the_first_attempt_that_failed() {
        let word = Word {
            last_seen: Some(at(-2)),
            unreachable: Some("connection refused by db-1:5432"),
            failing_since: Some(at(-50)),
            last_reading: Some(at(-60)),
            host_reading: Some(at(-2)),
            ..Word::default()
        };
        let watched = Watched::at(&word, at(0));
        assert_eq!((watched.state, watched.since), (WatchedState::Down, Some(at(-50))));
        assert_eq!((watched.last_reading_age_ms, watched.host_still_read), (Some(60_000.0), true));
        let message = "Down since 2026-03-01 11:59:10 UTC: connection refused by db-1:5432.";
        assert_eq!(watched.message.as_deref(), Some(message));
        // A collector that fell silent then knows no more whether it is down.
        let silent = Watched::at(&Word { last_seen: Some(at(-120)), ..word }, at(0));
        assert_eq!((silent.state, silent.since), (WatchedState::Silent, Some(at(-120))));
    }

    #[test]
    fn who_answers_is_not_down() {
        let of = |error| {
            let word = Word {
                last_seen: Some(at(0)),
                unreachable: Some(error),
                failing_since: Some(at(-50)),
                ..Word::default()
            };
            let watched = Watched::at(&word, at(0));
            (watched.state, watched.message.unwrap())
        };
        let full = "sorry, too many clients already (SQLSTATE 53300)";
        let message = format!("PostgreSQL refuses the collector since 2026-03-01 11:59:10 UTC: {full}.");
        assert_eq!(of(full), (WatchedState::Refused, message));
        let starting = "the database system is starting up (SQLSTATE 57P03)";
        let message = format!("Down since 2026-03-01 11:59:10 UTC: {starting}.");
        assert_eq!(of(starting), (WatchedState::Down, message));
        assert_eq!(of("it broke (SQLSTATE").0, WatchedState::Down);
    }

    #[test]
    fn silence_is_two_intervals_and_at_least_two_minutes() {
        let seen = |seconds: i64, interval: Option<i64>| {
            let interval = interval.map(SignedDuration::from_secs);
            Watched::at(&Word { last_seen: Some(at(-seconds)), interval, ..Word::default() }, at(0)).state
        };
        assert_eq!((seen(119, None), seen(120, None)), (WatchedState::Read, WatchedState::Silent));
        assert_eq!((seen(599, Some(300)), seen(600, Some(300))), (WatchedState::Read, WatchedState::Silent));
        // A server whose clock was set back has not lost its instances.
        assert_eq!(seen(-900, None), WatchedState::Read);
    }

    #[test]
    fn a_moment_before_the_first_reading_was_not_watched() {
        let word = Word { first_reading: Some(at(3600)), is_past: true, ..Word::default() };
        let watched = Watched::at(&word, at(0));
        assert_eq!((watched.state, watched.since), (WatchedState::NotWatched, None));
        let message = "Not watched at 2026-03-01 12:00:00 UTC: the first reading is of 2026-03-01 13:00:00 UTC.";
        assert_eq!(watched.message.as_deref(), Some(message));
        let new = Watched::at(&Word::default(), at(0));
        assert_eq!(new.message.as_deref(), Some("Nothing has arrived from the collector yet."));
    }
}
