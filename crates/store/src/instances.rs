//! Which number an instance has. A number is given once per (collector, name) and stays for ever.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use uuid::Uuid;

use crate::{Store, StoreError};

/// The numbers that are known, committed.
#[derive(Debug, Default)]
pub struct Instances {
    ids: Mutex<HashMap<(Uuid, String), i32>>,
}

impl Instances {
    fn ids(&self) -> MutexGuard<'_, HashMap<(Uuid, String), i32>> {
        match self.ids.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

impl Store {
    /// The numbers of a collector's instances, in the order of the names; new names get one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn instance_ids(&self, collector_id: Uuid, names: &[&str]) -> Result<Vec<i32>, StoreError> {
        let missing: BTreeSet<&str> = {
            let ids = self.instances.ids();
            names.iter().copied().filter(|name| !ids.contains_key(&(collector_id, (*name).to_owned()))).collect()
        };
        if !missing.is_empty() {
            // Sorted, so that two servers that learn the same names do not wait for each other.
            let missing: Vec<&str> = missing.into_iter().collect();
            let client = self.client().await?;
            client
                .execute(
                    "with n as materialized (
                         select n.name from unnest($2::text[]) as n (name)
                         except select i.name from metrics.instances i where i.collector_id = $1)
                     insert into metrics.instances (collector_id, name)
                     select $1, n.name from n order by n.name
                     on conflict do nothing",
                    &[&collector_id, &missing],
                )
                .await?;
            let rows = client
                .query(
                    "select name, id from metrics.instances where collector_id = $1 and name = any($2)",
                    &[&collector_id, &missing],
                )
                .await?;
            let mut ids = self.instances.ids();
            for row in rows {
                ids.insert((collector_id, row.get(0)), row.get(1));
            }
        }
        let ids = self.instances.ids();
        let found = names.iter().map(|name| ids.get(&(collector_id, (*name).to_owned())).copied());
        found.collect::<Option<Vec<i32>>>().ok_or(StoreError::Gone)
    }
}
