//! Another cluster under an instance's name: it gives the same oids to other databases, roles and relations.

use serde_json::{Value, json};
use wire::{Attributes, FlagReason};

use crate::watched::{Watched, flag, primary, statement};

const DATABASE: i64 = 16_384;
const ROLE: i64 = 16_385;
const TABLE: i64 = 16_390;

/// One cycle of the cluster with this identifier: names, and work by the same oids and the same queryid.
async fn cycle(watched: &Watched, identifier: &str, time: &str, names: [&str; 3], calls: i64, replaced: bool) {
    let [database, role, text] = names;
    let seconds = (!replaced).then_some(60);
    let none: &[Value] = &[];
    let rows = |rows: Vec<Value>| if replaced { Vec::new() } else { rows };
    let mut readings = vec![
        watched.reading("pg_database", time, None, &[json!({"datid": DATABASE, "datname": database})]),
        watched.reading("pg_roles", time, None, &[json!({"roleid": ROLE, "rolname": role})]),
        watched.reading(
            "pg_stat_database",
            time,
            seconds,
            &rows(vec![json!({"datid": DATABASE, "xact_commit": calls, "xact_rollback": 0})]),
        ),
        watched.reading("pg_stat_statements", time, seconds, &rows(vec![statement(ROLE, DATABASE, 77, calls, 1000)])),
        watched.reading(
            "pg_stat_statements_text",
            time,
            None,
            // Each cluster's is sent once.
            &if replaced || time < "11:39:00" {
                vec![json!({"dbid": DATABASE, "queryid": 77, "query": text})]
            } else {
                Vec::new()
            },
        ),
        watched.reading("sessions", time, Some(60), none),
    ];
    let mut class = watched.reading(
        "pg_class",
        time,
        None,
        &[json!({"relid": TABLE, "schema": "public", "relname": format!("{database}s_table"), "relkind": "r"})],
    );
    class.datid = Some(DATABASE);
    let inserted = json!({"relid": TABLE, "n_tup_ins": calls});
    let mut tables = watched.reading("pg_stat_all_tables", time, seconds, &rows(vec![inserted]));
    tables.datid = Some(DATABASE);
    readings.extend([class, tables]);
    if replaced {
        readings[3].flags = vec![flag(FlagReason::Replaced, "11:40:00", time)];
    }
    let mut batch = watched.batch(readings);
    batch.instances[0].attributes = Some(Attributes { system_identifier: identifier.to_owned(), ..primary() });
    watched.push(batch).await;
}

const OLD: [&str; 3] = ["app", "worker", "select from app"];
const NEW: [&str; 3] = ["other", "guest", "select from other"];

async fn replaced() -> Watched {
    let watched = Watched::silent().await;
    for minute in ["11:38:00", "11:39:00", "11:40:00"] {
        cycle(&watched, "7301", minute, OLD, 6000, false).await;
    }
    cycle(&watched, "7302", "11:58:00", NEW, 0, true).await;
    for minute in ["11:59:00", "12:00:00"] {
        cycle(&watched, "7302", minute, NEW, 60, false).await;
    }
    watched
}

const HOUR: &str = "start=2026-03-01T11:00:00Z&end=2026-03-01T12:00:00Z";
const BEFORE: &str = "start=2026-03-01T11:00:00Z&end=2026-03-01T11:45:00Z";

fn table(answer: &Value) -> (&Value, &Value) {
    (&answer["data"][0]["name"], &answer["data"][0]["n_tup_ins"])
}

