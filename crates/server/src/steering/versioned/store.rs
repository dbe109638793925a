//! Versions in schema `pganalytics`.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, GenericClient, Row, Transaction};

use super::{Content, Kept, Named};

/// The columns that every kind has.
const COMMON: [&str; 5] = ["name", "version", "is_deleted", "made_at", "made_by"];

fn columns<T: Content>() -> String {
    [&COMMON, T::COLUMNS].concat().join(", ")
}

fn kept<T: Content>(row: &Row) -> Kept<T> {
    let named = Named { name: row.get(0), version: row.get(1), of: T::read(row, COMMON.len()) };
    Kept { named, is_deleted: row.get(2), made_at: row.get(3), made_by: row.get(4) }
}

/// All that are in force, by name.
pub(in crate::steering) async fn all<T: Content>(client: &impl GenericClient) -> Result<Vec<Kept<T>>, Error> {
    let (columns, table) = (columns::<T>(), T::TABLE);
    let statement = format!(
        "select {columns} from (select distinct on (name) {columns} from pganalytics.{table}
         order by name, version desc) newest where not is_deleted order by name"
    );
    Ok(client.query(&statement, &[]).await?.iter().map(kept).collect())
}

/// The same, as collectors' configurations are made of them.
pub(in crate::steering) async fn in_force<T: Content>(client: &impl GenericClient) -> Result<Vec<Named<T>>, Error> {
    Ok(all(client).await?.into_iter().map(|kept| kept.named).collect())
}

/// All versions of one, the newest first.
pub(super) async fn versions<T: Content>(client: &impl GenericClient, name: &str) -> Result<Vec<Kept<T>>, Error> {
    let statement =
        format!("select {} from pganalytics.{} where name = $1 order by version desc", columns::<T>(), T::TABLE);
    Ok(client.query(&statement, &[&name]).await?.iter().map(kept).collect())
}

/// The newest version of one, also of one that was removed.
pub(in crate::steering) async fn newest<T: Content>(
    client: &impl GenericClient,
    name: &str,
) -> Result<Option<Kept<T>>, Error> {
    let (columns, table) = (columns::<T>(), T::TABLE);
    let statement = format!("select {columns} from pganalytics.{table} where name = $1 order by version desc limit 1");
    Ok(client.query_opt(&statement, &[&name]).await?.as_ref().map(kept))
}

/// Makes a version.
pub(super) async fn insert<T: Content>(transaction: &Transaction<'_>, kept: &Kept<T>) -> Result<(), Error> {
    let Kept { named: Named { name, version, of }, is_deleted, made_at, made_by } = kept;
    let own = of.values(name);
    let common: [&(dyn ToSql + Sync); COMMON.len()] = [name, version, is_deleted, made_at, made_by];
    let values: Vec<&(dyn ToSql + Sync)> =
        common.into_iter().chain(own.iter().map(|value| &**value as &(dyn ToSql + Sync))).collect();
    let places: Vec<String> = (1..=values.len()).map(|number| format!("${number}")).collect();
    let statement = format!("insert into pganalytics.{} ({}) values ({})", T::TABLE, columns::<T>(), places.join(", "));
    transaction.execute(&statement, &values).await.map(|_| ())
}
