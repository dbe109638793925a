//! The one place that writes to standard output and, besides the log, to standard error.

use std::io::{ErrorKind, Write as _};
use std::process::exit;

/// The exit code of a command whose reader has enough, as a shell has it of one that ended by SIGPIPE.
const NOBODY_READS: i32 = 128 + nix::libc::SIGPIPE;

/// Prints a line of what the command was asked for. Where it cannot be printed, there is nothing left to do.
pub(crate) fn data(line: &str) {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit(NOBODY_READS),
        Err(error) => {
            failure(&anyhow::Error::new(error).context("write to standard output"));
            exit(1);
        }
    }
}

/// Prints a line of data of a process that goes on, whether or not anybody reads it.
pub(crate) fn announcement(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line of progress for the person who waits.
pub(crate) fn progress(line: &str) {
    // Where it cannot be told, as on a full disk, the work goes on.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints why a command failed, with all causes.
pub(crate) fn failure(error: &anyhow::Error) {
    progress(&format!("pganalytics: {error:#}"));
}
