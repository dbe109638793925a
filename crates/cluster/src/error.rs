//! What can go wrong with a private cluster, each with the words that help: the log's tail, what to install.

use std::path::PathBuf;

/// The command that installs a server and its contrib extensions on Debian and Ubuntu.
pub(crate) const INSTALL_HINT: &str = "apt-get install postgresql postgresql-contrib";

/// A failure to find, make, start or stop a private cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No PostgreSQL server binaries on this machine.
    #[error("no PostgreSQL server binaries found (looked in {searched}); install them: {INSTALL_HINT}")]
    NoBinaries {
        /// Where was looked.
        searched: String,
    },
    /// Binaries exist, but not of the major that is wanted.
    #[error(
        "PostgreSQL {major} is wanted, but this machine has {found}; install it: \
         apt-get install postgresql-{major} (or {INSTALL_HINT} for Debian's own major)"
    )]
    MissingMajor {
        /// The major that is wanted.
        major: u32,
        /// The majors that are here, for reading.
        found: String,
    },
    /// A data directory made by one major, binaries of another.
    #[error(
        "{path} belongs to PostgreSQL {data}, but the binaries are of {binaries}; \
         install postgresql-{data} or use another data directory"
    )]
    WrongMajor {
        /// The data directory.
        path: PathBuf,
        /// The major in `PG_VERSION`.
        data: u32,
        /// The binaries' major.
        binaries: u32,
    },
    /// The directory exists, but holds no cluster.
    #[error("{path} is not a PostgreSQL data directory (no PG_VERSION in it)")]
    NotACluster {
        /// The directory.
        path: PathBuf,
    },
    /// A cluster is to be made where something already is.
    #[error("{path} exists and is not empty")]
    AlreadyExists {
        /// The directory.
        path: PathBuf,
    },
    /// Root without an account that may run PostgreSQL.
    #[error(
        "PostgreSQL refuses to run as root, and there is no system user {accounts}; \
         run scripts/setup, or: {INSTALL_HINT}"
    )]
    NoAccount {
        /// The accounts that were looked for.
        accounts: String,
    },
    /// The account that runs PostgreSQL cannot get to a file or directory.
    #[error("user {account} cannot enter {path}; choose a place that it may enter, or: chmod o+x {path}")]
    Unreachable {
        /// The account.
        account: String,
        /// The first directory on the way that is closed.
        path: PathBuf,
    },
    /// A Unix socket's path has a limit of 107 bytes.
    #[error("the socket directory {path} is too long: the socket's path may have {limit} bytes")]
    SocketPathTooLong {
        /// The directory.
        path: PathBuf,
        /// The limit for the whole path.
        limit: usize,
    },
    /// A socket directory that somebody else made.
    #[error("the socket directory {path} is not a directory that belongs to {account} alone; remove it")]
    SocketDirectory {
        /// The directory.
        path: PathBuf,
        /// Who should own it.
        account: String,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// The program's path.
        program: PathBuf,
        /// Its exit status.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// The binaries lack a program (packages with the server only have no `pg_basebackup`).
    #[error("{path} is missing")]
    NoProgram {
        /// The path where it should be.
        path: PathBuf,
    },
    /// The postmaster ended before it was ready.
    #[error("PostgreSQL in {path} did not start ({status}); the end of {log}:\n{tail}", log = log.display())]
    StartFailed {
        /// The data directory.
        path: PathBuf,
        /// The postmaster's exit status.
        status: String,
        /// The server log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The postmaster runs, but does not become ready.
    #[error("PostgreSQL in {path} is not ready after {seconds} s; the end of {log}:\n{tail}", log = log.display())]
    StartTimeout {
        /// The data directory.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
        /// The server log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The postmaster does not end.
    #[error("PostgreSQL in {path} has not stopped after {seconds} s; the end of {log}:\n{tail}", log = log.display())]
    StopTimeout {
        /// The data directory.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
        /// The server log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// Something that needs a running postmaster.
    #[error("PostgreSQL in {path} is not running")]
    NotRunning {
        /// The data directory.
        path: PathBuf,
    },
    /// A pid that is no child of this cluster's postmaster.
    #[error("process {pid} is not a backend of the cluster in {path}")]
    NotABackend {
        /// The data directory.
        path: PathBuf,
        /// The pid.
        pid: i32,
    },
    /// A setting's name that PostgreSQL could not read.
    #[error("{name:?} is not the name of a PostgreSQL setting")]
    SettingName {
        /// The name.
        name: String,
    },
    /// A signal could not be sent.
    #[error("cannot signal process {pid}")]
    Signal {
        /// The process.
        pid: i32,
        /// Why.
        #[source]
        source: nix::Error,
    },
    /// The operating system said no.
    #[error("cannot {action} {path}")]
    Io {
        /// A verb: "read", "create".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Shorthand for naming what was done to which file when it failed.
pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { action, path, source }
}
