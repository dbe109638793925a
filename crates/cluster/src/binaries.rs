//! Where PostgreSQL's server programs lie on this machine, and of which version they are.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// Environment variable with further directories that hold `postgres` and `initdb`, separated by colons; they go
/// before what is found by itself.
pub const BINARY_DIRECTORIES: &str = "PGANALYTICS_PG_BINDIRS";

/// The oldest release of which a cluster is made: the oldest that pgAnalytics watches. Up to 9.6 two numbers are a major.
pub const OLDEST: (u32, u32) = (9, 4);

/// Folders of one folder per major, each with a `bin`: Debian, RHEL and its kin, Homebrew on both architectures.
const HOMES: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// Programs without which no cluster can be made.
const REQUIRED: [&str; 2] = ["postgres", "initdb"];

/// One installation of PostgreSQL's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
    major: u32,
    minor: u32,
    version: String,
}

impl Binaries {
    /// The newest installation, or the newest of one major.
    ///
    /// # Errors
    /// [`Error::NoBinaries`] or [`Error::MissingMajor`], which say what to install.
    pub fn find(major: Option<u32>) -> Result<Self, Error> {
        let all = Self::all();
        let Some(wanted) = major else {
            return all.into_iter().next().ok_or_else(no_binaries);
        };
        if let Some(found) = all.iter().find(|binaries| binaries.major == wanted) {
            return Ok(found.clone());
        }
        if all.is_empty() {
            return Err(no_binaries());
        }
        let found: Vec<String> = all.iter().map(|binaries| binaries.major.to_string()).collect();
        Err(Error::MissingMajor { major: wanted, found: found.join(", ") })
    }

    /// One installation per major on this machine, newest first. Of several of one major the first in the order
    /// [`BINARY_DIRECTORIES`], distribution's places, `PATH` is taken.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::among(&directories())
    }

    /// One installation per major among these directories, newest first.
    #[must_use]
    pub fn among(directories: &[PathBuf]) -> Vec<Self> {
        let mut seen = HashSet::new();
        let mut all: Vec<Self> = directories.iter().filter_map(|directory| Self::at(directory)).collect();
        all.retain(|binaries| seen.insert(binaries.release()));
        all.sort_by_key(|binaries| std::cmp::Reverse((binaries.major, binaries.minor)));
        all
    }

    /// The installation in one `bin` directory, if there is one that we can use.
    #[must_use]
    pub fn at(directory: &Path) -> Option<Self> {
        let directory = directory.canonicalize().ok()?;
        if REQUIRED.iter().any(|program| !directory.join(program).is_file()) {
            return None;
        }
        let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
        let (major, minor, version) = parse_version(&String::from_utf8_lossy(&output.stdout))?;
        ((major, minor) >= OLDEST).then_some(Self { directory, major, minor, version })
    }

    /// The major version: 17. Of 9.6 it is 9.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// What shares a data directory's format, as two numbers: (17, 0), (9, 6).
    #[must_use]
    pub fn release(&self) -> (u32, u32) {
        (self.major, if self.major < 10 { self.minor } else { 0 })
    }

    /// The version as PostgreSQL writes it: `17.4`, `19beta1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The `bin` directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of one program; whether it exists is another question ([`Binaries::has_program`]).
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether a program came with this installation; packages of the server alone lack `pg_basebackup` and `psql`.
    #[must_use]
    pub fn has_program(&self, name: &str) -> bool {
        self.program(name).is_file()
    }

    /// Whether an extension can be created: its control file is where this installation looks.
    #[must_use]
    pub fn has_extension(&self, name: &str) -> bool {
        let file = format!("extension/{name}.control");
        self.share_directories().iter().any(|share| share.join(&file).is_file())
    }

    /// `SHAREDIR` as `pg_config` tells it, and where it lies relative to `bin` in packages without `pg_config`.
    fn share_directories(&self) -> Vec<PathBuf> {
        let mut directories = Vec::new();
        directories.extend(configured(&self.program("pg_config"), "--sharedir"));
        if let Some(home) = self.directory.parent() {
            directories.push(home.join("share/postgresql"));
            directories.push(home.join("share"));
        }
        directories.push(PathBuf::from(format!("/usr/share/postgresql/{}", self.major)));
        directories
    }
}

fn no_binaries() -> Error {
    let mut searched: Vec<String> = HOMES.iter().map(|(home, prefix)| format!("{home}/{prefix}*/bin")).collect();
    searched.push("PATH".to_owned());
    searched.push(BINARY_DIRECTORIES.to_owned());
    Error::NoBinaries { searched: searched.join(", ") }
}

/// Every directory worth looking into, the most wanted first.
fn directories() -> Vec<PathBuf> {
    let mut directories = Vec::new();
    if let Some(value) = std::env::var_os(BINARY_DIRECTORIES) {
        directories.extend(std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()));
    }
    for (home, prefix) in HOMES {
        let Ok(entries) = std::fs::read_dir(home) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(major) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else { continue };
            if major.parse::<u32>().is_ok() {
                directories.push(entry.path().join("bin"));
            }
        }
    }
    if let Some(path) = std::env::var_os("PATH") {
        for directory in std::env::split_paths(&path) {
            if directory.join("pg_config").is_file() {
                directories.extend(configured(&directory.join("pg_config"), "--bindir"));
            }
            if directory.join("postgres").is_file() {
                directories.push(directory);
            }
        }
    }
    directories
}

/// A directory that a `pg_config` speaks of.
fn configured(pg_config: &Path, what: &str) -> Option<PathBuf> {
    let output = Command::new(pg_config).arg(what).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → (15, 18, "15.18").
fn parse_version(text: &str) -> Option<(u32, u32, String)> {
    let version = text.split_once("(PostgreSQL)")?.1.split_whitespace().next()?;
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let major = digits(version);
    let minor = version[major.len()..].strip_prefix('.').map(digits).unwrap_or_default();
    Some((major.parse().ok()?, minor.parse().unwrap_or(0), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_packages_and_of_betas_are_read() {
        let debian = parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n");
        assert_eq!(debian, Some((15, 18, "15.18".to_owned())));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1"), Some((19, 0, "19beta1".to_owned())));
        assert_eq!(parse_version("postgres (PostgreSQL) 9.6.24"), Some((9, 6, "9.6.24".to_owned())));
        assert_eq!(parse_version("postgres (PostgreSQL) devel"), None);
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn a_missing_major_says_what_is_here_and_what_to_install() {
        let error = Binaries::find(Some(99)).unwrap_err().to_string();
        assert!(error.contains("99"), "{error}");
        assert!(error.contains("apt-get install"), "{error}");
    }

    #[test]
    fn a_directory_without_initdb_is_no_installation() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("postgres"), "").unwrap();
        assert_eq!(Binaries::at(directory.path()), None);
    }
}
