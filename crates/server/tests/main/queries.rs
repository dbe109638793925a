//! GET /instances/{id}/queries, …/{queryid} and …/timeline, over rows that were pushed.

use std::time::Instant;

use serde_json::{Value, json};
use wire::{FlagReason, State, StateCode};

use crate::watched::{Watched, cut, flag, primary, state, statement, with};

const SHOP: i64 = 5;
const CRM: i64 = 16_384;
const APP: i64 = 10;
const ETL: i64 = 11;
/// Past 2^53, where numbers of JSON lose digits, and below zero.
const BIG: i64 = 9_007_199_254_740_993;
const NEGATIVE: i64 = i64::MIN + 1;

fn column<'a>(answer: &'a Value, name: &str) -> Vec<&'a Value> {
    answer["data"].as_array().unwrap().iter().map(|row| &row[name]).collect()
}

fn close(value: &Value, expected: f64) {
    let number = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!((number - expected).abs() < 1e-9 * expected.abs().max(1.0), "{number} is not {expected}");
}

/// The share that rows and others add up to.
fn shares(answer: &Value) -> f64 {
    let listed: f64 = column(answer, "share_of_total").iter().filter_map(|share| share.as_f64()).sum();
    listed + answer["others"]["share_of_total"].as_f64().unwrap_or(0.0)
}

async fn names(watched: &Watched) {
    let database = |datid: i64, name: &str| json!({"datid": datid, "datname": name});
    let role = |roleid: i64, name: &str| json!({"roleid": roleid, "rolname": name});
    watched
        .deliver(vec![
            watched.reading("pg_database", "10:00:00", None, &[database(SHOP, "shop"), database(CRM, "crm")]),
            watched.reading("pg_roles", "10:00:00", None, &[role(APP, "app"), role(ETL, "etl")]),
        ])
        .await;
}

/// Three readings of a minute each; 100 s of top-level time in all.
async fn shop(watched: &Watched) {
    names(watched).await;
    let first = watched.reading(
        "pg_stat_statements",
        "11:31:00",
        Some(60),
        &[
            with(
                statement(APP, SHOP, BIG, 10, 20_000_000),
                json!({"exec_time_sumsq": 10.0 * (2000.0 * 2000.0 + 9.0), "min_exec_time": 500, "max_exec_time": 9000,
                       "shared_blks_hit": 75, "shared_blks_read": 25}),
            ),
            statement(ETL, CRM, NEGATIVE, 4, 8_000_000),
            with(statement(APP, SHOP, 7, 3, 5_000_000), json!({"toplevel": false})),
        ],
    );
    let mut second = watched.reading(
        "pg_stat_statements",
        "11:32:00",
        Some(60),
        &[
            with(
                statement(APP, SHOP, BIG, 10, 20_000_000),
                json!({"exec_time_sumsq": 10.0 * (2000.0 * 2000.0 + 9.0), "min_exec_time": 400, "max_exec_time": 9500,
                       "shared_blks_hit": 0, "shared_blks_read": 0}),
            ),
            statement(APP, CRM, 1, 2, 2_000_000),
            // What the collector cut, per database and level.
            with(statement(0, SHOP, 0, 50, 10_000_000), json!({"rows": 1})),
            with(statement(0, SHOP, 0, 60, 3_000_000), json!({"toplevel": false, "rows": 1})),
        ],
    );
    second.cuts = vec![cut(SHOP, &[7, 100, 101])];
    second.flags = vec![flag(FlagReason::Evicted, "11:31:00", "11:32:00")];
    let third =
        watched.reading("pg_stat_statements", "11:34:00", Some(60), &[statement(ETL, SHOP, BIG, 1, 40_000_000)]);
    let text = |dbid: i64, queryid: i64, query: &str| json!({"dbid": dbid, "queryid": queryid, "query": query});
    let texts = watched.reading(
        "pg_stat_statements_text",
        "11:31:00",
        None,
        &[
            text(SHOP, BIG, "select * from orders where rate = '100%' and under_score = 'back\\slash'"),
            text(CRM, NEGATIVE, "update customers set name = $1"),
        ],
    );
    watched.deliver(vec![first, second, third, texts]).await;
}

