//! Every endpoint with rates, against one known load of which more or less was read: what was counted, over the time in
//! which it was counted, and the same time in each answer.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const SHOP: i64 = 16384;
const MINUTES: [&str; 5] = ["11:41:00", "11:42:00", "11:58:00", "11:59:00", "12:00:00"];

/// Ranges up to 12:00 by where they begin, and how many seconds were read of each: the collector stood still from
/// 11:42 to 11:57.
const RANGES: [(&str, f64); 4] = [
    ("2026-03-01T11:57:00Z", 180.0),
    ("2026-03-01T11:40:00Z", 300.0),
    ("2026-03-01T11:00:00Z", 300.0),
    ("2026-01-30T12:00:00Z", 300.0),
];

/// 159 transactions, 10 calls, 10 rows inserted, 5 scans of an index, 1,000 bytes of WAL and 2 reads from disk a second,
/// half a session and half the processors busy, and a hundredth of a processor for the collector.
async fn known_load() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    let names = [
        ("pg_database", "11:00:00", json!([{"datid": SHOP, "datname": "shop"}])),
        ("pg_settings", "11:00:00", json!([{"name": "block_size", "setting": "8192"}])),
    ];
    monitored.push("main", &names).await;
    for minute in MINUTES {
        // In each reading another statement runs besides, so that no one of them is in every reading.
        let besides = i64::from(minute.as_bytes()[4]);
        let statement = |queryid: i64, calls: i64| {
            json!({"userid": 10, "dbid": SHOP, "queryid": queryid, "toplevel": true, "calls": calls, "rows": calls,
                "total_exec_time": calls * 1000})
        };
        let database = json!({"datid": SHOP, "numbackends": 1, "xact_commit": 9_480, "xact_rollback": 60,
            "active_time": 30_000_000, "tup_inserted": 600});
        let session = json!({"backend_type": "client backend", "state": "active", "sessions": 1});
        let cpu = json!({"user_time": 60_000_000, "idle_time": 60_000_000, "cpus": 2});
        let disk = json!({"device": "sda", "reads": 120, "read_bytes": 983_040, "read_time": 240_000, "io_time": 30_000_000,
            "writes": 0, "written_bytes": 0, "write_time": 0, "weighted_io_time": 30_000_000});
        let set = json!({"set_name": "pg_stat_database", "readings": 1, "errors": 0, "rows": 1, "bytes": 1,
            "late_cycles": 0, "statement_time": 60_000});
        let readings = [
            ("pg_stat_database", minute, json!([database])),
            ("pg_stat_statements", minute, json!([statement(1, 540), statement(besides, 60)])),
            ("sessions", minute, json!([session])),
            ("wal", minute, json!([{"in_recovery": false, "position": "0/1000"}])),
            ("pg_stat_checkpointer", minute, json!([{"num_timed": 1, "buffers_written": 60}])),
            ("pg_stat_wal", minute, json!([{"wal_bytes": 60_000, "wal_records": 60, "wal_fpi": 0}])),
            ("host_cpu", minute, json!([cpu])),
            ("host_disks", minute, json!([disk])),
            ("collector_sets", minute, json!([set])),
            ("collector_process", minute, json!([{"cpu_time": 600_000, "resident_bytes": 20_000}])),
        ];
        monitored.push("main", &readings).await;
        let table = json!({"relid": 10, "seq_scan": 0, "n_tup_ins": 600, "n_tup_upd": 0, "n_tup_del": 0});
        let index = json!({"indexrelid": 11, "relid": 10, "idx_scan": 300, "idx_tup_read": 300, "idx_tup_fetch": 300});
        let relations =
            [("pg_stat_all_tables", minute, json!([table])), ("pg_stat_all_indexes", minute, json!([index]))];
        monitored.push_database("main", SHOP, &relations).await;
    }
    let path = format!("/instances/{}", monitored.id("main").await);
    (monitored, path)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn close(value: f64, expected: f64, what: &str) {
    assert!((value - expected).abs() < 1e-6 * expected.max(1.0), "{what}: {value}, not {expected}");
}

/// Every value of a series is this one, and there is one.
fn steady(series: &Value, expected: f64, what: &str) {
    let known: Vec<f64> = series.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(!known.is_empty(), "{what}: {series}");
    known.iter().for_each(|value| close(*value, expected, what));
}

