//! One set of one database, read again and again as the role that collects.

use catalog::{Availability, Catalog, Set, Version};
use collector::read;
use collector::session::Session;
use testkit::Pg;
use wire::Frame;

use crate::rig::ROLE;

/// What the collector's sessions have.
const OPTIONS: &str = "options='-c search_path=pg_catalog -c default_transaction_read_only=on'";

pub(crate) struct Look {
    session: Session,
    set: Set,
    statement: String,
}

/// A row of a reading.
pub(crate) struct Row<'a> {
    set: &'a Set,
    frame: &'a Frame,
    row: usize,
}

impl Look {
    /// `None` where the server is older than the set.
    pub(crate) async fn new(pg: &Pg, database: &str, set: &str) -> Option<Self> {
        let set = Catalog::embedded().unwrap().get(set).unwrap().clone();
        let Availability::Sql(statement) = set.sql_for(Version { major: pg.major(), minor: 0 }) else { return None };
        let statement = statement.to_owned();
        let dsn = pg.dsn(database).replace("user=postgres", &format!("user={ROLE}"));
        let session = testkit::connect(&format!("{dsn} {OPTIONS}")).await.unwrap().into();
        Some(Self { session, set, statement })
    }

    /// What `tell` makes of each row now.
    pub(crate) async fn map<T>(&self, tell: impl FnMut(Row<'_>) -> T) -> Vec<T> {
        let name = self.set.name();
        let read = read::frame(&self.session, &self.set.definition, &self.statement, 0).await;
        let frame = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        (0..frame.rows).map(|row| Row { set: &self.set, frame: &frame, row }).map(tell).collect()
    }

    /// Reads until `tell` makes something of a row; the runner's limit ends it.
    pub(crate) async fn until<T>(&self, mut tell: impl FnMut(Row<'_>) -> Option<T>) -> T {
        loop {
            if let Some(told) = self.map(&mut tell).await.into_iter().flatten().next() {
                return told;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Row<'_> {
    fn place(&self, column: &str) -> usize {
        self.set.definition.column(column).unwrap_or_else(|| panic!("{column} is no column")).0
    }

    /// A number, a moment, an oid; true is 1. `None` for NULL and where the version has no such column.
    pub(crate) fn int(&self, column: &str) -> Option<i64> {
        let column = self.frame.column(self.place(column))?;
        column.int(self.row).or_else(|| column.bool(self.row).map(i64::from))
    }

    pub(crate) fn float(&self, column: &str) -> Option<f64> {
        self.frame.column(self.place(column))?.float(self.row)
    }

    pub(crate) fn text(&self, column: &str) -> Option<String> {
        self.frame.column(self.place(column))?.text(self.row).map(str::to_owned)
    }
}
