//! The end of what tiers are made from, and of tiers: noted before it goes, so that nothing is made from what is left.

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;

use super::tier::Tier;
use crate::StoreError;

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holding {
    /// Raw rows, that cells are made from.
    Raw,
    /// Buckets.
    Buckets(Tier),
}

impl Holding {
    /// All, finest first.
    pub const ALL: [Self; 5] = [
        Self::Raw,
        Self::Buckets(Tier::Minutes),
        Self::Buckets(Tier::Hours),
        Self::Buckets(Tier::Days),
        Self::Buckets(Tier::Weeks),
    ];

    /// As in `metrics.retention`.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Raw => 0,
            Self::Buckets(tier) => tier.number(),
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Buckets(tier) => tier.name(),
        }
    }

    /// The name of the table.
    #[must_use]
    pub fn table(self, raw: &str) -> String {
        match self {
            Self::Raw => raw.to_owned(),
            Self::Buckets(tier) => tier.table(raw),
        }
    }
}

/// Whether buckets are still to be made from rows of this set, or of all, up to a moment.
pub(crate) async fn is_needed(
    client: &impl GenericClient,
    set: Option<&str>,
    holding: Holding,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let tier = match holding {
        Holding::Raw => Tier::Minutes,
        Holding::Buckets(tier) => tier.coarser().unwrap_or(tier),
    };
    let sql = "select exists (select 1 from metrics.due where tier <= $1 and first <= $2
                              and ($3::text is null or $3 = any(sets)))";
    Ok(client.query_one(sql, &[&tier.number(), &until, &set]).await?.get(0))
}

/// Notes that a partition goes, with all that its table has up to a moment; answers whether it may.
pub(crate) async fn retire(
    transaction: &Transaction<'_>,
    table: &str,
    set: Option<&str>,
    holding: Holding,
    until: Timestamp,
) -> Result<bool, StoreError> {
    if is_needed(transaction, set, holding, until).await? {
        return Ok(false);
    }
    if matches!(holding, Holding::Raw) {
        // The last cell of this partition ends with the moment that the next one begins with.
        let sql = format!(
            "delete from metrics.\"{table}\" r using metrics.instances i where r.instance_id = i.id and r.time = $1"
        );
        transaction.execute(&sql, &[&until]).await?;
    }
    transaction
        .execute(
            "insert into metrics.gone as g (table_name, until) values ($1, $2)
             on conflict (table_name) do update set until = greatest(g.until, excluded.until)",
            &[&table, &until],
        )
        .await?;
    Ok(true)
}
