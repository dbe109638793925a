//! Figures of many instances at a moment: a fixed number of statements, however many instances there are.

use std::collections::{BTreeMap, HashMap};

use catalog::Catalog;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::beside::beside;
use super::coverage::{not_readable, note_missing, why_missing};
use super::health::{Signs, judge};
use super::life::{self, Twin};
use super::model::{HealthState, Instance, Trend};
use super::sequences::{self, Ending};
use super::signs::{self, Blocked, Doubled, Holder, Lost, Replaced, Reset, Restarted, Slot, Times, Used};
use super::store::{self, Behind, LatestReading, SetState, StoredInstance};
use super::subscriptions::{self, Failing};
use super::watched::{Watched, Word};
use crate::error::ReadError;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::replication::receiver::{self, OwnLag};
use crate::sessions::store::SESSIONS;
use crate::when::Fineness;
use ::store::nearest;

/// The set that says what an instance does.
pub(crate) const ACTIVITY: &str = "pg_stat_database";

/// The load is a mean over this long before the moment, and no older interval tells of rates.
const RATE_WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// A state that was read before is no reason any more, nor is one that is older than three intervals of its set.
const KNOWN_FOR: SignedDuration = SignedDuration::from_mins(3);
const KNOWN_INTERVALS: i32 = 3;
/// How many processors a host has seldom changes.
const CPUS_KNOWN_FOR: SignedDuration = SignedDuration::from_mins(15);

/// A moment this long ago is now: what is newer may be on its way to whoever asks.
const LIVE: SignedDuration = SignedDuration::from_secs(30);

/// The trend's length where none is asked for.
const TREND: SignedDuration = SignedDuration::from_hours(1);
/// An interval of so many percent of the usual one covers a gap, whose course nobody knows.
const HOLE_PERCENT: i64 = 250;

/// Of which time instances are described.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The range of trends.
    pub(crate) range: Range,
    /// The moment of all other figures.
    pub(crate) at: Timestamp,
    /// Whether that moment is gone by.
    pub(crate) is_past: bool,
}

