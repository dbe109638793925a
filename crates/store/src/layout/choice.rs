//! Which layout a store has: what it was made with, or, when it is made, what its database is ready for.

use deadpool_postgres::{GenericClient, Object};

use super::Layout;
use crate::StoreError;

/// The oldest release of TimescaleDB whose `compress_chunk` also takes chunks that rows came late for.
const OLDEST_TIMESCALE: (u32, u32) = (2, 14);

impl Layout {
    /// The layout of a store that is made now: the wanted one, whose extension is created where it is missing, or that
    /// of an extension which somebody has created. Of a store that is there nothing is asked.
    pub(crate) async fn choose(client: &Object, wanted: Option<Self>) -> Result<Self, StoreError> {
        if client.query_opt("select from metrics.store", &[]).await?.is_some() {
            return Ok(Self::default());
        }
        match wanted {
            Some(layout) => {
                if let Some(extension) = layout.extension() {
                    create(client, extension).await?;
                    layout.check_extension(client).await?;
                }
                Ok(layout)
            }
            None => {
                for layout in [Self::Timescale, Self::Citus] {
                    match layout.check_extension(client).await {
                        Ok(()) => return Ok(layout),
                        Err(StoreError::Unfit(reason)) => tracing::debug!(reason, "the store is not made so"),
                        Err(error) => return Err(error),
                    }
                }
                Ok(Self::Native)
            }
        }
    }

    /// From `metrics.store`.
    pub(crate) fn stored_as(name: &str, changing_to: Option<&str>) -> Result<Self, StoreError> {
        if let Some(changing_to) = changing_to {
            return Err(StoreError::Unfit(format!(
                "the store's tables are being brought to the layout {changing_to}: run `pganalytics admin layout \
                 {changing_to}` until it says that they are"
            )));
        }
        let known = Self::ALL.into_iter().find(|layout| layout.name() == name);
        known.ok_or_else(|| StoreError::Unfit(format!("the store has the layout {name}, which is not known")))
    }

    const fn extension(self) -> Option<&'static str> {
        match self {
            Self::Native => None,
            Self::Timescale => Some("timescaledb"),
            Self::Citus => Some("citus"),
        }
    }

    /// Refuses a database without the extension, or with one that is too old.
    pub(super) async fn check_extension(self, client: &impl GenericClient) -> Result<(), StoreError> {
        let Some(extension) = self.extension() else { return Ok(()) };
        let sql = "select extversion from pg_catalog.pg_extension where extname = $1";
        let Some(row) = client.query_opt(sql, &[&extension]).await? else {
            return Err(StoreError::Unfit(format!(
                "the database has no extension {extension}: let its owner run `create extension {extension}`, for \
                 which shared_preload_libraries must name it"
            )));
        };
        let version: String = row.get(0);
        if self == Self::Timescale && !is_new_enough(&version) {
            let (major, minor) = OLDEST_TIMESCALE;
            return Err(StoreError::Unfit(format!(
                "the extension timescaledb is of version {version}: it must be {major}.{minor} or newer"
            )));
        }
        Ok(())
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= OLDEST_TIMESCALE
}

async fn create(client: &Object, extension: &str) -> Result<(), StoreError> {
    let sql = format!("create extension if not exists {extension}");
    client.simple_query(&sql).await.map(|_| ()).map_err(|error| {
        let reason = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        StoreError::Unfit(format!("the extension {extension} cannot be created: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_says_what_it_is_or_that_it_is_neither() {
        for layout in Layout::ALL {
            assert_eq!(Layout::stored_as(layout.name(), None).unwrap(), layout);
        }
        assert!(Layout::stored_as("native", Some("timescale")).is_err());
        assert!(Layout::stored_as("columns", None).is_err());
    }

    #[test]
    fn versions_are_compared_by_number() {
        for (version, is_enough) in
            [("2.14.0", true), ("2.9.3", false), ("3.0", true), ("2.26.4-dev", true), ("", false)]
        {
            assert_eq!(is_new_enough(version), is_enough, "{version}");
        }
    }
}
