//! Tiers say what the raw rows say, whatever comes when, and whatever dies meanwhile.

use std::sync::Arc;

use ::store::{CustomSets, Store};
use catalog::Type;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio_postgres::Client;
use wire::Frame;

use super::tiers_rule::compare;
use super::tiers_store::{CELL, DAY, Fixture, HOUR, MINUTE, Read, Row, SETS, far_later, now, open_tiers};

fn a_row() -> impl Strategy<Value = Row> {
    let word = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    let seeds = proptest::collection::vec(any::<u64>(), 23);
    (0..3_i64, word, seeds).prop_map(|(key, word, seeds)| Row { key, word, seeds })
}

/// Rows of one reading, each of another key.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(a_row(), 0..4).prop_map(|mut rows| {
        rows.sort_by_key(|row| (row.key, row.word));
        rows.dedup_by_key(|row| (row.key, row.word));
        rows
    })
}

pub(crate) fn a_read() -> impl Strategy<Value = Read> {
    let now = now().as_microsecond();
    let time = prop_oneof![
        3 => (0..40 * HOUR).prop_map(move |ago| now - ago),
        3 => (0..40 * 12_i64).prop_map(move |cells| (now - cells * CELL).div_euclid(CELL) * CELL),
        2 => (0..40 * 12_i64, -1..=1_i64).prop_map(move |(cells, off)| (now - cells * CELL).div_euclid(CELL) * CELL + off),
        1 => (0..2_i64).prop_map(move |days| now.div_euclid(DAY) * DAY - days * DAY),
    ];
    let interval = prop_oneof![
        2 => Just(None),
        4 => Just(Some(MINUTE)),
        2 => Just(Some(CELL)),
        2 => Just(Some(CELL + 1)),
        2 => (1..3 * HOUR).prop_map(Some),
        1 => (1..30 * HOUR).prop_map(Some),
    ];
    let cut = (0..2_i64, 1..9_u32, proptest::collection::vec(-3..3_i64, 0..4));
    let cuts = proptest::collection::vec(cut, 0..2);
    let error = prop_oneof![9 => Just(false), 1 => Just(true)];
    (0..SETS.len(), 0..2_usize, 1..3_i64, time, interval, error, 0..3_u32, cuts, rows()).prop_map(
        |(set, instance, datid, time, interval, error, late_cycles, cuts, rows)| {
            // A set without labels has one row.
            let rows = if set == 2 { rows.into_iter().take(1).collect() } else { rows };
            let rows = if set == 1 { one_per_key(rows) } else { rows };
            Read { set, instance, datid, time, interval, error, late_cycles, cuts, rows }
        },
    )
}

fn one_per_key(mut rows: Vec<Row>) -> Vec<Row> {
    rows.dedup_by_key(|row| row.key);
    rows
}

/// What happens: a batch, a batch that was stored before, or a roll-up some hours ago.
#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Read>),
    Again(usize),
    RollUp(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => proptest::collection::vec(a_read(), 1..5).prop_map(Step::Batch),
        1 => (0..8_usize).prop_map(Step::Again),
        2 => (0..30_i64).prop_map(Step::RollUp),
    ];
    proptest::collection::vec(step, 2..9)
}

#[test]
fn tiers_say_what_the_raw_rows_say() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&steps(), |steps| {
        let run = async {
            let fixture = Fixture::new().await;
            let mut batches: Vec<Vec<Read>> = Vec::new();
            for step in steps {
                match step {
                    Step::Batch(readings) => {
                        batches.push(readings);
                        fixture.push(batches.len() as u64, &batches[batches.len() - 1]).await;
                    }
                    Step::Again(which) => {
                        if let Some(readings) = batches.get(which) {
                            fixture.push(which as u64 + 1, readings).await;
                        }
                    }
                    Step::RollUp(hours) => {
                        fixture.roll_up(now() - SignedDuration::from_hours(hours)).await;
                    }
                }
            }
            fixture.roll_up(far_later()).await;
            assert_eq!(fixture.count("due").await, 0);
            let stored: Vec<Read> = batches.into_iter().flatten().collect();
            compare(&fixture, &stored).await;
            assert_eq!(fixture.roll_up(far_later()).await, 0, "there is nothing left to do");
        };
        runtime.block_on(run);
        Ok(())
    });
    checked.unwrap();
}

