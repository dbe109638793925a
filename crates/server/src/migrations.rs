//! The migrations of schema `pganalytics`: accounts, collectors, what is no measurement.

use store::migrations::Schema;
pub use store::migrations::{Migration, MigrationError};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Schema `pganalytics`.
pub const PGANALYTICS: Schema = Schema { name: "pganalytics", migrations: MIGRATIONS };

/// Every migration of it, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "accounts", sql: include_str!("../migrations/pganalytics/0001_accounts.sql") },
    Migration { number: 2, name: "steering", sql: include_str!("../migrations/pganalytics/0002_steering.sql") },
    Migration { number: 3, name: "custom_sets", sql: include_str!("../migrations/pganalytics/0003_custom_sets.sql") },
];

/// Brings the schema to the newest state and says which files ran.
///
/// # Errors
/// When a file fails (the database then stands at the file before), was changed, or the database is newer.
pub async fn migrate(client: &mut Client) -> Result<Vec<i32>, MigrationError> {
    PGANALYTICS.migrate(client).await
}

/// Whether an error is a duplicate of this unique constraint or index.
pub(crate) fn violates(error: &tokio_postgres::Error, constraint: &str) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
        && error.as_db_error().and_then(|db| db.constraint()) == Some(constraint)
}
