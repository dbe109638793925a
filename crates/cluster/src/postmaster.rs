//! `postmaster.pid`: what it says, and whether the process it names is really this directory's postmaster.

use std::path::{Path, PathBuf};

use crate::error::{Error, io};
use crate::process;

/// The lock file in a data directory. Its lines: pid, data directory, start time, port, socket directory, listen
/// address, shared memory key, status.
const FILE: &str = "postmaster.pid";

/// What `postmaster.pid` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockFile {
    pub(crate) pid: i32,
    data: Option<PathBuf>,
    pub(crate) port: Option<u16>,
    pub(crate) socket: Option<PathBuf>,
    status: String,
}

impl LockFile {
    /// The lock file of a data directory; `None` when there is none, or one that is still being written.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(data.join(FILE)).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        // A stand-alone backend writes its pid negated: no postmaster.
        let pid = lines.first()?.parse().ok().filter(|pid| *pid > 0)?;
        let line = |number: usize| lines.get(number - 1).copied().filter(|line| !line.is_empty());
        Some(Self {
            pid,
            data: line(2).map(PathBuf::from),
            port: line(4).and_then(|port| port.parse().ok()),
            socket: line(5).map(PathBuf::from),
            status: line(8).unwrap_or_default().to_owned(),
        })
    }

    /// Whether connections are taken: the condition that `pg_ctl -w` waits for.
    pub(crate) fn is_ready(&self) -> bool {
        self.status == "ready" || self.status == "standby"
    }
}

/// The live postmaster of a data directory, if there is one.
pub(crate) fn live(data: &Path) -> Option<LockFile> {
    LockFile::read(data).filter(|lock| is_postmaster_of(lock.pid, data))
}

/// Whether a process is the postmaster of this directory, and not one that got a dead postmaster's pid.
fn is_postmaster_of(pid: i32, data: &Path) -> bool {
    if !process::is_alive(pid) {
        return false;
    }
    let Some(words) = process::command_line(pid) else {
        // Hidden from us: to take it for alive can only make us refuse, never start a second postmaster.
        return true;
    };
    let is_postgres = words.first().is_some_and(|program| {
        let name = Path::new(program).file_name().map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name == "postgres" || name == "postmaster")
    });
    if !is_postgres {
        return false;
    }
    match process::working_directory(pid) {
        Some(directory) => directory == data,
        None => words.iter().any(|word| Path::new(word) == data),
    }
}

/// Lets PostgreSQL get past lock files whose pid is no postmaster's of this directory: a stranger has it now, or it
/// is the shell of a dead process that nobody has waited for, as after `kill -9` of the server above it.
///
/// PostgreSQL refuses to start while a process with the pid in the file exists, whoever it is, except its own parent,
/// which is us. The rest of the file stays, so that it still finds backends that outlived their postmaster.
pub(crate) fn disown_stale(data: &Path, socket: &Path, port: u16) -> Result<(), Error> {
    disown(&data.join(FILE), data)?;
    disown(&socket.join(format!(".s.PGSQL.{port}.lock")), data)
}

fn disown(path: &Path, data: &Path) -> Result<(), Error> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    if text.trim().is_empty() {
        // Its writer was killed between making and filling it; PostgreSQL would ask for it to be removed by hand.
        tracing::warn!(path = %path.display(), "an empty lock file is removed");
        return std::fs::remove_file(path).map_err(io("remove", path));
    }
    let Some(lock) = LockFile::parse(&text) else { return Ok(()) };
    let theirs = lock.data.as_deref().is_some_and(|directory| directory != data);
    if theirs || !process::exists(lock.pid) || is_postmaster_of(lock.pid, data) {
        return Ok(());
    }
    tracing::warn!(pid = lock.pid, path = %path.display(), "the pid in a stale lock file is no PostgreSQL's any more");
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    std::fs::write(path, format!("{}\n{rest}", std::process::id())).map_err(io("write", path))
}

/// Backends of this directory: they can outlive their postmaster, and hold its shared memory until they end.
pub(crate) fn backends(data: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        process::working_directory(*pid).is_some_and(|directory| directory == data)
            && process::command_line(*pid)
                .is_some_and(|words| words.first().is_some_and(|word| word.starts_with("postgres:")))
            && process::is_alive(*pid)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "4711\n/data\n1700000000\n5432\n/run/pga-1\n\n  5432001  32768\nready   \n";

    #[test]
    fn the_lines_of_a_lock_file_are_read() {
        let lock = LockFile::parse(TEXT).unwrap();
        assert_eq!((lock.pid, lock.port), (4711, Some(5432)));
        assert_eq!(lock.socket.as_deref(), Some(Path::new("/run/pga-1")));
        assert!(lock.is_ready());
        assert!(!LockFile::parse(&TEXT.replace("ready", "starting")).unwrap().is_ready());
    }

    #[test]
    fn half_a_lock_file_is_not_ready_and_an_empty_one_is_none() {
        assert!(!LockFile::parse("4711\n/data\n").unwrap().is_ready());
        assert_eq!(LockFile::parse(""), None);
        assert_eq!(LockFile::parse("-4711\n/data\n"), None);
    }

    #[test]
    fn a_living_stranger_is_not_our_postmaster() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!is_postmaster_of(own, Path::new("/")));
    }
}
