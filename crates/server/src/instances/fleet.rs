//! Figures of many instances at once: a fixed number of statements, however many instances there are.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use jiff::{SignedDuration, Timestamp};

use super::coverage::{not_readable, note_missing, why_missing};
use super::health::{Signs, judge};
use super::model::{Instance, Trend};
use super::store::{self, Activity, Behind, LatestReading, SetState, StoredInstance};
use crate::http::ApiError;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::{Grid, Range};
use crate::replication::receiver::{self, OwnLag};

/// Rates are means over this long.
const RATE_WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// A lag that was read before is no reason any more: nobody knows what it is now.
const LAG_KNOWN_FOR: SignedDuration = SignedDuration::from_mins(3);

/// The trend's length and its steps, about; longer steps only for an instance that is read less often.
const TREND: SignedDuration = SignedDuration::from_hours(1);
const TREND_POINTS: i64 = 60;

/// All that is read of one instance.
struct Read {
    stored: StoredInstance,
    latest: BTreeMap<String, LatestReading>,
    states: Vec<SetState>,
    activity: Vec<Activity>,
    connections: Option<i64>,
    cpus: Option<i64>,
    behind: Vec<Behind>,
    own_lag: Option<OwnLag>,
}

/// An instance for the pages (without its collector), with what it was made from.
pub(crate) struct Described {
    pub(crate) instance: Instance,
    pub(crate) collector_id: uuid::Uuid,
    pub(crate) latest: BTreeMap<String, LatestReading>,
    pub(crate) states: Vec<SetState>,
}

/// Describes instances as they are at `now`.
pub(crate) async fn describe(
    transaction: &Transaction<'_>,
    all: Vec<StoredInstance>,
    now: Timestamp,
) -> Result<Vec<Described>, ApiError> {
    let ids: Vec<i32> = all.iter().map(|one| one.id).collect();
    let mut latest = store::latest(transaction, &ids, now).await?;
    let mut states = store::states(transaction, &ids).await?;
    let mut activity = store::activity(transaction, &ids, now - TREND, now).await?;
    let connections = store::connections(transaction, &ids).await?;
    let cpus = store::cpus(transaction, &ids).await?;
    let mut behind = store::behind(transaction, &ids, now - LAG_KNOWN_FOR).await?;
    let own_lags = receiver::newest(transaction, &ids, now).await?;
    let described = all.into_iter().map(|stored| {
        let id = stored.id;
        let read = Read {
            stored,
            latest: latest.remove(&id).unwrap_or_default(),
            states: states.remove(&id).unwrap_or_default(),
            activity: activity.remove(&id).unwrap_or_default(),
            connections: connections.get(&id).copied(),
            cpus: cpus.get(&id).copied(),
            behind: behind.remove(&id).unwrap_or_default(),
            own_lag: own_lags.get(&id).copied(),
        };
        read.describe(now)
    });
    Ok(described.collect())
}

impl Read {
    fn describe(self, now: Timestamp) -> Described {
        let newest = self.latest.values().filter_map(|reading| reading.time).max();
        let last_seen = self.stored.last_seen;
        let unreachable = self.stored.error.as_deref().filter(|_| self.stored.error_at > self.stored.attributes_at);
        let shortest_us = self.latest.values().filter_map(|reading| reading.interval_us).min();
        // What it received before it was promoted is no news.
        let own = self.own_lag.filter(|_| self.is_standby());
        let lagging = self.behind.first().and_then(|worst| Some((name(worst), worst.replay_lag_us?)));
        let signs = Signs {
            last_seen,
            interval: shortest_us.map(SignedDuration::from_micros),
            unreachable,
            connections: self.connections,
            connections_limit: self.stored.max_connections.map(i64::from),
            lagging,
            replay_lag_us: own.and_then(|own| own.lag_us),
            collector_ahead_us: self.stored.collector_ahead_us,
            ahead_us: self.stored.clock_offset_us,
            statements: why_missing(&self.states, "pg_stat_statements", "")
                .filter(|state| state.code != "disabled")
                .map(|state| state.message.as_str()),
        };
        let (state, reasons) = judge(&signs, now);
        let recent: Vec<Activity> =
            self.activity.iter().filter(|one| one.time > now - RATE_WINDOW && one.time <= now).copied().collect();
        let load = mean(recent.iter().map(|one| (one.active_us, one.interval_us)));
        let tps = mean(recent.iter().map(|one| (one.transactions, one.interval_us))).map(|per_us| per_us * 1e6);
        let instance = Instance {
            id: self.stored.id,
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
            data_age_ms: newest.map(|time| milliseconds(now.duration_since(time)).max(0.0)),
            state,
            reasons,
            load,
            load_trend: self.trend(now),
            cpus: self.cpus,
            tps,
            connections: self.connections,
            connections_limit: self.stored.max_connections,
            replay_lag_ms: own.and_then(|own| own.lag_us).map(|lag_us| lag_us as f64 / 1000.0),
            replay_lag_bytes: own.and_then(|own| own.bytes),
            not_readable: not_readable(&self.states),
            unmeasured: self.unmeasured(load, tps),
            collector: None,
        };
        Described { instance, collector_id: self.stored.collector_id, latest: self.latest, states: self.states }
    }

