//! The spools of a collector, one for each instance: nothing of one waits for another's disk.
//!
//! ```text
//! state_dir/lock                     one collector uses it
//!           registration.json        who it is
//!           processes                who delivered from here last, and who is about to
//!           lanes.json               the folders that were made, and for which instances
//!           instances/<id>/spool/    what was read of one instance (`spool.rs`)
//!           spool/                   of a version that had one spool for all: delivered, then removed
//! ```
//! A lane has an id of its own, under which the server knows its epochs. One whose instance is not configured any more is
//! delivered and then removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use catalog::Catalog;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Clock;
use crate::spool::{Bounds, Quota, sync_dir, write_durably};
use crate::state::{Held, Processes, ServerKnows, Shared, Trouble, lock, make_private_dir, was_delivered};

const FOLDER: &str = "instances";
const NEW_FOLDER: &str = "instances.new";
const SPOOL_OF_BEFORE: &str = "spool";
/// In a spool for all: its baselines have gone to those of instances.
const TAKEN_OVER: &str = "taken-over";
const LIST: &str = "lanes.json";

/// One spool.
#[derive(Debug)]
pub struct Lane {
    /// The instance that writes to it, or wrote; empty where that is not known.
    pub instance: String,
    /// Whether nobody writes to it.
    drains: AtomicBool,
    /// What it holds.
    pub held: Shared,
    /// Its id; none where it has none.
    id: Option<Uuid>,
    /// What is removed when all of it is delivered, where nobody writes to it.
    folder: PathBuf,
    /// How it stood when it was looked at last.
    seen: Mutex<Standing>,
    /// Of the spool of a version that had one for all: whether the others went on from it in this start.
    went_on: Option<bool>,
}

/// All spools of a collector.
#[derive(Debug)]
pub struct Lanes {
    opening: Opening,
    lanes: Mutex<Vec<Arc<Lane>>>,
    opened: Instant,
    _lock: Option<Flock<File>>,
}

/// How all spools stand together.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Instances that are watched.
    pub instances: u64,
    /// Records that wait.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What all may take.
    pub max_bytes: u64,
    /// Cycles that could not be spooled since the start.
    pub unspooled_cycles: u64,
    /// Why nothing can be spooled, where that is so for longest.
    pub trouble: Option<Trouble>,
}

/// A folder, as it stands in the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listed {
    id: Uuid,
    instance: String,
}

/// What all spools are opened with.
#[derive(Debug)]
struct Opening {
    state_dir: PathBuf,
    bounds: Mutex<Bounds>,
    quota: Arc<Quota>,
    catalog: Mutex<Arc<Catalog>>,
    hostname: String,
    clock: Clock,
    processes: Processes,
}

