//! `pganalytics collector …`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use catalog::Catalog;
use collector::backend::{Backend, Standing};
use collector::custom::{self, Held, Why};
use collector::examine::{self, Examined, SetState, state_word};
use collector::push::Counters;
use collector::run::Assignment;
use collector::state::Registration;
use collector::steering::{self, Steering};
use config::{Config, Names, Pushed};
use tokio::sync::watch;

use crate::arguments::{CollectorCommand, ConfigArguments};
use crate::{custom_sets, logging, output, reload};

/// The exit code of a check that found something to mend, without which watching loses something.
const DEGRADED: u8 = 3;

/// Runs a collector's command.
pub(crate) fn run(command: CollectorCommand) -> Result<ExitCode> {
    let arguments = match &command {
        CollectorCommand::Run { config }
        | CollectorCommand::Register { config, .. }
        | CollectorCommand::Check { config, .. }
        | CollectorCommand::DryRun { config, .. }
        | CollectorCommand::Approve { config, .. }
        | CollectorCommand::Once { config, .. } => config.clone(),
    };
    let runs = matches!(command, CollectorCommand::Run { .. });
    let steering = steering(&arguments)?;
    let mut assignment = load(&arguments, &steering, Falls::ToItsOwn)?;
    if runs && !arguments.print_config && steering.start(assignment.pushed.as_ref()) {
        assignment = load(&arguments, &steering, Falls::ToItsOwn)?;
    }
    if arguments.print_config {
        output::data(&assignment.config.print());
        return Ok(ExitCode::SUCCESS);
    }
    let level = setting("LOG_LEVEL").unwrap_or_else(|| if runs { "info" } else { "error" }.to_owned());
    logging::start(&level, setting("LOG_FORMAT").is_some_and(|format| format == "json"))?;
    if let Some(damage) = steering.damage() {
        tracing::warn!(error = damage, "what the server pushed is not known any more: it is asked again");
    }
    warn(&assignment);
    let (config, catalog) = (&assignment.config.clone(), &Arc::clone(&assignment.catalog));
    let held = assignment.held.clone();
    // One thread is enough, and costs the machine least.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        match command {
            CollectorCommand::Run { .. } => {
                let hangup = reload::hangup().context("listen for signals")?;
                let stop = stop_signal(hangup.is_none()).context("listen for signals")?;
                let counters = Arc::<Counters>::default();
                let (assign, assignments) = watch::channel(Arc::new(assignment));
                tokio::select! {
                    done = collector::run::run(assignments.clone(), Arc::clone(&counters), stop) => done?,
                    () = reload::follow(&arguments, &steering, &assign, &counters, hangup) => {}
                    () = steering::pull(&steering, assignments, &counters) => {}
                }
                Ok(ExitCode::SUCCESS)
            }
            CollectorCommand::Register { again, .. } => register(config, again).await,
            CollectorCommand::Check { json, .. } => check(config, catalog, &held, json).await,
            CollectorCommand::DryRun { set, rows, json, .. } => {
                watches(config)?;
                custom_sets::dry_run(config, catalog, &held, &set, rows, json).await
            }
            CollectorCommand::Approve { hashes, revoke, .. } => custom_sets::approve(config, &held, &hashes, revoke),
            CollectorCommand::Once { over, .. } => once(config, catalog, over).await,
        }
    })
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The names that tables of groups and sets may have.
fn names(catalog: &Catalog) -> Names {
    Names { groups: catalog.groups(), sets: catalog.sets().map(|set| set.name().to_owned()).collect() }
}

/// What the server pushed, as far as it is known here.
fn steering(arguments: &ConfigArguments) -> Result<Steering> {
    let catalog = Catalog::embedded().context("read the embedded catalogue")?;
    Ok(Steering::look(&Config::state_dir(arguments.config.as_deref(), &setting, &names(&catalog))?))
}

/// What to do where nothing that was pushed can be followed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Falls {
    /// What is in force stays.
    Nowhere,
    /// The collector's own configuration alone, so that the server can be asked for a better one.
    ToItsOwn,
}

/// What to do: the configuration over what the server pushed, as far as that can be followed, with the catalogue that it
/// is about.
pub(crate) fn load(arguments: &ConfigArguments, steering: &Steering, falls: Falls) -> Result<Assignment> {
    let mut refused = steering.given_up().map(|(version, why)| (Some(version), why));
    let mut candidates = steering.candidates();
    if falls == Falls::ToItsOwn && !candidates.contains(&None) {
        candidates.push(None);
    }
    let mut failed = None;
    for pushed in candidates {
        match load_over(arguments, pushed.as_ref()) {
            Ok((config, catalog, held)) => {
                let stands_in = pushed.is_none() && (refused.is_some() || steering.damage().is_some());
                return Ok(Assignment { config, catalog: Arc::new(catalog), held, pushed, stands_in, refused });
            }
            Err(error) => {
                // Of several the first is what somebody waits for.
                refused.get_or_insert_with(|| (pushed.map(|pushed| pushed.version), format!("{error:#}")));
                failed = Some(error);
            }
        }
    }
    Err(failed.unwrap_or_else(|| anyhow!("there is no configuration to follow")))
}