    fn is_standby(&self) -> bool {
        self.stored.role.as_deref() == Some("standby")
    }

    fn trend(&self, now: Timestamp) -> Trend {
        let interval_us = self.latest.get("pg_stat_database").and_then(|reading| reading.interval_us);
        // Whole minutes, so that the steps of an hour are 60 and not 61.
        let end = Timestamp::from_second((now.as_second() + 59).div_euclid(60) * 60).unwrap_or(now);
        let range = Range { start: end - TREND, end };
        let grid = Grid::over(range, TREND_POINTS, interval_us.map(SignedDuration::from_micros));
        let mut sums: Vec<Option<(f64, f64)>> = vec![None; grid.empty().len()];
        for one in &self.activity {
            let Some(active_us) = one.active_us else { continue };
            for (step, share) in grid.shares(one.time, one.interval_us) {
                if let Some(sum) = sums.get_mut(step) {
                    let (active, measured) = sum.unwrap_or((0.0, 0.0));
                    *sum = Some((active + active_us * share, measured + one.interval_us as f64 * share));
                }
            }
        }
        let values = sums.into_iter().map(|sum| sum.map(|(active, measured)| active / measured)).collect();
        Trend { grid, values }
    }

    fn unmeasured(&self, load: Option<f64>, tps: Option<f64>) -> Unmeasured {
        let mut reasons = Unmeasured::new();
        let set = "pg_stat_database";
        let figures = [
            ("load", "active_time", load.is_none()),
            ("tps", "xact_commit", tps.is_none()),
            ("connections", "numbackends", self.connections.is_none()),
        ];
        for (key, column, is_null) in figures {
            if is_null {
                note_missing(&mut reasons, key, &self.states, set, column);
            }
        }
        if load.is_none() && self.stored.version_num.is_some_and(|version| version < ACTIVE_TIME_SINCE) {
            reasons.entry("load".to_owned()).or_insert_with(|| Reason {
                code: "version".to_owned(),
                message: "Needs PostgreSQL 14.".to_owned(),
                fix: None,
            });
        }
        for (key, is_null) in [("load", load.is_none()), ("tps", tps.is_none())] {
            if is_null && self.latest.contains_key(set) {
                reasons.entry(key.to_owned()).or_insert_with(|| Reason {
                    code: "not_enough_data".to_owned(),
                    message: format!("No interval of {set} ended within the last 5 minutes."),
                    fix: None,
                });
            }
        }
        if self.is_standby() && self.own_lag.is_none_or(|own| own.lag_us.is_none()) {
            note_missing(&mut reasons, "replay_lag_ms", &self.states, receiver::SET, "replay_lag");
        }
        reasons
    }
}

/// `pg_stat_database.active_time` is there from this `server_version_num` on.
const ACTIVE_TIME_SINCE: i32 = 140_000;

/// The sum of increments over the sum of the intervals in which they were measured.
fn mean(increments: impl Iterator<Item = (Option<f64>, i64)>) -> Option<f64> {
    let mut sum = None;
    let mut interval_us = 0;
    for (increment, interval) in increments {
        let Some(increment) = increment else { continue };
        sum = Some(sum.unwrap_or(0.0) + increment);
        interval_us += interval;
    }
    sum.filter(|_| interval_us > 0).map(|sum| sum / interval_us as f64)
}

fn name(standby: &Behind) -> &str {
    standby.standby.as_deref().filter(|name| !name.is_empty()).unwrap_or("without a name")
}

fn milliseconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
