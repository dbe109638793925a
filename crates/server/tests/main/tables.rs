//! GET /instances/{id}/tables, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const SHOP: i64 = 16384;
const CRM: i64 = 16385;
const RANGE: &str = "start=2026-03-01T10:00:00Z&end=2026-03-01T11:00:00Z";
const GIB: i64 = 1 << 30;

fn named(relid: i64, name: &str, more: Value) -> Value {
    let mut row = json!({"relid": relid, "schema": "public", "relname": name, "relkind": "r", "relpersistence": "p",
        "is_partition": false});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn figures(relid: i64, inserts: i64, dead: i64, age: i64) -> Value {
    json!({"relid": relid, "seq_scan": 3, "seq_tup_read": 300, "idx_scan": 60, "idx_tup_fetch": 60,
        "n_tup_ins": inserts, "n_tup_upd": 10, "n_tup_del": 1, "n_tup_hot_upd": 4, "n_live_tup": 900,
        "n_dead_tup": dead, "n_mod_since_analyze": 7, "n_ins_since_vacuum": 0, "reltuples": 900.0, "relpages": 100,
        "last_autovacuum": "2026-03-01T08:00:00Z", "heap_blks_hit": 90, "idx_blks_hit": 9, "heap_blks_read": 1,
        "xid_age": age, "mxid_age": 0})
}

fn size(relid: i64, table: i64, toast: Option<i64>, indexes: Option<i64>) -> Value {
    json!({"relid": relid, "main_bytes": table - 8192, "fsm_bytes": 8192, "vm_bytes": 0, "toast_bytes": toast,
        "indexes_bytes": indexes})
}

/// orders and people in shop, two partitions of log in shop, and another people in crm.
async fn some_tables() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    let setting = |name: &str, value: &str| json!({"name": name, "setting": value});
    let settings = json!([
        setting("autovacuum", "on"),
        setting("track_counts", "on"),
        setting("autovacuum_vacuum_threshold", "50"),
        setting("autovacuum_vacuum_scale_factor", "0.2"),
        setting("autovacuum_vacuum_insert_threshold", "1000"),
        setting("autovacuum_vacuum_insert_scale_factor", "0.2"),
        setting("autovacuum_freeze_max_age", "200000000"),
        setting("block_size", "8192")
    ]);
    let databases = json!([{"datid": SHOP, "datname": "shop"}, {"datid": CRM, "datname": "crm"}]);
    let instance = [("pg_settings", "09:00:00", settings), ("pg_database", "09:00:00", databases)];
    monitored.push("main", &instance).await;
    let root = json!({"relkind": "p", "root_relid": 30});
    let part = || json!({"is_partition": true, "root_relid": 30});
    let lazy = json!({"reloptions": "autovacuum_vacuum_scale_factor=1"});
    let names = json!([
        named(10, "orders", json!({})),
        named(11, "people", lazy),
        named(30, "log", root),
        named(31, "log_1", part()),
        named(32, "log_2", part()),
        named(1247, "pg_type", json!({"schema": "pg_catalog"}))
    ]);
    let all = |inserts: i64, dead: i64| {
        json!([
            figures(10, inserts, dead, 148_000_000),
            figures(11, 0, 0, 5),
            figures(31, 60, 1, 7),
            figures(32, 60, 2, 9),
            figures(1247, 0, 0, 1)
        ])
    };
    let sizes = |orders: i64| {
        json!([
            size(10, orders, Some(GIB), Some(GIB)),
            size(11, 16384, None, Some(0)),
            size(31, GIB, None, Some(8192)),
            size(32, GIB, None, Some(8192)),
            size(1247, 16384, None, Some(0)),
            size(99, 8192, None, None)
        ])
    };
    let shop = [
        ("pg_class", "09:00:00", names),
        ("pg_stat_all_tables", "10:30:00", all(600, 5)),
        ("pg_stat_all_tables", "11:00:00", all(0, 100)),
        ("relation_size", "09:55:00", sizes(GIB)),
        ("relation_size", "10:55:00", sizes(2 * GIB)),
    ];
    monitored.push_database("main", SHOP, &shop).await;
    let crm = [
        ("pg_class", "09:00:00", json!([named(11, "people", json!({}))])),
        ("pg_stat_all_tables", "10:59:00", json!([figures(11, 30, 0, 3)])),
    ];
    monitored.push_database("main", CRM, &crm).await;
    monitored.execute("update metrics.instances set version_num = 150004, role = 'primary'").await;
    let path = format!("/instances/{}/tables", monitored.id("main").await);
    (monitored, path)
}

