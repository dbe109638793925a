//! The host's figures, from Linux' `/proc`: a reader for each set of scope `host`, found by its name.
//!
//! A reader is a pure parser of one source and the list of columns that it fills. Counters of the
//! host begin at its boot, whatever happens to PostgreSQL: their incarnation is the boot.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use catalog::Definition;
use wire::Frame;

use crate::baseline::{Baseline, Incarnation};
use crate::named::{self, Row, Value};

pub mod boot;
mod cgroup;
mod cpu;
mod disks;
mod filesystems;
mod load;
mod locality;
mod memory;
mod network;
mod paging;
mod pressure;

pub use filesystems::{Mount, Tablespace, mounts};
pub use locality::is_here;

/// Where the host's figures are, and what is known of the instance.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys/fs/cgroup`.
    pub cgroup: PathBuf,
    /// The instance's setting `data_directory`.
    pub data_directory: Option<PathBuf>,
    /// The instance's tablespaces, where it told them.
    pub tablespaces: Option<Vec<Tablespace>>,
}

impl Sources {
    /// Those of this machine.
    #[must_use]
    pub fn here(data_directory: Option<PathBuf>) -> Self {
        Self { proc: "/proc".into(), cgroup: "/sys/fs/cgroup".into(), data_directory, tablespaces: None }
    }

    fn read(&self, file: &str) -> Result<String, ReadError> {
        let path = self.proc.join(file);
        let bytes = fs::read(&path).map_err(|source| ReadError::File { path, source })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Why a set of the host was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not say what it says on Linux.
    #[error("{file} does not have {what}")]
    Shape {
        /// The file.
        file: &'static str,
        /// What was looked for.
        what: &'static str,
    },
}

/// How one set is read.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The set.
    pub set: &'static str,
    /// Reads it now.
    pub read: fn(&Sources) -> Result<Vec<Row>, ReadError>,
    /// Makes a row follow the one before of the same boot, where the kernel's counters may wrap or go back.
    carry: Option<fn(&mut Row, &Before<'_>)>,
}

/// All readers.
pub const READERS: [Reader; 9] = [
    Reader { set: "host_container", read: cgroup::read, carry: None },
    Reader { set: "host_cpu", read: cpu::read, carry: Some(cpu::carry) },
    Reader { set: "host_disks", read: disks::read, carry: Some(disks::carry) },
    Reader { set: "host_filesystems", read: filesystems::read, carry: None },
    Reader { set: "host_load", read: load::read, carry: None },
    Reader { set: "host_memory", read: memory::read, carry: None },
    Reader { set: "host_network", read: network::read, carry: None },
    Reader { set: "host_paging", read: paging::read, carry: None },
    Reader { set: "host_pressure", read: pressure::read, carry: None },
];

/// The reader of a set.
#[must_use]
pub fn reader(set: &str) -> Option<&'static Reader> {
    READERS.iter().find(|reader| reader.set == set)
}

/// A row of the reading before.
struct Before<'a> {
    definition: &'a Definition,
    frame: &'a Frame,
    row: usize,
}

impl Before<'_> {
    fn int(&self, column: &str) -> Option<i64> {
        let (place, _) = self.definition.column(column)?;
        self.frame.column(place)?.int(self.row)
    }
}

impl Reader {
    /// What was read as a frame that follows the last reading, where that was in the same boot.
    #[must_use]
    pub fn follow(
        &self,
        definition: &Definition,
        mut rows: Vec<Row>,
        last: Option<&Baseline>,
        boot: &Incarnation,
    ) -> Frame {
        if let (Some(carry), Some(last)) = (self.carry, last.filter(|last| last.incarnation == *boot)) {
            for row in &mut rows {
                let before = (0..last.frame.rows)
                    .map(|row| Before { definition, frame: &last.frame, row })
                    .find(|before| same_key(before, row));
                if let Some(before) = before {
                    carry(row, &before);
                }
            }
        }
        named::frame(definition, &rows)
    }
}

fn same_key(before: &Before<'_>, row: &Row) -> bool {
    let labels = before.definition.columns.iter().enumerate().filter(|(_, meta)| meta.kind == catalog::Kind::Label);
    labels.into_iter().all(|(place, meta)| {
        let was = before.frame.column(place).and_then(|column| column.text(before.row));
        matches!((named::value(row, &meta.name), was), (Some(Value::Text(now)), Some(was)) if *now == *was)
    })
}

/// A file's first line; `None` where there is no such file.
fn line(path: &Path) -> Option<String> {
    match fs::read_to_string(path) {
        Ok(text) => text.lines().next().map(|line| line.trim().to_owned()),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                tracing::debug!(path = %path.display(), %error, "cannot be read");
            }
            None
        }
    }
}
