//! Which number an instance has: that of the name under which a collector delivers it (`metrics.sources`).
//!
//! A name that nobody knows is of a new instance, unless PostgreSQL says that it is one that another name delivered until
//! now: the same cluster, served by the same postmaster, to the microsecond of its start. A standby, a clone or a restored
//! copy has the system identifier of another, and a postmaster of its own. While the other name still delivers, both are
//! instances of their own; whether it does is waited for, so that nothing is counted twice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::life::{self, Change};
use crate::{Store, StoreError};

/// How long nothing may have come from who watched an instance until another may go on for it: so many of its shortest
/// intervals, and within these bounds.
const SILENT_INTERVALS: i32 = 3;
const SILENT_AFTER: SignedDuration = SignedDuration::from_secs(60);
const SILENT_AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// The most names that are remembered as waiting for that.
const MAX_KNOCKS: usize = 100_000;

/// The advisory lock under which a name of a collector gets its number: "pga" and "ins".
const LOCK: i64 = 0x0070_6761_696e_7300;

/// A collector's name for an instance.
type Place = (Uuid, String);

/// What a batch tells of an instance, as far as its number follows from it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its name in the collector's configuration.
    pub name: &'a str,
    /// When the batch was made.
    pub at: Timestamp,
    /// When its first reading began.
    pub begins: Timestamp,
    /// What PostgreSQL told of itself.
    pub identity: Option<Identity<'a>>,
    /// Whether another batch tells them: this one has a part of what was read.
    pub is_part: bool,
}

/// What tells one PostgreSQL from others.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Of the cluster, which standbys and clones share.
    pub system_identifier: &'a str,
    /// When the postmaster started.
    pub started: Timestamp,
    /// `primary` or `standby`.
    pub role: &'a str,
}

/// Batches are asked for names and texts for so long after they went on as another instance's: an answer may be lost.
const ASKED_AGAIN_FOR: SignedDuration = SignedDuration::from_mins(2);

/// The number of an instance in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// `metrics.instances.id`.
    pub id: i32,
    /// Whether the collector told names and texts, which it tells once, as another instance's.
    pub is_sent_again: bool,
}

/// One instance that a name delivers to, and until when it does.
#[derive(Clone, Copy, Debug)]
struct Source {
    instance_id: i32,
    until: Option<Timestamp>,
    /// From when on names and texts are to be told again.
    again_since: Option<Timestamp>,
}

