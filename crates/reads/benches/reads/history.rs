//! A year of one busy instance, made fast: a day of rows as a collector would have sent them, its buckets made from
//! them, and copies of those for every earlier day, put straight into the tables of the tiers.

use anyhow::{Context, Result};
use catalog::{Column, Kind, SetKind, Type};
use jiff::{SignedDuration, Timestamp};
use store::tiers::Tier;
use store::{Day, Store};
use tokio_postgres::Client;

/// The instance.
pub(crate) const INSTANCE: i32 = 1;
/// The set with most rows.
pub(crate) const STATEMENTS: &str = "pg_stat_statements";
/// The database that has the tables.
const DATABASE: i64 = 16_384;

/// Days of buckets that are copied: as many as the ranges are answered from. More of the finer ones would only take
/// room; weeks are made from days.
const DAYS: [(Tier, i64); 3] = [(Tier::Minutes, 2), (Tier::Hours, 31), (Tier::Days, 366)];

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// So long after the last midnight is now: a range has edges in every tier.
const AFTER_MIDNIGHT: SignedDuration = SignedDuration::from_secs(37 * 60 + 23);

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    /// Statements that work in every minute.
    pub(crate) statements: i64,
    pub(crate) tables: i64,
}

/// What the issue of a busy instance is: 1.44 million rows of statements a day.
pub(crate) const FULL: Size = Size { name: "full", statements: 1000, tables: 1000 };
/// The same in small.
pub(crate) const SMALL: Size = Size { name: "small", statements: 50, tables: 50 };

/// The rows of a set.
struct Rows {
    set: &'static str,
    rows: i64,
    interval_s: i64,
    /// Its labels, by the number `k` of a row.
    keys: &'static [(&'static str, &'static str)],
}

fn sets(size: Size) -> Vec<Rows> {
    let rows = |set, rows, interval_s, keys| Rows { set, rows, interval_s, keys };
    vec![
        rows(
            STATEMENTS,
            size.statements,
            60,
            &[("userid", "16000 + k % 3"), ("dbid", "16384 + k % 5"), ("queryid", "k * 922337203685477")],
        ),
        rows("pg_stat_all_tables", size.tables, 60, &[("relid", "20000 + k")]),
        rows("relation_size", size.tables, 300, &[("relid", "20000 + k")]),
        rows("pg_stat_database", 10, 60, &[("datid", "16383 + k")]),
        rows(
            "sessions",
            12,
            10,
            &[
                ("datid", "16384 + k % 5"),
                ("userid", "16000 + k % 3"),
                ("backend_type", "'client backend'"),
                ("state", "(array['active', 'idle', 'idle in transaction'])[1 + k % 3]"),
                ("wait_event_type", "(array['Lock', 'IO', 'Client', null])[1 + k % 4]"),
                ("wait_event", "'event ' || k"),
            ],
        ),
        rows(
            "pg_stat_activity",
            8,
            10,
            &[
                ("pid", "1000 + k"),
                ("backend_start", "timestamptz '2020-01-01 00:00:00+00'"),
                ("datid", "16384 + k % 5"),
                ("userid", "16000 + k % 3"),
                ("backend_type", "'client backend'"),
            ],
        ),
        // The second one lags behind by what was written within a minute.
        rows(
            "pg_stat_replication",
            2,
            10,
            &[
                ("pid", "900 + k"),
                ("client_addr", "'10.0.0.' || k"),
                ("current_lsn", "n * 1000000"),
                ("sent_lsn", "n * 1000000"),
                ("write_lsn", "n * 1000000"),
                ("flush_lsn", "n * 1000000"),
                ("replay_lsn", "(n - (k - 1) * 6) * 1000000"),
            ],
        ),
        rows("wal", 1, 10, &[("position", "n * 1000000")]),
    ]
}

/// Infos: read when they change, and again every day.
fn infos(size: Size) -> [Rows; 4] {
    let rows = |set, rows, keys| Rows { set, rows, interval_s: 86_400, keys };
    [
        rows("pg_class", size.tables, &[("relid", "20000 + k"), ("relkind", "'r'"), ("root_relid", "null")]),
        rows("pg_database", 10, &[("datid", "16383 + k")]),
        rows("pg_roles", 10, &[("roleid", "15999 + k")]),
        rows("pg_settings", 300, &[("name", "'setting_' || k"), ("setting", "k")]),
    ]
}

