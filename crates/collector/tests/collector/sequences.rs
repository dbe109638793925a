//! Sequences that run out, and the locks that reading them must not wait for.

use std::collections::BTreeMap;

use testkit::{Pg, PgOptions};

use crate::look::Look;
use crate::rig::{ROLE, make_role, run};

const OBJECTS: &str = "
    create table t (id serial primary key, small smallint generated always as identity);
    select setval('t_id_seq', 2000000000);
    create sequence down increment -1;
    select nextval('down'), nextval('down');
    create sequence full_up maxvalue 10;
    select setval('full_up', 10);
    create sequence huge increment 3;
    create sequence hidden;
    create sequence locked;
    create temporary sequence own;
    select nextval('t_small_seq'), nextval('locked'), nextval('own');";

#[tokio::test]
async fn a_sequence_tells_what_is_left_and_one_that_is_locked_is_left_alone() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, OBJECTS).await;
        run(&admin, &format!("grant select on t_id_seq, t_small_seq, down, full_up, huge, locked to {ROLE}")).await;
        let locker = pg.connect("postgres").await.unwrap();
        run(&locker, "begin; alter sequence locked restart").await;

        let names = Look::new(&pg, "postgres", "pg_sequence").await.unwrap();
        let infos = names
            .map(|row| {
                let owner = row.int("owner_relid").map(|_| (row.text("owner_column"), row.text("owner_column_type")));
                (row.text("relname").unwrap(), (row.int("seqrelid").unwrap(), owner))
            })
            .await;
        let infos: BTreeMap<_, _> = infos.into_iter().collect();
        let owner = |column: &str, its_type: &str| Some((Some(column.to_owned()), Some(its_type.to_owned())));
        assert_eq!(infos["t_id_seq"].1, owner("id", "integer"), "{major}");
        assert_eq!(infos["t_small_seq"].1, owner("small", "smallint"));
        assert!(infos["down"].1.is_none() && !infos.contains_key("own"));

        let figures = Look::new(&pg, "postgres", "pg_sequences").await.unwrap();
        let told = figures
            .map(|row| {
                let numbers = ["last_value", "end_value", "remaining"].map(|column| row.int(column));
                (row.int("seqrelid").unwrap(), (row.text("status").unwrap(), numbers, row.float("used")))
            })
            .await;
        let told: BTreeMap<_, _> = told.into_iter().collect();
        assert_eq!(told.len(), infos.len());
        let of = |name: &str| {
            let (status, numbers, used) = &told[&infos[name].0];
            (status.as_str(), *numbers, used.map(|used| (used * 1000.0).round() / 1000.0))
        };
        let (int, most) = (Some(i64::from(i32::MAX)), Some(i64::MAX));
        // serial: the column's end comes first, whatever the sequence's type was before 10.
        assert_eq!(of("t_id_seq"), ("read", [Some(2_000_000_000), int, Some(147_483_647)], Some(0.931)), "{major}");
        assert_eq!(of("t_small_seq"), ("read", [Some(1), Some(32_767), Some(32_766)], Some(0.0)));
        assert_eq!(of("down"), ("read", [Some(-2), Some(i64::MIN), Some(i64::MAX - 1)], Some(0.0)));
        assert_eq!(of("full_up"), ("read", [Some(10), Some(10), Some(0)], Some(1.0)));
        assert_eq!(of("huge"), ("unused", [None, most, None], None));
        assert_eq!(of("hidden"), ("hidden", [None, most, None], None));
        assert_eq!(of("locked"), ("locked", [None, most, None], None));
        run(&locker, "rollback").await;
        figures.until(|row| (row.int("last_value") == Some(1) && row.int("end_value") == most).then_some(())).await;
    }
}
