//! GET /instances/{id}/replication, against what was computed by hand.

use std::sync::Arc;

use ::store::{PoolSettings, Store, open};
use catalog::Catalog;
use serde_json::{Value, json};

use crate::monitored::Monitored;

fn standby(pid: i64, name: &str, sent: &str, replayed: &str, replay_lag: Value) -> Value {
    json!({"pid": pid, "application_name": name, "client_addr": "10.0.0.2", "state": "streaming",
        "sync_state": "async", "current_lsn": "A/4F0010", "sent_lsn": sent, "write_lsn": sent, "flush_lsn": replayed,
        "replay_lsn": replayed, "replay_lag": replay_lag, "reply_time": "2026-03-01T11:58:59Z"})
}

#[tokio::test]
async fn each_standby_has_its_lag_in_time_and_bytes() {
    let monitored = Monitored::new().await;
    let both = json!([
        standby(1, "idle", "A/4F0010", "A/4F0010", json!(null)),
        standby(2, "lagging", "A/4F0000", "9/4F0010", json!(48_000_500)),
    ]);
    monitored.push("main", &[("pg_stat_replication", "11:59:00", both)]).await;
    monitored.push("main", &[("pg_stat_replication", "11:59:10", json!([]))]).await;
    monitored.execute("update metrics.instances set role = 'primary', timeline = 3").await;
    let path = format!("/instances/{}/replication", monitored.id("main").await);

    let before = monitored.get(&format!("{path}?at=2026-03-01T11:59:09Z")).await.expect(200);
    assert_eq!((&before["role"], &before["timeline"]), (&json!("primary"), &json!(3)));
    assert_eq!((&before["at"], &before["current_lsn"]), (&json!("2026-03-01T11:59:00Z"), &json!("A/4F0010")));
    let lagging = &before["standbys"][0];
    assert_eq!((&lagging["application_name"], &lagging["pid"]), (&json!("lagging"), &json!(2)));
    assert_eq!((&lagging["sent_lsn"], &lagging["replay_lsn"]), (&json!("A/4F0000"), &json!("9/4F0010")));
    assert_eq!((&lagging["sent_behind_bytes"], &lagging["write_behind_bytes"]), (&json!(16), &json!(16)));
    assert_eq!(
        (&lagging["flush_behind_bytes"], &lagging["replay_behind_bytes"]),
        (&json!(1_i64 << 32), &json!(1_i64 << 32))
    );
    assert_eq!((&lagging["replay_lag_ms"], &lagging["write_lag_ms"]), (&json!(48_000.5), &json!(null)));
    assert_eq!((&lagging["idle"], &lagging["last_message_at"]), (&json!(false), &json!("2026-03-01T11:58:59Z")));
    let idle = &before["standbys"][1];
    assert_eq!(
        (&idle["idle"], &idle["replay_behind_bytes"], &idle["replay_lag_ms"]),
        (&json!(true), &json!(0), &json!(0.0))
    );

    let now = monitored.get(&path).await.expect(200);
    assert_eq!((&now["at"], &now["standbys"]), (&json!("2026-03-01T11:59:10Z"), &json!([])));
    assert_eq!(now["current_lsn"], json!(null));
    for at in ["2026-03-01T11:58:59Z", "2026-03-01T13:00:00Z", "1970-01-01T00:00:00Z", "-009999-01-02T01:59:59Z"] {
        let nothing = monitored.get(&format!("{path}?at={at}")).await.expect(200);
        assert_eq!((&nothing["at"], &nothing["standbys"]), (&json!(null), &json!([])), "{at}");
    }
    monitored.get(&format!("{path}?at=yesterday")).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn hidden_positions_are_not_zero() {
    let monitored = Monitored::new().await;
    let hidden = json!([{"pid": 1, "application_name": "hidden", "current_lsn": "0/10"}]);
    monitored.push("main", &[("pg_stat_replication", "11:59:00", hidden)]).await;
    let path = format!("/instances/{}/replication", monitored.id("main").await);
    let one = monitored.get(&path).await.expect(200)["standbys"][0].clone();
    for field in ["idle", "state", "sent_lsn", "replay_behind_bytes", "replay_lag_ms", "last_message_at"] {
        assert_eq!(one[field], json!(null), "{field}");
    }
}

#[tokio::test]
async fn lags_over_a_range_stand_on_one_grid() {
    let monitored = Monitored::new().await;
    let one = |pid: i64, sent: &str, replayed: &str, lag: Value| json!([standby(pid, "two", sent, replayed, lag)]);
    monitored.push("main", &[("pg_stat_replication", "11:50:30", one(1, "A/4F0010", "A/4F0010", json!(null)))]).await;
    monitored.push("main", &[("pg_stat_replication", "11:51:30", one(1, "A/4F0010", "A/4F0000", json!(2_000)))]).await;
    // It connected anew: the series goes on.
    monitored.push("main", &[("pg_stat_replication", "11:53:30", one(7, "A/4F0010", "9/4F0010", json!(null)))]).await;
    let path = format!("/instances/{}/replication", monitored.id("main").await);
    let range = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:54:00Z&step=60";
    let answer = monitored.get(&format!("{path}?{range}")).await.expect(200);
    assert_eq!(answer["grid"], json!({"start": "2026-03-01T11:50:00Z", "step_ms": 60_000, "points": 4}));
    let series = &answer["standbys"][0]["series"];
    // Idle is 0; a minute without a reading is a gap; what is not known while it replays is null.
    assert_eq!(series["replay_lag_ms"], json!([0.0, 2.0, null, null]));
    assert_eq!(series["replay_behind_bytes"], json!([0.0, 16.0, null, 4_294_967_296.0]));
    assert_eq!(series["own_replay_lag_ms"], json!(null), "it is not monitored");
    monitored
        .get(&format!("{path}?start=2026-03-01T11:50:00Z&end=2026-03-01T11:40:00Z"))
        .await
        .refused(400, "invalid_request");
}

#[tokio::test]
async fn a_standby_that_is_monitored_is_linked_and_says_its_own_lag() {
    let monitored = Monitored::new().await;
    let streams = json!([{"pid": 5, "application_name": "walreceiver", "client_addr": "10.0.0.2", "state": "streaming",
        "current_lsn": "0/500", "sent_lsn": "0/500", "write_lsn": "0/500", "flush_lsn": "0/500", "replay_lsn": "0/100"}]);
    let slots = json!([{"slot_name": "two", "slot_type": "physical", "active": true, "active_pid": 5,
        "restart_lsn": "0/100", "retained_bytes": 1024}]);
    let receiver = |lag: i64| {
        json!([{"pid": 6, "status": "streaming", "slot_name": "two", "received_lsn": "0/500", "replayed_lsn": "0/100",
            "not_replayed_bytes": 1024, "replay_lag": lag, "replay_paused": true}])
    };
    monitored
        .push("one", &[("pg_stat_replication", "11:59:00", streams), ("pg_replication_slots", "11:59:00", slots)])
        .await;
    monitored.push("two", &[("pg_stat_wal_receiver", "11:58:00", receiver(1_000_000))]).await;
    monitored.push("two", &[("pg_stat_wal_receiver", "11:59:00", receiver(61_000_000))]).await;
    monitored.push("other", &[("pg_stat_wal_receiver", "11:59:00", receiver(5))]).await;
    monitored
        .execute(
            "update metrics.instances set system_identifier = '7', role = case name when 'one' then 'primary' else 'standby' end;
             update metrics.instances set system_identifier = '8' where name = 'other'",
        )
        .await;
    let (one, two) = (monitored.id("one").await, monitored.id("two").await);
    let of = async |id: i32| monitored.get(&format!("/instances/{id}/replication")).await.expect(200);

    let primary = of(one).await;
    let standby = &primary["standbys"][0];
    assert_eq!((&standby["slot_name"], &standby["instance"]), (&json!("two"), &json!({"id": two, "name": "two"})));
    assert_eq!(standby["receiver"]["replay_lag_ms"], json!(61_000.0));
    assert_eq!((&standby["receiver"]["replay_paused"], &primary["receiver"]), (&json!(true), &json!(null)));
    let known = standby["series"]["own_replay_lag_ms"].as_array().unwrap().iter().filter(|value| !value.is_null());
    assert_eq!(known.collect::<Vec<_>>(), [&json!(1_000.0), &json!(61_000.0)]);
    let members: Vec<_> = primary["cluster"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(members, ["one", "two"]);

    let follower = of(two).await;
    assert_eq!(follower["receiver"]["upstream"], json!({"id": one, "name": "one"}));
    assert_eq!(
        (&follower["receiver"]["not_replayed_bytes"], &follower["receiver"]["idle"]),
        (&json!(1024), &json!(false))
    );
    assert_eq!((&follower["standbys"], &follower["cluster"][1]["upstream_id"]), (&json!([]), &json!(one)));

    // Promoted since: what it received is of then.
    let promoted = json!([{"in_recovery": false, "postmaster_start": "2026-03-01T08:00:00Z", "position": "0/600"}]);
    let standing = json!([{"in_recovery": true, "postmaster_start": "2026-03-01T08:00:00Z", "position": "0/100"}]);
    monitored.push("two", &[("wal", "11:59:00", standing), ("wal", "11:59:30", promoted)]).await;
    assert_eq!(of(two).await["receiver"], json!(null));
    let then = format!("/instances/{two}/replication?at=2026-03-01T11:59:10Z");
    assert_eq!(monitored.get(&then).await.expect(200)["receiver"]["not_replayed_bytes"], json!(1024));

    let slots = monitored.get(&format!("/instances/{one}/slots")).await.expect(200);
    let slot = &slots["data"][0];
    assert_eq!(
        (&slot["slot_name"], &slot["restart_lsn"], &slot["retained_bytes"]),
        (&json!("two"), &json!("0/100"), &json!(1024))
    );
    assert_eq!((&slot["wal_status"], &slots["at"]), (&json!(null), &json!("2026-03-01T11:59:00Z")));
    assert!(slot["series"]["retained_bytes"].as_array().unwrap().contains(&json!(1024.0)));
}

/// What a standby says: received, replayed, its lag by its own clock, and when what it replayed last was committed.
fn receives(pid: Value, received: Value, replayed: &str, lag: Value, replayed_at: &str) -> Value {
    json!([{"pid": pid, "status": pid.as_i64().map(|_| "streaming"), "received_lsn": received, "replayed_lsn": replayed,
        "replay_lag": lag, "last_replayed_at": format!("2026-03-01T{replayed_at}Z")}])
}

#[tokio::test]
async fn a_standby_whose_clock_is_off_lags_since_it_was_caught_up() {
    // What its clock makes of the age: behind by ten minutes nothing, as older collectors say it, ahead too much.
    for lag in [json!(null), json!(0), json!(624_000_000)] {
        let monitored = Monitored::new().await;
        let push = async |time: &str, received: &str, lag: Value| {
            // The primary's clock is off as well: nothing that was replayed is of the time it says.
            let row = receives(json!(9), json!(received), "0/500", lag, "12:30:00");
            monitored.push("two", &[("pg_stat_wal_receiver", time, row)]).await;
        };
        push("11:59:20", "0/500", json!(0)).await;
        push("11:59:30", "0/600", lag.clone()).await;
        push("11:59:44", "0/38C8", lag.clone()).await;
        monitored.execute("update metrics.instances set role = 'standby'").await;
        let path = format!("/instances/{}/replication", monitored.id("two").await);
        let said = monitored.get(&path).await.expect(200)["receiver"].clone();
        assert_eq!((&said["replay_lag_ms"], &said["idle"]), (&json!(24_000.0), &json!(false)), "{lag}: {said}");
        assert_eq!((&said["behind_bytes"], &said["unmeasured"]), (&json!(13_256), &json!({})), "{lag}");
        let fleet = monitored.get("/instances").await.expect(200)["data"][0].clone();
        assert_eq!((&fleet["replay_lag_ms"], &fleet["replay_lag_bytes"]), (&json!(24_000.0), &json!(13_256)), "{lag}");
    }
}

#[tokio::test]
async fn what_the_sender_told_and_has_not_sent_is_behind_too() {
    let monitored = Monitored::new().await;
    let mut row = receives(json!(9), json!("0/500"), "0/500", json!(0), "11:59:00");
    row[0]["latest_end_lsn"] = json!("0/700");
    monitored.push("two", &[("pg_stat_wal_receiver", "11:59:30", row)]).await;
    monitored.execute("update metrics.instances set role = 'standby'").await;
    let path = format!("/instances/{}/replication", monitored.id("two").await);
    let said = monitored.get(&path).await.expect(200)["receiver"].clone();
    assert_eq!((&said["behind_bytes"], &said["idle"]), (&json!(512), &json!(false)));
}

#[tokio::test]
async fn without_a_receiver_the_position_of_the_watched_primary_counts() {
    let monitored = Monitored::new().await;
    let wal = |position: &str| json!([{"in_recovery": false, "postmaster_start": "2026-03-01T08:00:00Z", "position": position}]);
    let replays = |position: &str| receives(json!(null), json!(null), position, json!(null), "11:58:00");
    monitored.push("one", &[("wal", "11:58:00", wal("0/3000000")), ("wal", "11:59:20", wal("0/3600000"))]).await;
    monitored.push("one", &[("wal", "11:59:50", wal("0/3666660"))]).await;
    monitored.push("two", &[("pg_stat_wal_receiver", "11:58:00", replays("0/3000000"))]).await;
    monitored.push("two", &[("pg_stat_wal_receiver", "11:59:55", replays("0/3000000"))]).await;
    let cluster = "update metrics.instances set system_identifier = '7',
        role = case name when 'one' then 'primary' else 'standby' end";
    monitored.execute(cluster).await;
    let (one, two) = (monitored.id("one").await, monitored.id("two").await);
    let receiver =
        async || monitored.get(&format!("/instances/{two}/replication")).await.expect(200)["receiver"].clone();
    let listed = async || {
        let all = monitored.get("/instances").await.expect(200);
        all["data"].as_array().unwrap().iter().find(|instance| instance["name"] == "two").unwrap().clone()
    };

    let said = receiver().await;
    assert_eq!((&said["behind_bytes"], &said["not_replayed_bytes"]), (&json!(0x0066_6660), &json!(null)));
    // The last that was replayed is 115 s old, and so long ago is when the primary stood there.
    assert_eq!((&said["replay_lag_ms"], &said["last_replay_age_ms"]), (&json!(115_000.0), &json!(115_000.0)));
    assert_eq!((&said["idle"], &said["primary"]), (&json!(false), &json!({"id": one, "name": "one"})));
    let instance = listed().await;
    assert_eq!(
        (&instance["replay_lag_bytes"], &instance["reasons"]),
        (&json!(0x0066_6660), &json!(["Replay is 1 min 55 s behind."]))
    );
    let whole = "start=2026-03-01T11:58:30Z&end=2026-03-01T12:00:00Z&step=30";
    let series = monitored.get(&format!("/instances/{two}/replication?{whole}")).await.expect(200);
    assert_eq!(series["receiver_series"]["behind_bytes"], json!([null, null, 6_710_880.0]));
    assert_eq!(series["receiver_series"]["replay_lag_ms"], json!([null, null, 115_000.0]));

    // Equal positions are caught up, whatever the age of what was replayed.
    monitored.push("two", &[("pg_stat_wal_receiver", "11:59:56", replays("0/3666660"))]).await;
    let said = receiver().await;
    assert_eq!((&said["behind_bytes"], &said["replay_lag_ms"], &said["idle"]), (&json!(0), &json!(0.0), &json!(true)));
    assert_eq!(listed().await["state"], "healthy");

    // Nobody watches its primary: nobody knows.
    monitored.execute("update metrics.instances set system_identifier = '8' where name = 'one'").await;
    let why = "No WAL receiver runs, and its primary is not watched.";
    let said = receiver().await;
    assert_eq!(
        (&said["behind_bytes"], &said["replay_lag_ms"], &said["idle"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!(said["unmeasured"]["replay_lag_ms"]["message"], why);
    let instance = listed().await;
    let reason = format!("How far replay is behind is not known: {why}");
    assert_eq!((&instance["state"], &instance["reasons"]), (&json!("warning"), &json!([reason])));
    assert_eq!(instance["unmeasured"]["replay_lag_ms"]["message"], why);
}

#[tokio::test]
async fn what_receives_beside_a_standby_is_none_and_takes_nothing_from_it() {
    let monitored = Monitored::new().await;
    let row = |pid: i64, name: &str, state: &str, replayed: Value| {
        json!({"pid": pid, "application_name": name, "client_addr": "10.0.0.2", "state": state, "sync_state": "async",
            "current_lsn": "0/500", "sent_lsn": "0/500", "write_lsn": "0/500", "flush_lsn": "0/400",
            "replay_lsn": replayed, "replay_lag": 90_000_000})
    };
    let streams = json!([
        row(5, "walreceiver", "streaming", json!("0/400")),
        row(6, "pg_receivewal", "streaming", json!(null)),
        row(7, "barman_receive_wal", "streaming", json!(null)),
        row(8, "nightly", "backup", json!(null)),
        row(9, "pg_basebackup", "streaming", json!(null)),
        row(10, "subscription", "streaming", json!("0/500")),
    ]);
    let slots = json!([
        {"slot_name": "two", "slot_type": "physical", "active": true, "active_pid": 5},
        {"slot_name": "sub", "slot_type": "logical", "active": true, "active_pid": 10},
    ]);
    let standby = json!([{"pid": 3, "status": "streaming", "slot_name": "two", "received_lsn": "0/500",
        "replayed_lsn": "0/500", "replay_lag": 0}]);
    monitored
        .push("one", &[("pg_replication_slots", "11:59:59", slots), ("pg_stat_replication", "11:59:59", streams)])
        .await;
    monitored.push("two", &[("pg_stat_wal_receiver", "11:59:59", standby)]).await;
    let cluster = "update metrics.instances set system_identifier = '7', host = '10.0.0.2',
        role = case name when 'one' then 'primary' else 'standby' end";
    monitored.execute(cluster).await;
    let (one, two) = (monitored.id("one").await, monitored.id("two").await);
    let said = monitored.get(&format!("/instances/{one}/replication")).await.expect(200);
    let standbys = said["standbys"].as_array().unwrap();
    assert_eq!(standbys.len(), 1, "{said}");
    assert_eq!((&standbys[0]["pid"], &standbys[0]["instance"]["id"]), (&json!(5), &json!(two)));
    let receivers = said["receivers"].as_array().unwrap().iter().map(|one| (&one["kind"], &one["pid"]));
    let kinds = [("receiver", 7), ("base_backup", 8), ("base_backup", 9), ("receiver", 6), ("logical", 10)];
    let kinds: Vec<(Value, Value)> = kinds.into_iter().map(|(kind, pid)| (json!(kind), json!(pid))).collect();
    assert_eq!(receivers.collect::<Vec<_>>(), kinds.iter().map(|(kind, pid)| (kind, pid)).collect::<Vec<_>>());
    assert_eq!(
        (&said["receivers"][3]["flush_behind_bytes"], &said["receivers"][4]["slot_name"]),
        (&json!(256), &json!("sub"))
    );
    let of_two = monitored.get(&format!("/instances/{two}/replication")).await.expect(200);
    assert_eq!(of_two["receiver"]["upstream"]["id"], json!(one));
    // Ninety seconds of one that replays nothing are no lag of a standby; of the standby they are.
    assert_eq!(
        monitored.get(&format!("/instances/{one}")).await.expect(200)["reasons"],
        json!(["Standby walreceiver replays 1 min 30 s behind."])
    );
}

#[tokio::test]
async fn a_lag_that_stands_still_is_as_long_as_what_waits() {
    let monitored = Monitored::new().await;
    let wal = |position: &str| json!([{"in_recovery": false, "position": position}]);
    let one = json!([standby(1, "paused", "A/4F0010", "A/400000", json!(2_000))]);
    monitored.push("main", &[("wal", "11:58:59", wal("A/400000")), ("wal", "11:59:09", wal("A/4F0000"))]).await;
    monitored.push("main", &[("wal", "11:59:49", wal("A/4F0010")), ("pg_stat_replication", "11:59:59", one)]).await;
    let path = format!("/instances/{}", monitored.id("main").await);
    let said = monitored.get(&format!("{path}/replication")).await.expect(200)["standbys"][0].clone();
    assert_eq!((&said["replay_lag_ms"], &said["idle"]), (&json!(50_000.0), &json!(false)));
    assert_eq!(monitored.get(&path).await.expect(200)["reasons"], json!(["Standby paused replays 50 s behind."]));
}

/// After a promotion PostgreSQL's `replay_lag` of an idle standby grows for ever.
#[tokio::test]
async fn who_has_the_newest_position_is_not_behind_whatever_the_lag_says() {
    let monitored = Monitored::new().await;
    let wal = json!([{"in_recovery": false, "position": "A/4F0010"}]);
    let one = json!([standby(1, "two", "A/4F0010", "A/4F0010", json!(2_484_000_000_i64))]);
    monitored.push("main", &[("wal", "11:59:59", wal), ("pg_stat_replication", "11:59:59", one)]).await;
    let path = format!("/instances/{}", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}/replication")).await.expect(200);
    let said = &answer["standbys"][0];
    assert_eq!(
        (&said["replay_lag_ms"], &said["replay_behind_bytes"], &said["idle"]),
        (&json!(0.0), &json!(0), &json!(true))
    );
    let series = said["series"]["replay_lag_ms"].as_array().unwrap();
    assert_eq!(series.iter().rfind(|value| !value.is_null()), Some(&json!(0.0)));
    assert_eq!(monitored.get(&path).await.expect(200)["reasons"], json!([]));
}

#[tokio::test]
async fn lags_are_known_as_long_as_buckets_are() {
    let monitored = Monitored::new().await;
    let wal = |position: &str| json!([{"in_recovery": false, "position": position}]);
    let at = |replayed: &str, lag: Value| json!([standby(1, "two", "A/4F0000", replayed, lag)]);
    monitored.push("main", &[("wal", "10:01:00", wal("A/4E0000")), ("wal", "10:02:00", wal("A/4F0010"))]).await;
    let readings = [
        ("10:03:00", at("A/4F0000", json!(1_000))),
        ("10:04:00", at("A/4E0000", json!(2_000))),
        ("10:17:00", at("A/4F0010", json!(9_000_000))),
        ("11:59:00", at("A/4F0000", json!(5_000))),
    ];
    for (time, rows) in readings {
        monitored.push("main", &[("pg_stat_replication", time, rows)]).await;
    }
    let path = format!("/instances/{}/replication", monitored.id("main").await);
    let series = async |step: i64| {
        let asked = "at=2026-03-01T11:59:00Z&start=2026-03-01T10:00:00Z&end=2026-03-01T12:00:00Z";
        monitored.get(&format!("{path}?{asked}&step={step}")).await.expect(200)["standbys"][0]["series"].clone()
    };
    let (cells, hours) = (series(300).await, series(3600).await);
    // Since 10:02 it has not replayed what was written then; later it was ahead of what the primary knew to be the end.
    assert_eq!(hours["replay_lag_ms"][0], json!(120_000.0));
    assert_eq!((&cells["replay_lag_ms"][0], &cells["replay_lag_ms"][3]), (&json!(120_000.0), &json!(0.0)));
    assert_eq!(hours["replay_behind_bytes"], json!([65_552.0, 16.0]));
    assert_eq!(hours["sent_behind_bytes"], json!([16.0, 16.0]));
    let store = monitored.server.app.store().unwrap();
    let later = "2026-03-10T00:00:00Z".parse().unwrap();
    while store.roll_up(later).await.unwrap().is_left {}
    monitored.execute("update metrics.pg_stat_replication_5m set replay_wait_max = replay_wait_max + 1000").await;
    let marked = series(300).await;
    assert_eq!(marked["replay_lag_ms"][0], json!(120_001.0), "it comes from buckets");
    monitored.execute("update metrics.pg_stat_replication_5m set replay_wait_max = replay_wait_max - 1000").await;
    assert_eq!((series(300).await, series(3600).await), (cells.clone(), hours.clone()));
    // A store whose buckets had no such figures gets them from what is there.
    for tier in ["5m", "1h", "1d", "1w"] {
        monitored
            .execute(&format!("alter table metrics.pg_stat_replication_{tier} drop column replay_wait_max, drop column sent_behind_max"))
            .await;
    }
    let pool = open(&PoolSettings { url: monitored.server.dsn.clone(), max_connections: 2 }).await.unwrap();
    let upgraded = Store::prepare(pool, Arc::new(Catalog::embedded().unwrap())).await.unwrap();
    while upgraded.roll_up(later).await.unwrap().is_left {}
    assert_eq!((series(300).await, series(3600).await), (cells, hours));
}
