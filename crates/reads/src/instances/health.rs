//! How an instance is, and why: the rules, without the store.

use jiff::{SignedDuration, Timestamp};
use judgement::limits::{
    BLOCKED_BY_IDLE_MS, BLOCKED_CRITICAL_MS, BLOCKED_WARNING_MS, CLOCK_WARNING_US, CONNECTIONS_CRITICAL,
    CONNECTIONS_WARNING, HOLDING_WARNING_MS, REPLAY_LAG_WARNING_US, SEQUENCE_ALMOST, SEQUENCE_NEARLY,
};

use super::life::Twin;
use super::model::HealthState;
use super::sequences::Ending;
use super::signs::{Blocked, Doubled, Holder, Lost, Replaced, Reset, Restarted, Slot, Used};
use super::subscriptions::Failing;
use super::watched::{Watched, WatchedState};
use crate::skew;
use judgement::span::{moment, spell, spell_ms};

/// What the rules look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs<'a> {
    /// How it is watched; the other signs are of what was read before where it is not.
    pub(crate) watched: Option<&'a Watched>,
    /// What is used of limits of connections: the instance's, databases' and roles'.
    pub(crate) used: Vec<Used>,
    /// The standby with the longest replay lag, and that lag in microseconds.
    pub(crate) lagging: Option<(&'a str, i64)>,
    /// How far its own replay is behind, on a standby.
    pub(crate) replay_lag_us: Option<i64>,
    /// Why that is not known, where it should be.
    pub(crate) replay_unknown: Option<&'a str>,
    /// Who waits for locks, and for whom.
    pub(crate) blocked: Option<&'a Blocked>,
    /// The session that has been idle the longest in a transaction that holds back vacuum, or a prepared transaction.
    pub(crate) holding: Option<&'a Holder>,
    /// Replication slots that are lost, or hold back vacuum for nobody.
    pub(crate) slots: &'a [Slot],
    /// Sequences that are nearly used up.
    pub(crate) ending: &'a [Ending],
    /// Subscriptions that failed of late.
    pub(crate) failing: &'a [Failing],
    /// Another process that runs with its collector's identity.
    pub(crate) doubled: Option<&'a Doubled>,
    /// Rows that were lost of late.
    pub(crate) lost: &'a [Lost],
    /// The cluster that answers of late instead of another one.
    pub(crate) replaced: Option<&'a Replaced>,
    /// When it was started again of late.
    pub(crate) restarted: Option<&'a Restarted>,
    /// Statistics that were reset of late.
    pub(crate) reset: Option<&'a Reset>,
    /// What else is the same PostgreSQL, or was.
    pub(crate) twins: &'a [Twin],
    /// Why its collector cannot write its spool, and since when it cannot.
    pub(crate) spool_error: Option<(&'a str, Timestamp)>,
    /// Why its collector does not follow its newest configuration, and since when it does not.
    pub(crate) config_error: Option<(&'a str, Timestamp)>,
    /// Mean number of sessions that execute a statement.
    pub(crate) load: Option<f64>,
    /// Processors of its host.
    pub(crate) cpus: Option<i64>,
    /// How far the collector's clock is ahead of ours.
    pub(crate) collector_ahead_us: Option<i64>,
    /// How far its own clock is ahead of ours.
    pub(crate) ahead_us: Option<i64>,
    /// Why figures of statements cannot be read.
    pub(crate) statements: Option<&'a str>,
}

/// The state and its reasons, the worst first.
pub(crate) fn judge(signs: &Signs<'_>) -> (HealthState, Vec<String>) {
    let mut found: Vec<(HealthState, String)> = Vec::new();
    let state = signs.watched.map_or(WatchedState::Read, |watched| watched.state);
    let message = signs.watched.and_then(|watched| watched.message.clone());
    match state {
        WatchedState::Silent | WatchedState::NotWatched => {
            found.extend(message.map(|message| (HealthState::NoData, message)));
            let before = signs.watched.and_then(|watched| watched.error.as_deref());
            let before = before.map(|error| sentence("PostgreSQL could not be reached before", error));
            found.extend(before.map(|before| (HealthState::Warning, before)));
        }
        WatchedState::Down | WatchedState::Refused => {
            found.extend(message.map(|message| (HealthState::Critical, message)))
        }
        WatchedState::Read => of_readings(signs, &mut found),
    }
    let clocks = [("The collector's clock", signs.collector_ahead_us), ("PostgreSQL's clock", signs.ahead_us)];
    for (whose, ahead_us) in clocks {
        if let Some(ahead_us) = ahead_us.filter(|ahead| ahead.unsigned_abs() > CLOCK_WARNING_US) {
            found.push((HealthState::Warning, skew::of(whose, ahead_us)));
        }
    }
    if let Some((error, since)) = signs.spool_error {
        let is_heard = !matches!(state, WatchedState::Silent | WatchedState::NotWatched);
        let can =
            if is_heard { "cannot write its spool" } else { "could not write its spool when it was last heard of," };
        let what = format!("The collector {can} since {}", moment(since));
        found.push((HealthState::Warning, sentence(&what, error)));
    }
    if let Some((error, since)) = signs.config_error {
        let what = format!("The collector follows an older configuration since {}", moment(since));
        found.push((HealthState::Warning, sentence(&what, error)));
    }
    found.extend(signs.doubled.map(|doubled| (HealthState::Warning, twice(doubled))));
    found.extend(signs.twins.iter().map(|twin| (HealthState::Warning, twin.sentence())));
    found.extend(signs.lost.iter().map(|lost| (HealthState::Warning, loss(lost))));
    found.extend(signs.replaced.map(|replaced| (HealthState::Warning, other(replaced))));
    found.extend(signs.restarted.map(|restarted| (HealthState::Warning, again(restarted))));
    found.extend(signs.reset.map(|reset| (HealthState::Warning, gone(reset))));
    // Of equal ones the order above stays.
    found.sort_by_key(|(state, _)| std::cmp::Reverse(*state));
    let state = found.first().map_or(HealthState::Healthy, |(state, _)| *state);
    (state, found.into_iter().map(|(_, reason)| reason).collect())
}

/// What the newest readings say.
fn of_readings(signs: &Signs<'_>, found: &mut Vec<(HealthState, String)>) {
    found.extend(signs.blocked.and_then(blocked));
    for Used { of, used, limit, reserved } in signs.used.iter().filter(|used| used.limit > 0) {
        let of = if of.is_empty() { String::new() } else { format!(" of {of}") };
        let mut reason = format!("{used} of {limit} connections{of} are in use");
        // What is left beyond these is for superusers: nobody else gets in.
        let limit = &limit.saturating_sub(*reserved).max(1);
        if *reserved > 0 {
            let refused = if used >= limit { "new sessions are refused, as " } else { "" };
            reason.push_str(&format!("; {refused}{reserved} are for superusers only"));
        }
        reason.push('.');
        let percent = used.saturating_mul(100);
        if percent >= limit.saturating_mul(CONNECTIONS_CRITICAL) {
            found.push((HealthState::Critical, reason));
        } else if percent >= limit.saturating_mul(CONNECTIONS_WARNING) {
            found.push((HealthState::Warning, reason));
        }
    }
    let long = |holder: &&Holder| holder.state_ms.is_some_and(|ms| ms > HOLDING_WARNING_MS);
    if let Some(holder) = signs.holding.filter(long) {
        let length = holder.state_ms.map(|ms| format!(" for {}", spell_ms(ms))).unwrap_or_default();
        let is = if holder.idle { "is idle in transaction" } else { "has been prepared" };
        let reason = format!("{} {is}{length} and holds back vacuum.", capital(&holder.who));
        found.push((HealthState::Warning, reason));
    }
    found.extend(signs.slots.iter().map(|slot| (HealthState::Warning, of_nobody(slot))));
    found.extend(ending(signs.ending));
    found.extend(signs.failing.iter().map(|one| (HealthState::Warning, failing(one))));
    if let Some((standby, lag_us)) = signs.lagging.filter(|(_, lag_us)| *lag_us > REPLAY_LAG_WARNING_US) {
        found.push((HealthState::Warning, format!("Standby {standby} replays {} behind.", seconds(lag_us))));
    }
    if let Some(lag_us) = signs.replay_lag_us.filter(|lag_us| *lag_us > REPLAY_LAG_WARNING_US) {
        found.push((HealthState::Warning, format!("Replay is {} behind.", seconds(lag_us))));
    }
    if let Some(reason) = signs.replay_unknown {
        found.push((HealthState::Warning, sentence("How far replay is behind is not known", reason)));
    }
    if let Some((load, cpus)) = signs.load.zip(signs.cpus.filter(|cpus| *cpus > 0))
        && load > cpus as f64
    {
        found.push((HealthState::Warning, format!("{load:.1} sessions were active on {cpus} CPUs.")));
    }
    if let Some(reason) = signs.statements {
        found.push((HealthState::Warning, sentence("Statement figures are not readable", reason)));
    }
}

/// What is to be said of sessions that wait: after a minute, or after seconds where who blocks them does nothing.
fn blocked(blocked: &Blocked) -> Option<(HealthState, String)> {
    let waited = blocked.longest_ms.unwrap_or(0.0);
    let root = blocked.root.as_ref();
    let by_idle = root.filter(|root| root.idle).is_some_and(|root| {
        // Before 14 nobody knows how long they wait; since it does nothing is near it.
        blocked.longest_ms.or(root.state_ms).is_none_or(|ms| ms >= BLOCKED_BY_IDLE_MS)
    });
    if waited < BLOCKED_WARNING_MS && !by_idle {
        return None;
    }
    let who = match blocked.sessions {
        1 => "1 session is blocked".to_owned(),
        sessions => format!("{sessions} sessions are blocked"),
    };
    let long = match (blocked.longest_ms, blocked.sessions) {
        (None, _) => String::new(),
        (Some(ms), 1) => format!(" for {}", spell_ms(ms)),
        (Some(ms), _) => format!(", the longest for {}", spell_ms(ms)),
    };
    let by = root.map(|root| {
        let since = root.state_ms.map(|ms| format!(" for {}", spell_ms(ms))).unwrap_or_default();
        let state = root.state.as_deref().filter(|state| !state.is_empty());
        let state = state.map(|state| format!(" ({state}{since})")).unwrap_or_default();
        format!(", by {}{state}", root.who)
    });
    let state = if waited >= BLOCKED_CRITICAL_MS { HealthState::Critical } else { HealthState::Warning };
    Some((state, format!("{who}{long}{}.", by.unwrap_or_default())))
}

/// What is to be said of statistics that were reset.
/// Whole seconds are enough for words.
fn seconds(us: i64) -> String {
    spell(SignedDuration::from_secs(us / 1_000_000))
}

fn of_nobody(Slot { name, is_lost, xmin_age }: &Slot) -> String {
    if *is_lost {
        return format!(
            "Replication slot {name} has lost WAL that it needs: what streamed through it has to be made anew."
        );
    }
    let behind = number(xmin_age.unwrap_or(0), "transaction");
    format!("Replication slot {name} is used by nobody and holds back vacuum: its oldest transaction is {behind} old.")
}

/// The nearest to its end, and how many others there are.
fn ending(all: &[Ending]) -> Option<(HealthState, String)> {
    let (first, others) = all.split_first()?;
    let state = if first.used >= SEQUENCE_ALMOST { HealthState::Critical } else { HealthState::Warning };
    let Ending { name, database, used, remaining } = first;
    let left = match remaining {
        0 => "it has no value left".to_owned(),
        left => format!("{} left", number(*left, "value")),
    };
    let more = match others.len() {
        0 => String::new(),
        more => {
            format!(
                "; {} by {:.0} % or more",
                number(more.try_into().unwrap_or(i64::MAX), "other"),
                SEQUENCE_NEARLY * 100.0
            )
        }
    };
    let percent = (used * 100.0).floor();
    Some((state, format!("Sequence {name} in {database} is used up by {percent} %: {left}{more}.")))
}

fn failing(Failing { name, database, apply_errors, sync_errors }: &Failing) -> String {
    let within = if database.is_empty() { String::new() } else { format!(" in {database}") };
    let times = |count: i64| number(count, "time");
    let how = match (*apply_errors, *sync_errors) {
        (0, copies) => format!("could not copy a table {}", times(copies)),
        (changes, _) => format!("could not apply a change {}", times(changes)),
    };
    format!(
        "Subscription {name}{within} {how} in the last 10 min: nothing follows until the reason in the log is gone."
    )
}

fn other(Replaced { since, now, before }: &Replaced) -> String {
    let since = moment(*since);
    format!("Another cluster answers since {since}: its system identifier is {now}, and was {before} before.")
}

fn again(Restarted { crashed, from, to }: &Restarted) -> String {
    let (from, to) = (moment(*from), moment(*to));
    if *crashed {
        format!("PostgreSQL crashed and recovered between {from} and {to}: all sessions ended, statistics began anew.")
    } else {
        format!("PostgreSQL was restarted between {from} and {to}: all sessions ended.")
    }
}

fn gone(Reset { sets, at }: &Reset) -> String {
    let of = match sets.as_slice() {
        [] => String::new(),
        [one] => format!(" of {one}"),
        [first, others @ ..] => {
            format!(" of {first} and {}", number(others.len().try_into().unwrap_or(i64::MAX), "other set"))
        }
    };
    format!("Statistics{of} were reset shortly before {}: work just before that may be missing.", moment(*at))
}

/// What is to be said of a collector that runs twice.
fn twice(Doubled { since, taken, refused }: &Doubled) -> String {
    let on = |host: &str| if host.is_empty() { "an unknown host".to_owned() } else { format!("host {host}") };
    format!(
        "Two collectors run with one identity: the one on {}, since {}, is taken, the one on {} is refused. Stop that \
         one, or register it anew with `pganalytics collector register --again` and a state directory of its own.",
        on(taken),
        moment(*since),
        on(refused)
    )
}

/// What is to be said of lost rows.
fn loss(lost: &Lost) -> String {
    let Lost { rejected, reason, rows, readings } = lost;
    let words = reason.replace('_', " ");
    let why = match reason.as_str() {
        "spool_full" => "its spool was full",
        "spool_age" => "they waited longer than the spool keeps them",
        "refused" => "the server refused them",
        "torn" | "damaged" => "its spool was damaged",
        "restored" => "its state directory was an older one",
        _ => words.as_str(),
    };
    if *rejected {
        format!("The server rejected {} of the collector in the last hour: {words}.", number(*rows, "row"))
    } else if *rows > 0 {
        format!("The collector lost {} in the last hour: {why}.", number(*rows, "row"))
    } else {
        format!("The collector lost at least {} in the last hour: {why}.", number(*readings, "reading"))
    }
}

fn number(count: i64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn sentence(what: &str, why: &str) -> String {
    let why = why.trim();
    let stop = if why.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{what}: {why}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(state: WatchedState) -> Watched {
        Watched {
            state,
            since: None,
            last_reading: None,
            last_reading_age_ms: None,
            host_still_read: false,
            error: Some("connection refused".to_owned()),
            message: Some("Down.".to_owned()),
        }
    }

    fn used(used: i64, limit: i64, of: &str) -> Used {
        Used { of: of.to_owned(), used, limit, reserved: 0 }
    }

    #[test]
    fn a_clock_that_is_off_is_named() {
        let off = |collector, own| {
            judge(&Signs { collector_ahead_us: Some(collector), ahead_us: Some(own), ..Signs::default() }).1
        };
        assert_eq!(off(7_200_000_000, 0), ["The collector's clock is 2 h ahead."]);
        assert_eq!(off(0, -600_000_000), ["PostgreSQL's clock is 10 min behind."]);
        assert_eq!(off(10_000_000, -10_000_000), [] as [String; 0]);
    }

    #[test]
    fn connections_have_two_limits() {
        let of = |number| judge(&Signs { used: vec![used(number, 200, "")], ..Signs::default() }).0;
        assert_eq!([of(159), of(160)], [HealthState::Healthy, HealthState::Warning]);
        assert_eq!([of(189), of(190)], [HealthState::Warning, HealthState::Critical]);
    }

    #[test]
    fn what_is_for_superusers_is_free_for_nobody() {
        let of = |number| {
            let used = Used { reserved: 3, ..used(number, 30, "") };
            judge(&Signs { used: vec![used], ..Signs::default() })
        };
        assert_eq!(of(21).0, HealthState::Healthy);
        let told = "26 of 30 connections are in use; 3 are for superusers only.";
        assert_eq!(of(26), (HealthState::Critical, vec![told.to_owned()]));
        let told = "27 of 30 connections are in use; new sessions are refused, as 3 are for superusers only.";
        assert_eq!(of(27), (HealthState::Critical, vec![told.to_owned()]));
    }

    #[test]
    fn a_database_or_role_that_takes_no_more_is_told() {
        let full = Signs { used: vec![used(5, 100, ""), used(2, 2, "role app")], ..Signs::default() };
        let told = vec!["2 of 2 connections of role app are in use.".to_owned()];
        assert_eq!(judge(&full), (HealthState::Critical, told));
    }

    #[test]
    fn the_worst_reason_comes_first() {
        let signs = Signs {
            used: vec![used(100, 100, "")],
            lagging: Some(("replica", 30_000_001)),
            statements: Some("Not loaded."),
            ..Signs::default()
        };
        let (state, reasons) = judge(&signs);
        assert_eq!(state, HealthState::Critical);
        assert_eq!(
            reasons,
            [
                "100 of 100 connections are in use.",
                "Standby replica replays 30 s behind.",
                "Statement figures are not readable: Not loaded."
            ]
        );
        let reached = judge(&Signs { lagging: Some(("replica", 30_000_000)), ..Signs::default() });
        assert_eq!(reached, (HealthState::Healthy, Vec::new()));
    }

    #[test]
    fn who_is_blocked_is_told_after_a_minute_and_soon_where_nobody_works() {
        let root = |idle| Holder {
            who: "session 4711 of shop".to_owned(),
            idle,
            state: Some(if idle { "idle in transaction" } else { "active" }.to_owned()),
            state_ms: Some(300_000.0),
        };
        let of = |sessions, longest_ms, idle| {
            let blocked = Blocked { sessions, longest_ms, root: Some(root(idle)) };
            judge(&Signs { blocked: Some(&blocked), ..Signs::default() })
        };
        assert_eq!(of(6, Some(59_000.0), false), (HealthState::Healthy, Vec::new()));
        let told = "6 sessions are blocked, the longest for 3 min 30 s, by session 4711 of shop (active for 5 min).";
        assert_eq!(of(6, Some(210_000.0), false), (HealthState::Warning, vec![told.to_owned()]));
        assert_eq!(of(6, Some(300_000.0), false).0, HealthState::Critical);
        let idle = "1 session is blocked for 5 s, by session 4711 of shop (idle in transaction for 5 min).";
        assert_eq!(of(1, Some(5_000.0), true), (HealthState::Warning, vec![idle.to_owned()]));
        assert_eq!(of(1, Some(4_900.0), true), (HealthState::Healthy, Vec::new()));
        assert_eq!(of(1, None, true).0, HealthState::Warning);
    }

    #[test]
    fn an_open_transaction_that_holds_back_vacuum_is_told() {
        let of = |ms| {
            let holder = Holder { who: "session 5".to_owned(), idle: true, state: None, state_ms: Some(ms) };
            judge(&Signs { holding: Some(&holder), ..Signs::default() }).1
        };
        assert_eq!(of(300_000.0), [] as [String; 0]);
        assert_eq!(of(720_000.0), ["Session 5 is idle in transaction for 12 min and holds back vacuum."]);
        let prepared = Holder {
            who: "the prepared transaction 'order 7'".to_owned(),
            idle: false,
            state: Some("prepared".to_owned()),
            state_ms: Some(720_000.0),
        };
        let told = judge(&Signs { holding: Some(&prepared), ..Signs::default() }).1;
        assert_eq!(told, ["The prepared transaction 'order 7' has been prepared for 12 min and holds back vacuum."]);
    }

    #[test]
    fn a_sequence_that_ends_is_told_with_what_is_left() {
        let of = |used, remaining, others: usize| {
            let one = |name: &str| Ending { name: name.to_owned(), database: "shop".to_owned(), used, remaining };
            let all: Vec<Ending> =
                std::iter::once(one("public.orders_id_seq")).chain((0..others).map(|_| one("x"))).collect();
            judge(&Signs { ending: &all, ..Signs::default() })
        };
        let told = "Sequence public.orders_id_seq in shop is used up by 93 %: 147483647 values left.";
        assert_eq!(of(0.9313, 147_483_647, 0), (HealthState::Warning, vec![told.to_owned()]));
        let told = "Sequence public.orders_id_seq in shop is used up by 100 %: it has no value left; 2 others by 80 % or more.";
        assert_eq!(of(1.0, 0, 2), (HealthState::Critical, vec![told.to_owned()]));
        assert_eq!(judge(&Signs::default()).0, HealthState::Healthy);
    }

    #[test]
    fn a_subscription_that_fails_is_told() {
        let of = |apply_errors, sync_errors| {
            let one = Failing { name: "news".to_owned(), database: "shop".to_owned(), apply_errors, sync_errors };
            judge(&Signs { failing: &[one], ..Signs::default() })
        };
        let told = "Subscription news in shop could not apply a change 12 times in the last 10 min: nothing follows until \
                    the reason in the log is gone.";
        assert_eq!(of(12, 1), (HealthState::Warning, vec![told.to_owned()]));
        assert!(of(0, 1).1[0].starts_with("Subscription news in shop could not copy a table 1 time in"));
    }

    #[test]
    fn losses_and_load_are_told() {
        let lost = [
            Lost { rejected: false, reason: "spool_full".to_owned(), rows: 2960, readings: 3 },
            Lost { rejected: false, reason: "restored".to_owned(), rows: 0, readings: 1 },
            Lost { rejected: true, reason: "time_in_future".to_owned(), rows: 7, readings: 0 },
        ];
        let signs = Signs { lost: &lost, load: Some(4.04), cpus: Some(4), ..Signs::default() };
        let told = [
            "4.0 sessions were active on 4 CPUs.",
            "The collector lost 2960 rows in the last hour: its spool was full.",
            "The collector lost at least 1 reading in the last hour: its state directory was an older one.",
            "The server rejected 7 rows of the collector in the last hour: time in future.",
        ];
        assert_eq!(judge(&signs).1, told);
        assert_eq!(judge(&Signs { load: Some(4.0), cpus: Some(4), ..Signs::default() }).0, HealthState::Healthy);
    }

    #[test]
    fn a_collector_that_runs_twice_is_told() {
        let since = Timestamp::from_second(1_772_366_400).unwrap();
        let doubled = Doubled { since, taken: "db4".to_owned(), refused: String::new() };
        let (state, reasons) = judge(&Signs { doubled: Some(&doubled), ..Signs::default() });
        let told = "Two collectors run with one identity: the one on host db4, since 2026-03-01 12:00:00 UTC, is \
                    taken, the one on an unknown host is refused. ";
        assert_eq!(state, HealthState::Warning);
        assert!(reasons[0].starts_with(told), "{reasons:?}");
    }

    #[test]
    fn a_reset_is_told() {
        let at = Timestamp::from_second(1_772_366_400).unwrap();
        let of = |sets: &[&str]| {
            let reset = Reset { sets: sets.iter().map(|&set| set.to_owned()).collect(), at };
            judge(&Signs { reset: Some(&reset), ..Signs::default() })
        };
        let told = "Statistics of pg_stat_statements were reset shortly before 2026-03-01 12:00:00 UTC: work just \
                    before that may be missing.";
        assert_eq!(of(&["pg_stat_statements"]), (HealthState::Warning, vec![told.to_owned()]));
        let several = of(&["pg_stat_all_tables", "pg_stat_database", "pg_stat_io"]).1.remove(0);
        assert!(several.starts_with("Statistics of pg_stat_all_tables and 2 other sets were reset"), "{several}");
    }

    #[test]
    fn a_spool_that_cannot_be_written_is_told_whatever_else_is_known() {
        let since = Timestamp::from_second(1_772_366_400).unwrap();
        let of = |state: Option<WatchedState>| {
            let (watched, spool_error) = (state.map(watched), Some(("No space left on device", since)));
            judge(&Signs { watched: watched.as_ref(), spool_error, ..Signs::default() })
        };
        let told = "The collector cannot write its spool since 2026-03-01 12:00:00 UTC: No space left on device.";
        assert_eq!(of(None), (HealthState::Warning, vec![told.to_owned()]));
        assert_eq!(of(Some(WatchedState::Down)).1, ["Down.", told]);
        let before = "The collector could not write its spool when it was last heard of, since \
                      2026-03-01 12:00:00 UTC: No space left on device.";
        assert!(of(Some(WatchedState::Silent)).1.contains(&before.to_owned()));
    }

    #[test]
    fn what_was_read_before_it_went_away_is_no_reason() {
        let (down, silent) = (watched(WatchedState::Down), watched(WatchedState::Silent));
        let of = |watched| judge(&Signs { watched: Some(watched), used: vec![used(9, 9, "")], ..Signs::default() });
        assert_eq!(of(&down), (HealthState::Critical, vec!["Down.".to_owned()]));
        let before = "PostgreSQL could not be reached before: connection refused.";
        assert_eq!(of(&silent), (HealthState::NoData, vec!["Down.".to_owned(), before.to_owned()]));
    }
}
