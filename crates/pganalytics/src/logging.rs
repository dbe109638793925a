//! Sets up the log: text or JSON to standard error.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Begins logging at a level (`error`, `warn`, `info`, `debug`, `trace`, or filters by target).
///
/// # Errors
/// When the level is not understood.
pub(crate) fn start(level: &str, json: bool) -> Result<()> {
    let filter = EnvFilter::try_new(level).with_context(|| format!("understand log level {level:?}"))?;
    // Colours are for eyes: in a file or a journal they are noise.
    let is_seen = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_seen).with_writer(std::io::stderr);
    let started = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
    started.map_err(|error| anyhow::anyhow!("start the log: {error}"))
}
