//! How long what is kept: what is in force, what a change would free, and that it is done.

use ::store::Job;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use server::accounts::Role;

use crate::support::Server;

struct Kept {
    server: Server,
    admin: String,
}

impl Kept {
    /// A store with rows of today and of twenty days ago.
    async fn new() -> Self {
        let server = Server::measuring(&[]).await;
        let admin = server.signed_in(Role::Admin).await;
        let store = server.app.store().unwrap();
        let old = Timestamp::now() - SignedDuration::from_hours(24 * 20);
        store
            .ensure_partitions([("wal", ::store::Day::of(old)), ("pg_stat_statements", ::store::Day::of(old))])
            .await
            .unwrap();
        let client = server.app.metrics.get().await.unwrap();
        let rows = "insert into metrics.wal (instance_id, time) select 1, $1::timestamptz from generate_series(1, 100)";
        client.execute(rows, &[&old]).await.unwrap();
        Self { server, admin }
    }

    async fn get(&self) -> Value {
        self.server.get("/retention").bearer(&self.admin).send().await.expect(200)
    }

    fn put(&self, query: &str, changes: Value) -> crate::support::Call {
        let call = self.server.call("PUT", &format!("/retention{query}"));
        call.bearer(&self.admin).json(json!({"changes": changes}))
    }
}

fn tier<'a>(answer: &'a Value, list: &str, set: &str, tier: &str) -> &'a Value {
    let sets = answer[list].as_array().unwrap();
    let set = sets.iter().find(|one| one["set"] == set).unwrap();
    set["tiers"].as_array().unwrap().iter().find(|one| one["tier"] == tier).unwrap()
}

fn days(answer: &Value, list: &str, set: &str) -> Vec<i64> {
    ["raw", "5m", "1h", "1d", "1w"].map(|name| tier(answer, list, set, name)["days"].as_i64().unwrap()).to_vec()
}

#[tokio::test]
async fn what_is_in_force_what_it_takes_and_what_goes_is_told() {
    let kept = Kept::new().await;
    let answer = kept.get().await;
    assert_eq!(days(&answer, "data", "wal"), [7, 90, 731, 1827, 1827]);
    assert_eq!(days(&answer, "data", "pg_stat_statements"), [30, 90, 731, 1827, 1827]);
    assert_eq!(days(&answer, "shared", "readings"), [30, 90, 731, 1827, 1827]);
    let raw = tier(&answer, "data", "wal", "raw");
    assert_eq!(raw["partitions"], 6, "five around today, and an old one");
    let client = kept.server.app.metrics.get().await.unwrap();
    let sizes =
        "select sum(pg_total_relation_size(inhrelid))::int8 from pg_inherits where inhparent = 'metrics.wal'::regclass";
    let bytes: i64 = client.query_one(sizes, &[]).await.unwrap().get(0);
    assert_eq!(raw["bytes"], bytes);
    let to_go = raw["expired_bytes"].as_i64().unwrap();
    assert!(0 < to_go && to_go < bytes, "{raw}");
    assert_eq!(tier(&answer, "data", "pg_stat_statements", "raw")["expired_bytes"], 0, "it is kept for 30 days");
    assert_eq!((&answer["expired_bytes"], &answer["freed_bytes"]), (&json!(to_go), &json!(0)));
}

#[tokio::test]
async fn a_change_is_shown_before_it_is_made_and_then_done() {
    let kept = Kept::new().await;
    let changes =
        json!([{"set": "pg_stat_statements", "tier": "raw", "days": 10}, {"set": "wal", "tier": "1d", "days": 3000}]);
    let shown = kept.put("?dry_run=true", changes.clone()).send().await.expect(200);
    assert_eq!(days(&shown, "data", "pg_stat_statements"), [10, 90, 731, 1827, 1827]);
    assert_eq!(days(&shown, "shared", "cuts"), [30, 90, 731, 3000, 3000], "what explains stays as long as any");
    let freed = shown["freed_bytes"].as_i64().unwrap();
    assert_eq!(tier(&shown, "data", "pg_stat_statements", "raw")["expired_bytes"], freed);
    assert!(freed > 0);
    assert_eq!(days(&kept.get().await, "data", "pg_stat_statements"), [30, 90, 731, 1827, 1827], "nothing was changed");
    assert_eq!(kept.put("", changes).send().await.expect(200), shown);
    let answer = kept.get().await;
    assert_eq!((days(&answer, "data", "pg_stat_statements")[0], days(&answer, "data", "wal")[3]), (10, 3000));
    // The job is due at once.
    let store = kept.server.app.store().unwrap();
    let holder = ::store::Holder { id: uuid::Uuid::now_v7(), host: "one".to_owned() };
    store.run_due(Job::Retention, &holder).await.unwrap();
    assert_eq!(kept.get().await["expired_bytes"], 0);
    let back =
        json!([{"set": "pg_stat_statements", "tier": "raw", "days": null}, {"set": "wal", "tier": "1d", "days": null}]);
    kept.put("", back).send().await.expect(200);
    assert_eq!(days(&kept.get().await, "data", "wal"), [7, 90, 731, 1827, 1827]);
}