/// What was made.
pub(crate) struct History {
    pub(crate) now: Timestamp,
    pub(crate) size: Size,
}

impl History {
    /// Fills an empty store.
    pub(crate) async fn make(store: &Store, client: &Client, size: Size) -> Result<Self> {
        let today = Timestamp::now().as_second().div_euclid(86_400) * 86_400;
        let midnight = Timestamp::from_second(today).context("find today")? - DAY;
        let history = Self { now: midnight + AFTER_MIDNIGHT, size };
        history.fixed(client).await?;
        for rows in infos(size) {
            history.infos(store, client, &rows).await?;
        }
        for rows in sets(size) {
            history.rows(store, client, &rows, midnight - DAY).await?;
        }
        history.readings(store, client, midnight).await?;
        history.roll_up(store, client, midnight).await?;
        history.copy_days(store, client, midnight).await?;
        history.weeks(store, client, midnight).await?;
        client.simple_query("vacuum (analyze)").await.context("analyze")?;
        Ok(history)
    }

    async fn fixed(&self, client: &Client) -> Result<()> {
        let now = self.now;
        client.simple_query(&format!(
                "insert into metrics.instances (collector_id, name, system_identifier, role, version_num, version, track,
                     last_seen, attributes_at, states_at, max_connections)
                 values (gen_random_uuid(), 'busy', '1', 'primary', 150018, '15.18', 'top', '{now}', '{now}', '{now}', 100);
                 insert into metrics.clusters (instance_id, since, system_identifier) values ({INSTANCE}, '-infinity', '1');
                 insert into metrics.texts (instance_id, major, dbid, queryid, query, captured_at)
                 select {INSTANCE}, 15, 16384 + k % 5, k * 922337203685477, 'select ' || repeat('a column, ', 30) || k, '{now}'
                 from generate_series(1::bigint, {statements}) k",
                statements = self.size.statements,
            ))
            .await
            .context("write what is of no set")?;
        Ok(())
    }

    async fn infos(&self, store: &Store, client: &Client, rows: &Rows) -> Result<()> {
        let (names, values) = columns(store, rows)?;
        let sql = format!(
            "insert into metrics.\"{set}\" (instance_id, valid_from, valid_to, seen_at, removed{names})
             select {INSTANCE}, t, 'infinity', '{now}', false{values}
             from (select timestamptz '{now}' - interval '1 year' as t, 1 as n) g
             cross join generate_series(1::bigint, {rows}) as k",
            set = rows.set,
            now = self.now,
            rows = rows.rows,
        );
        client.simple_query(&sql).await.with_context(|| format!("fill {}", rows.set))?;
        Ok(())
    }

    async fn rows(&self, store: &Store, client: &Client, rows: &Rows, first: Timestamp) -> Result<()> {
        let days = [Day::of(first), Day::of(first).plus(1), Day::of(self.now)];
        store.ensure_partitions(days.map(|day| (rows.set, day))).await?;
        let (names, values) = columns(store, rows)?;
        let sql = format!(
            "insert into metrics.\"{set}\" (instance_id, time, interval_us{names})
             select {INSTANCE}, t, {interval} * 1000000{values}
             from generate_series(timestamptz '{first}' + interval '{interval} seconds', timestamptz '{now}',
                 interval '{interval} seconds') with ordinality as g (t, n)
             cross join generate_series(1::bigint, {rows}) as k",
            set = rows.set,
            interval = rows.interval_s,
            now = self.now,
            rows = rows.rows,
        );
        client.simple_query(&sql).await.with_context(|| format!("fill {}", rows.set))?;
        Ok(())
    }

    /// As long as they are kept: they are few, and explain the rows.
    async fn readings(&self, store: &Store, client: &Client, midnight: Timestamp) -> Result<()> {
        let now = self.now;
        store
            .ensure_partitions(
                (-31..=1).flat_map(|days| ["readings", "cuts"].map(|table| (table, Day::of(midnight).plus(days)))),
            )
            .await?;
        for rows in sets(self.size) {
            let (set, interval) = (rows.set, rows.interval_s);
            let datid = if is_of_database(store, set)? { DATABASE.to_string() } else { "null".to_owned() };
            let sql = format!(
                "insert into metrics.readings
                     (instance_id, set_name, datid, started, time, interval_us, rows, duration_us, late_cycles)
                 select {INSTANCE}, '{set}', {datid}, t, t, {interval} * 1000000, {rows}, 1000, 0
                 from generate_series(timestamptz '{midnight}' - interval '31 days' + interval '{interval} seconds',
                     timestamptz '{now}', interval '{interval} seconds') t;
                 insert into metrics.latest (instance_id, set_name, last_reading_started, last_reading_time, rows)
                 select {INSTANCE}, '{set}', max(time), max(time), {rows} from metrics.readings where set_name = '{set}'",
                rows = rows.rows,
            );
            client.simple_query(&sql).await.with_context(|| format!("fill the readings of {set}"))?;
        }
        let sql = format!(
            "insert into metrics.cuts (instance_id, set_name, time, per, rows, ids)
             select {INSTANCE}, '{STATEMENTS}', t, 16384 + k, 20, (select array_agg(i) from generate_series(1, 20) i)
             from generate_series(timestamptz '{midnight}' - interval '1 day', timestamptz '{now}', interval '1 minute') t
             cross join generate_series(0, 4) k"
        );
        client.simple_query(&sql).await.context("fill the cuts")?;
        Ok(())
    }

    /// Makes the buckets of what is there, as the server does.
    async fn roll_up(&self, store: &Store, client: &Client, midnight: Timestamp) -> Result<()> {
        let names: Vec<&str> = sets(self.size).iter().map(|rows| rows.set).collect();
        let (first, last) = (midnight - DAY + SignedDuration::from_mins(5), midnight + SignedDuration::from_mins(40));
        let sql = "insert into metrics.due (tier, instance_id, first, last, sets) values (1, $1, $2, $3, $4)";
        client.execute(sql, &[&INSTANCE, &first, &last, &names]).await.context("make it due")?;
        while store.roll_up(self.now).await.context("make buckets")?.is_left {}
        Ok(())
    }

    /// Copies the buckets of the last whole day to all earlier ones.
    async fn copy_days(&self, store: &Store, client: &Client, midnight: Timestamp) -> Result<()> {
        let sets = sets(self.size);
        for raw in sets.iter().map(|rows| rows.set).chain(["readings", "cuts"]) {
            for (tier, days) in DAYS {
                let table = tier.table(raw);
                partitions(client, tier, &table, midnight, days).await?;
                let columns = client
                    .query_one(
                        "select string_agg(format(', %I', attname), '' order by attnum) from pg_attribute
                         where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
                             and attname not in ('instance_id', 'time')",
                        &[&format!("metrics.\"{table}\"")],
                    )
                    .await?;
                let columns: String = columns.get(0);
                let sql = format!(
                    "do $$ begin for day in reverse {days}..1 loop
                         insert into metrics.\"{table}\" (instance_id, time{columns})
                         select instance_id, time - day * interval '1 day'{columns} from metrics.\"{table}\"
                         where instance_id = {INSTANCE} and time > timestamptz '{midnight}' - interval '1 day' and time <= timestamptz '{midnight}';
                     end loop; end $$;
                     insert into metrics.gone (table_name, until)
                     values ('{table}', timestamptz '{midnight}' - {days} * interval '1 day')
                     on conflict (table_name) do update set until = excluded.until"
                );
                client.simple_query(&sql).await.with_context(|| format!("copy {table}"))?;
            }
            let raw_days = if matches!(raw, "readings" | "cuts") { 31 } else { 1 };
            let gone = format!(
                "insert into metrics.gone (table_name, until)
                 values ('{raw}', timestamptz '{midnight}' - {raw_days} * interval '1 day')"
            );
            client.simple_query(&gone).await.context("write what is gone")?;
        }
        store.partitions().forget();
        Ok(())
    }

    /// Makes the weeks of the year's days, as the server does.
    async fn weeks(&self, store: &Store, client: &Client, midnight: Timestamp) -> Result<()> {
        let week = Tier::Weeks.width_us();
        let first_day = midnight - DAY * 366;
        let first = Tier::Weeks.bucket_end(first_day.as_microsecond()) + week;
        let last = midnight.as_microsecond().div_euclid(week) * week;
        let [first, last] = [first, last].map(Timestamp::from_microsecond);
        let (first, last) = (first.context("find the first week")?, last.context("find the last week")?);
        let names: Vec<&str> = sets(self.size).iter().map(|rows| rows.set).collect();
        let due = "insert into metrics.due (tier, instance_id, first, last, sets) values ($1, $2, $3, $4, $5)";
        client.execute(due, &[&Tier::Weeks.number(), &INSTANCE, &first, &last, &names]).await?;
        let tables: Vec<String> =
            names.into_iter().chain(["readings", "cuts"]).map(|name| Tier::Weeks.table(name)).collect();
        let gone = "insert into metrics.gone (table_name, until)
            select t, $2::timestamptz - interval '7 days' from unnest($1::text[]) t";
        client.execute(gone, &[&tables, &first]).await?;
        while store.roll_up(self.now).await.context("make weeks")?.is_left {}
        Ok(())
    }
}