/// An endpoint, and what of its answer are rates or shares of time, each with its right value. Sums are divided by the
/// time that the answer says was read.
type Rates = fn(&Value) -> Vec<(&'static str, f64, f64)>;

fn per_second(answer: &Value, sum: &Value) -> f64 {
    number(sum) * 1000.0 / number(&answer["covered"]["ms"])
}

const ENDPOINTS: [(&str, Rates); 9] = [
    ("/databases", |answer| {
        let (row, total) = (&answer["data"][0], &answer["total"]);
        steady(&total["commits"], 158.0, "commits");
        steady(&row["series"]["tps"], 159.0, "tps");
        steady(&row["series"]["active"], 0.5, "active");
        close(number(&row["covered_ms"]), number(&answer["covered"]["ms"]), "of the database");
        vec![
            ("commits", number(&row["rates"]["xact_commit"]), 158.0),
            ("the sum", per_second(answer, &row["xact_commit"]), 158.0),
            ("active", number(&row["rates"]["active_time_ms"]), 500.0),
        ]
    }),
    ("/queries", |answer| {
        let trend = answer["data"][0]["trend"].as_array().unwrap();
        for (sum, read) in trend.iter().zip(answer["covered_ms"].as_array().unwrap()) {
            assert_eq!(sum.is_null(), read.is_null());
            if let (Some(sum), Some(read)) = (sum.as_f64(), read.as_f64()) {
                close(sum * 1000.0 / read, 9.0, "ms of the costliest a second");
            }
        }
        vec![("calls", per_second(answer, &answer["totals"]["calls"]), 10.0)]
    }),
    ("/queries/1", |answer| vec![("calls", per_second(answer, &answer["figures"]["calls"]), 9.0)]),
    ("/tables", |answer| vec![("inserts", number(&answer["data"][0]["inserts_per_s"]), 10.0)]),
    ("/indexes", |answer| vec![("scans", number(&answer["data"][0]["scans_per_s"]), 5.0)]),
    ("/wal", |answer| {
        steady(&answer["series"]["wal_bytes"], 1000.0, "WAL");
        vec![
            ("WAL", per_second(answer, &answer["totals"]["wal_bytes"]), 1000.0),
            ("buffers", per_second(answer, &answer["totals"]["buffers_checkpoint"]), 1.0),
        ]
    }),
    ("/host", |answer| {
        steady(&answer["busy"], 0.5, "busy");
        Vec::new()
    }),
    ("/disks", |answer| {
        let device = &answer["devices"][0];
        steady(&device["series"]["reads"], 2.0, "reads");
        vec![
            ("reads", number(&device["reads"]), 2.0),
            ("bytes", number(&device["read_bytes"]), 16_384.0),
            ("utilisation", number(&device["utilisation"]), 0.5),
        ]
    }),
    ("/collector", |answer| {
        steady(&answer["cpu_share_series"], 0.01, "processor time");
        vec![
            ("processor time", number(&answer["cpu_share"]), 0.01),
            ("statements", number(&answer["statement_share"]), 0.001),
        ]
    }),
];

#[tokio::test]
async fn every_endpoint_divides_by_the_time_that_was_read() {
    let (monitored, path) = known_load().await;
    for (start, seconds) in RANGES {
        for (endpoint, rates) in ENDPOINTS {
            let what = format!("{endpoint} from {start}");
            let answer =
                monitored.get(&format!("{path}{endpoint}?start={start}&end=2026-03-01T12:00:00Z")).await.expect(200);
            close(number(&answer["covered"]["ms"]), seconds * 1000.0, &what);
            assert_eq!(answer["covered"]["message"].is_null(), seconds < 300.0, "{what}: {}", answer["covered"]);
            for (name, rate, expected) in rates(&answer) {
                close(rate, expected, &format!("{what}, {name}"));
            }
        }
    }
}

/// `metrics?step=`: a counter over `interval_ms`, whatever of the set's columns and rows was asked for.
#[tokio::test]
async fn steps_of_any_set_say_the_time_that_was_read() {
    let (monitored, path) = known_load().await;
    let id = path.rsplit('/').next().unwrap();
    for (set, columns, counter, per_second) in [
        ("pg_stat_database", "datid,xact_commit", "xact_commit", 158.0),
        ("pg_stat_statements", "calls", "calls", 10.0),
        ("pg_stat_all_tables", "n_tup_ins", "n_tup_ins", 10.0),
        ("pg_stat_wal", "wal_bytes", "wal_bytes", 1000.0),
        ("host_disks", "device,reads", "reads", 2.0),
    ] {
        for (step, read) in [(3600, [300.0].as_slice()), (1200, [300.0].as_slice()), (60, [60.0; 5].as_slice())] {
            let path =
                format!("/metrics?set={set}&instance_id={id}&columns={columns}&step={step}&end=2026-03-01T12:00:00Z");
            let answer = monitored.get(&path).await.expect(200);
            let rows = answer["data"].as_array().unwrap();
            let intervals: Vec<f64> = rows.iter().map(|row| number(&row["interval_ms"]) / 1000.0).collect();
            assert_eq!(intervals, read, "{path}");
            for row in rows {
                close(number(&row[counter]) * 1000.0 / number(&row["interval_ms"]), per_second, &path);
            }
        }
    }
    // A statement that ran in one of five readings ran once in five minutes, not once in one.
    let path = format!("/metrics?set=pg_stat_statements&instance_id={id}&columns=queryid,calls&step=3600");
    let answer = monitored.get(&path).await.expect(200);
    let rows = answer["data"].as_array().unwrap();
    assert!(rows.len() > 2 && rows.iter().all(|row| row["interval_ms"] == json!(300_000.0)), "{rows:?}");
    // Of one database, the time is that of its readings; of another there is nothing.
    let of =
        |database: &str| format!("/metrics?set=pg_stat_all_tables&columns=n_tup_ins&step=3600&database={database}");
    let shop = monitored.get(&of("shop")).await.expect(200);
    assert_eq!(shop["data"][0]["interval_ms"], json!(300_000.0));
    assert_eq!(monitored.get(&of("crm")).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn the_fleet_and_an_instance_have_the_rate_of_what_was_read_of_the_last_minutes() {
    let (monitored, path) = known_load().await;
    // Three of the five minutes before were read.
    let one = monitored.get(&format!("{path}?start=2026-03-01T11:00:00Z&end=2026-03-01T12:00:00Z")).await.expect(200);
    let fleet = monitored.get("/instances?start=2026-03-01T11:00:00Z&end=2026-03-01T12:00:00Z").await.expect(200);
    for instance in [&one, &fleet["data"][0]] {
        close(number(&instance["tps"]), 159.0, "tps");
        close(number(&instance["load"]), 1.0, "load");
        steady(&instance["load_trend"]["values"], 1.0, "its trend");
    }
}

#[tokio::test]
async fn a_stopped_collector_is_a_gap_wherever_the_range_lies() {
    let (monitored, path) = known_load().await;
    let stopped = "Nothing was read from 2026-03-01 11:42:00 UTC to 2026-03-01 11:57:00 UTC: the collector was not \
                   running, or what it read did not arrive.";
    for (start, end, gap) in [
        ("11:40", "12:00", ("11:42", "11:57")),
        ("11:40", "11:50", ("11:42", "11:50")),
        ("11:50", "12:00", ("11:50", "11:57")),
        ("11:45", "11:55", ("11:45", "11:55")),
        ("11:45", "11:57", ("11:45", "11:57")),
    ] {
        let range = format!("start=2026-03-01T{start}:00Z&end=2026-03-01T{end}:00Z");
        for endpoint in ["/databases", "/queries", "/queries/1/timeline", "/disks", "/host", "/collector", "/wal"] {
            // Nothing was read of a statement in some of these ranges, and then there is none.
            let answer = monitored.get(&format!("{path}{endpoint}?{range}")).await.expect(200);
            let gaps: Vec<(&str, &str, &str)> = answer["gaps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|gap| gap["reason"] == "collector")
                .map(|gap| {
                    (gap["start"].as_str().unwrap(), gap["end"].as_str().unwrap(), gap["message"].as_str().unwrap())
                })
                .collect();
            let (from, to) = (format!("2026-03-01T{}:00Z", gap.0), format!("2026-03-01T{}:00Z", gap.1));
            assert_eq!(gaps, [(from.as_str(), to.as_str(), stopped)], "{endpoint} {range}: {answer}");
        }
    }
}
