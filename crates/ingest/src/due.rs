//! Which 5-minute cells a batch's rows fall into: written with them, so that their tiers are made from all of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::copy::Rows;
use store::tiers::Tier;

/// The statement that due cells are copied with.
pub(crate) const COPY_DUE: &str =
    "copy metrics.due (tier, instance_id, first, last, sets, reading) from stdin (format binary)";

/// The cells of a batch.
#[derive(Debug, Default)]
pub(crate) struct DueCells {
    /// By instance: the cells of rows that are whole, and their sets.
    whole: BTreeMap<i32, (BTreeSet<i64>, BTreeSet<String>)>,
    /// Of readings whose rows are divided: instance, set, first and last cell, and time.
    divided: BTreeSet<(i32, String, i64, i64, i64)>,
}

impl DueCells {
    /// Notes a reading.
    pub(crate) fn note(&mut self, instance_id: i32, set: &str, time_us: i64, interval_us: Option<i64>) {
        let (first, last) = Tier::Minutes.buckets(time_us, interval_us).into_inner();
        if Tier::is_divided(interval_us) {
            self.divided.insert((instance_id, set.to_owned(), first, last, time_us));
            return;
        }
        let (cells, sets) = self.whole.entry(instance_id).or_default();
        cells.insert(last);
        if !sets.contains(set) {
            sets.insert(set.to_owned());
        }
    }

    /// The rows of `metrics.due`: one per instance and cells that follow each other.
    pub(crate) fn into_rows(self) -> Rows {
        let mut rows = Rows::default();
        for (instance_id, (cells, sets)) in &self.whole {
            let mut cells = cells.iter().copied().peekable();
            while let Some(first) = cells.next() {
                let mut last = first;
                while let Some(next) = cells.next_if(|next| *next == last + Tier::Minutes.width_us()) {
                    last = next;
                }
                begin(&mut rows, *instance_id, first, last);
                rows.text_array(sets.iter().map(String::as_str));
                rows.null();
            }
        }
        for (instance_id, set, first, last, time_us) in &self.divided {
            begin(&mut rows, *instance_id, *first, *last);
            rows.text_array(std::iter::once(set.as_str()));
            rows.moment(*time_us);
        }
        rows
    }
}

fn begin(rows: &mut Rows, instance_id: i32, first: i64, last: i64) {
    rows.begin(6);
    rows.int2(Tier::Minutes.number());
    rows.int4(instance_id);
    rows.moment(first);
    rows.moment(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_follow_each_other_are_one_row() {
        let rows = |times: &[(i64, Option<i64>)]| {
            let mut due = DueCells::default();
            for (minute, interval) in times {
                due.note(1, "x", minute * 60_000_000, interval.map(|minutes: i64| minutes * 60_000_000));
            }
            due.into_rows().count()
        };
        assert_eq!(rows(&[]), 0);
        assert_eq!(rows(&[(1, None), (5, Some(1)), (6, Some(5)), (20, Some(1))]), 2);
        assert_eq!(rows(&[(1, None), (60, Some(55))]), 2, "a divided reading has one of its own");
    }
}
