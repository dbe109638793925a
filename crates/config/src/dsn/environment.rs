//! What a connection string takes from its surroundings, passed in so that nothing global is read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Environment variables by lookup; an empty one counts as absent.
pub struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    /// Surroundings in which `lookup` finds environment variables.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The home directory.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// The operating system's name for the user of this process: what libpq takes for the role.
    pub(crate) fn user(&self) -> Option<String> {
        account_name().or_else(|| self.get("USER")).or_else(|| self.get("LOGNAME"))
    }
}

/// The name of the effective user in the system's list of accounts.
fn account_name() -> Option<String> {
    let uid = fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(uid.as_str())).then(|| name.to_owned())
    })
}
