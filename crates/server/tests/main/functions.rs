//! GET /instances/{id}/functions, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z";

fn called(funcid: i64, calls: i64, total: i64, own: i64) -> Value {
    json!({"funcid": funcid, "calls": calls, "total_time": total, "self_time": own})
}

#[tokio::test]
async fn functions_are_told_apart_by_database_and_keep_their_last_name() {
    let monitored = Monitored::new().await;
    let databases = json!([{"datid": 5, "datname": "shop"}, {"datid": 6, "datname": "crm"}]);
    let settings = json!([{"name": "track_functions", "setting": "pl"}]);
    monitored.push("main", &[("pg_database", "11:00:00", databases), ("pg_settings", "11:00:00", settings)]).await;
    let named = |name: &str| json!([{"funcid": 20, "schema": "public", "proname": name, "arguments": "integer", "kind": "f", "language": "plpgsql"}]);
    monitored.push_database("main", 5, &[("pg_proc", "11:00:00", named("price"))]).await;
    monitored.push_database("main", 6, &[("pg_proc", "11:00:00", named("score"))]).await;
    // Dropped in the middle of the range: what it did stays its own.
    monitored.push_database("main", 6, &[("pg_proc", "11:53:00", json!([]))]).await;
    for time in ["11:51:00", "11:52:00"] {
        let shop = json!([called(20, 60, 90_000, 60_000), called(21, 0, 0, 0)]);
        monitored.push_database("main", 5, &[("pg_stat_user_functions", time, shop)]).await;
        let crm = json!([called(20, 3, 30_000, 20_000)]);
        monitored.push_database("main", 6, &[("pg_stat_user_functions", time, crm)]).await;
    }
    let path = format!("/instances/{}/functions", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    assert_eq!((&answer["total"], &answer["track"]), (&json!(2), &json!("pl")), "one was never called");
    let (price, score) = (&answer["data"][0], &answer["data"][1]);
    assert_eq!(
        (&price["database"], &price["name"], &price["arguments"]),
        (&json!("shop"), &json!("price"), &json!("integer"))
    );
    assert_eq!((&price["calls"], &price["calls_per_s"], &price["share"]), (&json!(120.0), &json!(1.0), &json!(0.75)));
    assert_eq!((&price["mean_time_ms"], &price["mean_self_time_ms"]), (&json!(1.5), &json!(1.0)));
    assert_eq!(
        (&score["database"], &score["name"], &score["total_time_ms"]),
        (&json!("crm"), &json!("score"), &json!(60.0))
    );
    let slowest = monitored.get(&format!("{path}?{RANGE}&order=mean_time_ms&limit=1")).await.expect(200);
    assert_eq!(
        (&slowest["data"][0]["name"], &slowest["count"], &slowest["total"]),
        (&json!("score"), &json!(1), &json!(2))
    );
    let found = monitored.get(&format!("{path}?{RANGE}&search=PRI&database=shop")).await.expect(200);
    assert_eq!((&found["total"], &found["totals"]["calls"]), (&json!(1), &json!(120.0)));
    assert_eq!(found["data"][0]["share"], json!(0.75), "of all, whatever is listed");
    monitored.get(&format!("{path}?{RANGE}&order=name")).await.expect(400);
    let earlier =
        monitored.get(&format!("{path}?start=2026-03-01T10:00:00Z&end=2026-03-01T10:30:00Z")).await.expect(200);
    assert_eq!((&earlier["data"], &earlier["track"]), (&json!([]), &json!(null)), "nothing was read then");
}