#[tokio::test]
async fn statements_are_ranked_and_shares_add_up() {
    let watched = Watched::new().await;
    shop(&watched).await;
    let all = watched.read("/queries").await;
    assert_eq!(column(&all, "queryid"), ["9007199254740993", "9007199254740993", "-9223372036854775807", "7", "1"]);
    assert_eq!((&all["count"], &all["total"], &all["totals"]["statements"]), (&json!(5), &json!(5), &json!(7)));
    assert_eq!(all["totals"]["total_exec_time_ms"], 100_000.0);
    assert_eq!(
        (&all["totals"]["calls"], &all["shares_measurable"], &all["track"]),
        (&json!(140), &json!(true), &json!("top"))
    );
    // 40 s of app and of etl; the first is the older key.
    let first = &all["data"][0];
    assert_eq!((&first["user"], &first["database"]), (&json!("app"), &json!("shop")));
    assert_eq!(
        (&first["calls"], &first["rows"], &first["total_exec_time_ms"]),
        (&json!(20), &json!(40), &json!(40_000.0))
    );
    assert_eq!(first["mean_exec_time_ms"], 2000.0);
    close(&first["stddev_exec_time_ms"], 3.0);
    assert_eq!((&first["min_exec_time_since_ms"], &first["max_exec_time_since_ms"]), (&json!(0.4), &json!(9.5)));
    assert_eq!((&first["cache_hit_ratio"], &first["share_of_total"]), (&json!(0.75), &json!(0.4)));
    assert_eq!((&first["complete"], &first["query_state"]), (&json!(true), &json!("ok")));
    let second = &all["data"][1];
    assert_eq!(
        (&second["user"], &second["cache_hit_ratio"], &second["stddev_exec_time_ms"]),
        (&json!("etl"), &json!(null), &json!(null))
    );
    let nested = &all["data"][3];
    assert_eq!(
        (&nested["toplevel"], &nested["share_of_total"], &nested["complete"]),
        (&json!(false), &json!(null), &json!(false))
    );
    assert_eq!((&nested["query"], &nested["query_state"]), (&json!(null), &json!("not_captured")));
    let others = &all["others"];
    assert_eq!((&others["statements"], &others["calls"]), (&json!(2), &json!(110)));
    assert_eq!((&others["total_exec_time_ms"], &others["share_of_total"]), (&json!(13_000.0), &json!(0.1)));
    assert!((shares(&all) - 1.0).abs() < 1e-12, "{all}");

    let flags = all["flagged_intervals"].as_array().unwrap();
    assert_eq!(flags.len(), 1);
    assert_eq!((&flags[0]["reason"], &flags[0]["end"]), (&json!("evicted"), &json!("2026-03-01T11:32:00Z")));
    let evicted =
        "Entries were evicted between 2026-03-01 11:31:00 UTC and 2026-03-01 11:32:00 UTC; figures are a lower bound.";
    assert_eq!(flags[0]["message"], evicted);

    for (path, listed, others_calls) in [
        ("/queries?limit=1", 1, 77 + 60 - 20 + 3),
        ("/queries?limit=2&offset=1", 2, 77 + 60 + 3 - 5),
        ("/queries?toplevel=true", 4, 50),
        ("/queries?toplevel=true&limit=1", 1, 57),
    ] {
        let answer = watched.read(path).await;
        assert_eq!(answer["data"].as_array().unwrap().len(), listed, "{path}");
        assert_eq!(answer["others"]["calls"], others_calls, "{path}: {}", answer["others"]);
        assert!((shares(&answer) - 1.0).abs() < 1e-12, "{path}: {}", shares(&answer));
    }
}

