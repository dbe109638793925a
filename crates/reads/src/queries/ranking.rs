//! Puts a ranking together. Pure: what was read in, what is answered out.

use std::cmp::Ordering;

use super::figures::{COUNTERS, Figures, Sums};
use super::model::{Direction, Others, Totals};
use super::names::{Names, Texts};
use super::store::{Key, Worked};
use store::nearest;

/// How a ranking is filtered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    pub(crate) database: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) toplevel: Option<bool>,
    pub(crate) search: Option<&'a str>,
}

impl Filter<'_> {
    /// Whether a row matches. What the collector's limit summed has no user and no text to be found by.
    pub(crate) fn matches(&self, key: Key, databases: &Names, roles: &Names, texts: &Texts) -> bool {
        if key.is_cut() && (self.user.is_some() || self.search.is_some()) {
            return false;
        }
        self.database.is_none_or(|wanted| databases.is(key.dbid, wanted))
            && self.user.is_none_or(|wanted| roles.is(key.userid, wanted))
            && self.toplevel.is_none_or(|wanted| key.toplevel == wanted)
            && self.search.is_none_or(|wanted| {
                let text = texts.get(key.dbid, key.queryid).0.unwrap_or_default();
                text.to_lowercase().contains(&wanted.to_lowercase())
            })
    }
}

/// A ranking without names, texts and trends.
#[derive(Debug)]
pub(crate) struct Ranked {
    /// The statements of the page that was asked for.
    pub(crate) listed: Vec<(Key, Figures)>,
    /// How many statements match.
    pub(crate) total: usize,
    /// Everything that matches and is not listed.
    pub(crate) others: Option<Others>,
}

/// The execution time of all statements that clients sent, in microseconds: what shares are of.
pub(crate) fn total_us(all: &[Worked]) -> f64 {
    all.iter().filter(|worked| worked.key.toplevel).filter_map(|worked| worked.sums.of("total_exec_time_ms")).sum()
}

/// All work of the range, added up.
pub(crate) fn sum<'a>(rows: impl IntoIterator<Item = &'a Worked>) -> Sums {
    let mut sums = Sums::default();
    rows.into_iter().for_each(|worked| sums.add(&worked.sums));
    sums
}

/// All work, filters aside. `only_cut` statements have no row of their own, and `whole` is what all did.
pub(crate) fn totals(all: &[Worked], only_cut: usize, whole: &Sums) -> Totals {
    let count = |name: &str| whole.of(name).map(nearest);
    Totals {
        statements: all.iter().filter(|worked| !worked.key.is_cut()).count() + only_cut,
        calls: count("calls"),
        total_exec_time_ms: whole.of("total_exec_time_ms").map(|_| total_us(all) / 1000.0),
        rows: count("rows"),
    }
}

/// The figures of a statement: a share only where it is part of the total.
fn figures(worked: &Worked, total_us: Option<f64>) -> Figures {
    Figures::new(&worked.sums, total_us.filter(|_| worked.key.toplevel))
}

/// Ranks matching work by a figure whose name was checked; `only_cut` statements are nowhere but in the sums of the
/// collector's limit.
pub(crate) fn rank(
    matching: Vec<Worked>,
    total_us: Option<f64>,
    order: &str,
    direction: Direction,
    page: std::ops::Range<usize>,
    only_cut: usize,
) -> Ranked {
    let place = COUNTERS.iter().position(|counter| counter.name == order).unwrap_or(0);
    let value = Figures::order_value(order);
    let (summed, named): (Vec<Worked>, Vec<Worked>) = matching.into_iter().partition(|worked| worked.key.is_cut());
    let mut rows: Vec<(Worked, Figures, Option<f64>)> = named
        .into_iter()
        .map(|worked| {
            let shown = figures(&worked, total_us);
            let by = value.and_then(|value| value(&shown, &worked.sums, place));
            (worked, shown, by)
        })
        .collect();
    rows.sort_by(|(a, _, by_a), (b, _, by_b)| compare(*by_a, *by_b, direction).then_with(|| a.key.cmp(&b.key)));
    let total = rows.len();
    let mut unlisted = Vec::new();
    let mut listed = Vec::new();
    for (nth, (worked, shown, _)) in rows.into_iter().enumerate() {
        if page.contains(&nth) {
            listed.push((worked.key, shown));
        } else {
            unlisted.push(worked);
        }
    }
    let statements = if summed.is_empty() { unlisted.len() } else { unlisted.len() + only_cut };
    unlisted.extend(summed);
    Ranked { listed, total, others: together(&unlisted, statements, total_us) }
}

/// Work as one row; `None` where there is none.
pub(crate) fn together(rows: &[Worked], statements: usize, total_us: Option<f64>) -> Option<Others> {
    if rows.is_empty() {
        return None;
    }
    let mut figures = Figures::new(&sum(rows), None);
    let own_us: f64 = rows.iter().map(toplevel_us).sum();
    figures.share_of_total = total_us.filter(|total| *total > 0.0).map(|total| own_us / total);
    Some(Others { statements, figures })
}

fn toplevel_us(worked: &Worked) -> f64 {
    worked.sums.of("total_exec_time_ms").filter(|_| worked.key.toplevel).unwrap_or(0.0)
}

/// What was not measured comes last, whichever end is first.
fn compare(a: Option<f64>, b: Option<f64>, direction: Direction) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => match direction {
            Direction::Desc => b.total_cmp(&a),
            Direction::Asc => a.total_cmp(&b),
        },
    }
}
