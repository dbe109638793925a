//! Sets up the log: text or JSON to standard error.

use std::io::IsTerminal as _;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Begins logging at a level (`error`, `warn`, `info`, `debug`, `trace`, or filters by target).
///
/// # Errors
/// When the level is not understood.
pub(crate) fn start(level: &str, json: bool) -> Result<()> {
    let filter = EnvFilter::try_new(level).with_context(|| format!("understand log level {level:?}"))?;
    // Colours are for people: in a file or a journal they are noise.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // What cannot be logged would be told to standard error, which panics where that is a file on a full disk.
    let builder = builder.log_internal_errors(false);
    let started = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
    started.map_err(|error| anyhow::anyhow!("start the log: {error}"))
}
