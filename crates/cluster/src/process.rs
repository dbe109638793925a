//! Facts about processes that are not ours to wait for: alive or not, since when, whose child.

use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Whether a process of this id exists and has not ended (a zombie has).
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    exists(pid) && stat_fields(pid).is_none_or(|fields| fields.first().is_none_or(|state| state != "Z" && state != "X"))
}

/// Whether the kernel still has a process of this id, be it one that has ended and that nobody has waited for.
#[must_use]
pub fn exists(pid: i32) -> bool {
    pid > 0 && kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// When a process started, in the kernel's clock ticks since boot; with the pid it names one process for good.
/// `None` when there is no such process, or no `/proc`.
#[must_use]
pub fn start_ticks(pid: i32) -> Option<u64> {
    // Field 22 of proc(5)'s stat; the fields here begin with the third.
    stat_fields(pid)?.get(19)?.parse().ok()
}

/// The parent's id, where `/proc` tells.
#[must_use]
pub fn parent(pid: i32) -> Option<i32> {
    stat_fields(pid)?.get(1)?.parse().ok()
}

/// The words of a process's command line: from `/proc`, else from `ps`.
pub(crate) fn command_line(pid: i32) -> Option<Vec<String>> {
    if cfg!(target_os = "linux") {
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        return Some(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect());
    }
    let output =
        std::process::Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
}

/// The working directory; `None` where the kernel does not let us look (root without `CAP_SYS_PTRACE`, no `/proc`).
pub(crate) fn working_directory(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// `/proc/<pid>/stat` from the third field on: the second is a name that may hold blanks and parentheses.
fn stat_fields(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_a_start_and_a_parent() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(is_alive(own));
        assert!(start_ticks(own).unwrap() > 0);
        assert_eq!(parent(own), Some(nix::unistd::getppid().as_raw()));
        assert!(!command_line(own).unwrap().is_empty());
    }

    #[test]
    fn a_process_that_ended_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert!(!is_alive(pid));
        assert_eq!(start_ticks(pid), None);
    }
}
