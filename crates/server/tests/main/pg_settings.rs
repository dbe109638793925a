//! GET /instances/{id}/settings, against what was computed by hand.

use serde_json::json;

use crate::monitored::Monitored;

#[tokio::test]
async fn settings_are_as_they_were_at_the_moment() {
    let monitored = Monitored::new().await;
    let work_mem = |value: &str, pending: bool| {
        json!({"name": "work_mem", "setting": value, "unit": "kB", "boot_val": "4096", "source": "default",
            "category": "Resource Usage / Memory", "short_desc": "Memory.", "pending_restart": pending})
    };
    let readings = [
        ("pg_settings", "10:00:00", json!([work_mem("4096", false), {"name": "a.plugin", "setting": "on"}])),
        ("pg_settings", "11:00:00", json!([work_mem("8192", false)])),
        // Sent anew with another property: the value is as old as before.
        ("pg_settings", "11:30:00", json!([work_mem("8192", true), {"name": "a.plugin", "removed": true}])),
        ("pg_settings", "12:04:00", json!([work_mem("1", false)])),
    ];
    monitored.push("main", &readings).await;
    let path = format!("/instances/{}/settings", monitored.id("main").await);
    let now = monitored.get(&path).await.expect(200);
    assert_eq!(
        now,
        json!({"count": 1, "data": [{"name": "work_mem", "setting": "8192", "unit": "kB", "boot_val": "4096",
            "source": "default", "category": "Resource Usage / Memory", "short_desc": "Memory.",
            "pending_restart": true, "changed_at": "2026-03-01T11:00:00Z"}]})
    );
    let before = monitored.get(&format!("{path}?at=2026-03-01T10:59:59Z")).await.expect(200);
    assert_eq!(before["count"], 2);
    assert_eq!((&before["data"][0]["name"], &before["data"][0]["changed_at"]), (&json!("a.plugin"), &json!(null)));
    assert_eq!((&before["data"][1]["setting"], &before["data"][1]["changed_at"]), (&json!("4096"), &json!(null)));
    assert_eq!(monitored.get(&format!("{path}?at=2026-03-01T09:00:00Z")).await.expect(200)["count"], 0);
}
