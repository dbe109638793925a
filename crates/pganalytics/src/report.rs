//! `pganalytics report`: one look at an instance, without server, store or state directory.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use catalog::Catalog;
use clap::{Args, ValueEnum};
use collector::checkup::{CheckUp, Looked};
use jiff::Timestamp;
use report::{Format, Look, Readings, Report, Second};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{logging, output};

/// The exit code of a wrong connection string, as of any wrong usage.
const WRONG_USAGE: u8 = 2;
/// The exit code of a report that says that somebody has to do something.
const NEEDS_SOMEBODY: u8 = 3;
/// The exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;
/// The longest pause between the readings.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The width of a text that goes into a file.
const WIDTH: usize = 100;
/// The least that a text is wrapped at.
const NARROWEST: usize = 80;

/// What to look at, and what to make of it.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArguments {
    /// The instance: libpq's URI or keywords. A password is better in PGPASSFILE or PGPASSWORD, where others do not see it
    pub dsn: String,
    /// The pause between the two readings: seconds, or 90s, 5m, 1h; 0 reads once, and what is done per second is not known
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = pause)]
    pub wait: Duration,
    /// text for people, markdown, html for a page in one file, json for programs
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatName,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Look into databases with such a name only (* and ? are any letters, any one); may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub database: Vec<String>,
    /// Look into no databases with such a name; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub exclude_database: Vec<String>,
}

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// For a terminal
    Text,
    /// For documents and tickets
    Markdown,
    /// A page in one file
    Html,
    /// For programs
    Json,
}

/// Reads a length of time.
fn pause(text: &str) -> Result<Duration, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let times = match &text[digits..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return Err("give seconds, or a number with s, m or h".to_owned()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| "give seconds, or a number with s, m or h".to_owned())?;
    let pause = Duration::from_secs(number.saturating_mul(times));
    if pause > LONGEST { Err("at most 24h".to_owned()) } else { Ok(pause) }
}

/// Looks, and prints the report.
pub(crate) fn run(arguments: &ReportArguments) -> Result<ExitCode> {
    let catalog = Arc::new(Catalog::embedded().context("read the embedded catalogue")?);
    let instance = match instance(arguments) {
        Ok(instance) => instance,
        Err(error) => {
            output::failure(&error);
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    // Before anything is read: a report that cannot be written is not worth a minute.
    let file = arguments.output.as_deref().map(writable).transpose()?;
    logging::start(&std::env::var("LOG_LEVEL").unwrap_or_else(|_| "off".to_owned()), false)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let outcome = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for signals")?;
        look(instance, &catalog, arguments.wait, &mut interrupt).await
    })?;
    // What still hangs in the instance ends with the process.
    runtime.shutdown_background();
    let Some(readings) = outcome else { return Ok(ExitCode::from(INTERRUPTED)) };
    let look = Look::new(&catalog, &readings);
    let report = Report::of(&look, env!("CARGO_PKG_VERSION"));
    let text = report::render(&report, format(arguments, file.is_none())).context("render the report")?;
    match file {
        Some((mut file, path)) => {
            // A pipe or terminal has no length.
            let emptied = if file.metadata().is_ok_and(|meta| meta.is_file()) { file.set_len(0) } else { Ok(()) };
            let written = emptied.and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.flush());
            written.with_context(|| format!("write {}", path.display()))?;
            output::progress(&format!("wrote {}", path.display()));
        }
        None => output::data(text.trim_end_matches('\n')),
    }
    Ok(if report.needs_somebody() { ExitCode::from(NEEDS_SOMEBODY) } else { ExitCode::SUCCESS })
}

/// What a file has stays until there is something else to write.
fn writable(path: &Path) -> Result<(std::fs::File, PathBuf)> {
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = file.with_context(|| format!("write {}", path.display()))?;
    Ok((file, path.to_owned()))
}