/// The partitions of a tier's table for so many days, where they are not there.
async fn partitions(client: &Client, tier: Tier, table: &str, midnight: Timestamp, days: i64) -> Result<()> {
    let (unit, format) = if tier == Tier::Minutes { ("month", "YYYYMM") } else { ("year", "YYYY") };
    let sql = format!(
        "set timezone = 'UTC';
         do $$ declare p timestamptz; begin
             for p in select generate_series(date_trunc('{unit}', timestamptz '{midnight}' - {days} * interval '1 day'),
                 timestamptz '{midnight}', interval '1 {unit}') loop
                 execute format('create table if not exists metrics.%I partition of metrics.%I for values from (%L) to (%L)',
                     '{table}_' || to_char(p, '{format}'), '{table}', p, p + interval '1 {unit}');
             end loop;
         end $$"
    );
    client.simple_query(&sql).await.with_context(|| format!("make partitions of {table}"))?;
    Ok(())
}

fn is_of_database(store: &Store, set: &str) -> Result<bool> {
    Ok(store.definitions().set(set).context("find the set")?.definition.scope == catalog::Scope::Database)
}

/// The columns of a set, and expressions over the row's number `k` and the reading's number `n` and time `t`.
fn columns(store: &Store, rows: &Rows) -> Result<(String, String)> {
    let known = store.definitions().set(rows.set).context("find the set")?;
    let (mut names, mut values) = (String::new(), String::new());
    if is_of_database(store, rows.set)? {
        names.push_str(", datid_read");
        values.push_str(&format!(", {DATABASE}"));
    }
    for (place, column) in known.definition.columns.iter().enumerate() {
        let value = rows.keys.iter().find(|(name, _)| *name == column.name).map(|(_, value)| (*value).to_owned());
        let value = value.unwrap_or_else(|| value_of(column, place, known.kind));
        names.push_str(&format!(", \"{}\"", column.name));
        values.push_str(&format!(", ({value})::{}", column.column_type.in_store()));
    }
    Ok((names, values))
}

/// Skewed by the number of the row, and never twice the same.
fn value_of(column: &Column, place: usize, kind: SetKind) -> String {
    match (column.column_type, column.kind) {
        (Type::Bool, _) => "true".to_owned(),
        (Type::Timestamptz, Kind::Gauge) => "t - interval '1 hour'".to_owned(),
        (Type::Timestamptz, _) => "timestamptz '2020-01-01 00:00:00+00'".to_owned(),
        (Type::Text, Kind::State) => "'word ' || k % 3".to_owned(),
        (Type::Text, _) => format!("'{} ' || k", column.name),
        (_, Kind::Counter | Kind::Count) if place % 3 == 2 => "0".to_owned(),
        (_, Kind::Counter | Kind::Count) => format!("{} / k + (n + k) % 10", 10_000 * (place + 1)),
        _ if kind == SetKind::Info => "k".to_owned(),
        _ => format!("{} + k * 10 + n % 10", 1000 * (place + 1)),
    }
}