/// Rows of some keys, the seeds of whose values begin with a number.
pub(crate) fn rows_of(keys: &[i64], first_seed: u64) -> Vec<Row> {
    let seeds = |key: i64| (0..23).map(|at| (first_seed + at * 7919 + key.unsigned_abs()) * 1_000_003).collect();
    keys.iter().map(|key| Row { key: *key, word: Some("a"), seeds: seeds(*key) }).collect()
}

pub(crate) fn read(set: usize, time: Timestamp, interval: i64, rows: Vec<Row>) -> Read {
    let time = time.as_microsecond();
    let cuts = Vec::new();
    Read { set, instance: 0, datid: 1, time, interval: Some(interval), error: false, late_cycles: 0, cuts, rows }
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// Three readings that are rolled up, so that the partitions are there, and three that are not.
async fn half_rolled_up(fixture: &Fixture) -> Vec<Read> {
    let readings = |ago_minutes: i64| (0..3).map(move |set| read(set, ago(ago_minutes), MINUTE, rows_of(&[1], 5)));
    let (first, second): (Vec<Read>, Vec<Read>) = (readings(100).collect(), readings(10).collect());
    fixture.push(1, &first).await;
    fixture.roll_up(ago(60)).await;
    fixture.push(2, &second).await;
    first.into_iter().chain(second).collect()
}

/// Begins a roll-up that waits in the middle: what is due is taken, and the first set made.
async fn held_roll_up(fixture: &Fixture, holder: &Client) -> tokio::task::JoinHandle<bool> {
    holder.simple_query("begin; lock table metrics.x_levels_5m in access exclusive mode").await.unwrap();
    let store = Arc::clone(&fixture.store);
    let rolling = tokio::spawn(async move { store.roll_up(far_later()).await.is_ok() });
    fixture.waiting(1).await;
    rolling
}

#[tokio::test]
async fn a_roll_up_that_dies_in_the_middle_leaves_all_as_it_was() {
    let fixture = Fixture::new().await;
    let stored = half_rolled_up(&fixture).await;
    let before = (fixture.count("x_all_5m").await, fixture.count("due").await);
    let holder = fixture.database.connect().await.unwrap();
    let rolling = held_roll_up(&fixture, &holder).await;
    for pid in fixture.waiting(1).await {
        holder.query_one("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
    }
    assert!(!rolling.await.unwrap(), "its connection is gone");
    holder.simple_query("rollback").await.unwrap();
    assert_eq!((fixture.count("x_all_5m").await, fixture.count("due").await), before);
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn what_commits_during_a_roll_up_is_in_the_next() {
    let fixture = Fixture::new().await;
    let mut stored = half_rolled_up(&fixture).await;
    let holder = fixture.database.connect().await.unwrap();
    let rolling = held_roll_up(&fixture, &holder).await;
    let during: Vec<Read> = (0..3).map(|set| read(set, ago(9), MINUTE, rows_of(&[1, 2], 6))).collect();
    fixture.push(3, &during).await;
    holder.simple_query("rollback").await.unwrap();
    assert!(rolling.await.unwrap());
    stored.extend(during);
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn rows_that_commit_after_a_roll_up_began_before_it_ended_are_not_missed() {
    let fixture = Fixture::new().await;
    let mut stored = vec![read(0, ago(10), MINUTE, rows_of(&[1], 5))];
    fixture.push(1, &stored).await;
    // The last row that ingest writes: the batch's rows are there, and not yet committed.
    let holder = fixture.database.connect().await.unwrap();
    holder.simple_query("begin; select from metrics.collectors for update").await.unwrap();
    let late = read(0, ago(9), MINUTE, rows_of(&[1, 2], 6));
    let readings = [late.clone()];
    let let_go = async {
        fixture.waiting(1).await;
        fixture.roll_up(far_later()).await;
        holder.simple_query("rollback").await.unwrap();
    };
    tokio::join!(fixture.push(2, &readings), let_go);
    assert_eq!(fixture.count("due").await, 1);
    stored.push(late);
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn two_servers_make_them_once() {
    let fixture = Fixture::new().await;
    let other = open_tiers(&fixture.database).await;
    let stored: Vec<Read> =
        (0..40).map(|at| read(0, ago(at * 30), 20 * MINUTE, rows_of(&[1, 2], at.unsigned_abs()))).collect();
    fixture.push(1, &stored).await;
    let until_done = async |store: &Store| while store.roll_up(far_later()).await.unwrap().is_left {};
    tokio::join!(until_done(&fixture.store), until_done(&other));
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn a_store_with_rows_and_without_tiers_gets_them() {
    let fixture = Fixture::new().await;
    let midnight = "2026-03-10T00:00:00Z".parse().unwrap();
    let stored = [
        read(0, ago(10), MINUTE, rows_of(&[1], 5)),
        read(1, ago(2000), 9 * DAY, rows_of(&[1], 6)),
        read(2, ago(40), MINUTE, rows_of(&[1], 7)),
        read(0, midnight, MINUTE, rows_of(&[2], 8)),
    ];
    fixture.push(1, &stored).await;
    let tiers = "select string_agg(format('drop table metrics.%I', relname), ';') from pg_class
                 where relkind = 'p' and relnamespace = 'metrics'::regnamespace and relname ~ '_(5m|1h|1d|1w)$'";
    let drop: String = fixture.client.query_one(tiers, &[]).await.unwrap().get(0);
    fixture.client.simple_query(&drop).await.unwrap();
    fixture
        .client
        .simple_query(
            "drop view metrics.absent; drop table metrics.due, metrics.gone, metrics.leaving;
             alter table metrics.store drop column layout, drop column changing_to;
             delete from metrics.migrations where name in ('tiers', 'layout')",
        )
        .await
        .unwrap();
    let fixture = Fixture { store: open_tiers(&fixture.database).await, ..fixture };
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
    open_tiers(&fixture.database).await;
    assert_eq!(fixture.count("due").await, 0, "a later start makes nothing due");
}

#[tokio::test]
async fn a_tier_that_comes_later_is_made_from_the_finer_one() {
    let fixture = Fixture::new().await;
    let stored = [
        read(0, ago(10), MINUTE, rows_of(&[1, 2], 5)),
        read(1, ago(9 * 1440), MINUTE, rows_of(&[1], 6)),
        read(2, ago(13 * 1440), MINUTE, rows_of(&[], 7)),
        read(0, ago(12 * 1440), 3 * HOUR, rows_of(&[1, 3], 8)),
    ];
    fixture.push(1, &stored).await;
    fixture.roll_up(far_later()).await;
    let week = now() - SignedDuration::from_hours(24 * 7);
    let forget = "do $$ declare t name; begin
        for t in select relname from pg_class
            where relkind = 'p' and relnamespace = 'metrics'::regnamespace and relname ~ '_1w$' loop
            execute format('drop table metrics.%I', t);
        end loop; end $$";
    fixture.client.simple_query(forget).await.unwrap();
    let fixture = Fixture { store: open_tiers(&fixture.database).await, ..fixture };
    assert_eq!(fixture.count("due where tier <> 4").await, 0, "the finer ones are there");
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
    // Where days are gone in part, the week that has lost some is not made of the rest.
    fixture.client.simple_query(forget).await.unwrap();
    let gone = "insert into metrics.gone select unnest(array['x_all_1d', 'x_db_1d', 'x_levels_1d', 'readings_1d', 'cuts_1d']), $1";
    fixture.client.execute(gone, &[&week]).await.unwrap();
    let fixture = Fixture { store: open_tiers(&fixture.database).await, ..fixture };
    fixture.roll_up(far_later()).await;
    assert_eq!(fixture.count("x_all_1w").await, 2, "both keys of the last week");
    assert_eq!(fixture.count("gone where table_name = 'x_all_1w' and until = '2026-03-05T00:00:00Z'").await, 1);
}

#[tokio::test]
async fn columns_that_nobody_needs_any_more_go_unless_something_stands_on_them() {
    let fixture = Fixture::new().await;
    let stored = [read(0, ago(10), MINUTE, rows_of(&[1, 2], 5))];
    fixture.push(1, &stored).await;
    fixture.roll_up(far_later()).await;
    fixture
        .client
        .simple_query(
            "alter table metrics.x_all_5m add column longest_sum double precision, add column longest bigint;
             alter table metrics.x_all_1d add column position_n integer;
             create view public.mine as select longest from metrics.x_all_5m",
        )
        .await
        .unwrap();
    let fixture = Fixture { store: open_tiers(&fixture.database).await, ..fixture };
    let left =
        "select string_agg(c.relname || '.' || a.attname, ' ') from pg_attribute a join pg_class c on c.oid = attrelid
        where relkind = 'p' and relnamespace = 'metrics'::regnamespace and not attisdropped
            and (relname like 'x_all__%' and attname in ('longest', 'longest_sum', 'position_n'))";
    let left: Option<String> = fixture.client.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left.as_deref(), Some("x_all_5m.longest"));
    fixture.push(2, &[read(1, ago(5), MINUTE, rows_of(&[1], 6))]).await;
    fixture.roll_up(far_later()).await;
    assert_eq!(fixture.count("due").await, 0);
}

#[tokio::test]
async fn what_comes_after_its_day_went_is_added() {
    let fixture = Fixture::new().await;
    let midnight = "2026-03-10T00:00:00Z".parse::<Timestamp>().unwrap();
    let before = midnight - SignedDuration::from_mins(2);
    // The later of two rows comes first, so that what is the last of a bucket does not depend on who came when.
    let mut stored = vec![
        read(0, midnight, MINUTE, rows_of(&[1, 2], 5)),
        read(0, before, MINUTE, rows_of(&[1, 2], 6)),
        read(1, before, 20 * MINUTE, rows_of(&[1, 2], 7)),
    ];
    fixture.push(1, &stored).await;
    let later = now() + SignedDuration::from_hours(24 * 7);
    fixture.store.drop_expired(later).await.unwrap();
    assert_eq!(fixture.count("x_all").await, 4, "its tiers are not made yet");
    fixture.roll_up(later).await;
    fixture.store.drop_expired(later).await.unwrap();
    assert_eq!(fixture.count("x_all").await, 0, "the last cell of the day went with it");
    assert_eq!(fixture.count("gone where table_name = 'x_all' and until = '2026-03-10T00:00:00Z'").await, 1);
    let late = [
        read(0, before - SignedDuration::from_secs(30), MINUTE, rows_of(&[1, 3], 8)),
        read(0, before - SignedDuration::from_mins(70), MINUTE, rows_of(&[1, 3], 9)),
        read(1, before - SignedDuration::from_secs(30), 30 * MINUTE, rows_of(&[1, 3], 10)),
        // Of a day that is still there, and from when the day that went was not over.
        read(1, midnight + SignedDuration::from_mins(7), 70 * MINUTE, rows_of(&[1, 3], 11)),
        read(0, midnight + SignedDuration::from_mins(7), DAY, rows_of(&[3], 12)),
        read(2, midnight + SignedDuration::from_mins(7), HOUR, rows_of(&[3], 13)),
    ];
    for (at, one) in late.into_iter().enumerate() {
        fixture.push_at(at as u64 + 2, std::slice::from_ref(&one), later).await;
        stored.push(one);
        if at % 2 == 1 {
            fixture.roll_up(later).await;
            fixture.store.drop_expired(later).await.unwrap();
        }
    }
    fixture.roll_up(later).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn a_column_that_comes_later_is_null_before() {
    let fixture = Fixture::new().await;
    let old = read(2, ago(100), MINUTE, rows_of(&[1], 5));
    fixture.push(1, std::slice::from_ref(&old)).await;
    fixture.roll_up(ago(60)).await;
    let mut newer = fixture.definition("x_levels");
    newer.columns.push(catalog::Column {
        name: "moved".to_owned(),
        ..fixture.definition("x_db").column("calls").unwrap().1.clone()
    });
    let other = open_tiers(&fixture.database).await;
    other.add_definition(newer, CustomSets::Accept).await.unwrap();
    let columns = [("moved".to_owned(), Type::Int8)];
    assert_eq!(fixture.rows("x_levels_5m", &columns).await, [[None]]);
    let id: i32 =
        fixture.client.query_one("select id from metrics.instances where name = 'one'", &[]).await.unwrap().get(0);
    let sql =
        "insert into metrics.x_levels (instance_id, time, interval_us, size, moved) values ($1, $2, 60000000, 1, 42)";
    fixture.client.execute(sql, &[&id, &ago(3)]).await.unwrap();
    fixture.push(2, &[read(2, ago(4), MINUTE, rows_of(&[], 5))]).await;
    // This server was not told of the column.
    fixture.roll_up(far_later()).await;
    let mut moved = fixture.rows("x_levels_1h", &columns).await;
    moved.sort();
    assert_eq!(moved, [[None], [Some("42".to_owned())]]);
}

#[tokio::test]
async fn no_value_stops_a_roll_up() {
    let fixture = Fixture::new().await;
    let definition = fixture.definition("x_all");
    let mut frame = Frame::new(&definition);
    for (calls, work) in [(i64::MAX, f64::MAX), (i64::MAX, f64::MAX), (1, f64::MIN_POSITIVE / 4.0)] {
        for (meaning, column) in definition.columns.iter().zip(&mut frame.columns) {
            let column = column.as_mut().unwrap();
            match meaning.name.as_str() {
                "key" | "few" => column.push_int(1),
                "calls" | "spent" => column.push_int(calls),
                "level" => column.push_int(-calls),
                "work" => column.push_float(work),
                "ratio" => column.push_float(-work),
                _ => column.push_null(),
            }
        }
        frame.rows += 1;
    }
    let moments = [(ago(10), 60_000_000), (ago(3), u64::try_from(i64::MAX).unwrap()), (ago(3), 400_000_000)];
    for (sequence, (time, interval)) in moments.into_iter().enumerate() {
        let mut reading = read(0, time, 0, Vec::new()).encode(&definition);
        reading.interval_us = Some(interval);
        reading.encode_rows(&frame);
        fixture.push_encoded(sequence as u64 + 1, vec![reading], now()).await;
    }
    fixture.roll_up(far_later()).await;
    assert_eq!(fixture.count("due").await, 0);
    let sums = "select sum(few)::text, min(level_min)::text from metrics.x_all_1d";
    let row = fixture.client.query_one(sums, &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("9", (-i64::MAX).to_string().as_str()));
}

#[tokio::test]
async fn names_of_tiers_are_not_for_sets_and_one_that_was_there_before_has_none() {
    let fixture = Fixture::new().await;
    let mut taken = fixture.definition("x_levels");
    taken.name = "x_mine_1h".to_owned();
    let refused = fixture.store.add_definition(taken.clone(), CustomSets::Accept).await.unwrap_err().to_string();
    assert!(refused.contains("_5m, _1h, _1d, _1w"), "{refused}");
    let mut twice = fixture.definition("x_levels");
    twice.name = "x_mine".to_owned();
    let size = twice.column("size").unwrap().1.clone();
    twice.columns.push(catalog::Column { name: "size_max".to_owned(), ..size });
    let refused = fixture.store.add_definition(twice.clone(), CustomSets::Accept).await.unwrap_err().to_string();
    assert!(refused.contains("size_max stands twice"), "{refused}");
    // As an older server took them.
    for definition in [taken, twice] {
        let stored = serde_json::to_value(&definition).unwrap();
        let sql = "insert into metrics.definitions (hash, set_name, definition) values ($1, $2, $3)";
        let hash = definition.hash().0.to_vec();
        fixture.client.execute(sql, &[&hash, &definition.name, &stored]).await.unwrap();
    }
    let store = open_tiers(&fixture.database).await;
    assert!(store.definitions().set("x_mine").is_some() && store.definitions().set("x_mine_1h").is_some());
    let sql = "select to_regclass('metrics.x_mine') is not null, to_regclass('metrics.x_mine_5m') is null,
               to_regclass('metrics.x_mine_1h_5m') is not null";
    let row = fixture.client.query_one(sql, &[]).await.unwrap();
    assert_eq!([0, 1, 2].map(|at| row.get::<_, bool>(at)), [true; 3]);
    let known = store.definitions().set("x_mine").unwrap().definition.clone();
    store.add_definition(known, CustomSets::Accept).await.unwrap();
}

#[tokio::test]
async fn each_tier_goes_in_its_time() {
    let fixture = Fixture::new().await;
    fixture.push(1, &[read(0, ago(10), MINUTE, rows_of(&[1], 5))]).await;
    fixture.roll_up(far_later()).await;
    let left = async |days: i64| {
        fixture.store.drop_expired(now() + SignedDuration::from_hours(24 * days)).await.unwrap();
        let mut counts = Vec::new();
        for table in ["x_all", "x_all_5m", "x_all_1h", "x_all_1d", "x_all_1w"] {
            counts.push(fixture.count(table).await);
        }
        counts
    };
    assert_eq!(left(6).await, [1, 1, 1, 1, 1]);
    assert_eq!(left(9).await, [0, 1, 1, 1, 1]);
    assert_eq!(left(90).await, [0, 1, 1, 1, 1], "the month is not over for 90 days");
    assert_eq!(left(130).await, [0, 0, 1, 1, 1]);
    assert_eq!(left(731 + 366).await, [0, 0, 0, 1, 1]);
    assert_eq!(left(1827 + 366).await, [0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn words_and_ids_of_a_bucket_are_bounded() {
    let fixture = Fixture::new().await;
    let sql = "select metrics.merge_shares(array_agg(jsonb_build_object(lpad(n::text, 2, '0'), 100 - n, '', 1)))::text,
                   metrics.merge_shares(null) is null,
                   cardinality(metrics.merge_ids(array['{3,1,2}', '{}', '{2,2}'])),
                   (select (array_agg(id))[2000] from unnest(metrics.merge_ids(array[
                       (select array_agg(n)::text from generate_series(1001, 3000) n),
                       (select array_agg(n)::text from generate_series(1, 2000) n)])) id)
               from generate_series(1, 25) n";
    let row = fixture.client.query_one(sql, &[]).await.unwrap();
    let shares: std::collections::BTreeMap<String, u64> = serde_json::from_str(row.get(0)).unwrap();
    assert_eq!((shares.len(), shares["01"], shares["20"]), (21, 99, 80));
    assert_eq!(shares[""], 25 + (75..80).sum::<u64>(), "the rest");
    assert!(row.get::<_, bool>(1), "of nothing there is nothing");
    assert_eq!((row.get::<_, i32>(2), row.get::<_, i64>(3)), (3, 2000));
}