fn format(arguments: &ReportArguments, on_stdout: bool) -> Format {
    match arguments.format {
        FormatName::Text => {
            let terminal = on_stdout && std::io::stdout().is_terminal();
            let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let colour = terminal && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
            let width = if terminal {
                terminal_size::terminal_size().map_or(WIDTH, |(width, _)| width.0.into())
            } else {
                WIDTH
            };
            Format::Text { width: width.max(NARROWEST), colour }
        }
        FormatName::Markdown => Format::Markdown,
        FormatName::Html => Format::Html,
        FormatName::Json => Format::Json,
    }
}

/// The instance of the arguments, as the collector's configuration has one. Of the environment only libpq's own
/// variables count.
fn instance(arguments: &ReportArguments) -> Result<config::Instance> {
    let mut postgres = toml::Table::new();
    postgres.insert("dsn".to_owned(), arguments.dsn.clone().into());
    if !arguments.database.is_empty() {
        postgres.insert("databases".to_owned(), arguments.database.clone().into());
    }
    if !arguments.exclude_database.is_empty() {
        postgres.insert("exclude_databases".to_owned(), arguments.exclude_database.clone().into());
    }
    let table = toml::Table::from_iter([("postgres".to_owned(), postgres.into())]);
    let env = |name: &str| {
        let is_libpqs = name.starts_with("PG") || matches!(name, "HOME" | "USER" | "LOGNAME");
        is_libpqs.then(|| std::env::var(name).ok()).flatten()
    };
    let config = config::Config::load(None, Some(table.to_string()), &env, &config::Names::default())
        .map_err(|error| anyhow!("{}", error.reason))?;
    config.warnings.iter().for_each(|warning| output::progress(&format!("pganalytics: {warning}")));
    let mut instance = config.instances.into_iter().next().context("there is nothing to look at")?;
    instance.dsn.application_name.get_or_insert_with(|| "pganalytics report".to_owned());
    Ok(instance)
}

/// Reads twice; `None` where the person who waits had enough.
async fn look(
    instance: config::Instance,
    catalog: &Arc<Catalog>,
    wait: Duration,
    interrupt: &mut Signal,
) -> Result<Option<Readings>> {
    let role = instance.dsn.user.clone();
    let mut checkup = CheckUp::new(instance, Arc::clone(catalog));
    output::progress(&format!("reading {}:{} …", checkup.host(), checkup.port()));
    tokio::select! {
        outcome = checkup.first() => outcome.map_err(|error| anyhow!("{error}"))?,
        _ = interrupt.recv() => return Ok(None),
    }
    let first_at = Timestamp::now();
    let second = if wait.is_zero() {
        Second::NotAsked
    } else {
        output::progress(&format!("waiting {} s for the second reading; Ctrl-C reads at once …", wait.as_secs()));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = interrupt.recv() => output::progress("reading at once; Ctrl-C again ends without a report …"),
        }
        tokio::select! {
            outcome = checkup.again() => match outcome {
                Ok(()) => Second::Done,
                Err(error) => Second::Failed(error),
            },
            _ = interrupt.recv() => return Ok(None),
        }
    };
    Ok(Some(readings(checkup.finish(), role, first_at, second)))
}

fn readings(looked: Looked, role: String, first_at: Timestamp, second: Second) -> Readings {
    let Looked { attributes, states, hints, frames, moved, texts, failures, unread, mistakes } = looked;
    Readings {
        attributes,
        role,
        states,
        hints,
        frames: frames.into_iter().map(|(key, whole)| (key, (whole.time_us, whole.frame))).collect(),
        moved: moved.into_iter().map(|(key, moved)| (key, (moved.interval_us, moved.frame, moved.flags))).collect(),
        texts,
        failures,
        unread,
        mistakes,
        first_at,
        last_at: Timestamp::now(),
        second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_a_unit_or_is_seconds() {
        let seconds = |text: &str| pause(text).map(|pause| pause.as_secs());
        assert_eq!(["0", "60", "90s", "5m", "1h"].map(seconds), [Ok(0), Ok(60), Ok(90), Ok(300), Ok(3600)]);
        assert!(["", "s", "1d", "-1", "25h", "99999999999999999999"].iter().all(|text| pause(text).is_err()));
    }
}
