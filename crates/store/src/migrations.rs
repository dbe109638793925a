//! The migrations of a schema: numbered files, forward only, each run once. Checksums show a file that was changed
//! after it ran; an advisory lock lets several servers start at once.

use sha2::{Digest, Sha256};
use tokio_postgres::Client;

/// The lock that servers starting at once wait for each other on: "pga" and "mig" as bytes.
const LOCK: i64 = 0x0070_6761_6d69_6700;

/// The first line of a file whose statement cannot run in a transaction. Such a file has one statement alone, which
/// must be able to run again: several would be a transaction after all.
const NO_TRANSACTION: &str = "-- no-transaction";

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1 without gaps.
    pub number: i32,
    /// Its name without number and ending.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// A schema with its migrations, in order.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// Its files.
    pub migrations: &'static [Migration],
}

/// Schema `metrics`, but for what follows from the catalogue.
pub const METRICS: Schema = Schema {
    name: "metrics",
    migrations: &[
        Migration { number: 1, name: "fixed", sql: include_str!("../migrations/0001_fixed.sql") },
        Migration { number: 2, name: "derived", sql: include_str!("../migrations/0002_derived.sql") },
        Migration { number: 3, name: "tiers", sql: include_str!("../migrations/0003_tiers.sql") },
        Migration { number: 4, name: "jobs", sql: include_str!("../migrations/0004_jobs.sql") },
        Migration { number: 5, name: "retention", sql: include_str!("../migrations/0005_retention.sql") },
        Migration { number: 6, name: "weeks", sql: include_str!("../migrations/0006_weeks.sql") },
        Migration { number: 7, name: "sizes", sql: include_str!("../migrations/0007_sizes.sql") },
        Migration { number: 8, name: "layout", sql: include_str!("../migrations/0008_layout.sql") },
        Migration { number: 9, name: "lanes", sql: include_str!("../migrations/0009_lanes.sql") },
        Migration { number: 10, name: "configurations", sql: include_str!("../migrations/0010_configurations.sql") },
        Migration { number: 11, name: "steering", sql: include_str!("../migrations/0011_steering.sql") },
        Migration { number: 12, name: "life", sql: include_str!("../migrations/0012_life.sql") },
    ],
};

/// Why a database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// PostgreSQL refused something.
    #[error("bring a schema up to date")]
    Postgres(#[from] tokio_postgres::Error),
    /// A file's statements failed.
    #[error("run migration {number:04}_{name}")]
    Run {
        /// The file's number.
        number: i32,
        /// The file's name.
        name: &'static str,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// A file is not the one that ran.
    #[error("migration {number:04}_{name} is not the one that ran on this database: it was changed afterwards")]
    Changed {
        /// The file's number.
        number: i32,
        /// The file's name.
        name: &'static str,
    },
    /// There is none of it.
    #[error("database {database} has no schema {schema}, so there is no store: DATABASE_URL must be the server's")]
    Missing {
        /// The schema.
        schema: &'static str,
        /// Where it was looked for.
        database: String,
    },
    /// The database was made by an older version, and is not to be changed.
    #[error(
        "schema {schema} is at migration {found}, this version needs {known}: use the version that the servers run, or \
         stop them and let `pganalytics migrate` bring the store up to date"
    )]
    Older {
        /// The schema.
        schema: &'static str,
        /// The database's.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// The database was made by a newer version.
    #[error("the database is at migration {found}, this version knows {known} at most: start the newer version")]
    Newer {
        /// The database's.
        found: i32,
        /// Ours.
        known: i32,
    },
}

impl Schema {
    /// Brings the schema to the newest state and says which files ran.
    ///
    /// # Errors
    /// When a file fails (the database then stands at the file before), was changed, or the database is newer.
    pub async fn migrate(&self, client: &mut Client) -> Result<Vec<i32>, MigrationError> {
        client.execute("select pg_advisory_lock($1)", &[&LOCK]).await?;
        let result = self.run(client).await;
        // A failure here is the failure of a connection that takes its locks with it.
        let _ = client.execute("select pg_advisory_unlock($1)", &[&LOCK]).await;
        result
    }

    /// Refuses a database whose schema is not in the newest state, and changes nothing.
    ///
    /// # Errors
    /// When there is none, or it is older or newer or was changed.
    pub async fn check(&self, client: &Client) -> Result<(), MigrationError> {
        let schema = self.name;
        let place = "select to_regclass($1) is not null, quote_ident(current_database())";
        let row = client.query_one(place, &[&format!("{schema}.migrations")]).await?;
        if !row.get::<_, bool>(0) {
            return Err(MigrationError::Missing { schema, database: row.get(1) });
        }
        let found = self.done(client).await?.last().copied().unwrap_or(0);
        let known = self.newest();
        if found < known { Err(MigrationError::Older { schema, found, known }) } else { Ok(()) }
    }

    fn newest(&self) -> i32 {
        self.migrations.last().map_or(0, |migration| migration.number)
    }

