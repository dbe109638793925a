//! GET /instances, /instances/{id} and /instances/{id}/coverage, against what was computed by hand.

use std::time::Duration;

use serde_json::{Value, json};
use server::accounts::Role;

use crate::monitored::Monitored;

/// What a collector says of the instance `main`, as of 12:00.
const SAID: &str = "update metrics.instances set system_identifier = '7300000000000000001', role = 'primary',
        version_num = 170004, version = '17.4 (Debian 17.4-1)', host = 'db-1', port = 5432, timeline = 3,
        postmaster_start = '2026-02-01T00:00:00Z', max_connections = 100, attributes_at = '2026-03-01T12:00:00Z'
    where name = 'main'";

/// Two databases: together so much time active, so many transactions, so many backends.
fn activity(active_us: i64, commits: i64, backends: i64) -> Value {
    json!([
        {"datid": 5, "numbackends": backends - 1, "xact_commit": commits, "xact_rollback": 0, "active_time": active_us},
        {"datid": 16384, "numbackends": 1, "xact_commit": 0, "xact_rollback": 60, "active_time": 0},
    ])
}

/// So many connections that execute a statement and that do nothing; who sends WAL does nothing either.
fn sessions(active: i64, idle: i64) -> Value {
    let of = |kind: &str, state: &str, sessions: i64| {
        json!({"datid": 5, "userid": 10, "backend_type": kind, "state": state, "wait_event_type": "", "wait_event": "",
            "sessions": sessions})
    };
    json!([of("client backend", "active", active), of("client backend", "idle", idle), of("walsender", "active", 1)])
}

async fn main_instance() -> Monitored {
    let monitored = Monitored::new().await;
    let readings = [
        ("pg_stat_database", "11:30:10", activity(120_000_000, 0, 7)),
        ("pg_stat_database", "11:54:59", activity(600_000_000, 60_000, 7)),
        ("pg_stat_database", "11:58:59", activity(30_000_000, 540, 7)),
        ("pg_stat_database", "11:59:59", activity(90_000_000, 1_140, 9)),
        ("sessions", "11:30:10", sessions(0, 6)),
        ("sessions", "11:54:59", sessions(9, 0)),
        ("sessions", "11:58:59", sessions(3, 6)),
        ("sessions", "11:59:29", sessions(1, 8)),
        ("sessions", "11:59:59", sessions(2, 7)),
        (
            "pg_database",
            "11:30:00",
            json!([
                {"datid": 5, "datname": "postgres"}, {"datid": 16384, "datname": "shop"}, {"datid": 9, "datname": "old"},
            ]),
        ),
        (
            "pg_database",
            "11:40:00",
            json!([
                {"datid": 16384, "datname": "store"}, {"datid": 9, "datname": "old", "removed": true},
            ]),
        ),
    ];
    monitored.push("main", &readings).await;
    monitored.execute(SAID).await;
    monitored
}

#[tokio::test]
async fn the_fleet_says_what_each_instance_does() {
    let monitored = main_instance().await;
    let fleet = monitored.get("/instances").await.expect(200);
    assert_eq!((&fleet["count"], &fleet["total"], &fleet["total_pages"]), (&json!(1), &json!(1), &json!(1)));
    let one = &fleet["data"][0];
    assert_eq!((&one["name"], &one["cluster"]), (&json!("main"), &json!("7300000000000000001")));
    assert_eq!(
        (&one["role"], &one["version"], &one["version_num"]),
        (&json!("primary"), &json!("17.4"), &json!(170_004))
    );
    assert_eq!((&one["timeline"], &one["started_at"]), (&json!(3), &json!("2026-02-01T00:00:00Z")));
    assert_eq!((&one["state"], &one["reasons"]), (&json!("healthy"), &json!([])));
    // Three readings within 5 minutes: 3, 1 and 2 sessions; 1140 commits and 60 rollbacks in the newest minute.
    assert_eq!((&one["load"], &one["tps"]), (&json!(2.0), &json!(20.0)));
    assert_eq!((&one["connections"], &one["connections_limit"]), (&json!(9), &json!(100)));
    assert_eq!((&one["last_seen"], &one["data_age_ms"]), (&json!("2026-03-01T12:00:00Z"), &json!(1000.0)));
    assert_eq!((&one["replay_lag_ms"], &one["replay_lag_bytes"]), (&json!(null), &json!(null)));
    assert_eq!((&one["not_readable"], &one["unmeasured"]), (&json!([]), &json!({})));
    assert_eq!(one["load_trend"]["grid"], json!({"start": "2026-03-01T11:00:00Z", "step_ms": 120_000, "points": 30}));
    let values = one["load_trend"]["values"].as_array().unwrap();
    let measured: Vec<(usize, String)> =
        values.iter().enumerate().filter_map(|(nth, value)| Some((nth, format!("{:.3}", value.as_f64()?)))).collect();
    // The newest reading of each step.
    let expected = [(15, 0.0), (27, 9.0), (29, 2.0)];
    assert_eq!((values.len(), measured), (30, expected.map(|(nth, load)| (nth, format!("{load:.3}"))).to_vec()));
    let collector = &one["collector"];
    assert_eq!((&collector["id"], &collector["name"]), (&json!(monitored.collector), &json!("measured")));
    assert_eq!((&collector["status"], &collector["registered_at"]), (&json!("active"), &json!("2026-03-01T12:00:00Z")));
}

