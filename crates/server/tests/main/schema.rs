//! GET /instances/{id}/changes and /schema, against what was pushed.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:30:00Z&end=2026-03-01T12:00:00Z";

fn table(relid: i64, name: &str) -> Value {
    json!({"relid": relid, "schema": "public", "relname": name, "relkind": "r", "relpersistence": "p"})
}

fn columns(relid: i64, columns: &str, signature: i64) -> Value {
    json!({"relid": relid, "columns": columns, "column_count": 2, "signature": signature})
}

async fn with_names() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    let databases = json!([{"datid": 5, "datname": "shop"}]);
    let settings = json!([{"name": "work_mem", "setting": "4096", "unit": "kB"}]);
    monitored.push("main", &[("pg_database", "11:00:00", databases), ("pg_settings", "11:00:00", settings)]).await;
    let tables = json!([table(20, "orders"), table(21, "customer")]);
    let all = json!([columns(20, "id integer, customer integer", 1), columns(21, "id integer", 7)]);
    monitored.push_database("main", 5, &[("pg_class", "11:00:00", tables), ("pg_attribute", "11:00:00", all)]).await;
    let path = format!("/instances/{}", monitored.id("main").await);
    (monitored, path)
}

#[tokio::test]
async fn what_changed_is_told_once_with_before_and_after_and_what_was_there_at_first_is_none() {
    let (monitored, path) = with_names().await;
    let first = monitored.get(&format!("{path}/changes?start=2026-03-01T10:00:00Z&end=2026-03-01T11:20:00Z")).await;
    assert_eq!(first.expect(200)["data"], json!([]), "the first reading made nothing");
    let wider = json!([columns(20, "id bigint, customer integer", 2), columns(21, "id integer", 7)]);
    monitored.push_database("main", 5, &[("pg_attribute", "11:40:00", wider)]).await;
    let made = json!([table(20, "orders"), table(21, "customer"), table(22, "basket")]);
    monitored.push_database("main", 5, &[("pg_class", "11:45:00", made)]).await;
    let setting = json!([{"name": "work_mem", "setting": "65536", "unit": "kB"}]);
    monitored.push("main", &[("pg_settings", "11:50:00", setting)]).await;
    let answer = monitored.get(&format!("{path}/changes?{RANGE}")).await.expect(200);
    let told: Vec<_> =
        answer["data"].as_array().unwrap().iter().map(|one| (&one["kind"], &one["action"], &one["name"])).collect();
    let expected = [
        (&json!("setting"), &json!("changed"), &json!("work_mem")),
        (&json!("table"), &json!("created"), &json!("public.basket")),
        (&json!("columns"), &json!("changed"), &json!("public.orders")),
    ];
    assert_eq!(told, expected, "the newest first");
    let of_columns = &answer["data"][2];
    let change = json!([{"property": "columns", "before": "id integer, customer integer", "after": "id bigint, customer integer"}]);
    assert_eq!((&of_columns["changes"], &of_columns["database"]), (&change, &json!("shop")));
    assert_eq!(
        (&of_columns["after"], &of_columns["at"]),
        (&json!("2026-03-01T11:00:00Z"), &json!("2026-03-01T11:40:00Z"))
    );
    let one = monitored.get(&format!("{path}/changes?{RANGE}&kind=table&search=BASK&database=shop")).await.expect(200);
    assert_eq!((&one["total"], &one["data"][0]["after"]), (&json!(1), &json!(null)));
    let refused = monitored.get(&format!("{path}/changes?kind=view")).await.expect(400);
    assert_eq!(refused["details"][0]["path"], "kind", "{refused}");
    let later =
        monitored.get(&format!("{path}/changes?start=2026-03-01T11:50:00Z&end=2026-03-01T12:00:00Z")).await.expect(200);
    assert_eq!(later["data"], json!([]), "a range begins after its first moment");
}

#[tokio::test]
async fn what_somebody_should_mend_is_of_the_moment() {
    let (monitored, path) = with_names().await;
    let key = |conid: i64, name: &str, validated: bool| {
        json!({"conid": conid, "schema": "public", "conname": name, "contype": "f", "relid": 20, "references_relid": 21,
            "columns": "customer", "is_validated": validated, "is_local": true})
    };
    let constraints = json!([key(1, "orders_customer_fkey", true), key(2, "orders_payer_fkey", false)]);
    let sequences = json!([{"seqrelid": 40, "schema": "public", "relname": "orders_id_seq", "cycles": false,
        "owner_relid": 20, "owner_column": "id"}]);
    let used = json!([{"seqrelid": 40, "status": "read", "last_value": 1_900_000_000, "remaining": 247_483_647, "used": 0.88}]);
    let integer = |relid: i64| {
        json!({"relid": relid, "attname": "id", "data_type": "integer", "highest_value": 1_900_000_000,
            "end_value": i32::MAX, "used": 0.88})
    };
    let keys = json!([integer(20), integer(21)]);
    let extensions = json!([{"extname": "pg_stat_statements", "extversion": "1.9", "default_version": "1.10"}]);
    let readings = [
        ("pg_constraint", "11:40:00", constraints),
        ("pg_sequence", "11:40:00", sequences),
        ("pg_sequences", "11:40:00", used),
        ("integer_keys", "11:40:00", keys),
        ("pg_extension", "11:40:00", extensions),
    ];
    monitored.push_database("main", 5, &readings).await;
    let answer = monitored.get(&format!("{path}/schema?at=2026-03-01T11:45:00Z")).await.expect(200);
    let told: Vec<(&str, &str)> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["code"].as_str().unwrap(), one["name"].as_str().unwrap()))
        .collect();
    let expected = [
        // That of orders is told by its sequence.
        ("key_ending", "public.customer.id"),
        ("sequence_ending", "public.orders_id_seq"),
        ("foreign_key_without_index", "orders_customer_fkey on public.orders"),
        ("foreign_key_without_index", "orders_payer_fkey on public.orders"),
        ("constraint_not_validated", "orders_payer_fkey on public.orders"),
        ("extension_outdated", "pg_stat_statements"),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (&answer["findings"][0]["estimated"], &answer["findings"][1]["estimated"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(answer["findings"][5]["fix"], json!("alter extension \"pg_stat_statements\" update;"));
    let tables = answer["objects"].as_array().unwrap().iter().find(|one| one["kind"] == "table").unwrap();
    assert_eq!((&tables["database"], &tables["objects"]), (&json!("shop"), &json!(2)));
    // An index that finds the key, and the moment before it was there.
    let index = json!([{"indexrelid": 30, "relid": 20, "schema": "public", "relname": "orders_customer", "is_valid": true,
        "has_predicate": false, "columns": "customer"}]);
    monitored.push_database("main", 5, &[("pg_index", "11:50:00", index)]).await;
    let codes = async |at: &str| {
        let answer = monitored.get(&format!("{path}/schema?at=2026-03-01T{at}Z")).await.expect(200);
        let found = answer["findings"].as_array().unwrap().clone();
        found.iter().filter(|one| one["code"] == "foreign_key_without_index").count()
    };
    assert_eq!((codes("11:45:00").await, codes("11:55:00").await, codes("11:30:00").await), (2, 0, 0));
}
