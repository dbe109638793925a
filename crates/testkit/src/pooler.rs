//! A throw-away PgBouncer in front of a throw-away cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use cluster::Account;

use crate::pg::{Pg, connect};

/// A port that is only part of its socket's name.
const PORT: u16 = 6432;
/// How often it is asked until it answers.
const AGAIN: Duration = Duration::from_millis(20);
/// How long it may take to answer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A PgBouncer, which ends with this value.
#[derive(Debug)]
pub struct PgBouncer {
    directory: tempfile::TempDir,
    child: Child,
}

impl PgBouncer {
    /// Starts one in front of a cluster, with server connections for one client of each pool. `monitor` may read its
    /// console.
    ///
    /// # Errors
    /// There is none on this machine, or it does not start.
    pub async fn start(pg: &Pg) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("pgb").tempdir().context("make a directory")?;
        let account = Account::current().context("find the account for servers")?;
        account.give(directory.path()).context("give the directory away")?;
        let to = pg.dsn("");
        let of = |keyword: &str| to.split(' ').find_map(|pair| pair.strip_prefix(keyword)).unwrap_or_default();
        let ini = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {}\n\
             auth_type = trust\nauth_file = users.txt\nstats_users = monitor\npool_mode = transaction\ndefault_pool_size = 1\nmax_client_conn = 50\n",
            of("host="),
            of("port="),
            directory.path().display(),
        );
        std::fs::write(directory.path().join("pgbouncer.ini"), ini).context("write its configuration")?;
        let users = "\"postgres\" \"\"\n\"monitor\" \"\"\n";
        std::fs::write(directory.path().join("users.txt"), users).context("write its users")?;
        let child = run(directory.path(), &account)?;
        let mut this = Self { directory, child };
        this.answers().await?;
        Ok(this)
    }

    /// Ends it, and starts it again: it counts from zero.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        self.child = run(self.directory.path(), &Account::current().context("find the account for servers")?)?;
        self.answers().await
    }

    /// Ends it.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("end PgBouncer")?;
        self.child.wait().context("wait for PgBouncer's end")?;
        Ok(())
    }

    /// The connection string to a database by way of it.
    #[must_use]
    pub fn dsn(&self, user: &str, database: &str) -> String {
        format!("host={} port={PORT} user={user} dbname={database}", self.directory.path().display())
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        let dsn = self.dsn("monitor", "pgbouncer");
        let asking = async {
            loop {
                match connect(&dsn).await {
                    Ok(_) => return Ok(()),
                    Err(_) => {
                        if let Some(status) = self.child.try_wait().context("look at PgBouncer")? {
                            bail!("PgBouncer ended ({status})");
                        }
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        };
        tokio::time::timeout(START_LIMIT, asking).await.context("wait for PgBouncer")?
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.stop();
    }
}

fn run(directory: &Path, account: &Account) -> anyhow::Result<Child> {
    // Debian keeps it where only root's path leads.
    let packaged = PathBuf::from("/usr/sbin/pgbouncer");
    let program = if packaged.exists() { packaged } else { PathBuf::from("pgbouncer") };
    // It ends with the test, even where that is killed.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(&program)
        .arg("-q")
        .arg(directory.join("pgbouncer.ini"))
        .current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    account.apply(&mut command).spawn().with_context(|| format!("start {}: is it installed?", program.display()))
}