#[tokio::test]
async fn an_instance_outlives_its_collector() {
    let monitored = main_instance().await;
    let admin = monitored.server.signed_in(Role::Admin).await;
    let path = format!("/collectors/{}", monitored.collector);
    monitored.server.call("DELETE", &path).bearer(&admin).send().await.expect(204);
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&one["name"], &one["collector"]["status"]), (&json!("main"), &json!("deleted")));
}

#[tokio::test]
async fn an_instance_has_databases_and_sets() {
    let monitored = main_instance().await;
    let id = monitored.id("main").await;
    let states = format!(
        "insert into metrics.set_states values
            ({id}, 'pg_stat_database', '', 'works', '', '', '', '2026-03-01', '2026-03-01'),
            ({id}, 'pg_stat_database', 'blk_read_time', 'missing', 'setting', 'track_io_timing is off.',
                'alter system set track_io_timing = on; select pg_reload_conf();', '2026-02-01', '2026-03-01'),
            ({id}, 'pg_stat_statements', '', 'missing', 'extension', 'Not loaded.', 'create extension x;',
                '2026-03-01', '2026-03-01'),
            ({id}, 'pg_stat_replication', '', 'degraded', 'privilege', 'Only a part.', 'grant pg_monitor to p;',
                '2026-03-01', '2026-03-01'),
            ({id}, 'pg_stat_replication', 'replay_lag', 'missing', 'privilege', 'Hidden.', 'grant pg_monitor to p;',
                '2026-03-01', '2026-03-01');
         update metrics.instances set states_at = '2026-03-01T11:00:00Z'"
    );
    monitored.execute(&states).await;
    let one = monitored.get(&format!("/instances/{id}")).await.expect(200);
    assert_eq!(one["id"], id);
    assert_eq!(one["databases"], json!([{"datid": 5, "name": "postgres"}, {"datid": 16384, "name": "store"}]));
    assert_eq!(
        one["sets"],
        json!([
            {"set": "pg_database", "state": "works", "last_reading": "2026-03-01T11:40:00Z",
                "since_version": "9.4", "interval_seconds": 60},
            {"set": "pg_stat_database", "state": "works", "last_reading": "2026-03-01T11:59:59Z",
                "since_version": "9.4", "interval_seconds": 60},
            {"set": "pg_stat_replication", "state": "degraded", "code": "privilege", "message": "Only a part.",
                "fix": "grant pg_monitor to p;", "since_version": "9.4", "interval_seconds": 10},
            {"set": "pg_stat_statements", "state": "missing", "code": "extension", "message": "Not loaded.",
                "fix": "create extension x;", "since_version": "1.2", "interval_seconds": 60},
            {"set": "sessions", "state": "works", "last_reading": "2026-03-01T11:59:59Z",
                "since_version": "9.4", "interval_seconds": 60},
        ])
    );
    let not_readable: Vec<(&str, bool)> = one["not_readable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["set"].as_str().unwrap(), row.get("column").is_some()))
        .collect();
    assert_eq!(not_readable, [("pg_stat_replication", false), ("pg_stat_statements", false)]);
    assert_eq!(one["state"], "warning");
    assert_eq!(one["reasons"], json!(["Statement figures are not readable: Not loaded."]));
    assert_eq!(one["unmeasured"], json!({}), "a primary has no replay lag");

    let coverage = monitored.get(&format!("/instances/{id}/coverage")).await.expect(200);
    assert_eq!((&coverage["count"], &coverage["checked_at"]), (&json!(5), &json!("2026-03-01T11:00:00Z")));
    let database = &coverage["data"][1];
    assert_eq!((&database["set"], &database["state"]), (&json!("pg_stat_database"), &json!("works")));
    assert_eq!(
        database["columns"],
        json!([{"column": "blk_read_time", "state": "missing", "code": "setting", "message": "track_io_timing is off.",
            "fix": "alter system set track_io_timing = on; select pg_reload_conf();", "since": "2026-02-01T00:00:00Z"}])
    );
    assert_eq!(coverage["data"][2]["columns"][0]["column"], "replay_lag");

    // Wherever a reason is told, that of a standby says where its SQL is run.
    monitored.execute(&format!("update metrics.instances set role = 'standby' where id = {id}")).await;
    let standby = monitored.get(&format!("/instances/{id}")).await.expect(200);
    let elsewhere = |what: &str| format!("{what} A standby is read-only: run what mends it on the primary.");
    let told: Vec<&Value> = standby["not_readable"].as_array().unwrap().iter().map(|one| &one["message"]).collect();
    assert_eq!(told, [&elsewhere("Only a part."), &elsewhere("Not loaded.")]);
    let ranking = monitored.get(&format!("/instances/{id}/queries")).await.expect(200);
    assert_eq!(ranking["unmeasured"]["calls"]["message"], elsewhere("Not loaded."));
}

#[tokio::test]
async fn a_failed_reading_is_an_error_until_one_succeeds() {
    let monitored = main_instance().await;
    let id = monitored.id("main").await;
    let set = async || {
        let one = monitored.get(&format!("/instances/{id}")).await.expect(200);
        let sets = one["sets"].as_array().unwrap().clone();
        sets.into_iter().find(|set| set["set"] == "pg_stat_database").unwrap()
    };
    let failed = "update metrics.latest set error = 'too slow', error_at = '2026-03-01T12:00:00Z'";
    monitored.execute(failed).await;
    let broken = set().await;
    assert_eq!((&broken["state"], &broken["message"]), (&json!("error"), &json!("too slow")));
    monitored.push("main", &[("pg_stat_database", "12:00:01", activity(0, 0, 1))]).await;
    assert_eq!(set().await["state"], "works");
}

#[tokio::test]
async fn the_state_follows_from_what_arrives() {
    let monitored = main_instance().await;
    let state = async || {
        let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
        (one["state"].as_str().unwrap().to_owned(), one["reasons"].clone())
    };
    monitored.execute("update metrics.instances set max_connections = 11").await;
    assert_eq!(state().await, ("warning".to_owned(), json!(["9 of 11 connections are in use."])));
    monitored.execute("update metrics.instances set max_connections = 9").await;
    assert_eq!(state().await, ("critical".to_owned(), json!(["9 of 9 connections are in use."])));
    monitored.execute("update metrics.instances set max_connections = 100").await;

    let lagging = json!([
        {"pid": 1, "application_name": "near", "current_lsn": "0/500", "replay_lsn": "0/480", "replay_lag": 1_000},
        {"pid": 2, "application_name": "far", "current_lsn": "0/500", "replay_lsn": "0/100", "replay_lag": 48_200_000},
    ]);
    monitored.push("main", &[("pg_stat_replication", "11:59:59", lagging)]).await;
    assert_eq!(state().await, ("warning".to_owned(), json!(["Standby far replays 48 s behind."])));
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&one["replay_lag_ms"], &one["replay_lag_bytes"]), (&json!(null), &json!(null)), "it is the standby's");
    // What was read long ago says nothing of now.
    monitored.server.pass(Duration::from_secs(180));
    monitored.push("main", &[("pg_stat_database", "12:03:00", json!([]))]).await;
    assert_eq!(state().await, ("healthy".to_owned(), json!([])));
    // A newer reading without rows: nobody streams any more.
    monitored.push("main", &[("pg_stat_replication", "12:03:00", json!([]))]).await;
    assert_eq!(state().await, ("healthy".to_owned(), json!([])));

    let refused = "update metrics.instances set error = 'connection refused', error_at = '2026-03-01T12:03:01Z'";
    monitored.execute(refused).await;
    let reason = "Down: connection refused.";
    assert_eq!(state().await, ("critical".to_owned(), json!([reason])));
    monitored.execute("update metrics.instances set error = null, error_at = null").await;

    monitored.server.pass(Duration::from_secs(119));
    assert_eq!(state().await.0, "healthy");
    monitored.server.pass(Duration::from_secs(1));
    let silent = "The collector is silent since 2026-03-01 12:03:00 UTC.";
    assert_eq!(state().await, ("no_data".to_owned(), json!([silent])));
}