fn names(answer: &Value) -> Vec<String> {
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or("?").to_owned();
    let rows = answer["data"].as_array().unwrap();
    rows.iter().map(|row| format!("{}.{}", word(row, "database"), word(row, "name"))).collect()
}

#[tokio::test]
async fn tables_have_their_size_growth_and_rates() {
    let (monitored, path) = some_tables().await;
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    assert_eq!(names(&answer), ["shop.orders", "shop.log", "crm.people", "shop.people"]);
    assert_eq!((&answer["count"], &answer["total"]), (&json!(4), &json!(4)));
    assert_eq!((&answer["at"], &answer["oldest_at"]), (&json!("2026-03-01T11:00:00Z"), &json!("2026-03-01T10:59:00Z")));
    let orders = &answer["data"][0];
    assert_eq!((&orders["size_bytes"], &orders["toast_bytes"]), (&json!(4 * GIB), &json!(GIB)));
    assert_eq!((&orders["table_bytes"], &orders["size_is_estimate"]), (&json!(2 * GIB), &json!(false)));
    // An hour tells nothing of a day.
    assert_eq!((&orders["growth_bytes"], &orders["growth_ms"]), (&json!(GIB), &json!(3_600_000.0)));
    assert_eq!(orders["growth_bytes_per_day"], json!(null));
    // Two readings of 60 s.
    assert_eq!((&orders["inserts_per_s"], &orders["seq_scans_per_s"]), (&json!(5.0), &json!(0.05)));
    assert_eq!((&orders["hot_ratio"], &orders["dead_ratio"]), (&json!(0.4), &json!(0.1)));
    assert_eq!((&orders["blks_hit"], &orders["blks_read"]), (&json!(198.0), &json!(2.0)));
    assert_eq!((&orders["live_rows"], &orders["dead_rows"]), (&json!(900), &json!(100)));
    assert_eq!((&orders["last_autovacuum"], &orders["last_vacuum"]), (&json!("2026-03-01T08:00:00Z"), &json!(null)));
    assert!((orders["xid_age_ratio"].as_f64().unwrap() - 0.0689).abs() < 1e-4);
    // 148 M of 200 M transactions is nearer than 100 of 50 + 0.2 × 900 dead rows.
    let near = &orders["autovacuum"];
    assert_eq!((&near["because"], &near["share"]), (&json!("xid_age"), &json!(0.74)));
    assert_eq!((&near["dead_threshold"], &near["insert_threshold"]), (&json!(230.0), &json!(1180.0)));
    let people = &answer["data"][3];
    assert_eq!(people["autovacuum"]["dead_threshold"], json!(950.0), "its own scale factor");
    // crm has no sizes: pages count, and it is said.
    let estimated = &answer["data"][2];
    assert_eq!((&estimated["size_bytes"], &estimated["size_is_estimate"]), (&json!(819_200), &json!(true)));
    assert_eq!((&estimated["growth_bytes"], &estimated["inserts_per_s"]), (&json!(null), &json!(0.5)));
    let totals = &answer["totals"];
    assert_eq!((&totals["tables"], &totals["partitions"], &totals["dead_rows"]), (&json!(4), &json!(2), &json!(103)));
}

