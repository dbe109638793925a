//! GET /instances/{id}/locks, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z&step=60";

fn wait(pid: i64, blocker: i64, more: Value) -> Value {
    let mut row = json!({"pid": pid, "blocker_pid": blocker, "locktype": "relation", "mode": "AccessExclusiveLock",
        "lock_datid": 5, "relid": 700, "datid": 5, "userid": 10, "application_name": "shop", "state": "active",
        "xact_start": "2026-03-01T11:50:00Z", "waitstart": "2026-03-01T11:50:10Z", "query": "alter table stock …"});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

#[tokio::test]
async fn the_tree_of_a_moment_and_the_blocked_of_a_range() {
    let monitored = Monitored::new().await;
    let holder = json!({"blocker_mode": "RowExclusiveLock", "blocker_datid": 5, "blocker_userid": 10,
        "blocker_application_name": "", "blocker_state": "idle in transaction",
        "blocker_xact_start": "2026-03-01T11:40:00Z", "blocker_state_change": "2026-03-01T11:48:00Z",
        "blocker_query": "'***'"});
    let queue = json!([
        wait(2, 1, holder.clone()),
        wait(3, 2, json!({"mode": "AccessShareLock", "waitstart": "2026-03-01T11:51:00Z", "query": "select 1"})),
        wait(3, 1, holder),
        wait(4, 0, json!({"relid": 0, "lock_datid": 0, "locktype": "transactionid", "waitstart": null})),
    ]);
    let one = json!([wait(2, 1, json!({}))]);
    let readings = [
        ("lock_waits", "11:50:20", one),
        ("lock_waits", "11:52:00", queue),
        ("lock_waits", "11:54:00", json!([])),
        ("pg_roles", "11:00:00", json!([{"roleid": 10, "rolname": "app"}])),
    ];
    monitored.push("main", &readings).await;
    let id = monitored.id("main").await;
    let path = format!("/instances/{id}/locks?{RANGE}");
    let answer = monitored.get(&format!("{path}&at=2026-03-01T11:53:00Z")).await.expect(200);
    assert_eq!(
        (&answer["at"], &answer["previous_at"], &answer["next_at"]),
        (&json!("2026-03-01T11:52:00Z"), &json!("2026-03-01T11:50:20Z"), &json!("2026-03-01T11:54:00Z"))
    );
    assert_eq!((&answer["blocked"], &answer["blockers"]), (&json!(3), &json!(2)));
    assert_eq!(answer["oldest_wait_ms"], json!(110_000.0));
    let shape: Vec<_> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["pid", "level", "blocks"].map(|name| one[name].as_i64().unwrap()))
        .collect();
    assert_eq!(shape, [[1, 1, 2], [2, 2, 1], [3, 3, 0], [0, 1, 1], [4, 2, 0]]);
    let [root, second, third] = [&answer["data"][0], &answer["data"][1], &answer["data"][2]];
    assert_eq!(
        (&root["holds"], &root["mode"], &root["relid"]),
        (&json!("RowExclusiveLock"), &json!(null), &json!(700))
    );
    assert_eq!((&root["xact_age_ms"], &root["state_age_ms"]), (&json!(720_000.0), &json!(240_000.0)));
    assert_eq!((&root["query"], &root["query_state"]), (&json!(null), &json!("hidden")));
    assert_eq!(
        (&root["user"], &root["application_name"], &root["waiting_ms"]),
        (&json!("app"), &json!(null), &json!(null))
    );
    assert_eq!((&second["waiting_ms"], &second["mode"]), (&json!(110_000.0), &json!("AccessExclusiveLock")));
    assert_eq!((&third["blocked_by"], &third["circular"]), (&json!([1, 2]), &json!(false)));
    assert_eq!((&third["relation"], &answer["data"][4]["relid"]), (&json!(null), &json!(null)));

    assert_eq!(answer["blocked_series"], json!([1.0, 3.0, null, 0.0, null]));
    assert_eq!(answer["blocked_at"], json!(["2026-03-01T11:50:20Z", "2026-03-01T11:52:00Z", null, null, null]));
    assert_eq!(answer["peak"], json!({"at": "2026-03-01T11:52:00Z", "blocked": 3}));

    // The tab counts those of the newest reading.
    assert_eq!(monitored.get(&format!("/instances/{id}")).await.expect(200)["blocked"], 0);
    let again = json!([wait(2, 1, json!({})), wait(2, 3, json!({}))]);
    monitored.push("main", &[("lock_waits", "11:59:50", again)]).await;
    assert_eq!(monitored.get(&format!("/instances/{id}")).await.expect(200)["blocked"], 1);

    let free = monitored.get(&path).await.expect(200);
    assert_eq!((&free["at"], &free["blocked"], &free["data"]), (&json!("2026-03-01T11:54:00Z"), &json!(0), &json!([])));
    let unread = monitored.get(&format!("{path}&at=2026-03-01T11:49:00Z")).await.expect(200);
    assert_eq!((&unread["at"], &unread["blocked"]), (&json!(null), &json!(null)));
    assert_eq!(unread["next_at"], "2026-03-01T11:50:20Z");
}

#[tokio::test]
async fn relations_have_the_names_that_they_had() {
    let monitored = Monitored::new().await;
    monitored.push("main", &[("lock_waits", "11:52:00", json!([wait(2, 1, json!({}))]))]).await;
    let id = monitored.id("main").await;
    let names = format!(
        "insert into metrics.pg_class
             (instance_id, valid_from, valid_to, seen_at, removed, datid_read, relid, schema, relname) values
             ({id}, '2026-03-01T10:00Z', '2026-03-01T11:55Z', '2026-03-01T10:00Z', false, 5, 700, 'public', 'stock'),
             ({id}, '2026-03-01T11:55Z', 'infinity', '2026-03-01T11:55Z', false, 5, 700, 'old', 'stock_1'),
             ({id}, '2026-03-01T10:00Z', 'infinity', '2026-03-01T10:00Z', false, 6, 700, 'public', 'another')"
    );
    monitored.execute(&names).await;
    let answer = monitored.get(&format!("/instances/{id}/locks?{RANGE}")).await.expect(200);
    assert_eq!((&answer["data"][0]["relation"], &answer["data"][1]["relation"]), (&json!("stock"), &json!("stock")));
}