#[tokio::test]
async fn a_standby_lags_by_its_own_account() {
    let monitored = Monitored::new().await;
    let row = |bytes: i64, lag: Value| {
        json!([{"pid": 9, "status": "streaming", "received_lsn": format!("0/{:X}", 0x500 + bytes),
            "replayed_lsn": "0/500", "not_replayed_bytes": bytes, "replay_lag": lag}])
    };
    let push = async |time: &str, bytes: i64, lag: Value| {
        monitored.push("two", &[("pg_stat_wal_receiver", time, row(bytes, lag))]).await;
        monitored.execute("update metrics.instances set role = 'standby'").await;
        let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
        (one["replay_lag_ms"].clone(), one["replay_lag_bytes"].clone(), one["reasons"].clone())
    };
    assert_eq!(push("11:58:00", 0, json!(0)).await, (json!(0.0), json!(0), json!([])));
    // The last transaction is an hour old; what waits to be replayed is not, because all had been replayed.
    assert_eq!(push("11:58:10", 64, json!(3_600_000_000_i64)).await, (json!(10_000.0), json!(64), json!([])));
    let behind = json!(["Replay is 48 s behind."]);
    assert_eq!(push("11:58:50", 1024, json!(48_000_000)).await, (json!(48_000.0), json!(1024), behind));
    // It may be a primary now, whatever it said as a standby.
    monitored.execute("update metrics.instances set role = 'primary'").await;
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&one["replay_lag_ms"], &one["state"]), (&json!(null), &json!("healthy")));
    monitored.execute("update metrics.instances set role = 'standby'").await;
    monitored.push("two", &[("pg_stat_database", "12:01:50", json!([]))]).await;
    monitored.server.pass(Duration::from_secs(110));
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&one["replay_lag_ms"], &one["reasons"]), (&json!(null), &json!([])), "an old reading warns of nothing");
}

