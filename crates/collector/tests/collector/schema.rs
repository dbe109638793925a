//! Columns, constraints, extensions and memberships as they are stored, and how clients are connected.

use std::collections::BTreeMap;

use testkit::{Pg, PgOptions};

use crate::look::Look;
use crate::rig::{make_role, run};

const OBJECTS: &str = "
    create schema \"Odd one\";
    create type \"Odd one\".mood as enum ('good', 'bad');
    create table \"Odd one\".parent (id int primary key, \"Mood\" \"Odd one\".mood default 'good', gone int);
    alter table \"Odd one\".parent drop column gone;
    create table child (a bigint not null, parent int, price numeric(10, 2),
        constraint positive check (price > 0), constraint once unique (a, parent) deferrable initially deferred);
    alter table child add constraint of_parent foreign key (parent) references \"Odd one\".parent on delete cascade
        not valid;
    create temporary table own (n int primary key);
    create role reader; create role writer; grant pg_signal_backend to reader; grant reader to writer with admin option;";

#[tokio::test]
async fn the_schema_is_told_without_a_definition() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, OBJECTS).await;
        // Whoever asks for a definition waits here.
        let locker = pg.connect("postgres").await.unwrap();
        run(&locker, "begin; lock table child, \"Odd one\".parent in access exclusive mode").await;

        let columns = Look::new(&pg, "postgres", "pg_attribute").await;
        assert_eq!(columns.is_some(), major >= 11);
        if let Some(columns) = columns {
            let mut told = columns.map(|row| (row.text("columns").unwrap(), row.int("column_count").unwrap())).await;
            told.sort();
            let expected = [
                ("a bigint not null, parent integer, price numeric(10,2)".to_owned(), 3),
                ("id integer not null, \"Mood\" \"Odd one\".mood default".to_owned(), 2),
            ];
            assert_eq!(told, expected, "{major}");
        }

        let constraints = Look::new(&pg, "postgres", "pg_constraint").await.unwrap();
        let told = constraints
            .map(|row| {
                let words = ["contype", "columns", "references_columns", "on_delete"].map(|column| row.text(column));
                let marks = ["is_deferrable", "is_deferred", "is_validated"].map(|column| row.int(column).unwrap());
                (row.text("conname").unwrap(), (words, marks))
            })
            .await;
        let told: BTreeMap<_, _> = told.into_iter().collect();
        let words = |words: [Option<&str>; 4]| words.map(|word| word.map(str::to_owned));
        let expected = [
            ("of_parent", (words([Some("f"), Some("parent"), Some("id"), Some("c")]), [0, 0, 0])),
            ("once", (words([Some("u"), Some("a, parent"), None, None]), [1, 1, 1])),
            ("parent_pkey", (words([Some("p"), Some("id"), None, None]), [0, 0, 1])),
            ("positive", (words([Some("c"), Some("price"), None, None]), [0, 0, 1])),
        ];
        assert_eq!(told, expected.map(|(name, of)| (name.to_owned(), of)).into(), "{major}");

        let extensions = Look::new(&pg, "postgres", "pg_extension").await.unwrap();
        let told =
            extensions.map(|row| ["extname", "extversion", "default_version"].map(|column| row.text(column))).await;
        let statements = told.iter().find(|row| row[0].as_deref() == Some("pg_stat_statements")).unwrap();
        let by_this_server = statements[1].clone().filter(|_| major >= 12);
        assert_eq!(statements[2], by_this_server, "{major}");

        let members = Look::new(&pg, "postgres", "pg_auth_members").await.unwrap();
        let oids = "select oid::int8 from pg_roles where rolname in ('pg_signal_backend', 'reader', 'writer')
            order by rolname";
        let oids: Vec<i64> = admin.query(oids, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let told = members.map(|row| ["roleid", "member", "admin_option"].map(|column| row.int(column).unwrap())).await;
        assert!(told.contains(&[oids[0], oids[1], 0]) && told.contains(&[oids[1], oids[2], 1]), "{told:?}");

        let encryption = Look::new(&pg, "postgres", "session_encryption").await.unwrap();
        let told = encryption
            .map(|row| {
                (["transport", "tls_version", "cipher"].map(|label| row.text(label).unwrap()), row.int("sessions"))
            })
            .await;
        let sessions: i64 = told.iter().filter_map(|(_, sessions)| *sessions).sum();
        let all = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
        assert_eq!(sessions, admin.query_one(all, &[]).await.unwrap().get::<_, i64>(0));
        assert!(told.iter().all(|(how, _)| *how == ["local", "", ""].map(str::to_owned)), "{told:?}");
    }
}
