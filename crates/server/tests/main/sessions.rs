//! GET /instances/{id}/activity, …/waits and …/connections, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z&step=60";

fn sessions(state: &str, wait_event_type: &str, wait_event: &str, sessions: i64, more: Value) -> Value {
    let mut row = json!({"datid": 16384, "userid": 10, "backend_type": "client backend", "state": state,
        "wait_event_type": wait_event_type, "wait_event": wait_event, "sessions": sessions});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

async fn an_instance() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    let databases = json!([{"datid": 16384, "datname": "shop"}]);
    let roles = json!([{"roleid": 10, "rolname": "app"}, {"roleid": 11, "rolname": "etl"}]);
    monitored.push("main", &[("pg_database", "11:00:00", databases), ("pg_roles", "11:00:00", roles)]).await;
    let path = format!("/instances/{}", monitored.id("main").await);
    (monitored, path)
}

fn series<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["series"].as_array().unwrap().iter().find(|series| series["name"] == name).unwrap()
}

async fn three_readings(monitored: &Monitored) {
    let none = || json!({});
    let etl = json!({"userid": 11, "xact_age": 90_000_000, "xmin_age": 7});
    let first = json!([
        sessions("active", "", "", 3, none()),
        sessions("active", "Lock", "relation", 2, etl),
        sessions("idle", "Client", "ClientRead", 10, none()),
        // Who sends WAL and who writes it are no load and no connections.
        sessions("active", "Activity", "WalSenderMain", 1, json!({"backend_type": "walsender", "datid": 0})),
        sessions("", "Activity", "WalWriterMain", 1, json!({"backend_type": "walwriter", "datid": 0, "userid": 0})),
    ]);
    let second = json!([
        sessions("active", "", "", 1, none()),
        sessions("active", "InjectionPoint", "mine", 1, none()),
        sessions("active", "Lock", "tuple", 1, none()),
        sessions("disabled", "", "", 1, none()),
    ]);
    let readings =
        [("sessions", "11:50:30", first), ("sessions", "11:51:00", second), ("sessions", "11:53:00", json!([]))];
    monitored.push("main", &readings).await;
}