impl Asked {
    /// The moment is `at`, else the end, else now.
    pub(crate) fn of(
        start: Option<Timestamp>,
        end: Option<Timestamp>,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, ReadError> {
        let wanted = at.or(end).unwrap_or(now).max(Timestamp::UNIX_EPOCH);
        let is_past = now.duration_since(wanted) > LIVE;
        let at = if is_past { wanted } else { now };
        // Whole minutes, so that the steps of an hour are 60 and not 61.
        let minute = Timestamp::from_second((at.as_second() + 59).div_euclid(60) * 60).unwrap_or(at);
        let end = end.unwrap_or(minute);
        let start = start.or_else(|| end.checked_sub(TREND).ok());
        Ok(Self { range: Range::asked(start, Some(end), now)?, at, is_past })
    }
}

/// All that is read of one instance.
struct Read {
    stored: StoredInstance,
    latest: BTreeMap<String, LatestReading>,
    states: Vec<SetState>,
    tps: Option<f64>,
    load: Option<f64>,
    load_trend: Vec<Option<f64>>,
    connections: Option<i64>,
    limit: Option<i32>,
    cpus: Option<i64>,
    behind: Vec<Behind>,
    own_lag: Option<OwnLag>,
    first_reading: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    blocked: Option<Blocked>,
    holding: Option<Holder>,
    reserved: i64,
    limited: Vec<Used>,
    doubled: Option<Doubled>,
    lost: Vec<Lost>,
    replaced: Option<Replaced>,
    slots: Vec<Slot>,
    ending: Vec<Ending>,
    failing: Vec<Failing>,
    restarted: Option<Restarted>,
    reset: Option<Reset>,
    twins: Vec<Twin>,
}

/// An instance for the pages (without its collector), with what it was made from.
pub(crate) struct Described {
    pub(crate) instance: Instance,
    pub(crate) latest: BTreeMap<String, LatestReading>,
    pub(crate) states: Vec<SetState>,
}

/// The readings of a set that tell of the moment, by instance.
fn times(
    latest: &HashMap<InstanceId, BTreeMap<String, LatestReading>>,
    set: &str,
    at: Timestamp,
    known_for: SignedDuration,
) -> Times {
    let told = |(id, sets): (&InstanceId, &BTreeMap<String, LatestReading>)| {
        let reading = sets.get(set)?;
        let time = reading.time?;
        let intervals = SignedDuration::from_micros(reading.interval_us.unwrap_or(0)).saturating_mul(KNOWN_INTERVALS);
        (at.duration_since(time) < intervals.max(known_for)).then_some((*id, time))
    };
    latest.iter().filter_map(told).collect()
}

/// Describes instances as they were at the moment.
pub(crate) async fn describe(
    snapshot: &Snapshot,
    catalog: &Catalog,
    mut all: Vec<StoredInstance>,
    when: Asked,
) -> Result<Vec<Described>, ReadError> {
    let at = when.at;
    let ids: Vec<InstanceId> = all.iter().map(|one| one.id).collect();
    let mut latest = if when.is_past {
        store::latest_at(snapshot, &ids, at).await?
    } else {
        store::latest(snapshot, &ids, at).await?
    };
    let of = |set: &str| times(&latest, set, at, KNOWN_FOR);
    let mut states = store::states(snapshot, &ids).await?;
    let longest: Vec<i64> = ids.iter().map(|id| longest_us(latest.get(id))).collect();
    let recent = Range { start: at - RATE_WINDOW, end: at };
    let tps = store::tps(snapshot, &ids, &longest, recent).await?;
    let loads = store::loads(snapshot, &ids, recent).await?;
    let grids: Vec<(InstanceId, Grid)> = ids.iter().map(|id| (*id, grid(when.range, latest.get(id)))).collect();
    let mut trends = store::load_trends(snapshot, &grids).await?;
    let connections = store::connections(snapshot, &of(SESSIONS)).await?;
    let cpus = store::cpus(snapshot, &times(&latest, "host_cpu", at, CPUS_KNOWN_FOR)).await?;
    let mut behind = store::behind(snapshot, &of("pg_stat_replication")).await?;
    let blocked = signs::blocked(snapshot, &of("lock_waits")).await?;
    let holding = signs::holding(snapshot, &of("pg_stat_activity"), &of("pg_prepared_xacts")).await?;
    let mut limited = signs::limited(snapshot, &of(SESSIONS), at).await?;
    let collectors: Vec<Uuid> = all.iter().map(|one| one.collector_id).collect();
    let doubled = signs::doubled(snapshot, &collectors, at).await?;
    let lost = signs::lost(snapshot, &collectors, at).await?;
    let replaced = signs::replaced(snapshot, &ids, at).await?;
    let mut slots = signs::slots(snapshot, &of("pg_replication_slots")).await?;
    let mut ending = sequences::ending(snapshot, &ids, at, judgement::limits::SEQUENCE_NEARLY).await?;
    let mut failing = subscriptions::failing(snapshot, &ids, at).await?;
    let restarts = signs::restarts(snapshot, &ids, at).await?;
    let resets = signs::resets(snapshot, &ids, at).await?;
    let mut twins = if when.is_past { HashMap::new() } else { life::twins(snapshot, &ids, at).await? };
    let first_readings = if when.is_past { store::first_readings(snapshot, &ids).await? } else { HashMap::new() };
    let reserved = store::reserved_at(snapshot, &ids, at).await?;
    let mut limits = HashMap::new();
    let mut own_lags = HashMap::new();
    if when.is_past {
        limits = store::limits_at(snapshot, &ids, at).await?;
        let roles = store::roles_at(snapshot, &of("wal")).await?;
        for one in &mut all {
            if let Some(role) = roles.get(&one.id) {
                one.role = Some(role.clone());
            }
            if let Some(receiver) = receiver::at(snapshot, one.id, at).await? {
                let lag_us = receiver.replay_lag_ms.map(|ms| nearest(ms * 1000.0));
                let why = receiver.unmeasured.into_values().next();
                own_lags.insert(one.id, OwnLag { lag_us, bytes: receiver.behind_bytes, why });
            }
        }
    } else {
        own_lags.extend(receiver::newest(snapshot, &ids, at).await?);
    }
    let beside = beside(catalog);
    let after: Vec<(InstanceId, Timestamp)> = all
        .iter()
        .filter_map(|one| {
            let latest = latest.get(&one.id)?;
            unreachable(one, latest, &beside, when)?;
            Some((one.id, newest(latest, |set| !beside.contains(&set)).unwrap_or(Timestamp::UNIX_EPOCH)))
        })
        .collect();
    let failing_since = store::failing_since(snapshot, &after, at, &beside).await?;
    let described = all.into_iter().map(|stored| {
        let id = stored.id;
        let doubled = doubled.get(&stored.collector_id).cloned();
        let lost = lost.get(&stored.collector_id).cloned().unwrap_or_default();
        let read = Read {
            limit: limits.get(&id).copied().or(stored.max_connections),
            stored,
            latest: latest.remove(&id).unwrap_or_default(),
            states: states.remove(&id).unwrap_or_default(),
            tps: tps.get(&id).copied(),
            load: loads.get(&id).copied(),
            load_trend: trends.remove(&id).unwrap_or_default(),
            connections: connections.get(&id).copied(),
            cpus: cpus.get(&id).copied(),
            behind: behind.remove(&id).unwrap_or_default(),
            own_lag: own_lags.remove(&id),
            first_reading: first_readings.get(&id).copied(),
            failing_since: failing_since.get(&id).copied(),
            blocked: blocked.get(&id).cloned(),
            holding: holding.get(&id).cloned(),
            reserved: reserved.get(&id).copied().unwrap_or(0),
            limited: limited.remove(&id).unwrap_or_default(),
            doubled,
            lost,
            replaced: replaced.get(&id).cloned(),
            slots: slots.remove(&id).unwrap_or_default(),
            ending: ending.remove(&id).unwrap_or_default(),
            failing: failing.remove(&id).unwrap_or_default(),
            restarted: restarts.get(&id).copied(),
            reset: resets.get(&id).cloned(),
            twins: twins.remove(&id).unwrap_or_default(),
        };
        read.describe(&beside, when)
    });
    Ok(described.collect())
}

/// The longest interval that is no gap.
fn longest_us(latest: Option<&BTreeMap<String, LatestReading>>) -> i64 {
    let usual = latest.and_then(|sets| sets.get(ACTIVITY)?.interval_us);
    usual.map_or(i64::MAX, |usual| usual.saturating_mul(HOLE_PERCENT) / 100)
}

/// The grid of an instance's trend: each step has a reading.
fn grid(range: Range, latest: Option<&BTreeMap<String, LatestReading>>) -> Grid {
    let interval_us = latest.and_then(|sets| sets.get(SESSIONS)?.interval_us);
    Fineness::READ.over(range, interval_us)
}

/// The newest good reading of some sets.
fn newest(latest: &BTreeMap<String, LatestReading>, of: impl Fn(&str) -> bool) -> Option<Timestamp> {
    latest.iter().filter(|(set, _)| of(set)).filter_map(|(_, reading)| reading.time).max()
}

/// Why PostgreSQL could not be reached at the moment. Of now the collector says so itself; of a moment that is gone by
/// it is known from two sets at least that failed alike, with none that was read since.
fn unreachable(
    stored: &StoredInstance,
    latest: &BTreeMap<String, LatestReading>,
    beside: &[&str],
    when: Asked,
) -> Option<String> {
    if !when.is_past {
        return stored.error.clone().filter(|_| stored.error_at > stored.attributes_at);
    }
    let good = newest(latest, |set| !beside.contains(&set));
    let mut failed: Vec<(Timestamp, &str)> = latest
        .iter()
        .filter(|(set, _)| !beside.contains(&set.as_str()))
        .filter_map(|(_, reading)| Some((reading.error_at?, reading.error.as_deref()?)))
        .filter(|(at, _)| Some(*at) > good)
        .collect();
    failed.sort_unstable();
    let (_, error) = *failed.last()?;
    (failed.iter().filter(|(_, other)| *other == error).count() > 1).then(|| error.to_owned())
}

impl Read {
    fn describe(self, beside: &[&str], when: Asked) -> Described {
        let at = when.at;
        let of_host = newest(&self.latest, |set| beside.contains(&set));
        let newest = newest(&self.latest, |set| !beside.contains(&set));
        let tried = self.latest.values().filter_map(|reading| reading.error_at).max();
        let last_seen = if when.is_past { newest.max(of_host).max(tried) } else { self.stored.last_seen };
        let unreachable = unreachable(&self.stored, &self.latest, beside, when);
        let shortest_us = self.latest.values().filter_map(|reading| reading.interval_us).min();
        let word = Word {
            last_seen,
            interval: shortest_us.map(SignedDuration::from_micros),
            unreachable: unreachable.as_deref(),
            failing_since: self.failing_since,
            last_reading: newest,
            host_reading: of_host,
            first_reading: self.first_reading,
            is_past: when.is_past,
        };
        let watched = Watched::at(&word, at);
        let is_read = watched.is_read();
        // What it received before it was promoted is no news.
        let own = self.own_lag.as_ref().filter(|_| is_read && self.is_standby());
        let lagging = self.behind.first().and_then(|worst| Some((name(worst), worst.replay_lag_us?)));
        let load = self.load.filter(|_| is_read);
        let tps = self.tps.filter(|_| is_read);
        let connections = self.connections.filter(|_| is_read);
        let of_instance = connections.zip(self.limit.map(i64::from));
        let of_instance =
            of_instance.map(|(used, limit)| Used { of: String::new(), used, limit, reserved: self.reserved });
        let states: Vec<SetState> = self.states.iter().filter(|state| state.since <= at).cloned().collect();
        let at_that_time =
            |error: &'_ Option<(String, Timestamp)>| error.clone().filter(|(_, since)| !when.is_past || *since <= at);
        let spool_error = at_that_time(&self.stored.spool_error);
        let config_error = at_that_time(&self.stored.config_error);
        let signs = Signs {
            watched: Some(&watched),
            used: of_instance.into_iter().chain(self.limited.iter().cloned()).collect(),
            lagging,
            replay_lag_us: own.and_then(|own| own.lag_us),
            replay_unknown: own.and_then(|own| own.why.as_ref()).map(|why| why.message.as_str()),
            blocked: self.blocked.as_ref(),
            holding: self.holding.as_ref(),
            doubled: self.doubled.as_ref(),
            lost: &self.lost,
            replaced: self.replaced.as_ref(),
            slots: &self.slots,
            ending: &self.ending,
            failing: &self.failing,
            restarted: self.restarted.as_ref(),
            reset: self.reset.as_ref(),
            twins: &self.twins,
            spool_error: spool_error.as_ref().map(|(error, since)| (error.as_str(), *since)),
            config_error: config_error.as_ref().map(|(error, since)| (error.as_str(), *since)),
            load,
            cpus: self.cpus,
            collector_ahead_us: self.stored.collector_ahead_us.filter(|_| !when.is_past),
            ahead_us: self.stored.clock_offset_us.filter(|_| !when.is_past),
            statements: why_missing(&states, "pg_stat_statements", "")
                .filter(|state| state.code != "disabled")
                .map(|state| state.message.as_str()),
        };
        let retired = self.stored.retired.clone().filter(|retired| retired.at <= at);
        // Nobody is to do anything about one that is gone.
        let (state, reasons) = match &retired {
            Some(retired) => (HealthState::NoData, vec![retired.sentence()]),
            None => judge(&signs),
        };
        let instance = Instance {
            id: self.stored.id,
            collector_id: self.stored.collector_id,
            name: self.stored.name.clone(),
            cluster: self.stored.system_identifier.clone(),
            role: self.stored.role.clone(),
            // The packager's name for the build may follow.
            version: self.stored.version.as_deref().and_then(|all| all.split_whitespace().next()).map(str::to_owned),
            version_num: self.stored.version_num,
            host: self.stored.host.clone(),
            port: self.stored.port,
            timeline: self.stored.timeline,
            started_at: self.stored.postmaster_start,
            last_seen,
            data_age_ms: watched.last_reading_age_ms,
            state,
            reasons,
            load,
            load_trend: Trend { grid: grid(when.range, Some(&self.latest)), values: self.load_trend.clone() },
            cpus: self.cpus,
            tps,
            connections,
            connections_limit: self.limit,
            replay_lag_ms: own.and_then(|own| own.lag_us).map(|lag_us| lag_us as f64 / 1000.0),
            replay_lag_bytes: own.and_then(|own| own.bytes),
            not_readable: not_readable(&states),
            unmeasured: self.unmeasured(&watched, load, tps),
            watched,
            retired,
            collector: None,
        };
        Described { instance, latest: self.latest, states }
    }

