//! Numbers of sessions over time, from sums of what was counted. Pure.

use std::collections::BTreeMap;

use super::model::SessionSeries;
use super::store::Sums;
use crate::readings::Counted;

/// What is left, together.
pub(super) const OTHERS: &str = "others";

/// A series for each of the names, in their order; `name_of` tells which of them a sum belongs to.
pub(super) fn in_order(
    counted: &Counted,
    sums: Sums,
    names: &[&str],
    name_of: impl Fn(&str) -> &str,
) -> Vec<SessionSeries> {
    let mut by_name: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for (name, sums) in sums {
        by_name.entry(name_of(&name).to_owned()).or_default().extend(sums);
    }
    let listed = names.iter().map(|name| ((*name).to_owned(), by_name.remove(*name).unwrap_or_default()));
    series(counted, listed.collect())
}

/// So many series at most: the most frequent, and one for all others and what has no name.
pub(super) fn most(counted: &Counted, mut sums: Sums, most: usize) -> Vec<SessionSeries> {
    let nameless = sums.remove("");
    let mut all: Vec<(String, Vec<(i64, f64)>)> = sums.into_iter().collect();
    let weight = |sums: &[(i64, f64)]| sums.iter().map(|(_, sum)| sum).sum::<f64>();
    all.sort_by(|(a, one), (b, other)| weight(other).total_cmp(&weight(one)).then_with(|| a.cmp(b)));
    if all.len() + usize::from(nameless.is_some()) > most {
        let rest = all.split_off(all.len().min(most - 1));
        let rest = rest.into_iter().flat_map(|(_, sums)| sums).chain(nameless.into_iter().flatten());
        all.push((OTHERS.to_owned(), rest.collect()));
    } else if let Some(nameless) = nameless {
        all.push((OTHERS.to_owned(), nameless));
    }
    series(counted, all)
}

fn series(counted: &Counted, sums: Vec<(String, Vec<(i64, f64)>)>) -> Vec<SessionSeries> {
    // The sum of nothing is -0.
    let weights: Vec<f64> = sums.iter().map(|(_, sums)| sums.iter().map(|(_, sum)| sum).sum::<f64>() + 0.0).collect();
    let total: f64 = weights.iter().sum();
    let share = |weight: f64| (total > 0.0).then(|| weight / total);
    sums.into_iter()
        .zip(weights)
        .map(|((name, sums), weight)| SessionSeries {
            name,
            query: None,
            query_state: None,
            mean: counted.mean(weight),
            share: share(weight),
            values: counted.means(sums),
        })
        .collect()
}
