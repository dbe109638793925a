//! Throws away what is past its retention. Idempotent, also where two servers are at it.

use std::sync::Arc;

use catalog::{Kind, SetKind};
use jiff::Timestamp;

use crate::layout::Expiring;
use crate::partitions::{Expired, PARTITIONED_FIXED};
use crate::retention::{CONFIGURED, LEDGER_DAYS, Retention};
use crate::tiers::{Holding, Tier};
use crate::{Known, Store, StoreError, infos, sizes};

/// Days of what was discarded and rejected, and of clocks.
const LOSS_DAYS: i64 = 30;

/// Texts that were captured before all rows that are kept and that none of them knows.
fn expired_texts(tables: impl Iterator<Item = String>) -> String {
    let unknown: String = tables
        .map(|table| {
            format!(
                " and not exists (
                     select from metrics.\"{table}\" r
                     where r.instance_id = t.instance_id and r.dbid = t.dbid and r.queryid = t.queryid)"
            )
        })
        .collect();
    format!("delete from metrics.texts t where t.captured_at < $1::timestamptz - make_interval(days => $2){unknown}")
}

impl Store {
    /// Drops what is past its retention; answers what became of the partitions.
    ///
    /// # Errors
    /// When the store fails; running it again goes on where it stopped.
    pub async fn drop_expired(&self, now: Timestamp) -> Result<Expired, StoreError> {
        let client = self.working_client().await?;
        let retention = Retention::from_rows(&client.query(CONFIGURED, &[]).await?);
        let sets = self.definitions().sets();
        let names: Vec<&str> =
            sets.iter().filter(|known| known.is_partitioned()).map(|known| known.definition.name.as_str()).collect();
        let mut expired = Expired::default();
        for set in &names {
            let expiring = |holding| Expiring { set: Some(set), holding };
            if !self.has_tiers(set) {
                expired += self.drop_partitions(set, expiring(None), now, retention.days(set, Holding::Raw)).await?;
                continue;
            }
            for holding in Holding::ALL {
                let days = retention.days(set, holding);
                expired += self.drop_partitions(&holding.table(set), expiring(Some(holding)), now, days).await?;
            }
        }
        for table in PARTITIONED_FIXED {
            for holding in Holding::ALL {
                let days = retention.shared_days(names.iter().copied(), holding);
                let expiring = Expiring { set: None, holding: Some(holding) };
                expired += self.drop_partitions(&holding.table(table), expiring, now, days).await?;
            }
        }
        let longest = retention.shared_days(names.iter().copied(), Holding::Buckets(Tier::Weeks));
        for (sql, days) in [
            ("delete from metrics.flags where \"end\" < $1::timestamptz - make_interval(days => $2)", longest),
            ("delete from metrics.clocks where since < $1::timestamptz - make_interval(days => $2)", LOSS_DAYS),
            ("delete from metrics.discards where at < $1::timestamptz - make_interval(days => $2)", LOSS_DAYS),
            ("delete from metrics.rejected where at < $1::timestamptz - make_interval(days => $2)", LOSS_DAYS),
            ("delete from metrics.sizes where at < $1::timestamptz - make_interval(days => $2)", sizes::KEEP_DAYS),
            (
                "delete from metrics.instance_sizes where at < $1::timestamptz - make_interval(days => $2)",
                sizes::LOOK_BACK_DAYS + 1,
            ),
            ("delete from metrics.ledger where last_at < $1::timestamptz - make_interval(days => $2)", LEDGER_DAYS),
        ] {
            client.execute(sql, &[&now, &i32::try_from(days).unwrap_or(i32::MAX)]).await?;
        }
        let infos = sets.iter().filter(|known| known.kind == SetKind::Info);
        for known in infos {
            client
                .execute(&infos::expire(&known.definition.name), &[&now, &i32::try_from(longest).unwrap_or(i32::MAX)])
                .await?;
        }
        let known = |known: &&Arc<Known>| {
            let has = |name| known.definition.column(name).is_some_and(|(_, column)| column.kind == Kind::Label);
            known.kind == SetKind::Figures && has("dbid") && has("queryid")
        };
        let statements: Vec<&str> = sets.iter().filter(known).map(|known| known.definition.name.as_str()).collect();
        let tables = statements.iter().flat_map(|set| {
            let holdings = if self.has_tiers(set) { &Holding::ALL[..] } else { &[Holding::Raw] };
            holdings.iter().map(|holding| holding.table(set))
        });
        let days = retention.shared_days(statements.iter().copied(), Holding::Buckets(Tier::Days));
        let sql = expired_texts(tables);
        client.execute(&sql, &[&now, &i32::try_from(days).unwrap_or(i32::MAX)]).await?;
        client.done();
        Ok(expired)
    }
}
