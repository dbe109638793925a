//! Standbys of a private cluster: streaming over the primary's socket, with a slot of their own.

use crate::binaries::Binaries;
use crate::cluster::Cluster;
use crate::command;
use crate::error::Error;
use crate::options::ClusterOptions;
use crate::settings;

/// How a standby is to be.
#[derive(Debug, Clone)]
pub struct StandbyOptions {
    /// Its directory, settings and so on; the binaries are the primary's.
    pub cluster: ClusterOptions,
    /// Its physical replication slot, and its `application_name`: lower-case letters, digits and underscores.
    pub slot: String,
}

impl Cluster {
    /// Makes a standby with `pg_basebackup`, and its slot on the primary; the primary must be running.
    ///
    /// # Errors
    /// [`Error::NoProgram`] where the binaries lack `pg_basebackup` (see [`Cluster::follow`]); it fails.
    pub fn standby_of(primary: &Self, options: StandbyOptions) -> Result<Self, Error> {
        let binaries: Binaries = primary.binaries().clone();
        let connection = primary.replication_dsn(&options.slot);
        let mut standby = Self::build(options.cluster, binaries, |account, binaries, options_of_cluster, fresh| {
            let directory = fresh.to_string_lossy();
            let mut arguments = vec!["--create-slot", "--wal-method=stream", "--checkpoint=fast", "--no-password"];
            arguments.extend(["--slot", &options.slot, "--dbname", &connection, "--pgdata", &directory]);
            if options_of_cluster.throw_away {
                arguments.push("--no-sync");
            }
            command::run(account, &binaries.program("pg_basebackup"), fresh, arguments)
        })?;
        standby.follow(primary, &options.slot)?;
        Ok(standby)
    }

    /// Makes a stopped copy of a primary its standby from the next start on; the slot must exist there.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn follow(&mut self, primary: &Self, slot: &str) -> Result<(), Error> {
        let connection = primary.replication_dsn(slot);
        self.stand_by(&[("primary_conninfo", &connection), ("primary_slot_name", slot)])
    }

    /// Makes a stopped copy of a primary a standby that replays what a command restores from an archive, and connects to
    /// nobody.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn restore(&mut self, restore_command: &str) -> Result<(), Error> {
        self.stand_by(&[("restore_command", restore_command)])
    }

    /// In recovery from the next start on, for good.
    fn stand_by(&mut self, recovery: &[(&str, &str)]) -> Result<(), Error> {
        settings::stand_by(&self.account, &self.data, &mut self.options, &self.binaries, recovery)
    }

    /// How a standby of this name reaches the cluster.
    fn replication_dsn(&self, name: &str) -> String {
        format!(
            "host={} port={} user={} application_name={name}",
            self.socket_dir().display(),
            self.port(),
            self.superuser()
        )
    }
}
