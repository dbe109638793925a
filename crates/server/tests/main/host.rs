//! GET /instances/{id}/host, /disks and /collector, and what the fleet and the coverage say of them.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z&step=60";
const SECOND: i64 = 1_000_000;

fn cpu(user: i64, idle: i64, iowait: i64) -> Value {
    json!({"user_time": user * SECOND, "system_time": 0, "idle_time": idle * SECOND, "iowait_time": iowait * SECOND, "cpus": 2})
}

fn disk(reads: i64, read_ms: i64, busy_s: i64) -> Value {
    json!({"device": "sda", "reads": reads, "read_bytes": reads * 8192, "read_time": read_ms * 1000, "writes": 0,
        "written_bytes": 0, "write_time": 0, "io_time": busy_s * SECOND, "weighted_io_time": 2 * busy_s * SECOND})
}

async fn host() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    let root = json!({"mount_point": "/", "device": "/dev/sda1", "fs_type": "ext4", "size_bytes": 1000, "free_bytes": 400,
        "available_bytes": 350, "inodes": 0, "inodes_free": 0, "holds_data_directory": true, "holds_wal": false});
    let readings = [
        ("host_cpu", "11:51:00", json!([cpu(30, 60, 30)])),
        ("host_cpu", "11:52:00", json!([cpu(120, 0, 0)])),
        ("host_load", "11:52:00", json!([{"load_1m": 9.4, "load_5m": 3.5, "load_15m": 1.0, "uptime": 5 * SECOND}])),
        ("host_memory", "11:52:00", json!([{"total_bytes": 8000, "available_bytes": 2000}])),
        ("host_disks", "11:51:00", json!([disk(60, 120, 30)])),
        ("host_disks", "11:52:00", json!([disk(0, 0, 0)])),
        ("host_filesystems", "11:52:00", json!([root])),
        (
            "collector_sets",
            "11:51:00",
            json!([
            {"set_name": "pg_stat_database", "readings": 1, "errors": 0, "rows": 5, "bytes": 300, "late_cycles": 0, "statement_time": 30_000},
            {"set_name": "host_cpu", "readings": 1, "errors": 0, "rows": 1, "bytes": 100, "late_cycles": 0, "statement_time": null}]),
        ),
        (
            "collector_sets",
            "11:52:00",
            json!([
            {"set_name": "pg_stat_database", "readings": 2, "errors": 1, "rows": 5, "bytes": 300, "late_cycles": 3, "statement_time": 90_000}]),
        ),
        ("collector_process", "11:51:00", json!([{"cpu_time": 600_000, "resident_bytes": 20_000}])),
        ("collector_process", "11:52:00", json!([{"cpu_time": 0, "resident_bytes": 21_000, "spool_bytes": 7}])),
    ];
    monitored.push("main", &readings).await;
    let path = format!("/instances/{}", monitored.id("main").await);
    (monitored, path)
}

#[tokio::test]
async fn in_a_container_the_rest_of_its_limit_is_available() {
    let monitored = Monitored::new().await;
    let memory = |more: Value| {
        let mut row = json!({"total_bytes": 8000, "available_bytes": 6000});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([row])
    };
    for (time, more, available) in [
        ("11:51:00", json!({}), json!(6000)),
        (
            "11:52:00",
            json!({"memory_limit_bytes": 2000, "memory_used_bytes": 1800, "memory_inactive_file_bytes": 500}),
            json!(700),
        ),
        // The host has less than the limit leaves.
        ("11:53:00", json!({"available_bytes": 600, "memory_limit_bytes": 2000, "memory_used_bytes": 100}), json!(600)),
        // The use cannot be read: the host's is no answer.
        ("11:54:00", json!({"memory_limit_bytes": 2000}), json!(null)),
    ] {
        let readings = [("host_cpu", time, json!([cpu(30, 60, 30)])), ("host_memory", time, memory(more.clone()))];
        monitored.push("main", &readings).await;
        let path = format!("/instances/{}/host?at=2026-03-01T{time}Z", monitored.id("main").await);
        let state = monitored.get(&path).await.expect(200)["state"].clone();
        assert_eq!(state["memory_available_bytes"], available, "{time}");
        let said = (&state["memory_limit_bytes"], &state["memory_used_bytes"]);
        assert_eq!(said, (&more["memory_limit_bytes"], &more["memory_used_bytes"]), "{time}");
    }
}

