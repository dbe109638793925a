//! One cluster on disk: made, copied, opened, removed, and how to reach it.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::command;
use crate::error::{Error, io};
use crate::lifecycle::Mode;
use crate::options::ClusterOptions;
use crate::{postmaster, settings, socket};

/// A private PostgreSQL cluster. Dropping it leaves the postmaster running, unless it is a throw-away.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) options: ClusterOptions,
    pub(crate) binaries: Binaries,
    pub(crate) account: Account,
    /// Absolute, without links: compared with what processes say of themselves.
    pub(crate) data: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) port: u16,
    /// The postmaster, if this handle started it: kept to be waited for.
    pub(crate) child: Option<Child>,
}

impl Cluster {
    /// Makes a cluster: UTF-8, locale C, data checksums. An interrupted attempt leaves nothing at the data directory.
    ///
    /// # Errors
    /// Binaries or account are missing, the directory is taken or out of reach, or initdb fails.
    pub fn create(options: ClusterOptions) -> Result<Self, Error> {
        let binaries = options.binaries.clone().map_or_else(|| Binaries::find(None), Ok)?;
        Self::build(options, binaries, |account, binaries, options, fresh| {
            let mut arguments = vec!["--encoding=UTF8", "--locale=C", "--auth=trust", "--data-checksums", "--username"];
            arguments.push(&options.superuser);
            if options.throw_away {
                arguments.push(if binaries.major() < 10 { "--nosync" } else { "--no-sync" });
            }
            let directory = fresh.to_string_lossy();
            arguments.extend(["--pgdata", &directory]);
            command::run(account, &binaries.program("initdb"), fresh, arguments)
        })
    }

    /// Makes a cluster as a copy of the data directory of one that is stopped; its system identifier is the same.
    ///
    /// # Errors
    /// As [`Cluster::create`]; the source holds no cluster, or is running.
    pub fn copy_of(source: &Path, options: ClusterOptions) -> Result<Self, Error> {
        let binaries = binaries_for(source, options.binaries.clone())?;
        Self::build(options, binaries, |account, _, _, fresh| {
            let contents = source.join(".");
            let arguments = [Path::new("-a").as_os_str(), contents.as_os_str(), fresh.as_os_str()];
            command::run(account, Path::new("/bin/cp"), fresh, arguments)
        })
    }

    /// Opens the cluster in an existing directory.
    ///
    /// # Errors
    /// There is none, or no binaries of its major.
    pub fn open(options: ClusterOptions) -> Result<Self, Error> {
        let binaries = binaries_for(&options.data_dir, options.binaries.clone())?;
        let account = Account::current()?;
        let data = options.data_dir.canonicalize().map_err(io("open", &options.data_dir))?;
        Ok(Self::assemble(options, binaries, account, data))
    }

    /// Opens the cluster, or makes it when the directory is missing or empty.
    ///
    /// # Errors
    /// As [`Cluster::open`] and [`Cluster::create`].
    pub fn open_or_create(options: ClusterOptions) -> Result<Self, Error> {
        if options.data_dir.join("PG_VERSION").exists() { Self::open(options) } else { Self::create(options) }
    }

    /// Lets `fill` make the contents beside the data directory, and moves them there when they are whole.
    pub(crate) fn build(
        options: ClusterOptions,
        binaries: Binaries,
        fill: impl FnOnce(&Account, &Binaries, &ClusterOptions, &Path) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let account = Account::current()?;
        let path = &options.data_dir;
        if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::AlreadyExists { path: path.clone() });
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(io("create", parent))?;
        let parent = parent.canonicalize().map_err(io("open", parent))?;
        account.reaches(&parent)?;
        let name = path.file_name().ok_or_else(|| Error::NotACluster { path: path.clone() })?;
        let data = parent.join(name);
        let fresh = beside(&data, ".new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(io("remove", &fresh))?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(&fresh).map_err(io("create", &fresh))?;
        account.give(&fresh)?;
        fill(&account, &binaries, &options, &fresh)?;
        settings::include(&fresh)?;
        settings::write_access(&account, &fresh, options.listen.is_some(), &binaries)?;
        std::fs::rename(&fresh, &data).map_err(io("create", &data))?;
        Ok(Self::assemble(options, binaries, account, data))
    }

