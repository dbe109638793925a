//! What outlives the process: the collector's identity and token, the spool, and the baselines,
//! which move together with the spool or not at all.

mod processes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use catalog::{Catalog, Definition, Kind, SetKind};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::Batch;

use crate::baseline::{Advance, Place};
use crate::clock::Clock;
use crate::spool::{Bounds, DAMAGED, Pending, Quota, RESTORED, Record, Spool, write_durably};
use crate::watch::{Baselines, Cycle};
pub use processes::Processes;

/// Who the collector is to the server.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registration {
    /// Its id, given by the server.
    pub collector_id: Uuid,
    /// Its token.
    pub token: String,
    /// When the token ends.
    pub expires_at: jiff::Timestamp,
    /// The store that the last batch went to.
    #[serde(default)]
    pub store_id: Option<String>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("collector_id", &self.collector_id)
            .field("token", &"***")
            .field("expires_at", &self.expires_at)
            .field("store_id", &self.store_id)
            .finish()
    }
}

const REGISTRATION_FILE: &str = "registration.json";
const DEFINITIONS_FILE: &str = "definitions.json";
/// What collectors read by that did not keep it beside the spool yet, where that is not what today's read by.
const UNKEPT_DEFINITIONS: &[u8] = include_bytes!("state/unkept.json");

impl Registration {
    /// The registration kept in a state directory.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(state_dir: &Path) -> Result<Option<Self>> {
        let path = state_dir.join(REGISTRATION_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                Ok(Some(serde_json::from_str(&text).with_context(|| format!("understand {}", path.display()))?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Keeps it, readable by the owner only.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, state_dir: &Path) -> Result<()> {
        make_private_dir(state_dir)?;
        let mut kept = self.clone();
        if kept.store_id.is_none() {
            // Registered anew: whether it is another store shows with the first answer.
            kept.store_id = Self::load(state_dir).ok().flatten().and_then(|before| before.store_id);
        }
        let (path, temporary) = (state_dir.join(REGISTRATION_FILE), state_dir.join("registration.json.new"));
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .with_context(|| format!("create {}", temporary.display()))?;
        file.write_all(serde_json::to_string_pretty(&kept)?.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("write {}", temporary.display()))?;
        fs::rename(&temporary, &path).with_context(|| format!("rename {}", temporary.display()))
    }
}

/// The spool with the baselines that belong to it.
#[derive(Debug)]
pub struct Held {
    /// The spool.
    pub spool: Spool,
    /// Shared with the cycle that is under way.
    baselines: Arc<Baselines>,
    /// Baselines of before this start that nothing was read from since.
    carried: BTreeSet<Place>,
    standing: Standing,
    anew: Option<Anew>,
    /// Whether what was sent once is to be sent again, since what told it was lost.
    repeat: bool,
    trouble: Option<Trouble>,
    unspooled_cycles: u64,
    catalog: Arc<Catalog>,
    older_definitions: Vec<Definition>,
    hostname: String,
    clock: Clock,
    /// Which of the collector's spools this is; none where it has one for all instances.
    lane: Option<Uuid>,
    begins_now: bool,
    processes: Processes,
    opened: Instant,
}

/// What is known of this spool and the server's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The server was not asked since the start.
    Unknown,
    /// A new epoch is in force, and not yet on disk.
    Moving,
    /// The server has nothing that this spool does not know of.
    Verified,
}

/// How a state directory is older than what the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// It was put back to what it was before.
    Restored,
    /// Another process delivers from a copy of it.
    Shared,
}

/// Baselines are lost, and nobody knows which there were: a set that begins anew is counted when it is read.
#[derive(Clone, Debug)]
struct Anew {
    reason: &'static str,
    /// Sets that are counted.
    counted: BTreeSet<String>,
}

/// Why nothing can be spooled now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The error.
    pub error: String,
    /// Since when, microseconds since 1970.
    pub since_us: i64,
}

/// What the server knows of this collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerKnows {
    /// The highest number of the epoch that it was asked for.
    pub last_sequence: Option<u64>,
    /// The newest epoch.
    pub last_epoch: Option<Uuid>,
    /// The process that delivered last.
    pub last_process: Option<Uuid>,
    /// Whether that was after this one's start.
    pub delivered_since_start: bool,
}

/// [`Held`], shared by the watches and the pusher.
pub type Shared = Arc<Mutex<Held>>;

