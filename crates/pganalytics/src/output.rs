//! The one place that writes to standard output and, besides the log, to standard error.

use std::io::Write as _;

/// Prints a line of data.
pub(crate) fn data(line: &str) {
    #[expect(clippy::print_stdout, reason = "standard output is owned by this module")]
    {
        println!("{line}");
    }
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