    fn is_standby(&self) -> bool {
        self.stored.role.as_deref() == Some("standby")
    }

    fn unmeasured(&self, watched: &Watched, load: Option<f64>, tps: Option<f64>) -> Unmeasured {
        let mut reasons = Unmeasured::new();
        if let Some(message) = &watched.message {
            for key in ["load", "tps", "connections", "replay_lag_ms", "replay_lag_bytes", "blocked"] {
                let reason = Reason { code: watched.code().to_owned(), message: message.clone(), fix: None };
                reasons.insert(key.to_owned(), reason);
            }
            return reasons;
        }
        let figures = [
            ("load", SESSIONS, "state", load.is_none()),
            ("tps", ACTIVITY, "xact_commit", tps.is_none()),
            ("connections", SESSIONS, "backend_type", self.connections.is_none()),
        ];
        for (key, set, column, is_null) in figures {
            if is_null {
                note_missing(&mut reasons, key, &self.states, set, column);
            }
        }
        let ended = format!("No interval of {ACTIVITY} ended within the 5 minutes before.");
        let read = format!("{SESSIONS} was not read within the 5 minutes before.");
        for (key, message, is_null) in [("load", read, load.is_none()), ("tps", ended, tps.is_none())] {
            if is_null {
                let reason = || Reason { code: "not_enough_data".to_owned(), message, fix: None };
                reasons.entry(key.to_owned()).or_insert_with(reason);
            }
        }
        match &self.own_lag {
            _ if !self.is_standby() => {}
            None => note_missing(&mut reasons, "replay_lag_ms", &self.states, receiver::SET, "replay_lag"),
            Some(own) => reasons.extend(own.why.clone().map(|why| ("replay_lag_ms".to_owned(), why))),
        }
        reasons
    }
}

fn name(standby: &Behind) -> &str {
    standby.standby.as_deref().filter(|name| !name.is_empty()).unwrap_or("without a name")
}
