//! How the store's tables are kept, as administrators change it.

use anyhow::{Context as _, Result, bail};
use catalog::Catalog;
use store::{Moved, PoolSettings};

use crate::Settings;

/// Brings the store of these settings to TimescaleDB, or goes on with it; answers how many rows were moved.
///
/// # Errors
/// When it may not be done as the store stands, or the store fails; running it again goes on where it stopped.
pub async fn to_timescale(settings: &Settings, say: impl FnMut(&Moved)) -> Result<u64> {
    let Some(url) = settings.timescale_url.as_ref().or(settings.database_url.as_ref()) else {
        bail!(
            "the private store of DATA_DIR has no TimescaleDB: DATABASE_URL or TIMESCALE_URL must name a store that has"
        );
    };
    let mut catalog = Catalog::embedded().context("read the embedded catalogue")?;
    if let Some(folder) = &settings.catalog_dir {
        catalog = catalog.with_dir(folder).context("read CATALOG_DIR")?;
    }
    let pool = store::open(&PoolSettings { url: url.reveal().to_owned(), max_connections: 1 }).await?;
    let moved = store::to_timescale(&pool, &catalog, say).await;
    pool.close();
    Ok(moved?)
}
