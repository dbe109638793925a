//! The demo's directory: whose it is, that one demo alone uses it, its secrets, and starting over.
//!
//! ```text
//! <directory>/pganalytics-demo   marks the directory, holds the process id, and is locked while a demo runs
//!            /primary  /standby  /server   the clusters' places      /collector  its state
//!            /password  /registration-secret  /collector.toml  readable by their owner alone
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cluster::{Cluster, ClusterOptions, Mode};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rand::Rng as _;
use rand::distr::Alphanumeric;

use super::collector_process;

/// Marks a directory as a demo's, and is locked while one runs.
const MARK: &str = "pganalytics-demo";

/// Letters and digits of a secret: 142 bits.
const SECRET_LENGTH: usize = 24;

/// How long a leftover cluster may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A directory that this demo alone uses, as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Directory {
    /// Where a demo's data lies when nothing is said.
    pub(super) fn default_path() -> Result<PathBuf> {
        if nix::unistd::geteuid().is_root() {
            return Ok(PathBuf::from("/var/lib/pganalytics/demo"));
        }
        let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
        Ok(data.context("find the user's data directory: set HOME, or give --data-dir")?.join("pganalytics/demo"))
    }

    /// Makes the directory or takes the one that an earlier demo made.
    ///
    /// # Errors
    /// It belongs to something else, or another demo is using it.
    pub(super) fn claim(path: &Path) -> Result<Self> {
        // The account that runs PostgreSQL for root must be able to pass; what is secret is closed on its own.
        let mode = if nix::unistd::geteuid().is_root() { 0o755 } else { 0o700 };
        let made = DirBuilder::new().recursive(true).mode(mode).create(path);
        made.with_context(|| format!("make the demo's directory {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("open {}", path.display()))?;
        let mark = path.join(MARK);
        let empty = fs::read_dir(&path).with_context(|| format!("list {}", path.display()))?.next().is_none();
        if !empty && !mark.exists() {
            bail!("{} is not empty and no demo made it: choose another directory with --data-dir", path.display());
        }
        let file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&mark);
        let file = file.with_context(|| format!("open {}", mark.display()))?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                bail!(
                    "another demo (process {}) is using {}: stop it first, or give this one a directory of its own \
                     with --data-dir",
                    owner.trim(),
                    path.display()
                );
            }
            Err((_, error)) => return Err(error).with_context(|| format!("lock {}", mark.display())),
        };
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .with_context(|| format!("write {}", mark.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// A place in it.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A secret that was made once and is kept, with the file that holds it.
    pub(super) fn secret(&self, name: &str) -> Result<(String, PathBuf)> {
        let path = self.place(name);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok((text.trim().to_owned(), path)),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("read {}", path.display()));
            }
            _ => {}
        }
        let secret: String = rand::rng().sample_iter(Alphanumeric).take(SECRET_LENGTH).map(char::from).collect();
        write_private(&path, &secret)?;
        Ok((secret, path))
    }

    /// Stops what an earlier demo left running here, and deletes everything but the mark.
    pub(super) async fn clear(&self) -> Result<()> {
        collector_process::stop_leftover(self).await?;
        for cluster in self.clusters()? {
            Cluster::stop_in(&cluster, Mode::Fast, STOP_LIMIT)
                .with_context(|| format!("stop the leftover cluster in {}", cluster.display()))?;
            // Also takes its socket's directory away; without binaries of its major the files alone have to do.
            if let Ok(mut cluster) = Cluster::open(ClusterOptions::new(&cluster)) {
                cluster.remove().context("remove an earlier demo's cluster")?;
            }
        }
        for entry in fs::read_dir(&self.path).context("list the demo's directory")? {
            let entry = entry.context("list the demo's directory")?;
            if entry.file_name() == MARK {
                continue;
            }
            let path = entry.path();
            let directory = entry.file_type().context("look into the demo's directory")?.is_dir();
            let removed = if directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("remove {}", path.display()))?;
        }
        Ok(())
    }

    /// The clusters below it: its own places, or one further down (the server's store).
    fn clusters(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).context("list the demo's directory")? {
            let place = entry.context("list the demo's directory")?.path();
            let below = fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path());
            found.extend(std::iter::once(place.clone()).chain(below).filter(|path| path.join("PG_VERSION").exists()));
        }
        Ok(found)
    }
}

/// Writes a file that its owner alone can read.
pub(super) fn write_private(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("clear an old file"),
        _ => {}
    }
    let file = File::options().create_new(true).write(true).mode(0o600).open(&fresh);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.with_context(|| format!("write {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_other_things_in_it_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("letters"), "dear").unwrap();
        let refused = Directory::claim(directory.path()).unwrap_err().to_string();
        assert!(refused.contains("no demo made it"), "{refused}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn one_demo_at_a_time_and_its_secrets_stay() {
        let directory = tempfile::tempdir().unwrap();
        let claimed = Directory::claim(directory.path()).unwrap();
        let (first, file) = claimed.secret("password").unwrap();
        let refused = Directory::claim(directory.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(claimed);
        let again = Directory::claim(directory.path()).unwrap();
        assert_eq!(again.secret("password").unwrap().0, first);
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions()) & 0o777, 0o600);
        again.clear().await.unwrap();
        assert_ne!(again.secret("password").unwrap().0, first);
    }
}
