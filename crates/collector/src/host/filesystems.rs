//! `/proc/self/mountinfo` and `statvfs`: local file systems.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::{ReadError, Sources};
use crate::named::{Row, Value};

/// Types that keep files on this machine. Others are memory, network or the kernel's own: a network
/// file system whose server is gone makes whoever asks for its size hang.
const LOCAL: [&str; 15] = [
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "ntfs3", "overlay", "reiserfs",
    "vfat", "xfs", "zfs",
];
/// The type of a container's root; elsewhere its mounts are other containers' roots.
const OVERLAY: &str = "overlay";

/// The directory of WAL below the data directory, as it is called from 10 on and before.
const WAL: [&str; 2] = ["pg_wal", "pg_xlog"];

/// A tablespace and where its files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tablespace {
    /// Its name, as it is quoted in SQL.
    pub name: String,
    /// `pg_tablespace_location` of it: below the data directory where that is relative.
    pub location: PathBuf,
}

/// A local file system and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its device number.
    pub number: String,
    /// The mount point.
    pub point: String,
    /// What is mounted.
    pub device: String,
    /// Its type.
    pub fs_type: String,
    /// Whether the file system's root is mounted there, and not a part of it.
    whole: bool,
}

pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    let text = sources.read("self/mountinfo")?;
    let mounted = every_mount(&text);
    let data = sources.data_directory.as_deref().and_then(|directory| holder(&mounted, directory));
    // It may be a link: only whoever can follow it knows where it leads.
    let wal = sources.data_directory.as_deref().and_then(|directory| {
        let real = WAL.iter().find_map(|name| directory.join(name).canonicalize().ok())?;
        holder(&mounted, &real)
    });
    let tablespaces = sources.tablespaces.as_ref().and_then(|all| {
        let below = sources.data_directory.as_deref().unwrap_or(Path::new(""));
        let held = |one: &Tablespace| Some((holder(&mounted, &below.join(&one.location))?, one.name.clone()));
        all.iter().map(held).collect::<Option<Vec<(String, String)>>>()
    });
    let mut rows = Vec::new();
    for mount in mounts(&text, Path::is_dir) {
        // A mount point may be hidden from this user, or gone by now.
        let Ok(size) = statvfs(Path::new(&mount.point)) else { continue };
        let block = to_i64(size.fragment_size());
        let blocks = |count: u64| Value::Int(to_i64(count).saturating_mul(block));
        let count = |count: u64| Value::Int(to_i64(count));
        let is_it = |holder: &Option<String>| {
            holder.as_ref().map_or(Value::Unknown, |number| Value::Bool(*number == mount.number))
        };
        let (holds, holds_wal) = (is_it(&data), is_it(&wal));
        let names = tablespaces.as_ref().map(|held| {
            let here = held.iter().filter(|(number, _)| *number == mount.number).map(|(_, name)| name.as_str());
            here.collect::<Vec<&str>>().join(", ")
        });
        rows.push(vec![
            ("mount_point", Value::Text(mount.point)),
            ("device", Value::Text(mount.device)),
            ("fs_type", Value::Text(mount.fs_type)),
            ("size_bytes", blocks(size.blocks())),
            ("free_bytes", blocks(size.blocks_free())),
            ("available_bytes", blocks(size.blocks_available())),
            ("inodes", count(size.files())),
            ("inodes_free", count(size.files_free())),
            ("holds_data_directory", holds),
            ("holds_wal", holds_wal),
            ("tablespaces", names.map_or(Value::Unknown, Value::Text)),
        ]);
    }
    Ok(rows)
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The local file systems of a `mountinfo`, each once: where its root is mounted before where a part of it
/// is, and then where the path is shortest. Single files are mounted into containers; they are none.
#[must_use]
pub fn mounts(text: &str, is_directory: impl Fn(&Path) -> bool) -> Vec<Mount> {
    let mut local: Vec<Mount> = every_mount(text)
        .into_iter()
        .filter(|mount| LOCAL.contains(&mount.fs_type.as_str()))
        .filter(|mount| mount.fs_type != OVERLAY || mount.point == "/")
        .filter(|mount| is_directory(Path::new(&mount.point)))
        .collect();
    // Of two mounts on one point the later one is seen.
    let mut seen = std::collections::HashSet::new();
    local.reverse();
    local.retain(|mount| seen.insert(mount.point.clone()));
    local.sort_by_key(|mount| (!mount.whole, mount.point.len(), mount.point.clone()));
    let mut numbers = std::collections::HashSet::new();
    local.retain(|mount| numbers.insert(mount.number.clone()));
    local.sort_by(|a, b| a.point.cmp(&b.point));
    local
}

/// The device number of the file system that holds a directory. `None` where it is not seen from here:
/// the instance then has another view of the files, as in a container.
fn holder(all: &[Mount], directory: &Path) -> Option<String> {
    let real = match directory.canonicalize() {
        Ok(real) => real,
        // It is there, behind a directory that is closed to this user.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => directory.to_owned(),
        Err(_) => return None,
    };
    let under = all.iter().filter(|mount| real.starts_with(PathBuf::from(&mount.point)));
    // The last of those mounted on one point is seen.
    under.max_by_key(|mount| mount.point.len()).map(|mount| mount.number.clone())
}

/// `id parent major:minor root point options [fields…] - type source options`.
fn every_mount(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut words = before.split(' ').skip(2);
            let (number, root, point) = (words.next()?, words.next()?, words.next()?);
            let mut words = after.split(' ');
            let (fs_type, device) = (words.next()?, words.next()?);
            Some(Mount {
                number: number.to_owned(),
                point: unescape(point),
                device: unescape(device),
                fs_type: fs_type.to_owned(),
                whole: root == "/",
            })
        })
        .collect()
}

/// Spaces, tabs, newlines and backslashes stand as `\` and three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
