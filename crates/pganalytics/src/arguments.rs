//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use server::retention::{MOST_DAYS, TierName};

use crate::load::LoadArguments;
use crate::report::ReportArguments;

/// Watches PostgreSQL: what is slow, what changed, who blocks whom, and what will break next.
#[derive(Debug, Parser)]
#[command(name = "pganalytics", version, propagate_version = true, subcommand_required = true)]
#[command(after_help = "Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 degraded (collector check, report).")]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reads one or many PostgreSQL instances and delivers to a server
    #[command(subcommand)]
    Collector(CollectorCommand),
    /// Looks at one PostgreSQL twice and reports what is wrong with it, and what mends that; needs no server
    #[command(after_help = "\
It reads as a collector does: at most 3 connections, read-only, with time-outs, and it waits for no lock on a table; it \
changes nothing and keeps nothing. The role pg_monitor is enough; what a role may not read is named, with the grant. \
Progress goes to standard error, the report to standard output. Ctrl-C between the readings makes the second one at once, \
a further one ends without a report.

Exit codes:
  0  nothing critical, no warning
  1  there is no report: PostgreSQL cannot be read, or the report cannot be written
  2  wrong usage, a connection string that makes no sense included
  3  at least one critical finding or warning; missing rights are a warning")]
    Report(Box<ReportArguments>),
    /// Everything on this machine, to look at: a PostgreSQL under load, collector, server, pages
    #[command(
        after_help = "Port 8080 or the next free one; PORT in the environment asks for another. Ctrl-C stops it; so does closing its terminal."
    )]
    Demo(DemoArguments),
    /// Takes batches in, keeps them, and serves API and pages, until interrupted
    #[command(after_help = "Settings come from the environment: --print-config lists them with their values.\n\
                      SIGTERM, SIGINT and SIGHUP (a lost terminal) stop it in order, with its private PostgreSQL; under \
                      nohup it outlives its terminal. Nothing is read anew while it runs.")]
    Server {
        /// Print what is in force and where each value came from, and stop
        #[arg(long)]
        print_config: bool,
    },
    /// Brings the store's schemas up to date, and stops
    Migrate,
    /// Administers a server's store
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Simulates collectors against a server, and compares what they sent with what is stored
    #[command(after_help = "\
Each simulated collector registers as load-<seed>-<n> with one instance and sends what a real one sends: statements \
whose calls fall off as 1/n and of which some are new in each cycle, their texts, databases, WAL, sessions, names. \
It obeys the server's answers as a collector does. Use a server and a store of their own: what is sent stays there.

Ctrl-C ends it early, with the report.

Exit codes:
  0  all is acknowledged, and, with --store-url, stored as it was sent
  1  something is not: the report says what
  2  wrong usage")]
    Load(Box<LoadArguments>),
    /// Writes the generated files of the source tree (for developers)
    #[command(hide = true)]
    Generate {
        /// The root of the source tree
        #[arg(long, default_value = ".")]
        root: PathBuf,
    },
}

/// How the demo is to be.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArguments {
    /// Where it keeps its data [default: /var/lib/pganalytics/demo for root, else the user's data directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// Watch this PostgreSQL (libpq's URI or keywords) instead of one of the demo's own under load
    #[arg(long, value_name = "DSN")]
    pub monitor: Option<String>,
    /// Delete what an earlier demo left in the data directory, and start over
    #[arg(long)]
    pub fresh: bool,
}

