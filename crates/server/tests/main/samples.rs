//! GET /instances/{id}/waits over sampled sessions, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z&step=60";

fn found(more: Value, samples: i64) -> Value {
    let mut row = json!({"datid": 16384, "userid": 10, "application_name": "checkout", "backend_type": "client backend",
        "queryid": 42, "state": "active", "wait_event_type": "", "wait_event": "", "samples": samples});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn counts(taken: i64, missed: i64) -> Value {
    json!([{"taken": taken, "missed": missed}])
}

async fn an_instance() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    let lock = |user: i64, samples| {
        found(json!({"userid": user, "wait_event_type": "Lock", "wait_event": "tuple", "queryid": -7}), samples)
    };
    let vacuum = json!({"userid": 0, "application_name": "", "backend_type": "autovacuum worker", "queryid": 0,
        "wait_event_type": "Timeout", "wait_event": "VacuumDelay"});
    let holder = json!({"state": "idle in transaction", "wait_event_type": "Client", "wait_event": "ClientRead"});
    // What a row limit cut keeps its class and state.
    let cut = json!({"userid": 0, "application_name": "", "queryid": 0, "wait_event_type": "IO"});
    let first = json!([found(json!({}), 20), lock(11, 10), found(holder, 10), found(vacuum, 5), found(cut, 5)]);
    let second = json!([lock(10, 4)]);
    let readings = [
        ("pg_database", "11:00:00", json!([{"datid": 16384, "datname": "shop"}])),
        ("pg_roles", "11:00:00", json!([{"roleid": 10, "rolname": "app"}, {"roleid": 11, "rolname": "etl"}])),
        ("session_samples", "11:50:10", first),
        ("session_sampling", "11:50:10", counts(10, 0)),
        // Six of ten were missed, and those are not idle.
        ("session_samples", "11:50:20", second),
        ("session_sampling", "11:50:20", counts(4, 6)),
        ("session_samples", "11:52:30", json!([])),
        ("session_sampling", "11:52:30", counts(6, 0)),
        // All of them.
        ("session_sampling", "11:53:30", counts(0, 10)),
    ];
    monitored.push("main", &readings).await;
    let path = format!("/instances/{}/waits?{RANGE}", monitored.id("main").await);
    (monitored, path)
}

fn series<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let all = answer["series"].as_array().unwrap();
    all.iter().find(|series| series["name"] == name).unwrap_or_else(|| panic!("{name}: {answer}"))
}