/// The numbers that are known, committed.
#[derive(Debug, Default)]
pub struct Instances {
    sources: Mutex<HashMap<Place, Vec<Source>>>,
    /// Names that wait for a number, and since when.
    knocks: Mutex<HashMap<Place, Timestamp>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Instances {
    fn of(&self, collector_id: Uuid, told: &Told<'_>) -> Option<Numbered> {
        let sources = lock(&self.sources);
        // Those that have an end stand first.
        let all = sources.get(&(collector_id, told.name.to_owned()))?;
        let source = all.iter().find(|source| source.until.is_none_or(|until| told.at <= until))?;
        let is_sent_again = source.again_since.is_some_and(|since| told.at.duration_since(since) < ASKED_AGAIN_FOR);
        Some(Numbered { id: source.instance_id, is_sent_again })
    }

    /// Since when a name waits for a number.
    fn knock(&self, place: &Place, now: Timestamp) -> Timestamp {
        let mut knocks = lock(&self.knocks);
        if knocks.len() >= MAX_KNOCKS {
            knocks.clear();
        }
        *knocks.entry(place.clone()).or_insert(now)
    }

    /// Forgets all that is known: another server changed it.
    pub fn forget(&self) {
        lock(&self.sources).clear();
    }
}

impl Store {
    /// The numbers of a collector's instances, in the order of what is told of them; new names get one.
    ///
    /// # Errors
    /// When the store fails, or it is not known yet whether another name still delivers what one delivers here.
    pub async fn instance_ids(
        &self,
        collector_id: Uuid,
        told: &[Told<'_>],
        now: Timestamp,
    ) -> Result<Vec<Numbered>, StoreError> {
        let unknown = |told: &&Told<'_>| self.instances.of(collector_id, told).is_none();
        if told.iter().any(|told| unknown(&told)) {
            self.learn(collector_id, told).await?;
            // Sorted, so that two servers that learn the same names do not wait for each other.
            let mut missing: Vec<&Told<'_>> = told.iter().filter(unknown).collect();
            missing.sort_by_key(|told| told.name);
            missing.dedup_by_key(|told| told.name);
            for one in &missing {
                self.number(collector_id, one, now).await?;
            }
            if !missing.is_empty() {
                self.learn(collector_id, told).await?;
            }
        }
        let ids = told.iter().map(|told| self.instances.of(collector_id, told));
        ids.collect::<Option<Vec<Numbered>>>().ok_or(StoreError::Gone)
    }

    async fn learn(&self, collector_id: Uuid, told: &[Told<'_>]) -> Result<(), StoreError> {
        let names: Vec<&str> = told.iter().map(|told| told.name).collect();
        let sql = "select s.name, s.instance_id, s.until, case when s.is_sent_again then s.since end
             from metrics.sources s
             where s.collector_id = $1 and s.name = any($2) order by s.name, s.until nulls last";
        let rows = self.client().await?.query(sql, &[&collector_id, &names]).await?;
        let mut found: HashMap<Place, Vec<Source>> = HashMap::new();
        for row in rows {
            let source = Source { instance_id: row.get(1), until: row.get(2), again_since: row.get(3) };
            found.entry((collector_id, row.get(0))).or_default().push(source);
        }
        lock(&self.instances.sources).extend(found);
        Ok(())
    }

    /// Gives a name a number that has none at this time.
    async fn number(&self, collector_id: Uuid, told: &Told<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let place = format!("{collector_id}/{}", told.name);
        transaction.execute("select pg_advisory_xact_lock(hashtextextended($1, $2))", &[&place, &LOCK]).await?;
        let sql = "select from metrics.sources s
             where s.collector_id = $1 and s.name = $2 and (s.until is null or s.until >= $3)";
        if !transaction.query(sql, &[&collector_id, &told.name, &told.at]).await?.is_empty() {
            return Ok(());
        }
        let knock = (collector_id, told.name.to_owned());
        match self.same(&transaction, &knock, told, now).await? {
            Same::Undecided => return Err(StoreError::Undecided),
            Same::Instance(id) => {
                let until = told.begins;
                life::hand_over(&transaction, id, (collector_id, told.name), until, Change::ADOPTED, now).await?;
                tracing::info!(
                    instance.id = id,
                    collector.id = %collector_id,
                    instance.name = told.name,
                    "an instance goes on under another name: the same postmaster of the same cluster answers"
                );
            }
            Same::None => {
                let sql = "insert into metrics.instances (collector_id, name) values ($1, $2) returning id";
                let id: i32 = transaction.query_one(sql, &[&collector_id, &told.name]).await?.get(0);
                let sql =
                    "insert into metrics.sources (collector_id, name, instance_id, since) values ($1, $2, $3, $4)";
                transaction.execute(sql, &[&collector_id, &told.name, &id, &told.begins]).await?;
            }
        }
        transaction.commit().await?;
        lock(&self.instances.knocks).remove(&knock);
        Ok(())
    }

    /// The instance that another name delivered until now and this one delivers from here on, if there is one.
    async fn same(
        &self,
        transaction: &Transaction<'_>,
        knock: &Place,
        told: &Told<'_>,
        now: Timestamp,
    ) -> Result<Same, StoreError> {
        let since = self.instances.knock(knock, now);
        let Some(identity) = told.identity else {
            let waits = told.is_part && now.duration_since(since) < SILENT_AFTER;
            return Ok(if waits { Same::Undecided } else { Same::None });
        };
        let sql = "select i.id, i.last_seen,
                 exists (select from metrics.sources s where s.instance_id = i.id and s.until is null and not s.is_over)
             from metrics.instances i
             where i.system_identifier = $1 and i.postmaster_start = $2 and i.role = $3 and i.continued_as is null
             order by i.id limit 2 for no key update";
        let Identity { system_identifier, started, role } = identity;
        let rows = transaction.query(sql, &[&system_identifier, &started, &role]).await?;
        // Of two that are watched side by side nobody knows which one goes on.
        let [one] = rows.as_slice() else { return Ok(Same::None) };
        let id: i32 = one.get(0);
        let sql = "select max(l.last_reading_time) from metrics.latest l where l.instance_id = $1";
        let newest: Option<Timestamp> = transaction.query_one(sql, &[&id]).await?.get(0);
        if newest.is_some_and(|newest| newest > told.begins) {
            return Ok(Same::None);
        }
        let may_come: bool = one.get(2);
        let Some(heard) = one.get::<_, Option<Timestamp>>(1).filter(|_| may_come) else {
            return Ok(Same::Instance(id));
        };
        let sql = "select min(r.interval_us) from metrics.readings r
             where r.instance_id = $1 and r.interval_us > 0 and r.time > $2";
        let lately = newest.map_or(now, |newest| newest - SILENT_AT_MOST);
        let interval_us: Option<i64> = transaction.query_one(sql, &[&id, &lately]).await?.get(0);
        let usual = SignedDuration::from_micros(interval_us.unwrap_or(0)).saturating_mul(SILENT_INTERVALS);
        let silent_after = usual.clamp(SILENT_AFTER, SILENT_AT_MOST);
        Ok(if heard > since {
            Same::None
        } else if now.duration_since(heard) < silent_after {
            Same::Undecided
        } else {
            Same::Instance(id)
        })
    }
}

/// Which instance it is that a name delivers.
#[derive(Clone, Copy, Debug)]
enum Same {
    /// None that is known, or one that another name still delivers.
    None,
    /// Whether another name still delivers it is not known yet.
    Undecided,
    /// This one.
    Instance(i32),
}
