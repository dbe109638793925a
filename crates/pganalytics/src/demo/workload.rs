//! A workload worth looking at: a web shop and a customer register, with the troubles that real ones have.
//!
//! Owns the databases' contents ([`seed`]) and who does what in them ([`Workload`]); the parts themselves are in
//! `shop` and `crm`. Each part is one session that takes turns and pauses; an error ends a turn, never the workload,
//! and a lost connection is made again. All of it stays gentle: a fraction of one core, and tables that do not grow
//! for ever.

mod crm;
mod shop;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_postgres::{Client, Error, NoTls};

use super::primary::Address;
use crate::output;

/// The databases, each with what makes and fills it.
const DATABASES: [(&str, &str); 2] =
    [("shop", include_str!("workload/shop.sql")), ("crm", include_str!("workload/crm.sql"))];

/// The roles that the parts sign in as.
const ROLES: [&str; 4] = ["web", "worker", "report", "crm_app"];

/// No statement of the workload runs longer.
const STATEMENT_TIMEOUT: &str = "10s";

/// No statement of the workload waits longer for a lock.
const LOCK_TIMEOUT: &str = "4s";

/// After an error a part rests this long.
const REST_AFTER_ERROR: Duration = Duration::from_millis(500);

/// First and longest pause between attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What one session does, again and again.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Looks at products and orders, keeps a session.
    Visitor,
    /// Places orders and pays them.
    Checkout,
    /// Searches by a column without an index.
    Support,
    /// The monthly report, too large for its work_mem.
    Report,
    /// Holds the row of the best seller while others want it.
    StockCount,
    /// Wants the row of the best seller.
    StockBuyer,
    /// Leaves a transaction open.
    Spreadsheet,
    /// Archives old orders, exports (DDL), vacuums what autovacuum may not.
    Upkeep,
    /// The customer register's own traffic.
    Register,
    /// Statements as an object mapper writes them: a long tail.
    Mapper,
}

/// One session: what it does, where, as whom, and what it calls itself.
struct Session {
    part: Part,
    database: &'static str,
    role: &'static str,
    application: &'static str,
}

/// All sessions.
const SESSIONS: &[Session] = &[
    session(Part::Visitor, "shop", "web", "shop-web"),
    session(Part::Visitor, "shop", "web", "shop-web"),
    session(Part::Checkout, "shop", "web", "shop-checkout"),
    session(Part::Checkout, "shop", "web", "shop-checkout"),
    session(Part::Support, "shop", "web", "shop-support"),
    session(Part::Report, "shop", "report", "monthly-report"),
    session(Part::StockCount, "shop", "worker", "stock-count"),
    session(Part::StockBuyer, "shop", "web", "shop-flash-sale"),
    session(Part::StockBuyer, "shop", "web", "shop-flash-sale"),
    session(Part::StockBuyer, "shop", "web", "shop-flash-sale"),
    session(Part::Spreadsheet, "shop", "report", "spreadsheet"),
    session(Part::Upkeep, "shop", "worker", "shop-upkeep"),
    session(Part::Register, "crm", "crm_app", "crm"),
    session(Part::Mapper, "crm", "crm_app", "crm-mapper"),
];

const fn session(part: Part, database: &'static str, role: &'static str, application: &'static str) -> Session {
    Session { part, database, role, application }
}

/// What the parts share.
#[derive(Debug, Default)]
struct Stage {
    /// Told when the best seller's row has been taken.
    sale: Notify,
}

