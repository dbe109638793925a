//! Texts of statements that are longer than anybody reads.

use testkit::{Pg, PgOptions};

use crate::rig::{ROLE, Rig, make_role, reading};

const STATEMENTS: &str = "pg_stat_statements";
const TEXTS: &str = "pg_stat_statements_text";

/// The longest text that is kept, in bytes.
const KEPT: usize = 64 << 10;
const TEN_MB: usize = 10 << 20;

/// The texts of a cycle by how they begin.
fn texts(rig: &Rig, cycle: &collector::watch::Cycle) -> Vec<String> {
    let definition = &rig.catalog.get(TEXTS).unwrap().definition;
    let Some(read) = reading(cycle, TEXTS) else { return Vec::new() };
    assert_eq!(read.error, None);
    let rows = rig.rows(read);
    let queries = rows.column(definition.column("query").unwrap().0).unwrap();
    (0..rows.rows).filter_map(|row| queries.text(row).map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_text_of_ten_megabytes_costs_no_figure_and_is_cut() {
    let mut majors = testkit::majors();
    majors.drain(1..majors.len().max(2) - 1);
    for major in majors {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        let statement = format!("select 1 {} as long_one", " ".repeat(TEN_MB));
        admin.simple_query(&statement).await.unwrap();
        let asked =
            "select queryid, octet_length(query) from pg_stat_statements(true) where octet_length(query) > 9999999";
        let row = admin.query_one(asked, &[]).await.unwrap();
        let (truth, length): (i64, i32) = (row.get(0), row.get(1));
        // Texts are read at once the first time.
        let mut rig = Rig::new(&pg, ROLE);
        let cycle = rig.whole_cycle().await;
        let read = texts(&rig, &cycle);
        let long = read.iter().find(|text| text.starts_with("select $1  ")).unwrap();
        assert!(long.len() <= KEPT + 64, "{major}: {} bytes", long.len());
        let mark = format!(" … ({KEPT} of {length} bytes)");
        assert!(long.ends_with(&mark), "{major}: {:?}", &long[KEPT..]);

        for _ in 0..3 {
            admin.simple_query(&statement).await.unwrap();
        }
        let cycle = rig.whole_cycle().await;
        assert_eq!(rig.sums(&cycle, STATEMENTS, "queryid", "calls").get(&truth), Some(&3), "{major}");
    }
}
