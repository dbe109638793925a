//! A monitored instance of a test's own, fed through the real push.

use serde_json::{Value, json};
use server::accounts::Role;
use uuid::Uuid;

use crate::support::{Answer, Server};

/// A server with a collector and a viewer.
pub(crate) struct Monitored {
    pub(crate) server: Server,
    pub(crate) collector: Uuid,
    token: String,
    viewer: String,
}

impl Monitored {
    pub(crate) async fn new() -> Self {
        // A test may push many bodies of one collector at once.
        let settings = [("RATE_LIMIT_USER_PER_MINUTE", "100000"), ("METRICS_BUFFER_SIZE", "1073741824")];
        let server = Server::measuring(&settings).await;
        let (collector, token) = server.collector("measured").await;
        let viewer = server.signed_in(Role::Viewer).await;
        Self { server, collector, token, viewer }
    }

    /// Pushes readings as (set, time of 2026-03-01, rows) of an instance; intervals are 60 s long.
    pub(crate) async fn push(&self, instance: &str, readings: &[(&str, &str, Value)]) {
        self.push_of(instance, None, readings).await;
    }

    /// The same of one database, by its oid.
    pub(crate) async fn push_database(&self, instance: &str, datid: i64, readings: &[(&str, &str, Value)]) {
        self.push_of(instance, Some(datid), readings).await;
    }

    async fn push_of(&self, instance: &str, datid: Option<i64>, readings: &[(&str, &str, Value)]) {
        let metrics: Vec<Value> = readings
            .iter()
            .map(|(set, time, rows)| {
                let timestamp = format!("2026-03-01T{time}Z");
                json!({"type": set, "timestamp": timestamp, "interval_ms": 60_000, "instance": instance,
                    "database": datid, "rows": rows})
            })
            .collect();
        let body = json!({"collector_id": self.collector, "metrics": metrics});
        let answer = self.send(body).await;
        assert_eq!(answer["rejected"], json!([]), "{answer}");
    }

    /// Pushes a body, whatever the server takes of it.
    pub(crate) async fn send(&self, body: Value) -> Value {
        self.server.post("/metrics/push").bearer(&self.token).json(body).send().await.expect(202)
    }

    /// The number of an instance.
    pub(crate) async fn id(&self, instance: &str) -> i32 {
        let client = self.server.app.metrics.get().await.unwrap();
        client.query_one("select id from metrics.instances where name = $1", &[&instance]).await.unwrap().get(0)
    }

    /// What a collector says beside readings.
    pub(crate) async fn execute(&self, sql: &str) {
        self.server.app.metrics.get().await.unwrap().simple_query(sql).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.server.get(path).bearer(&self.viewer).send().await
    }
}
