//! As whom PostgreSQL's programs run: root steps down to a system user, everybody else is themselves.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, User, chown, geteuid};

use crate::error::{Error, io};

/// System users that may run PostgreSQL when we are root, in this order.
const SYSTEM_USERS: [&str; 2] = ["postgres", "pganalytics"];

/// The account that owns the clusters' files and runs their processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
    /// Whether processes must change to it, because we are root.
    change: bool,
}

impl Account {
    /// The account for this process: `postgres` or `pganalytics` for root, else the user itself.
    ///
    /// # Errors
    /// [`Error::NoAccount`] for root on a machine with neither.
    pub fn current() -> Result<Self, Error> {
        let own = geteuid();
        if !own.is_root() {
            let name = User::from_uid(own).ok().flatten().map_or_else(|| format!("uid {own}"), |user| user.name);
            return Ok(Self { name, uid: own, gid: nix::unistd::getegid(), change: false });
        }
        SYSTEM_USERS
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self { name: user.name, uid: user.uid, gid: user.gid, change: true })
            .ok_or_else(|| Error::NoAccount { accounts: SYSTEM_USERS.join(" or ") })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The group of another account than ours, which must be let through to its files.
    #[must_use]
    pub fn other_group(&self) -> Option<u32> {
        self.change.then_some(self.gid.as_raw())
    }

    /// Lets a command run as this account; the standard library drops root's other groups with the uid.
    pub fn apply<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        if self.change {
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
        command
    }

    /// Gives a file or directory to this account.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn give(&self, path: &Path) -> Result<(), Error> {
        if !self.change {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid)).map_err(|errno| io("change the owner of", path)(errno.into()))
    }

    /// Whether a path belongs to this account.
    pub(crate) fn owns(&self, metadata: &std::fs::Metadata) -> bool {
        metadata.uid() == self.uid.as_raw()
    }

    /// Refuses a path that the account could not get to, naming the directory that is closed.
    ///
    /// Looks at the directories' mode bits only; access lists that open more are not seen, so a directory of
    /// somebody else's group counts as closed to us.
    pub(crate) fn reaches(&self, path: &Path) -> Result<(), Error> {
        if !self.change {
            return Ok(());
        }
        let mut ancestors: Vec<&Path> = path.ancestors().collect();
        ancestors.reverse();
        for directory in ancestors {
            let Ok(metadata) = std::fs::metadata(directory) else { return Ok(()) };
            if !metadata.is_dir() {
                return Ok(());
            }
            let mode = metadata.mode();
            let open = if metadata.uid() == self.uid.as_raw() {
                mode & 0o100 != 0
            } else if metadata.gid() == self.gid.as_raw() {
                mode & 0o010 != 0
            } else {
                mode & 0o001 != 0
            };
            if !open {
                return Err(Error::Unreachable { account: self.name.clone(), path: directory.to_path_buf() });
            }
        }
        Ok(())
    }
}