    async fn run(&self, client: &mut Client) -> Result<Vec<i32>, MigrationError> {
        let name = self.name;
        client
            .simple_query(&format!(
                // `if not exists` asks for the right to make it, also where it is there.
                "do $$ begin
                     if to_regnamespace('{name}') is null then create schema {name}; end if;
                 end $$;
                 create table if not exists {name}.migrations (
                     number int4 primary key, name text not null, checksum bytea not null,
                     applied_at timestamptz not null default now())"
            ))
            .await?;
        let done = self.done(client).await?;
        let mut ran = Vec::new();
        for migration in self.migrations.iter().filter(|migration| !done.contains(&migration.number)) {
            let fail = |source| MigrationError::Run { number: migration.number, name: migration.name, source };
            if migration.sql.starts_with(NO_TRANSACTION) {
                client.simple_query(migration.sql).await.map_err(fail)?;
                self.record(client, migration).await?;
            } else {
                let transaction = client.transaction().await?;
                transaction.simple_query(migration.sql).await.map_err(fail)?;
                self.record(transaction.client(), migration).await?;
                transaction.commit().await?;
            }
            tracing::info!(schema = name, migration.number, migration.name, "migrated");
            ran.push(migration.number);
        }
        Ok(ran)
    }

    /// The files that ran, in order.
    async fn done(&self, client: &Client) -> Result<Vec<i32>, MigrationError> {
        let sql = format!("select number, checksum from {}.migrations order by number", self.name);
        let rows = client.query(&sql, &[]).await?;
        let known = self.newest();
        let mut done = Vec::with_capacity(rows.len());
        for row in rows {
            let (number, checksum): (i32, Vec<u8>) = (row.get(0), row.get(1));
            let migration = self
                .migrations
                .iter()
                .find(|migration| migration.number == number)
                .ok_or(MigrationError::Newer { found: number, known })?;
            if checksum != checksum_of(migration) {
                return Err(MigrationError::Changed { number, name: migration.name });
            }
            done.push(number);
        }
        Ok(done)
    }

    async fn record(&self, client: &Client, migration: &Migration) -> Result<(), tokio_postgres::Error> {
        let statement = format!("insert into {}.migrations (number, name, checksum) values ($1, $2, $3)", self.name);
        client.execute(&statement, &[&migration.number, &migration.name, &checksum_of(migration)]).await?;
        Ok(())
    }
}

fn checksum_of(migration: &Migration) -> Vec<u8> {
    Sha256::digest(migration.sql.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(migrations: &'static [Migration]) -> Schema {
        Schema { name: "pganalytics", migrations }
    }

    const OUTSIDE: &[Migration] = &[
        Migration { number: 1, name: "table", sql: "create table pganalytics.t (a int4)" },
        Migration {
            number: 2,
            name: "index",
            sql: "-- no-transaction\ncreate index concurrently if not exists t_a on pganalytics.t (a)",
        },
    ];

    const BROKEN: &[Migration] = &[
        OUTSIDE[0],
        OUTSIDE[1],
        Migration { number: 3, name: "broken", sql: "create table pganalytics.half (); select 1 / 0" },
    ];

    #[tokio::test]
    async fn a_file_may_run_outside_a_transaction() {
        let mut client = testkit::store().await.unwrap().connect().await.unwrap();
        assert_eq!(schema(OUTSIDE).migrate(&mut client).await.unwrap(), [1, 2]);
        let valid = "select indisvalid from pg_index where indexrelid = 'pganalytics.t_a'::regclass";
        assert!(client.query_one(valid, &[]).await.unwrap().get::<_, bool>(0));
    }

    #[tokio::test]
    async fn a_file_that_fails_leaves_nothing_behind_and_says_which_it_was() {
        let mut client = testkit::store().await.unwrap().connect().await.unwrap();
        let error = schema(BROKEN).migrate(&mut client).await.unwrap_err();
        assert_eq!(error.to_string(), "run migration 0003_broken");
        let half = client.query_one("select to_regclass('pganalytics.half') is null", &[]).await.unwrap();
        assert!(half.get::<_, bool>(0));
        // The lock is free again, and what ran stays.
        assert_eq!(schema(OUTSIDE).migrate(&mut client).await.unwrap(), Vec::<i32>::new());
    }

    #[tokio::test]
    async fn looking_whether_it_is_up_to_date_changes_nothing() {
        let mut client = testkit::store().await.unwrap().connect().await.unwrap();
        let refused = async |client: &Client, files| schema(files).check(client).await.unwrap_err().to_string();
        assert!(refused(&client, OUTSIDE).await.contains(" has no schema pganalytics, so there is no store: "));
        let there = client.query_one("select to_regnamespace('pganalytics') is not null", &[]).await.unwrap();
        assert!(!there.get::<_, bool>(0));
        schema(OUTSIDE).migrate(&mut client).await.unwrap();
        schema(OUTSIDE).check(&client).await.unwrap();
        assert!(
            refused(&client, BROKEN).await.starts_with("schema pganalytics is at migration 2, this version needs 3: ")
        );
        assert!(refused(&client, &OUTSIDE[..1]).await.starts_with("the database is at migration 2, "));
    }
}
