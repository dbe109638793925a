//! `postgres_exporter` beside the two clients, where it is installed: what Prometheus would scrape in a cycle.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::{SysconfVar, sysconf};

use crate::WARM_UP;
use crate::clients::Cost;
use crate::measure::peak_bytes_of;

/// The names of its program: Debian's, and its authors'.
const PROGRAMS: [&str; 2] = ["prometheus-postgres-exporter", "postgres_exporter"];

/// How long it may take to listen.
const START: Duration = Duration::from_secs(10);

/// Figures of a statement, as the collector reads them of PostgreSQL 15; without texts, as the collector's cycle.
const STATEMENT_FIGURES: [&str; 30] = [
    "plans",
    "total_plan_time",
    "calls",
    "total_exec_time",
    "rows",
    "shared_blks_hit",
    "shared_blks_read",
    "shared_blks_dirtied",
    "shared_blks_written",
    "local_blks_hit",
    "local_blks_read",
    "local_blks_dirtied",
    "local_blks_written",
    "temp_blks_read",
    "temp_blks_written",
    "blk_read_time",
    "blk_write_time",
    "temp_blk_read_time",
    "temp_blk_write_time",
    "wal_records",
    "wal_fpi",
    "wal_bytes",
    "jit_functions",
    "jit_generation_time",
    "jit_inlining_count",
    "jit_inlining_time",
    "jit_optimization_count",
    "jit_optimization_time",
    "jit_emission_count",
    "jit_emission_time",
];

/// The exporter, with its default metrics and one for each figure of a statement.
pub(crate) struct Exporter {
    child: Child,
    url: String,
    client: reqwest::Client,
    cost: Cost,
    before_ms: f64,
    scrapes: usize,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Exporter {
    /// Starts it; `None` where it is not installed.
    pub(crate) async fn start(dsn: &str, folder: &Path) -> Result<Option<Self>> {
        let has = |program: &&&str| {
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        let Some(program) = PROGRAMS.iter().find(has) else { return Ok(None) };
        let queries = folder.join("queries.yaml");
        std::fs::write(&queries, queries_file()).context("write the exporter's queries")?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).context("find a port")?.port();
        let child = Command::new(program)
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--extend.query-path={}", queries.display()))
            .env("DATA_SOURCE_NAME", format!("{dsn} sslmode=disable"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the exporter")?;
        let (url, client) = (format!("http://127.0.0.1:{port}/metrics"), reqwest::Client::new());
        let mut this = Self { child, url, client, cost: Cost::default(), before_ms: 0.0, scrapes: 0 };
        let listening = async {
            while this.client.get(format!("http://127.0.0.1:{port}/")).send().await.is_err() {
                ensure!(this.child.try_wait()?.is_none(), "the exporter ended early");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        tokio::time::timeout(START, listening).await.context("wait for the exporter")??;
        Ok(Some(this))
    }

    /// One scrape, as Prometheus asks for it.
    pub(crate) async fn cycle(&mut self) -> Result<()> {
        if self.scrapes == WARM_UP {
            self.before_ms = cpu_ms_of(self.child.id())?;
        }
        self.scrapes += 1;
        let asked = self.client.get(&self.url).header("Accept-Encoding", "gzip").send().await;
        let answer = asked.and_then(reqwest::Response::error_for_status).context("scrape the exporter")?;
        let body = answer.bytes().await.context("read what the exporter says")?;
        if self.scrapes > WARM_UP {
            self.cost.cycles += 1;
            self.cost.batch_bytes += body.len() as u64;
        }
        Ok(())
    }

    /// What it cost; `expected` statements must be in what it says.
    pub(crate) async fn end(mut self, expected: usize) -> Result<Cost> {
        self.cost.cpu_ms = cpu_ms_of(self.child.id())? - self.before_ms;
        self.cost.peak_bytes = peak_bytes_of(self.child.id())?;
        let said = self.client.get(&self.url).send().await.context("scrape the exporter")?.text().await?;
        let seen = said.lines().filter(|line| line.starts_with("bench_statements_calls{")).count();
        ensure!(seen >= expected, "the exporter says {seen} of {expected} statements");
        let series = said.lines().filter(|line| !line.starts_with('#')).count();
        self.cost.rows = series as u64 * u64::from(self.cost.cycles);
        Ok(std::mem::take(&mut self.cost))
    }
}

fn queries_file() -> String {
    let figures = STATEMENT_FIGURES.join(", ");
    let mut file = format!(
        "bench_statements:\n  query: \"select userid, dbid, queryid, toplevel, {figures} from pg_stat_statements(false)\"\n  \
         metrics:\n"
    );
    let labels = ["userid", "dbid", "queryid", "toplevel"].map(|label| (label, "LABEL"));
    for (name, usage) in labels.into_iter().chain(STATEMENT_FIGURES.map(|figure| (figure, "COUNTER"))) {
        file += &format!("    - {name}:\n        usage: \"{usage}\"\n        description: \"{name}\"\n");
    }
    file
}

/// Processor time of another process, in milliseconds; its clock ticks a hundred times a second.
fn cpu_ms_of(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).context("read the exporter's time")?;
    let after_name = stat.rsplit_once(')').context("understand /proc/…/stat")?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).context("understand /proc/…/stat");
    let ticks = ticks()? + ticks()?;
    let per_second = sysconf(SysconfVar::CLK_TCK).context("ask for the clock's ticks")?.context("know the ticks")?;
    Ok(ticks * 1e3 / per_second as f64)
}