#[tokio::test]
async fn what_cannot_be_measured_is_null_with_a_reason() {
    let monitored = Monitored::new().await;
    let old = json!([{"datid": 5, "numbackends": 2, "xact_commit": 60, "xact_rollback": 0}]);
    monitored.push("old", &[("pg_stat_database", "11:59:59", old)]).await;
    monitored
        .execute("update metrics.instances set version_num = 130010, attributes_at = '2026-03-01T12:00:00Z'")
        .await;
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&one["load"], &one["tps"], &one["connections"]), (&json!(null), &json!(1.0), &json!(null)));
    let reason = json!({"code": "not_enough_data", "message": "sessions was not read within the 5 minutes before."});
    assert_eq!(one["unmeasured"], json!({"load": reason}));
    assert!(one["load_trend"]["values"].as_array().unwrap().iter().all(Value::is_null));
    assert_eq!((&one["role"], &one["connections_limit"]), (&json!(null), &json!(null)));
    monitored.server.pass(Duration::from_secs(300));
    let later = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&later["tps"], &later["unmeasured"]["tps"]["code"]), (&json!(null), &json!("silent")));
}

#[tokio::test]
async fn instances_come_in_pages_by_name() {
    let monitored = Monitored::new().await;
    for name in ["c", "a", "b"] {
        monitored.push(name, &[("pg_stat_database", "11:59:59", json!([]))]).await;
    }
    let page = monitored.get("/instances?page=2&page_size=2").await.expect(200);
    assert_eq!((&page["data"][0]["name"], &page["count"], &page["total"]), (&json!("c"), &json!(1), &json!(3)));
    monitored.get("/instances?page=0").await.refused(400, "invalid_request");
    monitored.get("/instances?surprise=1").await.refused(400, "invalid_request");
}

#[tokio::test]
async fn nobody_learns_of_an_instance_that_is_not_there() {
    let monitored = main_instance().await;
    for what in ["", "/coverage", "/databases", "/replication", "/settings", "/slots", "/wal", "/wraparound"] {
        for id in ["999", "0", "x", "99999999999"] {
            monitored.get(&format!("/instances/{id}{what}")).await.refused(404, "not_found");
        }
    }
}

