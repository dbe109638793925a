//! Who may start and stop the private cluster of a data directory: one owner at a time, and guests meanwhile.
//!
//! A server is the owner for as long as it runs; a command is a guest of it, and the owner where no server runs. Both
//! are locks on files (flock), which end with their process, however it ends; the process id in the file is for
//! people. The owner lets its guests finish before it stops the cluster.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Locked by the owner, and says who that is.
pub(crate) const OWNER: &str = "server.lock";
/// Locked by each guest, shared.
pub(crate) const GUESTS: &str = "guests.lock";
/// How long an owner that stops waits for its guests.
const GUESTS_MAY_TAKE: Duration = Duration::from_secs(15);
/// How often a lock is tried.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Owns the private cluster of a data directory as long as it lives.
#[derive(Debug)]
pub struct Owner {
    data_dir: PathBuf,
    _lock: Flock<File>,
}

/// Uses the private cluster of another process's data directory as long as it lives.
#[derive(Debug)]
pub(super) struct Guest(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

/// The process that owns a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Occupant(String);

impl Display for Occupant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = self.0.split_whitespace();
        let (pid, host) = (words.next().unwrap_or("of unknown id"), words.next().unwrap_or_default());
        write!(formatter, "process {pid}")?;
        // On another machine or in another container the id names somebody else here.
        if !host.is_empty() && host != host_name() { write!(formatter, " of host {host}") } else { Ok(()) }
    }
}

/// Takes a data directory, which must exist; says who has it.
///
/// # Errors
/// When its lock file cannot be opened or locked.
pub(crate) fn claim(data_dir: &Path) -> anyhow::Result<Result<Owner, Occupant>> {
    let path = data_dir.join(OWNER);
    match try_lock(&path, FlockArg::LockExclusiveNonblock)? {
        Ok(mut lock) => {
            let said = lock.set_len(0).and_then(|()| lock.rewind());
            said.and_then(|()| writeln!(lock, "{} {}", std::process::id(), host_name()))
                .with_context(|| format!("write {}", path.display()))?;
            Ok(Ok(Owner { data_dir: data_dir.to_path_buf(), _lock: lock }))
        }
        Err(mut file) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            Ok(Err(Occupant(text)))
        }
    }
}

/// Becomes a guest; `None` when the owner is about to stop.
///
/// # Errors
/// When the lock file cannot be opened or locked.
pub(super) fn visit(data_dir: &Path) -> anyhow::Result<Option<Guest>> {
    Ok(try_lock(&data_dir.join(GUESTS), FlockArg::LockSharedNonblock)?.ok().map(Guest))
}

impl Owner {
    /// Waits until no guest is left, and lets no new one in while the answer lives. Blocks.
    pub(super) fn see_guests_off(&self) -> Option<Flock<File>> {
        let path = self.data_dir.join(GUESTS);
        let deadline = Instant::now() + GUESTS_MAY_TAKE;
        loop {
            match try_lock(&path, FlockArg::LockExclusiveNonblock) {
                Ok(Ok(lock)) => return Some(lock),
                Ok(Err(_)) if Instant::now() < deadline => pause(),
                Ok(Err(_)) => {
                    tracing::warn!(path = %path.display(), "a command still uses the store and loses it");
                    return None;
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "commands that use the store are not waited for");
                    return None;
                }
            }
        }
    }
}

/// Waits a moment for another process.
#[expect(clippy::disallowed_methods, reason = "a lock of another process: there is nothing else to wait on")]
pub(super) fn pause() {
    std::thread::sleep(LOOK_EVERY);
}

fn try_lock(path: &Path, how: FlockArg) -> anyhow::Result<Result<Flock<File>, File>> {
    let file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    match Flock::lock(file, how) {
        Ok(lock) => Ok(Ok(lock)),
        Err((file, Errno::EWOULDBLOCK)) => Ok(Err(file)),
        Err((_, error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

/// The name of this machine.
pub(super) fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owns_and_others_visit_until_the_owner_sees_them_off() {
        let folder = tempfile::tempdir().unwrap();
        let owner = claim(folder.path()).unwrap().unwrap();
        let occupant = claim(folder.path()).unwrap().unwrap_err();
        assert_eq!(occupant.to_string(), format!("process {}", std::process::id()));
        let (one, two) = (visit(folder.path()).unwrap().unwrap(), visit(folder.path()).unwrap().unwrap());
        drop((one, two));
        let closed = owner.see_guests_off().unwrap();
        assert!(visit(folder.path()).unwrap().is_none(), "nobody comes in while it stops");
        drop((closed, owner));
        claim(folder.path()).unwrap().unwrap();
    }

    #[test]
    fn an_owner_of_another_host_is_named_with_it() {
        assert_eq!(Occupant("7 elsewhere\n".to_owned()).to_string(), "process 7 of host elsewhere");
        assert_eq!(Occupant(String::new()).to_string(), "process of unknown id");
    }
}
