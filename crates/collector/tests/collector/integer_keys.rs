//! How far integer keys are, as analyze saw them: with a sequence, without one, and what is no key at all.

use testkit::{Pg, PgOptions};

use crate::look::Look;
use crate::rig::{ROLE, make_role, run};

const TABLES: &str = "
    create table plain (id int primary key, other int);
    insert into plain select 2000000000 + i, i from generate_series(1, 1000) i;
    create table tiny (id smallint unique);
    insert into tiny select generate_series(30000, 30009);
    create table low (id int primary key);
    insert into low select generate_series(1, 1000);
    create table negative (id int primary key);
    insert into negative select -i from generate_series(1, 1000) i;
    create table wide (id bigint primary key);
    insert into wide select 2000000000 + i from generate_series(1, 1000) i;
    create table pair (id int, line int, primary key (id, line));
    insert into pair select 2000000000 + i, 1 from generate_series(1, 1000) i;
    create table hidden (id int primary key);
    insert into hidden select 2000000000 + i from generate_series(1, 1000) i;
    create table \"Odd, name\" (\"the id\" int primary key);
    insert into \"Odd, name\" select 1073741824 - i from generate_series(1, 1000) i;
    analyze;
    create table never_analyzed (id int primary key)";

#[tokio::test]
async fn keys_that_run_out_are_told_without_looking_at_their_tables() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major).setting("autovacuum", "off")).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, TABLES).await;
        let seen = "plain, tiny, low, negative, wide, pair, \"Odd, name\", never_analyzed";
        run(&admin, &format!("grant select on {seen} to {ROLE}")).await;
        // Whoever reads the table waits for this lock.
        run(&admin, "begin; lock table plain in access exclusive mode").await;
        let keys = Look::new(&pg, "postgres", "integer_keys").await.unwrap();
        let told = keys
            .map(|row| {
                let (highest, end) = (row.int("highest_value").unwrap(), row.int("end_value").unwrap());
                assert!((row.float("used").unwrap() - highest as f64 / end as f64).abs() < 1e-9);
                (row.text("attname").unwrap(), row.text("data_type").unwrap(), highest)
            })
            .await;
        let expected =
            [("id", "integer", 2_000_001_000), ("id", "smallint", 30_009), ("the id", "integer", 1_073_741_823)];
        let expected = expected.map(|(name, data_type, highest)| (name.to_owned(), data_type.to_owned(), highest));
        assert_eq!(told, expected, "on {major}, the nearest to its end first");
    }
}