/// What the API says of `main` at a moment.
async fn at(monitored: &Monitored, query: &str) -> Value {
    monitored.get(&format!("/instances/{}{query}", monitored.id("main").await)).await.expect(200)
}

#[tokio::test]
async fn an_instance_that_is_down_says_since_when_and_keeps_no_figure() {
    let monitored = main_instance().await;
    let host = json!([{"cpus": 4, "user_time": 1, "system_time": 1, "idle_time": 1}]);
    monitored.push("main", &[("host_cpu", "12:00:40", host)]).await;
    let id = monitored.id("main").await;
    let error = "connection refused by db-1:5432";
    let failed = format!(
        "insert into metrics.readings (instance_id, set_name, started, time, rows, duration_us, error, late_cycles)
         select {id}, s, t::timestamptz, t::timestamptz, 0, 0, '{error}', 0
         from unnest(array['pg_stat_database', 'sessions']) s,
             unnest(array['2026-03-01T12:00:10Z', '2026-03-01T12:00:40Z']) t;
         update metrics.instances set error = '{error}', error_at = '2026-03-01T12:00:40Z'"
    );
    monitored.execute(&failed).await;
    monitored.server.pass(Duration::from_secs(41));
    let one = at(&monitored, "").await;
    let watched = &one["watched"];
    assert_eq!((&watched["state"], &watched["since"]), (&json!("down"), &json!("2026-03-01T12:00:10Z")));
    assert_eq!((&watched["error"], &watched["host_still_read"]), (&json!(error), &json!(true)));
    assert_eq!(watched["last_reading"], json!("2026-03-01T11:59:59Z"));
    // The host was read a second ago; that is no age of PostgreSQL's figures.
    assert_eq!((&one["data_age_ms"], &one["cpus"]), (&json!(42_000.0), &json!(4)));
    for figure in ["load", "tps", "connections", "blocked"] {
        assert_eq!((&one[figure], &one["unmeasured"][figure]["code"]), (&json!(null), &json!("down")), "{figure}");
    }
    let reason = format!("Down since 2026-03-01 12:00:10 UTC: {error}.");
    assert_eq!((&one["state"], &one["reasons"]), (&json!("critical"), &json!([reason])));
    let gaps = at(&monitored, "?start=2026-03-01T11:59:00Z&end=2026-03-01T12:00:41Z").await["gaps"].clone();
    assert_eq!(gaps, json!([]), "half a minute is no gap of a set that is read each minute");
    monitored.server.pass(Duration::from_secs(600));
    // Long after it is the same: what was so at a moment stays so.
    let then = at(&monitored, "?at=2026-03-01T12:00:41Z").await;
    assert_eq!((&then["watched"]["state"], &then["watched"]["since"]), (&json!("down"), &watched["since"]));
    assert_eq!((&then["reasons"], &then["load"]), (&one["reasons"], &json!(null)));
}

