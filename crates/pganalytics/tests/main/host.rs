//! The host and the collector itself, from `/proc` through the real collector to the API.

use serde_json::Value;
use testkit::PgOptions;

use crate::world::World;

/// Ticks of `/proc/stat` per second.
const USER_HZ: f64 = 100.0;

/// Busy and all time of the processors since boot, in seconds, read by the test itself.
fn processors() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<f64> =
        stat.lines().next().unwrap().split_ascii_whitespace().skip(1).take(8).map(|v| v.parse().unwrap()).collect();
    let all: f64 = ticks.iter().sum();
    ((all - ticks[3] - ticks[4]) / USER_HZ, all / USER_HZ)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_says_of_the_host_is_what_proc_says() {
    let start = jiff::Timestamp::now();
    let before = processors();
    let world = World::start(PgOptions::default()).await;
    world.settle().await;
    world.settle().await;
    let of = |what: &str| format!("/instances/{}/{what}?start={start}", world.instance);
    let host = world
        .until("figures of the host", async |world| {
            let host = world.get(&of("host")).await?;
            (host["state"]["cpus"].is_i64() && host["state"]["memory_total_bytes"].is_i64()).then_some(host)
        })
        .await;
    let after = processors();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    assert_eq!(host["state"]["cpus"], cpus);
    let total = host["state"]["memory_total_bytes"].as_i64().unwrap();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    assert!(meminfo.contains(&format!(" {} kB", total / 1024)), "{total}");
    // What was stored happened between the two looks of this test.
    let store = world.store_connection().await;
    let (busy, all): (f64, f64) = {
        let sums = "select (sum(user_time + nice_time + system_time + irq_time + softirq_time + steal_time) / 1e6)::float8,
                (sum(user_time + nice_time + system_time + irq_time + softirq_time + steal_time + idle_time + iowait_time)
                    / 1e6)::float8
            from metrics.host_cpu";
        let row = store.query_one(sums, &[]).await.unwrap();
        (row.get(0), row.get(1))
    };
    let bounds = (after.0 - before.0 + 0.5, after.1 - before.1 + 0.5);
    assert!(busy > 0.0 && busy <= bounds.0 && all <= bounds.1, "{busy} of {all} s, at most {bounds:?}");
    let shares: Vec<f64> = host["busy"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(!shares.is_empty() && shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");

    let disks = world.get(&of("disks")).await.unwrap();
    for root in disks["filesystems"].as_array().unwrap() {
        let share = root["used_share"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{root}");
    }
    let cost = world
        .until("the collector's cost", async |world| {
            world
                .get(&of("collector"))
                .await
                .filter(|cost| cost["statement_share"].is_f64() && cost["cpu_share"].is_f64())
        })
        .await;
    assert!(cost["statement_share"].as_f64().unwrap() > 0.0 && cost["cpu_share"].as_f64().unwrap() > 0.0, "{cost}");
    assert!(cost["process"]["resident_bytes"].as_i64().unwrap() > 1 << 20, "{cost}");
    assert_eq!(cost["process"]["instances"], 1);
    assert!(cost["process"]["spool_max_bytes"].as_i64().unwrap() > 0);
    let sets = cost["sets"].as_array().unwrap();
    let of_set = |name: &str| sets.iter().find(|set| set["set"] == name).unwrap_or_else(|| panic!("no {name}: {cost}"));
    assert!(of_set("pg_stat_database")["statement_time_ms"].as_f64().unwrap() > 0.0);
    assert!(of_set("host_cpu")["statement_time_ms"].is_null(), "no statement reads the host");
    let coverage = world.get(&format!("/instances/{}/coverage", world.instance)).await.unwrap();
    let coverage = coverage["data"].as_array().unwrap();
    for name in ["host_cpu", "host_disks", "collector_sets"] {
        let state = &coverage.iter().find(|set| set["set"] == name).unwrap()["state"];
        assert_eq!(state, "works", "{name}");
    }
}
