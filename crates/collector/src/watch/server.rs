//! The way to the instance's PostgreSQL: one connection that stays open, who answers there, what the collector's role
//! may do, and where the extension is.

use catalog::Catalog;

use crate::clock::Clock;
use crate::connect::{ConnectError, Connector, Session};
use crate::coverage::{Extension, Grants};
use crate::discovery::Discovery;
use crate::identity::{self, Identity};
use crate::read::{self, ReadError};

/// The database that the open connection goes to.
const MAINTENANCE_DATABASE: &str = "postgres";

/// An instance's server, as far as it is known.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) connector: Connector,
    /// The open connection and its database.
    pub(super) main: Option<(Session, String)>,
    pub(super) grants: Option<Grants>,
    pub(super) discovery: Discovery,
    /// The settings that are asked for with the identity.
    settings: Vec<String>,
}

impl Server {
    pub(super) fn new(instance: &config::Instance, catalog: &Catalog) -> Self {
        let columns = catalog.sets().flat_map(|set| &set.definition.columns);
        let mut settings: Vec<String> = columns.filter_map(|column| column.requires_setting.clone()).collect();
        settings.extend(identity::SETTINGS.iter().map(|name| (*name).to_owned()));
        settings.sort();
        settings.dedup();
        Self {
            connector: Connector::new(instance.dsn.clone()),
            main: None,
            grants: None,
            discovery: Discovery::default(),
            settings,
        }
    }

    /// Goes on from the server of the same instance. Whoever is somebody else there now begins anew, but for the
    /// connections that are still in use.
    pub(super) fn go_on(&mut self, before: Self, selects_alike: bool) {
        if before.connector.dsn() == self.connector.dsn() {
            let Self { connector, main, grants, discovery, .. } = before;
            (self.connector, self.main, self.grants) = (connector, main, grants);
            if selects_alike {
                self.discovery = discovery;
            }
        } else {
            self.connector.share_places(&before.connector);
        }
    }

    /// The open connection's identity; connects when there is none.
    pub(super) async fn identify(&mut self, clock: &Clock) -> anyhow::Result<Identity> {
        if self.main.as_ref().is_none_or(|(main, _)| !main.is_usable()) {
            self.main = None;
            self.main = Some(self.connect_main().await?);
            self.grants = None;
        }
        let Some((main, _)) = &self.main else { anyhow::bail!("no connection") };
        match main.within(read::limit(), self.identity(main)).await {
            Ok(identity) => {
                // Whatever is taken from the role is no longer read from here on: hidden is not zero.
                self.grants = Some(identity.grants.clone());
                Ok(identity.seen_at(clock.now_us()))
            }
            Err(error) => {
                if error.is_broken() {
                    self.main = None;
                }
                Err(error.into())
            }
        }
    }

    /// Who answers on a connection.
    pub(super) async fn identity(&self, session: &Session) -> Result<Identity, ReadError> {
        Identity::read(session, &self.settings).await
    }

    /// The identity over a second connection, where the extension is still as it was found.
    pub(super) async fn meet(&mut self, session: &Session, database: &str) -> Result<Option<Identity>, ReadError> {
        let meeting = async {
            let same = self.discovery.confirm(session, database).await?;
            let identity = Identity::read(session, &self.settings).await?;
            Ok(same.then_some(identity))
        };
        session.within(read::limit(), meeting).await
    }

    /// Connects to the maintenance database, or to the configured one; the error names the last that was tried.
    async fn connect_main(&self) -> anyhow::Result<(Session, String)> {
        let configured = &self.connector.dsn().dbname;
        let mut database = MAINTENANCE_DATABASE;
        let mut outcome = self.connector.connect(database).await;
        let refused = matches!(&outcome, Err(ConnectError::Refused(error)) if error.as_db_error().is_some());
        if refused && configured != MAINTENANCE_DATABASE {
            database = configured;
            outcome = self.connector.connect(database).await;
        }
        match outcome {
            Ok(session) => Ok((session, database.to_owned())),
            Err(error) => {
                let fix = error.fix(database, &self.connector.dsn().user);
                anyhow::bail!("{error} (database {database}){}", read::in_words(&fix))
            }
        }
    }

    /// What is wrong with the database that the connection string names, although another one can be read.
    pub(super) async fn mistake(&self) -> Option<String> {
        let configured = self.connector.dsn().dbname.clone();
        self.main.as_ref().filter(|(_, open)| *open != configured)?;
        let error = self.connector.connect(&configured).await.err()?;
        let fix = read::in_words(&error.fix(&configured, &self.connector.dsn().user));
        Some(format!("{error} (database {configured}, which the connection string names){fix}"))
    }

    /// Whether the extension is where the open connection goes.
    pub(super) fn has_here(&self, extension: Option<&Extension>) -> bool {
        match (&self.main, extension) {
            (Some((_, database)), Some(extension)) => *database == extension.database,
            _ => true,
        }
    }

    pub(super) async fn find_extension(&mut self, selects: impl Fn(&str) -> bool) {
        if let Some((main, database)) = &self.main {
            self.discovery.look(&self.connector, main, database, selects).await;
        }
    }

    /// The instance as it stands in a batch.
    pub(super) fn attributes(&self, identity: &Identity, extension: Option<&Extension>) -> wire::Attributes {
        let dsn = self.connector.dsn();
        wire::Attributes {
            system_identifier: identity.incarnation.system_identifier.clone(),
            version_num: identity.version_num,
            version: identity.version.clone(),
            role: if identity.standby { "standby" } else { "primary" }.to_owned(),
            host: dsn.host.to_string(),
            port: dsn.port.into(),
            timeline: identity.timeline,
            postmaster_start_us: identity.incarnation.postmaster_start_us,
            clock_offset_us: Some(identity.clock_offset_us),
            max_connections: Some(identity.max_connections),
            track: identity.settings.get("pg_stat_statements.track").cloned(),
            statements_version: extension.map(|found| found.version.to_string()),
        }
    }
}
