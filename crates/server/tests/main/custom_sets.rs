//! Custom sets: what is written here, for whom, and what collectors bring.

use catalog::{Definition, SetFiles};
use serde_json::{Value, json};
use server::accounts::Role;
use uuid::Uuid;
use wire::{Frame, Reading, SetState, State, StateCode, Status};

use crate::metrics::Measured;
use crate::support::{Answer, Call, Server};

pub(crate) const SET: &str = "help = \"Jobs that wait.\"\nscope = \"instance\"\ngroup = \"x_shop\"\ninterval = 30\n\n\
    [[columns]]\nname = \"queue\"\ntype = \"text\"\nkind = \"label\"\nhelp = \"The queue.\"\n\n\
    [[columns]]\nname = \"waiting\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"How many.\"\n";
const SQL: &str = "select j.queue::text as queue, count(*)::bigint as waiting from app.jobs as j group by 1";

struct Custom {
    measured: Measured,
    admin: String,
}

impl Custom {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let measured = Measured::with(settings).await;
        let server = &measured.server;
        let admin = server.session(server.user("ada", Role::Admin).await).await;
        Self { measured, admin }
    }

    fn server(&self) -> &Server {
        &self.measured.server
    }

    fn call(&self, method: &str, path: &str) -> Call {
        self.server().call(method, path).bearer(&self.admin)
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", path).send().await.expect(200)
    }

    async fn put(&self, name: &str, body: Value) -> Answer {
        self.call("PUT", &format!("/custom-sets/{name}")).json(body).send().await
    }

    async fn text(&self, collector: Uuid) -> Answer {
        self.call("GET", &format!("/config/{collector}")).send().await
    }

    /// What a collector that brings a definition is answered.
    async fn bring(&self, definition: &Definition) -> Value {
        let call = self.server().post("/metrics/definitions").bearer(&self.measured.token);
        call.json(json!({ "definitions": [definition] })).send().await.expect(200)
    }
}

fn body(set: &str, sql: &str) -> Value {
    json!({ "set": set, "sql": { "12": sql } })
}

fn definition(name: &str, set: &str) -> Definition {
    let files = SetFiles { set: set.to_owned(), sql: [("12".to_owned(), SQL.to_owned())].into() };
    files.parse(name).unwrap().definition
}

fn reading(custom: &Custom, definition: &Definition) -> Reading {
    let mut frame = Frame::new(definition);
    for (meaning, column) in definition.columns.iter().zip(&mut frame.columns) {
        let column = column.as_mut().unwrap();
        if meaning.name == "queue" { column.push_text("mail") } else { column.push_int(7) }
    }
    frame.rows = 1;
    let time_us = server::Clock::now(&*custom.server().clock).as_microsecond() - 5_000_000;
    let mut reading = Reading {
        set: definition.name.clone(),
        definition: definition.hash().0.to_vec(),
        started_us: time_us - 1000,
        time_us,
        interval_us: Some(10_000_000),
        ..Reading::default()
    };
    reading.encode_rows(&frame);
    reading
}

