//! The one place that writes to standard output and, besides the log, to standard error.

use std::io::{ErrorKind, Write as _};

/// Prints a line of data. Where it cannot be written, the command has failed.
pub(crate) fn data(line: &str) {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => {}
        // Whoever reads has seen enough, as `head` and `grep -q` have.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            failure(&anyhow::Error::new(error).context("write to standard output"));
            std::process::exit(1);
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