#[tokio::test]
async fn what_monitoring_runs_is_told_apart() {
    let watched = Watched::new().await;
    names(&watched).await;
    // The collector uses the role of `etl`, whose own work stays; a text alone makes nothing monitoring's either.
    let role = json!({"roleid": ETL, "rolname": "etl", "collects": true});
    let text = |queryid: i64, query: &str| json!({"dbid": SHOP, "queryid": queryid, "query": query});
    let signed = format!("select 1\n{}", catalog::SIGNATURE);
    let rows = [
        statement(APP, SHOP, 1, 10, 60_000_000),
        statement(ETL, SHOP, 2, 5, 30_000_000),
        statement(ETL, SHOP, 3, 4, 6_000_000),
        statement(ETL, SHOP, 4, 2, 3_000_000),
        statement(APP, SHOP, 4, 1, 1_000_000),
    ];
    let texts = [text(1, "select 2"), text(2, "select 3"), text(3, &signed), text(4, &signed)];
    watched
        .deliver(vec![
            watched.reading("pg_roles", "10:01:00", None, &[role]),
            watched.reading("pg_stat_statements", "11:31:00", Some(60), &rows),
            watched.reading("pg_stat_statements_text", "11:31:00", None, &texts),
        ])
        .await;
    let without = watched.read("/queries?monitoring=false&limit=2").await;
    assert_eq!((&without["total"], &without["others"]["statements"]), (&json!(3), &json!(1)));
    assert_eq!(column(&without, "queryid"), ["1", "2"]);
    assert_eq!((&without["monitoring"]["statements"], &without["monitoring"]["calls"]), (&json!(2), &json!(6)));
    close(&without["monitoring"]["share_of_total"], 0.09);
    assert!((shares(&without) + 0.09 - 1.0).abs() < 1e-12, "{without}");
    let with = watched.read("/queries").await;
    assert_eq!((&with["total"], &with["monitoring"]["statements"]), (&json!(5), &json!(2)));
    assert!((shares(&with) - 1.0).abs() < 1e-12, "{with}");
    let filtered = watched.read("/queries?monitoring=false&user=app").await;
    assert_eq!((column(&filtered, "queryid"), &filtered["monitoring"]), (vec![&json!("1"), &json!("4")], &json!(null)));
}

