//! Looks at one instance, and after a while once more, for a report: without spool, server or state directory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, Scope, SetKind};
use tokio::time::Instant;
use wire::{Flag, Frame, SetState};

use crate::baseline::Place;
use crate::examine;
use crate::exposition::Latest;
use crate::watch::{Baselines, Cycle, Watch};

/// How long databases are read in one look. What is left then is told.
const DATABASES_WITHIN: Duration = Duration::from_secs(60);
/// How long a restart may take: the second look is tried again until then.
const PATIENCE: Duration = Duration::from_secs(15);
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// A look at an instance that can be repeated.
#[derive(Debug)]
pub struct CheckUp {
    catalog: Arc<Catalog>,
    watch: Watch,
    sets: Vec<String>,
    latest: Arc<Latest>,
    baselines: Baselines,
    looked: Looked,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Looked {
    /// What the instance said of itself.
    pub attributes: wire::Attributes,
    /// What can be read of it, and what cannot.
    pub states: Vec<SetState>,
    /// What could be read besides, for a price that PostgreSQL does not ask for by default.
    pub hints: Vec<SetState>,
    /// Each set as it was read last: counters since their reset, gauges, infos.
    pub frames: BTreeMap<Key, Whole>,
    /// What moved between the looks.
    pub moved: BTreeMap<Key, Moved>,
    /// Texts of statements, as frames of their set.
    pub texts: Vec<Frame>,
    /// What was not read, and why.
    pub failures: BTreeMap<Key, String>,
    /// Why databases are not read, as far as that is not what became of reading them.
    pub unread: BTreeMap<i64, String>,
    /// What is wrong with the connection string although the instance can be read.
    pub mistakes: Vec<String>,
}

/// A set, and the database for sets of databases.
pub type Key = (String, Option<i64>);

/// A reading as it stands.
#[derive(Clone, Debug)]
pub struct Whole {
    /// When it was read.
    pub time_us: i64,
    /// Its rows.
    pub frame: Frame,
}

/// What moved between two readings.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The length between them.
    pub interval_us: u64,
    /// The rows, with increments.
    pub frame: Frame,
    /// What is known to be missing.
    pub flags: Vec<Flag>,
}

impl CheckUp {
    /// Of an instance.
    #[must_use]
    pub fn new(instance: config::Instance, catalog: Arc<Catalog>) -> Self {
        let latest = Arc::new(Latest::default());
        latest.ask(true);
        let watch = Watch::new(instance, Arc::clone(&catalog), |_| None).shown_in(Arc::clone(&latest));
        let of_it = |set: &String| catalog.get(set).is_some_and(|set| set.definition.scope != Scope::Collector);
        let sets = watch.schedule().into_iter().map(|(set, _)| set).filter(of_it).collect();
        Self { catalog, watch, sets, latest, baselines: Baselines::new(), looked: Looked::default() }
    }

    /// Its host or socket directory.
    #[must_use]
    pub fn host(&self) -> String {
        self.watch.dsn().host.to_string()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.watch.dsn().port
    }

    /// Looks for the first time.
    ///
    /// # Errors
    /// Why the instance cannot be read, as a sentence.
    pub async fn first(&mut self) -> Result<(), String> {
        self.look().await?;
        self.looked.mistakes = self.watch.mistakes().await;
        Ok(())
    }

    /// Looks again; an instance that is being restarted is given the time for it.
    ///
    /// # Errors
    /// Why the instance cannot be read any more. What was seen before stays.
    pub async fn again(&mut self) -> Result<(), String> {
        self.watch.forget_sent();
        let until = Instant::now() + PATIENCE;
        loop {
            match self.look().await {
                Err(_) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    /// What was seen.
    #[must_use]
    pub fn finish(self) -> Looked {
        self.looked
    }

    async fn look(&mut self) -> Result<(), String> {
        let baselines = std::mem::take(&mut self.baselines);
        let cycle = self.watch.cycle(&self.sets, &baselines).await;
        if let Some(error) = cycle.instance.error {
            self.baselines = baselines;
            return Err(error);
        }
        let mut cycles = vec![cycle];
        cycles.extend(self.watch.read_every_database(&baselines, DATABASES_WITHIN).await);
        self.baselines = baselines;
        let in_time = || format!("the {} s that databases are read for were over", DATABASES_WITHIN.as_secs());
        let unread = self.watch.unread_databases().into_iter();
        self.looked.unread = unread.map(|(datid, why)| (datid, why.unwrap_or_else(in_time))).collect();
        // What fails in a database is said with the cycle after it, which asks for nothing else here.
        let after = self.watch.cycle(&[], &self.baselines).await;
        for cycle in cycles {
            self.take(cycle);
        }
        self.take_states(after.instance.states);
        let frames = self.latest.frames(&self.catalog);
        self.looked.frames.extend(frames.into_iter().map(|(place, whole)| ((place.set, place.datid), whole)));
        Ok(())
    }

    fn take(&mut self, cycle: Cycle) {
        let Cycle { instance, readings, next, .. } = cycle;
        if let Some(attributes) = instance.attributes {
            self.looked.attributes = attributes;
        }
        self.take_states(instance.states);
        for reading in readings {
            let key: Key = (reading.set.clone(), reading.datid);
            if let Some(error) = reading.error {
                self.looked.failures.insert(key, error);
                continue;
            }
            self.looked.failures.remove(&key);
            let Some(set) = self.catalog.get(&reading.set) else { continue };
            let Ok(frame) = reading.decode_rows(&set.definition) else { continue };
            match (set.definition.kind(), reading.interval_us) {
                (SetKind::Texts, _) => self.looked.texts.push(frame),
                (SetKind::Figures, Some(interval_us)) => {
                    self.looked.moved.insert(key, Moved { interval_us, frame, flags: reading.flags });
                }
                _ => {}
            }
        }
        self.baselines.extend(next.into_iter().map(|(place, next): (Place, _)| (place, Arc::new(next))));
    }

    fn take_states(&mut self, states: Vec<SetState>) {
        if !states.is_empty() {
            let hint = |state: &SetState| examine::is_hint(&self.catalog, state);
            (self.looked.hints, self.looked.states) = states.into_iter().partition(hint);
        }
    }
}
