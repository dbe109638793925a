//! How an instance is, and why: the rules, without the store.

use jiff::{SignedDuration, Timestamp, Unit};

use super::model::HealthState;
use crate::collectors::skew;

/// An instance is silent after this many intervals without a word, and not before [`SILENT_LEAST`].
const SILENT_INTERVALS: i32 = 3;
const SILENT_LEAST: SignedDuration = SignedDuration::from_mins(3);

/// Shares of `max_connections` in percent. The last few are reserved for superusers, so full comes before 100.
const CONNECTIONS_CRITICAL: i64 = 95;
const CONNECTIONS_WARNING: i64 = 80;

/// Replay lag above this is worth a look.
const REPLAY_LAG_WARNING_US: i64 = 30_000_000;

/// A clock that is further off than this is to be set right.
const CLOCK_WARNING_US: u64 = 10_000_000;

/// What the rules look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs<'a> {
    /// When something arrived last, by our clock.
    pub(crate) last_seen: Option<Timestamp>,
    /// The shortest time between two readings of a set.
    pub(crate) interval: Option<SignedDuration>,
    /// Why it could not be reached, if that is the newest that is known.
    pub(crate) unreachable: Option<&'a str>,
    pub(crate) connections: Option<i64>,
    pub(crate) connections_limit: Option<i64>,
    /// The standby with the longest replay lag, and that lag in microseconds.
    pub(crate) lagging: Option<(&'a str, i64)>,
    /// How far its own replay is behind, on a standby.
    pub(crate) replay_lag_us: Option<i64>,
    /// How far the collector's clock is ahead of ours.
    pub(crate) collector_ahead_us: Option<i64>,
    /// How far its own clock is ahead of ours.
    pub(crate) ahead_us: Option<i64>,
    /// Why figures of statements cannot be read.
    pub(crate) statements: Option<&'a str>,
}

/// The state and its reasons, the worst first.
pub(crate) fn judge(signs: &Signs<'_>, now: Timestamp) -> (HealthState, Vec<String>) {
    if let Some(reason) = silence(signs, now) {
        let mut reasons = vec![reason];
        reasons.extend(signs.unreachable.map(|error| sentence("PostgreSQL could not be reached before", error)));
        return (HealthState::NoData, reasons);
    }
    let mut found: Vec<(HealthState, String)> = Vec::new();
    if let Some(error) = signs.unreachable {
        found.push((HealthState::Critical, sentence("PostgreSQL cannot be reached", error)));
    } else {
        if let (Some(used), Some(limit)) = (signs.connections, signs.connections_limit.filter(|limit| *limit > 0)) {
            let percent = used.saturating_mul(100);
            let reason = format!("{used} of {limit} connections are in use.");
            if percent >= limit.saturating_mul(CONNECTIONS_CRITICAL) {
                found.push((HealthState::Critical, reason));
            } else if percent >= limit.saturating_mul(CONNECTIONS_WARNING) {
                found.push((HealthState::Warning, reason));
            }
        }
        if let Some((standby, lag_us)) = signs.lagging.filter(|(_, lag_us)| *lag_us > REPLAY_LAG_WARNING_US) {
            let seconds = lag_us / 1_000_000;
            found.push((HealthState::Warning, format!("Standby {standby} replays {seconds} s behind.")));
        }
        if let Some(lag_us) = signs.replay_lag_us.filter(|lag_us| *lag_us > REPLAY_LAG_WARNING_US) {
            found.push((HealthState::Warning, format!("Replay is {} s behind.", lag_us / 1_000_000)));
        }
    }
    let clocks = [("The collector's clock", signs.collector_ahead_us), ("PostgreSQL's clock", signs.ahead_us)];
    for (whose, ahead_us) in clocks {
        if let Some(ahead_us) = ahead_us.filter(|ahead| ahead.unsigned_abs() > CLOCK_WARNING_US) {
            found.push((HealthState::Warning, skew::of(whose, ahead_us)));
        }
    }
    if let Some(reason) = signs.statements {
        found.push((HealthState::Warning, sentence("Statement figures are not readable", reason)));
    }
    found.sort_by_key(|(state, _)| std::cmp::Reverse(*state));
    let state = found.first().map_or(HealthState::Healthy, |(state, _)| *state);
    (state, found.into_iter().map(|(_, reason)| reason).collect())
}