#[tokio::test]
async fn pressure_is_shares_of_time_and_the_network_has_rates() {
    let monitored = Monitored::new().await;
    let waited = |resource: &str, some_s: i64, full_s: Option<i64>| json!({"resource": resource, "some_time": some_s * SECOND, "full_time": full_s.map(|full| full * SECOND)});
    let eth0 = json!({"interface": "eth0", "received_bytes": 6000, "sent_bytes": 0, "receive_errors": 1,
        "receive_drops": 2, "send_errors": 3});
    let readings = [
        ("host_cpu", "11:51:00", json!([cpu(30, 60, 30)])),
        ("host_pressure", "11:51:00", json!([waited("cpu", 30, None), waited("container io", 6, Some(3))])),
        ("host_network", "11:51:00", json!([eth0])),
    ];
    monitored.push("main", &readings).await;
    let path = format!("/instances/{}/host?{RANGE}", monitored.id("main").await);
    let answer = monitored.get(&path).await.expect(200);
    let first = |share: f64| json!([share, null, null, null, null]);
    assert_eq!(answer["pressure"], json!({"cpu": first(0.5), "container io": first(0.1)}));
    assert_eq!(answer["full_pressure"], json!({"container io": first(0.05)}), "of the processors nobody knows");
    let network = json!([{"interface": "eth0", "received_bytes": first(100.0), "sent_bytes": first(0.0),
        "lost_packets": first(0.1)}]);
    assert_eq!(answer["network"], network);
}

#[tokio::test]
async fn processor_time_is_shares_of_all_processors() {
    let (monitored, path) = host().await;
    let answer = monitored.get(&format!("{path}/host?{RANGE}")).await.expect(200);
    assert_eq!(answer["grid"]["points"], 5);
    assert_eq!(answer["cpu"]["user"], json!([0.25, 1.0, null, null, null]));
    assert_eq!(answer["cpu"]["iowait"], json!([0.25, 0.0, null, null, null]));
    assert_eq!(answer["cpu"]["steal"], json!([null, null, null, null, null]), "what was not read is not zero");
    assert_eq!(answer["busy"], json!([0.25, 1.0, null, null, null]));
    assert_eq!(answer["load"]["load_1m"], json!([null, 9.4, null, null, null]));
    assert_eq!(answer["memory"]["available_bytes"], json!([null, 2000.0, null, null, null]));
    let state = &answer["state"];
    assert_eq!(
        (&state["at"], &state["cpus"], &state["busy"]),
        (&json!("2026-03-01T11:52:00Z"), &json!(2), &json!(1.0))
    );
    assert_eq!(
        (&state["load_5m"], &state["uptime_ms"], &state["memory_total_bytes"]),
        (&json!(3.5), &json!(5000.0), &json!(8000))
    );
    let earlier = monitored.get(&format!("{path}/host?{RANGE}&at=2026-03-01T11:51:30Z")).await.expect(200);
    assert_eq!((&earlier["state"]["at"], &earlier["state"]["busy"]), (&json!("2026-03-01T11:51:00Z"), &json!(0.25)));
    assert_eq!(earlier["state"]["load_1m"], json!(null), "not read yet at that moment");
    let before = monitored.get(&format!("{path}/host?{RANGE}&at=2026-03-01T11:00:00Z")).await.expect(200);
    assert_eq!(before["state"], json!(null));
    let fleet = monitored.get(&path).await.expect(200);
    assert_eq!(fleet["cpus"], json!(2));
}

