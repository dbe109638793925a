//! Infos hold from one moment until another, however often, late and in what order they are said.

use ::store::{PoolSettings, Store, open};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::monitored::Monitored;

/// Something said of a setting: the second past noon's hour, and its value, or that it is gone.
type Said = (u32, Option<u8>);

/// From when on, until when, what, and when last said.
type Row = (i64, Option<i64>, Option<String>, i64);

const NOON: &str = "timestamptz '2026-03-01 11:00:00Z'";

fn time(second: u32) -> String {
    format!("11:{:02}:{:02}", second / 60, second % 60)
}

fn row(value: Option<u8>) -> Value {
    match value {
        Some(value) => json!({"name": "work_mem", "setting": value.to_string()}),
        None => json!({"name": "work_mem", "removed": true}),
    }
}

async fn say(monitored: &Monitored, instance: &str, all: &[Said]) {
    let times: Vec<String> = all.iter().map(|(second, _)| time(*second)).collect();
    let readings: Vec<(&str, &str, Value)> =
        all.iter().zip(&times).map(|((_, value), time)| ("pg_settings", time.as_str(), json!([row(*value)]))).collect();
    monitored.push(instance, &readings).await;
}

async fn rows(monitored: &Monitored, instance: &str) -> Vec<Row> {
    let client = monitored.server.app.metrics.get().await.unwrap();
    let sql = format!(
        "select extract(epoch from s.valid_from - {NOON})::int8,
             case when s.valid_to < 'infinity' then extract(epoch from s.valid_to - {NOON})::int8 end,
             case when not s.removed then s.setting end, extract(epoch from s.seen_at - {NOON})::int8
         from metrics.pg_settings s join metrics.instances i on i.id = s.instance_id where i.name = $1
         order by s.valid_from"
    );
    let rows = client.query(&sql, &[&instance]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

/// The one truth: what was said last before a moment.
fn holds(said: &[Said], second: u32) -> Option<Option<u8>> {
    said.iter().filter(|(at, _)| *at <= second).max_by_key(|(at, _)| *at).map(|(_, value)| *value)
}

fn stored(rows: &[Row], second: u32) -> Option<Option<String>> {
    let second = i64::from(second);
    rows.iter().find(|(from, to, ..)| *from <= second && to.is_none_or(|to| to > second)).map(|row| row.2.clone())
}

/// Each moment has at most one row, the last is open, and none says what the one before it does.
fn assert_whole(rows: &[Row], why: &str) {
    assert!(rows.windows(2).all(|pair| pair[0].1 == Some(pair[1].0)), "{why}: {rows:?}");
    assert!(
        rows.iter().all(|(from, to, _, seen)| to.is_none_or(|to| to > *from && to >= *seen) && seen >= from),
        "{why}: {rows:?}"
    );
    assert_eq!(rows.last().map(|row| row.1), Some(None), "{why}: {rows:?}");
}

/// Times of their own, in any order of arrival.
fn said(values: impl Strategy<Value = Option<u8>>) -> impl Strategy<Value = Vec<Said>> {
    proptest::collection::vec((0..3000_u32, values), 1..9)
        .prop_map(|mut all| {
            all.sort_by_key(|one| one.0);
            all.dedup_by_key(|one| one.0);
            all
        })
        .prop_shuffle()
}

#[tokio::test]
async fn what_is_said_in_any_order_holds_at_its_time() {
    let monitored = Monitored::new().await;
    let mut runner = TestRunner::default();
    for case in 0..40 {
        // Each says something else, so that no order of arrival may tell.
        let mut all = said(Just(Some(0))).new_tree(&mut runner).unwrap().current();
        (0_u8..).zip(&mut all).for_each(|(nth, one)| one.1 = (nth % 4 > 0).then_some(nth));
        let (instance, size) = (format!("any {case}"), 1 + case % 3);
        for chunk in all.chunks(size) {
            say(&monitored, &instance, chunk).await;
        }
        let rows = rows(&monitored, &instance).await;
        let why = format!("{all:?}, {size} in a batch");
        assert_whole(&rows, &why);
        for second in all.iter().flat_map(|one| [one.0, one.0.saturating_sub(1), one.0 + 1]) {
            let expected = holds(&all, second).map(|value| value.map(|value| value.to_string()));
            assert_eq!(stored(&rows, second), expected, "at {second} of {why}: {rows:?}");
        }
    }
}

#[tokio::test]
async fn what_is_said_again_changes_when_it_was_last_seen_and_nothing_else() {
    let monitored = Monitored::new().await;
    let mut runner = TestRunner::default();
    let few = || prop_oneof![1 => Just(None), 4 => (0..2_u8).prop_map(Some)];
    for case in 0..40 {
        let mut all = said(few()).new_tree(&mut runner).unwrap().current();
        all.sort_by_key(|one| one.0);
        let instance = format!("again {case}");
        for one in &all {
            say(&monitored, &instance, std::slice::from_ref(one)).await;
            say(&monitored, &instance, std::slice::from_ref(one)).await;
        }
        let rows = rows(&monitored, &instance).await;
        let mut expected: Vec<Row> = Vec::new();
        for (second, value) in &all {
            let (second, value) = (i64::from(*second), value.map(|value| value.to_string()));
            match expected.last_mut() {
                Some(last) if last.2 == value => last.3 = second,
                last => {
                    if let Some(last) = last {
                        last.1 = Some(second);
                    }
                    expected.push((second, None, value, second));
                }
            }
        }
        assert_eq!(rows, expected, "{all:?}");
    }
}

#[tokio::test]
async fn the_newest_word_holds_whatever_came_late() {
    let monitored = Monitored::new().await;
    let mut runner = TestRunner::default();
    let few = || prop_oneof![1 => Just(None), 4 => (0..2_u8).prop_map(Some)];
    for case in 0..40 {
        let all = said(few()).new_tree(&mut runner).unwrap().current();
        let instance = format!("late {case}");
        for chunk in all.chunks(1 + case % 3) {
            say(&monitored, &instance, chunk).await;
        }
        let rows = rows(&monitored, &instance).await;
        assert_whole(&rows, &format!("{all:?}"));
        let newest = all.iter().map(|one| one.0).max().unwrap();
        let expected = holds(&all, newest).map(|value| value.map(|value| value.to_string()));
        assert_eq!(stored(&rows, newest), expected, "{all:?}: {rows:?}");
        assert_eq!(rows.last().unwrap().3, i64::from(newest), "{all:?}: {rows:?}");
    }
}

/// X at 1 and again at 9: what is late and of between parts them.
#[tokio::test]
async fn what_comes_late_splits_the_period_that_it_falls_into() {
    let monitored = Monitored::new().await;
    for one in [(60, Some(1)), (540, Some(1)), (300, Some(2)), (900, None), (30, Some(1)), (420, Some(2))] {
        say(&monitored, "main", &[one]).await;
    }
    let text = |value: u8| Some(value.to_string());
    let expected: [Row; 4] = [
        (30, Some(300), text(1), 60),
        (300, Some(540), text(2), 420),
        (540, Some(900), text(1), 540),
        (900, None, None, 900),
    ];
    assert_eq!(rows(&monitored, "main").await, expected);
    let path = "/metrics?set=pg_settings&start=2026-03-01T11:06:00Z&end=2026-03-01T11:10:00Z&columns=name,setting";
    let answer = monitored.get(path).await.expect(200);
    let row = |from: &str, to: &str, seen: &str, setting: &str| {
        json!({"time": format!("2026-03-01T{from}Z"), "valid_to": format!("2026-03-01T{to}Z"), "removed": false,
            "seen_at": format!("2026-03-01T{seen}Z"), "instance_id": answer["data"][0]["instance_id"],
            "name": "work_mem", "setting": setting})
    };
    assert_eq!(
        answer["data"],
        json!([row("11:09:00", "11:15:00", "11:09:00", "1"), row("11:05:00", "11:09:00", "11:07:00", "2")])
    );
}

#[tokio::test]
async fn those_who_say_the_same_at_once_say_it_once() {
    let monitored = Monitored::new().await;
    say(&monitored, "main", &[(0, Some(0))]).await;
    let all: Vec<Said> = (1..60_u32).map(|second| (second, u8::try_from(second / 10).ok())).collect();
    for some in all.chunks(10) {
        let twice = some.iter().flat_map(|one| [one, one]);
        futures_util::future::join_all(twice.map(|one| say(&monitored, "main", std::slice::from_ref(one)))).await;
    }
    let rows = rows(&monitored, "main").await;
    assert_whole(&rows, "at once");
    for (second, value) in &all {
        // Of several that said the same, the first may have been merged last.
        let expected = value.map(|value| value.to_string());
        assert_eq!(stored(&rows, *second), Some(expected), "at {second}: {rows:?}");
    }
}

/// Of settings there is one each, whichever database was asked.
#[tokio::test]
async fn what_is_said_twice_in_a_batch_is_merged_in_its_order() {
    let monitored = Monitored::new().await;
    let said = |second: u32, database: i64, value: u8| {
        json!({"type": "pg_settings", "timestamp": format!("2026-03-01T{}Z", time(second)), "instance": "main",
            "database": database, "rows": [row(Some(value))]})
    };
    let metrics = json!([said(60, 5, 2), said(0, 6, 1), said(120, 7, 3)]);
    let answer = monitored.send(json!({"collector_id": monitored.collector, "metrics": metrics})).await;
    assert_eq!(answer["rejected"], json!([]));
    let text = |value: u8| Some(value.to_string());
    let expected: [Row; 3] = [(0, Some(60), text(1), 0), (60, Some(120), text(2), 60), (120, None, text(3), 120)];
    assert_eq!(rows(&monitored, "main").await, expected);
}

#[tokio::test]
async fn repetitions_take_no_room() {
    let monitored = Monitored::new().await;
    let relations: Vec<Value> = (0..1000)
        .map(
            |oid| json!({"relid": 20_000 + oid, "schema": "public", "relname": format!("table_{oid}"), "relkind": "r"}),
        )
        .collect();
    let relations = Value::from(relations);
    let size = async || {
        let client = monitored.server.app.metrics.get().await.unwrap();
        let sql = "select count(*), pg_total_relation_size('metrics.pg_class') from metrics.pg_class";
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    monitored.push_database("main", 5, &[("pg_class", "11:00:00", relations.clone())]).await;
    let (rows, once) = size().await;
    for second in 1..60 {
        monitored.push_database("main", 5, &[("pg_class", &time(second), relations.clone())]).await;
        // As autovacuum does between one day and the next.
        monitored.execute("vacuum metrics.pg_class").await;
    }
    let (rows_after, bytes) = size().await;
    assert_eq!((rows, rows_after), (1000, 1000));
    assert!(bytes <= once * 3, "{once} bytes became {bytes}");
}

#[tokio::test]
async fn what_has_no_key_is_refused() {
    let monitored = Monitored::new().await;
    let push = async |reading: Value| {
        let body = json!({"collector_id": monitored.collector, "metrics": [reading]});
        monitored.send(body).await["rejected"].clone()
    };
    let settings = json!({"type": "pg_settings", "timestamp": "2026-03-01T11:00:00Z", "instance": "main",
        "rows": [{"setting": "on"}]});
    assert_eq!(push(settings).await[0]["reason"], "no_key");
    let relations = json!({"type": "pg_class", "timestamp": "2026-03-01T11:00:00Z", "instance": "main",
        "rows": [{"relid": 5, "relname": "t"}]});
    assert_eq!(push(relations).await[0]["reason"], "no_database");
}

#[tokio::test]
async fn a_store_from_before_gets_validity() {
    let database = testkit::store().await.unwrap();
    let prepare = async || {
        let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 4 }).await.unwrap();
        Store::prepare(pool, std::sync::Arc::new(catalog::Catalog::embedded().unwrap())).await.unwrap()
    };
    drop(prepare().await);
    let client = database.connect().await.unwrap();
    let days = |from: u32, to: u32, setting: &str| {
        format!(
            "insert into metrics.pg_settings (instance_id, time, removed, name, setting)
             select 1, timestamptz '2026-01-01 00:00:00Z' + make_interval(days => d), false, 'work_mem', {setting}
             from generate_series({from}, {to}) d;"
        )
    };
    client
        .simple_query(&format!(
            "drop view metrics.pg_settings_named;
             alter table metrics.pg_settings rename column valid_from to \"time\";
             alter table metrics.pg_settings drop column valid_to, drop column seen_at;
             create view public.mine as select name, \"time\" from metrics.pg_settings;
             insert into metrics.clusters values (1, '-infinity', 'one'), (1, '2026-01-20 12:00:00Z', 'two');
             {} {} {}
             insert into metrics.pg_settings (instance_id, time, removed, name) values
                 (1, '2026-01-28 00:00:00Z', true, 'work_mem');
             insert into metrics.pg_settings (instance_id, time, removed, name, setting) values
                 (2, '2026-01-28 00:00:00Z', false, 'work_mem', '9');",
            days(0, 9, "'1'"),
            days(10, 12, "null"),
            days(13, 26, "'1'"),
        ))
        .await
        .unwrap();
    drop(prepare().await);
    let sql =
        "select format('%s: %s to %s, seen %s: %s', s.instance_id, to_char(s.valid_from at time zone 'utc', 'DD'),
            case when s.valid_to = 'infinity' then 'now' else to_char(s.valid_to at time zone 'utc', 'DD') end,
            to_char(s.seen_at at time zone 'utc', 'DD'), case when s.removed then 'gone' else s.setting end)
        from metrics.pg_settings s order by s.instance_id, s.valid_from";
    let rows = client.query(sql, &[]).await.unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        rows,
        [
            "1: 01 to 11, seen 10: 1",
            "1: 11 to 14, seen 13: ",
            "1: 14 to 21, seen 20: 1",
            // Another cluster, whatever it says.
            "1: 21 to 28, seen 27: 1",
            "1: 28 to now, seen 28: gone",
            "2: 28 to now, seen 28: 9",
        ]
    );
    client.query("select name, \"time\" from public.mine", &[]).await.unwrap();
    client.query("select valid_to from metrics.pg_settings_named", &[]).await.unwrap();
}