#[tokio::test]
async fn days_that_may_not_be_are_refused_whole() {
    let kept = Kept::new().await;
    let before = days(&kept.get().await, "data", "wal");
    let good = json!({"set": "wal", "tier": "raw", "days": 20});
    for (change, path) in [
        (json!({"set": "wal", "tier": "raw", "days": 0}), "changes[1].days"),
        (json!({"set": "wal", "tier": "1d", "days": 3661}), "changes[1].days"),
        (json!({"set": "wal", "tier": "5m", "days": 19}), "changes[1].days"),
        (json!({"set": "wal", "tier": "1h", "days": 30}), "changes[1].days"),
        (json!({"set": "wal", "tier": "2h", "days": 30}), "changes[1].tier"),
        (json!({"set": "pg_settings", "tier": "raw", "days": 30}), "changes[1].set"),
        (json!({"set": "nothing", "tier": "raw", "days": 30}), "changes[1].set"),
        (json!({"set": "wal", "tier": "raw", "days": 21}), "changes[1].tier"),
        // That of the tier that it leaves too short, or that leaves one too short.
        (json!({"set": "pg_stat_bgwriter", "tier": "1w", "days": 30}), "changes[1].days"),
    ] {
        let refused = kept.put("", json!([good, change])).send().await.refused(400, "invalid_request");
        let found: Vec<&str> =
            refused["details"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
        assert!(found.contains(&path), "{change}: {refused}");
    }
    assert_eq!(days(&kept.get().await, "data", "wal"), before);
    kept.put("", json!([{"set": "wal", "tier": "5m", "days": 90}])).send().await.expect(200);
    let longer = json!([{"set": "wal", "tier": "1d", "days": 2000}, {"set": "wal", "tier": "raw", "days": 100}]);
    let reason = "would need 5m to be kept for 100 days, and not for 90: 5m is made from what is kept for 100 days";
    let refused = kept.put("", longer).send().await.refused(400, "invalid_request");
    assert_eq!(refused["details"], json!([{"path": "changes[1].days", "reason": reason}]));
    let viewer = kept.server.signed_in(Role::Viewer).await;
    kept.server.get("/retention").bearer(&viewer).send().await.expect(200);
    kept.put("", json!([good])).send().await.expect(200);
    let call = kept.server.call("PUT", "/retention").bearer(&viewer).json(json!({"changes": []}));
    call.send().await.refused(403, "forbidden");
}

#[tokio::test]
async fn what_was_configured_before_tiers_had_days_is_carried_over() {
    use ::store::migrations::{METRICS, Schema};
    let database = testkit::store().await.unwrap();
    let mut client = database.connect().await.unwrap();
    Schema { migrations: &METRICS.migrations[..4], ..METRICS }.migrate(&mut client).await.unwrap();
    client.simple_query("insert into metrics.retention values ('wal', 400)").await.unwrap();
    METRICS.migrate(&mut client).await.unwrap();
    let rows = client.query(::store::retention::CONFIGURED, &[]).await.unwrap();
    let retention = ::store::retention::Retention::from_rows(&rows);
    let days = ::store::Holding::ALL.map(|holding| retention.days("wal", holding));
    assert_eq!(days, [400, 400, 731, 1827, 1827], "5 minutes are made from raw rows, and stay as long");
}
