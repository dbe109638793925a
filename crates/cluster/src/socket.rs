//! Directories for Unix sockets: private, and short enough for the kernel.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{Error, io};

/// `sun_path` has 108 bytes, one of them the closing zero.
pub(crate) const PATH_LIMIT: usize = 107;

/// What PostgreSQL appends to the directory, with the longest port.
const SOCKET_NAME: &str = "/.s.PGSQL.65535";

/// Where sockets go, the best first; `/tmp` is everywhere and short.
const PARENTS: [&str; 2] = ["/run", "/tmp"];

/// The directory for the sockets of one data directory: always the same, so that it is found again.
pub(crate) fn default_directory(data: &Path) -> PathBuf {
    let name = format!("pga-{:012x}", fingerprint(data) & 0xffff_ffff_ffff);
    let parent = PARENTS.iter().find(|parent| writable(Path::new(parent))).unwrap_or(&"/tmp");
    Path::new(parent).join(name)
}

/// Makes the directory for the account alone, or takes the one that already is.
pub(crate) fn prepare(account: &Account, directory: &Path) -> Result<(), Error> {
    if directory.as_os_str().len() + SOCKET_NAME.len() > PATH_LIMIT {
        return Err(Error::SocketPathTooLong { path: directory.to_path_buf(), limit: PATH_LIMIT });
    }
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => return account.give(directory),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io("create", directory)(error)),
    }
    // Not followed: in a shared directory a link or another's directory here would be a trap.
    let metadata = std::fs::symlink_metadata(directory).map_err(io("look at", directory))?;
    if !metadata.is_dir() || !account.owns(&metadata) || metadata.permissions().mode() & 0o077 != 0 {
        return Err(Error::SocketDirectory { path: directory.to_path_buf(), account: account.name().to_owned() });
    }
    Ok(())
}

/// Removes the directory that a stopped postmaster had, where it was made for this data directory and is empty.
pub(crate) fn leave(data: &Path, directory: Option<&Path>) {
    if let Some(directory) = directory.filter(|directory| *directory == default_directory(data)) {
        // What is still in it is somebody's.
        let _ = std::fs::remove_dir(directory);
    }
}

fn writable(directory: &Path) -> bool {
    nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// FNV-1a over the path: stable across versions of the compiler, which the standard hasher is not.
fn fingerprint(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_directory_is_refused_before_postgresql_sees_it() {
        let long = Path::new("/tmp").join("x".repeat(PATH_LIMIT));
        let refused = prepare(&Account::current().unwrap(), &long).unwrap_err();
        assert!(matches!(refused, Error::SocketPathTooLong { .. }), "{refused}");
    }

    #[test]
    fn a_directory_that_is_open_to_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("s");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = prepare(&Account::current().unwrap(), &open).unwrap_err();
        assert!(matches!(refused, Error::SocketDirectory { .. }), "{refused}");
    }
}