fn load_over(arguments: &ConfigArguments, pushed: Option<&Pushed>) -> Result<(Config, Catalog, Vec<Held>)> {
    let embedded = Catalog::embedded().context("read the embedded catalogue")?;
    let mut config = Config::load_over(pushed, arguments.config.as_deref(), None, &setting, &names(&embedded))?;
    if arguments.override_intervals {
        config.override_intervals()?;
    }
    let catalog = match &config.catalog_dir {
        Some(directory) => embedded.with_dir(directory).context("read CATALOG_DIR")?,
        None => embedded,
    };
    let (catalog, held) = custom::assemble(catalog, &config)?;
    Ok((config, catalog, held))
}

/// Says what somebody should know of an assignment although it works.
pub(crate) fn warn(assignment: &Assignment) {
    assignment.config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if assignment.config.nothing_to_watch.is_some() {
        tracing::warn!("there is nothing to watch: no instance is configured here, and the server has pushed none yet");
    }
    for Held { name, hash, why, .. } in &assignment.held {
        match why {
            Why::Waits => tracing::warn!(
                set.name = name,
                set.hash = hash,
                "a set that the server pushed waits for approval: pganalytics collector approve"
            ),
            Why::Refused => {
                tracing::info!(set.name = name, "a set that the server pushed is not read: custom_sets = \"refuse\"")
            }
            Why::Own => tracing::info!(
                set.name = name,
                "a set that the server pushed is not read: CATALOG_DIR has one of its name"
            ),
        }
    }
    if let Some((version, error)) = &assignment.refused {
        tracing::error!(config.version = version, error, "the newest configuration is not followed");
    }
}

/// Turns true when the process is asked to end: by a service manager, at the terminal, or since that is gone. What was
/// started to outlive its terminal (`nohup`) does, and where `at_hangup` is false that signal means something else.
pub(crate) fn stop_signal(at_hangup: bool) -> std::io::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = watch::channel(false);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = if ignores_hangup() || !at_hangup { None } else { Some(signal(SignalKind::hangup())?) };
    tokio::spawn(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let by = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hung_up => "SIGHUP",
        };
        tracing::info!(signal = by, "stopping");
        let _ = sender.send(true);
        // Kept so that the receivers do not take its end for a change.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}

/// Whether whoever started this process had it ignore SIGHUP.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1, and so the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

async fn register(config: &Config, again: bool) -> Result<ExitCode> {
    if let Some(kept) = Registration::load(&config.state_dir)?.filter(|_| !again) {
        // It may be one that the server does not take any more.
        Backend::new(config)?.probe(Some(&kept), None).await?;
        output::data(&format!("registered already as {}; --again registers anew", kept.collector_id));
        return Ok(ExitCode::SUCCESS);
    }
    let secret = config
        .registration_secret
        .as_ref()
        .context("no registration secret: set [backend] registration_secret_file, or REGISTRATION_SECRET")?;
    let backend = Backend::new(config)?;
    let registration = backend.register(&config.name, &collector::run::hostname(), secret.expose()).await?;
    registration.save(&config.state_dir)?;
    output::data(&format!("registered as {}", registration.collector_id));
    Ok(ExitCode::SUCCESS)
}