impl Lane {
    fn new(instance: Option<&str>, held: Held, folder: PathBuf) -> Self {
        let drains = AtomicBool::new(instance.is_none());
        let (instance, id) = (instance.unwrap_or_default().to_owned(), held.lane());
        Self { instance, drains, held: Arc::new(Mutex::new(held)), id, folder, seen: Mutex::default(), went_on: None }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> Option<Uuid> {
        self.id
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it holds, unless it is being written to.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Held>> {
        match self.held.try_lock() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// How it stands; while it is being written to, how it stood before.
    fn standing(&self) -> Standing {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = self.try_lock() {
            *seen = Standing {
                instances: u64::from(!self.drains()),
                records: held.spool.pending_len() as u64,
                bytes: held.spool.pending_bytes(),
                max_bytes: held.spool.max_bytes(),
                unspooled_cycles: held.unspooled_cycles(),
                trouble: held.trouble().cloned(),
            };
        }
        seen.clone()
    }

    /// Whether it is only delivered.
    #[must_use]
    pub fn drains(&self) -> bool {
        self.drains.load(Ordering::Acquire)
    }

    /// Whether it is that of a version with one spool for all instances. What the server says of it holds for all.
    #[must_use]
    pub const fn is_of_before(&self) -> bool {
        self.went_on.is_some()
    }
}

impl Lanes {
    /// Opens a state directory for these instances, making what is not there. What a version with one spool for all has
    /// left is taken over: baselines to their instances, records to be delivered as they are.
    ///
    /// # Errors
    /// When the directory cannot be used, or another collector uses it.
    pub fn open(
        state_dir: &Path,
        bounds: Bounds,
        instances: &[&str],
        catalog: &Arc<Catalog>,
        hostname: &str,
    ) -> Result<Self> {
        make_private_dir(state_dir)?;
        let lock = lock_directory(state_dir)?;
        let before = state_dir.join(SPOOL_OF_BEFORE);
        let opening = Opening {
            state_dir: state_dir.to_owned(),
            bounds: Mutex::new(bounds),
            quota: Arc::new(Quota::new(bounds.max_bytes)),
            catalog: Mutex::new(Arc::clone(catalog)),
            hostname: hostname.to_owned(),
            clock: Clock::here(),
            processes: Processes::read(state_dir, Some(&before)),
        };
        let of_before = if before.is_dir() { Some(opening.take_over(instances)?) } else { None };
        let lanes: Vec<Lane> = of_before.into_iter().collect();
        let lanes = opening.all(instances, lanes)?;
        let lanes = Mutex::new(lanes.into_iter().map(Arc::new).collect());
        Ok(Self { opening, lanes, opened: Instant::now(), _lock: Some(lock) })
    }

    /// Over one spool for all.
    #[must_use]
    pub fn of(state_dir: &Path, held: Shared) -> Self {
        let (opening, lane) = {
            let one = lock(&held);
            let opening = Opening {
                state_dir: state_dir.to_owned(),
                bounds: Mutex::new(one.spool.bounds()),
                quota: Arc::new(Quota::new(one.spool.max_bytes())),
                catalog: Mutex::new(Arc::clone(one.catalog())),
                hostname: String::new(),
                clock: one.clock().clone(),
                processes: Processes::read(state_dir, None),
            };
            let folder = state_dir.to_owned();
            let (drains, seen) = (AtomicBool::new(false), Mutex::default());
            let lane = Lane {
                instance: String::new(),
                drains,
                id: None,
                folder,
                seen,
                went_on: None,
                held: Arc::clone(&held),
            };
            (opening, lane)
        };
        Self { opening, lanes: Mutex::new(vec![Arc::new(lane)]), opened: Instant::now(), _lock: None }
    }

    /// From here on these instances are watched: what others wrote is delivered and removed.
    ///
    /// # Errors
    /// When a spool cannot be made; then nothing has changed but that there may be more of them.
    pub fn assign(&self, instances: &[&str]) -> Result<()> {
        let mut lanes = self.lock();
        let mut list = read_list(&self.opening.state_dir).unwrap_or_default();
        let is_of = |lane: &Arc<Lane>, instance: &str| lane.id.is_some() && lane.instance == instance;
        for instance in instances {
            if lanes.iter().any(|lane| is_of(lane, instance)) {
                continue;
            }
            let lane = self.opening.make(instance, false)?;
            list.extend(lane.id.map(|id| Listed { id, instance: (*instance).to_owned() }));
            write_list(&self.opening.state_dir, &list)?;
            lanes.push(Arc::new(lane));
        }
        for lane in lanes.iter().filter(|lane| lane.id.is_some()) {
            lane.drains.store(!instances.contains(&lane.instance.as_str()), Ordering::Release);
        }
        Ok(())
    }

    /// Bounds all of them otherwise from here on.
    pub fn bound(&self, bounds: Bounds) {
        *self.opening.bounds.lock().unwrap_or_else(PoisonError::into_inner) = bounds;
        self.opening.quota.set(bounds.max_bytes);
        self.all().iter().for_each(|lane| lock(&lane.held).spool.bound(bounds));
    }

    /// What is read is read by another catalogue from here on.
    pub fn learn(&self, catalog: &Arc<Catalog>) {
        *self.opening.catalog.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(catalog);
        self.all().iter().for_each(|lane| lock(&lane.held).learn(catalog));
    }

    /// All of them; that of a version before comes first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Lane>> {
        self.lock().clone()
    }

    /// That of an instance.
    #[must_use]
    pub fn lane_of(&self, instance: &str) -> Option<Arc<Lane>> {
        self.lock().iter().find(|lane| !lane.drains() && lane.instance == instance).map(Arc::clone)
    }

    /// How long ago they were opened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Compares a lane with what the server knows of it. Where the spool for all is an older one than what the server
    /// has, so is what went on from it, and gives up the same before that is noted.
    ///
    /// # Errors
    /// When that cannot be written down: then nothing of the lane may be sent.
    pub fn compare(&self, lane: &Lane, mut server: ServerKnows) -> Result<()> {
        if let Some(went_on_now) = lane.went_on {
            // What was delivered from those that went on from it is newer, and known.
            server.last_epoch = server.last_epoch.filter(|_| went_on_now);
            let older = lock(&lane.held).is_older(server);
            if let Some(older) = older {
                for other in self.all().iter().filter(|other| !other.is_of_before()) {
                    let mut held = lock(&other.held);
                    held.move_on(None, older)?;
                    held.checkpoint()?;
                }
            }
        }
        lock(&lane.held).compare(server)
    }

    /// The directory with all that outlives the process.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.opening.state_dir
    }

    /// How all stand together.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        for one in self.all().iter().map(|lane| lane.standing()) {
            standing.instances += one.instances;
            standing.records += one.records;
            standing.bytes += one.bytes;
            standing.max_bytes = standing.max_bytes.max(one.max_bytes);
            standing.unspooled_cycles += one.unspooled_cycles;
            let troubles = standing.trouble.take().into_iter().chain(one.trouble);
            standing.trouble = troubles.min_by_key(|trouble| trouble.since_us);
        }
        standing
    }

    /// Keeps all within their bounds, and removes what nobody writes to any more.
    pub fn tidy(&self) {
        for lane in self.all() {
            let Some(mut held) = lane.try_lock() else { continue };
            let now_us = held.clock().now_us();
            let expired = if lane.drains() { held.spool.expire(now_us) } else { Ok(()) };
            if let Err(error) = expired.and_then(|()| held.spool.shrink()) {
                tracing::warn!(%error, spool.dir = %lane.folder.display(), "a spool is not kept within its bounds");
            }
        }
        self.remove_delivered();
    }

    /// Removes what nobody writes to and all is delivered of.
    fn remove_delivered(&self) {
        let is_over = |lane: &mut Arc<Lane>| lane.drains() && lane.try_lock().is_some_and(|mut held| held.is_over());
        let over: Vec<Arc<Lane>> = self.lock().extract_if(.., |lane| is_over(lane)).collect();
        for lane in over {
            tracing::info!(spool.dir = %lane.folder.display(), "what nobody writes to any more is delivered and removed");
            if let Err(error) = fs::remove_dir_all(&lane.folder) {
                tracing::warn!(%error, spool.dir = %lane.folder.display(), "a spool that is delivered is not removed");
            }
            let is_its = |listed: &Listed| lane.folder.ends_with(listed.id.to_string());
            let state_dir = &self.opening.state_dir;
            let mut list = read_list(state_dir).unwrap_or_default();
            if list.extract_if(.., |listed| is_its(listed)).count() > 0
                && let Err(error) = write_list(state_dir, &list)
            {
                tracing::warn!(error = format!("{error:#}"), "that a spool is removed is not on disk");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opening {
    /// A spool for an instance that has none; one that had one lost it.
    fn make(&self, instance: &str, was_there: bool) -> Result<Lane> {
        let id = Uuid::now_v7();
        let folder = self.state_dir.join(FOLDER).join(id.to_string());
        make_private_dir(&folder)?;
        let held = self.held(&folder, was_there)?.in_lane(id);
        Ok(Lane::new(Some(instance), held, folder))
    }

    fn held(&self, folder: &Path, was_delivered: bool) -> Result<Held> {
        let catalog = Arc::clone(&self.catalog.lock().unwrap_or_else(PoisonError::into_inner));
        let hostname = self.hostname.clone();
        let bounds = *self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        let held = Held::open_expecting(folder, bounds, catalog, hostname, was_delivered)?;
        let held = held.with_clock(self.clock.clone()).with_processes(self.processes.clone());
        Ok(held.within(Arc::clone(&self.quota)))
    }

    /// The spool that was for all instances. Where there are no others yet, the baselines of each instance begin one:
    /// all of them appear at once, so that a start that breaks off begins anew.
    fn take_over(&self, instances: &[&str]) -> Result<Lane> {
        let mut old = self.held(&self.state_dir, was_delivered(&self.state_dir))?;
        let (folder, new) = (self.state_dir.join(FOLDER), self.state_dir.join(NEW_FOLDER));
        let spool = self.state_dir.join(SPOOL_OF_BEFORE);
        // Without the mark nothing went on from these baselines.
        let is_first = !spool.join(TAKEN_OVER).exists();
        if is_first && !folder.exists() {
            if new.exists() {
                fs::remove_dir_all(&new).with_context(|| format!("remove {}", new.display()))?;
            }
            let mut listed = Vec::new();
            for instance in instances {
                let id = Uuid::now_v7();
                let lane = new.join(id.to_string());
                make_private_dir(&lane)?;
                let mut held = self.held(&lane, false)?;
                held.go_on_from(&old, instance)?;
                sync_dir(&lane)?;
                listed.push(Listed { id, instance: (*instance).to_owned() });
            }
            make_private_dir(&new)?;
            sync_dir(&new)?;
            write_list(&self.state_dir, &listed)?;
        }
        if is_first {
            write_durably(&spool, TAKEN_OVER, b"").context("note that the spool is taken over")?;
        }
        if new.exists() && !folder.exists() {
            fs::rename(&new, &folder).with_context(|| format!("rename {}", new.display()))?;
            sync_dir(&self.state_dir)?;
            tracing::info!(
                spool.records = old.spool.pending_len(),
                "there is a spool for each instance from here on; the one for all is delivered and removed"
            );
        }
        if !is_first {
            old.leave_baselines();
        }
        let mut lane = Lane::new(None, old, spool);
        lane.went_on = Some(is_first);
        Ok(lane)
    }

    /// These and the spools of instances, which begin as that of before does where they go on from it.
    fn all(&self, instances: &[&str], mut lanes: Vec<Lane>) -> Result<Vec<Lane>> {
        let root = self.state_dir.join(FOLDER);
        make_private_dir(&root)?;
        let list = read_list(&self.state_dir);
        let was_made: BTreeSet<String> = list.iter().flatten().map(|listed| listed.instance.clone()).collect();
        let mut named: BTreeMap<Uuid, String> =
            list.iter().flatten().map(|listed| (listed.id, listed.instance.clone())).collect();
        // Without the list nobody knows what there was.
        let knows_nothing = list.is_none() && was_delivered(&self.state_dir);
        let mut wanted: BTreeSet<&str> = instances.iter().copied().collect();
        for id in folders(&root)? {
            let folder = root.join(id.to_string());
            let instance = named.get(&id).filter(|name| wanted.remove(name.as_str()));
            let is_removed = !folder.join("spool").exists();
            let held = self.held(&folder, is_removed)?.in_lane(id);
            lanes.push(Lane::new(instance.map(String::as_str), held, folder));
        }
        named.retain(|id, _| root.join(id.to_string()).exists());
        for instance in wanted {
            let lane = self.make(instance, knows_nothing || was_made.contains(instance))?;
            named.extend(lane.id.map(|id| (id, instance.to_owned())));
            lanes.push(lane);
        }
        // Behind the folders: one that is not listed is nobody's, and nothing was written to it.
        let listed: Vec<Listed> = named.into_iter().map(|(id, instance)| Listed { id, instance }).collect();
        write_list(&self.state_dir, &listed)?;
        if let Some(old) = lanes.first().filter(|lane| lane.is_of_before()) {
            let mut old = lock(&old.held);
            for lane in lanes.iter().filter(|lane| !lane.drains()) {
                lock(&lane.held).begin_as(&old);
            }
            old.leave_baselines();
        }
        Ok(lanes)
    }
}

fn lock_directory(state_dir: &Path) -> Result<Flock<File>> {
    let path = state_dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| anyhow::anyhow!("{} is in use by another collector", state_dir.display()))
}

/// The folders of lanes, the oldest first.
fn folders(root: &Path) -> Result<Vec<Uuid>> {
    let entries = fs::read_dir(root).with_context(|| format!("list {}", root.display()))?;
    let mut ids: Vec<Uuid> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// What was made; none where that is not known.
fn read_list(state_dir: &Path) -> Option<Vec<Listed>> {
    let bytes = fs::read(state_dir.join(LIST)).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(
            |error| tracing::warn!(%error, "{LIST} is not understood: what it named is delivered, and begins anew"),
        )
        .ok()
}

fn write_list(state_dir: &Path, listed: &[Listed]) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(listed).context("write down which spools there are")?;
    write_durably(state_dir, LIST, &bytes).with_context(|| format!("write {LIST}"))
}