#[tokio::test]
async fn a_gap_is_told_as_an_outage_where_all_failed_alike_and_as_one_sets_where_others_were_read() {
    let monitored = main_instance().await;
    let id = monitored.id("main").await;
    let failed = |sets: &str, error: &str, times: &str| {
        format!(
            "insert into metrics.readings (instance_id, set_name, started, time, rows, duration_us, error, late_cycles)
             select {id}, s, t::timestamptz, t::timestamptz, 0, 0, '{error}', 0
             from unnest(array[{sets}]) s, unnest(array[{times}]) t"
        )
    };
    let both = "'pg_stat_database', 'sessions'";
    monitored.execute(&failed(both, "refused by db-1:5432", "'2026-03-01T12:00:40Z', '2026-03-01T12:01:10Z'")).await;
    monitored
        .execute(&failed("'pg_stat_database'", "canceled", "'2026-03-01T12:05:00Z', '2026-03-01T12:06:00Z'"))
        .await;
    let sessions = json!([{"datid": 5, "userid": 10, "backend_type": "client backend", "state": "idle",
        "wait_event_type": "", "wait_event": "", "sessions": 9}]);
    monitored.server.pass(Duration::from_secs(480));
    // After the outage sessions are read earlier than databases; later only databases fail.
    let readings = [
        ("sessions", "12:01:30", sessions.clone()),
        ("pg_stat_database", "12:03:00", activity(1, 1, 7)),
        ("sessions", "12:05:00", sessions.clone()),
        ("sessions", "12:06:00", sessions),
        ("pg_stat_database", "12:07:00", activity(1, 1, 7)),
    ];
    monitored.push("main", &readings).await;
    let one = at(&monitored, "?start=2026-03-01T12:00:00Z&end=2026-03-01T12:07:30Z").await;
    let told: Vec<_> = one["gaps"].as_array().unwrap().iter().map(|gap| (&gap["reason"], &gap["message"])).collect();
    let outage = "PostgreSQL could not be reached from 2026-03-01 11:59:59 UTC to 2026-03-01 12:02:00 UTC: refused by db-1:5432.";
    let alone = "pg_stat_database could not be read from 2026-03-01 12:03:00 UTC to 2026-03-01 12:06:00 UTC: canceled.";
    let expected = [(&json!("unreachable"), &json!(outage)), (&json!("failed"), &json!(alone))];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn every_figure_is_of_the_moment_and_none_of_now() {
    let monitored = main_instance().await;
    let waits = json!([{"pid": 7, "blocker_pid": 4711, "locktype": "relation", "mode": "AccessShareLock",
        "waitstart": "2026-03-01T11:50:00Z", "datid": 5, "userid": 10, "application_name": "shop", "state": "active",
        "query": "select 1", "blocker_mode": "AccessExclusiveLock", "blocker_datid": 5, "blocker_userid": 10,
        "blocker_application_name": "sheet", "blocker_state": "idle in transaction",
        "blocker_xact_start": "2026-03-01T11:48:00Z", "blocker_state_change": "2026-03-01T11:49:00Z"}]);
    let readings = [("lock_waits", "11:53:30", waits), ("lock_waits", "11:59:59", json!([]))];
    monitored.push("main", &readings).await;
    let now = at(&monitored, "").await;
    assert_eq!((&now["blocked"], &now["tps"], &now["state"]), (&json!(0), &json!(20.0), &json!("healthy")));
    let then = at(&monitored, "?start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:30Z").await;
    // 60,000 commits and 60 rollbacks in the one interval of 60 s that ended within the 5 minutes before.
    assert_eq!((&then["blocked"], &then["tps"], &then["load"]), (&json!(1), &json!(1001.0), &json!(9.0)));
    assert_eq!(then["connections"], json!(9));
    let told =
        "1 session is blocked for 3 min 30 s, by session 4711 of sheet, role 10 (idle in transaction for 4 min 30 s).";
    assert_eq!((&then["state"], &then["reasons"]), (&json!("warning"), &json!([told])));
    assert_eq!(then["load_trend"]["grid"]["start"], json!("2026-03-01T11:50:00Z"));
    let fleet = monitored.get("/instances?end=2026-03-01T11:55:30Z").await.expect(200);
    assert_eq!(fleet["data"][0]["reasons"], json!([told]));
    // Nobody watched a day before.
    let never = at(&monitored, "?start=2026-02-28T11:00:00Z&end=2026-02-28T12:00:00Z").await;
    let message = "Not watched at 2026-02-28 12:00:00 UTC: the first reading is of 2026-03-01 11:30:00 UTC.";
    assert_eq!((&never["state"], &never["reasons"]), (&json!("no_data"), &json!([message])));
    assert_eq!((&never["watched"]["state"], &never["blocked"]), (&json!("not_watched"), &json!(null)));
    assert_eq!((&never["gaps"][0]["reason"], &never["tps"]), (&json!("not_watched"), &json!(null)));
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_is_told_until_it_can() {
    let monitored = main_instance().await;
    let before = at(&monitored, "").await["reasons"].clone();
    let failing = format!(
        "update metrics.collectors set spool_error = 'No space left on device',
             spool_error_since = '2026-03-01T11:58:00Z' where collector_id = '{}'",
        monitored.collector
    );
    monitored.execute(&failing).await;
    let told = "The collector cannot write its spool since 2026-03-01 11:58:00 UTC: No space left on device.";
    let row = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&row["state"], &row["reasons"][0]), (&json!("warning"), &json!(told)));
    assert_eq!(at(&monitored, "").await["reasons"], row["reasons"]);
    let past = at(&monitored, "?at=2026-03-01T11:57:00Z").await;
    assert!(!past["reasons"].as_array().unwrap().contains(&json!(told)), "{past}");
    monitored.push("main", &[("pg_stat_database", "12:00:00", activity(0, 0, 9))]).await;
    assert_eq!(at(&monitored, "").await["reasons"], before);
}