async fn once(config: &Config, catalog: &Arc<Catalog>, over: Option<u64>) -> Result<ExitCode> {
    watches(config)?;
    let examined = examine::examine(config, catalog, over.map(Duration::from_secs)).await;
    let instances: Vec<_> = examined.iter().map(|examined| examined.to_json(catalog)).collect();
    output::data(&serde_json::to_string_pretty(&serde_json::json!({ "instances": instances }))?);
    let failed = examined.iter().any(Examined::has_errors);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Refuses to look at nothing.
fn watches(config: &Config) -> Result<()> {
    match &config.nothing_to_watch {
        Some(reason) => bail!("{reason}"),
        None => Ok(()),
    }
}

async fn check(config: &Config, catalog: &Arc<Catalog>, held: &[Held], json: bool) -> Result<ExitCode> {
    watches(config)?;
    let mut examined = examine::examine(config, catalog, None).await;
    for examined in examined.iter_mut().filter(|examined| examined.instance.error.is_none()) {
        examined.states.extend(held.iter().map(Held::state));
    }
    let server = match &config.backend_url {
        None => None,
        Some(url) => Some((&url.text, standing(config).await)),
    };
    if json {
        let instances: Vec<_> = examined
            .iter()
            .map(|examined| {
                serde_json::json!({
                    "instance": examined.name,
                    "error": examined.instance.error,
                    "mistakes": examined.mistakes,
                    "attributes": examined.attributes_json(),
                    "states": examined.states_json(),
                    "hints": examined.hints_json(),
                })
            })
            .collect();
        let server = server.as_ref().map(|(url, standing)| {
            let error = standing.as_ref().err().map(|error| format!("{error:#}"));
            serde_json::json!({ "url": url, "standing": standing.as_ref().ok().map(|said| said_of(*said)), "error": error })
        });
        let report = serde_json::json!({ "instances": instances, "server": server });
        output::data(&serde_json::to_string_pretty(&report)?);
    } else {
        examined.iter().for_each(print_check);
        match &server {
            None => output::data("server: none is configured ([backend] url), so nothing would be delivered"),
            Some((url, Ok(standing))) => output::data(&format!("server {url}: {}", said_of(*standing))),
            Some((url, Err(error))) => output::data(&format!("server {url}: cannot be used: {error:#}")),
        }
    }
    let failed = examined.iter().any(Examined::has_failed) || server.is_some_and(|(_, standing)| standing.is_err());
    Ok(match (failed, examined.iter().any(Examined::is_degraded)) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(DEGRADED),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// How the collector stands with its server, or why it cannot be told.
async fn standing(config: &Config) -> Result<Standing> {
    let registration = Registration::load(&config.state_dir)?;
    let secret = config.registration_secret.as_ref().map(config::Secret::expose);
    Backend::new(config)?.probe(registration.as_ref(), secret).await
}

/// The words for it.
fn said_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Registered => "answers, and knows this collector",
        Standing::MayRegister => "answers, and accepts the registration secret",
        Standing::Unregistered => "answers; this collector is not registered and has no registration secret",
    }
}

/// One instance as a table.
fn print_check(examined: &Examined) {
    match (&examined.instance.attributes, &examined.instance.error) {
        (Some(attributes), None) => output::data(&format!(
            "{}: PostgreSQL {}, {}, {}:{}",
            examined.name, attributes.version, attributes.role, attributes.host, attributes.port
        )),
        (_, error) => {
            let reason = error.as_deref().unwrap_or("no answer");
            output::data(&format!("{}: cannot be read: {reason}", examined.name));
            return;
        }
    }
    for mistake in &examined.mistakes {
        output::data(&format!("  {mistake}"));
    }
    print_states(&examined.states);
    print_hints(&examined.hints);
}

/// A line per set, and below it a line per reason why columns are missing.
fn print_states(states: &[SetState]) {
    let width = states.iter().map(|state| state.set.len()).max().unwrap_or(0);
    let mut reasons: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    let flush = |reasons: &mut Vec<(&str, &str, Vec<&str>)>| {
        for (message, fix, columns) in reasons.drain(..) {
            let names = columns.join(", ");
            output::data(&format!("  {:width$}    {message} ({names})", ""));
            if !fix.is_empty() {
                output::data(&format!("  {:width$}    → {fix}", ""));
            }
        }
    };
    for state in states {
        if state.column.is_empty() {
            flush(&mut reasons);
            output::data(format!("  {:width$}  {}  {}", state.set, state_word(state.state), state.message).trim_end());
            if !state.fix.is_empty() {
                output::data(&format!("  {:width$}    → {}", "", state.fix));
            }
            continue;
        }
        match reasons.iter_mut().find(|(message, fix, _)| *message == state.message && *fix == state.fix) {
            Some((_, _, columns)) => columns.push(&state.column),
            None => reasons.push((&state.message, &state.fix, vec![&state.column])),
        }
    }
    flush(&mut reasons);
}

/// What could be read besides: a line per proposal, and the columns that it would give.
fn print_hints(hints: &[SetState]) {
    if hints.is_empty() {
        return;
    }
    output::data("  hints, of what is off by default because it costs; without it nothing is degraded:");
    // Each proposal with its reason, the set that was named last, and the columns.
    let mut proposals: Vec<(&str, &str, &str, String)> = Vec::new();
    for SetState { set, column, message, fix, .. } in hints {
        match proposals.iter_mut().find(|(known, ..)| *known == *fix) {
            None => proposals.push((fix, message, set, format!("{set}: {column}"))),
            Some((.., last, columns)) => {
                let place = if *last == *set { format!(", {column}") } else { format!("; {set}: {column}") };
                columns.push_str(&place);
                *last = set;
            }
        }
    }
    for (fix, message, _, columns) in proposals {
        output::data(&format!("    {message} ({columns})"));
        output::data(&format!("    → {fix}"));
    }
}