#[tokio::test]
async fn what_no_row_is_kept_of_is_forgotten() {
    let monitored = Monitored::new().await;
    say(&monitored, "main", &[(0, Some(1)), (60, Some(2))]).await;
    let text = |queryid: i64| json!([{"dbid": 5, "queryid": queryid.to_string(), "query": "select 1"}]);
    let run = json!([{"userid": 10, "dbid": 5, "queryid": "7", "toplevel": true, "calls": 1}]);
    let readings = [
        ("pg_stat_statements_text", "11:00:00", text(7)),
        ("pg_stat_statements_text", "11:00:01", text(8)),
        ("pg_stat_statements", "11:01:00", run),
    ];
    monitored.push("main", &readings).await;
    monitored
        .execute(
            "update metrics.pg_settings set valid_from = valid_from - interval '6 years', valid_to = case
            when valid_to < 'infinity' then valid_to - interval '6 years' else valid_to end;
        update metrics.texts set captured_at = captured_at - interval '6 years'",
        )
        .await;
    let client = monitored.server.app.metrics.get().await.unwrap();
    let now: jiff::Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    monitored.server.app.store().unwrap().drop_expired(now).await.unwrap();
    let left =
        "select (select array_agg(setting) from metrics.pg_settings), (select array_agg(queryid) from metrics.texts)";
    let row = client.query_one(left, &[]).await.unwrap();
    assert_eq!((row.get::<_, Vec<String>>(0), row.get::<_, Vec<i64>>(1)), (vec!["2".to_owned()], vec![7]));
    // What is gone for so long is forgotten with all that it was.
    say(&monitored, "main", &[(120, None)]).await;
    monitored
        .execute("update metrics.pg_settings set valid_from = valid_from - interval '6 years' where removed")
        .await;
    monitored.server.app.store().unwrap().drop_expired(now).await.unwrap();
    let left = client.query_one("select count(*) from metrics.pg_settings where removed", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}