#[tokio::test]
async fn a_set_reaches_those_that_it_is_for_with_their_configuration() {
    let custom = Custom::start(&[]).await;
    let (one, _) = custom.server().collector("one").await;
    let (two, _) = custom.server().collector("two").await;
    let label = |id: Uuid, stage: &str| {
        custom.call("PUT", &format!("/collectors/{id}/labels")).json(json!({ "labels": { "stage": stage } })).send()
    };
    label(one, "prod").await.expect(200);
    label(two, "test").await.expect(200);
    let written = "# ours\n[x_shop]\ninterval = 10\n";
    custom.call("PUT", &format!("/config/{one}")).body(written.to_owned()).send().await.expect(200);

    let mut new = body(SET, SQL);
    new["selector"] = json!({ "stage": "prod" });
    new["note"] = json!("to see the queue");
    let checked = custom.call("PUT", "/custom-sets/x_jobs?check=true").json(new.clone()).send().await.expect(200);
    assert_eq!((&checked["version"], &checked["collectors_changed"]), (&json!(null), &json!(1)));
    assert_eq!(custom.get("/custom-sets").await["count"], 0);
    let made = custom.put("x_jobs", new.clone()).await.expect(200);
    assert_eq!((&made["version"], &made["outcomes"][0]["collector"]), (&json!(1), &json!("one")));
    let text = custom.text(one).await.text;
    assert!(text.starts_with(&format!("{written}[custom_sets.x_jobs]\n")) && text.contains("app.jobs"), "{text}");
    custom.text(two).await.refused(404, "no_configuration");
    let versions = custom.get(&format!("/config/{one}/versions")).await;
    let newest = &versions["data"][0];
    assert_eq!((&newest["why"], &newest["made_by"]), (&json!("custom_set"), &json!("ada")));
    assert_eq!(newest["custom_sets"], json!([{ "name": "x_jobs", "version": 1 }]));
    assert!(newest["diff"].as_str().unwrap().contains("+[custom_sets.x_jobs]"), "{newest}");

    // The same again makes nothing; another one reaches who is labelled later, and who registers later.
    let same = custom.put("x_jobs", new.clone()).await.expect(200);
    assert_eq!((&same["version"], &same["changed"]), (&json!(1), &json!(false)));
    label(two, "prod").await.expect(200);
    assert!(custom.text(two).await.text.contains("[custom_sets.x_jobs]"));
    new["selector"] = json!({});
    new["collectors"] = json!([two]);
    new["sql"]["14"] = json!("select 'a'::text as queue, 1::bigint as waiting");
    let etag = custom.get("/custom-sets/x_jobs").await["etag"].as_str().unwrap().to_owned();
    let change = || custom.call("PUT", "/custom-sets/x_jobs").header("If-Match", &etag).json(new.clone()).send();
    assert_eq!(change().await.expect(200)["version"], 2);
    change().await.refused(412, "changed_meanwhile");
    assert_eq!(custom.text(one).await.text, written, "it is not for this one any more");
    assert!(custom.text(two).await.text.contains("14 = "));
    let states = custom.get("/custom-sets/x_jobs/collectors").await;
    assert_eq!((&states["count"], &states["data"][0]["version_wanted"]), (&json!(1), &json!(2)));

    let versions = custom.get("/custom-sets/x_jobs/versions").await;
    assert_eq!(versions["data"][1]["note"], "to see the queue");
    assert!(versions["data"][0]["diff"].as_str().unwrap().contains("+-- 14.sql"), "{versions}");
    custom.call("DELETE", "/custom-sets/x_jobs").send().await.expect(200);
    custom.call("DELETE", "/custom-sets/x_jobs").send().await.refused(404, "not_found");
    custom.call("GET", "/custom-sets/x_jobs").send().await.refused(404, "not_found");
    assert_eq!(custom.text(two).await.text, "");
    let versions = custom.get("/custom-sets/x_jobs/versions").await;
    assert_eq!((&versions["count"], &versions["data"][0]["is_deleted"]), (&json!(3), &json!(true)));
    // Made anew it goes on counting, and whoever registers gets it.
    assert_eq!(custom.put("x_jobs", body(SET, SQL)).await.expect(200)["version"], 4);
    let (late, _) = custom.server().collector("late").await;
    assert!(custom.text(late).await.text.starts_with("[custom_sets.x_jobs]"));
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_place_and_nothing_of_it_is_kept() {
    let custom = Custom::start(&[]).await;
    let (id, _) = custom.server().collector("one").await;
    for (set, sql, place, reason) in [
        (SET, "delete from app.jobs", "12.sql", "begins with select"),
        (SET, "\nselect pg_sleep(10)", "12.sql line 2", "pg_sleep() is refused: it waits"),
        (SET, "select 1;\n\ndrop table app.jobs", "12.sql line 1", "one statement only"),
        (SET, "select 1 into app.jobs", "12.sql line 1", "it would write"),
        (SET, "with a as (delete from app.jobs returning 1) select 1", "12.sql line 1", "it would write"),
        (SET, "select set_config('statement_timeout', '0', false)", "12.sql line 1", "it changes something"),
        (SET, "select '", "12.sql line 1", "has no end"),
        (&SET.replace("int8", "number"), SQL, "set.toml line 14", "unknown variant `number`"),
        (&SET.replace("instance", "host"), "", ".", "12.sql is empty"),
        (&SET.replace("\"queue\"", "\"time\""), SQL, ".", "a column of this name already"),
        (&SET.replace("help = \"How many.\"", "helps = \"\""), SQL, "set.toml line", "unknown field `helps`"),
    ] {
        let refused = custom.put("x_jobs", body(set, sql)).await.refused(400, "invalid_custom_set");
        let detail = &refused["details"][0];
        assert!(detail["path"].as_str().unwrap().starts_with(place), "{refused}");
        assert!(detail["reason"].as_str().unwrap().contains(reason), "{refused}");
    }
    for name in ["pg_stat_database", "jobs", "X_jobs"] {
        custom.put(name, body(SET, SQL)).await.refused(400, "invalid_request");
    }
    for name in ["x_Jobs", "x_a-b", &format!("x_{}", "a".repeat(60)), "x_a_20260101", "x_a_named"] {
        custom.put(name, body(SET, SQL)).await.refused(400, "invalid_custom_set");
    }
    custom.put("x_jobs", json!({ "set": SET, "sql": {}, "scope": "x" })).await.refused(400, "invalid_request");
    let large = body(SET, &format!("select '{}'", "a".repeat(300_000)));
    custom.put("x_jobs", large).await.refused(400, "invalid_custom_set");
    assert_eq!(custom.get("/custom-sets").await["count"], 0);
    custom.text(id).await.refused(404, "no_configuration");
    let config = "[custom_sets.x_jobs]\nset = \"\"\n";
    let refused = custom.call("PUT", &format!("/config/{id}")).body(config.to_owned()).send().await;
    assert!(refused.refused(400, "invalid_configuration").to_string().contains("PUT /custom-sets/"));
    let template = custom.call("PUT", "/config-templates/all").json(json!({ "text": config })).send().await;
    template.refused(400, "invalid_configuration");
}

#[tokio::test]
async fn what_is_stored_of_a_set_keeps_its_meaning_and_columns_may_be_added() {
    let custom = Custom::start(&[]).await;
    custom.put("x_jobs", body(SET, SQL)).await.expect(200);
    let first = definition("x_jobs", SET);
    let mut batch = custom.measured.batch(1);
    batch.readings.push(reading(&custom, &first));
    custom.measured.push(&batch).await.refused(409, "unknown_definition");
    assert_eq!(custom.bring(&first).await["accepted"], json!([first.hash().to_string()]));
    assert_eq!(custom.measured.push(&batch).await.expect(202)["rows_by_set"], json!({ "x_jobs": 1 }));
    let rows = custom.measured.get("/metrics?set=x_jobs&instance_id=1").await.expect(200);
    assert_eq!((&rows["data"][0]["queue"], &rows["data"][0]["waiting"]), (&json!("mail"), &json!(7)));
    assert_eq!(rows["columns"].as_array().unwrap().last().unwrap()["unit"], "count");

    for (changed, reason) in [
        (SET.replace("int8", "int4"), "column waiting of set x_jobs changed its type, kind or unit"),
        (SET.replace("\"gauge\"", "\"counter\""), "changed its type, kind or unit"),
        (SET.replace("unit = \"count\"", "unit = \"rows\""), "changed its type, kind or unit"),
        (SET.replace("queue", "line"), "the labels of set x_jobs changed"),
        (SET.replace("instance", "database"), "the scope of set x_jobs changed"),
    ] {
        let refused = custom.put("x_jobs", body(&changed, SQL)).await.refused(400, "invalid_custom_set");
        assert!(refused["details"][0]["reason"].as_str().unwrap().contains(reason), "{refused}");
        // Dropped and made anew it is the same set.
        custom.call("DELETE", "/custom-sets/x_jobs").send().await.expect(200);
        custom.put("x_jobs", body(&changed, SQL)).await.refused(400, "invalid_custom_set");
        custom.put("x_jobs", body(SET, SQL)).await.expect(200);
    }
    let wider = format!(
        "{SET}\n[[columns]]\nname = \"late\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"Late ones.\"\n"
    );
    custom.put("x_jobs", body(&wider, SQL)).await.expect(200);
    let second = definition("x_jobs", &wider);
    assert_eq!(custom.bring(&second).await["accepted"].as_array().unwrap().len(), 1);
    let mut batch = custom.measured.batch(2);
    batch.readings.push(reading(&custom, &second));
    assert_eq!(custom.measured.push(&batch).await.expect(202)["rows_inserted"], 1);
    // What an older collector still has in its spool is taken too.
    let mut batch = custom.measured.batch(3);
    batch.readings.push(reading(&custom, &first));
    assert_eq!(custom.measured.push(&batch).await.expect(202)["rows_inserted"], 1);
    let rows = custom.measured.get("/metrics?set=x_jobs&instance_id=1&columns=late").await.expect(200);
    let late: Vec<Value> = rows["data"].as_array().unwrap().iter().map(|row| row["late"].clone()).collect();
    assert!(late.contains(&json!(7)) && late.contains(&json!(null)), "{late:?}");
}

#[tokio::test]
async fn what_instances_say_of_a_set_is_shown_beside_its_version() {
    let custom = Custom::start(&[]).await;
    custom.put("x_jobs", body(SET, SQL)).await.expect(200);
    let mut batch = custom.measured.batch(1);
    batch.instances[0].states = vec![SetState {
        set: "x_jobs".to_owned(),
        state: State::Missing as i32,
        code: StateCode::Approval as i32,
        message: "Waits for approval.".to_owned(),
        fix: "pganalytics collector approve".to_owned(),
        ..SetState::default()
    }];
    batch.status = Some(Status { config_version: Some(1), ..Status::default() });
    custom.measured.push(&batch).await.expect(202);
    let states = custom.get("/custom-sets/x_jobs/collectors").await;
    let state = &states["data"][0];
    assert_eq!((&state["collector"], &state["version_in_force"]), (&json!("measured"), &json!(1)));
    let said = &state["instances"][0];
    assert_eq!((&said["instance"], &said["code"]), (&json!("one"), &json!("approval")));
    assert_eq!(said["fix"], "pganalytics collector approve");
}

#[tokio::test]
async fn what_a_collector_brings_is_taken_as_custom_sets_says() {
    let own = definition("x_own", SET);
    let refusing = Custom::start(&[("CUSTOM_SETS", "refuse")]).await;
    assert!(refusing.bring(&own).await["rejected"][0]["reason"].as_str().unwrap().contains("CUSTOM_SETS=refuse"));
    refusing.put("x_jobs", body(SET, SQL)).await.refused(409, "custom_sets_refused");
    assert_eq!(refusing.get("/set-definitions").await["count"], 0);
    let accepting = Custom::start(&[("CUSTOM_SETS", "accept")]).await;
    assert_eq!(accepting.bring(&own).await["rejected"], json!([]));

    let asking = Custom::start(&[]).await;
    for _ in 0..2 {
        let answer = asking.bring(&own).await;
        assert!(answer["rejected"][0]["reason"].as_str().unwrap().contains("administrator"), "{answer}");
    }
    let mut batch = asking.measured.batch(1);
    batch.readings.push(reading(&asking, &own));
    let answer = asking.measured.push(&batch).await.expect(202);
    assert_eq!((&answer["rows_inserted"], &answer["rejected"][0]["set"]), (&json!(0), &json!("x_own")));
    let waiting = asking.get("/set-definitions").await;
    let brought = &waiting["data"][0];
    assert_eq!(
        (&waiting["count"], &brought["set"], &brought["state"]),
        (&json!(1), &json!("x_own"), &json!("waiting"))
    );
    assert_eq!(
        (&brought["collector"], &brought["definition"]["columns"][1]["name"]),
        (&json!("measured"), &json!("waiting"))
    );
    let decide =
        |hash: &str, how: &str| asking.call("POST", &format!("/set-definitions/{hash}/{how}")).json(json!({})).send();
    let hash = own.hash().to_string();
    decide("00", "approve").await.refused(404, "not_found");
    assert_eq!(decide(&hash, "refuse").await.expect(200)["state"], "refused");
    assert_eq!(asking.bring(&own).await["accepted"], json!([]));
    let approved = decide(&hash, "approve").await.expect(200);
    assert_eq!((&approved["state"], &approved["decided_by"]), (&json!("approved"), &json!("ada")));
    decide(&hash, "refuse").await.refused(409, "approved");
    let mut batch = asking.measured.batch(2);
    batch.readings.push(reading(&asking, &own));
    assert_eq!(asking.measured.push(&batch).await.expect(202)["rows_by_set"], json!({ "x_own": 1 }));
    // A wider one is another one.
    let wider = format!(
        "{SET}\n[[columns]]\nname = \"late\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"Late ones.\"\n"
    );
    assert_eq!(asking.bring(&definition("x_own", &wider)).await["accepted"], json!([]));
}
