//! The collector beside the demo: a process of the same binary, kept running, and ended in order.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::directory::{Directory, write_private};
use crate::output;

/// Seconds between readings, and between deliveries.
const INTERVAL_SECONDS: i64 = 5;

/// Its configuration, log and process id in the demo's directory.
const CONFIG: &str = "collector.toml";
const LOG: &str = "collector.log";
const PROCESS_ID: &str = "collector.pid";

/// Its log is begun anew when it has grown beyond this.
const LOG_LIMIT_BYTES: u64 = 8 * 1024 * 1024;

/// First and longest pause before it is started again; after a life this long the pause is the first again.
const RESTART: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
const LONG_LIFE: Duration = Duration::from_secs(60);

/// How long it may take to end in order; then it is killed, which loses nothing.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// How often a process that is not our child is looked at while it ends.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Variables of ours that a collector gets; everything else that it knows stands in its file.
const PASSED_ON: [&str; 8] = ["PATH", "HOME", "USER", "TZ", "LANG", "LOG_LEVEL", "LOG_FORMAT", "RUST_BACKTRACE"];

/// An instance that the collector watches.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// Its name, which identifies it for ever.
    pub name: String,
    /// How to connect.
    pub dsn: String,
}

/// What the collector watches.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// All instances.
    pub instances: Vec<Instance>,
    /// Whether libpq's variables (`PGPASSFILE`, …) count.
    pub libpq_environment: bool,
}

/// Writes its configuration; gives back the file.
pub(super) fn configure(directory: &Directory, watched: &Watched, server: &str, secret: &Path) -> Result<PathBuf> {
    let text = |path: &Path| toml::Value::String(path.to_string_lossy().into_owned());
    let mut file = toml::toml! {
        [collector]
        name = "demo"
        [backend]
    };
    let mut set = |table: &str, key: &str, value: toml::Value| {
        if let Some(toml::Value::Table(table)) = file.get_mut(table) {
            table.insert(key.to_owned(), value);
        }
    };
    set("collector", "interval", INTERVAL_SECONDS.into());
    set("collector", "push_interval", INTERVAL_SECONDS.into());
    set("collector", "state_dir", text(&directory.place("collector")));
    set("backend", "url", server.into());
    set("backend", "registration_secret_file", text(secret));
    let instance = |instance: &Instance| {
        let mut table = toml::Table::new();
        table.insert("name".to_owned(), instance.name.as_str().into());
        table.insert("dsn".to_owned(), instance.dsn.as_str().into());
        toml::Value::Table(table)
    };
    file.insert("instances".to_owned(), watched.instances.iter().map(instance).collect::<Vec<_>>().into());
    let path = directory.place(CONFIG);
    write_private(&path, &file.to_string())?;
    Ok(path)
}

/// What `collector check` says of what is watched, where it is not all well.
pub(super) async fn check(config: &Path, watched: &Watched) -> Result<Option<String>> {
    const FINE: i32 = 0;
    const DEGRADED: i32 = 3;
    let output = command(&["check"], config, watched)?.output().await.context("run collector check")?;
    match output.status.code() {
        Some(FINE) => Ok(None),
        Some(DEGRADED) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())),
        _ => bail!("collector check failed: {}", String::from_utf8_lossy(&output.stderr).trim_end()),
    }
}

/// The collector while it is kept running.
#[derive(Debug)]
pub(super) struct CollectorProcess {
    stop: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

impl CollectorProcess {
    /// Starts it, and again whenever it ends.
    pub(super) fn start(directory: &Directory, config: PathBuf, watched: Watched) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let place = Place { config, log: directory.place(LOG), process_id: directory.place(PROCESS_ID), watched };
        let first = place.spawn()?;
        Ok(Self { stop, keeper: tokio::spawn(keep(place, first, stopped)) })
    }

    /// Ends it in order.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.keeper.await {
            tracing::error!(%error, "keeping the collector ended early");
        }
    }
}

/// What a start needs.
struct Place {
    config: PathBuf,
    log: PathBuf,
    process_id: PathBuf,
    watched: Watched,
}