/// Makes roles and databases where they are missing.
pub(super) async fn seed(address: &Address) -> Result<()> {
    let admin = address.connect("postgres", "postgres", "demo").await.context("connect to the demo primary")?;
    for role in ROLES {
        if admin.query_opt("select 1 from pg_roles where rolname = $1", &[&role]).await?.is_none() {
            admin.execute(&format!("create role {role} login"), &[]).await.context("make a role")?;
        }
        let limits = format!(
            "alter role {role} set statement_timeout = '{STATEMENT_TIMEOUT}'; \
             alter role {role} set lock_timeout = '{LOCK_TIMEOUT}'"
        );
        admin.simple_query(&limits).await.context("limit a role")?;
    }
    for (database, script) in DATABASES {
        if admin.query_opt("select 1 from pg_database where datname = $1", &[&database]).await?.is_none() {
            admin.execute(&format!("create database {database}"), &[]).await.context("make a database")?;
        }
        let inside = address.connect(database, "postgres", "demo").await.context("connect to the demo primary")?;
        let tables = "select 1 from pg_class where relnamespace = 'public'::regnamespace limit 1";
        if inside.query_opt(tables, &[]).await?.is_some() {
            continue;
        }
        output::progress(&format!("filling database {database} …"));
        // Several statements at once are one transaction: all of it or nothing.
        inside.simple_query(script).await.with_context(|| format!("fill database {database}"))?;
        inside.simple_query("vacuum analyze").await.with_context(|| format!("analyze database {database}"))?;
    }
    Ok(())
}

/// The workload while it runs.
#[derive(Debug)]
pub(super) struct Workload {
    sessions: JoinSet<()>,
}

impl Workload {
    /// Starts all sessions.
    pub(super) fn start(address: &Address) -> Self {
        let stage = Arc::new(Stage::default());
        let mut sessions = JoinSet::new();
        for (number, session) in (0..).zip(SESSIONS) {
            sessions.spawn(play(session, number, address.clone(), Arc::clone(&stage)));
        }
        Self { sessions }
    }

    /// Ends all sessions.
    pub(super) async fn stop(mut self) {
        self.sessions.shutdown().await;
    }
}

/// Plays one session for ever.
async fn play(session: &'static Session, number: u64, address: Address, stage: Arc<Stage>) {
    let mut random = SmallRng::seed_from_u64(number);
    let mut patience = RECONNECT.0;
    let mut turns = 0;
    loop {
        match address.connect(session.database, session.role, session.application).await {
            Ok(mut client) => {
                patience = RECONNECT.0;
                while !client.is_closed() {
                    let pause = match turn(session.part, turns, &mut client, &mut random, &stage).await {
                        Ok(pause) => pause,
                        Err(error) => {
                            // Deadlocks and timeouts are part of the play.
                            tracing::debug!(application = session.application, %error, "a turn of the workload failed");
                            REST_AFTER_ERROR
                        }
                    };
                    turns += 1;
                    sleep(pause).await;
                }
            }
            Err(error) => {
                tracing::debug!(application = session.application, %error, "the workload cannot connect");
                sleep(patience).await;
                patience = (patience * 2).min(RECONNECT.1);
            }
        }
    }
}

/// One turn, numbered from 0; gives back the pause until the next.
async fn turn(
    part: Part,
    number: u64,
    client: &mut Client,
    random: &mut SmallRng,
    stage: &Stage,
) -> Result<Duration, Error> {
    match part {
        Part::Visitor => shop::visit(client, random).await,
        Part::Checkout => shop::check_out(client, random).await,
        Part::Support => shop::search(client, random).await,
        Part::Report => shop::report(client).await,
        Part::StockCount => shop::count_stock(client, stage).await,
        Part::StockBuyer => shop::buy_best_seller(client, random, stage).await,
        Part::Spreadsheet => shop::leave_open(client).await,
        Part::Upkeep => shop::keep_up(client, number).await,
        Part::Register => crm::work(client, random).await,
        Part::Mapper => crm::map_objects(client, random).await,
    }
}

impl Address {
    /// Opens a session over the socket; it ends when the client is dropped.
    pub(super) async fn connect(&self, database: &str, role: &str, application: &str) -> Result<Client, Error> {
        let (client, connection) = self.config(database, role, application).connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the demo primary ended");
            }
        });
        Ok(client)
    }
}