#[tokio::test]
async fn a_configuration_that_is_not_followed_is_told_until_it_is() {
    let monitored = main_instance().await;
    let before = at(&monitored, "").await["reasons"].clone();
    let refused = format!(
        "update metrics.collectors set config_error = 'collector.toml:2: unknown key \"nam\"',
             config_error_since = '2026-03-01T11:58:00Z' where collector_id = '{}'",
        monitored.collector
    );
    monitored.execute(&refused).await;
    let told = "The collector follows an older configuration since 2026-03-01 11:58:00 UTC: collector.toml:2: unknown key \
                \"nam\".";
    let row = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!((&row["state"], &row["reasons"][0]), (&json!("warning"), &json!(told)));
    let health = monitored.get("/metrics/health").await.expect(200)["data"][0].clone();
    assert_eq!(health["config_error_since"], "2026-03-01T11:58:00Z");
    monitored.push("main", &[("pg_stat_database", "12:00:00", activity(0, 0, 9))]).await;
    assert_eq!(at(&monitored, "").await["reasons"], before);
}

#[tokio::test]
async fn full_limits_and_losses_are_told() {
    let monitored = main_instance().await;
    let limits = [
        ("pg_roles", "11:30:00", json!([{"roleid": 10, "rolname": "app", "rolconnlimit": 9, "rolsuper": false}])),
        ("pg_database", "11:50:00", json!([{"datid": 5, "datname": "postgres", "datconnlimit": 11}])),
    ];
    monitored.push("main", &limits).await;
    let lost = format!(
        "insert into metrics.discards (collector_id, set_name, reason, rows, at)
            values ('{0}', 'sessions', 'spool_full', 40, '2026-03-01T11:20:00Z'),
                ('{0}', 'sessions', 'spool_full', 900, '2026-03-01T10:59:00Z');
         insert into metrics.rejected (collector_id, set_name, reason, rows, at)
            values ('{0}', 'sessions', 'time_in_future', 7, '2026-03-01T11:59:00Z')",
        monitored.collector
    );
    monitored.execute(&lost).await;
    let told = [
        "9 of 9 connections of role app are in use.",
        "9 of 11 connections of database postgres are in use.",
        "The collector lost 40 rows in the last hour: its spool was full.",
        "The server rejected 7 rows of the collector in the last hour: time in future.",
    ];
    let one = at(&monitored, "").await;
    assert_eq!((&one["state"], &one["reasons"]), (&json!("critical"), &json!(told)));
}

#[tokio::test]
async fn who_is_idle_in_a_transaction_and_holds_back_vacuum_is_told() {
    let monitored = main_instance().await;
    let session = |pid: i64, since: &str, xmin_age: Option<i64>| {
        json!({"pid": pid, "datid": 5, "userid": 10, "backend_type": "client backend", "application_name": "sheet",
            "state": "idle in transaction", "state_change": format!("2026-03-01T{since}Z"), "xmin_age": xmin_age})
    };
    // The first has been idle longer, but keeps no row from vacuum.
    let rows = json!([
        session(4710, "11:00:00", None),
        session(4711, "11:47:59", Some(7)),
        session(4712, "11:59:00", Some(1))
    ]);
    monitored.push("main", &[("pg_stat_activity", "11:59:59", rows)]).await;
    let one = at(&monitored, "").await;
    let told = "Session 4711 of sheet, role 10 is idle in transaction for 12 min and holds back vacuum.";
    assert_eq!((&one["state"], &one["reasons"]), (&json!("warning"), &json!([told])));
    let fleet = monitored.get("/instances").await.expect(200);
    assert_eq!(fleet["data"][0]["reasons"], json!([told]));
}

