//! `pganalytics server`, `migrate` and `admin …`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use server::retention::ChangeDays;
use server::running::{Opened, Wanted};
use server::settings::LogFormat;
use server::sizes::StoreSizes;
use server::{Running, Settings, accounts};

use crate::arguments::{AdminCommand, NewLayout, RetentionArguments, UserCommand};
use crate::collector_commands::stop_signal;
use crate::{logging, output};

/// Serves until interrupted.
pub(crate) fn serve(print_config: bool) -> Result<ExitCode> {
    let settings = Settings::from_environment()?;
    if print_config {
        output::data(&settings.print_config());
        return Ok(ExitCode::SUCCESS);
    }
    with_runtime(settings, async |settings| {
        let mut stop = stop_signal(true).context("listen for signals")?;
        let running = Running::start(settings).await?;
        if let Some(admin) = &running.first_admin
            && let Some(password) = &admin.generated_password
        {
            output::progress(&format!("First administrator: {}", admin.username));
            output::progress(&format!("Password:            {}", password.reveal()));
            output::progress("This password is shown only now; `pganalytics admin user reset` makes another.");
        }
        let scheme = if running.speaks_tls { "https" } else { "http" };
        output::announcement(&format!("{scheme}://{}/", running.address));
        let _ = stop.changed().await;
        running.stop().await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Brings the schemas up to date and stops.
pub(crate) fn migrate() -> Result<ExitCode> {
    with_runtime(Settings::from_environment()?, async |settings| {
        // A store is made where somebody said where; never at a default that nobody thought of.
        let may_make = !settings.is_default("DATA_DIR");
        let opened = Opened::new(settings, Wanted::UpToDate { may_make }).await?;
        output::progress("schemas pganalytics and metrics are up to date");
        opened.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Runs an administrator's command.
pub(crate) fn admin(command: AdminCommand) -> Result<ExitCode> {
    with_runtime(Settings::from_environment()?, async |settings| {
        if let AdminCommand::Layout { to: NewLayout::Timescale } = command {
            return to_timescale(&settings).await.map(|()| ExitCode::SUCCESS);
        }
        let opened = Opened::new(settings, Wanted::AsItIs).await?;
        let changed = match command {
            AdminCommand::Layout { .. } => Ok(()),
            AdminCommand::User(command) => change_user(&opened, command).await,
            AdminCommand::Retention(arguments) => retention(&opened, arguments).await,
        };
        opened.close().await;
        changed.map(|()| ExitCode::SUCCESS)
    })
}

async fn change_user(opened: &Opened, command: UserCommand) -> Result<()> {
    let app = &opened.app;
    let mut client = app.pool.get().await.context("connect to the store")?;
    let now = app.clock.now();
    match command {
        UserCommand::Add { name, role } => {
            let (user, password) = accounts::add_user(&client, &name, None, role, now).await?;
            output::data(&format!("user {}\npassword {}", user.username, password.reveal()));
        }
        UserCommand::Reset { name } => {
            let password = accounts::reset_password(&mut client, &name, None, now).await?;
            output::data(&format!("user {name}\npassword {}", password.reveal()));
        }
    }
    Ok(())
}

async fn retention(opened: &Opened, arguments: RetentionArguments) -> Result<()> {
    let RetentionArguments { set, tier, days, dry_run, .. } = arguments;
    let changes: Vec<ChangeDays> =
        set.zip(tier).map(|(set, tier)| ChangeDays { set, tier, days }).into_iter().collect();
    let answer = server::retention::command(&opened.app, &changes, dry_run).await?;
    let sizes = server::sizes::command(&opened.app).await?;
    output::data(&format!(
        "{:<28} {:<4} {:>5} {:>8} {:>11} {:>11} {:>11}",
        "SET", "TIER", "DAYS", "DEFAULT", "MB", "MB/DAY", "MB TO GO"
    ));
    for set in answer.data.iter().chain(&answer.shared) {
        for tier in &set.tiers {
            let (stored, to_go) = (megabytes(tier.bytes), megabytes(tier.expired_bytes));
            let growth = sizes.growth_of(&set.set, tier.tier).map_or_else(|| "-".to_owned(), megabytes_a_day);
            let (name, days, default) = (&set.set, tier.days, tier.default_days);
            output::data(&format!(
                "{name:<28} {:<4} {days:>5} {default:>8} {stored:>11} {growth:>11} {to_go:>11}",
                tier.tier
            ));
        }
    }
    output::data(&format!(
        "\n{} MB are stored, {} MB of them go.",
        megabytes(answer.bytes),
        megabytes(answer.expired_bytes)
    ));
    if !changes.is_empty() {
        let verb = if dry_run { "would free" } else { "frees" };
        output::data(&format!("The change {verb} {} MB.", megabytes(answer.freed_bytes)));
    }
    growth(&sizes);
    Ok(())
}

/// How the whole database grows, and when its disk is full.
fn growth(sizes: &StoreSizes) {
    let taken = megabytes(sizes.bytes);
    match (sizes.bytes_per_day, sizes.since) {
        (Some(per_day), Some(since)) => output::data(&format!(
            "The database takes {taken} MB, {} MB a day more since {}.",
            megabytes_a_day(per_day),
            judgement::span::moment(since)
        )),
        _ => output::data(&format!("The database takes {taken} MB.")),
    }
    if let Some(free) = sizes.disk.free_bytes {
        output::data(&format!("Its disk has {} MB free.", megabytes(free)));
    }
    if let Some(full_at) = sizes.disk.full_at {
        output::data(&format!("At this rate it is full on {}.", judgement::span::moment(full_at)));
    }
    for reason in [&sizes.reason, &sizes.disk.reason].into_iter().flatten() {
        output::data(reason);
    }
}

fn megabytes_a_day(bytes: f64) -> String {
    format!("{:.1}", bytes / 1e6)
}

async fn to_timescale(settings: &Settings) -> Result<()> {
    let rows = server::layout::to_timescale(settings, |moved| {
        let (table, end, rows, left) = (&moved.table, moved.end, moved.rows, moved.left);
        output::progress(&format!("{table} until {end}: {rows} rows moved; {left} partitions left"));
    });
    let rows = rows.await?;
    output::data(&format!("The store is kept in TimescaleDB now; {rows} rows were moved. Servers can be started."));
    Ok(())
}

fn megabytes(bytes: i64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn with_runtime(settings: Settings, work: impl AsyncFnOnce(Settings) -> Result<ExitCode>) -> Result<ExitCode> {
    logging::start(&settings.log_level, settings.log_format == LogFormat::Json)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(work(settings))
}