    fn assemble(options: ClusterOptions, binaries: Binaries, account: Account, data: PathBuf) -> Self {
        let socket = options.socket_dir.clone().unwrap_or_else(|| socket::default_directory(&data));
        let port = options.listen.as_ref().map_or(options.port, |(_, port)| *port);
        let mut cluster = Self { options, binaries, account, data, socket, port, child: None };
        if let Some(lock) = postmaster::live(&cluster.data) {
            cluster.take_over(&lock);
        }
        cluster
    }

    /// Stops at once and deletes data, log and socket directory.
    ///
    /// # Errors
    /// It does not stop, or a file stays.
    pub fn remove(&mut self) -> Result<(), Error> {
        self.stop(Mode::Immediate)?;
        for directory in [&self.data, &self.socket] {
            absent(std::fs::remove_dir_all(directory)).map_err(io("remove", directory))?;
        }
        for file in [self.log_file(), beside(&self.data, ".log.old")] {
            absent(std::fs::remove_file(&file)).map_err(io("remove", &file))?;
        }
        Ok(())
    }

    /// How to connect over the socket, in libpq's keywords and values.
    #[must_use]
    pub fn dsn(&self, database: &str) -> String {
        format!(
            "host={} port={} user={} dbname={}",
            quoted(&self.socket.to_string_lossy()),
            self.port,
            quoted(&self.options.superuser),
            quoted(database)
        )
    }

    /// Whether the directory's postmaster is alive.
    #[must_use]
    pub fn is_running(&self) -> bool {
        postmaster::live(&self.data).is_some()
    }

    /// The postmaster's process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        postmaster::live(&self.data).map(|lock| lock.pid)
    }

    /// The data directory: absolute, without links.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The directory of the Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket
    }

    /// The port: in the socket's name, and on TCP when [`Cluster::listens`] says so.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address it listens on over TCP, and the port.
    #[must_use]
    pub fn listens(&self) -> Option<(&str, u16)> {
        self.options.listen.as_ref().map(|(address, _)| (address.as_str(), self.port))
    }

    /// The server log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        beside(&self.data, ".log")
    }

    /// The binaries it runs on.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The account it runs as.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The superuser's name.
    #[must_use]
    pub fn superuser(&self) -> &str {
        &self.options.superuser
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.options.throw_away
            && let Err(error) = self.remove()
        {
            tracing::warn!(error = %error, path = %self.data.display(), "a throw-away cluster is left behind");
        }
    }
}

/// The binaries for an existing directory: those given if they match, else those found.
fn binaries_for(data: &Path, given: Option<Binaries>) -> Result<Binaries, Error> {
    let file = data.join("PG_VERSION");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NotACluster { path: data.to_path_buf() });
        }
        Err(error) => return Err(io("read", file)(error)),
    };
    let (major, minor) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
        return Err(Error::NotACluster { path: data.to_path_buf() });
    };
    let Some(binaries) = given else { return Binaries::find(Some(major)) };
    if binaries.release() != (major, minor) {
        return Err(Error::WrongMajor { path: data.to_path_buf(), data: major, binaries: binaries.major() });
    }
    Ok(binaries)
}

/// `<path><suffix>`, beside the path.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A file that is not there has been removed.
fn absent(result: std::io::Result<()>) -> std::io::Result<()> {
    result.or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// A value of a connection string, quoted where libpq's syntax wants it.
fn quoted(value: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_dsn_are_quoted_when_they_must_be() {
        assert_eq!(quoted("postgres"), "postgres");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's a \\db"), "'it\\'s a \\\\db'");
    }
}
