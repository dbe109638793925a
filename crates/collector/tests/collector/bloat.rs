//! Bloat as it is estimated, against tables whose bloat is known.

use std::collections::BTreeMap;

use testkit::{Pg, PgOptions};

use crate::look::Look;
use crate::rig::{ROLE, make_role, run};

/// Of `emptied` three rows of four are gone, everywhere in it. `loose` has the room that was asked for.
const TABLES: &str = "
    create table whole (id int primary key, n int, t text);
    insert into whole select i, i, repeat('x', 39) from generate_series(1, 100000) i;
    create table emptied as select * from whole;
    alter table emptied add primary key (id);
    create table loose (a int, b int) with (fillfactor = 50);
    insert into loose select i, case when i % 2 = 0 then i end from generate_series(1, 100000) i;
    create table hidden as select * from whole;
    create table small as select 1 as n;
    delete from emptied where id % 4 <> 0";

#[tokio::test]
async fn bloat_is_near_the_truth_and_nothing_is_said_of_what_is_not_known() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major).setting("autovacuum", "off")).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, TABLES).await;
        run(&admin, "vacuum emptied").await;
        run(&admin, "analyze").await;
        run(&admin, "create table never_analyzed as select * from whole").await;
        run(&admin, &format!("grant select on whole, emptied, loose, small, never_analyzed to {ROLE}")).await;
        let names = "select oid::int8, relname::text from pg_class where relkind in ('r', 'i')";
        let names: BTreeMap<i64, String> =
            admin.query(names, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();

        let estimates = Look::new(&pg, "postgres", "bloat").await.unwrap();
        let told = estimates
            .map(|row| {
                let (pages, bytes) = (row.int("pages").unwrap(), row.int("bloat_bytes").unwrap());
                let bloat = row.float("bloat").unwrap();
                assert_eq!(bytes, (pages - row.int("expected_pages").unwrap()).max(0) * 8192);
                (names[&row.int("relid").unwrap()].clone(), bloat)
            })
            .await;
        let told: BTreeMap<String, f64> = told.into_iter().collect();
        let expected = ["emptied", "emptied_pkey", "loose", "whole", "whole_pkey"];
        assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{major}");
        for (name, truth) in
            [("emptied", 0.75), ("emptied_pkey", 0.75), ("loose", 0.0), ("whole", 0.0), ("whole_pkey", 0.0)]
        {
            assert!((told[name] - truth).abs() < 0.05, "{name} on {major}: {} instead of {truth}", told[name]);
        }
    }
}
