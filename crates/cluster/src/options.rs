//! How a private cluster is to be: where, of which binaries, with which settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries::Binaries;

/// PostgreSQL's own port; it only names the socket's file as long as nothing listens on TCP.
pub const DEFAULT_PORT: u16 = 5432;

/// How long a start may take: crash recovery of a small store included.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a stop may take: the shutdown checkpoint included.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// How a private cluster is to be made or opened.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The data directory; the server log lies beside it as `<data_dir>.log`.
    pub data_dir: PathBuf,
    /// The binaries. Without them a new cluster gets the newest, and an existing one those of its `PG_VERSION`.
    pub binaries: Option<Binaries>,
    /// `cluster_name`, shown in the process list.
    pub name: String,
    /// The role that initdb makes.
    pub superuser: String,
    /// Settings, over those that this crate writes itself; in force from the next start on.
    pub settings: Vec<(String, String)>,
    /// Address and port to listen on over TCP, where everybody shows a password; port 0 takes a free one.
    pub listen: Option<(String, u16)>,
    /// The port while nothing listens: part of the socket's name.
    pub port: u16,
    /// The socket's directory; by default a short private one under `/run` or `/tmp`, named after the data directory.
    pub socket_dir: Option<PathBuf>,
    /// Stopped at once and deleted when dropped, and made without waiting for the disk: for tests.
    pub throw_away: bool,
    /// How long a start may take.
    pub start_timeout: Duration,
    /// How long a stop may take.
    pub stop_timeout: Duration,
}

impl ClusterOptions {
    /// The defaults for a data directory.
    #[must_use]
    pub fn new(data_dir: impl AsRef<Path>) -> Self {
        Self {
            data_dir: data_dir.as_ref().to_path_buf(),
            binaries: None,
            name: "pganalytics".to_owned(),
            superuser: "postgres".to_owned(),
            settings: Vec::new(),
            listen: None,
            port: DEFAULT_PORT,
            socket_dir: None,
            throw_away: false,
            start_timeout: START_TIMEOUT,
            stop_timeout: STOP_TIMEOUT,
        }
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}