#[tokio::test]
async fn what_may_not_be_read_has_its_reason() {
    let monitored = Monitored::new().await;
    monitored.push("main", &[("lock_waits", "11:52:00", json!([]))]).await;
    let id = monitored.id("main").await;
    let said = format!(
        "insert into metrics.set_states (instance_id, set_name, column_name, state, code, message, fix, since, checked_at)
         values ({id}, 'lock_waits', 'waitstart', 'missing', 'version', 'Needs PostgreSQL 14.', '', now(), now())"
    );
    monitored.execute(&said).await;
    let answer = monitored.get(&format!("/instances/{id}/locks?{RANGE}")).await.expect(200);
    assert_eq!(answer["unmeasured"], json!({"waiting_since": {"code": "version", "message": "Needs PostgreSQL 14."}}));
}

#[tokio::test]
async fn what_is_waited_for_and_held_is_told_in_words() {
    let monitored = Monitored::new().await;
    let session = json!({"blocker_mode": "ExclusiveLock", "blocker_datid": 5, "blocker_userid": 10,
        "blocker_state": "idle in transaction", "blocker_relations": "700 RowExclusiveLock, 701 ShareLock"});
    let prepared = json!({"locktype": "transactionid", "mode": "ShareLock", "lock_xid": 90, "lock_page": 0, "lock_tuple": 4,
        "relation_name": "public.stock", "blocker_mode": "ExclusiveLock", "blocker_xid": 90, "blocker_gid": "order 7",
        "blocker_prepared": "2026-03-01T11:41:00Z", "blocker_datid": 5, "blocker_userid": 10,
        "blocker_relations": "700 RowExclusiveLock"});
    let other = json!({"locktype": "advisory", "mode": "ExclusiveLock", "relid": 0, "lock_classid": 0, "lock_objid": 42,
        "lock_objsubid": 1, "workers": 2, "blocker_xid": 91, "blocker_gid": "order 8", "blocker_mode": "ExclusiveLock",
        "blocker_datid": 5, "blocker_userid": 10});
    let of_table = |mode: &str| {
        let mut more = session.clone();
        more["blocker_mode"] = json!(mode);
        more["relation_name"] = json!("public.stock");
        more
    };
    let of_transaction = |row: i32| {
        let mut more = session.clone();
        let lock = json!({"locktype": "transactionid", "mode": "ShareLock", "lock_xid": 81, "lock_page": 0,
            "lock_tuple": row, "relation_name": "public.stock"});
        more.as_object_mut().unwrap().extend(lock.as_object().unwrap().clone());
        more
    };
    let queue = json!([
        wait(2, 1, of_transaction(7)),
        wait(3, 1, of_transaction(8)),
        wait(4, 1, of_table("RowExclusiveLock")),
        wait(5, 0, prepared),
        wait(6, 0, other),
    ]);
    let readings = [
        ("lock_waits", "11:52:00", queue),
        ("pg_roles", "11:00:00", json!([{"roleid": 10, "rolname": "app"}])),
        ("pg_database", "11:00:00", json!([{"datid": 5, "datname": "shop"}])),
    ];
    monitored.push("main", &readings).await;
    let id = monitored.id("main").await;
    let answer = monitored.get(&format!("/instances/{id}/locks?{RANGE}")).await.expect(200);
    let by_key = |key: &str| {
        let found = answer["data"].as_array().unwrap().iter().find(|one| one["key"] == key);
        found.unwrap_or_else(|| panic!("{key} is not in {answer:#}"))
    };
    let held = |mode: &str, object: &str, relid: Value, wanted: bool| json!({"mode": mode, "object": object, "relid": relid, "wanted": wanted});
    assert_eq!(
        by_key("1")["holds_on"],
        json!([
            held("ExclusiveLock", "its transaction 81", Value::Null, true),
            held("RowExclusiveLock", "public.stock in shop", json!(700), true),
            held("ShareLock", "relation 701 in shop", json!(701), false),
        ])
    );
    assert_eq!(by_key("2")["object"], "row (0,7) of public.stock in shop, until transaction 81 of session 1 ends");
    assert_eq!(by_key("3")["object"], "row (0,8) of public.stock in shop, until transaction 81 of session 1 ends");
    let root = by_key("xid 90");
    assert_eq!(
        root["prepared"],
        json!({"xid": 90, "gid": "order 7", "prepared_at": "2026-03-01T11:41:00Z", "prepared_ms": 660_000.0})
    );
    assert_eq!((&root["pid"], &root["user"], &root["database"]), (&json!(0), &json!("app"), &json!("shop")));
    assert_eq!(by_key("5")["blocked_by_prepared"], json!([90]));
    assert_eq!(
        by_key("5")["object"],
        "row (0,4) of public.stock in shop, until transaction 90 of the prepared transaction 'order 7' ends"
    );
    let folded = by_key("6");
    assert_eq!((&folded["object"], &folded["workers"]), (&json!("advisory lock 42 in shop"), &json!(2)));
    assert_eq!(
        by_key("xid 91")["holds_on"],
        json!([held("ExclusiveLock", "advisory lock 42 in shop", Value::Null, true)])
    );
    assert_eq!((&answer["blocked"], &answer["blockers"]), (&json!(5), &json!(3)));
}