/// What a collector can do.
#[derive(Debug, Subcommand)]
pub(crate) enum CollectorCommand {
    /// Read on schedule, spool, and deliver, until interrupted
    #[command(
        after_help = "SIGTERM and SIGINT stop it in order, and so does SIGHUP where it has a terminal, which is lost then; \
                      under nohup it outlives that. Without a terminal SIGHUP has it read its configuration anew, which it \
                      also does when a file of it changed. What is wrong is refused, and the one so far stays in force."
    )]
    Run {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Register with the server, and keep the token in the state directory
    Register {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArguments,
        /// Register anew although there is a registration, as after the collector was removed at the server or the
        /// server's store was emptied: the server then sees a new collector. One that runs goes on with it by itself
        #[arg(long)]
        again: bool,
    },
    /// Say what works, what does not, why, and the SQL that mends it
    #[command(after_help = "\
Exit codes:
  0  all that watching needs is there; hints may name what PostgreSQL leaves off because it costs
  1  it would not work: PostgreSQL, the server, a certificate, a secret or the configuration, each named
  2  wrong usage
  3  degraded: something is missing that the SQL below it mends, such as a grant or an extension")]
    Check {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArguments,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Try a set of your own on the configured instances: rows, types, time and bytes; nothing is kept or delivered
    #[command(after_help = "\
The set is read as it would be: read only, for 5 s and 10,000 rows at most, with the rights that the collector's role has.

Exit codes:
  0  it was read from every instance
  1  it was not, or its files are wrong: each with the reason
  2  wrong usage")]
    DryRun {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArguments,
        /// The set: its folder, with set.toml and VERSION.sql in it, or the name of one of the configuration, of
        /// CATALOG_DIR, or pushed by the server, approved or not
        set: String,
        /// Print at most so many rows of each reading
        #[arg(long, default_value_t = 5)]
        rows: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the sets that the server pushed and that wait for approval here; approve those whose hashes are given
    #[command(after_help = "\
Approved are the very words of a set: when the server has others for it, they wait again, and the set is not read until \
then. Approvals lie in the state directory; a collector that runs follows them within seconds.")]
    Approve {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArguments,
        /// Hashes as they are shown, or the first 12 digits of one or more
        hashes: Vec<String>,
        /// Take approvals back instead
        #[arg(long, requires = "hashes")]
        revoke: bool,
    },
    /// Read everything once and print it as JSON
    Once {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArguments,
        /// Read twice, this many seconds apart, and print increments instead of totals since the last reset
        #[arg(long, value_name = "SECONDS")]
        over: Option<u64>,
    },
}

/// What can be administered.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// The server's users
    #[command(subcommand)]
    User(UserCommand),
    /// Print how long what is kept, what it takes on the disk and how that grows; change it with --set, --tier and --days
    #[command(after_help = "\
A partition goes when all of it is past its days: a day of raw rows, a month of 5m, a year of 1h and 1d. What goes is \
dropped by the running server within seconds. A coarser tier is kept at least as long as the finer one.\n\
Growth is told from sizes that the server notes daily, from the second day on; when the disk is full only where its room \
is known: of the private store in DATA_DIR, or as STORE_DISK_BYTES says.")]
    Retention(RetentionArguments),
    /// Bring the store to another layout, while no server runs; run again, it goes on where it was cut off
    #[command(after_help = "\
timescale: what is measured goes from partitions of PostgreSQL to compressed hypertables of TimescaleDB, partition by \
partition, each in a transaction of its own, so that the disk never holds more than one of them twice. First stop all \
servers: collectors keep what they measure meanwhile, for 7 days. The database needs the extension timescaledb \
(`create extension timescaledb`). Until it is done no server takes the store. There is no way back.")]
    Layout {
        /// The layout
        #[arg(value_enum)]
        to: NewLayout,
    },
}

/// A layout that a store can be brought to.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub(crate) enum NewLayout {
    /// Hypertables of TimescaleDB
    Timescale,
}

/// What to change of how long a set is kept.
#[derive(Args, Clone, Debug)]
pub(crate) struct RetentionArguments {
    /// The set
    #[arg(long, requires_all = ["tier", "change"])]
    pub(crate) set: Option<String>,
    /// raw, 5m, 1h, 1d or 1w
    #[arg(long, requires = "set")]
    pub(crate) tier: Option<TierName>,
    /// The days, 1 to 3660; of 5m 15 or more, and never fewer than of a finer tier
    #[arg(long, requires = "set", group = "change", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    pub(crate) days: Option<i64>,
    /// As many days as where nothing was said
    #[arg(long, requires = "set", group = "change")]
    pub(crate) default: bool,
    /// Only say what would be in force and what would go
    #[arg(long, requires = "set")]
    pub(crate) dry_run: bool,
}

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user, and print the password made for it
    Add {
        /// The name to sign in with
        name: String,
        /// viewer reads, user also acts, admin also administers
        #[arg(long, default_value = "viewer")]
        role: server::accounts::Role,
    },
    /// Give a user a new password, print it, and end the user's sessions
    Reset {
        /// The name to sign in with
        name: String,
    },
}

/// Where a collector's configuration comes from.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArguments {
    /// The configuration file [default: /etc/pganalytics/collector.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Let `[collector] interval` apply to every set, also to those with an interval of their own
    #[arg(long)]
    pub override_intervals: bool,
    /// Print what is in force and where each value came from, and stop
    #[arg(long)]
    pub print_config: bool,
}
