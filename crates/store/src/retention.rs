//! What is thrown away, and when. Idempotent, also where two servers are at it.

use jiff::Timestamp;

use crate::partitions::PARTITIONED_FIXED;
use crate::tiers::{Holding, Tier};
use crate::{Store, StoreError};

/// Days of raw rows unless `metrics.retention` or the list below says otherwise.
const RAW_DAYS: i64 = 7;

/// Days of raw rows of sets that are kept longer.
const LONGER: [(&str, i64); 1] = [("pg_stat_statements", 30)];

/// The fewest days of readings and cuts: they explain the rows of every set, so they stay as long as any.
const EXPLANATION_DAYS: i64 = 30;

/// Days of what was discarded and rejected, and of clocks.
const LOSS_DAYS: i32 = 30;

/// Days of an idle ledger row: twice the spool's maximum age, and a day for clocks. Older batches are refused.
const LEDGER_DAYS: i32 = 15;

impl Store {
    /// Drops what is past its retention; answers how many partitions went.
    ///
    /// # Errors
    /// When the store fails; running it again goes on where it stopped.
    pub async fn drop_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let client = self.working_client().await?;
        let mut dropped = 0;
        let configured = client.query("select set_name, raw_days from metrics.retention", &[]).await?;
        let mut longest = EXPLANATION_DAYS;
        for known in self.definitions().sets().iter().filter(|known| known.is_partitioned()) {
            let set = known.definition.name.as_str();
            let row = configured.iter().find(|row| row.get::<_, &str>(0) == set);
            let longer = LONGER.iter().find(|(name, _)| *name == set).map(|(_, days)| *days);
            let days = row.map(|row| i64::from(row.get::<_, i32>(1))).or(longer).unwrap_or(RAW_DAYS);
            longest = longest.max(days);
            let holding = self.has_tiers(set).then_some(Holding::Raw);
            dropped += self.drop_partitions(set, Some(set), holding, now, days).await?;
            if holding.is_some() {
                dropped += self.drop_buckets(set, Some(set), now).await?;
            }
        }
        for table in PARTITIONED_FIXED {
            dropped += self.drop_partitions(table, None, Some(Holding::Raw), now, longest).await?;
            dropped += self.drop_buckets(table, None, now).await?;
        }
        let tier_days = i32::try_from(Tier::Days.keep_days()).unwrap_or(i32::MAX);
        for (sql, days) in [
            ("delete from metrics.flags where \"end\" < $1::timestamptz - make_interval(days => $2)", tier_days),
            ("delete from metrics.clocks where since < $1::timestamptz - make_interval(days => $2)", LOSS_DAYS),
            ("delete from metrics.discards where at < $1::timestamptz - make_interval(days => $2)", LOSS_DAYS),
            ("delete from metrics.rejected where at < $1::timestamptz - make_interval(days => $2)", LOSS_DAYS),
            ("delete from metrics.ledger where last_at < $1::timestamptz - make_interval(days => $2)", LEDGER_DAYS),
        ] {
            client.execute(sql, &[&now, &days]).await?;
        }
        client.done();
        Ok(dropped)
    }

    /// Drops the buckets of a table that are past their retention.
    async fn drop_buckets(&self, raw: &str, set: Option<&str>, now: Timestamp) -> Result<u64, StoreError> {
        let mut dropped = 0;
        for tier in Tier::ALL {
            let holding = Some(Holding::Buckets(tier));
            dropped += self.drop_partitions(&tier.table(raw), set, holding, now, tier.keep_days()).await?;
        }
        Ok(dropped)
    }
}
