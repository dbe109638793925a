//! Steering: configurations of collectors, their versions, templates and labels.

use serde_json::{Value, json};
use server::accounts::Role;
use uuid::Uuid;
use wire::Status;

use crate::metrics::Measured;
use crate::support::{Answer, Call, REGISTRATION_SECRET, Server};

const TEN_SECONDS: &str = "# ours\n[collector]\ninterval = 10\n";

/// A server with an administrator.
struct Steering {
    server: Server,
    admin: String,
}

impl Steering {
    async fn start() -> Self {
        let server = Server::start().await;
        let admin = server.session(server.user("ada", Role::Admin).await).await;
        Self { server, admin }
    }

    fn call(&self, method: &str, path: &str) -> Call {
        self.server.call(method, path).bearer(&self.admin)
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send().await
    }

    fn put(&self, id: Uuid, text: &str) -> Call {
        self.call("PUT", &format!("/config/{id}")).body(text.to_owned())
    }

    async fn template(&self, name: &str, query: &str, body: Value) -> Answer {
        self.call("PUT", &format!("/config-templates/{name}{query}")).json(body).send().await
    }

    async fn label(&self, id: Uuid, labels: Value) -> Value {
        let call = self.call("PUT", &format!("/collectors/{id}/labels")).json(json!({ "labels": labels }));
        call.send().await.expect(200)
    }