fn names(answer: &Value) -> Vec<&str> {
    answer["series"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_mean_is_over_the_samples_that_were_taken() {
    let (monitored, path) = an_instance().await;
    let answer = monitored.get(&path).await.expect(200);
    assert_eq!(series(&answer, "CPU")["values"], json!([20.0 / 14.0, null, 0.0, null, null]));
    assert_eq!(series(&answer, "Lock")["values"], json!([1.0, null, 0.0, null, null]));
    assert_eq!(series(&answer, "Lock")["mean"], json!(14.0 / 20.0));
    assert_eq!(series(&answer, "IO")["mean"], json!(5.0 / 20.0), "what was cut counts where it is known");
    assert_eq!(series(&answer, "Client")["mean"], json!(0.0), "who is idle in a transaction is not active");
    assert!((answer["mean"].as_f64().unwrap() - 44.0 / 20.0).abs() < 1e-9, "{answer}");
    let message = "16 of 36 samples were missed (44 %): nothing is known of those seconds.";
    assert_eq!(answer["samples"], json!({"taken": 20, "missed": 16, "message": message}));
    // Over a step of the whole range it is the same, and not the mean of the steps.
    let whole = monitored.get(&path.replace("step=60", "step=300")).await.expect(200);
    assert_eq!(series(&whole, "CPU")["values"], json!([1.0]));
    // And so says SQL.
    let over = "('2026-03-01 11:50Z', '2026-03-01 11:55Z')";
    let sql = format!(
        "select (sum(s.samples) / max(t.taken))::float8
         from metrics.session_samples_over{over} s
         join metrics.session_sampling_over{over} t using (instance_id, time)
         where s.state in ('active', 'fastpath function call')"
    );
    let client = monitored.server.app.metrics.get().await.unwrap();
    let row = client.query_one(&sql, &[]).await.unwrap();
    assert!((row.get::<_, f64>(0) - 44.0 / 20.0).abs() < 1e-9);
}

#[tokio::test]
async fn sessions_are_told_apart_by_whatever_is_asked_for() {
    let (monitored, path) = an_instance().await;
    let by = async |what: &str| monitored.get(&format!("{path}&by={what}")).await.expect(200);
    let mean = |answer: &Value, name: &str| series(answer, name)["mean"].as_f64().unwrap() * 20.0;
    let events = by("event").await;
    assert_eq!(names(&events), ["CPU", "Lock:tuple", "IO", "Timeout:VacuumDelay"]);
    let databases = by("database").await;
    assert_eq!((names(&databases), mean(&databases, "shop")), (vec!["shop"], 44.0));
    let users = by("user").await;
    assert_eq!(names(&users), ["app", "etl", "no role", "others"]);
    assert_eq!(["app", "etl", "no role", "others"].map(|name| mean(&users, name)), [24.0, 10.0, 5.0, 5.0]);
    let applications = by("application").await;
    assert_eq!(names(&applications), ["checkout", "(autovacuum worker)", "others"]);
    let text = json!([{"dbid": 16384, "queryid": -7, "query": "update stock set n = n - $1"}]);
    monitored.push("main", &[("pg_stat_statements_text", "11:40:00", text)]).await;
    let queries = by("query").await;
    assert_eq!(names(&queries), ["42", "-7", "no queryid", "others"]);
    assert_eq!(series(&queries, "-7")["query"], "update stock set n = n - $1");
    assert_eq!(
        (&series(&queries, "42")["query"], &series(&queries, "42")["query_state"]),
        (&json!(null), &json!("not_captured"))
    );
    let states = by("state").await;
    assert_eq!((mean(&states, "active"), mean(&states, "idle in transaction")), (44.0, 10.0));
    let two = by("query&limit=2").await;
    assert_eq!((names(&two), mean(&two, "others")), (vec!["42", "others"], 24.0), "all of it is shown");

    let only = async |what: &str| monitored.get(&format!("{path}&{what}")).await.expect(200);
    assert_eq!(mean(&only("queryid=-7").await, "Lock"), 14.0);
    assert_eq!(mean(&only("queryid=-7").await, "CPU"), 0.0);
    assert_eq!(names(&only("class=Lock").await), ["tuple"]);
    assert_eq!(names(&only("class=Lock&by=user").await), ["etl", "app"]);
    assert_eq!(mean(&only("application=checkout&user=etl").await, "Lock"), 10.0);
    for wrong in ["by=nothing", "limit=1", "limit=51", "queryid=x"] {
        monitored.get(&format!("{path}&{wrong}")).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn without_samples_readings_tell_what_they_know() {
    let (monitored, path) = an_instance().await;
    let session = json!([{"datid": 16384, "userid": 10, "backend_type": "client backend", "state": "active",
        "wait_event_type": "IO", "wait_event": "DataFileRead", "sessions": 3}]);
    monitored.push("main", &[("sessions", "11:40:30", session)]).await;
    let path = path.replace("11:5", "11:4");
    let classes = monitored.get(&path).await.expect(200);
    assert_eq!((&series(&classes, "IO")["mean"], &classes["samples"]), (&json!(3.0), &json!(null)));
    assert_eq!(names(&monitored.get(&format!("{path}&by=user")).await.expect(200)), ["app"]);
    for unknown in ["by=query", "by=application", "queryid=42"] {
        let answer = monitored.get(&format!("{path}&{unknown}")).await.expect(200);
        assert_eq!((&answer["series"], &answer["mean"]), (&json!([]), &json!(null)), "{unknown}");
        assert_eq!(answer["unmeasured"]["series"]["code"], "not_sampled", "{unknown}");
    }
}