#[tokio::test]
async fn a_crash_and_a_restart_are_told_as_what_they_are() {
    for (reason, told) in [
        (
            "crash_restart",
            "PostgreSQL crashed and recovered between 2026-03-01 11:57:50 UTC and 2026-03-01 11:58:00 UTC: all sessions \
             ended, statistics began anew.",
        ),
        (
            "restart",
            "PostgreSQL was restarted between 2026-03-01 11:57:50 UTC and 2026-03-01 11:58:00 UTC: all sessions ended.",
        ),
    ] {
        let monitored = main_instance().await;
        let id = monitored.id("main").await;
        // One set is read every ten seconds, the other every minute; a crash resets what the other counts.
        let also = if reason == "crash_restart" { "reset" } else { reason };
        let flags = format!(
            "insert into metrics.flags values
                 ({id}, 'wal_io', '2026-03-01 11:57:50Z', '2026-03-01 11:58:00Z', '{reason}', null, 0),
                 ({id}, 'pg_stat_database', '2026-03-01 11:57:00Z', '2026-03-01 11:58:30Z', '{reason}', null, 0),
                 ({id}, 'pg_stat_database', '2026-03-01 11:57:00Z', '2026-03-01 11:58:30Z', '{also}', null, 0)"
        );
        monitored.execute(&flags).await;
        let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
        assert_eq!((&one["state"], &one["reasons"]), (&json!("warning"), &json!([told])), "{reason}");
        monitored.server.pass(Duration::from_secs(11 * 60));
        let later = monitored.get(&format!("/instances/{id}?at=2026-03-01T12:10:30Z")).await.expect(200);
        let is_told = later["reasons"].as_array().unwrap().contains(&json!(told));
        assert_eq!(is_told, reason == "crash_restart", "a crash is told for an hour: {}", later["reasons"]);
    }
}

#[tokio::test]
async fn slots_that_are_lost_or_hold_back_vacuum_for_nobody_are_told() {
    let monitored = main_instance().await;
    let slots = |is_used: bool| {
        json!([
            {"slot_name": "gone", "slot_type": "physical", "active": false, "wal_status": "lost"},
            {"slot_name": "left", "slot_type": "physical", "active": false, "wal_status": "reserved", "xmin_age": 33_184},
            {"slot_name": "busy", "slot_type": "physical", "active": is_used, "wal_status": "reserved", "xmin_age": 9},
            {"slot_name": "plain", "slot_type": "physical", "active": false, "wal_status": "reserved"}
        ])
    };
    let readings =
        [("pg_replication_slots", "11:57:30", slots(true)), ("pg_replication_slots", "11:59:30", slots(false))];
    monitored.push("main", &readings).await;
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    assert_eq!(
        one["reasons"],
        json!([
            "Replication slot gone has lost WAL that it needs: what streamed through it has to be made anew.",
            "Replication slot left is used by nobody and holds back vacuum: its oldest transaction is 33184 \
             transactions old."
        ])
    );
}

#[tokio::test]
async fn a_sequence_that_nearly_ends_is_a_reason_to_look() {
    let monitored = main_instance().await;
    let sequence = |oid: i64, name: &str, cycles: bool| json!({"seqrelid": oid, "schema": "public", "relname": name, "cycles": cycles});
    let infos = json!([sequence(1, "orders_id_seq", false), sequence(2, "half", false), sequence(3, "round", true)]);
    let used = |oid: i64, used: Option<f64>, remaining: i64| json!({"seqrelid": oid, "status": "read", "used": used, "remaining": remaining});
    let before = json!([used(1, Some(0.7), 300), used(2, Some(0.99), 1), used(3, Some(0.99), 1)]);
    let now = json!([used(1, Some(0.85), 150), used(2, Some(0.5), 500), used(3, Some(0.99), 1), used(4, None, 0)]);
    let readings =
        [("pg_sequence", "11:00:00", infos), ("pg_sequences", "11:30:00", before), ("pg_sequences", "11:55:00", now)];
    monitored.push_database("main", 16384, &readings).await;
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    let told = "Sequence public.orders_id_seq in store is used up by 85 %: 150 values left.";
    assert_eq!(one["reasons"], json!([told]));
}

#[tokio::test]
async fn a_subscription_that_failed_of_late_is_a_reason_to_look() {
    let monitored = main_instance().await;
    let infos = json!([{"datid": 16384, "subname": "news", "subid": 7, "enabled": true}]);
    let errors = |apply: i64| json!([{"subid": 7, "apply_error_count": apply, "sync_error_count": 0}]);
    let readings = [
        ("pg_subscription", "11:00:00", infos),
        ("pg_stat_subscription_stats", "11:40:00", errors(9)),
        ("pg_stat_subscription_stats", "11:58:00", errors(2)),
        ("pg_stat_subscription_stats", "11:59:00", errors(1)),
    ];
    monitored.push("main", &readings).await;
    let one = monitored.get("/instances").await.expect(200)["data"][0].clone();
    let told = "Subscription news in store could not apply a change 3 times in the last 10 min: nothing follows until the \
                reason in the log is gone.";
    assert_eq!(one["reasons"], json!([told]));
}
