//! `GET /instances/{id}/activity` and `…/connections`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::model::{ActiveSessions, ActivityQuery, Connected, Connections};
use super::series::in_order;
use super::store::{self, Kind, Of, STATES};
use crate::error::{Detail, ReadError};
use crate::flags;
use crate::gaps::Gaps;
use crate::holders::transactions;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::pg_settings::store as pg_settings;
use crate::queries::model::Unmeasured;
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::readings::{self, Counted};
use crate::when::{Fineness, Moment, When};

/// Sessions in a list unless asked otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MOST: usize = 1000;

/// The sessions that are not idle at a moment, the oldest transaction first.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn activity(snapshot: &Snapshot, id: InstanceId, query: ActivityQuery) -> Result<ActiveSessions, ReadError> {
    let limit = query.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MOST).contains(&limit) {
        return Err(ReadError::invalid(vec![Detail::new("limit", format!("expected 1 to {LIMIT_MOST}"))]));
    }
    let moment = Moment { at: query.at }.or(snapshot.now());
    let at = readings::at(snapshot, id, store::ACTIVITY, moment).await?;
    let names = Both::read(snapshot, id, moment).await?;
    let of = names.of(query.database.as_deref(), query.user.as_deref());
    let mut data = match at {
        Some(at) => store::sessions(snapshot, id, at, &of, &names.databases, &names.roles).await?,
        None => Vec::new(),
    };
    let total = data.len();
    data.truncate(limit);
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (name, column) in [("data", ""), ("leader_pid", "leader_pid"), ("queryid", "query_id"), ("query", "query")] {
        note_missing(&mut unmeasured, name, &states, store::ACTIVITY, column);
    }
    Ok(ActiveSessions { count: data.len(), data, total, at, unmeasured })
}

/// Connections against their limit, by state, database and role, at a moment and over a range.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn connections(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Connections, ReadError> {
    let now = snapshot.now();
    let range = when.range(now)?;
    let moment = when.moment(now);
    let at = readings::at(snapshot, id, store::SESSIONS, moment).await?;
    let names = Both::read(snapshot, id, moment).await?;
    let (kinds, (oldest_xact_age_ms, oldest_xmin_age)) = match at {
        Some(at) => (store::connected(snapshot, id, at).await?, store::oldest(snapshot, id, at).await?),
        None => (Vec::new(), (None, None)),
    };
    let oldest = transactions::oldest(snapshot, id, moment).await?;
    // The holder is of a set of its own, which may have been read a moment before or after.
    let held_ms = oldest.transaction.as_ref().and_then(|one| one.age_ms);
    let oldest_xact_age_ms = oldest_xact_age_ms.into_iter().chain(held_ms).reduce(f64::max);
    let oldest_xmin_age = oldest_xmin_age.max(oldest.xmin.as_ref().and_then(|one| one.age));
    let grid = when.grid(snapshot, id, store::SESSIONS, now, Fineness::FINE).await?;
    let counted = Counted::read(snapshot, id, store::SESSIONS, range, grid).await?;
    let sums = store::states(snapshot, id, range, grid).await?;
    let settings = pg_settings::values(snapshot, id, moment).await?;
    let setting = |name: &str| -> Option<i64> { settings.get(name)?.parse().ok() };
    let superusers = setting("superuser_reserved_connections");
    // A setting of 16 and newer: without it nothing more is reserved.
    let reserved = superusers.map(|superusers| superusers + setting("reserved_connections").unwrap_or(0));
    Ok(Connections {
        at,
        total: at.map(|_| kinds.iter().map(|kind| kind.sessions).sum()),
        limit: setting("max_connections"),
        reserved,
        states: STATES
            .into_iter()
            .map(|state| Connected {
                name: state.to_owned(),
                sessions: kinds.iter().filter(|kind| state_of(&kind.state) == state).map(|kind| kind.sessions).sum(),
            })
            .filter(|_| at.is_some())
            .collect(),
        databases: by(&kinds, |kind| names.databases.of(kind.datid)),
        users: by(&kinds, |kind| names.roles.of(kind.userid)),
        oldest_xact_age_ms,
        oldest_xact: oldest.transaction,
        oldest_xmin_age,
        oldest_xmin: oldest.xmin,
        grid,
        series: in_order(&counted, sums, &STATES, state_of),
        unmeasured: unmeasured(snapshot, id).await?,
        flagged_intervals: flags::read(snapshot, id, store::SESSIONS, range).await?,
        gaps: Gaps::read(snapshot, snapshot.catalog(), id, store::SESSIONS, range, now).await?.listed,
    })
}

/// Names of databases and roles.
pub(super) struct Both {
    pub(super) databases: Names,
    pub(super) roles: Names,
}

impl Both {
    pub(super) async fn read(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Self, ReadError> {
        let databases = Names::databases(snapshot, id, at).await?;
        Ok(Self { databases, roles: Names::roles(snapshot, id, at).await? })
    }

    pub(super) fn of(&self, database: Option<&str>, user: Option<&str>) -> Of {
        Of {
            databases: database.map(|wanted| self.databases.oids(wanted)),
            roles: user.map(|wanted| self.roles.oids(wanted)),
        }
    }
}

async fn unmeasured(snapshot: &Snapshot, id: InstanceId) -> Result<Unmeasured, ReadError> {
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    note_missing(&mut unmeasured, "series", &states, store::SESSIONS, "");
    Ok(unmeasured)
}

/// The name under which connections of a state are summed.
fn state_of(state: &str) -> &str {
    STATES.into_iter().find(|known| *known == state).unwrap_or("other")
}

/// How many of each name, the most first.
fn by(kinds: &[Kind], name: impl Fn(&Kind) -> String) -> Vec<Connected> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for kind in kinds {
        *sums.entry(name(kind)).or_default() += kind.sessions;
    }
    let mut all: Vec<Connected> = sums.into_iter().map(|(name, sessions)| Connected { name, sessions }).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.sessions));
    all
}