#[tokio::test]
async fn what_has_a_name_is_of_one_cluster() {
    let watched = replaced().await;
    let databases = watched.read(&format!("/databases?{HOUR}")).await;
    let row = &databases["data"][0];
    assert_eq!((&row["name"], &row["xact_commit"]), (&json!("other"), &json!(120.0)), "{databases}");
    let before = watched.read(&format!("/databases?{BEFORE}")).await;
    let row = &before["data"][0];
    assert_eq!((&row["name"], &row["xact_commit"]), (&json!("app"), &json!(18_000.0)), "{before}");

    let ranking = watched.read(&format!("/queries?{HOUR}")).await;
    let row = &ranking["data"][0];
    assert_eq!(
        (&row["database"], &row["user"], &row["query"], &row["calls"]),
        (&json!("other"), &json!("guest"), &json!("select from other"), &json!(120)),
        "{ranking}"
    );
    let told = ranking["flagged_intervals"][0]["message"].as_str().unwrap();
    assert!(told.starts_with("Another cluster answers since 2026-03-01 11:58:00 UTC"), "{told}");
    let before = watched.read(&format!("/queries?{BEFORE}")).await;
    let row = &before["data"][0];
    // The text of the same queryid went with the cluster: of the other one it would be a lie.
    assert_eq!(
        (&row["database"], &row["user"], &row["query"], &row["calls"]),
        (&json!("app"), &json!("worker"), &json!(null), &json!(18_000)),
        "{before}"
    );
    let one = watched.read(&format!("/queries/77?{HOUR}")).await;
    assert_eq!(
        (&one["figures"]["calls"], &one["no_comparison"]),
        (&json!(120), &json!("No earlier data: another cluster answered until 2026-03-01 11:57:59 UTC.")),
        "{one}"
    );

    let tables = watched.read(&format!("/tables?{HOUR}")).await;
    assert_eq!(tables["data"].as_array().unwrap().len(), 1, "{tables}");
    assert_eq!(tables["data"][0]["name"], "others_table");
    let before = watched.read(&format!("/tables?{BEFORE}&at=2026-03-01T11:40:30Z")).await;
    assert_eq!(table(&before).0, "apps_table", "{before}");
}

#[tokio::test]
async fn another_cluster_is_told_and_its_rates_are_its_own() {
    let watched = replaced().await;
    let fleet = watched.get("/instances").await.expect(200);
    let one = &fleet["data"][0];
    assert_eq!(
        one["reasons"],
        json!(["Another cluster answers since 2026-03-01 11:57:59 UTC: its system identifier is 7302, and was 7301 \
                before."]),
        "{one}"
    );
    assert_eq!((&one["state"], &one["tps"]), (&json!("warning"), &json!(1.0)), "{one}");
    let past = watched.get("/instances?at=2026-03-01T11:40:30Z").await.expect(200);
    assert_eq!(past["data"][0]["reasons"], json!([]), "{past}");
}

/// A spool that drains tells of the old cluster after the new one: each keeps its time.
#[tokio::test]
async fn a_late_batch_of_the_old_cluster_changes_nothing() {
    let watched = replaced().await;
    cycle(&watched, "7301", "11:37:00", OLD, 6000, false).await;
    let databases = watched.read(&format!("/databases?{HOUR}")).await;
    assert_eq!(databases["data"][0]["xact_commit"], 120.0, "{databases}");
    let before = watched.read(&format!("/databases?{BEFORE}")).await;
    let row = &before["data"][0];
    assert_eq!((&row["name"], &row["xact_commit"]), (&json!("app"), &json!(24_000.0)), "{before}");
}

/// What waited is delivered newest first.
#[tokio::test]
async fn a_cluster_answers_from_its_first_reading_on_in_whatever_order_they_arrive() {
    let watched = Watched::silent().await;
    cycle(&watched, "7301", "11:40:00", OLD, 6000, false).await;
    for minute in ["12:00:00", "11:59:00"] {
        cycle(&watched, "7302", minute, NEW, 60, false).await;
    }
    cycle(&watched, "7302", "11:58:00", NEW, 0, true).await;
    cycle(&watched, "7301", "11:39:00", OLD, 6000, false).await;
    let client = watched.server.app.metrics.get().await.unwrap();
    let known = "select since::text, system_identifier from metrics.clusters order by since";
    let rows = client.query(known, &[]).await.unwrap();
    let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let told = [("-infinity", "7301"), ("2026-03-01 11:57:59.999+00", "7302")];
    assert_eq!(rows, told.map(|(since, identifier)| (since.to_owned(), identifier.to_owned())));
    let databases = watched.read(&format!("/databases?{HOUR}")).await;
    let row = &databases["data"][0];
    assert_eq!((&row["name"], &row["xact_commit"]), (&json!("other"), &json!(120.0)), "{databases}");
}