    async fn text(&self, id: Uuid) -> String {
        let answer = self.get(&format!("/config/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    }

    /// Number, reason and maker of each version, the newest first.
    async fn versions(&self, id: Uuid) -> Value {
        let list = self.get(&format!("/config/{id}/versions?page_size=100")).await.expect(200);
        let versions = list["data"].as_array().unwrap().iter();
        versions.map(|one| json!([one["version"], one["why"], one["made_by"]])).collect()
    }
}

#[tokio::test]
async fn what_an_administrator_writes_its_collector_reads() {
    let steering = Steering::start().await;
    let (id, token) = steering.server.collector("prod-1").await;
    let (_, other) = steering.server.collector("prod-2").await;
    let path = format!("/config/{id}");
    let read = |token: &str| steering.server.get(&path).bearer(token);
    read(&token).send().await.refused(404, "no_configuration");

    let written = steering.put(id, TEN_SECONDS).send().await;
    let change = written.expect(200);
    assert_eq!((&change["version"], &change["changed"]), (&json!(1), &json!(true)));
    assert_eq!((&change["effective"], &change["templates"]), (&json!(TEN_SECONDS), &json!([])));

    let found = read(&token).send().await;
    assert_eq!((found.status.as_u16(), found.text.as_str()), (200, TEN_SECONDS));
    assert_eq!(found.header("content-type"), "application/toml");
    assert_eq!((found.header("x-config-version"), found.header("etag")), ("1", written.header("etag")));
    let known = read(&token).header("If-None-Match", found.header("etag")).send().await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
    assert_eq!(known.header("x-config-version"), "1");
    read(&other).send().await.refused(403, "wrong_collector");

    let same = steering.put(id, TEN_SECONDS).send().await.expect(200);
    assert_eq!((&same["version"], &same["changed"]), (&json!(1), &json!(false)));
    steering.put(id, "").send().await.expect(200);
    let emptied = read(&token).header("If-None-Match", found.header("etag")).send().await;
    assert_eq!((emptied.status.as_u16(), emptied.text.as_str(), emptied.header("x-config-version")), (200, "", "2"));
    assert_eq!(steering.versions(id).await, json!([[2, "written", "ada"], [1, "written", "ada"]]));
    let list = steering.get(&format!("{path}/versions")).await.expect(200);
    let removed = list["data"][0]["diff"].as_str().unwrap();
    assert!(removed.contains("-interval = 10\n") && !removed.contains("\n+i"), "{removed}");
}

#[tokio::test]
async fn a_bad_one_is_refused_with_its_line_and_nothing_of_it_is_kept() {
    let steering = Steering::start().await;
    let (id, _) = steering.server.collector("prod-1").await;
    for (text, place, reason) in [
        ("[collector]\nintervall = 10\n", "line 2", "did you mean \"interval\"?"),
        ("[collector]\n\n[collector]\n", "line 3", "not TOML"),
        ("[backend]\nurl = \"https://elsewhere.example\"\n", "line 2", "cannot be set by the server"),
        ("[postgres]\ndsn = \"postgresql://u:hunter2@h/db\"\n", "line 2", "it has a password"),
        ("[sets.pg_no_such_set]\nenabled = false\n", "line 1", "unknown set"),
    ] {
        let answer = steering.put(id, text).send().await;
        let body = answer.refused(400, "invalid_configuration");
        assert_eq!(body["details"][0]["path"], place, "{body}");
        assert!(body["details"][0]["reason"].as_str().unwrap().contains(reason), "{body}");
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    let body = steering.call("PUT", &format!("/config/{id}")).body(b"# \n# \xff\n".to_vec()).send().await;
    assert_eq!(body.refused(400, "invalid_configuration")["details"][0]["path"], "line 2");
    let large = format!("# {}\n", "x".repeat(config::MAX_FILE));
    steering.put(id, &large).send().await.refused(413, "payload_too_large");
    assert_eq!(steering.versions(id).await, json!([]));
    steering.put(Uuid::now_v7(), TEN_SECONDS).send().await.refused(404, "not_found");
}

#[tokio::test]
async fn a_check_says_what_would_come_of_it_and_changes_nothing() {
    let steering = Steering::start().await;
    let (id, _) = steering.server.collector("prod-1").await;
    let check = |text: &str| steering.call("PUT", &format!("/config/{id}?check=true")).body(text.to_owned());
    let change = check(TEN_SECONDS).send().await.expect(200);
    assert_eq!((&change["version"], &change["changed"]), (&json!(null), &json!(true)));
    assert!(change["diff"].as_str().unwrap().contains("+interval = 10"), "{change}");
    check("[collector]\nno = 1\n").send().await.refused(400, "invalid_configuration");
    let labels = steering.call("PUT", &format!("/collectors/{id}/labels?check=true"));
    labels.json(json!({"labels": {"stage": "prod"}})).send().await.expect(200);
    steering.template("all", "?check=true", json!({"text": TEN_SECONDS})).await.expect(200);
    assert_eq!(steering.versions(id).await, json!([]));
    assert_eq!(steering.get(&format!("/collectors/{id}")).await.expect(200)["labels"], json!({}));
    assert_eq!(steering.get("/config-templates").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn of_two_who_write_the_second_must_look_again() {
    let steering = Steering::start().await;
    let (id, _) = steering.server.collector("prod-1").await;
    let tag = steering.put(id, TEN_SECONDS).send().await.header("etag").to_owned();
    let first = steering.put(id, "[collector]\ninterval = 20\n").header("If-Match", &tag);
    let second = steering.put(id, "[collector]\ninterval = 30\n").header("If-Match", &tag);
    let blocker = format!("update pganalytics.collectors set name = name where id = '{id}'");
    let answers = steering.server.at_once(&blocker, [first, second]).await;
    let mut statuses = answers.map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let late = steering.put(id, TEN_SECONDS).header("If-Match", &tag).send().await;
    late.refused(412, "changed_meanwhile");
    steering.put(id, TEN_SECONDS).header("If-None-Match", "*").send().await.refused(412, "exists");
    assert_eq!(steering.versions(id).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_earlier_version_is_restored_as_a_new_one() {
    let steering = Steering::start().await;
    let (id, _) = steering.server.collector("prod-1").await;
    steering.put(id, TEN_SECONDS).send().await.expect(200);
    steering.put(id, "[collector]\ninterval = 20\n").send().await.expect(200);
    let restore = |version: i64| steering.call("POST", &format!("/config/{id}/versions/{version}/restore"));
    let restored = restore(1).send().await;
    assert_eq!(restored.expect(200)["version"], 3);
    assert_eq!(restored.expect(200)["etag"], restored.header("etag"));
    assert_eq!(restored.header("x-config-version"), "3");
    assert_eq!(steering.text(id).await, TEN_SECONDS);
    let version = steering.get(&format!("/config/{id}/versions/3")).await.expect(200);
    assert_eq!(version["etag"], restored.header("etag"));
    assert_eq!((&version["why"], &version["restored_from"]), (&json!("restored"), &json!(1)));
    assert_eq!((&version["written"], &version["effective"]), (&json!(TEN_SECONDS), &json!(TEN_SECONDS)));
    restore(4).send().await.refused(404, "not_found");
    assert_eq!(restore(3).send().await.expect(200)["changed"], false);
}

#[tokio::test]
async fn templates_reach_those_with_their_labels_and_only_what_changes_is_a_version() {
    let steering = Steering::start().await;
    let (prod, _) = steering.server.collector("prod-1").await;
    let (test, _) = steering.server.collector("test-1").await;
    assert_eq!(steering.label(prod, json!({"stage": "prod", "team": "shop"})).await["version"], json!(null));
    steering.put(prod, "[collector]\npush_interval = 15\n").send().await.expect(200);

    let body = json!({"text": "[collector]\ninterval = 20\npush_interval = 20\n", "selector": {"stage": "prod"}});
    let preview = steering.template("prod", "?check=true", body.clone()).await.expect(200);
    let made = steering.template("prod", "", body.clone()).await.expect(200);
    assert_eq!(preview["outcomes"], made["outcomes"]);
    assert_eq!((&preview["version"], &made["version"]), (&json!(null), &json!(1)));
    assert_eq!((&made["collectors"], &made["collectors_changed"]), (&json!(1), &json!(1)));
    let outcome = &made["outcomes"][0];
    let merged = "[collector]\ninterval = 20\npush_interval = 15\n";
    assert_eq!((&outcome["collector"], &outcome["effective"]), (&json!("prod-1"), &json!(merged)));
    assert_eq!(outcome["templates"], json!([{"name": "prod", "version": 1}]));
    assert_eq!(steering.text(prod).await, merged);
    let alone = steering.get(&format!("/config/{prod}?written=true")).await;
    assert_eq!(alone.text, "[collector]\npush_interval = 15\n");

    // One that says what is said already changes nothing for anybody that has it.
    let all = steering.template("all", "", json!({"text": "[collector]\ninterval = 60\n", "priority": -1})).await;
    let all = all.expect(200);
    assert_eq!((&all["collectors"], &all["collectors_changed"]), (&json!(2), &json!(1)));
    assert_eq!((&all["outcomes"][0]["collector"], &all["outcomes"][1]["changed"]), (&json!("test-1"), &json!(false)));
    let expected = json!([[2, "template", "ada"], [1, "written", "ada"]]);
    assert_eq!(steering.versions(prod).await, expected);
    assert_eq!(steering.versions(test).await, json!([[1, "template", "ada"]]));
    let same = steering.template("prod", "", body.clone()).await.expect(200);
    assert_eq!((&same["changed"], &same["etag"]), (&json!(false), &made["etag"]));
    let late = steering.call("PUT", "/config-templates/prod").header("If-Match", "\"1-0\"").json(body);
    late.send().await.refused(412, "changed_meanwhile");
    let shown = steering.get("/config-templates/prod").await;
    assert_eq!((shown.header("etag"), &shown.json()["etag"]), (made["etag"].as_str().unwrap(), &made["etag"]));
    assert_eq!(steering.versions(prod).await, expected);

    // A label more, and it is another collector's.
    let labelled = steering.label(test, json!({"stage": "prod"})).await;
    assert_eq!(labelled["version"], 2);
    assert_eq!(steering.text(test).await, "[collector]\ninterval = 20\npush_interval = 20\n");
    let away = steering.label(test, json!({})).await;
    assert_eq!((&away["version"], &away["effective"]), (&json!(3), &json!("[collector]\ninterval = 60\n")));

    // Without templates a collector gets what is written for it, word for word, and never "none" again.
    for name in ["prod", "all"] {
        steering.call("DELETE", &format!("/config-templates/{name}")).send().await.expect(200);
    }
    steering.call("DELETE", "/config-templates/all").send().await.refused(404, "not_found");
    assert_eq!(steering.text(prod).await, "[collector]\npush_interval = 15\n");
    assert_eq!(steering.text(test).await, "");
    let history = steering.get("/config-templates/prod/versions").await.expect(200);
    let history: Vec<_> =
        history["data"].as_array().unwrap().iter().map(|one| json!([one["version"], one["is_deleted"]])).collect();
    assert_eq!(history, [json!([2, true]), json!([1, false])]);
    assert_eq!(steering.template("prod", "", json!({"text": ""})).await.expect(200)["version"], 3);
}

#[tokio::test]
async fn a_template_that_a_collector_would_refuse_is_refused_whole() {
    let steering = Steering::start().await;
    let (listing, _) = steering.server.collector("listing").await;
    let (plain, _) = steering.server.collector("plain").await;
    let instances = "[[instances]]\nname = \"a\"\ndsn = \"host=a\"\n";
    steering.put(listing, instances).send().await.expect(200);
    let body = json!({"text": "[postgres]\ndatabases = [\"shop\"]\n"});
    let preview = steering.template("all", "?check=true", body.clone()).await.expect(200);
    assert_eq!((&preview["collectors_refusing"], &preview["outcomes"][0]["collector"]), (&json!(1), &json!("listing")));
    let refused = steering.template("all", "", body).await.refused(400, "invalid_configuration");
    assert_eq!(refused["details"][0]["path"], "listing");
    assert_eq!(steering.versions(plain).await, json!([]));
    let slip = steering.template("all", "", json!({"text": "[collector]\n\nno = 1\n"})).await;
    assert_eq!(slip.refused(400, "invalid_configuration")["details"][0]["path"], "line 3");
    let fields = json!({"text": "", "selector": {"no blank": "x"}});
    assert_eq!(
        steering.template("all", "", fields).await.refused(400, "invalid_request")["details"][0]["path"],
        "selector.no blank"
    );
    steering.template("all", "", json!({"text": "", "more": 1})).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_name_is_what_is_seen_of_it() {
    let steering = Steering::start().await;
    let (id, _) = steering.server.collector("prod-1").await;
    let body = || json!({"text": TEN_SECONDS, "selector": {"stage": "none"}});
    steering.template("Prod", "", body()).await.expect(200);
    for alike in ["prod", "PROD", "%EF%BC%B0rod"] {
        let taken = steering.template(alike, "", body()).await;
        let message = taken.refused(409, "name_taken")["message"].as_str().unwrap().to_owned();
        assert!(message.contains("Prod"), "{message}");
    }
    for hidden in ["a%E2%80%8Bb", "a%E2%80%AEb", "a%0Ab", "%C2%A0a"] {
        steering.template(hidden, "", body()).await.refused(400, "invalid_request");
    }
    // What was removed leaves its name, also to one that is written otherwise.
    steering.call("DELETE", "/config-templates/Prod").send().await.expect(200);
    steering.template("prod", "", body()).await.expect(200);
    steering.template("Prod", "", body()).await.refused(409, "name_taken");
    let labels =
        |labels: Value| steering.call("PUT", &format!("/collectors/{id}/labels")).json(json!({ "labels": labels }));
    labels(json!({"stage": "a", "Stage": "b"})).send().await.refused(400, "invalid_request");
    labels(json!({"stage": "a\u{202e}b"})).send().await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_collector_that_registers_gets_what_templates_have_for_it() {
    let steering = Steering::start().await;
    steering.template("all", "", json!({"text": "[collector]\ninterval = 60\n"})).await.expect(200);
    steering.template("prod", "", json!({"text": "", "selector": {"stage": "prod"}})).await.expect(200);
    let (id, token) = steering.server.collector("new").await;
    assert_eq!(steering.versions(id).await, json!([[1, "registered", null]]));
    let again = steering.server.post("/collectors/register").header("X-Registration-Secret", REGISTRATION_SECRET);
    again.bearer(&token).json(json!({"name": "new", "hostname": "h"})).send().await.expect(201);
    assert_eq!(steering.versions(id).await, json!([[1, "registered", null]]));
}

#[tokio::test]
async fn what_a_removed_collector_was_told_stays_known_and_nothing_more_is_told_to_it() {
    let steering = Steering::start().await;
    let (id, token) = steering.server.collector("gone").await;
    steering.put(id, TEN_SECONDS).send().await.expect(200);
    steering.call("DELETE", &format!("/collectors/{id}")).send().await.expect(204);
    steering.server.get(&format!("/config/{id}")).bearer(&token).send().await.refused(401, "unauthorized");
    steering.put(id, "").send().await.refused(404, "not_found");
    let all = steering.template("all", "", json!({"text": "[collector]\ninterval = 60\n"})).await.expect(200);
    assert_eq!(all["collectors"], 0);
    assert_eq!(steering.text(id).await, TEN_SECONDS);
    assert_eq!(steering.versions(id).await, json!([[1, "written", "ada"]]));
    steering.get(&format!("/config/{}/versions", Uuid::now_v7())).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_push_tells_the_newest_version_and_the_collector_which_it_follows() {
    let measured = Measured::new().await;
    let server = &measured.server;
    let admin = server.signed_in(Role::Admin).await;
    let mut batch = measured.batch(1);
    assert_eq!(measured.push(&batch).await.expect(202)["next_config_version"], Value::Null);
    let path = format!("/config/{}", measured.collector);
    for text in ["", "[collector]\ninterval = 10\n"] {
        server.call("PUT", &path).bearer(&admin).body(text.to_owned()).send().await.expect(200);
    }
    batch.sequence = 2;
    batch.status = Some(Status {
        config_version: Some(1),
        config_refused: Some(2),
        config_error: "line 2: interval".to_owned(),
        config_error_since_us: Some(batch.created_us),
        ..Status::default()
    });
    assert_eq!(measured.push(&batch).await.expect(202)["next_config_version"], 2);
    let many = measured.push_many(&[measured.batch(3), measured.batch(4)]).await.expect(200);
    assert_eq!(many["answers"][1]["body"]["next_config_version"], 2);

    batch.sequence = 5;
    measured.push(&batch).await.expect(202);
    let collector = measured.get(&format!("/collectors/{}", measured.collector)).await.expect(200);
    let shown = ["config_version", "config_in_force", "config_refused", "config_error", "config_error_since"];
    let shown: Vec<_> = shown.iter().map(|name| collector[name].clone()).collect();
    assert_eq!(json!(shown), json!([2, 1, 2, "line 2: interval", "2026-03-01T12:00:00Z"]));

    batch.sequence = 6;
    batch.status = Some(Status { config_version: Some(2), ..Status::default() });
    measured.push(&batch).await.expect(202);
    let collector = measured.get("/collectors").await.expect(200)["data"][0].clone();
    assert_eq!((&collector["config_in_force"], &collector["config_refused"]), (&json!(2), &Value::Null));
    assert_eq!(collector["config_error"], Value::Null);
}

#[tokio::test]
async fn a_template_for_many_collectors_is_one_change() {
    let steering = Steering::start().await;
    let client = steering.server.app.pool.get().await.unwrap();
    let many = "insert into pganalytics.collectors (id, name, hostname, registered_at, token_expires_at, labels)
        select gen_random_uuid(), 'c' || n, 'h', now(), now(), jsonb_build_object('half', (n % 2)::text)
        from generate_series(1, 600) n";
    client.execute(many, &[]).await.unwrap();
    let body = json!({"text": "[collector]\ninterval = 20\n", "selector": {"half": "1"}});
    let made = steering.template("half", "", body).await.expect(200);
    assert_eq!((&made["collectors"], &made["collectors_changed"]), (&json!(300), &json!(300)));
    assert_eq!(made["outcomes"].as_array().unwrap().len(), 100);
    let versions = "select count(*), count(distinct collector_id), max(version) from pganalytics.configurations";
    let row = client.query_one(versions, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (300, 300, 1));
    steering.call("DELETE", "/config-templates/half").send().await.expect(200);
    let row = client.query_one(versions, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (600, 300, 2));
}