/// Locks what is held. A panic while it was locked leaves it whole: every change is one step.
pub fn lock(shared: &Shared) -> MutexGuard<'_, Held> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    /// Opens a state directory: spool, checkpoint, baselines.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(state_dir: &Path, bounds: Bounds, catalog: Arc<Catalog>, hostname: String) -> Result<Self> {
        Self::open_expecting(state_dir, bounds, catalog, hostname, was_delivered(state_dir))
    }

    /// The same, where it is known whether there was a spool: then one that is not there was removed.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open_expecting(
        folder: &Path,
        bounds: Bounds,
        catalog: Arc<Catalog>,
        hostname: String,
        was_there: bool,
    ) -> Result<Self> {
        make_private_dir(folder)?;
        let directory: PathBuf = folder.join("spool");
        let opened = Spool::open(&directory, bounds).context("open the spool")?;
        let is_removed = opened.new_epoch && opened.damage.is_none() && was_there;
        let given_up = opened.given_up.or_else(|| is_removed.then(BTreeSet::new));
        let anew = given_up.map(|counted| Anew { reason: DAMAGED, counted });
        let mut baselines = Baselines::new();
        let mut given_up = BTreeSet::new();
        for advance in opened.advances {
            replay(&catalog, advance, &mut baselines, &mut given_up);
        }
        tracing::info!(
            spool.dir = %directory.display(),
            spool.epoch = %opened.spool.epoch(),
            spool.records = opened.spool.pending_len(),
            baselines = baselines.len(),
            new_epoch = opened.new_epoch,
            "a spool is open"
        );
        let older_definitions = keep_definitions(&directory, &catalog, opened.spool.pending_len() > 0);
        let mut held = Self {
            spool: opened.spool,
            carried: baselines.keys().cloned().collect(),
            baselines: Arc::new(baselines),
            standing: Standing::Unknown,
            anew,
            repeat: false,
            trouble: None,
            unspooled_cycles: 0,
            catalog,
            older_definitions,
            hostname,
            clock: Clock::here(),
            lane: None,
            begins_now: false,
            processes: Processes::read(&directory, None),
            opened: Instant::now(),
        };
        if opened.damage.is_some() {
            held.send_again();
        }
        Ok(held)
    }

    /// The same by another clock: the one that the watches read by.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same as one spool of several, whose epochs are its own.
    #[must_use]
    pub fn in_lane(mut self, lane: Uuid) -> Self {
        self.lane = Some(lane);
        self
    }

    /// The same with the processes that all spools of the collector share.
    #[must_use]
    pub fn with_processes(mut self, processes: Processes) -> Self {
        self.processes = processes;
        self
    }

    /// The same within a bound that it shares.
    #[must_use]
    pub fn within(mut self, quota: Arc<Quota>) -> Self {
        self.spool.share(quota);
        self
    }

    /// Begins with the baselines that another spool has of an instance.
    ///
    /// # Errors
    /// When they cannot be written down.
    pub fn go_on_from(&mut self, other: &Self, instance: &str) -> Result<()> {
        let of_instance = other.baselines.iter().filter(|(place, _)| place.instance == instance);
        Arc::make_mut(&mut self.baselines)
            .extend(of_instance.map(|(place, baseline)| (place.clone(), Arc::clone(baseline))));
        self.checkpoint()
    }

    /// Other sets are read from here on. What was remembered of those that are defined otherwise is given up.
    pub fn learn(&mut self, catalog: &Arc<Catalog>) {
        let before = std::mem::replace(&mut self.catalog, Arc::clone(catalog));
        let defined = |catalog: &Catalog, set: &str| {
            let set = catalog.get(set)?;
            let guard = set.guard.as_ref().and_then(|guard| catalog.get(guard)).map(|guard| guard.definition.hash());
            Some((set.definition.hash(), guard))
        };
        let is_same = |set: &str| defined(&before, set).is_some_and(|one| defined(catalog, set) == Some(one));
        Arc::make_mut(&mut self.baselines).retain(|place, _| is_same(&place.set));
        self.carried.retain(|place| is_same(&place.set));
        let is_waited_for = self.spool.pending_len() > 0;
        self.older_definitions = keep_definitions(self.spool.dir(), catalog, is_waited_for);
        if let Err(error) = self.checkpoint() {
            // The next start gives up what it cannot read.
            tracing::warn!(error = format!("{error:#}"), "that other sets are read is not on disk");
        }
    }

    /// The sets that are read.
    #[must_use]
    pub const fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What begins anew is counted as with another spool, of which it was to go on.
    pub fn begin_as(&mut self, other: &Self) {
        if self.anew.is_none() {
            self.anew.clone_from(&other.anew);
        }
    }

    /// Nothing is read for this spool any more.
    pub fn leave_baselines(&mut self) {
        Arc::make_mut(&mut self.baselines).clear();
        self.carried.clear();
        self.anew = None;
    }

    /// Of a spool that nothing is read for: whether all of it is delivered. What was lost is told by a record of its own.
    pub fn is_over(&mut self) -> bool {
        if self.spool.has_lost() {
            if let Err(error) = self.write(Cycle::default()) {
                tracing::warn!(error = format!("{error:#}"), "what was lost cannot be told");
            }
            return false;
        }
        self.is_verified() && self.spool.pending_len() == 0
    }

    /// Which of the collector's spools this is.
    #[must_use]
    pub const fn lane(&self) -> Option<Uuid> {
        self.lane
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Definitions that what waits may have been read by, beside those of the catalogue.
    #[must_use]
    pub fn older_definitions(&self) -> &[Definition] {
        &self.older_definitions
    }

    /// Whether the server said since the start what it knows of this spool; before that nothing may be sent.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.standing == Standing::Verified
    }

    /// Compares with what the server knows. When it has more than this spool knows of, the state directory is an older
    /// one: a new epoch begins, and baselines that are not of this start are given up, since the server may have
    /// counted the time since them. When another process delivered from a copy of it, all baselines are, and what waits.
    ///
    /// # Errors
    /// When that cannot be written down: then nothing may be sent.
    pub fn compare(&mut self, server: ServerKnows) -> Result<()> {
        let older = self.is_older(server);
        if let Some(older) = older.filter(|_| self.standing == Standing::Unknown) {
            self.move_on(server.last_epoch, older)?;
        }
        if self.standing == Standing::Moving {
            self.checkpoint()?;
            self.spool.write_epoch()?;
        }
        if self.standing != Standing::Verified {
            self.processes.enter(server.last_process, self.clock.id());
        }
        self.spool.verify().context("write to the spool")?;
        self.standing = Standing::Verified;
        Ok(())
    }

    /// It is made now: nothing of it can be older than what the server has.
    pub fn begins_now(&mut self) {
        self.begins_now = true;
    }

    /// Gives up, at once on disk, what another spool of this directory turned out to have counted elsewhere; what is
    /// verified was compared by itself.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn follow(&mut self, older: Older) -> Result<()> {
        if self.standing == Standing::Verified || self.begins_now {
            return Ok(());
        }
        if self.standing == Standing::Unknown {
            self.move_on(None, older)?;
        }
        self.checkpoint()?;
        Ok(self.spool.write_epoch()?)
    }

    /// Whether the state directory is an older one than what the server has, and how.
    #[must_use]
    pub fn is_older(&self, server: ServerKnows) -> Option<Older> {
        if self.begins_now {
            return None;
        }
        let own = self.clock.id();
        let has_more = server.last_sequence.is_some_and(|last| last >= self.spool.unverified_from())
            || server.last_epoch.is_some_and(|last| last > self.spool.epoch());
        // What this process delivered from another spool says nothing of this one.
        let delivered_since_start = server.delivered_since_start && server.last_process != Some(own);
        if self.processes.is_strange(server.last_process, own) || has_more && delivered_since_start {
            Some(Older::Shared)
        } else {
            has_more.then_some(Older::Restored)
        }
    }

    /// Begins a new epoch, later than `after`, and gives up the baselines that the server may have counted from. In
    /// force with the next comparison, before which nothing is sent.
    ///
    /// # Errors
    /// When what is dropped cannot be noted.
    fn move_on(&mut self, after: Option<Uuid>, older: Older) -> Result<()> {
        let is_shared = older == Older::Shared;
        self.spool.move_on(after, is_shared)?;
        if is_shared {
            self.carried = self.baselines.keys().cloned().collect();
        }
        let mut counted = BTreeSet::new();
        for place in std::mem::take(&mut self.carried) {
            Arc::make_mut(&mut self.baselines).remove(&place);
            self.spool.lose_baseline(&place.set, RESTORED);
            counted.insert(place.set);
        }
        self.anew = Some(Anew { reason: RESTORED, counted });
        self.send_again();
        self.standing = Standing::Moving;
        Ok(())
    }

    /// What was sent once is to be sent again: infos by the watches, as after a start, and texts, of which none is
    /// taken for sent any more, also after a start.
    pub fn send_again(&mut self) {
        self.repeat = true;
        self.spool.disown_acknowledged();
        let before = self.baselines.len();
        let catalog = Arc::clone(&self.catalog);
        Arc::make_mut(&mut self.baselines).retain(|place, _| !has_texts(&catalog, &place.set));
        self.carried.retain(|place| !has_texts(&catalog, &place.set));
        if self.baselines.len() < before
            && let Err(error) = self.checkpoint()
        {
            tracing::warn!(error = format!("{error:#}"), "that texts are to be sent again is not on disk");
        }
    }

    /// Whether that was said before and no watch has taken it up yet.
    #[must_use]
    pub const fn is_to_send_again(&self) -> bool {
        self.repeat
    }

    /// How long ago this was opened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether what was sent once is to be sent again. Says so once.
    pub fn take_repeat(&mut self) -> bool {
        std::mem::take(&mut self.repeat)
    }

    /// A record that waits will never be stored: the next one tells what it had.
    ///
    /// # Errors
    /// When that cannot be noted.
    pub fn give_up(&mut self, pending: Pending, reason: &str) -> Result<()> {
        // Infos and texts in it were to be sent once.
        self.send_again();
        Ok(self.spool.give_up(pending, reason)?)
    }

    /// Why nothing can be spooled, while nothing can.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Cycles that could not be spooled since the start.
    #[must_use]
    pub fn unspooled_cycles(&self) -> u64 {
        self.unspooled_cycles
    }

    /// The baselines as they are now.
    #[must_use]
    pub fn baselines(&self) -> Arc<Baselines> {
        Arc::clone(&self.baselines)
    }

    /// Spools a cycle and, when it is on disk, moves the baselines. Blocks for the fsync.
    ///
    /// # Errors
    /// When it cannot be written: nothing has happened then, and the next cycle covers this one's time.
    pub fn commit(&mut self, mut cycle: Cycle) -> Result<()> {
        // Texts that were read before all were to be sent again are good, but not the only ones that are missing.
        let is_partial = |place: &Place, whole: bool| {
            !whole && !self.baselines.contains_key(place) && has_texts(&self.catalog, &place.set)
        };
        let partial = cycle.advances.extract_if(.., |advance| is_partial(&advance.place(), advance.whole));
        for advance in partial {
            cycle.next.retain(|(place, _)| *place != advance.place());
        }
        // It was begun before its baseline was given up.
        let is_stranded = |advance: &&Advance| !advance.whole && !self.baselines.contains_key(&advance.place());
        if let Some(advance) = cycle.advances.iter().find(is_stranded) {
            anyhow::bail!("the baseline of {} was given up meanwhile", advance.set);
        }
        let (waiting, written) = (self.spool.pending_len(), self.write(cycle));
        // Nothing was acknowledged meanwhile: what waits no longer was dropped.
        if self.spool.pending_len() < waiting + usize::from(written.is_ok()) {
            self.send_again();
        }
        match &written {
            Ok(()) => self.trouble = None,
            Err(error) => {
                self.unspooled_cycles += 1;
                let since_us = self.trouble.as_ref().map_or_else(|| self.clock.now_us(), |trouble| trouble.since_us);
                self.trouble = Some(Trouble { error: format!("{error:#}"), since_us });
            }
        }
        written
    }

    fn write(&mut self, cycle: Cycle) -> Result<()> {
        let Cycle { instance, datid: _, readings, advances, next } = cycle;
        let (created_us, clock) = (self.clock.now_us(), self.clock.reading());
        let mut rows_by_set = BTreeMap::new();
        for reading in &readings {
            *rows_by_set.entry(reading.set.clone()).or_default() += u64::from(reading.rows);
        }
        self.spool.expire(created_us).context("drop what is too old")?;
        self.count_anew(&advances);
        let lost = self.spool.take_lost();
        let batch = Batch {
            format: wire::BATCH_FORMAT,
            // Who sends it is known when it is sent, not when it is read.
            collector_id: Vec::new(),
            epoch: self.spool.epoch().as_bytes().to_vec(),
            sequence: self.spool.next_sequence(),
            created_us,
            collector_version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.hostname.clone(),
            instances: if readings.is_empty() && instance.name.is_empty() { Vec::new() } else { vec![instance] },
            readings,
            discarded: lost.to_wire(),
            clock: Some(clock),
            lost: lost.intervals(),
            lane: self.lane.map(|lane| lane.as_bytes().to_vec()).unwrap_or_default(),
            status: None,
        };
        let record = Record {
            sequence: batch.sequence,
            created_us,
            batch: wire::compress(&prost::Message::encode_to_vec(&batch)).context("compress a batch")?,
            unverified: !self.is_verified(),
            carried: advances.iter().any(|advance| self.carried.contains(&advance.place())),
            advances,
            rows_by_set,
            epoch: batch.epoch,
            discarded: batch.discarded,
            lost: batch.lost,
        };
        if let Err(error) = self.append(&record) {
            self.spool.put_back_lost(&lost);
            return Err(error).context("write to the spool");
        }
        for (place, baseline) in next {
            self.carried.remove(&place);
            Arc::make_mut(&mut self.baselines).insert(place, Arc::new(baseline));
        }
        // The cycle is on disk: without a newer checkpoint only the start takes longer.
        if self.spool.checkpoint_due()
            && let Err(error) = self.checkpoint()
        {
            tracing::warn!(error = format!("{error:#}"), "the checkpoint is put off");
        }
        Ok(())
    }

    /// Counts sets that begin anew since their baselines are lost.
    fn count_anew(&mut self, advances: &[Advance]) {
        let Some(Anew { reason, counted }) = &mut self.anew else { return };
        for advance in advances.iter().filter(|advance| advance.whole) {
            let is_counter =
                |set: &catalog::Set| set.definition.columns.iter().any(|column| column.kind == Kind::Counter);
            let begins = self.catalog.get(&advance.set).is_some_and(is_counter);
            if begins && !self.baselines.contains_key(&advance.place()) && counted.insert(advance.set.clone()) {
                self.spool.lose_baseline(&advance.set, reason);
            }
        }
    }

    fn append(&mut self, record: &Record) -> Result<()> {
        if self.spool.must_checkpoint(record.encoded_len() as u64) {
            self.checkpoint()?;
        }
        Ok(self.spool.append(record)?)
    }

    /// Writes all baselines to disk and drops what is no longer needed.
    ///
    /// # Errors
    /// When they cannot be written; the last checkpoint stays in force.
    pub fn checkpoint(&mut self) -> Result<()> {
        let advances = self
            .baselines
            .iter()
            .filter_map(|(place, baseline)| {
                Some(Advance::whole(place, &self.catalog.get(&place.set)?.definition, baseline))
            })
            .collect();
        self.spool.checkpoint(advances).context("write a checkpoint")
    }
}