#[tokio::test]
async fn waits_are_means_of_readings_by_class_in_their_order() {
    let (monitored, path) = an_instance().await;
    three_readings(&monitored).await;
    let answer = monitored.get(&format!("{path}/waits?{RANGE}")).await.expect(200);
    assert_eq!(answer["grid"], json!({"start": "2026-03-01T11:50:00Z", "step_ms": 60000, "points": 5}));
    let names: Vec<_> = answer["series"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let order = "CPU IO Client BufferPin IPC Timeout LWLock Lock Activity Extension Other";
    assert_eq!(names, order.split(' ').collect::<Vec<_>>());
    assert_eq!(series(&answer, "CPU")["values"], json!([2.0, null, 0.0, null, null]));
    assert_eq!(series(&answer, "Lock")["values"], json!([1.5, null, 0.0, null, null]));
    assert_eq!(series(&answer, "Other")["values"], json!([0.5, null, 0.0, null, null]));
    assert_eq!(series(&answer, "Activity")["values"], json!([0.0, null, 0.0, null, null]));
    assert_eq!((&series(&answer, "CPU")["mean"], &series(&answer, "CPU")["share"]), (&json!(4.0 / 3.0), &json!(0.5)));
    assert!((answer["mean"].as_f64().unwrap() - 8.0 / 3.0).abs() < 1e-9, "{answer}");

    let lock = monitored.get(&format!("{path}/waits?{RANGE}&class=Lock")).await.expect(200);
    assert_eq!(lock["series"][0]["name"], "relation");
    assert_eq!(lock["series"][1]["values"], json!([0.5, null, 0.0, null, null]));
    let other = monitored.get(&format!("{path}/waits?{RANGE}&class=Other")).await.expect(200);
    assert_eq!((&other["series"][0]["name"], other["series"].as_array().unwrap().len()), (&json!("mine"), 1));
    let cpu = monitored.get(&format!("{path}/waits?{RANGE}&class=CPU&database=shop")).await.expect(200);
    assert_eq!(cpu["series"][0]["values"], json!([2.0, null, 0.0, null, null]));
    let etl = monitored.get(&format!("{path}/waits?{RANGE}&user=etl")).await.expect(200);
    assert_eq!(series(&etl, "Lock")["values"], json!([1.0, null, 0.0, null, null]));
    assert_eq!(series(&etl, "CPU")["values"], json!([0.0, null, 0.0, null, null]));
    let nobody = monitored.get(&format!("{path}/waits?{RANGE}&database=nosuch")).await.expect(200);
    assert_eq!((&nobody["mean"], &series(&nobody, "CPU")["share"]), (&json!(0.0), &json!(null)));
    let before = "start=2026-03-01T10:00:00Z&end=2026-03-01T10:05:00Z";
    assert_eq!(monitored.get(&format!("{path}/waits?{before}")).await.expect(200)["mean"], json!(null));
    monitored.get(&format!("{path}/waits?class=Locks")).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn connections_stand_against_their_limit() {
    let (monitored, path) = an_instance().await;
    three_readings(&monitored).await;
    let setting = |name: &str, value: &str| json!({"name": name, "setting": value});
    let settings = json!([setting("max_connections", "100"), setting("superuser_reserved_connections", "3")]);
    monitored.push("main", &[("pg_settings", "11:00:00", settings)]).await;
    let answer = monitored.get(&format!("{path}/connections?{RANGE}&at=2026-03-01T11:50:59Z")).await.expect(200);
    assert_eq!((&answer["at"], &answer["total"]), (&json!("2026-03-01T11:50:30Z"), &json!(15)));
    assert_eq!((&answer["limit"], &answer["reserved"]), (&json!(100), &json!(3)));
    let of = |name: &str, sessions: i64| json!({"name": name, "sessions": sessions});
    assert_eq!(
        answer["states"],
        json!([
            of("active", 5),
            of("idle in transaction", 0),
            of("idle in transaction (aborted)", 0),
            of("idle", 10),
            of("other", 0)
        ])
    );
    assert_eq!(answer["databases"], json!([of("shop", 15)]));
    assert_eq!(answer["users"], json!([of("app", 13), of("etl", 2)]));
    assert_eq!((&answer["oldest_xact_age_ms"], &answer["oldest_xmin_age"]), (&json!(90_000.0), &json!(7)));
    assert_eq!(series(&answer, "idle")["values"], json!([5.0, null, 0.0, null, null]));
    assert_eq!(series(&answer, "other")["values"], json!([0.5, null, 0.0, null, null]));
    let newest = monitored.get(&format!("{path}/connections?{RANGE}")).await.expect(200);
    assert_eq!((&newest["at"], &newest["total"]), (&json!("2026-03-01T11:53:00Z"), &json!(0)));
    // What was read an hour before tells nothing of a moment.
    let long_after = monitored.get(&format!("{path}/connections?{RANGE}&at=2026-03-01T13:00:00Z")).await.expect(200);
    assert_eq!((&long_after["at"], &long_after["total"]), (&json!(null), &json!(null)));
    assert_eq!(long_after["states"], json!([]));
}

#[tokio::test]
async fn sessions_are_as_they_were_at_the_moment() {
    let (monitored, path) = an_instance().await;
    let session = |pid: i64, more: Value| {
        let mut row = json!({"pid": pid, "backend_start": "2026-03-01T11:00:00Z", "datid": 16384, "userid": 10,
            "backend_type": "client backend", "application_name": "shop", "client_addr": "10.0.0.9",
            "state": "active", "query_start": "2026-03-01T11:58:58Z", "state_change": "2026-03-01T11:58:58Z"});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let rows = json!([
        session(
            1,
            json!({"xact_start": "2026-03-01T11:58:58Z", "query": "select 1", "query_id": -8123456789012345678_i64})
        ),
        session(
            2,
            json!({"xact_start": "2026-03-01T11:47:00Z", "state": "idle in transaction", "query": "'***'",
            "wait_event_type": "Client", "wait_event": "ClientRead", "client_addr": ""})
        ),
        session(
            3,
            json!({"backend_type": "autovacuum worker", "userid": 0, "datid": 0, "client_addr": "",
            "wait_event_type": "Timeout", "wait_event": "VacuumDelay", "leader_pid": null,
            "query_start": "2026-03-01T11:59:01Z"})
        ),
        session(4, json!({"backend_type": "walsender", "query": "start_replication"})),
    ]);
    monitored.push("main", &[("pg_stat_activity", "11:59:00", rows)]).await;
    let answer = monitored.get(&format!("{path}/activity")).await.expect(200);
    assert_eq!(
        (&answer["count"], &answer["total"], &answer["at"]),
        (&json!(3), &json!(3), &json!("2026-03-01T11:59:00Z"))
    );
    let [idle, one, vacuum] = [&answer["data"][0], &answer["data"][1], &answer["data"][2]];
    assert_eq!(
        (&idle["pid"], &idle["xact_age_ms"], &idle["query_age_ms"]),
        (&json!(2), &json!(720_000.0), &json!(null))
    );
    assert_eq!((&idle["wait_class"], &idle["client_addr"]), (&json!(null), &json!(null)));
    assert_eq!((&idle["query"], &idle["query_state"]), (&json!(null), &json!("hidden")));
    assert_eq!((&one["database"], &one["user"], &one["wait_class"]), (&json!("shop"), &json!("app"), &json!("CPU")));
    assert_eq!((&one["queryid"], &one["query"]), (&json!("-8123456789012345678"), &json!("select 1")));
    assert_eq!((&one["query_age_ms"], &one["state_age_ms"]), (&json!(2000.0), &json!(2000.0)));
    assert_eq!(
        (&vacuum["database"], &vacuum["user"], &vacuum["wait_class"]),
        (&json!(null), &json!(null), &json!("Timeout"))
    );
    assert_eq!(
        (&vacuum["query"], &vacuum["query_state"], &vacuum["query_age_ms"]),
        (&json!(null), &json!(null), &json!(0.0))
    );

    let filtered = monitored.get(&format!("{path}/activity?user=app&limit=1")).await.expect(200);
    assert_eq!((&filtered["count"], &filtered["total"]), (&json!(1), &json!(2)));
    assert_eq!(monitored.get(&format!("{path}/activity?database=0")).await.expect(200)["data"][0]["pid"], 3);
    let before = monitored.get(&format!("{path}/activity?at=2026-03-01T11:58:00Z")).await.expect(200);
    assert_eq!((&before["at"], &before["data"]), (&json!(null), &json!([])));
    monitored.get(&format!("{path}/activity?limit=0")).await.refused(400, "invalid_request");
}

/// A session that is not idle, with its transaction.
fn session(pid: i64, more: Value) -> Value {
    let mut row = json!({"pid": pid, "backend_start": "2026-03-01T10:00:00Z", "datid": 16384, "userid": 10,
        "backend_type": "client backend", "application_name": "checkout", "client_addr": "", "state": "active"});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

#[tokio::test]
async fn the_oldest_transaction_and_snapshot_have_their_holder() {
    let (monitored, path) = an_instance().await;
    three_readings(&monitored).await;
    let connections = format!("{path}/connections?{RANGE}&at=2026-03-01T11:50:59Z");
    let unknown = monitored.get(&connections).await.expect(200);
    assert_eq!((&unknown["oldest_xact"], &unknown["oldest_xmin"]), (&Value::Null, &Value::Null));

    let idle = json!({"state": "idle in transaction", "xact_start": "2026-03-01T11:40:30Z",
        "state_change": "2026-03-01T11:41:30Z", "xmin_age": 40});
    let worker = json!({"leader_pid": 4711, "backend_type": "parallel worker", "xact_start": "2026-03-01T11:40:29Z"});
    let feedback = json!({"backend_type": "walsender", "application_name": "standby", "datid": 0, "userid": 0,
        "xact_start": "2026-03-01T11:00:00Z", "xmin_age": 50});
    let activity = json!([session(4711, idle), session(4712, worker), session(4713, feedback)]);
    monitored.push("main", &[("pg_stat_activity", "11:50:30", activity)]).await;
    let answer = monitored.get(&connections).await.expect(200);
    assert_eq!(
        answer["oldest_xact"],
        json!({"kind": "session", "pid": 4711, "age_ms": 600_000.0, "age": 40,
            "who": "session 4711 of checkout, role app in shop, idle in transaction for 9 min"})
    );
    assert_eq!(answer["oldest_xact_age_ms"], json!(600_000.0));
    assert_eq!(
        (&answer["oldest_xmin"]["who"], &answer["oldest_xmin"]["age"]),
        (&json!("session 4713 of standby, which feeds a standby or receiver"), &json!(50))
    );

    // Of those that have one snapshot, the one that began first keeps it.
    let of = |start: &str| json!({"xact_start": format!("2026-03-01T{start}Z"), "xmin_age": 55});
    let activity = json!([session(4709, of("11:45:00")), session(4710, of("11:50:00"))]);
    monitored.push("main", &[("pg_stat_activity", "11:50:40", activity)]).await;
    let answer = monitored.get(&connections).await.expect(200);
    assert_eq!((&answer["oldest_xmin"]["pid"], &answer["oldest_xmin_age"]), (&json!(4709), &json!(55)));

    let prepared = json!([{"xid": 90, "gid": "order 7", "datid": 16384, "userid": 11, "prepared": "2026-03-01T11:39:25Z",
        "prepared_age": 660_000_000_i64, "xid_age": 60}]);
    monitored.push("main", &[("pg_prepared_xacts", "11:50:25", prepared)]).await;
    let answer = monitored.get(&connections).await.expect(200);
    let order = json!({"kind": "prepared_transaction", "who": "the prepared transaction 'order 7' of etl in shop",
        "pid": null, "age_ms": 660_000.0, "age": 60});
    assert_eq!((&answer["oldest_xact"], &answer["oldest_xmin"]), (&order, &order));
    assert_eq!((&answer["oldest_xact_age_ms"], &answer["oldest_xmin_age"]), (&json!(660_000.0), &json!(60)));

    let slot = json!([{"slot_name": "gone", "slot_type": "physical", "active": false, "xmin_age": 7_000}]);
    monitored.push("main", &[("pg_replication_slots", "11:50:20", slot)]).await;
    let answer = monitored.get(&connections).await.expect(200);
    assert_eq!(answer["oldest_xmin"]["who"], "replication slot gone");
    assert_eq!((&answer["oldest_xact"], &answer["oldest_xmin_age"]), (&order, &json!(7_000)));
}
