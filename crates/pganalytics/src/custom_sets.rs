//! `pganalytics collector dry-run` and `approve`: sets of the users' own, before they are read.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use catalog::{Catalog, SetFiles};
use collector::custom::{self, Held, Why};
use collector::dry_run::{self, Tried};
use collector::examine::state_word;
use config::Config;

use crate::output;

/// Tries a set on the configured instances.
pub(crate) async fn dry_run(
    config: &Config,
    catalog: &Catalog,
    held: &[Held],
    set: &str,
    rows: usize,
    json: bool,
) -> Result<ExitCode> {
    let (name, files) = if set.contains('/') || Path::new(set).is_dir() {
        let (name, files) = folder(Path::new(set))?;
        (name, Some(files))
    } else {
        (set.to_owned(), held.iter().find(|held| held.name == set).map(|held| held.files.clone()))
    };
    let catalog = match files {
        // In place of one of the same name, which is perhaps an older version of it.
        Some(files) => {
            let parsed = files.parse(&name).with_context(|| format!("set {name}"))?;
            catalog.clone().without(&name).with(parsed)?
        }
        None if catalog.get(&name).is_some() => catalog.clone(),
        None => bail!("there is no set {name}: give its folder, or the name of one that the collector knows"),
    };
    let tried = dry_run::dry_run(config, &catalog, &name, rows).await;
    if json {
        let all: Vec<_> = tried.iter().map(Tried::to_json).collect();
        output::data(&serde_json::to_string_pretty(&serde_json::json!({ "set": name, "instances": all }))?);
    } else {
        tried.iter().for_each(|tried| print(&name, tried));
    }
    Ok(if tried.iter().all(Tried::works) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The files of a set in its folder, which is named like it.
fn folder(folder: &Path) -> Result<(String, SetFiles)> {
    let about = || format!("read {}", folder.display());
    let folder = folder.canonicalize().with_context(about)?;
    let name = folder.file_name().and_then(|name| name.to_str()).context("the folder's name is that of the set")?;
    let mut sql = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).with_context(about)? {
        let path = entry.with_context(about)?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let version = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            sql.insert(version, text(&path)?);
        }
    }
    Ok((name.to_owned(), SetFiles { set: text(&folder.join("set.toml"))?, sql }))
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn print(set: &str, tried: &Tried) {
    let Tried { instance, version, sql_version, states, readings, error } = tried;
    let version = version.as_deref().unwrap_or("unknown");
    output::data(&format!("{instance}: PostgreSQL {version}"));
    if let Some(error) = error {
        output::data(&format!("  cannot be read: {error}"));
    }
    if let Some(version) = sql_version {
        output::data(&format!("  {set} is read by {version}.sql"));
    }
    for state in states.iter().filter(|state| !state.message.is_empty()) {
        let what = if state.column.is_empty() { set } else { state.column.as_str() };
        output::data(&format!("  {what}: {}: {}", state_word(state.state), state.message));
        if !state.fix.is_empty() {
            output::data(&format!("    → {}", state.fix));
        }
    }
    for reading in readings {
        let database = reading.datid.map(|datid| format!("database {datid}: ")).unwrap_or_default();
        if let Some(error) = &reading.error {
            output::data(&format!("  {database}not read: {error}"));
            continue;
        }
        let columns: Vec<String> = reading.columns.iter().map(|(name, word)| format!("{name} {word}")).collect();
        output::data(&format!(
            "  {database}{} rows in {:.1} ms, {} bytes before compression ({})",
            reading.rows,
            reading.duration_ms,
            reading.bytes,
            columns.join(", ")
        ));
        for row in &reading.sample {
            output::data(&format!("    {row}"));
        }
        if reading.rows > reading.sample.len() && !reading.sample.is_empty() {
            output::data(&format!("    … {} more", reading.rows - reading.sample.len()));
        }
    }
}

/// Shows what waits, or approves it, or takes approvals back.
pub(crate) fn approve(config: &Config, held: &[Held], hashes: &[String], revoke: bool) -> Result<ExitCode> {
    let approved = custom::approved(&config.state_dir);
    if revoke {
        for hash in hashes {
            let hash = custom::named(hash, approved.iter().map(String::as_str))?;
            custom::revoke(&config.state_dir, hash)?;
            output::data(&format!("{hash} is not approved any more"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let waiting: Vec<&Held> = held.iter().filter(|held| held.why == Why::Waits).collect();
    if hashes.is_empty() {
        for held in &waiting {
            show(held);
        }
        let refused = held.iter().filter(|held| held.why == Why::Refused).count();
        if waiting.is_empty() {
            output::data("no set waits for approval");
        }
        if refused > 0 {
            output::data(&format!("{refused} more are not read, because custom_sets = \"refuse\""));
        }
        return Ok(ExitCode::SUCCESS);
    }
    // All of them are there before the first is approved.
    let mut chosen = Vec::new();
    for hash in hashes {
        let hash = custom::named(hash, waiting.iter().map(|held| held.hash.as_str()))?;
        chosen.extend(waiting.iter().filter(|held| held.hash == hash));
    }
    for held in chosen {
        custom::approve(&config.state_dir, held)?;
        output::data(&format!("{} is approved: {}", held.name, held.hash));
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that would be approved. What a terminal would act upon is shown as what it is.
fn show(held: &Held) {
    let plain = |text: &str| -> String {
        // Also what would have it shown in another order than it is run.
        let is_plain = |letter: char| letter == '\n' || letter == '\t' || !catalog::is_invisible(letter);
        text.chars()
            .flat_map(|letter| if is_plain(letter) { vec![letter] } else { letter.escape_unicode().collect() })
            .collect()
    };
    output::data(&format!("{}\n  hash {}\n\n-- set.toml\n{}", held.name, held.hash, plain(held.files.set.trim_end())));
    for (version, sql) in &held.files.sql {
        output::data(&format!("\n-- {}.sql\n{}", plain(version), plain(sql.trim_end())));
    }
    output::data(&format!("\nto approve it: pganalytics collector approve {}\n", held.hash));
}