impl Place {
    fn spawn(&self) -> Result<Child> {
        let long = fs::metadata(&self.log).is_ok_and(|metadata| metadata.len() > LOG_LIMIT_BYTES);
        let log = File::options().create(true).append(!long).truncate(long).write(true).open(&self.log);
        let log = log.with_context(|| format!("open {}", self.log.display()))?;
        let mut command = command(&["run", "--override-intervals"], &self.config, &self.watched)?;
        // A Ctrl-C at the terminal is for us, who then end it in order.
        command.process_group(0).stdout(Stdio::from(log.try_clone().context("share the collector's log")?));
        let child = command.stderr(Stdio::from(log)).spawn().context("start the collector")?;
        if let Some(pid) = pid(&child) {
            // With its start the id names one process for good.
            let start = cluster::process::start_ticks(pid).unwrap_or(0);
            write_private(&self.process_id, &format!("{pid} {start}\n"))?;
        }
        Ok(child)
    }
}

/// Waits for the child to end or for the order to end it.
async fn keep(place: Place, mut child: Child, mut stopped: oneshot::Receiver<()>) {
    let mut pause = RESTART.0;
    loop {
        let begun = Instant::now();
        let ended = tokio::select! {
            ended = child.wait() => ended,
            _ = &mut stopped => {
                end(&mut child).await;
                let _ = fs::remove_file(&place.process_id);
                return;
            }
        };
        if begun.elapsed() > LONG_LIFE {
            pause = RESTART.0;
        }
        output::progress(&format!(
            "the collector ended ({}); it is started again in {} s. Its log: {}",
            ended.map_or_else(|error| error.to_string(), described),
            pause.as_secs(),
            place.log.display()
        ));
        child = loop {
            tokio::select! {
                () = sleep(pause) => {}
                _ = &mut stopped => return,
            }
            pause = (pause * 2).min(RESTART.1);
            match place.spawn() {
                Ok(child) => break child,
                Err(error) => output::progress(&format!("the collector does not start: {error:#}")),
            }
        };
    }
}

/// Asks a child to end, and kills it if it does not.
async fn end(child: &mut Child) {
    if let Some(pid) = pid(child) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if timeout(STOP_LIMIT, child.wait()).await.is_err() {
        output::progress("the collector does not end by itself: killed");
        if let Err(error) = child.kill().await {
            tracing::error!(%error, "the collector could not be killed");
        }
    }
}

/// Ends the collector of a demo that was killed, if it still runs.
pub(super) async fn stop_leftover(directory: &Directory) -> Result<()> {
    let path = directory.place(PROCESS_ID);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    if let [pid, start] = numbers[..]
        && let Ok(pid) = i32::try_from(pid)
        && cluster::process::start_ticks(pid) == Some(start)
    {
        output::progress("an earlier demo left its collector running: ended");
        for (signal, limit) in [(Signal::SIGTERM, STOP_LIMIT), (Signal::SIGKILL, STOP_LIMIT)] {
            let _ = kill(Pid::from_raw(pid), signal);
            let begun = Instant::now();
            // Not our child: there is nothing to wait on.
            while cluster::process::is_alive(pid) && begun.elapsed() < limit {
                sleep(LOOK_EVERY).await;
            }
        }
        if cluster::process::is_alive(pid) {
            bail!("the collector that an earlier demo left (process {pid}) does not end");
        }
    }
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
}

/// A collector's command of this same binary, with nothing of our environment but what it should know.
fn command(words: &[&str], config: &Path, watched: &Watched) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("find this program's own file")?);
    command.arg("collector").args(words).arg("--config").arg(config).stdin(Stdio::null()).env_clear();
    // Its log is a file: no colours.
    command.env("NO_COLOR", "1");
    for (name, value) in std::env::vars_os() {
        let word = name.to_string_lossy();
        let libpq = watched.libpq_environment && word.starts_with("PG") && !word.starts_with("PGA");
        if libpq || PASSED_ON.contains(&&*word) {
            command.env(name, value);
        }
    }
    Ok(command)
}

fn pid(child: &Child) -> Option<i32> {
    i32::try_from(child.id()?).ok()
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}
