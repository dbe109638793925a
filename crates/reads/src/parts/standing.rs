//! What parts follow from besides what is asked for. In a snapshot it does not change, so it is read once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use store::tiers::{REACH_US, Tier};
use tokio_postgres::Error;

use crate::reader::{InstanceId, Snapshot};

/// What a snapshot has read of it so far.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    gone: Once<(), HashMap<String, Timestamp>>,
    due: Once<InstanceId, Vec<Due>>,
    long: Once<(InstanceId, Timestamp, Timestamp), HashMap<String, Vec<Timestamp>>>,
}

/// Answers by what was asked.
type Once<Key, Answer> = Mutex<HashMap<Key, Arc<Answer>>>;

/// What is due to be made again, from the beginning of its first bucket to the end of its last, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) tier: i16,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) sets: Vec<String>,
}

const GONE: &str = "select table_name, until from metrics.absent";

const DUE: &str = "select tier, first, last, sets from metrics.due where instance_id = $1";

const LONG: &str = "select set_name, time from metrics.readings
    where instance_id = $1 and interval_us > 300000000 and time > $2 and time <= $3
        and time - least(interval_us, $5::int8) * interval '1 microsecond' < $4
    group by set_name, time order by time";

fn remembered<Key: Hash + Eq, Answer>(once: &Once<Key, Answer>, key: &Key) -> Option<Arc<Answer>> {
    once.lock().ok()?.get(key).cloned()
}

fn remember<Key: Hash + Eq, Answer>(once: &Once<Key, Answer>, key: Key, answer: Answer) -> Arc<Answer> {
    let answer = Arc::new(answer);
    if let Ok(mut all) = once.lock() {
        all.insert(key, Arc::clone(&answer));
    }
    answer
}

/// Until when retention has taken the rows of tables.
pub(crate) async fn gone(snapshot: &Snapshot) -> Result<Arc<HashMap<String, Timestamp>>, Error> {
    let once = &snapshot.standing().gone;
    if let Some(gone) = remembered(once, &()) {
        return Ok(gone);
    }
    let rows = snapshot.query(GONE, &[]).await?;
    Ok(remember(once, (), rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}

/// What is due of an instance.
pub(super) async fn due(snapshot: &Snapshot, id: InstanceId) -> Result<Arc<Vec<Due>>, Error> {
    let once = &snapshot.standing().due;
    if let Some(due) = remembered(once, &id) {
        return Ok(due);
    }
    let rows = snapshot.query(DUE, &[&id]).await?;
    let due = rows.iter().filter_map(|row| {
        let (tier, first, last): (i16, Timestamp, Timestamp) = (row.get(0), row.get(1), row.get(2));
        let width = Tier::ALL.iter().find(|one| one.number() == tier)?.width_us();
        let (start, end) = (first.as_microsecond() - width, last.as_microsecond());
        Some(Due { tier, start, end, sets: row.get(3) })
    });
    Ok(remember(once, id, due.collect()))
}

/// The readings of an instance over long intervals, by set, that reach into what is after `first` and up to `last`.
pub(super) async fn long(
    snapshot: &Snapshot,
    id: InstanceId,
    first: Timestamp,
    last: Timestamp,
) -> Result<Arc<HashMap<String, Vec<Timestamp>>>, Error> {
    let once = &snapshot.standing().long;
    if let Some(long) = remembered(once, &(id, first, last)) {
        return Ok(long);
    }
    let until = last.saturating_add(SignedDuration::from_micros(REACH_US)).unwrap_or(last);
    let mut long: HashMap<String, Vec<Timestamp>> = HashMap::new();
    for row in snapshot.query(LONG, &[&id, &first, &until, &last, &REACH_US]).await? {
        long.entry(row.get(0)).or_default().push(row.get(1));
    }
    Ok(remember(once, (id, first, last), long))
}
