//! `pganalytics demo`: everything on this machine, to look at.
//!
//! Owns which parts there are, their order, and what is said meanwhile; each part is a file of its own.
//!
//! ```text
//! directory ─► primary ─► standby, workload ─┐
//!           └► server (in this process, with its embedded store) ─► collector (a process of this binary)
//! ```
//! An interrupt, or the loss of its terminal, ends workload, collector, server, standby and primary, in this order, and nothing else. Clusters and collector
//! of a demo that was killed are taken over or ended by the next one on the same directory.

mod collector_process;
mod directory;
mod primary;
mod standby;
mod workload;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use server::{Running, Settings};
use tokio::sync::watch;

use self::collector_process::{CollectorProcess, Instance, Watched};
use self::directory::Directory;
use self::primary::Primary;
use self::standby::Standby;
use self::workload::Workload;
use crate::arguments::DemoArguments;
use crate::collector_commands::stop_signal;
use crate::{logging, output};

/// Who signs in.
const ADMINISTRATOR: &str = "admin";

/// The first port that is tried, and how many more.
const PORTS: std::ops::RangeInclusive<u16> = 8080..=8180;

/// Settings of the server that the environment may decide; the others are the demo's.
const FROM_ENVIRONMENT: [&str; 5] = ["BIND_ADDRESS", "PORT", "LOG_LEVEL", "LOG_FORMAT", "EMBEDDED_LISTEN"];

/// Runs the demo until interrupted.
pub(crate) fn run(arguments: DemoArguments) -> Result<ExitCode> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = variable("LOG_LEVEL").unwrap_or_else(|| "warn".to_owned());
    logging::start(&level, variable("LOG_FORMAT").is_some_and(|format| format == "json"))?;
    let path = arguments.data_dir.clone().map_or_else(Directory::default_path, Ok)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let mut stop = stop_signal(true).context("listen for signals")?;
        let directory = Directory::claim(&path)?;
        if arguments.fresh {
            output::progress("starting over: removing what an earlier demo left …");
            directory.clear().await?;
        }
        let mut parts = Parts::default();
        let started = Box::pin(parts.start(&arguments, &directory, &stop)).await;
        let interrupted = *stop.borrow();
        if started.is_ok() && !interrupted {
            let _ = stop.changed().await;
        }
        output::progress("stopping …");
        let stopped = parts.stop().await;
        output::progress("stopped; the data stays for the next start");
        // What an interrupt broke off is no failure.
        if !interrupted {
            started?;
        }
        stopped.map(|()| ExitCode::SUCCESS)
    })
}

/// What runs, as far as it has come.
#[derive(Default)]
struct Parts {
    primary: Option<Primary>,
    standby: Option<Standby>,
    workload: Option<Workload>,
    server: Option<Running>,
    collector: Option<CollectorProcess>,
}

impl Parts {
    /// Starts everything, and says where to look; an interrupt ends it between two steps.
    async fn start(
        &mut self,
        arguments: &DemoArguments,
        directory: &Directory,
        stop: &watch::Receiver<bool>,
    ) -> Result<()> {
        collector_process::stop_leftover(directory).await?;
        let (password, _) = directory.secret("password")?;
        let (secret, secret_file) = directory.secret("registration-secret")?;
        let watched = match &arguments.monitor {
            Some(dsn) => {
                let instances = vec![Instance { name: name_of(dsn)?, dsn: dsn.clone() }];
                Watched { instances, libpq_environment: true }
            }
            None => self.start_clusters(directory).await?,
        };
        if *stop.borrow() {
            return Ok(());
        }
        self.server = Some(start_server(directory, &password, &secret).await?);
        let Some(address) = self.server.as_ref().map(|server| server.address) else { return Ok(()) };
        let url = format!("http://{address}");
        if *stop.borrow() {
            return Ok(());
        }
        let config = collector_process::configure(directory, &watched, &url, &secret_file)?;
        if arguments.monitor.is_some()
            && let Some(said) = collector_process::check(&config, &watched).await?
        {
            output::progress("not everything can be read; collector check says:");
            output::progress(&said);
        }
        output::progress("starting the collector, a reading every 5 s …");
        self.collector = Some(CollectorProcess::start(directory, config, watched)?);
        output::progress("ready: the first figures are there within a minute");
        output::announcement(&format!("{url}/"));
        output::announcement(&format!("user {ADMINISTRATOR}"));
        output::announcement(&format!("password {password}"));
        output::progress("Ctrl-C stops everything; the next start goes on with the same data, --fresh starts over.");
        Ok(())
    }

