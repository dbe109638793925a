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
//! delivered and then removed; should the instance come back, so does the id, with a later epoch: by that an older copy
//! of the directory is known.

use std::collections::BTreeSet;
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
use crate::state::{Held, Older, Processes, ServerKnows, Shared, Trouble, lock, make_private_dir, was_delivered};

const FOLDER: &str = "instances";
const NEW_FOLDER: &str = "instances.new";
const SPOOL_OF_BEFORE: &str = "spool";
/// In a spool for all: its baselines have gone to those of instances.
const TAKEN_OVER: &str = "taken-over";
const LIST: &str = "lanes.json";
/// Behind the name of what is being removed: what a crash leaves of it is no spool.
const GONE: &str = "gone";

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
    /// Whether it was delivered and removed.
    #[serde(default)]
    is_over: bool,
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
    fn new(instance: &str, drains: bool, held: Held, folder: PathBuf) -> Self {
        let (instance, drains, id) = (instance.to_owned(), AtomicBool::new(drains), held.lane());
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
        let lanes = opening.all(instances, of_before)?;
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
        for instance in instances {
            if lanes.iter().any(|lane| lane.id.is_some() && lane.instance == *instance) {
                continue;
            }
            let id = enlist(&mut list, instance);
            let lane = self.opening.make(id, instance, false)?;
            // What is made now has no past that could be older than what the server has.
            lock(&lane.held).begins_now();
            write_list(&self.opening.state_dir, &list)?;
            lanes.push(Arc::new(lane));
        }
        let newest = |instance: &str| lanes.iter().filter(|lane| lane.instance == instance).map(|lane| lane.id).max();
        for lane in lanes.iter().filter(|lane| lane.id.is_some()) {
            let is_wanted = instances.contains(&lane.instance.as_str()) && newest(&lane.instance) == Some(lane.id);
            lane.drains.store(!is_wanted, Ordering::Release);
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
    /// has, so is what went on from it; where another process delivers from a copy, it does so of all. They give up the
    /// same before that is noted.
    ///
    /// # Errors
    /// When that cannot be written down: then nothing of the lane may be sent.
    pub fn compare(&self, lane: &Lane, mut server: ServerKnows) -> Result<()> {
        if let Some(went_on_now) = lane.went_on {
            // What was delivered from those that went on from it is newer, and known.
            server.last_epoch = server.last_epoch.filter(|_| went_on_now);
        }
        let older = lock(&lane.held).is_older(server);
        let holds_for_all = older == Some(Older::Shared) || older.is_some() && lane.is_of_before();
        if let Some(older) = older.filter(|_| holds_for_all) {
            for other in self.all().iter().filter(|other| other.folder != lane.folder) {
                lock(&other.held).follow(older)?;
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
            let covered = if held.spool.must_checkpoint(0) { held.checkpoint() } else { Ok(()) };
            let kept = expired.map_err(Into::into).and(covered).and_then(|()| Ok(held.spool.shrink()?));
            if let Err(error) = kept {
                let error = format!("{error:#}");
                tracing::warn!(error, spool.dir = %lane.folder.display(), "a spool is not kept within its bounds");
            }
        }
        self.remove_delivered();
        if let Some(lane) = self.all().iter().find(|lane| lane.is_of_before())
            && let Some(held) = lane.try_lock()
            && let Err(error) = mark(&lane.folder, &held)
        {
            tracing::warn!(error = format!("{error:#}"), "how far the spool of before goes is not on disk");
        }
    }

    /// Removes what nobody writes to and all is delivered of.
    fn remove_delivered(&self) {
        // It may write, and nobody is to wait for that who asks for another lane.
        let is_over = |lane: &Arc<Lane>| lane.drains() && lane.try_lock().is_some_and(|mut held| held.is_over());
        let over: Vec<Arc<Lane>> = self.all().into_iter().filter(is_over).collect();
        for lane in over {
            {
                let mut lanes = self.lock();
                // It may have come back meanwhile.
                if !lane.drains() {
                    continue;
                }
                lanes.retain(|other| !Arc::ptr_eq(other, &lane));
            }
            tracing::info!(spool.dir = %lane.folder.display(), "what nobody writes to any more is delivered and removed");
            if let Err(error) = remove(&lane.folder) {
                let error = format!("{error:#}");
                tracing::warn!(error, spool.dir = %lane.folder.display(), "a spool that is delivered is not removed");
            }
            let state_dir = &self.opening.state_dir;
            let mut list = read_list(state_dir).unwrap_or_default();
            let its = list.iter_mut().filter(|listed| Some(listed.id) == lane.id);
            if its.map(|listed| listed.is_over = true).count() > 0
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
    fn make(&self, id: Uuid, instance: &str, was_there: bool) -> Result<Lane> {
        let folder = self.state_dir.join(FOLDER).join(id.to_string());
        make_private_dir(&folder)?;
        let held = self.held(&folder, was_there)?.in_lane(id);
        Ok(Lane::new(instance, false, held, folder))
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
    /// all of them appear at once, so that a start that breaks off begins anew. Also whether that spool went on after
    /// others had gone on from it: then these have counted the same.
    fn take_over(&self, instances: &[&str]) -> Result<(Lane, bool)> {
        let mut old = self.held(&self.state_dir, was_delivered(&self.state_dir))?;
        let (folder, new) = (self.state_dir.join(FOLDER), self.state_dir.join(NEW_FOLDER));
        let spool = self.state_dir.join(SPOOL_OF_BEFORE);
        // Without the mark nothing went on from these baselines. With one that is not of what is there now, a version of
        // before went on from them itself.
        let marked = fs::read_to_string(spool.join(TAKEN_OVER)).ok();
        let is_first = marked.is_none();
        let is_overtaken = marked.map_or(folder.exists(), |marked| marked != standing(&old));
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
                listed.push(Listed { id, instance: (*instance).to_owned(), is_over: false });
            }
            make_private_dir(&new)?;
            sync_dir(&new)?;
            write_list(&self.state_dir, &listed)?;
        }
        if is_first && !is_overtaken {
            mark(&spool, &old)?;
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
        let mut lane = Lane::new("", true, old, spool);
        lane.went_on = Some(is_first && !is_overtaken);
        Ok((lane, is_overtaken))
    }

    /// The spools of instances. Those that go on from a spool for all begin as it does, and where it went on itself
    /// they give up what both may have counted.
    fn all(&self, instances: &[&str], of_before: Option<(Lane, bool)>) -> Result<Vec<Lane>> {
        let root = self.state_dir.join(FOLDER);
        make_private_dir(&root)?;
        remove_rests(&self.state_dir);
        remove_rests(&root);
        let list = read_list(&self.state_dir);
        // Without the list nobody knows what there was.
        let knows_nothing = list.is_none() && was_delivered(&self.state_dir);
        let mut list = list.unwrap_or_default();
        let mut wanted: BTreeSet<&str> = instances.iter().copied().collect();
        let (mut lanes, mut unusable) = (Vec::new(), BTreeSet::new());
        // The newest of a name is its.
        for id in folders(&root)?.into_iter().rev() {
            let folder = root.join(id.to_string());
            let instance = list.iter().find(|listed| listed.id == id).map_or("", |listed| listed.instance.as_str());
            let is_removed = !folder.join("spool").exists();
            match self.held(&folder, is_removed) {
                Ok(held) => lanes.push(Lane::new(instance, !wanted.remove(instance), held.in_lane(id), folder)),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, instance.name = instance, "a spool cannot be used, and is left as it is");
                    unusable.insert(instance.to_owned());
                    list.retain(|listed| listed.id != id);
                }
            }
        }
        for instance in wanted {
            let was_made =
                unusable.contains(instance) || list.iter().any(|listed| listed.instance == instance && !listed.is_over);
            let id = enlist(&mut list, instance);
            lanes.push(self.make(id, instance, knows_nothing || was_made)?);
        }
        // Behind the folders: one that is not listed is nobody's, and nothing was written to it.
        write_list(&self.state_dir, &list)?;
        let Some((old, is_overtaken)) = of_before else { return Ok(lanes) };
        {
            let mut held = lock(&old.held);
            for lane in lanes.iter().filter(|lane| !lane.drains()) {
                lock(&lane.held).begin_as(&held);
            }
            held.leave_baselines();
            if is_overtaken {
                tracing::error!(
                    "a version of before went on from the spool for all: what was read beside it is given up"
                );
                for lane in &lanes {
                    lock(&lane.held).follow(Older::Shared)?;
                }
            }
            mark(&old.folder, &held)?;
        }
        lanes.insert(0, old);
        Ok(lanes)
    }
}

/// The id of an instance's lane, which is listed from here on: the one that it had last, where it has none now.
fn enlist(list: &mut Vec<Listed>, instance: &str) -> Uuid {
    if let Some(last) = list.iter_mut().filter(|listed| listed.instance == instance).max_by_key(|listed| listed.id) {
        last.is_over = false;
        return last.id;
    }
    let id = Uuid::now_v7();
    list.push(Listed { id, instance: instance.to_owned(), is_over: false });
    id
}

/// How far a spool goes, as it stands in the mark.
fn standing(held: &Held) -> String {
    format!("{} {}", held.spool.epoch(), held.spool.next_sequence())
}

/// Notes that other spools went on from this one, and how far it goes.
fn mark(spool: &Path, held: &Held) -> Result<()> {
    let standing = standing(held);
    if fs::read_to_string(spool.join(TAKEN_OVER)).is_ok_and(|marked| marked == standing) {
        return Ok(());
    }
    write_durably(spool, TAKEN_OVER, standing.as_bytes()).context("note that the spool is taken over")
}

/// Removes a folder so that no part of it is ever taken for one.
fn remove(folder: &Path) -> Result<()> {
    let gone = folder.with_extension(GONE);
    fs::rename(folder, &gone).with_context(|| format!("rename {}", folder.display()))?;
    folder.parent().map_or(Ok(()), sync_dir)?;
    fs::remove_dir_all(&gone).with_context(|| format!("remove {}", gone.display()))
}

/// Removes what is left of folders whose removal broke off.
fn remove_rests(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == GONE)
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(%error, path = %path.display(), "what is left of a spool is not removed");
        }
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
/// The instances that have a lane.
pub(crate) fn watched(state_dir: &Path) -> Vec<String> {
    let listed = read_list(state_dir).unwrap_or_default();
    listed.into_iter().filter(|listed| !listed.is_over).map(|listed| listed.instance).collect()
}

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