/// Why nothing is known of it now.
fn silence(signs: &Signs<'_>, now: Timestamp) -> Option<String> {
    let Some(seen) = signs.last_seen else { return Some("Nothing has arrived from the collector yet.".to_owned()) };
    let intervals = signs.interval.map_or(SILENT_LEAST, |interval| interval.saturating_mul(SILENT_INTERVALS));
    if now.duration_since(seen) < intervals.max(SILENT_LEAST) {
        return None;
    }
    let moment = seen.round(Unit::Second).unwrap_or(seen);
    Some(format!("The collector is silent since {}.", moment.strftime("%Y-%m-%d %H:%M:%S UTC")))
}

fn sentence(what: &str, why: &str) -> String {
    let why = why.trim();
    let stop = if why.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{what}: {why}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_772_366_400).unwrap()
    }

    fn seen(seconds_ago: i64) -> Signs<'static> {
        Signs { last_seen: Some(now() - SignedDuration::from_secs(seconds_ago)), ..Signs::default() }
    }

    #[test]
    fn silence_is_three_intervals_and_at_least_three_minutes() {
        let slow = |seconds| Signs { interval: Some(SignedDuration::from_secs(300)), ..seen(seconds) };
        assert_eq!(judge(&seen(179), now()).0, HealthState::Healthy);
        assert_eq!(judge(&seen(180), now()).0, HealthState::NoData);
        assert_eq!(judge(&slow(899), now()).0, HealthState::Healthy);
        assert_eq!(judge(&slow(900), now()).0, HealthState::NoData);
        assert_eq!(judge(&seen(180), now()).1, ["The collector is silent since 2026-03-01 11:57:00 UTC."]);
        assert_eq!(judge(&Signs::default(), now()).0, HealthState::NoData);
        // A server whose clock was set back has not lost its instances.
        assert_eq!(judge(&seen(-900), now()).0, HealthState::Healthy);
    }

    #[test]
    fn a_clock_that_is_off_is_named() {
        let off = |collector, own| {
            judge(&Signs { collector_ahead_us: Some(collector), ahead_us: Some(own), ..seen(5) }, now()).1
        };
        assert_eq!(off(7_200_000_000, 0), ["The collector's clock is 2 h ahead."]);
        assert_eq!(off(0, -600_000_000), ["PostgreSQL's clock is 10 min behind."]);
        assert_eq!(off(10_000_000, -10_000_000), [] as [String; 0]);
    }

    #[test]
    fn connections_have_two_limits() {
        let used = |connections| {
            judge(&Signs { connections: Some(connections), connections_limit: Some(200), ..seen(5) }, now()).0
        };
        assert_eq!(used(159), HealthState::Healthy);
        assert_eq!(used(160), HealthState::Warning);
        assert_eq!(used(189), HealthState::Warning);
        assert_eq!(used(190), HealthState::Critical);
    }

    #[test]
    fn the_worst_reason_comes_first() {
        let signs = Signs {
            connections: Some(100),
            connections_limit: Some(100),
            lagging: Some(("replica", 30_000_001)),
            statements: Some("Not loaded."),
            ..seen(5)
        };
        let (state, reasons) = judge(&signs, now());
        assert_eq!(state, HealthState::Critical);
        assert_eq!(
            reasons,
            [
                "100 of 100 connections are in use.",
                "Standby replica replays 30 s behind.",
                "Statement figures are not readable: Not loaded."
            ]
        );
        let reached = judge(&Signs { lagging: Some(("replica", 30_000_000)), ..seen(5) }, now());
        assert_eq!(reached, (HealthState::Healthy, Vec::new()));
    }

    #[test]
    fn what_was_read_before_it_went_away_is_no_reason() {
        let signs = Signs {
            unreachable: Some("connection refused"),
            connections: Some(100),
            connections_limit: Some(100),
            ..seen(5)
        };
        let (state, reasons) = judge(&signs, now());
        assert_eq!(
            (state, reasons),
            (HealthState::Critical, vec!["PostgreSQL cannot be reached: connection refused.".to_owned()])
        );
        assert_eq!(judge(&Signs { unreachable: Some("refused"), ..seen(600) }, now()).1.len(), 2);
    }
}