#[tokio::test]
async fn rows_are_ordered_filtered_and_searched() {
    let watched = Watched::new().await;
    shop(&watched).await;
    let ids = async |path: &str| -> Vec<String> {
        let answer = watched.read(path).await;
        column(&answer, "queryid").iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let (big, negative) = (BIG.to_string(), NEGATIVE.to_string());
    let (big, negative) = (big.as_str(), negative.as_str());
    assert_eq!(ids("/queries?order=calls").await, [big, negative, "7", "1", big]);
    assert_eq!(ids("/queries?order=calls&direction=asc").await, [big, "1", "7", negative, big]);
    // Null is last in both directions.
    assert_eq!(ids("/queries?order=cache_hit_ratio&direction=asc&limit=1").await, [big]);
    assert_eq!(ids("/queries?order=max_exec_time_since_ms&limit=1").await, [big]);
    assert_eq!(ids("/queries?order=max_exec_time_since_ms&direction=asc&limit=1").await, [big]);
    assert_eq!(ids("/queries?order=share_of_total&limit=3").await, [big, big, negative]);
    assert_eq!(ids("/queries?database=crm").await, [negative, "1"]);
    assert_eq!(ids("/queries?database=16384").await, [negative, "1"]);
    assert_eq!(ids("/queries?user=etl").await, [big, negative]);
    assert_eq!(ids("/queries?user=etl&database=shop").await, [big]);
    assert_eq!(ids("/queries?database=nowhere").await, Vec::<String>::new());
    assert_eq!(ids("/queries?toplevel=false").await, ["7"]);
    for (text, found) in [
        ("ORDERS", true),
        ("100%25", true),
        ("0%25%27", true),
        ("1%25%25", false),
        ("under_score", true),
        ("underXscore", false),
        ("under%25score", false),
        ("back%5Cslash", true),
        ("back%5C%5Cslash", false),
        ("%27%3B+drop+table", false),
    ] {
        let expected = if found { vec![big, big] } else { vec![] };
        assert_eq!(ids(&format!("/queries?search={text}")).await, expected, "{text}");
    }
    assert_eq!(watched.read("/queries?search=orders").await["others"], json!(null), "sums have no text");
    assert_eq!(watched.read("/queries?database=crm").await["others"], json!(null), "they are of the shop");

    let refused = watched.get("/instances/1/queries?order=name").await.refused(400, "invalid_request");
    let reason = refused["details"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("calls, total_exec_time_ms, rows") && reason.contains("share_of_total"), "{reason}");
    for (path, field) in [
        ("order=calls%3B", "order"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("offset=-1", "offset"),
        ("start=2026-03-01T12:00:00Z&end=2026-03-01T11:00:00Z", "start"),
    ] {
        let refused = watched.get(&format!("/instances/1/queries?{path}")).await.refused(400, "invalid_request");
        assert_eq!(refused["details"][0]["path"], field, "{path}: {refused}");
    }
    for path in ["queries", "queries/1", "queries/1/timeline"] {
        watched.get(&format!("/instances/99/{path}")).await.refused(404, "not_found");
    }
    watched.get("/instances/1/queries/none").await.refused(404, "not_found");
    watched.get("/instances/1/queries/12345").await.refused(404, "not_found");
}

#[tokio::test]
async fn trends_have_gaps_and_zeros() {
    let watched = Watched::new().await;
    shop(&watched).await;
    let answer = watched.read("/queries?start=2026-03-01T11:30:00Z&end=2026-03-01T11:36:00Z").await;
    // A minute is what the readings allow.
    assert_eq!(answer["grid"], json!({"start": "2026-03-01T11:30:00Z", "step_ms": 60_000, "points": 6}));
    assert_eq!(answer["data"][0]["trend"], json!([20_000.0, 20_000.0, null, 0.0, null, null]));
    assert_eq!(answer["data"][1]["trend"], json!([0.0, 0.0, null, 40_000.0, null, null]));
    assert_eq!(watched.read("/queries?trend=false").await["data"][0]["trend"], json!(null));

    // Four minutes without the collector: the next reading brings them all as sums, and nobody knows their course.
    let late = watched.reading("pg_stat_statements", "11:38:00", Some(240), &[statement(APP, SHOP, BIG, 8, 8_000_000)]);
    watched.deliver(vec![late]).await;
    let path = format!("/queries/{BIG}/timeline?start=2026-03-01T11:30:00Z&end=2026-03-01T11:40:00Z");
    let line = watched.read(&path).await;
    assert_eq!(line["grid"]["step_ms"], 60_000);
    assert_eq!(line["series"]["calls"], json!([10.0, 10.0, null, 1.0, null, null, null, null, null, null]));
    assert_eq!(
        line["series"]["mean_exec_time_ms"],
        json!([2000.0, 2000.0, null, 40_000.0, null, null, null, null, null, null])
    );
    let gaps = line["gaps"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["sums_known"] == true).unwrap_or_else(|| panic!("{gaps:?}"));
    assert_eq!((&gap["start"], &gap["end"]), (&json!("2026-03-01T11:34:00Z"), &json!("2026-03-01T11:38:00Z")));
    let reason = "Nothing was read from 2026-03-01 11:34:00 UTC to 2026-03-01 11:38:00 UTC: the collector was not running, or what it read did not arrive.";
    assert_eq!((&gap["reason"], &gap["message"]), (&json!("collector"), &json!(reason)));
    let one = watched.read(&format!("/queries/{BIG}?start=2026-03-01T11:30:00Z&end=2026-03-01T11:40:00Z")).await;
    assert_eq!(one["figures"]["calls"], json!(29), "their sum is there");
    let half = watched.read(&format!("{path}&step=30&user=etl")).await;
    assert_eq!(half["grid"]["points"], 20);
    assert_eq!(half["series"]["calls"].as_array().unwrap()[6..8], [0.5, 0.5], "{}", half["series"]["calls"]);
    watched.get(&format!("/instances/1{path}&step=0")).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn one_statement_has_a_past_and_parts() {
    let watched = Watched::new().await;
    shop(&watched).await;
    let range = "start=2026-03-01T11:32:30Z&end=2026-03-01T11:34:30Z";
    let one = watched.read(&format!("/queries/{BIG}?{range}")).await;
    assert_eq!(one["queryid"], BIG.to_string());
    assert_eq!((&one["figures"]["calls"], &one["figures"]["mean_exec_time_ms"]), (&json!(1), &json!(40_000.0)));
    assert_eq!((&one["previous"]["calls"], &one["previous"]["total_exec_time_ms"]), (&json!(20), &json!(40_000.0)));
    assert_eq!(
        (&one["databases"], &one["users"], &one["share_of_total"]),
        (&json!(["shop"]), &json!(["etl"]), &json!(1.0))
    );
    let whole = watched.read(&format!("/queries/{BIG}")).await;
    assert_eq!((&whole["figures"]["calls"], &whole["previous"]), (&json!(21), &json!(null)));
    close(&whole["share_of_total"], 0.8);
    let parts: Vec<_> = whole["split"].as_array().unwrap().iter().map(|row| (&row["user"], &row["calls"])).collect();
    assert_eq!(parts, [(&json!("app"), &json!(20)), (&json!("etl"), &json!(1))]);
    assert_eq!(watched.read(&format!("/queries/{BIG}?user=etl")).await["figures"]["calls"], 1);
    // Read, and idle: zero is what was measured.
    let idle = watched.read(&format!("/queries/{NEGATIVE}?{range}")).await;
    assert_eq!((&idle["figures"]["calls"], &idle["figures"]["mean_exec_time_ms"]), (&json!(0), &json!(null)));
    assert_eq!(idle["query"], "update customers set name = $1");
    // Nothing was read at all.
    let empty = watched.read(&format!("/queries/{NEGATIVE}?start=2026-03-01T09:00:00Z&end=2026-03-01T10:00:00Z")).await;
    assert_eq!(
        (&empty["figures"]["calls"], &empty["unmeasured"]["calls"]["code"]),
        (&json!(null), &json!("not_enough_data"))
    );
    assert_eq!(watched.read("/queries/7").await["complete"], false);
    // It is known from the collector's sums alone: nothing of it is here.
    let cut = watched.read("/queries/100").await;
    assert_eq!(
        (&cut["complete"], &cut["query_state"], &cut["split"]),
        (&json!(false), &json!("not_captured"), &json!([]))
    );
}

#[tokio::test]
async fn a_row_without_a_queryid_belongs_to_the_others() {
    let watched = Watched::new().await;
    let nameless = json!({"userid": APP, "dbid": SHOP, "toplevel": true, "calls": 3, "total_exec_time": 250_000});
    let rows = [statement(APP, SHOP, BIG, 1, 750_000), nameless, json!({"calls": 2})];
    watched.deliver(vec![watched.reading("pg_stat_statements", "11:31:00", Some(60), &rows)]).await;
    let answer = watched.read("/queries").await;
    assert_eq!((&answer["count"], &answer["others"]["calls"]), (&json!(1), &json!(5)));
    assert!((shares(&answer) - 1.0).abs() < 1e-12, "{answer}");
    assert_eq!(watched.read(&format!("/queries/{BIG}/timeline")).await["grid"]["step_ms"], 60_000);
}

#[tokio::test]
async fn a_flag_of_every_cycle_is_one_interval() {
    let watched = Watched::new().await;
    let mut readings = Vec::new();
    for minute in 31..35 {
        let (before, time) = (format!("11:{:02}:00", minute - 1), format!("11:{minute}:00"));
        let mut reading = watched.reading("pg_stat_statements", &time, Some(60), &[statement(APP, SHOP, BIG, 1, 1)]);
        reading.flags = vec![flag(FlagReason::Evicted, &before, &time)];
        readings.push(reading);
    }
    watched.deliver(readings).await;
    let flags = &watched.read("/queries").await["flagged_intervals"];
    assert_eq!(flags.as_array().unwrap().len(), 1, "{flags}");
    assert_eq!(
        (&flags[0]["start"], &flags[0]["end"]),
        (&json!("2026-03-01T11:30:00Z"), &json!("2026-03-01T11:34:00Z"))
    );
}

#[tokio::test]
async fn names_are_those_of_the_time() {
    let watched = Watched::new().await;
    shop(&watched).await;
    watched
        .deliver(vec![
            watched.reading("pg_database", "11:50:00", None, &[json!({"datid": SHOP, "datname": "store"})]),
            watched.reading("pg_stat_statements", "11:55:00", Some(60), &[statement(APP, SHOP, BIG, 1, 1)]),
        ])
        .await;
    let mut gone = watched.reading("pg_roles", "11:50:00", None, &[json!({"roleid": APP})]);
    gone.removed = vec![0];
    watched.deliver(vec![gone]).await;
    let before = watched.read("/queries?end=2026-03-01T11:45:00Z&limit=1").await;
    assert_eq!((&before["data"][0]["database"], &before["data"][0]["user"]), (&json!("shop"), &json!("app")));
    let after = watched.read("/queries?limit=1&database=store").await;
    assert_eq!((&after["data"][0]["database"], &after["data"][0]["user"]), (&json!("store"), &json!("app")));
    // Nothing was known yet: what came first is the best that is known.
    let early = watched.reading(
        "pg_stat_statements",
        "09:30:00",
        Some(60),
        &[statement(APP, SHOP, 3, 1, 1), statement(99, 99, 3, 1, 1)],
    );
    watched.deliver(vec![early]).await;
    let early = watched.read("/queries?start=2026-03-01T09:00:00Z&end=2026-03-01T09:45:00Z").await;
    assert_eq!((&early["data"][0]["database"], &early["data"][0]["user"]), (&json!("shop"), &json!("app")));
    assert_eq!((&early["data"][1]["database"], &early["data"][1]["user"]), (&json!("99"), &json!("99")));
}

#[tokio::test]
async fn what_is_not_measured_says_why() {
    let watched = Watched::new().await;
    let set = "pg_stat_statements";
    watched
        .states(vec![
            state(set, "", State::Works, StateCode::None, "", ""),
            state(
                set,
                "shared_blk_read_time",
                State::Missing,
                StateCode::Setting,
                "track_io_timing is off.",
                "alter system …;",
            ),
            state(
                set,
                "wal_buffers_full",
                State::Missing,
                StateCode::Version,
                "Needs pg_stat_statements 1.12; here is 1.10.",
                "",
            ),
            state("pg_stat_statements_text", "", State::Missing, StateCode::Privilege, "May not.", "grant …;"),
        ])
        .await;
    let none = watched.read("/queries").await;
    assert_eq!((&none["data"], &none["others"], &none["total"]), (&json!([]), &json!(null), &json!(0)));
    assert_eq!(
        (&none["totals"]["calls"], &none["unmeasured"]["calls"]["code"]),
        (&json!(null), &json!("not_enough_data"))
    );
    shop(&watched).await;
    let some = watched.read("/queries").await;
    let reasons = some["unmeasured"].as_object().unwrap();
    assert_eq!(
        reasons["blk_read_time_ms"],
        json!({"code": "setting", "message": "track_io_timing is off.", "fix": "alter system …;"})
    );
    assert_eq!(
        (&reasons["wal_buffers_full"]["code"], &reasons["query"]["code"]),
        (&json!("version"), &json!("privilege"))
    );
    assert_eq!(reasons["wal_bytes"]["code"], "not_enough_data", "it is null in every row");
    assert!(!reasons.contains_key("calls") && !reasons.contains_key("stddev_exec_time_ms"), "{reasons:?}");
    assert_eq!(some["data"][4]["query_state"], "not_readable");
    // An hour in which readings found nothing: zero, not unknown.
    watched.deliver(vec![watched.reading(set, "09:30:00", Some(60), &[])]).await;
    let idle = watched.read("/queries?start=2026-03-01T09:00:00Z&end=2026-03-01T09:45:00Z").await;
    assert_eq!((&idle["totals"]["calls"], &idle["totals"]["statements"]), (&json!(0), &json!(0)));
    assert!(idle["unmeasured"].get("calls").is_none() && idle["unmeasured"]["blk_read_time_ms"]["code"] == "setting");

    let mut old = primary();
    old.statements_version = Some("1.8".to_owned());
    old.track = Some("all".to_owned());
    watched.told(old).await;
    let old = watched.read("/queries").await;
    assert_eq!((&old["shares_measurable"], &old["data"][0]["share_of_total"]), (&json!(false), &json!(null)));
}

#[tokio::test]
async fn a_thousand_statements_over_an_hour_answer() {
    let watched = Watched::new().await;
    names(&watched).await;
    for minute in 1..=60 {
        let rows: Vec<Value> =
            (0..1000).map(|id| statement(APP, SHOP, id * 7_919_777_777_777, 1 + id % 7, 1000 + id)).collect();
        let time = format!("{}:{:02}:00", 11 + minute / 60, minute % 60);
        watched.deliver(vec![watched.reading("pg_stat_statements", &time, Some(60), &rows)]).await;
    }
    let began = Instant::now();
    let answer = watched.read("/queries?limit=1000").await;
    println!("1000 statements × 60 readings: {:?}", began.elapsed());
    assert_eq!(answer["data"].as_array().unwrap().len(), 1000);
    assert_eq!(
        (&answer["total"], &answer["others"], &answer["totals"]["statements"]),
        (&json!(1000), &json!(null), &json!(1000))
    );
    let first = &answer["data"][0];
    assert_eq!((&first["calls"], &first["total_exec_time_ms"]), (&json!(60 * (1 + 999 % 7)), &json!(119.94)));
    assert_eq!(first["trend"].as_array().unwrap().len(), 60);
    assert!(first["trend"].as_array().unwrap().iter().all(|point| point == 1.999), "{}", first["trend"]);
    assert!((shares(&answer) - 1.0).abs() < 1e-9, "{}", shares(&answer));
}