/// Whether a set's baselines are the keys of texts that were sent.
fn has_texts(catalog: &Catalog, set: &str) -> bool {
    catalog.get(set).is_some_and(|set| set.definition.kind() == SetKind::Texts)
}

/// Moves a baseline on. One that cannot go on is given up: the next reading is a gap, never a guess.
fn replay(catalog: &Catalog, advance: Advance, baselines: &mut Baselines, given_up: &mut BTreeSet<Place>) {
    let place = advance.place();
    if given_up.contains(&place) && !advance.whole {
        return;
    }
    let Some(set) = catalog.get(&place.set) else { return };
    let guard = set.guard.as_ref().and_then(|guard| catalog.get(guard)).map(|guard| &guard.definition);
    let before = baselines.remove(&place);
    match advance.apply(before.as_deref(), &set.definition, guard) {
        Ok(baseline) => {
            given_up.remove(&place);
            baselines.insert(place, Arc::new(baseline));
        }
        Err(error) => {
            tracing::warn!(instance.name = place.instance, set.name = place.set, %error, "a baseline is given up");
            given_up.insert(place);
        }
    }
}

/// Keeps the catalogue's definitions beside the spool, so that a later version can tell a server what waits in it was
/// read by. Returns those that only an earlier one had, as long as something waits.
fn keep_definitions(directory: &Path, catalog: &Catalog, is_waited_for: bool) -> Vec<Definition> {
    let now: Vec<&Definition> = catalog.sets().map(|set| &set.definition).collect();
    let kept = fs::read(directory.join(DEFINITIONS_FILE)).unwrap_or_default();
    let known = if kept.is_empty() { UNKEPT_DEFINITIONS } else { &kept };
    let mut older: Vec<Definition> = serde_json::from_slice(known).unwrap_or_default();
    older.retain(|one| is_waited_for && now.iter().all(|other| other.hash() != one.hash()));
    let all: Vec<&Definition> = older.iter().chain(now).collect();
    let written = serde_json::to_vec(&all).context("encode definitions").and_then(|bytes| {
        let is_there = bytes == kept;
        if is_there { Ok(()) } else { Ok(write_durably(directory, DEFINITIONS_FILE, &bytes)?) }
    });
    if let Err(error) = written {
        tracing::warn!(error = format!("{error:#}"), "what is measured is not on disk beside the spool");
    }
    older
}

/// Whether a server has had batches of this state directory.
pub(crate) fn was_delivered(state_dir: &Path) -> bool {
    Registration::load(state_dir).ok().flatten().is_some_and(|registration| registration.store_id.is_some())
}

pub(crate) fn make_private_dir(path: &Path) -> Result<()> {
    if !path.is_dir() {
        fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("protect {}", path.display()))?;
    }
    Ok(())
}
