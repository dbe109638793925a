//! GET /instances/{id}/replication, against what was computed by hand.

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
        (&json!(true), &json!(0), &json!(null))
    );

    let now = monitored.get(&path).await.expect(200);
    assert_eq!((&now["at"], &now["standbys"]), (&json!("2026-03-01T11:59:10Z"), &json!([])));
    assert_eq!(now["current_lsn"], json!(null));
    for at in ["2026-03-01T11:58:59Z", "1970-01-01T00:00:00Z", "-009999-01-02T01:59:59Z"] {
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
