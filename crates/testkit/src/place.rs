//! Where the tests' clusters lie: one directory of this user's, with names that tell who owns what.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};
use nix::fcntl::{Flock, FlockArg};

/// A longer temporary directory leaves no room for the sockets' paths.
const LONGEST_PARENT: usize = 40;

/// One process for good: its id can come again, but not with the same start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: i32,
    start: u64,
}

impl Owner {
    /// This process: it owns the clusters of its tests.
    pub(crate) fn this_process() -> anyhow::Result<Self> {
        Ok(Self::of(i32::try_from(std::process::id())?))
    }

    /// Who owns what all tests of a run share: the runner under nextest, which has a process per test.
    pub(crate) fn run() -> anyhow::Result<Self> {
        if std::env::var_os("NEXTEST_RUN_ID").is_some() {
            return Ok(Self::of(nix::unistd::getppid().as_raw()));
        }
        Self::this_process()
    }

    fn of(pid: i32) -> Self {
        Self { pid, start: start(pid) }
    }

    pub(crate) fn pid(self) -> i32 {
        self.pid
    }

    pub(crate) fn is_alive(self) -> bool {
        cluster::process::is_alive(self.pid) && start(self.pid) == self.start
    }

    /// The owner in a directory's name, as [`Owner::directory`] wrote it.
    pub(crate) fn in_name(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        Some(Self { pid: parts.next()?.parse().ok()?, start: parts.next()?.parse().ok()? })
    }

    /// A name that carries the owner: there is no moment at which a directory has none.
    fn name(self) -> String {
        format!("{}-{}", self.pid, self.start)
    }
}

/// When a process started; where there is no `/proc`, the pid alone has to do.
fn start(pid: i32) -> u64 {
    cluster::process::start_ticks(pid).unwrap_or(0)
}

/// The tests' directory, made when missing; others may look in, because root's clusters run as another user.
pub(crate) fn base() -> anyhow::Result<PathBuf> {
    let own = nix::unistd::geteuid().as_raw();
    let temporary = std::env::temp_dir();
    let parent = if temporary.as_os_str().len() > LONGEST_PARENT { Path::new("/tmp") } else { temporary.as_path() };
    let base = parent.join(format!("pga-test-{own}"));
    make(&base)?;
    let metadata = std::fs::symlink_metadata(&base).context("look at the tests' directory")?;
    if !metadata.is_dir() || metadata.uid() != own {
        bail!("{} belongs to somebody else", base.display());
    }
    Ok(base)
}

/// A new directory for one cluster of this process.
pub(crate) fn new_directory() -> anyhow::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = clusters(&base()?)?.join(format!("{}-{number}", Owner::this_process()?.name()));
    make(&directory)?;
    Ok(directory)
}

/// Where the clusters lie.
pub(crate) fn clusters(base: &Path) -> anyhow::Result<PathBuf> {
    let clusters = base.join("c");
    make(&clusters)?;
    Ok(clusters)
}

/// The directory of what a whole run shares.
pub(crate) fn run_directory(owner: Owner) -> anyhow::Result<PathBuf> {
    let directory = clusters(&base()?)?.join(format!("{}-run", owner.name()));
    make(&directory)?;
    Ok(directory)
}

/// An exclusive lock among processes, held until it is dropped.
pub(crate) fn lock(path: &Path) -> anyhow::Result<Flock<std::fs::File>> {
    let file = std::fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("lock a file")
}

/// The lock, if nobody has it.
pub(crate) fn try_lock(path: &Path) -> anyhow::Result<Option<Flock<std::fs::File>>> {
    let file = std::fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok())
}

fn make(directory: &Path) -> anyhow::Result<()> {
    match std::fs::DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("create {}", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_back_from_a_name_and_a_reused_pid_is_not_it() {
        let own = Owner::this_process().unwrap();
        assert_eq!(Owner::in_name(&format!("{}-7", own.name())), Some(own));
        assert!(own.is_alive());
        assert!(!Owner { start: own.start + 1, ..own }.is_alive());
        assert_eq!(Owner::in_name("lost+found"), None);
    }
}
