//! The row limit keeps every total.

use std::collections::BTreeMap;

use catalog::{Catalog, Kind, Set, Type};
use collector::limits;
use proptest::prelude::*;
use wire::Frame;

/// A statement's row: database, queryid, toplevel, calls, time.
type Row = (i64, i64, bool, i64, i64);

fn frame(set: &Set, rows: &[Row]) -> Frame {
    let mut frame = Frame::new(&set.definition);
    for (dbid, queryid, toplevel, calls, time_us) in rows {
        for (meta, column) in set.definition.columns.iter().zip(&mut frame.columns) {
            let column = column.as_mut().unwrap();
            match meta.name.as_str() {
                "userid" => column.push_int(10),
                "dbid" => column.push_int(*dbid),
                "queryid" => column.push_int(*queryid),
                "toplevel" => column.push_bool(*toplevel),
                "calls" => column.push_int(*calls),
                "total_exec_time" => column.push_int(*time_us),
                _ if meta.kind == Kind::Counter && meta.column_type != Type::Float8 => column.push_int(0),
                _ => column.push_null(),
            }
        }
        frame.rows += 1;
    }
    frame
}

/// Calls, time and the number of statements of each (database, toplevel).
fn totals(set: &Set, frame: &Frame) -> BTreeMap<(i64, bool), (i64, i64)> {
    let column = |name: &str| frame.column(set.definition.column(name).unwrap().0).unwrap();
    let mut totals = BTreeMap::new();
    for row in 0..frame.rows {
        let key = (column("dbid").int(row).unwrap(), column("toplevel").bool(row).unwrap());
        let total: &mut (i64, i64) = totals.entry(key).or_default();
        total.0 += column("calls").int(row).unwrap();
        total.1 += column("total_exec_time").int(row).unwrap();
    }
    totals
}

proptest! {
    #[test]
    fn what_is_cut_is_in_others(
        statements in prop::collection::btree_map(
            (1..4_i64, -20..20_i64, any::<bool>()), (0..50_i64, 0..1000_i64), 0..60),
        most in 1..12_usize,
    ) {
        let catalog = Catalog::embedded().unwrap();
        let set = catalog.get("pg_stat_statements").unwrap();
        let limit = set.limit.as_ref().unwrap();
        let rows: Vec<Row> = statements
            .iter()
            // 0 is the queryid of "others".
            .map(|((dbid, queryid, toplevel), (calls, time))| (*dbid, queryid * 2 + 1, *toplevel, *calls, *time))
            .collect();
        let moved = limits::moved_only(set, frame(set, &rows));
        let counts = rows.iter().filter(|(_, _, _, calls, time)| *calls != 0 || *time != 0).count();
        prop_assert_eq!(moved.rows, counts);
        let before = totals(set, &moved);
        let (kept, cuts) = limits::cut(set, limit, moved.clone(), most);
        prop_assert_eq!(&totals(set, &kept), &before);
        let column = |name: &str| kept.column(set.definition.column(name).unwrap().0).unwrap();
        let mut largest_cut = BTreeMap::new();
        for cut in &cuts {
            let all: Vec<&Row> = rows.iter().filter(|row| row.0 == cut.per && (row.3 != 0 || row.4 != 0)).collect();
            prop_assert_eq!(all.len(), cut.rows as usize + most);
            let times = all.iter().filter(|row| cut.ids.contains(&row.1)).map(|row| row.4);
            largest_cut.insert(cut.per, times.min().unwrap());
        }
        for row in 0..kept.rows {
            let (dbid, userid) = (column("dbid").int(row).unwrap(), column("userid").int(row).unwrap());
            if userid == 0 {
                prop_assert_eq!(column("queryid").int(row), Some(0));
                prop_assert!(largest_cut.contains_key(&dbid));
                prop_assert!(column("stats_since").is_null(row));
            } else if let Some(cut) = largest_cut.get(&dbid) {
                prop_assert!(column("total_exec_time").int(row).unwrap() >= *cut, "a larger one was cut");
            }
        }
    }
}

#[test]
fn a_sum_keeps_the_labels_that_its_limit_names() {
    let catalog = Catalog::embedded().unwrap();
    let set = catalog.get("session_samples").unwrap();
    let mut rows = Frame::new(&set.definition);
    for (queryid, state, samples) in
        [(1, "active", 9), (2, "active", 3), (3, "active", 2), (4, "idle in transaction", 1)]
    {
        for (meta, column) in set.definition.columns.iter().zip(&mut rows.columns) {
            let column = column.as_mut().unwrap();
            match meta.name.as_str() {
                "queryid" => column.push_int(queryid),
                "samples" => column.push_int(samples),
                "state" => column.push_text(state),
                _ if meta.column_type == Type::Text => column.push_text("x"),
                _ => column.push_int(5),
            }
        }
        rows.rows += 1;
    }
    let rows = limits::moved_only(set, rows);
    assert_eq!(rows.rows, 4, "a set without counters has nothing that stands still");
    let (kept, cuts) = limits::cut(set, set.limit.as_ref().unwrap(), rows, 1);
    assert_eq!((cuts[0].rows, cuts[0].ids.as_slice()), (3, [2, 3, 4].as_slice()));
    let column = |name: &str| kept.column(set.definition.column(name).unwrap().0).unwrap();
    let row = |row: usize| {
        let texts = ["application_name", "state"].map(|name| column(name).text(row).unwrap());
        (texts, column("queryid").int(row).unwrap(), column("samples").int(row).unwrap())
    };
    let mut found: Vec<_> = (0..kept.rows).map(row).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [(["", "active"], 0, 5), (["", "idle in transaction"], 0, 1), (["x", "active"], 1, 9)],
        "others by state"
    );
}
