//! What the store has of the simulated collectors, asked in the store itself.

use std::collections::HashMap;

use anyhow::{Context, Result};
use catalog::Definition;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::plan::INSTANCE;
use super::sums::{self, Sums};

/// The connections that a load takes of the store.
const CONNECTIONS: usize = 2;
/// How many instances are asked for at once.
pub(super) const AT_ONCE: usize = 200;

/// The store.
#[derive(Debug)]
pub(super) struct Store {
    pool: deadpool_postgres::Pool,
}

/// The rows of one reading, as their checks.
#[derive(Debug)]
pub(super) struct StoredReading {
    pub(super) time_us: i64,
    pub(super) checks: Vec<i64>,
}

impl Store {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let settings = store::PoolSettings { url: url.to_owned(), max_connections: CONNECTIONS };
        let pool = store::open(&settings).await.context("open the store")?;
        Ok(Self { pool })
    }

    async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<tokio_postgres::Row>> {
        let client = self.pool.get().await.context("connect to the store")?;
        client.query(sql, parameters).await.context("ask the store")
    }

    /// The backends of the store's database other than this program's own; none where it does not answer.
    pub(super) async fn backends(&self) -> Vec<u32> {
        let sql = "select pid from pg_catalog.pg_stat_activity
                   where datname = current_database() and backend_type in ('client backend', 'parallel worker')
                       and pid <> pg_catalog.pg_backend_pid()";
        let rows = self.query(sql, &[]).await.unwrap_or_default();
        rows.iter().filter_map(|row| u32::try_from(row.get::<_, i32>(0)).ok()).collect()
    }

    /// The numbers of the collectors' instances.
    pub(super) async fn instances(&self, collectors: &[Uuid]) -> Result<HashMap<Uuid, i32>> {
        let sql = "select collector_id, id from metrics.instances where collector_id = any ($1) and name = $2";
        let rows = self.query(sql, &[&collectors, &INSTANCE]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// What a set's rows of these instances come to.
    pub(super) async fn sums(&self, definition: &Definition, instances: &[i32]) -> Result<HashMap<i32, Sums>> {
        let rows = self.query(&sums::sums_in_sql(definition), &[&instances]).await?;
        let one = |row: &tokio_postgres::Row| {
            let whole = |place| -> Result<i128> {
                let text: Option<String> = row.try_get(place)?;
                text.map_or(Ok(0), |text| text.parse().context("understand a sum"))
            };
            let count = |place| -> Result<u64> { u64::try_from(row.try_get::<_, i64>(place)?).context("count rows") };
            let mut sums =
                Sums { rows: count(1)?, readings: count(2)?, check: whole(3)?, times_us: whole(4)?, ..Sums::default() };
            for (place, known) in (5..row.len()).zip(&mut sums.known) {
                *known = whole(place)?;
            }
            Ok((row.try_get(0)?, sums))
        };
        rows.iter().map(one).collect()
    }

    /// The rows of a set of one instance, by reading, the oldest first.
    pub(super) async fn readings(&self, definition: &Definition, instance: i32) -> Result<Vec<StoredReading>> {
        let sql = format!(
            "select (extract(epoch from time) * 1000000)::int8, array_agg({})
             from metrics.\"{}\" where instance_id = $1 group by time order by time",
            sums::check_in_sql(definition),
            definition.name
        );
        let rows = self.query(&sql, &[&instance]).await?;
        Ok(rows.iter().map(|row| StoredReading { time_us: row.get(0), checks: row.get(1) }).collect())
    }
}