    async fn start_clusters(&mut self, directory: &Directory) -> Result<Watched> {
        let primary = self.primary.insert(Primary::start(directory).await?);
        let address = primary.address();
        primary.prepare().await?;
        workload::seed(&address).await?;
        self.workload = Some(Workload::start(&address));
        output::progress(&format!(
            "the workload runs; to look at it: psql \"{}\"",
            address.keywords("shop", "postgres")
        ));
        let mut instances = vec![Instance { name: "demo-primary".to_owned(), dsn: address.monitor_dsn() }];
        self.standby = Standby::start(directory, primary).await?;
        if let Some(standby) = &self.standby {
            instances.push(Instance { name: "demo-standby".to_owned(), dsn: standby.address().monitor_dsn() });
        }
        Ok(Watched { instances, libpq_environment: false })
    }

    /// Ends everything in order; what fails is said, and the rest ends nevertheless.
    async fn stop(self) -> Result<()> {
        if let Some(workload) = self.workload {
            workload.stop().await;
        }
        if let Some(collector) = self.collector {
            collector.stop().await;
        }
        let server = match self.server {
            Some(server) => server.stop().await.context("stop the server"),
            None => Ok(()),
        };
        let standby = match self.standby {
            Some(standby) => standby.stop().await,
            None => Ok(()),
        };
        let primary = match self.primary {
            Some(primary) => primary.stop().await,
            None => Ok(()),
        };
        server.and(standby).and(primary)
    }
}

/// The name of an instance that is not the demo's own: each has its figures for itself.
fn name_of(dsn: &str) -> Result<String> {
    let variable = |name: &str| std::env::var(name).ok();
    let dsn = config::Dsn::parse(dsn, &config::Environment::new(&variable)).context("understand --monitor")?;
    Ok(format!("{}:{}", dsn.host, dsn.port))
}

/// Starts the server in this process: on the port that is asked for, else on the first free one.
async fn start_server(directory: &Directory, password: &str, secret: &str) -> Result<Running> {
    let data_dir = directory.place("server");
    DirBuilder::new().recursive(true).mode(0o700).create(&data_dir).context("make the server's directory")?;
    let asked_for = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let settings = |port: u16| {
        Settings::from_lookup(|name| match name {
            "DATA_DIR" => Some(data_dir.to_string_lossy().into_owned()),
            "ADMIN_USERNAME" => Some(ADMINISTRATOR.to_owned()),
            "ADMIN_PASSWORD" => Some(password.to_owned()),
            "REGISTRATION_SECRET" => Some(secret.to_owned()),
            _ if FROM_ENVIRONMENT.contains(&name) => {
                asked_for(name).or_else(|| (name == "PORT").then(|| port.to_string()))
            }
            _ => None,
        })
        .context("settle the server's settings")
    };
    output::progress("starting the server with its store (at the first start another PostgreSQL cluster) …");
    let mut ports = PORTS;
    loop {
        let settings = settings(ports.next().unwrap_or(0))?;
        match Running::start(settings).await {
            Err(error) if asked_for("PORT").is_none() && is_taken(&error) && !ports.is_empty() => {}
            started => return started.context("start the server"),
        }
    }
}

/// Whether the port is somebody else's.
fn is_taken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    })
}
