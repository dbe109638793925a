//! What the store takes on the disk, noted once a day: tables, and what of the sets is of which instance.

use jiff::Timestamp;

use crate::tiers::Holding;
use crate::{Store, StoreError};

/// Days for which notes of tables are kept.
pub(crate) const KEEP_DAYS: i64 = 731;

/// Days over which growth is looked at. Retention takes a month of five minutes at once: over fewer days one could be
/// all growth or all shrinking.
pub const LOOK_BACK_DAYS: i64 = 30;

/// The name under which the whole database is noted.
pub const DATABASE: &str = "";

/// What each table takes, its partitions added; `$1` is now.
const NOTE: &str = "insert into metrics.sizes (table_name, at, bytes, rows)
    select coalesce(p.relname, c.relname)::text, $1::timestamptz, sum(pg_total_relation_size(c.oid))::bigint,
        (sum(c.reltuples::float8) filter (where c.relkind = 'r' and c.reltuples >= 0))::bigint
    from pg_catalog.pg_class c
    left join pg_catalog.pg_inherits i on i.inhrelid = c.oid
    left join pg_catalog.pg_class p on p.oid = i.inhparent
    where coalesce(p.relnamespace, c.relnamespace) = 'metrics'::regnamespace and c.relkind in ('r', 'p')
    -- What was dropped meanwhile has no size.
    group by 1 having sum(pg_total_relation_size(c.oid)) is not null
    union all
    select '', $1::timestamptz, pg_database_size(current_database()), null
    on conflict do nothing";

/// Divides what the tables of sets take by the rows that were stored of each instance: those of whole days, and of the
/// hours since. `$1` is now, `$2` and `$3` are sets and their tables, `$4` is how many days to look at.
const DIVIDE: &str = "insert into metrics.instance_sizes (instance_id, at, bytes, rows)
    with stored as (
        select r.instance_id, r.set_name, sum(r.rows)::float8 as rows
        from (
            select instance_id, set_name, rows from metrics.readings_1d
            where time > $1::timestamptz - make_interval(days => $4)
            union all
            select instance_id, set_name, rows from metrics.readings_1h
            where time > date_trunc('day', $1 at time zone 'UTC') at time zone 'UTC') r
        group by 1, 2),
    shares as (
        select instance_id, set_name, rows / nullif(sum(rows) over (partition by set_name), 0) as share from stored)
    select s.instance_id, $1, sum(z.bytes * s.share)::bigint, sum(z.rows * s.share)::bigint
    from shares s
    join unnest($2::text[], $3::text[]) t (set_name, table_name) on t.set_name = s.set_name
    join metrics.sizes z on z.table_name = t.table_name and z.at = $1
    where s.share is not null
    group by 1
    on conflict do nothing";

impl Store {
    /// Notes what everything takes now; answers how many tables that were.
    ///
    /// # Errors
    /// When the store fails; nothing is noted then.
    pub async fn note_sizes(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sets = self.definitions().sets();
        let names = sets.iter().map(|known| known.definition.name.as_str());
        let (of_sets, tables): (Vec<&str>, Vec<String>) =
            names.flat_map(|set| Holding::ALL.map(|holding| (set, holding.table(set)))).unzip();
        let mut client = self.working_client().await?;
        let transaction = client.transaction().await?;
        let noted = transaction.execute(NOTE, &[&now]).await?;
        let days = i32::try_from(LOOK_BACK_DAYS).unwrap_or(i32::MAX);
        transaction.execute(DIVIDE, &[&now, &of_sets, &tables, &days]).await?;
        transaction.commit().await?;
        client.done();
        Ok(noted)
    }
}