#[tokio::test]
async fn the_view_for_people_has_names_also_of_what_is_gone() {
    let (monitored, _) = some_tables().await;
    let gone = [("pg_class", "11:01:00", json!([{"relid": 10, "removed": true}]))];
    monitored.push_database("main", SHOP, &gone).await;
    let client = monitored.server.app.metrics.get().await.unwrap();
    let sql = "select distinct database, relation from metrics.pg_stat_all_tables_named where relid in (10, 11) order by 1, 2";
    let rows = client.query(sql, &[]).await.unwrap();
    let named: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = [("crm", "public.people"), ("shop", "public.orders"), ("shop", "public.people")];
    assert_eq!(named, expected.map(|(database, relation)| (database.to_owned(), relation.to_owned())));
    let sizes = "select relation, \"index\" is null from metrics.pg_stat_all_indexes_named limit 1";
    assert!(client.query(sizes, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn partitions_fold_and_filters_narrow() {
    let (monitored, path) = some_tables().await;
    let folded = monitored.get(&format!("{path}?{RANGE}&search=log")).await.expect(200);
    assert_eq!(names(&folded), ["shop.log"]);
    let log = &folded["data"][0];
    assert_eq!((&log["kind"], &log["partitions"], &log["root_relid"]), (&json!("partitioned"), &json!(2), &json!(30)));
    assert_eq!((&log["size_bytes"], &log["dead_rows"]), (&json!(2 * GIB + 16384), &json!(3)));
    assert_eq!((&log["inserts_per_s"], &log["xid_age"]), (&json!(2.0), &json!(9)), "sums, and the oldest");
    let listed = monitored.get(&format!("{path}?{RANGE}&root=30&order=dead_rows")).await.expect(200);
    assert_eq!(names(&listed), ["shop.log_2", "shop.log_1"]);
    let each = monitored.get(&format!("{path}?{RANGE}&partitions=list")).await.expect(200);
    assert_eq!(each["total"], 5);
    let crm = monitored.get(&format!("{path}?{RANGE}&database=crm&schema=public")).await.expect(200);
    assert_eq!(names(&crm), ["crm.people"]);
    let system = monitored.get(&format!("{path}?{RANGE}&system=true&search=PG_TYPE")).await.expect(200);
    assert_eq!(names(&system), ["shop.pg_type"]);
    let page = monitored.get(&format!("{path}?{RANGE}&limit=1&offset=1&direction=asc")).await.expect(200);
    assert_eq!((names(&page), &page["total"]), (vec!["crm.people".to_owned()], &json!(4)));
    monitored.get(&format!("{path}?order=colour")).await.refused(400, "invalid_request");
    monitored.get(&format!("{path}?limit=0")).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn the_state_is_that_of_the_moment() {
    let (monitored, path) = some_tables().await;
    let then = monitored.get(&format!("{path}?at=2026-03-01T10:31:00Z")).await.expect(200);
    assert_eq!(then["at"], "2026-03-01T10:30:00Z");
    assert_eq!(names(&then), ["shop.orders", "shop.log", "shop.people"]);
    let orders = &then["data"][0];
    assert_eq!((&orders["size_bytes"], &orders["dead_rows"]), (&json!(3 * GIB), &json!(5)));
    assert_eq!(orders["inserts_per_s"], 10.0);
    let before = monitored.get(&format!("{path}?at=2026-03-01T08:00:00Z")).await.expect(200);
    assert_eq!((&before["at"], &before["data"], &before["total"]), (&json!(null), &json!([]), &json!(0)));
    let long_after = monitored.get(&format!("{path}?at=2026-03-01T18:00:00Z")).await.expect(200);
    assert_eq!((&long_after["at"], &long_after["data"]), (&json!(null), &json!([])), "too old to be the state");
}

#[tokio::test]
async fn a_dropped_table_is_gone_and_what_cannot_be_read_is_said() {
    let (monitored, path) = some_tables().await;
    let id = monitored.id("main").await;
    let gone = [
        ("pg_class", "11:01:00", json!([{"relid": 10, "removed": true}])),
        ("pg_stat_all_tables", "11:01:00", json!([figures(11, 0, 0, 5)])),
    ];
    monitored.push_database("main", SHOP, &gone).await;
    let said = format!(
        "insert into metrics.set_states values
            ({id}, 'relation_size', '', 'missing', 'privilege', 'Not read.', 'grant it;', '2026-03-01', '2026-03-01'),
            ({id}, 'pg_stat_all_tables', 'n_live_tup', 'missing', 'role', 'Known on a primary only.', '',
                '2026-03-01', '2026-03-01')"
    );
    monitored.execute(&said).await;
    let answer = monitored.get(&format!("{path}?end=2026-03-01T11:01:30Z")).await.expect(200);
    assert_eq!(names(&answer), ["crm.people", "shop.people"]);
    let why = json!({"code": "privilege", "message": "Not read.", "fix": "grant it;"});
    assert_eq!(answer["unmeasured"]["size_bytes"], why);
    assert_eq!(answer["unmeasured"]["live_rows"]["message"], "Known on a primary only.");
    let unreadable = json!([{"set": "relation_size", "code": "privilege", "message": "Not read.", "fix": "grant it;"}]);
    assert_eq!(answer["not_readable"], unreadable);
}

#[tokio::test]
async fn pages_that_nobody_counted_are_no_size() {
    let monitored = Monitored::new().await;
    let table = |relid: i64, pages: i64, rows: f64| json!({"relid": relid, "relpages": pages, "reltuples": rows});
    let tables = json!([table(10, 0, -1.0), table(11, 0, 0.0), table(12, 3, 90.0)]);
    let indexes =
        json!([{"indexrelid": 20, "relid": 10, "relpages": 1}, {"indexrelid": 22, "relid": 12, "relpages": 2}]);
    let shop = [("pg_stat_all_tables", "11:00:00", tables), ("pg_stat_all_indexes", "11:00:00", indexes)];
    monitored.push_database("main", SHOP, &shop).await;
    let path = format!("/instances/{}/tables?{RANGE}", monitored.id("main").await);
    let answer = monitored.get(&path).await.expect(200);
    let mut sizes: Vec<(&Value, &Value)> =
        answer["data"].as_array().unwrap().iter().map(|row| (&row["relid"], &row["size_bytes"])).collect();
    sizes.sort_by_key(|(relid, _)| relid.as_i64());
    assert_eq!(
        sizes,
        [(&json!(10), &json!(null)), (&json!(11), &json!(0)), (&json!(12), &json!(5 * 8192))],
        "{answer}"
    );
}

#[tokio::test]
async fn bloat_is_that_of_the_moment_and_of_partitions_it_is_summed() {
    let monitored = Monitored::new().await;
    let of = |relid: i64| json!({"relid": relid, "n_live_tup": 10, "n_dead_tup": 0, "relpages": 1000});
    let class = |relid: i64, root: Option<i64>| json!({"relid": relid, "schema": "public", "relname": format!("t{relid}"), "relkind": "r", "root_relid": root});
    let bloat = |relid: i64, pages: i64, bytes: i64| json!({"relid": relid, "relkind": "r", "pages": pages, "bloat_bytes": bytes});
    let at = |time, all: Value| [("bloat", time, all)];
    let named = json!([class(20, None), class(21, Some(9)), class(22, Some(9))]);
    monitored.push_database("main", 5, &[("pg_class", "11:00:00", named)]).await;
    monitored.push_database("main", 5, &at("11:10:00", json!([bloat(20, 1000, 819_200)]))).await;
    let later = json!([bloat(20, 1000, 4_096_000), bloat(21, 1000, 819_200), bloat(22, 3000, 2_457_600)]);
    monitored.push_database("main", 5, &at("11:50:00", later)).await;
    for time in ["11:20:00", "11:55:00"] {
        let all = json!([of(20), of(21), of(22), of(23)]);
        monitored.push_database("main", 5, &[("pg_stat_all_tables", time, all)]).await;
    }
    let path = format!("/instances/{}/tables", monitored.id("main").await);
    let now = monitored.get(&format!("{path}?at=2026-03-01T11:56:00Z&order=bloat_ratio")).await.expect(200);
    let told: Vec<_> =
        now["data"].as_array().unwrap().iter().map(|t| (&t["relid"], &t["bloat_bytes"], &t["bloat_ratio"])).collect();
    assert_eq!(told[0], (&json!(20), &json!(4_096_000), &json!(0.5)));
    assert_eq!(told[1], (&json!(9), &json!(3_276_800), &json!(0.1)), "of all partitions");
    assert_eq!(told[2], (&json!(23), &json!(null), &json!(null)), "small, or its columns may not be seen");
    assert_eq!(now["totals"]["bloat_bytes"], json!(7_372_800));
    let before = monitored.get(&format!("{path}?at=2026-03-01T11:21:00Z&order=bloat_bytes&limit=1")).await.expect(200);
    assert_eq!((&before["data"][0]["bloat_bytes"], &before["data"][0]["bloat_ratio"]), (&json!(819_200), &json!(0.1)));
}