#[tokio::test]
async fn latency_is_time_over_requests_and_null_without_any() {
    let (monitored, path) = host().await;
    let answer = monitored.get(&format!("{path}/disks?{RANGE}")).await.expect(200);
    let device = &answer["devices"][0];
    assert_eq!(
        (&device["device"], &device["reads"], &device["read_latency_ms"]),
        (&json!("sda"), &json!(0.5), &json!(2.0))
    );
    assert_eq!((&device["write_latency_ms"], &device["latency_ms"]), (&json!(null), &json!(2.0)));
    assert_eq!((&device["utilisation"], &device["queue"]), (&json!(0.25), &json!(0.5)));
    assert_eq!(device["series"]["read_latency_ms"], json!([2.0, null, null, null, null]));
    assert_eq!(device["series"]["utilisation"], json!([0.5, 0.0, null, null, null]));
    assert_eq!(device["series"]["read_bytes"], json!([8192.0, 0.0, null, null, null]));
    let root = &answer["filesystems"][0];
    assert_eq!((&answer["at"], &root["mount_point"]), (&json!("2026-03-01T11:52:00Z"), &json!("/")));
    assert_eq!(root["used_share"], json!(600.0 / 950.0), "as df says it");
    assert_eq!((&root["inodes_used_share"], &root["holds_data_directory"]), (&json!(null), &json!(true)));
    assert_eq!(root["holds_wal"], json!(false));
    assert_eq!(root["used_share_series"][1], json!(600.0 / 950.0));
}

#[tokio::test]
async fn what_collecting_takes_is_over_the_time_that_was_measured() {
    let (monitored, path) = host().await;
    let answer = monitored.get(&format!("{path}/collector?{RANGE}")).await.expect(200);
    assert_eq!((&answer["cpu_share"], &answer["measured_ms"]), (&json!(0.005), &json!(120_000.0)));
    assert_eq!((&answer["statement_time_ms"], &answer["statement_share"]), (&json!(120.0), &json!(0.001)));
    assert_eq!(answer["cpu_share_series"], json!([0.01, 0.0, null, null, null]));
    assert_eq!(answer["statement_share_series"], json!([0.0005, 0.0015, null, null, null]));
    assert_eq!((&answer["process"]["resident_bytes"], &answer["process"]["spool_bytes"]), (&json!(21_000), &json!(7)));
    let sets = answer["sets"].as_array().unwrap();
    assert_eq!(sets[0]["set"], "pg_stat_database");
    assert_eq!((&sets[0]["readings"], &sets[0]["errors"], &sets[0]["late_cycles"]), (&json!(3), &json!(1), &json!(3)));
    assert_eq!((&sets[1]["set"], &sets[1]["statement_time_ms"]), (&json!("host_cpu"), &json!(null)));
}

#[tokio::test]
async fn a_host_that_is_not_read_says_why() {
    let (monitored, path) = host().await;
    let id = monitored.id("main").await;
    let said = format!(
        "delete from metrics.host_cpu; insert into metrics.set_states values ({id}, 'host_cpu', '', 'missing', 'machine',
            'The collector runs on another machine than this instance.', '', '2026-03-01', '2026-03-01'),
            ({id}, 'pg_stat_database', '', 'works', '', '', '', '2026-03-01', '2026-03-01'),
            ({id}, 'pg_stat_database', 'active_time', 'missing', 'version', 'Needs PostgreSQL 14; here is 13.', '',
            '2026-03-01', '2026-03-01');
         insert into metrics.flags values
            ({id}, 'host_disks', '2026-03-01T11:51:00Z', '2026-03-01T11:52:00Z', 'restart', null, 0)"
    );
    monitored.execute(&said).await;
    let answer = monitored.get(&format!("{path}/host?{RANGE}")).await.expect(200);
    assert_eq!(answer["unmeasured"]["host_cpu"]["code"], "machine");
    assert_eq!((&answer["busy"][0], &answer["state"]), (&json!(null), &json!(null)));
    let disks = monitored.get(&format!("{path}/disks?{RANGE}")).await.expect(200);
    let message = disks["flagged_intervals"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("The host was started anew between"), "{message}");
    let coverage = monitored.get(&format!("{path}/coverage")).await.expect(200);
    let sets = coverage["data"].as_array().unwrap();
    let of = |set: &str| sets.iter().find(|one| one["set"] == set).unwrap();
    assert_eq!(
        (&of("pg_stat_database")["since_version"], &of("host_cpu")["since_version"]),
        (&json!("9.4"), &json!(null))
    );
    assert_eq!(of("pg_stat_database")["columns"][0]["since_version"], "14");
    let catalog = monitored.get("/catalog/pg_stat_database").await.expect(200);
    let columns = catalog["columns"].as_array().unwrap();
    let active = columns.iter().find(|column| column["name"] == "active_time").unwrap();
    assert_eq!(active["since"], "14");
}
